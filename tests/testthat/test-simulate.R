test_that("equal estimates and seeds give lme4's draws", {
  for_each_twin(function(ours, theirs, data, name) {
    # lme4 leaves the weights out.
    if (!is.null(model.weights(model.frame(ours)))) {
      return()
    }
    expect_equal(
      simulate(ours, 2, seed = 1),
      simulate(theirs, 2, seed = 1),
      tolerance = 1e-6,
      ignore_attr = "seed",
      info = name
    )
    # lme4 before 2.0 can't where the formula transforms a variable.
    if (!all(all.vars(formula(ours)) %in% names(model.frame(theirs)))) {
      return()
    }
    expect_equal(
      simulate(ours, 1, seed = 2, use.u = TRUE),
      simulate(theirs, 1, seed = 2, use.u = TRUE),
      tolerance = 1e-6,
      ignore_attr = "seed",
      info = name
    )
  })
})

test_that("re.form names what is held at its conditional modes", {
  pair <- twin("penicillin")
  # Not `~ (1 | plate)`: the terms left to draw get theta of the first terms in lme4.
  for (form in list(NULL, ~0, ~ (1 | sample))) {
    expect_equal(
      simulate(pair$ours, 2, seed = 3, re.form = form),
      simulate(pair$theirs, 2, seed = 3, re.form = form),
      tolerance = 1e-6,
      ignore_attr = "seed",
      info = deparse1(form)
    )
  }
  expect_error(
    simulate(pair$ours, use.u = TRUE, re.form = NULL),
    class = "rlmm_error_argument"
  )

  draws <- as.matrix(simulate(
    pair$ours,
    2000,
    seed = 3,
    re.form = ~ (1 | plate)
  ))
  expect_equal(
    unname(rowMeans(draws)),
    unname(predict(pair$ours, re.form = ~ (1 | plate))),
    tolerance = 0.02
  )
  expect_equal(
    cov(draws[1, ], draws[7, ]),
    as.numeric(VarCorr(pair$ours)$sample),
    tolerance = 0.15
  )
})

test_that("the moments are the model's", {
  fit <- twin("penicillin_weights")$ours
  draws <- as.matrix(simulate(fit, 4000, seed = 11))
  z <- as.matrix(model.matrix(fit, "random"))
  lambda <- as.matrix(getME(fit, "Lambda"))
  covariance <- sigma(fit)^2 *
    (tcrossprod(z %*% lambda) + diag(1 / weights(fit)))
  expect_lt(
    max(abs(rowMeans(draws) - predict(fit, re.form = NA))),
    5 * sqrt(max(diag(covariance)) / 4000)
  )
  expect_equal(
    unname(apply(draws, 1, var)),
    unname(diag(covariance)),
    tolerance = 0.15
  )
  # A plate's observations share its effect.
  expect_equal(cov(draws[1, ], draws[2, ]), covariance[1, 2], tolerance = 0.15)
})

test_that("the seed is lme4's attribute, and the generator is left as it was", {
  fit <- twin("dyestuff_ml")$ours
  set.seed(5)
  draws <- simulate(fit, 1, seed = 1)
  after <- runif(1)
  set.seed(5)
  expect_equal(runif(1), after)
  set.seed(1)
  expect_identical(attr(draws, "seed"), .Random.seed)
  expect_equal(simulate(fit)$sim_1, draws$sim_1)
  expect_identical(simulate(fit, 3, seed = 1), simulate(fit, 3, seed = 1))
})

test_that("new data and new parameters", {
  pair <- twin("sleep")
  new <- data.frame(Days = 0:3, Subject = c("308", "308", "309", "new"))
  expect_error(
    simulate(pair$ours, newdata = new),
    class = "rlmm_error_new_levels"
  )
  expect_error(
    simulate(pair$ours, newdata = new, re.form = NULL),
    class = "rlmm_error_new_levels"
  )
  drawn <- as.matrix(simulate(
    pair$ours,
    3000,
    seed = 4,
    newdata = new,
    allow.new.levels = TRUE
  ))
  expect_equal(dim(drawn), c(4L, 3000L))
  # The level that is new has a variance like that of the others, and is independent of them.
  variance <- getME(pair$ours, "sigma")^2
  template <- as.matrix(getME(pair$ours, "Lambda"))[1:2, 1:2]
  expected <- variance * (1 + sum(crossprod(template, c(1, 3))^2))
  expect_equal(var(drawn[4, ]), expected, tolerance = 0.15)
  expect_lt(abs(cor(drawn[4, ], drawn[3, ])), 0.1)
  expect_equal(
    simulate(
      pair$ours,
      1,
      seed = 1,
      newdata = new,
      re.form = NULL,
      allow.new.levels = TRUE
    ),
    simulate(
      pair$theirs,
      1,
      seed = 1,
      newdata = new,
      re.form = NULL,
      allow.new.levels = TRUE
    ),
    tolerance = 1e-6,
    ignore_attr = c("seed", "row.names")
  )
  par <- list(theta = c(0, 0, 0), beta = c(0, 1), sigma = 1)
  set.seed(6)
  skip <- rnorm(36)
  expected <- sleepstudy$Days + rnorm(180)
  expect_equal(simulate(pair$ours, seed = 6, newparams = par)$sim_1, expected)
})

test_that("weights are respected, on new data too", {
  pair <- twin("sleep_weights")
  new <- data.frame(Days = rep(c(0, 3), each = 2), Subject = "308")
  draws <- as.matrix(simulate(
    pair$ours,
    3000,
    seed = 8,
    newdata = new,
    use.u = TRUE
  ))
  expect_equal(
    unname(apply(draws, 1, var)),
    sigma(pair$ours)^2 * c(1, 1, 4, 4),
    tolerance = 0.15
  )
  expect_error(
    simulate(pair$ours, newdata = new["Subject"]),
    class = "rlmm_error_variable"
  )
})

test_that("rows with missing values", {
  data <- sleepstudy
  data$Days[3] <- NA
  fit <- rlmm(Reaction ~ Days + (Days | Subject), data, na.action = na.exclude)
  draws <- simulate(fit, 2, seed = 1)
  expect_equal(dim(draws), c(180L, 2L))
  expect_equal(which(is.na(draws$sim_2)), 3)
  new <- data[1:4, ]
  expect_equal(which(is.na(simulate(fit, newdata = new)$sim_1)), 3)
  expect_equal(nrow(simulate(fit, newdata = new, na.action = na.omit)), 3)
})

test_that("nsim must be a positive number", {
  fit <- twin("dyestuff_ml")$ours
  expect_error(simulate(fit, 0), class = "rlmm_error_argument")
  expect_snapshot(writeLines(error_lines(simulate(fit, "a"))))
})

test_that("observations of weight zero get finite draws", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, weights = rep(c(0, 1, 1), 10))
  expect_true(all(is.finite(simulate(fit, seed = 1)$sim_1)))
})

# Slopes by level beside a second large factor, and of both, against the model with dummy columns,
# and the rank rule against lm().

crossed_data <- function(parts = 1, n = 700) {
  set.seed(50 + parts)
  firm <- sample(30, n, TRUE)
  town <- (firm - 1) %% parts + parts * (sample(24 %/% parts, n, TRUE) - 1) + 1
  d <- data.frame(
    firm = factor(firm),
    town = factor(sprintf("t%02d", town)),
    worker = factor(sample(40, n, TRUE)),
    x = rnorm(n, 5),
    z = runif(n),
    sex = sample(c("f", "m"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  # A firm has one value of a covariate, two have women alone, and a town has one value of another.
  d$x[d$firm == "7"] <- 4
  d$sex[d$firm %in% c("3", "11")] <- "f"
  d$z[d$town == levels(d$town)[5L]] <- 0.5
  d$size <- rnorm(30)[firm]
  d$cap <- rnorm(24)[town]
  d$both <- d$size + 2 * d$cap
  d$mean <- rnorm(30)[firm] +
    0.4 * rnorm(30)[firm] * (d$x - 5) +
    rnorm(24)[town]
  d$y <- d$mean + rnorm(40, sd = 0.6)[d$worker] + rnorm(n)
  d$count <- rpois(n, exp(pmin(d$mean / 3, 2)))
  d
}

expect_same_by_both <- function(fits, tolerance = 1e-6) {
  large <- fits$levels$fixed$large
  expect_identical(n_blocks(large), 2L)
  expect_equal(
    as.numeric(logLik(fits$levels)),
    as.numeric(logLik(fits$dummies)),
    tolerance = 1e-10
  )
  expect_equal(df.residual(fits$levels), df.residual(fits$dummies))
  found <- fixef(fits$levels, TRUE)
  right <- fixef(fits$dummies, TRUE)
  expect_identical(is.na(found), is.na(right))
  expect_equal(found, right, tolerance = tolerance)
  own <- rownames(vcov(fits$levels))
  expect_equal(
    vcov(fits$levels),
    vcov(fits$dummies)[own, own, drop = FALSE],
    tolerance = 10 * tolerance
  )
}

test_that("slopes beside a second factor, and of both, are those of dummy columns", {
  d <- crossed_data()
  for (formula in c(
    y ~ firm * x + town,
    y ~ town + firm * sex + z,
    y ~ firm * x + town * z,
    y ~ 0 + firm * x + town * x,
    y ~ size + both + firm:x + town
  )) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    expect_same_by_both(fits)
    expect_dropped_as_lm(fits$levels, formula, d)
  }
})

test_that("what each connected part of two factors drops stays so beside slopes", {
  d <- crossed_data(3)
  for (formula in c(y ~ firm * x + town, y ~ 0 + town * z + firm * sex)) {
    fits <- by_both_codings(
      rlmm(with_worker(formula), d, weights = w, REML = FALSE),
      d
    )
    expect_same_by_both(fits)
    expect_dropped_as_lm(fits$levels, formula, d)
  }
})

test_that("combinations that levels don't tell are found", {
  d <- crossed_data()
  # A town's slope is a combination of its firms' slopes where each firm is in one town.
  d$place <- factor(as.integer(d$firm) %/% 1L)
  formula <- y ~ firm * x + place * x
  fits <- by_both_codings(rlmm(with_worker(formula), d), d)
  expect_identical(
    is.na(fixef(fits$levels, TRUE)),
    is.na(fixef(fits$dummies, TRUE))
  )
  expect_dropped_as_lm(fits$levels, formula, d)
})

test_that("contrasts of two factors with slopes are their own", {
  d <- crossed_data()
  # Nothing of these depends on what stands before it.
  d <- d[!d$firm %in% c("3", "7", "11"), ]
  d$firm <- factor(d$firm)
  coded <- list(firm = "contr.sum", town = "contr.helmert")
  fits <- by_both_codings(
    rlmm(y ~ firm * x + town * sex + (1 | worker), d, contrasts = coded),
    d
  )
  expect_same_by_both(fits)
})

test_that("generalized models have both too", {
  d <- crossed_data()
  fits <- by_both_codings(
    rglmm(count ~ firm * x + town + (1 | worker), d, poisson),
    d
  )
  expect_identical(n_blocks(fits$levels$fixed$large), 2L)
  expect_same_generalized(fits, of_vcov = 1e-2)
})

test_that("methods agree with those of dummy columns", {
  d <- crossed_data()
  d <- d[d$firm != "7", ]
  fits <- by_both_codings(
    rlmm(y ~ firm * x + town * x + sex + (1 | worker), d),
    d
  )
  expect_same <- expecting_same(fits)
  expect_same(\(fit) predict(fit, d[1:4, ], se.fit = TRUE))
  expect_same(\(fit) {
    predict(fit, d[1:4, ], re.form = NA, interval = "confidence")
  })
  expect_same(\(fit) simulate(fit, 1, seed = 1))
  expect_same(\(fit) fixef(refit(fit, d$y + d$x)))
  asked <- c("x", "firm12", "firm5:x", "townt03")
  expect_same(\(fit) confint(fit, asked, method = "Wald"))
  expect_message(
    limits <- confint(fits$levels, "firm12"),
    class = "rlmm_message_wald"
  )
  expect_equal(limits, confint(fits$dummies, "firm12", method = "Wald"))
  tables <- lapply(fits, anova, type = "II")
  rows <- rownames(tables$levels)
  expect_true(all(c("x", "firm:x", "x:town") %in% rows))
  expect_equal(
    tables$levels[, "F value"],
    tables$dummies[rows, "F value"],
    tolerance = 1e-5
  )
  slope <- lapply(fits, anova)
  expect_equal(
    slope$levels["x", "F value"],
    slope$dummies["x", "F value"],
    tolerance = 1e-5
  )
})

test_that("the iterative engine has slopes beside a second factor", {
  d <- crossed_data(n = 3000)
  rlang::local_options(rlmm.large_factor = 20)
  exact <- rlmm(y ~ firm * x + town + (1 | worker), d)
  by_gradients <- rlmm_control(engine = "iterative")
  fit <- rlmm(y ~ firm * x + town + (1 | worker), d, control = by_gradients)
  expect_identical(fit$engine, "iterative")
  expect_equal(fixef(fit), fixef(exact), tolerance = 1e-3)
  gap <- as.numeric(logLik(fit)) - as.numeric(logLik(exact))
  expect_lt(abs(gap), 3 * attr(logLik(fit), "se"))
})

test_that("combinations of columns are told of dense ones", {
  for (seed in 1:5) {
    set.seed(seed)
    a <- sample(6, 50, TRUE)
    b <- sample(5, 50, TRUE)
    z <- round(rnorm(50, 2), 1)
    z[a == 2] <- 1
    size <- rnorm(6)[a]
    factors <- list(
      list(refs = a, levels = 1:6, block = 1L),
      list(refs = a, levels = 1:6, block = 1L, covariate = "z", values = z),
      list(refs = b, levels = 1:5, block = 2L)
    )
    x <- cbind(1, size)
    dense <- cbind(
      x,
      outer(a, 1:6, `==`),
      outer(a, 1:6, `==`) * z,
      outer(b, 1:5, `==`)
    )
    dense[, 9:14] <- dense[, 9:14] - z[1] * dense[, 3:8]
    null <- random_null_combinations(x, factors)
    expect_lt(max(abs(dense %*% null)), 1e-9)
    expect_true(all(colSums(abs(null[-(1:2), ])) > 0.01))
    expect_equal(
      project_on_levels(cbind(size, rnorm(50)), factors)$rest[, 1],
      numeric(50),
      tolerance = 1e-9
    )
  }
})

test_that("tables have no row of a covariate that was dropped, or that other levels tell", {
  d <- crossed_data()
  fits <- by_both_codings(rlmm(y ~ firm * size + z + (1 | worker), d), d)
  tables <- lapply(fits, anova, type = "II")
  expect_identical(rownames(tables$levels), c("firm", "z"))
  expect_equal(
    tables$levels[, "F value"],
    tables$dummies[, "F value"],
    tolerance = 1e-5
  )
  # Of its firm's size, and of a combination of its slopes, nothing is left.
  for (formula in c(
    y ~ size + town:size + firm + x,
    y ~ firm:cbind(x, z) + town * z + firm
  )) {
    fit <- by_both_codings(rlmm(with_worker(formula), d), d)$levels
    table <- anova(fit, type = "II")
    expect_false(any(c("size", "z") %in% rownames(table)))
    expect_match(
      attr(table, "heading"),
      "no test beside levels and slopes of which",
      all = FALSE
    )
  }
})

test_that("a covariate that is in products of slopes alone is tested beside them", {
  d <- crossed_data()
  fits <- by_both_codings(rlmm(y ~ x + sex + firm:x:z + (1 | worker), d), d)
  for (type in c("II", "III")) {
    tables <- lapply(fits, anova, type = type)
    expect_identical(rownames(tables$levels), rownames(tables$dummies))
    expect_equal(
      tables$levels[, "F value"],
      tables$dummies[, "F value"],
      tolerance = 1e-5
    )
  }
})

test_that("columns that differ by a constant are told from those of levels without an intercept", {
  d <- crossed_data()
  d$moved <- 3 + 2 * d$z
  d$one <- 1
  for (formula in c(
    y ~ 0 + firm * x + z + moved + town,
    y ~ 0 + firm * x + one + town
  )) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    expect_same_by_both(fits)
    expect_dropped_as_lm(fits$levels, formula, d)
  }
})

test_that("a row without a level has no warning", {
  d <- crossed_data()
  rlang::local_options(rlmm.large_factor = 20)
  fit <- suppressMessages(rlmm(y ~ firm * x + town + (1 | worker), d))
  new <- d[1:3, ]
  new$firm[2] <- NA
  expect_no_warning(found <- predict(fit, new, re.form = NA))
  expect_identical(unname(is.na(found)), c(FALSE, TRUE, FALSE))
})

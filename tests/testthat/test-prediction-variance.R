# Not for nested factors: for the balanced Pastes lme4 2.1 gives equal predictions unequal standard
# errors.
test_that("standard errors are lme4's", {
  skip_if_not_installed("lme4", "1.1-35")
  for_each_twin(
    function(ours, theirs, data, name) {
      theirs_se <- predict(theirs, se.fit = TRUE)
      se <- predict(ours, se.fit = TRUE)
      expect_equal(se$fit, fitted(ours), info = name)
      expect_equal(
        unname(se$se.fit),
        unname(theirs_se$se.fit),
        tolerance = 1e-6,
        info = name
      )
      expect_equal(
        predict(ours, se.fit = TRUE, re.form = NA)$se.fit,
        predict(theirs, se.fit = TRUE, re.form = NA)$se.fit,
        tolerance = 1e-6,
        info = name
      )
    },
    names = c(
      "dyestuff_ml",
      "sleep",
      "penicillin",
      "cake_dummy",
      "sleep_offset",
      "sleep_aliased"
    )
  )
})

# Names of a term's random effects in the joint covariance, in the order of the columns of Z.
effect_names <- function(term) {
  k <- length(term$columns)
  paste(
    term$group,
    rep(term$levels, each = k),
    rep(term$columns, length(term$levels)),
    sep = "."
  )
}

test_that("standard errors are those of the joint covariance of b and beta", {
  for (name in c(
    "sleep",
    "penicillin_weights",
    "pastes",
    "sleep_no_fixed",
    "sleep_bars",
    "dyestuff2"
  )) {
    fit <- twin(name)$ours
    m <- cbind(as.matrix(model.matrix(fit, "random")), model.matrix(fit))
    order <- c(unlist(lapply(fit$random, effect_names)), names(fixef(fit)))
    v <- vcov(fit, full = TRUE)[order, order]
    se <- predict(fit, se.fit = TRUE)
    expect_equal(
      unname(se$se.fit),
      unname(sqrt(rowSums((m %*% v) * m))),
      tolerance = 1e-7
    )
    new <- twin(name)$data[c(3, 1), ]
    expect_equal(
      predict(fit, new, se.fit = TRUE),
      lapply(se, `[`, c(3, 1)),
      tolerance = 1e-8
    )
  }
})

test_that("parts, new levels and missing values", {
  fit <- twin("sleep")$ours
  new <- data.frame(Days = c(1, NA, 3), Subject = c("308", "308", "999"))
  se <- predict(fit, new, se.fit = TRUE, allow.new.levels = TRUE)
  fixed <- predict(fit, new, se.fit = TRUE, re.form = NA)
  z <- c(1, 3)
  drawn <- drop(z %*% VarCorr(fit)$Subject %*% z)
  expect_equal(unname(se$se.fit[3]), unname(sqrt(fixed$se.fit[3]^2 + drawn)))
  expect_equal(is.na(se$se.fit), c(`1` = FALSE, `2` = TRUE, `3` = FALSE))
  expect_length(
    predict(fit, new, se.fit = TRUE, re.form = NA, na.action = na.omit)$se.fit,
    2
  )
  x <- cbind(1, new$Days)
  expect_equal(unname(fixed$se.fit), sqrt(rowSums((x %*% vcov(fit)) * x)))
  b <- vcov(fit, full = TRUE)[1, 1]
  expect_equal(
    unname(
      predict(
        fit,
        new[1, ],
        se.fit = TRUE,
        random.only = TRUE,
        re.form = ~ (1 | Subject)
      )$se.fit
    ),
    sqrt(b)
  )
  expect_error(
    predict(fit, se.fit = TRUE, newparams = list(beta = c(1, 1))),
    class = "rlmm_error_argument"
  )
  expect_error(predict(fit, terms = "Days"), class = "rlmm_error_argument")
})

# The figures of glmmTMB 1.1.14, whose predictions have the uncertainty of all parameters.
test_that("standard errors with the uncertainty of theta are glmmTMB's", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  new <- data.frame(Days = c(0, 5, 12), Subject = c("308", "309", "zzz"))
  se <- predict(
    fit,
    new,
    se.fit = TRUE,
    allow.new.levels = TRUE,
    theta_uncertainty = TRUE
  )
  theirs <- c(12.945037447, 8.139594008, 76.634564659)
  expect_equal(unname(se$se.fit), theirs, tolerance = 1e-4)
  ticks <- rglmm(
    TICKS ~ YEAR + scale(HEIGHT) + (1 | BROOD) + (1 | LOCATION),
    grouseticks,
    family = poisson
  )
  found <- predict(
    ticks,
    se.fit = TRUE,
    cov.fit = TRUE,
    theta_uncertainty = TRUE
  )
  theirs <- c(0.69405400, 0.69486656, 0.05391463, 0.30371786, 0.55280416)
  expect_equal(
    unname(found$se.fit[c(1, 3, 50, 200, 403)]),
    theirs,
    tolerance = 1e-5
  )
  theirs <- c(0.014300534371, 0.482839546819, -0.001232771609)
  expect_equal(unname(found$cov.fit[3, c(1, 3, 4)]), theirs, tolerance = 1e-4)
  expect_equal(sqrt(diag(found$cov.fit)), found$se.fit)
  cows <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  new <- data.frame(period = factor(1:2), herd = "new")
  found <- predict(
    cows,
    new,
    se.fit = TRUE,
    allow.new.levels = TRUE,
    theta_uncertainty = TRUE
  )
  expect_equal(
    unname(found$se.fit),
    c(0.6830397572, 0.7132550509),
    tolerance = 1e-5
  )
})

test_that("the covariance of predictions is that of b and beta", {
  fit <- twin("pastes")$ours
  m <- cbind(as.matrix(model.matrix(fit, "random")), model.matrix(fit))
  order <- c(unlist(lapply(fit$random, effect_names)), names(fixef(fit)))
  v <- vcov(fit, full = TRUE)[order, order]
  found <- predict(fit, cov.fit = TRUE)
  expect_equal(
    found$cov.fit,
    m %*% v %*% t(m),
    tolerance = 1e-7,
    ignore_attr = TRUE
  )
  expect_equal(dimnames(found$cov.fit), rep(list(names(found$fit)), 2))
})

test_that("rows of the same new level share its effects, others don't", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  new <- data.frame(Days = c(1, 2, 1), Subject = c("x", "x", "y"))
  found <- predict(fit, new, cov.fit = TRUE, allow.new.levels = TRUE)
  x <- cbind(1, new$Days)
  drawn <- x %*% VarCorr(fit)$Subject %*% t(x)
  same <- outer(new$Subject, new$Subject, `==`)
  expected <- x %*% vcov(fit) %*% t(x) + drawn * same
  expect_equal(found$cov.fit, expected, ignore_attr = TRUE)
})

# Structured covariances of the effects of a covariate that is far from zero.

test_that("large curvatures of correlations far from zero are no false alarm", {
  set.seed(1)
  data <- data.frame(g = gl(12, 10), x = rnorm(120))
  slopes <- rnorm(12)[data$g] + (1 + rnorm(12, sd = 0.7)[data$g]) * data$x
  data$y <- 3 + slopes + rnorm(120, sd = 0.5)
  near <- rlmm(y ~ x + (1 + x | g), data, REML = FALSE)
  data$x <- data$x + 1e6
  expect_no_warning(
    far <- rlmm(y ~ x + cs(1 + x | g), data, REML = FALSE)
  )
  expect_equal(logLik(far), logLik(near), tolerance = 1e-6)
  expect_identical(certificate(far)$verdict, "optimal")
})

# Two standard deviations and a correlation are any covariance of two effects.
test_that("cs() of two effects doesn't depend on the origin", {
  for (seed in 1:8) {
    set.seed(seed)
    k <- gl(8, 12)
    x <- rnorm(96)
    rnorm(96)
    y <- 1 + x + rnorm(8)[k] * x + rnorm(8)[k] + rnorm(96)
    centred <- criterion_of(y ~ x + (x | k), data.frame(y, x, k))
    formula <- y ~ x + cs(x | k)
    for (origin in c(30, 1e3, 1e4, 1e5)) {
      data <- data.frame(y, x = origin + x, k)
      found <- c(
        criterion_of(formula, data),
        criterion_of(rlmm_sums(formula, data))
      )
      expect_equal(found, rep(centred, 2), tolerance = 1e-8)
    }
  }
  cnd <- expect_error(
    criterion_of(formula, transform(data, x = x + 1e8)),
    class = "rlmm_error_origin"
  )
  expect_match(conditionMessage(cnd), "a correlation can't have its digits")
})

# The likelihood, unlike the restricted one, depends on the variances of intercepts that are fixed.
test_that("cs() beside fixed levels of its factor doesn't depend on the origin", {
  set.seed(4)
  k <- gl(8, 15)
  x <- rnorm(120)
  y <- rnorm(120) + rnorm(8)[k] * x + rnorm(8)[k]
  formula <- y ~ k + cs(x | k)
  centred <- suppressMessages(
    rlmm(y ~ k + (x | k), data.frame(y, x, k), REML = FALSE)
  )
  deviance <- dense_estimates(fit_spec(centred), centred$theta)$objective
  for (origin in c(30, 1e3, 1e5)) {
    data <- data.frame(y, x = origin + x, k)
    found <- c(
      criterion_of(formula, data, REML = FALSE),
      criterion_of(rlmm_sums(formula, data), REML = FALSE)
    )
    expect_equal(found, rep(deviance, 2L), tolerance = 1e-8)
  }
})

# Sums have an origin for a covariate, but none for it in each category.
test_that("cs() of two effects of a generalized model doesn't depend on the origin", {
  set.seed(1)
  data <- data.frame(g = factor(rep(1:8, 10)), x = round(runif(80, 0, 30)))
  sd <- c(0.6, 0.03)
  of_group <- rnorm(8, sd = sd[1])[data$g]
  eta <- 0.2 + 0.02 * data$x + of_group + data$x * rnorm(8, sd = sd[2])[data$g]
  data$poisson <- rpois(80, exp(eta))
  data$normal <- exp(eta) + rnorm(80, sd = 0.3)
  data$nb <- rnbinom(80, mu = exp(eta), size = 2)
  quietly <- \(...) suppressWarnings(suppressMessages(rglmm(...)))
  deviance_of <- \(name, term, data, family) {
    fit <- quietly(reformulate(c("x", term), name), data, family = family)
    -2 * as.numeric(logLik(fit))
  }
  families <- list(
    poisson = poisson(),
    nb = nbinom2(),
    normal = gaussian("log")
  )
  # Every covariance of two effects has standard deviations and a correlation: glmmTMB 1.1.14 with
  # an unstructured covariance at the origin, except for the profiled dispersion.
  expected <- c(
    poisson = 289.7604977,
    nb = 310.4619799,
    normal = deviance_of("normal", "(x | g)", data, families$normal)
  )
  far <- transform(data, x = x + 1e6)
  found <- Map(deviance_of, names(families), "cs(x | g)", list(far), families)
  expect_equal(unlist(found), expected, tolerance = 1e-7)
})

# The common correlation of three effects can't be -1, so that no origin is like another. Slopes as
# strong as the data ask for, with the correlation at its limit, are far from any start.
test_that("cs() of three effects far from zero is right or refused", {
  set.seed(215)
  k <- gl(10, 10)
  x <- rnorm(100)
  z <- rnorm(100)
  y <- 1 + x + rnorm(10)[k] + rnorm(10, sd = 10)[k] * x + rnorm(100)
  formula <- y ~ x + cs(x + z | k)
  near <- data.frame(y, x = 1e3 + x, z, k)
  # The value is that of dense algebra with 33 digits, minimized from the estimates.
  found <- c(
    criterion_of(formula, near),
    criterion_of(rlmm_sums(formula, near))
  )
  expect_equal(found, rep(530.735112, 2), tolerance = 1e-8)
  far <- transform(near, x = x + 1e6)
  expect_error(criterion_of(formula, far), class = "rlmm_error_origin")
  expect_error(
    criterion_of(rlmm_sums(formula, far)),
    class = "rlmm_error_origin"
  )
})

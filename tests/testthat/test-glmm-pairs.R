# Two standard deviations and a correlation are another parameterization of an unstructured
# covariance: the fixed effects have the same standard errors, at any origin of the covariate.

pair_data <- function(seed, spread = 0.5) {
  set.seed(seed)
  g <- gl(12, 1, 300)
  x <- rnorm(300)
  b <- rnorm(12)
  slope <- 0.3 + 0.5 * (b + spread * rnorm(12))
  eta <- 0.2 + 0.5 * b[g] + slope[g] * x
  data.frame(g, x, y = rpois(300, exp(pmin(eta, 4))))
}

fit_pair <- function(formula, data) {
  suppressMessages(suppressWarnings(rglmm(formula, data, poisson)))
}

test_that("standard errors of structured terms are those of an unstructured one", {
  # The sign of the gradient's rounding error at the optimum must make no difference.
  for (seed in 1:8) {
    data <- pair_data(seed, spread = if (seed > 4) 0.05 else 0.5)
    free <- fit_pair(y ~ x + (x | g), data)
    pair <- fit_pair(y ~ x + cs(x | g), data)
    expect_equal(logLik(pair), logLik(free), tolerance = 1e-8)
    expect_equal(vcov(pair), vcov(free), tolerance = 1e-5)
    expect_equal(
      vcov(pair, type = "CR0"),
      vcov(free, type = "CR0"),
      tolerance = 1e-5
    )
  }
})

test_that("a common standard deviation has the standard errors of finite differences", {
  data <- pair_data(9)
  fit <- fit_pair(y ~ x + homcs(x | g), data)
  deviance <- rglmm(
    y ~ x + homcs(x | g),
    data,
    poisson,
    devFunOnly = TRUE
  )
  at <- c(getME(fit, "theta"), fixef(fit))
  step <- 1e-3
  second <- outer(
    1:4,
    1:4,
    Vectorize(\(i, j) {
      d <- \(s, t) deviance(at + step * (s * (1:4 == i) + t * (1:4 == j)))
      (d(1, 1) - d(1, -1) - d(-1, 1) + d(-1, -1)) / (4 * step^2)
    })
  )
  expected <- solve(second / 2)[3:4, 3:4]
  expect_equal(unname(as.matrix(vcov(fit))), expected, tolerance = 1e-4)
})

test_that("the origin of the covariate doesn't change standard errors of pairs", {
  data <- pair_data(2)
  near <- fit_pair(y ~ x + (x | g), data)
  errors <- sqrt(diag(vcov(near)))[["x"]]
  robust <- sqrt(diag(vcov(near, type = "CR0")))[["x"]]
  for (origin in c(100, 2000, 1e5)) {
    far <- fit_pair(y ~ x + cs(x | g), transform(data, x = x + origin))
    expect_equal(sqrt(diag(vcov(far)))[["x"]], errors, tolerance = 1e-5)
    expect_equal(
      sqrt(diag(vcov(far, type = "CR0")))[["x"]],
      robust,
      tolerance = 1e-5
    )
    slope <- variance_vcov(far)["sd_x|g", "sd_x|g"]
    expected <- variance_vcov(near)["sd_x|g", "sd_x|g"]
    expect_equal(slope, expected, tolerance = 1e-4)
  }
})

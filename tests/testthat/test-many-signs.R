# With the link `sqrt` and linear predictors of either sign the modes depend on where they are
# looked for, and a search that starts at positive predictors ends far from the optimum.

crossed_roots <- function(seed, n) {
  set.seed(seed)
  d <- data.frame(
    f = factor(sample(letters[1:3], n, TRUE)),
    k = factor(sample(letters[1:4], n, TRUE)),
    x = rnorm(n),
    g = factor(sample(30, n, TRUE)),
    h = factor(sample(20, n, TRUE))
  )
  x <- model.matrix(~ f * k + x, d)
  fixed <- drop(x %*% rnorm(ncol(x)))
  eta <- fixed + rnorm(30, sd = 0.7)[d$g] + rnorm(20, sd = 0.5)[d$h]
  d$y <- rpois(n, eta^2)
  d
}

test_that("signs of many rows are found", {
  # The log-likelihoods are those of lme4 1.1-31.
  lme4 <- c("6" = -5087.65551, "12" = -5097.89241)
  for (seed in names(lme4)) {
    d <- crossed_roots(as.integer(seed), 3000)
    formula <- y ~ f * k + x + (1 | g) + (1 | h)
    fit <- rglmm(formula, d, poisson("sqrt"))
    expect_gt(as.numeric(logLik(fit)), lme4[[seed]] - 1e-4)
    expect_identical(certificate(fit)$verdict, "optimal")
  }
})

test_that("a fit keeps the modes of its search", {
  # The log-likelihoods are those of lme4 1.1-31, with the default start.
  lme4 <- c("4" = -1257.70971, "6" = -867.611418, "11" = -839.406565)
  formulas <- list(
    "4" = y ~ x + (1 | g),
    "6" = y ~ f * k + x + (1 | g) + (1 | h),
    "11" = y ~ f * k + (1 | g)
  )
  for (seed in names(lme4)) {
    d <- crossed_roots(as.integer(seed), 400)
    fit <- rglmm(formulas[[seed]], d, poisson("sqrt"))
    own <- as.numeric(logLik(fit))
    expect_gt(own, lme4[[seed]] - 1e-4)
    spec <- fit_spec(fit)
    again <- core_glmm_objective(spec, fit$parameters)
    expect_equal(again, -2 * own, tolerance = 1e-8)
    est <- core_glmm_estimates(spec, fit$parameters)
    expect_equal(est$eta, fit$eta, tolerance = 1e-5)
    expect_equal(as.function(fit)(fit$parameters), again, tolerance = 1e-10)
    expect_true(all(is.finite(vcov(fit))))
    # Laplace's approximation at the modes, from its definition: the information is 4.
    z <- as.matrix(getME(fit, "Z"))
    lambda <- as.matrix(getME(fit, "Lambda"))
    root <- z %*% lambda
    information <- diag(ncol(root)) + 4 * crossprod(root)
    u <- getME(fit, "u")
    laplace <- -2 *
      sum(dpois(d$y, fitted(fit), log = TRUE)) +
      sum(u^2) +
      as.numeric(determinant(information)$modulus)
    expect_equal(laplace, -2 * own, tolerance = 1e-8)
  }
})

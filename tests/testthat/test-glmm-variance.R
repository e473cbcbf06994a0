slopes_data <- function() {
  set.seed(11)
  d <- data.frame(g = gl(15, 12), x = round(rnorm(180), 3))
  slopes <- matrix(rnorm(30, sd = 0.4), 2)
  mu <- exp(1.5 + slopes[1, d$g] + (0.4 + slopes[2, d$g]) * d$x)
  d$y <- rnbinom(180, size = mu / 1.2, mu = mu)
  d$gam <- rgamma(180, 5, 5 / mu)
  d
}

# Standard errors of the logarithms of standard deviations.
relative_errors <- function(fit) {
  found <- variance_estimates(fit)
  is_sd <- !startsWith(names(found$estimate), "cor_")
  unname(found$std_error / found$estimate)[is_sd]
}

test_that("standard errors of variances are glmmTMB's", {
  # glmmTMB 1.1.14: sqrt(diag(vcov(fit, full = TRUE))) of the logarithms of standard deviations,
  # half that of the logarithm of a dispersion.
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  expect_equal(relative_errors(fit), 0.085896689, tolerance = 1e-5)
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  expect_equal(relative_errors(fit), 0.27802104, tolerance = 1e-4)
  d <- slopes_data()
  fit <- rglmm(y ~ x + (1 + x | g), d, family = nbinom1())
  expect_equal(
    relative_errors(fit),
    c(0.24427127, 0.21287324),
    tolerance = 1e-4
  )
  gamma <- function(formula) {
    rglmm(
      formula,
      d,
      Gamma("log"),
      dispersion = "estimated",
      information = "observed"
    )
  }
  expect_equal(
    relative_errors(gamma(gam ~ x + (1 | g))),
    c(0.207347296, 0.102943135 / 2),
    tolerance = 1e-5
  )
  expect_equal(
    relative_errors(gamma(gam ~ x + cs(1 + x | g))),
    c(0.20726231, 0.20004200, 0.11036516 / 2),
    tolerance = 2e-3
  )
})

test_that("limits, tables and matrices have them", {
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  sd <- attr(VarCorr(fit)$BROOD, "stddev")[[1]]
  # Limits on the log scale, with glmmTMB's standard error.
  expect_equal(
    unname(confint(fit, "theta_", method = "Wald")[1, ]),
    sd * exp(c(-1, 1) * qnorm(0.975) * 0.085896689),
    tolerance = 1e-5
  )
  table <- as.data.frame(VarCorr(fit, std.error = TRUE))
  expect_equal(table$std.error.sdcor, sd * 0.085896689, tolerance = 1e-5)
  expect_equal(table$std.error.vcov, 2 * sd^2 * 0.085896689, tolerance = 1e-5)
  expect_equal(
    sqrt(variance_vcov(fit, "theta"))[[1]],
    sd * 0.085896689,
    tolerance = 1e-5
  )
  d <- slopes_data()
  profiled <- rglmm(gam ~ x + (1 | g), d, Gamma("log"))
  expect_equal(
    is.na(diag(variance_vcov(profiled))),
    c("sd_(Intercept)|g" = FALSE, sigma = TRUE)
  )
  slim <- rglmm(
    TICKS ~ YEAR + (1 | BROOD),
    grouseticks,
    family = poisson,
    control = rlmm_control(slim = TRUE)
  )
  expect_equal(confint(slim, method = "Wald"), confint(fit, method = "Wald"))
})

test_that("a variance of zero, or a held one, has none", {
  set.seed(5)
  d <- data.frame(g = gl(10, 10), h = gl(5, 2, 100))
  d$y <- rpois(100, exp(1 + rnorm(10, sd = 0.6)[d$g]))
  fit <- suppressMessages(rglmm(y ~ 1 + (1 | g) + (1 | h), d, family = poisson))
  alone <- rglmm(y ~ 1 + (1 | g), d, family = poisson)
  found <- variance_vcov(fit)
  expect_equal(attr(found, "singular"), "(1 | h)")
  expect_equal(found[1, 1], variance_vcov(alone)[1, 1], tolerance = 1e-4)
  expect_true(is.na(found[2, 2]))
  held <- rglmm(
    y ~ 1 + (1 | g),
    d,
    family = poisson,
    control = rlmm_control(fixed = list(theta = c("g.(Intercept)" = 0.5)))
  )
  expect_equal(
    unname(confint(held, "theta_", method = "Wald")[1, ]),
    c(0.5, 0.5)
  )
})

test_that("score and Hessian are those of the log-likelihood", {
  fit <- rglmm(y ~ x + (1 + x | g), slopes_data(), family = nbinom1())
  objective <- as.function(fit)
  at <- unname(variance_parameters(fit)) + c(0.1, 0.05, 0.1, -0.1, 0.1, 0.2)
  log_lik <- function(x) -objective(x) / 2
  h <- 1e-4
  slopes <- vapply(
    seq_along(at),
    \(j) {
      e <- replace(0 * at, j, h)
      (log_lik(at + e) - log_lik(at - e)) / (2 * h)
    },
    1
  )
  expect_equal(unname(score(fit, at)), slopes, tolerance = 1e-5)
  expect_named(score(fit), names(getME(fit, "devarg")))
  expect_lt(max(abs(score(fit))), 1e-2)
  covariance <- solve(-hessian(fit))
  expect_equal(
    unname(covariance[4:5, 4:5]),
    unname(vcov(fit)),
    tolerance = 1e-5
  )
  expect_equal(
    sqrt(covariance[["log(phi)", "log(phi)"]]),
    0.23287306,
    tolerance = 1e-4
  )
})

test_that("the deviance can be had at other numbers of nodes", {
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  fit <- rglmm(formula, cbpp, family = binomial)
  expect_equal(deviance(fit, nAGQ = 1), -2 * as.numeric(logLik(fit)))
  # 9 nodes at these parameters are near enough to 25.
  expect_equal(
    deviance(fit, nAGQ = 9),
    deviance(fit, nAGQ = 25),
    tolerance = 1e-6
  )
  nine <- rglmm(formula, cbpp, family = binomial, nAGQ = 9)
  expect_equal(deviance(nine, nAGQ = 9), -2 * as.numeric(logLik(nine)))
  expect_equal(
    deviance(fit, nAGQ = 9),
    as.function(nine)(fit$parameters)
  )
  expect_error(deviance(fit, nAGQ = 1.5), class = "rlmm_error_nagq")
})

test_that("getME() has all parts of a generalized fit", {
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  all <- getME(fit, "ALL")
  expect_setequal(names(all), names(fit_parts))
  expect_equal(all$theta, getME(fit, "theta"))
  linear <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_setequal(names(getME(linear, "ALL")), names(fit_parts))
})

test_that("messages where there are no standard errors", {
  fast <- rglmm(
    TICKS ~ YEAR + (1 | BROOD),
    grouseticks,
    family = poisson,
    nAGQ = 0
  )
  expect_snapshot_error(
    variance_vcov(fast),
    class = "rlmm_error_not_available"
  )
  expect_true(all(is.na(confint(fast, "theta_", method = "Wald"))))
  expect_snapshot_error(
    score(fast, parameterization = "user"),
    class = "rlmm_error_not_available"
  )
})

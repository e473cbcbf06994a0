# Links whose inverse isn't monotone or isn't defined everywhere.

test_that("linear predictors of square roots may be negative", {
  # Responses of zero beside large ones. -2 logLik by lme4 2.1 (bobyqa), and by glmmTMB 1.1.14 with
  # observed information
  set.seed(19)
  d <- list(sample(c(6, 12, 18, 30), 1), sample(c(4, 10), 1), x = rnorm(60))
  d <- data.frame(x = d$x, g = gl(6, 10))
  d$y <- c(
    8,
    3,
    7,
    9,
    8,
    7,
    4,
    7,
    5,
    9,
    4,
    3,
    0,
    2,
    1,
    0,
    5,
    0,
    0,
    4,
    0,
    2,
    7,
    0,
    5,
    0,
    14,
    0,
    2,
    10,
    8,
    20,
    30,
    29,
    0,
    81,
    0,
    13,
    8,
    12,
    21,
    6,
    2,
    4,
    2,
    7,
    13,
    14,
    6,
    20,
    22,
    21,
    26,
    43,
    30,
    21,
    29,
    20,
    28,
    23
  )
  fit <- suppressMessages(rglmm(y ~ x + (x | g), d, poisson("sqrt")))
  expect_lt(-2 * as.numeric(logLik(fit)), 291.491311107 + 1e-6)
  fit <- suppressMessages(rglmm(
    y ~ x + (x | g),
    d,
    poisson("sqrt"),
    information = "observed"
  ))
  expect_equal(-2 * as.numeric(logLik(fit)), 290.593581522, tolerance = 1e-8)
})

test_that("identity and inverse links start where the means are in their range", {
  set.seed(1)
  d <- data.frame(g = gl(20, 10), x = rnorm(200))
  effect <- rnorm(20, sd = 0.5)[d$g]
  d$y <- rgamma(200, 2, 2 * (2 + 0.3 * d$x + 0.3 * effect))
  # The unit of the response moves the log-likelihood by n log(unit), the coefficients by the unit.
  fit <- function(unit) {
    suppressMessages(rglmm(
      y ~ x + (1 | g),
      transform(d, y = y * unit),
      Gamma("identity")
    ))
  }
  one <- fit(1)
  for (unit in c(1e-10, 1e10)) {
    other <- fit(unit)
    expect_equal(
      as.numeric(logLik(other)),
      as.numeric(logLik(one)) - 200 * log(unit),
      tolerance = 1e-8
    )
    expect_equal(fixef(other) / unit, fixef(one), tolerance = 1e-4)
  }
  d$count <- rpois(200, exp(0.3 * d$x + effect))
  expect_equal(
    certificate(rglmm(count ~ x + (1 | g), d, poisson("identity")))$verdict,
    "optimal"
  )
  d$normal <- exp(0.5 + 0.3 * d$x + effect) + rnorm(200, sd = 1.5)
  expect_true(any(d$normal < 0))
  expect_equal(
    certificate(rglmm(normal ~ x + (1 | g), d, gaussian("log")))$verdict,
    "optimal"
  )
  # Without variance of the random effects it is glm()'s.
  d$bit <- rep(c(1, 0, 0, 1, 0), 40)
  for (link in c("identity", "inverse", "1/mu^2")) {
    family <- binomial()
    family[c("link", "linkfun", "linkinv", "mu.eta")] <- unclass(make.link(
      link
    ))[c("name", "linkfun", "linkinv", "mu.eta")]
    fit <- suppressMessages(rglmm(bit ~ x + (1 | g), d, family))
    plain <- glm(bit ~ x, family, d, start = fixef(fit))
    expect_equal(fit$theta, 0)
    expect_equal(
      as.numeric(logLik(fit)),
      as.numeric(logLik(plain)),
      tolerance = 1e-8
    )
    expect_equal(fixef(fit), coef(plain), tolerance = 1e-4)
  }
})

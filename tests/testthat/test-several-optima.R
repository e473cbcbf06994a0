# Small data sets from random models whose likelihood has several maxima, or none at finite
# parameters. The best known values are those of lme4 2.1 and glmmTMB 1.1.14.

optimum_of <- function(number, formula, ...) {
  file <- sprintf("glmm-%d.csv", number)
  d <- read.csv(test_path("..", "reference", "optima", file))
  groups <- intersect(c("g", "h", "f"), names(d))
  d[groups] <- lapply(d[groups], factor)
  suppressMessages(suppressWarnings(rglmm(formula, d, ...)))
}

test_that("the best known optimum is found", {
  logit <- optimum_of(
    658,
    cbind(k, size - k) ~ x + x2 + (x | g),
    binomial
  )
  expect_lt(-2 * as.numeric(logLik(logit)), 83.7552 + 1e-4)
  probit <- k ~ x + x2 + (z | g)
  fast <- optimum_of(789, probit, binomial("probit"), nAGQ = 0)
  expect_lt(-2 * as.numeric(logLik(fast)), 313.1747 + 1e-4)
  full <- optimum_of(789, probit, binomial("probit"))
  expect_lt(-2 * as.numeric(logLik(full)), 313.1372 + 1e-4)
  apart <- optimum_of(469, k ~ x + (x || g), binomial)
  expect_lt(-2 * as.numeric(logLik(apart)), 15.0954309 + 1e-4)
  for (fit in list(logit, fast, full, apart)) {
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

test_that("square roots don't get stuck at the wrong sign", {
  formula <- k ~ x + z + (1 | g) + (1 | h)
  for (start in list(NULL, c(1, 1), c(0.1, 0.1), c(0.03, 0.03), c(0.1, 1))) {
    fit <- optimum_of(595, formula, poisson("sqrt"), nAGQ = 0, start = start)
    expect_lt(-2 * as.numeric(logLik(fit)), 857.5704 + 1e-4)
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

test_that("a search for an optimum at infinity ends", {
  fit <- optimum_of(654, k ~ f + (z | g), binomial("probit"))
  expect_lt(nrow(fit$optsum$fitlog), 2000)
  expect_equal(fit$separated, c("fb", "fc"))
})

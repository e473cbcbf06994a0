# Binary responses that are alike within each level, and a covariate.
alike_data <- function() {
  set.seed(5)
  d <- data.frame(g = factor(rep(1:30, each = 4)), x = stats::rnorm(120))
  d$y <- rep(stats::rbinom(30, 1, 0.5), each = 4)
  d
}

test_that("a term that leaves probabilities of 0 and 1 is named with its standard deviation", {
  d <- alike_data()
  for (link in c("logit", "probit", "cloglog")) {
    warning <- expect_warning(
      fit <- rglmm(y ~ x + (1 | g), d, stats::binomial(link)),
      class = "rlmm_warning_saturation"
    )
    expect_equal(warning$terms, "(1 | g)")
    expect_equal(
      unname(fit$saturated),
      attr(VarCorr(fit)$g, "stddev")[[1]]
    )
    expect_match(paste(format(fit), collapse = " "), "Probabilities of 0 or 1")
    findings <- paste(format(diagnose(fit)), collapse = " ")
    expect_match(findings, "Probabilities of 0 or 1")
  }
})

test_that("the warning says what the approximation is worth", {
  fit <- list(
    saturated = c("(1 | g)" = 58.97, "(0 + x | h)" = 312.2),
    glmm = list(nodes = 1)
  )
  fit$random <- list(list(group = "g", columns = "(Intercept)"))
  expect_snapshot(cat(condition_lines(report_saturation(fit)), sep = "\n"))
  fit$saturated <- fit$saturated[1]
  fit$glmm$nodes <- 9
  expect_snapshot(cat(condition_lines(report_saturation(fit)), sep = "\n"))
  fit$saturated <- structure(c("(1 | g)" = 4.516), typical = TRUE)
  fit$glmm$nodes <- 1
  fit$random <- fit$random[c(1, 1)]
  fit$random[[2]]$group <- "h"
  expect_snapshot(cat(condition_lines(report_saturation(fit)), sep = "\n"))
})

# By lme4 1.1-31 the standard deviation is 2.2399 by Laplace's approximation, and 0.63697 with
# `nAGQ = 25`; the one that the data were drawn with is 0.3.
test_that("a term is named that leads back from fixed effects where probabilities are 1", {
  set.seed(7)
  d <- data.frame(g = gl(40, 4))
  mean <- 1 - exp(-exp(1 + 0.3 * stats::rnorm(40)[d$g]))
  d$y <- stats::rbinom(160, 1, mean)
  expect_warning(
    fit <- rglmm(y ~ 1 + (1 | g), d, stats::binomial("cloglog")),
    class = "rlmm_warning_saturation"
  )
  expect_equal(fit$saturated[["(1 | g)"]], 2.2399, tolerance = 1e-4)
  expect_true(attr(fit$saturated, "typical"))
  integrated <- rglmm(
    y ~ 1 + (1 | g),
    d,
    stats::binomial("cloglog"),
    nAGQ = 25
  )
  expect_equal(VarCorr(integrated)$g[1]^0.5, 0.63697, tolerance = 1e-4)
  expect_length(integrated$saturated, 0)
  # The complement with the other tail: no probability approaches 0 as fast.
  d$y <- 1 - d$y
  expect_no_warning(rglmm(y ~ 1 + (1 | g), d, stats::binomial("cloglog")))
})

# Rare events of many trials tell as much as any counts do.
test_that("small probabilities of many trials are no saturation", {
  set.seed(2)
  d <- data.frame(g = gl(30, 4), trials = 1e7)
  d$y <- stats::rbinom(
    120,
    d$trials,
    stats::plogis(-13 + stats::rnorm(30)[d$g])
  )
  fit <- rglmm(cbind(y, trials - y) ~ 1 + (1 | g), d, stats::binomial())
  expect_length(fit$saturated, 0)
  found <- unname(random_predictors(fit, fit_spec(fit)))
  expect_equal(found, ranef(fit)$g[d$g, 1])
})

test_that("effects of usual sizes, and origins of covariates, are no saturation", {
  d <- alike_data()
  d$y <- stats::rbinom(120, 1, stats::plogis(3 * stats::rnorm(30)[d$g]))
  d$far <- 1e6 + d$x
  fit <- suppressMessages(rglmm(y ~ far + (far | g), d, stats::binomial()))
  expect_gt(max(getME(fit, "theta")), 1e5)
  expect_length(fit$saturated, 0)
})

test_that("links whose linear predictors have a limit saturate nothing", {
  d <- alike_data()
  d$y <- stats::rbinom(120, 1, 0.3)
  for (link in c("identity", "log")) {
    fit <- suppressMessages(rglmm(y ~ 1 + (1 | g), d, stats::binomial(link)))
    expect_length(fit$saturated, 0)
  }
})

# The standard deviation is that of `Z Lambda`, row by row.
test_that("the standard deviation of several effects is a root mean square over rows", {
  d <- alike_data()
  fit <- suppressMessages(
    suppressWarnings(rglmm(y ~ 1 + (1 + x | g), d, stats::binomial()))
  )
  root <- as.matrix(getME(fit, "Z") %*% getME(fit, "Lambda"))
  expect_equal(unname(fit$saturated), sqrt(mean(rowSums(root^2))))
})

test_that("independent terms of a factor each have their own standard deviation", {
  d <- alike_data()
  fit <- suppressMessages(
    suppressWarnings(rglmm(y ~ 1 + (x || g), d, stats::binomial()))
  )
  sd <- vapply(fit$random, \(term) abs(fit$theta[term$theta]), 0)
  size <- c(1, sqrt(mean(d$x^2)))
  expect_equal(unname(fit$saturated), (sd * size)[sd * size > 12])
})

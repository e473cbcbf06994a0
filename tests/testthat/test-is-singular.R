with_theta <- function(fit, theta) {
  fit$theta[] <- theta
  fit
}

test_that("isSingular() follows lme4's rule", {
  for_each_pair(function(fit, lme4) {
    expect_identical(isSingular(fit), lme4::isSingular(lme4))
  })
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_false(isSingular(fit))
  expect_true(isSingular(fit, tol = 1))
  expect_true(isSingular(suppressMessages(rlmm(
    Yield ~ 1 + (1 | Batch),
    Dyestuff2
  ))))
})

test_that("each cause is named", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  reason <- function(theta) is_singular(with_theta(fit, theta))$reason
  expect_identical(reason(c(1, 0.5, 1)), NA_character_)
  expect_identical(reason(c(1, 0.5, 0)), "the correlation is at 1")
  expect_identical(reason(c(1, -0.5, 0)), "the correlation is at -1")
  expect_identical(
    reason(c(1, 0, 0)),
    "the variance of `Days` is estimated as zero"
  )
  expect_identical(
    reason(c(0, 0, 0)),
    "the variances of `(Intercept)` and `Days` are estimated as zero"
  )
})

test_that("with three effects a pair or a combination is named", {
  fit <- suppressMessages(rlmm(
    score ~ Machine + (0 + Machine | Worker),
    nlme::Machines
  ))
  pair <- is_singular(with_theta(fit, c(1, 2, 0.3, 0, 0, 1)))
  expect_identical(pair$rank, 2L)
  expect_match(
    pair$reason,
    "a correlation is at the limit: `MachineA` with `MachineB` at 1"
  )
  combination <- is_singular(with_theta(fit, c(1, 0, 1, 1, 1, 0)))
  expect_match(combination$reason, "a combination has no variance: ")
  direction <- attr(combination, "directions")[[1]]
  covariance <- tcrossprod(
    getME(with_theta(fit, c(1, 0, 1, 1, 1, 0)), "lambda")$Worker
  )
  expect_equal(drop(t(direction) %*% covariance %*% direction), 0)
})

test_that("rank counts dimensions, not zeros on the diagonal", {
  fit <- suppressMessages(rlmm(
    score ~ Machine + (0 + Machine | Worker),
    nlme::Machines
  ))
  expect_identical(is_singular(with_theta(fit, c(0, 1, 0, 0, 1, 0)))$rank, 2L)
})

test_that("a term is called by the user's word for its structure", {
  called <- \(formula) {
    fit <- suppressMessages(rlmm(formula, sleepstudy))
    paste(format(is_singular(with_theta(fit, c(1, 0)))), collapse = " ")
  }
  expect_match(
    called(Reaction ~ Days + zerocorr(Days | Subject)),
    "`zerocorr(Days | Subject)`",
    fixed = TRUE
  )
  expect_match(
    called(Reaction ~ Days + diag(Days | Subject)),
    "`diag(Days | Subject)`",
    fixed = TRUE
  )
})

test_that("the explanation reads well", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_snapshot({
    is_singular(fit)
    is_singular(with_theta(fit, c(1, -0.5, 0)))
    is_singular(with_theta(fit, c(0, 0, 0)))
  })
  expect_snapshot(writeLines(error_lines(is_singular(1))))
})

test_that("effects with a common standard deviation are zero together", {
  # The slope's column is 1e6 times the intercept's, and the common standard deviation tiny.
  far <- transform(sleepstudy, x = 1e6 + Days)
  common <- rlmm(Reaction ~ x + diag(x | Subject, hom = TRUE), far)
  expect_false(isSingular(common))
  expect_false(is_singular(common)$singular)
  none <- is_singular(with_theta(common, 0))
  expect_identical(none$rank, 0L)
  expect_identical(
    none$reason,
    "the variances of `(Intercept)` and `x` are estimated as zero"
  )
})

test_that("the unit of the response doesn't make a fit singular, for any dispersion", {
  set.seed(5)
  d <- data.frame(g = factor(rep(1:24, 10)), x = rnorm(240))
  inverse <- 5 + 0.4 * d$x + rnorm(24, sd = 0.4)[d$g]
  d$y <- rgamma(240, 8, 8 * inverse)
  for (kind in c("profiled", "moment", "estimated")) {
    fit_in <- \(unit) {
      d$y <- d$y * unit
      rglmm(y ~ x + (1 | g), d, Gamma("inverse"), dispersion = kind)
    }
    plain <- fit_in(1)
    expect_no_message(scaled <- fit_in(1e8))
    expect_false(isSingular(scaled))
    # With an inverse link all coefficients have the reciprocal unit.
    expect_equal(scaled$theta * 1e8, plain$theta, tolerance = 1e-4)
    smallest <- core_smallest_singular_values(scaled$random, scaled$theta)
    expected <- core_smallest_singular_values(plain$random, plain$theta)
    expect_equal(unlist(smallest), unlist(expected), tolerance = 1e-4)
  }
})

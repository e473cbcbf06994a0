# Equal rows are merged before a fit, which must not be seen in it: the same rows with an offset
# that makes all unlike, but by less than a rounding error of the criterion, aren't merged.
many_rows <- function() {
  set.seed(8)
  n <- 9000
  rows <- data.frame(
    dose = sample(0:3, n, TRUE),
    site = factor(sample(30L, n, TRUE)),
    ward = factor(sample(4L, n, TRUE))
  )
  eta <- 0.2 * rows$dose + rnorm(30, sd = 0.6)[rows$site] - 1
  rows$won <- rbinom(n, 1L, stats::plogis(eta))
  rows$seen <- rpois(n, exp(eta))
  rows$burst <- rnbinom(n, mu = exp(eta), size = 1.5)
  rows$time <- ceiling(10 * exp(eta) * rgamma(n, 3)) / 2
  rows$size <- sample(2L, n, TRUE)
  rows$tiny <- seq_len(n) * 1e-16
  rows
}

expect_same_fit <- function(formula, rows, ...) {
  apart <- stats::update(formula, . ~ . + offset(tiny))
  environment(apart) <- environment()
  merged <- suppressMessages(rglmm(formula, rows, ...))
  plain <- suppressMessages(rglmm(apart, rows, ...))
  own <- asNamespace("rlmm")
  merge <- own$merge_equal_rows
  expect_gt(length(merge(own$fit_spec(merged))$at), 0L)
  expect_null(merge(own$fit_spec(plain))$at)
  expect_equal(c(logLik(merged)), c(logLik(plain)), tolerance = 1e-10)
  expect_equal(nobs(merged), nobs(plain))
  expect_equal(fixef(merged), fixef(plain), tolerance = 1e-5)
  expect_equal(vcov(merged), vcov(plain), tolerance = 1e-4)
  expect_equal(sigma(merged), sigma(plain), tolerance = 1e-5)
  expect_equal(ranef(merged), ranef(plain), tolerance = 1e-4)
  expect_equal(fitted(merged), fitted(plain), tolerance = 1e-5)
  expect_equal(residuals(merged), residuals(plain), tolerance = 1e-4)
  expect_equal(
    weights(merged, "working"),
    weights(plain, "working"),
    tolerance = 1e-4
  )
  expect_equal(hatvalues(merged), hatvalues(plain), tolerance = 1e-4)
  invisible(merged)
}

test_that("a fit of merged rows is that of all rows", {
  rows <- many_rows()
  expect_same_fit(won ~ dose + (1 | site), rows, binomial)
  expect_same_fit(seen ~ dose + (dose | site), rows, poisson)
  expect_same_fit(
    seen ~ factor(dose) + (1 | site) + (1 | ward),
    rows,
    poisson,
    weights = size
  )
  expect_same_fit(burst ~ dose + (1 | site), rows, nbinom2)
  expect_same_fit(
    cbind(won, size) ~ dose + (1 | site),
    rows,
    binomial,
    nAGQ = 3
  )
  expect_same_fit(time ~ 1 + (1 | ward), rows, Gamma("log"))
})

test_that("lme4 finds what is found from merged rows", {
  skip_if_not_installed("lme4")
  rows <- many_rows()
  found <- rglmm(won ~ dose + (1 | site), rows, binomial)
  fit <- lme4::glmer(won ~ dose + (1 | site), rows, binomial)
  expect_equal(c(logLik(found)), c(logLik(fit)), tolerance = 1e-7)
  expect_equal(fixef(found), lme4::fixef(fit), tolerance = 1e-3)
})

test_that("rows are numbered by what they hold", {
  code <- asNamespace("rlmm")$code_of_rows
  rows <- expand.grid(a = c(2.5, NA, 1), b = c("x", "y"), c = 1:4)
  rows <- rows[c(1:24, 24:1, 5), ]
  text <- do.call(paste, rows)
  expect_equal(code(rows, nrow(rows)), match(text, unique(text)))
})

test_that("whether most rows are equal is seen in some of them", {
  own <- asNamespace("rlmm")
  set.seed(3)
  n <- 200000
  few <- list(sample(1000L, n, TRUE), sample(20L, n, TRUE))
  many <- list(sample(1000L, n, TRUE), sample(2000L, n, TRUE))
  expect_true(own$has_many_equal(few, n))
  expect_true(own$has_many_equal(lapply(few, sort), n))
  expect_false(own$has_many_equal(many, n))
})

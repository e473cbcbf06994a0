# The fits of a call with dummy columns for a fixed factor, and with its levels as a term of their
# own.
by_both_codings <- function(call, data) {
  call <- substitute(call)
  with_limit <- function(limit) {
    rlang::local_options(rlmm.large_factor = limit)
    suppressMessages(eval(call, list(d = data), parent.frame(2L)))
  }
  fits <- list(dummies = with_limit(Inf), levels = with_limit(20))
  expect_null(fits$dummies$fixed$large)
  expect_false(is.null(fits$levels$fixed$large))
  fits
}

# Wages of workers in firms, with what depends on the firm: its `size` and its `town`.
made_data <- function(n = 900, firms = 60, workers = 100) {
  set.seed(20)
  d <- data.frame(
    firm = factor(sample(firms, n, TRUE)),
    worker = factor(sample(workers, n, TRUE)),
    year = factor(sample(8, n, TRUE)),
    x = rnorm(n, 50, 3),
    sex = sample(c("f", "m"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  d$size <- rnorm(firms)[d$firm]
  d$town <- factor(as.integer(d$firm) %% 7)
  d$y <- 20 +
    0.3 * d$x +
    rnorm(firms)[d$firm] +
    rnorm(workers, sd = 0.7)[d$worker] +
    rnorm(8, sd = 0.4)[d$year] +
    rnorm(n)
  d
}

# That two fits of one model, by dummy columns and by levels, are the same.
expect_same_fit <- function(fits, tolerance = 1e-6) {
  a <- fits$dummies
  b <- fits$levels
  expect_equal(
    as.numeric(logLik(b)),
    as.numeric(logLik(a)),
    tolerance = 1e-10
  )
  expect_equal(attributes(logLik(b)), attributes(logLik(a)))
  expect_equal(fixef(b), fixef(a), tolerance = tolerance)
  expect_identical(names(fixef(b, TRUE)), names(fixef(a, TRUE)))
  expect_equal(fixef(b, TRUE), fixef(a, TRUE), tolerance = tolerance)
  expect_equal(fitted(b), fitted(a), tolerance = tolerance)
  expect_equal(sigma(b), sigma(a), tolerance = tolerance)
  expect_equal(
    ranef(b, condVar = FALSE),
    ranef(a, condVar = FALSE),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  expect_equal(df.residual(b), df.residual(a))
  of_ordinary <- coef(summary(b))
  of_all <- coef(summary(a))
  expect_equal(
    of_ordinary,
    of_all[rownames(of_ordinary), , drop = FALSE],
    tolerance = 1e-4
  )
  expect_equal_errors(b, of_all, tolerance)
}

# That the levels' standard errors are those of the table of coefficients of dummy columns.
expect_equal_errors <- function(fit, of_dummies, tolerance) {
  large <- fit$fixed$large
  errors <- stats::setNames(fixed_levels(fit)$std.error, large$names)
  errors <- errors[large$is_column]
  expect_equal(
    errors,
    of_dummies[names(errors), "Std. Error"],
    tolerance = tolerance
  )
}

# That a fit has no coefficient where `lm()` has none.
expect_dropped_as_lm <- function(fit, formula, data) {
  expect_identical(
    is.na(fixef(fit, add.dropped = TRUE)),
    is.na(coef(lm(formula, data)))
  )
}

# A formula of fixed effects with random ones of workers.
with_worker <- function(formula) {
  with_random <- paste(deparse1(formula), "+ (1 | worker)")
  as.formula(with_random, env = parent.frame())
}

# What expects that a function of a fit has one value by dummy columns and by levels.
expecting_same <- function(fits, usual = 1e-5) {
  function(f, tolerance = usual) {
    found <- lapply(fits, f)
    expect_equal(
      found$levels,
      found$dummies,
      tolerance = tolerance,
      ignore_attr = TRUE
    )
  }
}

# That two generalized fits of one model, by dummy columns and by levels, are the same.
expect_same_generalized <- function(fits, tolerance = 1e-4, of_vcov = 1e-3) {
  a <- fits$dummies
  b <- fits$levels
  expect_equal(
    as.numeric(logLik(b)),
    as.numeric(logLik(a)),
    tolerance = 1e-9
  )
  expect_equal(attributes(logLik(b)), attributes(logLik(a)))
  expect_equal(fixef(b), fixef(a), tolerance = tolerance)
  expect_equal(fixef(b, TRUE), fixef(a, TRUE), tolerance = tolerance)
  expect_equal(fitted(b), fitted(a), tolerance = tolerance)
  expect_equal(sigma(b), sigma(a), tolerance = tolerance)
  own <- rownames(vcov(b))
  expect_equal(vcov(b), vcov(a)[own, own, drop = FALSE], tolerance = of_vcov)
  expect_equal(
    as.data.frame(ranef(b)),
    as.data.frame(ranef(a)),
    tolerance = 1e-3
  )
}

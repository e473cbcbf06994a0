by_iterations <- function(...) rlmm_control(engine = "iterative", ...)

# The same model by both engines.
by_both <- function(...) {
  list(
    exact = rlmm(..., control = rlmm_control(engine = "exact")),
    iterative = rlmm(..., control = by_iterations())
  )
}

# Theta within .01 standard errors, -2 log-likelihood within three of its standard errors, and what
# is solved for as by a factor.
expect_agreement <- function(fits) {
  exact <- fits$exact
  found <- fits$iterative
  noise <- certificate(found)$noise
  expect_identical(found$engine, "iterative")
  expect_identical(certificate(found)$verdict, "optimal")
  loss <- devfun(exact)(found$theta) - exact$dev$objective
  expect_lt(loss, 1e-4)
  error <- 2 * abs(logLik(found) - logLik(exact))
  expect_lt(error, 3 * 2 * attr(logLik(found), "se") + 1e-4)
  expect_equal(fixef(found), fixef(exact), tolerance = 1e-4)
  expect_equal(vcov(found), vcov(exact), tolerance = 1e-3)
  expect_equal(sigma(found), sigma(exact), tolerance = 1e-4)
}

# -2 log-likelihood, or the REML criterion, of an exact fit as a function of theta.
devfun <- function(fit) {
  function(theta) core_objective(fit_spec(fit), theta)
}

test_that("crossed factors of InstEval, by REML and by maximum likelihood", {
  f <- y ~ service + (1 | s) + (1 | d)
  for (REML in c(TRUE, FALSE)) {
    fits <- by_both(f, InstEval, REML = REML)
    expect_agreement(fits)
  }
})

test_that("three crossed factors, one with 14 levels, reach the optimum of lme4", {
  f <- y ~ service + (1 | s) + (1 | d) + (1 | dept)
  fit <- rlmm(f, InstEval, REML = FALSE, control = by_iterations())
  # -2 logLik of lme4 2.1's lmer(f, InstEval, REML = FALSE).
  error <- abs(-2 * as.numeric(logLik(fit)) - 237721.7688)
  expect_lt(error, 6 * attr(logLik(fit), "se") + 1e-3)
})

crossed <- function(n = 6000L, g = 400L, h = 150L) {
  withr::with_seed(11, {
    d <- data.frame(
      x = stats::rnorm(n),
      g = factor(c(seq_len(g), sample(g, n - g, TRUE))),
      h = factor(sample(c(seq_len(h), sample(h, n - h, TRUE)))),
      w = stats::runif(n, 0.5, 2)
    )
    b <- stats::rnorm(g)
    d$y <- 3 +
      d$x * (1 + 0.5 * stats::rnorm(g)[d$g] + 0.3 * stats::rnorm(h)[d$h])
    d$y <- d$y + 0.7 * b[d$g] + 0.5 * stats::rnorm(h)[d$h] + stats::rnorm(n)
    d
  })
}

test_that("slopes on both factors, weights, an offset, structures", {
  d <- crossed()
  expect_agreement(by_both(y ~ x + (x | g) + (x | h), d))
  expect_agreement(by_both(y ~ x + (x || g) + (1 | h), d, weights = w))
  expect_agreement(by_both(y ~ x + (1 | g) + cs(1 + x | h), d, REML = FALSE))
  expect_agreement(by_both(y ~ 1 + offset(x) + (1 | g) + (x | h), d))
})

test_that("a correlation parameter has other optima, where both engines look", {
  withr::with_seed(1, {
    d <- data.frame(
      k = gl(4, 1, 3000),
      a = sample(300, 3000, TRUE),
      b = sample(80, 3000, TRUE)
    )
    # One effect against the others, which equal correlations can't tell.
    signs <- c(0.5, 0.5, -0.5, 0.5)
    d$y <- stats::rnorm(300)[d$a] * signs[d$k] + 0.5 * stats::rnorm(80)[d$b]
    d$y <- d$y + stats::rnorm(3000)
  })
  fits <- suppressMessages(by_both(y ~ k + cs(0 + k | a) + (1 | b), d))
  logs <- vapply(fits, \(fit) as.numeric(logLik(fit)), 0)
  # The search from the start ends 13 units lower.
  expect_equal(logs[["iterative"]], logs[["exact"]], tolerance = 1e-6)
})

# Levels of h are parts of 30 groups.
within_crossed <- function() {
  d <- crossed()
  withr::with_seed(12, {
    d$part <- factor((as.integer(d$h) + 4L) %/% 5L)
    d$y <- d$y + 0.8 * stats::rnorm(31)[d$part]
    eta <- 0.4 * d$y - 1
    d$b <- stats::rbinom(nrow(d), 1, stats::plogis(eta))
  })
  d
}

test_that("a factor nested within crossed ones leaves little noise", {
  d <- within_crossed()
  f <- y ~ x + (1 | g) + (1 | h) + (1 | part)
  for (weights in list(NULL, d$w)) {
    fits <- by_both(f, d, weights = weights)
    expect_agreement(fits)
    noise <- certificate(fits$iterative)$noise
    expect_lt(noise$loglik_se, 0.01)
  }
  d$g <- factor(as.integer(d$g) %% 90L)
  fits <- by_both(y ~ x + (1 | part) + (1 | h) + (1 | g), d, REML = FALSE)
  expect_agreement(fits)
})

test_that("a nested factor without variance is found by iterations", {
  d <- within_crossed()
  d$y <- withr::with_seed(4, d$x + stats::rnorm(nrow(d)))
  f <- y ~ x + (1 | g) + (1 | h) + (1 | part)
  fits <- suppressMessages(by_both(f, d))
  loss <- devfun(fits$exact)(fits$iterative$theta) - fits$exact$dev$objective
  expect_lt(loss, 1e-4)
})

test_that("generalized models with a factor nested within crossed ones", {
  d <- within_crossed()
  f <- b ~ x + (1 | g) + (1 | h) + (1 | part)
  fit_by <- function(engine) {
    control <- rlmm_control(engine = engine)
    rglmm(f, d, family = stats::binomial(), control = control)
  }
  exact <- fit_by("exact")
  found <- fit_by("iterative")
  expect_identical(certificate(found)$verdict, "optimal")
  expect_lte(certificate(found)$noise$probes, 32)
  se <- attr(logLik(found), "se")
  expect_lt(abs(logLik(found) - logLik(exact)), 3 * se + 1e-4)
  theta <- getME(exact, "theta")
  expect_equal(getME(found, "theta"), theta, tolerance = 1e-3)
  expect_equal(fixef(found), fixef(exact), tolerance = 1e-4)
})

test_that("a singular fit is found and named", {
  d <- crossed()
  d$y <- withr::with_seed(4, stats::rnorm(nrow(d)))
  fits <- suppressMessages(by_both(y ~ x + (x | g) + (1 | h), d))
  loss <- devfun(fits$exact)(fits$iterative$theta) - fits$exact$dev$objective
  expect_lt(loss, 1e-4)
  expect_equal(isSingular(fits$iterative), isSingular(fits$exact))
})

# Slopes without variance of one factor, and correlated by one with the intercepts of the other.
nearly_singular <- function(seed) {
  withr::with_seed(seed, {
    d <- data.frame(
      a = factor(sample(300, 6000, TRUE)),
      b = factor(sample(150, 6000, TRUE)),
      x = stats::rnorm(6000)
    )
    of_a <- stats::rnorm(300)[d$a]
    of_b <- 0.8 * stats::rnorm(150)[d$b]
    d$y <- 1 + 0.5 * d$x + of_a + of_b * (1 + 0.5 * d$x) + stats::rnorm(6000)
    d
  })
}

test_that("random vectors tell where the optimum is at nearly singular covariances", {
  for (seed in c(3, 6)) {
    fits <- suppressMessages(by_both(
      y ~ x + (x | a) + (x | b),
      nearly_singular(seed)
    ))
    expect_agreement(fits)
    expect_true(isSingular(fits$iterative))
    expect_lt(fits$iterative$optsum$feval, 20)
    # The excess that is told is about the one that is there.
    expect_lt(certificate(fits$iterative)$noise$excess, 1e-6)
    loss <- devfun(fits$exact)(fits$iterative$theta) - fits$exact$dev$objective
    expect_lt(loss, 1e-5)
  }
})

test_that("so they do in generalized models", {
  d <- nearly_singular(3)
  d$y <- withr::with_seed(3, {
    as.integer(d$y + stats::rlogis(nrow(d)) > 1)
  })
  fit_by <- function(engine, ...) {
    control <- rlmm_control(engine = engine, ...)
    f <- y ~ x + (x | a) + (x | b)
    suppressMessages(rglmm(f, d, family = stats::binomial(), control = control))
  }
  found <- fit_by("iterative")
  there <- fit_by("exact", fixed = list(theta = getME(found, "theta")))
  expect_identical(certificate(found)$verdict, "optimal")
  expect_lt(certificate(found)$noise$excess, 1e-5)
  loss <- 2 * as.numeric(logLik(fit_by("exact")) - logLik(there))
  expect_lt(loss, 1e-4)
})

test_that("a nested factor of little variance isn't taken for one of none", {
  for (seed in c(8, 12)) {
    d <- crossed(3000L, 125L, 60L)
    d$part <- factor((as.integer(d$h) + 4L) %/% 5L)
    of_part <- withr::with_seed(seed, 0.2 * stats::rnorm(13))
    d$y <- d$y + of_part[d$part]
    fits <- by_both(y ~ x + (1 | g) + (1 | h) + (1 | part), d)
    expect_agreement(fits)
    expect_gt(min(fits$iterative$theta), 0)
  }
})

test_that("accessors of an iterative fit are those of an exact one", {
  d <- crossed(3000L, 100L, 60L)
  fits <- by_both(y ~ x + (x | g) + (1 | h), d)
  exact <- fits$exact
  # At the same theta.
  found <- rlmm(
    y ~ x + (x | g) + (1 | h),
    d,
    control = by_iterations(fixed = list(theta = getME(exact, "theta")))
  )
  expect_equal(fixef(found), fixef(exact), tolerance = 1e-8)
  expect_equal(vcov(found), vcov(exact), tolerance = 1e-7)
  expect_equal(sigma(found), sigma(exact), tolerance = 1e-8)
  expect_equal(fitted(found), fitted(exact), tolerance = 1e-6)
  expect_equal(residuals(found), residuals(exact), tolerance = 1e-5)
  expect_equal(
    predict(found, d[1:5, ]),
    predict(exact, d[1:5, ]),
    tolerance = 1e-6
  )
  expect_equal(
    ranef(found, condVar = FALSE)$h,
    ranef(exact, condVar = FALSE)$h,
    tolerance = 1e-6
  )
  expect_equal(condVar(found), condVar(exact), tolerance = 1e-5)
  expect_equal(
    as.data.frame(VarCorr(fits$iterative))$vcov,
    as.data.frame(VarCorr(exact))$vcov,
    tolerance = 1e-3
  )
  expect_equal(
    coef(summary(fits$iterative))[, "df"],
    coef(summary(exact))[, "df"],
    tolerance = 0.02
  )
})

test_that("what takes a factor refuses", {
  d <- crossed(2000L, 60L, 40L)
  fit <- rlmm(y ~ x + (1 | g) + (1 | h), d, control = by_iterations())
  expect_error(hatvalues(fit), class = "rlmm_error_needs_factor")
  several <- cbind(d$y, rev(d$y))
  expect_error(refit(fit, several), class = "rlmm_error_needs_factor")
  expect_null(attr(ranef(fit)$g, "postVar"))
  expect_snapshot(writeLines(error_lines(hatvalues(fit))))
  exact <- update(fit, control = rlmm_control(engine = "exact"))
  expect_length(hatvalues(exact), 2000L)
})

test_that("log-likelihoods have standard errors, and their tests say so", {
  d <- crossed(2000L, 60L, 40L)
  large <- rlmm(
    y ~ x + (1 | g) + (1 | h),
    d,
    REML = FALSE,
    control = by_iterations()
  )
  small <- update(large, . ~ . - x)
  se <- attr(logLik(large), "se")
  expect_gt(se, 0)
  expect_lt(se, 0.05)
  expect_match(
    attr(anova(small, large), "heading"),
    "Standard error of Chisq",
    all = FALSE
  )
  expect_null(attr(logLik(rlmm(y ~ x + (1 | g), d)), "se"))
  expect_match(format(certificate(large)), "random vectors", all = FALSE)
  expect_output(print(large), "iterative engine")
  expect_equal(logLik(update(large)), logLik(large))
})

test_that("the engine is chosen by what it costs", {
  d <- crossed(30000L, 9000L, 4000L)
  fit <- rlmm(y ~ x + (1 | g) + (1 | h), d)
  expect_identical(fit$engine, "iterative")
  expect_identical(preview(y ~ x + (1 | g) + (1 | h), d)$engine, "iterative")
  d$nested <- factor(as.integer(d$g) %/% 3L)
  fit <- rlmm(y ~ x + (1 | g) + (1 | nested), d)
  expect_identical(fit$engine, "exact")
  fit <- rlmm(y ~ x + (1 | g), d, control = by_iterations())
  expect_identical(fit$engine, "exact")
})

test_that("too little memory for a factor is told, or left to the iterative engine", {
  d <- crossed(20000L, 5000L, 2500L)
  f <- y ~ x + (1 | g) + (1 | h)
  fit <- rlmm(f, d, control = rlmm_control(memory_limit = 0.01))
  expect_identical(fit$engine, "iterative")
  expect_error(
    rlmm(f, d, control = rlmm_control(engine = "exact", memory_limit = 0.01)),
    class = "rlmm_error_too_large"
  )
})

test_that("engines that don't exist are refused", {
  expect_snapshot({
    writeLines(error_lines(rlmm_control(engine = "iterativ")))
    writeLines(error_lines(rlmm_control(engine = 1)))
    writeLines(error_lines(rlmm_control(memory_limit = -1)))
  })
})

# A crossed model of counts or of binary responses by both engines.
generalized_by_both <- function(family, ...) {
  d <- crossed(3000L, 200L, 80L)
  d$y <- withr::with_seed(5, {
    eta <- 0.3 + 0.4 * d$x + 0.6 * stats::rnorm(200L)[d$g]
    eta <- eta + 0.4 * stats::rnorm(80L)[d$h]
    switch(
      family,
      binomial = stats::rbinom(nrow(d), 1L, stats::plogis(eta)),
      stats::rpois(nrow(d), exp(eta))
    )
  })
  fit <- \(engine) {
    control <- rlmm_control(engine = engine)
    rglmm(y ~ x + (1 | g) + (1 | h), d, family, control = control, ...)
  }
  list(exact = fit("exact"), iterative = fit("iterative"), data = d)
}

test_that("generalized models are those of the exact engine", {
  for (family in c("binomial", "poisson")) {
    fits <- generalized_by_both(family)
    exact <- fits$exact
    found <- fits$iterative
    expect_identical(found$engine, "iterative")
    expect_identical(exact$engine, "exact")
    expect_identical(certificate(found)$verdict, "optimal")
    se <- attr(logLik(found), "se")
    expect_lt(abs(logLik(found) - logLik(exact)), 3 * se + 1e-4)
    expect_equal(fixef(found), fixef(exact), tolerance = 1e-3)
    expect_equal(vcov(found), vcov(exact), tolerance = 5e-3)
    expect_equal(
      getME(found, "theta"),
      getME(exact, "theta"),
      tolerance = 5e-3
    )
    expect_equal(condVar(found), condVar(exact), tolerance = 5e-3)
    expect_equal(fitted(found), fitted(exact), tolerance = 1e-3)
    new <- fits$data[1:4, ]
    expect_equal(predict(found, new), predict(exact, new), tolerance = 1e-3)
    expect_error(hatvalues(found), class = "rlmm_error_needs_factor")
  }
})

test_that("a fit that was stopped at once can be printed, and judged", {
  set.seed(1)
  n <- 300
  data <- data.frame(
    g = factor(sample(40, n, TRUE)),
    h = factor(sample(30, n, TRUE)),
    x = rnorm(n)
  )
  data$y <- rbinom(n, 1, plogis(rnorm(40)[data$g] + rnorm(30)[data$h]))
  control <- by_iterations(max_time = 1e-9)
  fits <- suppressWarnings(list(
    rlmm(y ~ x + (1 | g) + (1 | h), data, control = control),
    rglmm(y ~ x + (1 | g) + (1 | h), data, family = binomial, control = control)
  ))
  for (fit in fits) {
    expect_match(capture.output(print(fit)), "reached `max_time`", all = FALSE)
    summary <- capture.output(print(opt_summary(fit)))
    expect_match(summary, "MAXTIME_REACHED", all = FALSE)
    found <- certificate(fit)
    expect_identical(found$verdict, "not_converged")
    expect_identical(found$noise$loglik_se, attr(logLik(fit), "se"))
  }
})

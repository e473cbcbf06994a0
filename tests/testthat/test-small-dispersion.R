# Dispersions that are small or tend to zero.

test_that("a response that the model reproduces is named as the cause", {
  set.seed(1)
  d <- data.frame(g = gl(20, 10), x = rnorm(200))
  d$y <- exp(0.5 + 0.3 * d$x + rnorm(20, sd = 0.5)[d$g])
  for (family in list(Gamma("log"), inverse.gaussian("log"), gaussian("log"))) {
    expect_error(
      rglmm(y ~ x + (1 | g), d, family),
      class = "rlmm_error_zero_residual"
    )
  }
})

# The search may end on the way to larger and larger random effects.
test_that("such a response is named as the cause with any dispersion", {
  told <- c("rlmm_error_zero_residual", "rlmm_warning_exact_fit")
  for (seed in 1:4) {
    set.seed(seed)
    d <- data.frame(g = gl(6, 5), x = rnorm(30))
    d$y <- exp(1 + 0.3 * d$x + rnorm(6, sd = 0.4)[d$g])
    for (dispersion in c("moment", "estimated", "profiled")) {
      condition <- rlang::catch_cnd(
        rglmm(
          y ~ x + (1 | g),
          d,
          inverse.gaussian("log"),
          dispersion = dispersion
        )
      )
      expect_true(inherits(condition, told))
    }
  }
})

test_that("a dispersion that tends to zero is never passed over in silence", {
  set.seed(2)
  d <- data.frame(g = gl(10, 6), f = gl(3, 1, 60), x = rnorm(60))
  d$line <- exp(0.5 + 0.3 * d$x)
  d$level <- c(1, 2, 4)[d$f]
  formulas <- list(line ~ x + (1 | g), level ~ f + (1 | g))
  told <- c("rlmm_error_zero_residual", "rlmm_warning_exact_fit")
  for (family in list(Gamma("log"), inverse.gaussian("log"), gaussian("log"))) {
    for (formula in formulas) {
      condition <- \(dispersion) {
        rlang::catch_cnd(rglmm(formula, d, family, dispersion = dispersion))
      }
      expect_s3_class(condition("profiled"), told[1])
      expect_s3_class(condition("estimated"), told[1])
      # The modes of a moment estimate are those of least squares, whose rounding errors remain.
      expect_true(inherits(condition("moment"), told))
    }
  }
})

# With a small dispersion the logarithm of a Gamma response is normal.
test_that("a small dispersion leaves the Gamma likelihood its digits", {
  set.seed(3)
  d <- data.frame(g = gl(10, 6), x = rnorm(60))
  eta <- 0.5 + 0.3 * d$x + rnorm(10, sd = 0.3)[d$g]
  for (sd in c(1e-4, 1e-5)) {
    d$y <- exp(eta + sd * rnorm(60))
    quietly <- \(fit) {
      suppressWarnings(fit, classes = "rlmm_warning_exact_fit")
    }
    normal <- quietly(rlmm(log(y) ~ x + (1 | g), d, REML = FALSE))
    fit <- quietly(
      rglmm(y ~ x + (1 | g), d, Gamma("log"), dispersion = "estimated")
    )
    expect_equal(certificate(fit)$verdict, "optimal")
    expect_lt(abs(logLik(fit) - logLik(normal) + sum(log(d$y))), 1e-4)
  }
})

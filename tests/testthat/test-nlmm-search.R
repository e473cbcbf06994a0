# With a linear mean the Laplace approximation is exact, so that rlmm() has the right values.

straight_lines <- function(origin) {
  set.seed(1)
  data <- data.frame(g = gl(12, 10), x = rnorm(120))
  intercept <- rnorm(12)[data$g]
  slope <- 1 + rnorm(12, sd = 0.7)[data$g]
  data$y <- 3 + intercept + slope * data$x + rnorm(120, sd = 0.5)
  data$x <- data$x + origin
  data
}

nonlinear_line <- function(random, data) {
  formula <- sprintf("y ~ a ~ a + a:x + %s", random)
  fit <- rnlmm(stats::as.formula(formula), data, start = c(a = 3))
  suppressMessages(fit)
}

linear_line <- function(random, data) {
  bars <- gsub("a:x", "x", sub("a \\+", "1 +", random))
  formula <- stats::as.formula(paste("y ~ x +", bars))
  suppressMessages(rlmm(formula, data, REML = FALSE))
}

test_that("slopes of a covariate far from zero are those of the linear model", {
  terms <- c("(a + a:x | g)", "cs(a + a:x | g)", "(a + a:x || g)")
  for (origin in c(0, 30, 1e4, 1e6)) {
    data <- straight_lines(origin)
    for (random in terms) {
      fit <- suppressMessages(nonlinear_line(random, data))
      right <- linear_line(random, data)
      label <- paste(random, "at", origin)
      expect_equal(
        as.numeric(logLik(fit)),
        as.numeric(logLik(right)),
        tolerance = 1e-6,
        label = label
      )
      expect_equal(
        unname(sqrt(diag(vcov(fit)))),
        unname(sqrt(diag(vcov(right)))),
        tolerance = 1e-4,
        label = label
      )
      expect_equal(fitted(fit), fitted(right), tolerance = 1e-5, label = label)
    }
  }
})

test_that("conditional modes and their covariances are those of any origin", {
  near <- nonlinear_line("(a + a:x | g)", straight_lines(0))
  far <- nonlinear_line("(a + a:x | g)", straight_lines(1e5))
  expect_equal(ranef(far)$g[, 2], ranef(near)$g[, 2], tolerance = 1e-4)
  expect_equal(
    far$cond_var[[1]][2, 2, ],
    near$cond_var[[1]][2, 2, ],
    tolerance = 1e-4
  )
})

test_that("correlations that can't have the digits of a covariate are refused", {
  expect_error(
    nonlinear_line("cs(a + a:x | g)", straight_lines(1e7)),
    "The mean of `a:x` is more than 3e6 times",
    class = "rlmm_error_origin"
  )
})

test_that("other minima of structures away from zero are found", {
  set.seed(2)
  data <- data.frame(g = gl(16, 10), x = rnorm(160), z = rnorm(160))
  b <- cbind(rnorm(16), rnorm(16, sd = 0.7), rnorm(16, sd = 0.4))
  lines <- 3 + data$x + rowSums(b[data$g, ] * cbind(1, data$x, data$z))
  data$y <- lines + rnorm(160, sd = 0.5)
  data$x <- data$x + 10
  random <- "cs(a + a:x + a:z | g)"
  right <- linear_line("cs(1 + x + z | g)", data)
  fit <- nonlinear_line(random, data)
  expect_equal(
    as.numeric(logLik(fit)),
    as.numeric(logLik(right)),
    tolerance = 1e-6
  )
})

test_that("a nonlinear mean with slopes far from zero is that of the centred covariate", {
  set.seed(3)
  data <- expand.grid(t = seq(0, 10, length.out = 8), g = factor(1:10))
  data$x <- rnorm(80)
  upper <- 20 + rnorm(10, sd = 3)[data$g]
  slope <- 1 + rnorm(10, sd = 2)[data$g]
  shape <- 1 + exp((5 - data$t) / 1.2)
  data$y <- (upper + slope * data$x) / shape + rnorm(80, sd = 0.5)
  fit <- function(origin) {
    data$x <- data$x + origin
    rnlmm(
      y ~ a / (1 + exp((m - t) / s)) ~ a + a:x + m + s + (a + a:x | g),
      data,
      start = c(a = 20, m = 5, s = 1)
    )
  }
  near <- fit(0)
  far <- fit(1e5)
  expect_equal(logLik(far), logLik(near), tolerance = 1e-6)
  expect_equal(fixef(far)[-1], fixef(near)[-1], tolerance = 1e-4)
  expect_equal(fitted(far), fitted(near), tolerance = 1e-5)
})

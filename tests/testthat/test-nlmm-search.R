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

# The logistic mean written out, of which rlmm derives the gradient, and as a function, of which it
# takes differences.
logistic <- function(age, a, m, s) a / (1 + exp((m - age) / s))

growth_fit <- function(data, mean, start = c(a = 200, m = 725, s = 350), ...) {
  formula <- paste("circumference ~", mean, "~ (a + m | Tree)")
  rnlmm(stats::as.formula(formula), data, start = start, ...)
}

growth_means <- c("a / (1 + exp((m - age) / s))", "logistic(age, a, m, s)")

test_that("units of the response, of a covariate and of weights don't matter", {
  first <- growth_fit(Orange, growth_means[1])
  for (mean in growth_means) {
    for (k in c(1e-6, 1e6)) {
      label <- paste(mean, "by", k)
      data <- transform(Orange, age = age * k)
      start <- c(a = 200, m = 725 * k, s = 350 * k)
      expect_no_message(fit <- growth_fit(data, mean, start))
      expect_equal(logLik(fit), logLik(first), tolerance = 1e-8, label = label)
      data <- transform(Orange, circumference = circumference * k)
      fit <- growth_fit(data, mean, c(a = 200 * k, m = 725, s = 350))
      expect_equal(
        as.numeric(logLik(fit)) + nrow(Orange) * log(k),
        as.numeric(logLik(first)),
        tolerance = 1e-8,
        label = label
      )
      fit <- growth_fit(Orange, mean, weights = rep(k, 35))
      expect_equal(logLik(fit), logLik(first), tolerance = 1e-8, label = label)
    }
  }
})

test_that("the origin of a covariate of the mean doesn't matter", {
  first <- growth_fit(Orange, growth_means[1])
  for (origin in c(1e4, 1e6, 1e8)) {
    data <- transform(Orange, age = age + origin)
    fit <- growth_fit(
      data,
      growth_means[1],
      c(a = 200, m = 725 + origin, s = 350)
    )
    expect_equal(
      logLik(fit),
      logLik(first),
      tolerance = 1e-8,
      label = paste("origin", origin)
    )
  }
})

test_that("a parameter that is large beside its standard error has its digits", {
  set.seed(1)
  data <- data.frame(g = gl(10, 8), t = rep(1:8, 10))
  level <- (10 + rnorm(10))[data$g]
  data$y <- level / (1 + exp((4 - data$t) / 1.3)) + rnorm(80, sd = 0.2)
  fit <- function(origin) {
    rnlmm(
      y ~ A / (1 + exp((m - t) / s)) ~ A | g,
      transform(data, t = t + origin),
      start = c(A = 10, m = 4 + origin, s = 1.3)
    )
  }
  near <- fit(0)
  for (origin in c(1e8, 1e10)) {
    far <- fit(origin)
    expect_lt(abs(logLik(far) - logLik(near)), 1e-6)
    expect_equal(fixef(far)[-2], fixef(near)[-2], tolerance = 1e-5)
  }
})

test_that("a derivative that isn't finite at the end of its range is replaced", {
  set.seed(1)
  data <- expand.grid(t = c(0, 1, 2, 4, 8), g = factor(1:12))
  level <- (10 + rnorm(12))[data$g]
  data$y <- level * (1 - exp(-0.3 * data$t^1.3)) + rnorm(60, sd = 0.2)
  start <- c(a = 8, k = 0.2, p = 1)
  # The derivative in p is 0^p log(0) at t = 0.
  fit <- rnlmm(y ~ a * (1 - exp(-k * t^p)) ~ (a | g), data, start = start)
  later <- rnlmm(
    y ~ a * (1 - exp(-k * ifelse(t == 0, 0, t^p))) ~ (a | g),
    data,
    start = start
  )
  expect_equal(logLik(fit), logLik(later), tolerance = 1e-8)
  expect_equal(fixef(fit), fixef(later), tolerance = 1e-5)
})

test_that("a function of the user's is not taken for R's of the same name", {
  set.seed(1)
  data <- expand.grid(t = 1:6, g = factor(1:8))
  data$y <- (10 + rnorm(8))[data$g] * 2^(-0.4 * data$t) + rnorm(48, sd = 0.1)
  exp <- function(x) 2^x
  fit <- rnlmm(y ~ a * exp(-k * t) ~ (a | g), data, start = c(a = 8, k = 0.3))
  right <- rnlmm(y ~ a * 2^(-k * t) ~ (a | g), data, start = c(a = 8, k = 0.3))
  expect_equal(fixef(fit), fixef(right), tolerance = 1e-6)
  expect_equal(logLik(fit), logLik(right), tolerance = 1e-8)
})

test_that("parameters that the mean can't tell apart are named", {
  expect_snapshot({
    writeLines(error_lines(rnlmm(
      circumference ~ (a + b) / (1 + exp((m - age) / s)) ~ a | Tree,
      Orange,
      start = c(a = 100, b = 100, m = 725, s = 350)
    )))
    writeLines(error_lines(rnlmm(
      circumference ~ a / (1 + exp((m - age) / s)) ~ a:Tree +
        m +
        s +
        (a | Tree),
      Orange,
      start = c(a = 200, m = 725, s = 350)
    )))
    writeLines(error_lines(rnlmm(
      circumference ~ 1 / a ~ 0 + (a | Tree),
      Orange,
      start = c(a = 0.01)
    )))
  })
})

test_that("a mean without digits for its fixed effects is refused, with advice to centre", {
  set.seed(1)
  data <- data.frame(g = gl(10, 8), x = rnorm(80))
  data$y <- 1 + rnorm(10)[data$g] + 2 * data$x + rnorm(80, sd = 0.3)
  fit_at <- function(origin) {
    data$t <- data$x + origin
    start <- c(a = 1 - 2 * origin, s = 2)
    rnlmm(y ~ a + s * t ~ a | g, data, start, nAGQ = 0)
  }
  right <- rlmm(y ~ x + (1 | g), data, REML = FALSE)
  expect_equal(fixef(fit_at(1e4))[["s"]], fixef(right)[["x"]], tolerance = 1e-5)
  expect_error(fit_at(1e8), "Centre it", class = "rlmm_error_origin")
  expect_error(fit_at(1e9), "Centre it", class = "rlmm_error_pirls")
})

test_that("without fixed effects a nonlinear model is the linear one", {
  set.seed(1)
  data <- data.frame(g = gl(10, 5), x = runif(50))
  data$y <- rnorm(10)[data$g] * data$x + rnorm(50, sd = 0.2)
  fit <- rnlmm(y ~ a * x ~ 0 + (a | g), data, start = c(a = 1))
  right <- rlmm(y ~ 0 + (0 + x | g), data, REML = FALSE)
  expect_equal(
    as.numeric(logLik(fit)),
    as.numeric(logLik(right)),
    tolerance = 1e-8
  )
  expect_equal(dim(vcov(fit)), c(0L, 0L))
  expect_output(print(summary(fit)), "Random effects")
})

test_that("the gradient times the rows of parameters is that of dense algebra", {
  set.seed(1)
  n <- 30L
  dense <- matrix(rnorm(3 * n * 8) * rbinom(3 * n * 8, 1, 0.2), 3 * n)
  sparse <- methods::as(Matrix::Matrix(dense, sparse = TRUE), "CsparseMatrix")
  gradient <- matrix(rnorm(3 * n), n)
  sums <- kronecker(t(rep(1, 3)), diag(n))
  expected <- sums %*% (as.vector(gradient) * dense)
  expect_equal(times_gradient(dense, gradient, n), expected)
  found <- times_gradient(sparse, gradient, n)
  expect_equal(unname(as.matrix(found)), expected)
})

# The origin of a covariate is a matter of parameterization: the likelihood is the one of the
# centred covariate.

test_that("a random slope of a covariate that is far from zero", {
  for (seed in 1:3) {
    data <- growth_data(seed)
    centred <- rlmm(y ~ c + (c | id), data, REML = FALSE)
    for (origin in c(2020, 19000, 2.46e6, 1e9)) {
      data$x <- origin + data$n
      fit <- rlmm(y ~ x + (x | id), data, REML = FALSE)
      expect_equal(
        as.numeric(logLik(fit)),
        as.numeric(logLik(centred)),
        tolerance = 1e-9
      )
      expect_equal(fixef(fit)[["x"]], fixef(centred)[["c"]], tolerance = 1e-6)
      expect_equal(fitted(fit), fitted(centred), tolerance = 1e-7)
      slopes <- \(fit) ranef(fit)$id[[2L]]
      expect_equal(slopes(fit), slopes(centred), tolerance = 1e-5)
      expect_equal(
        predict(fit, data[3:9, ]),
        predict(centred, data[3:9, ]),
        tolerance = 1e-6
      )
    }
  }
})

test_that("the same of generalized models", {
  data <- growth_data(4)
  for (case in list(list("z", binomial), list("k", poisson))) {
    formula <- \(x) reformulate(c(x, sprintf("(%s | id)", x)), case[[1L]])
    fit <- \(x) suppressMessages(rglmm(formula(x), data, family = case[[2L]]))
    data$x <- data$c
    centred <- fit("x")
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- fit("x")
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-8
      )
      expect_equal(
        sqrt(vcov(moved)[2L, 2L]),
        sqrt(vcov(centred)[2L, 2L]),
        tolerance = 1e-4
      )
    }
  }
})

test_that("a covariate without a digit beside its mean is an error", {
  data <- growth_data(1)
  data$x <- 1e13 + data$n
  expect_error(
    suppressMessages(rlmm(y ~ n + (x | id), data)),
    class = "rlmm_error_origin"
  )
})

test_that("an interaction of a covariate that is far from zero", {
  data <- growth_data(5)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  data$w <- rep(c(1, 2, 0.5), each = 40)
  for (reml in c(TRUE, FALSE)) {
    fit <- \(data) {
      rlmm(y ~ x * f + (x | id), data, REML = reml, weights = w)
    }
    data$x <- data$c
    centred <- fit(data)
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- fit(data)
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-9
      )
      own <- c("x", "x:fb", "x:fc")
      expect_equal(fixef(moved)[own], fixef(centred)[own], tolerance = 1e-6)
      expect_equal(
        vcov(moved)[own, own],
        vcov(centred)[own, own],
        tolerance = 1e-5,
        ignore_attr = TRUE
      )
      expect_equal(fitted(moved), fitted(centred), tolerance = 1e-8)
      # The intercept is that at x = 0.
      expect_equal(
        fixef(moved)[["(Intercept)"]],
        fixef(centred)[["(Intercept)"]] - origin * fixef(centred)[["x"]],
        tolerance = 1e-6
      )
      df <- \(fit) summary(fit, ddf = "Satterthwaite")$coefficients[own, "df"]
      expect_equal(df(moved), df(centred), tolerance = 1e-3)
    }
  }
})

test_that("the same interaction of a generalized model", {
  data <- growth_data(6)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  for (nodes in 0:1) {
    fit <- \(data) {
      suppressMessages(
        rglmm(k ~ x * f + (1 | id), data, family = poisson, nAGQ = nodes)
      )
    }
    data$x <- data$c
    centred <- fit(data)
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- fit(data)
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-8
      )
      own <- c("x", "x:fb", "x:fc")
      expect_equal(fixef(moved)[own], fixef(centred)[own], tolerance = 1e-4)
      expect_equal(
        sqrt(diag(vcov(moved)))[own],
        sqrt(diag(vcov(centred)))[own],
        tolerance = 1e-4
      )
    }
  }
})

test_that("an interaction with seconds since 1970 keeps its columns", {
  # An hour of them varies by a part in a million: qr() takes them for ones.
  data <- growth_data(8)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  data$v <- data$k / 3
  forms <- c("%s * f", "f / %s", "%s * v")
  for (form in forms) {
    fit <- function(x) {
      fixed <- sprintf(form, x)
      suppressMessages(rlmm(reformulate(c(fixed, "(1 | id)"), "y"), data))
    }
    centred <- fit("c")
    for (origin in c(1e7, 1e8, 1e9)) {
      data$x <- origin + data$c
      moved <- fit("x")
      expect_length(fixef(moved), length(fixef(centred)))
      expect_equal(fitted(moved), fitted(centred), tolerance = 1e-6)
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-7
      )
    }
  }
  # A product of two such covariates has no digit left, and is dropped as by lm().
  data$x <- 1e8 + data$c
  data$w <- 1e8 + data$v
  expect_message(
    fit <- rlmm(y ~ x * w + (1 | id), data),
    "dropped: `x:w`"
  )
  expect_named(fixef(fit), c("(Intercept)", "x", "w"))
})

# Where random effects are thousands of times as large as the residuals the criterion is a
# difference of large numbers.
test_that("a tiny residual variance beside an interaction has any origin", {
  set.seed(2)
  data <- data.frame(
    c = round(rnorm(60), 6),
    f = gl(3, 1, 60),
    g = factor(rep(1:20, each = 3))
  )
  effects <- rnorm(20, sd = 3)[data$g]
  data$y <- data$c + effects + rnorm(60, sd = 1e-3)
  criterion <- \(x) {
    fit <- suppressMessages(rlmm(y ~ x * f + (1 | g), transform(data, x = x)))
    -2 * as.numeric(logLik(fit))
  }
  centred <- criterion(data$c)
  for (origin in c(10, 50, 90, 1000)) {
    expect_equal(criterion(data$c + origin), centred, tolerance = 1e-7)
  }
})

test_that("a product with a covariate that is far from zero, which is no term itself", {
  data <- growth_data(8)
  set.seed(8)
  data$w <- runif(120, 1, 4)
  data$g <- factor(rep(letters[1:3], length.out = 120))
  for (formula in list(y ~ w + x:w + (x | id), y ~ w * g + x:w:g + (x | id))) {
    data$x <- data$c
    centred <- suppressMessages(rlmm(formula, data))
    for (origin in c(1e5, 1e7, 1e9)) {
      data$x <- data$c + origin
      moved <- suppressMessages(rlmm(formula, data))
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-8
      )
      expect_identical(moved$optsum$certificate$verdict, "optimal")
      own <- grep("x", names(fixef(moved)), value = TRUE)
      expect_equal(fixef(moved)[own], fixef(centred)[own], tolerance = 1e-5)
      expect_equal(
        confint(moved, own, method = "Wald"),
        confint(centred, own, method = "Wald"),
        tolerance = 1e-5
      )
    }
  }
})

# Models whose effects can reproduce any response.

# Twenty observations: `i` has two levels of two of them and 16 of one; `g` has a level of one, a
# level of three, and eight of two.
tiny_data <- function() {
  set.seed(5)
  data.frame(
    x = rnorm(20),
    f = gl(3, 1, 20),
    y = rnorm(20),
    i = factor(c(1:9, 9, 10:18, 18)),
    g = factor(c(1, 2, 2, 2, rep(3:10, each = 2))),
    h = gl(4, 5)
  )
}

classes_of_messages <- function(formula, data = tiny_data(), ...) {
  found <- character()
  keep <- function(cnd) {
    found <<- c(found, grep("interpolation", class(cnd), value = TRUE))
    tryInvokeRestart("muffleMessage")
    tryInvokeRestart("muffleWarning")
  }
  withCallingHandlers(
    rlmm(formula, data, ...),
    message = keep,
    warning = keep
  )
  found
}

# With theta, the standard deviation of the levels over that of the residuals, the likelihood of n
# observations grows like its power n - r, with r the rank of Z: -2 log-likelihood falls by
# 2 (n - r) log(10) where theta is ten times as large.
test_that("a likelihood without a bound is reported", {
  data <- tiny_data()
  formula <- y ~ x + f + (1 | i)
  criterion <- rlmm(formula, data, REML = FALSE, devFunOnly = TRUE)
  fall <- criterion(1e3) - criterion(1e4)
  expect_equal(fall, 2 * (20 - 18) * log(10), tolerance = 1e-3)
  warning <- expect_warning(
    suppressMessages(fit <- rlmm(formula, data, REML = FALSE)),
    class = "rlmm_warning_interpolation"
  )
  expect_identical(warning$terms, "(1 | i)")
  marks <- as.data.frame(suppressWarnings(diagnose(fit)))
  expect_identical(marks$mark[marks$check == "Interpolation"], "bad")
  # The restricted likelihood has a bound.
  restricted <- rlmm(formula, data, devFunOnly = TRUE)
  expect_equal(restricted(1e3), restricted(1e4), tolerance = 1e-4)
  expect_identical(classes_of_messages(formula), "rlmm_message_interpolation")
})

# The intercepts of both factors have rank 10 + 4 - 1, the other fixed effects 7.
test_that("the terms are named whose random effects suffice beside the fixed effects", {
  data <- tiny_data()
  formula <- y ~ h * f + (x | g)
  expect_length(
    classes_of_messages(y ~ x * f + (1 | g) + (1 | h), data, REML = FALSE),
    0L
  )
  ignore <- rlmm_control(check_nobs_vs_nre = "ignore")
  warning <- expect_warning(
    suppressMessages(rlmm(formula, data, REML = FALSE, control = ignore)),
    class = "rlmm_warning_interpolation"
  )
  expect_identical(warning$terms, "(x | g)")
  # Intercepts alone have rank 10 beside 11 others, of which one is contained.
  criterion <- rlmm(
    formula,
    data,
    REML = FALSE,
    control = ignore,
    devFunOnly = TRUE
  )
  fall <- criterion(c(1e3, 0, 0)) - criterion(c(1e4, 0, 0))
  expect_equal(fall, 2 * (20 - 10) * log(10), tolerance = 1e-3)
})

# The residuals may vanish beside a process in time, whose effects are as many as the observations.
test_that("effects that share correlations aren't too many", {
  data <- sleepstudy
  data$day <- factor(data$Days)
  formula <- Reaction ~ Days + (1 | Subject) + ar1(0 + day | Subject)
  expect_length(classes_of_messages(formula, data), 0L)
})

test_that("nothing is told where a residual is left, or its variance is known", {
  expect_length(classes_of_messages(y ~ x + (1 | g), REML = FALSE), 0L)
  expect_length(
    classes_of_messages(y ~ x + f + (1 | g) + (1 | h), REML = FALSE),
    0L
  )
  expect_length(
    classes_of_messages(y ~ x + f + (1 | i), REML = FALSE, sigma = 1),
    0L
  )
  held <- rlmm_control(fixed = list(theta = c("i.(Intercept)" = 1)))
  expect_length(
    classes_of_messages(y ~ x + f + (1 | i), REML = FALSE, control = held),
    0L
  )
})

test_that("the warning and the message", {
  fit <- \(...) rlmm(y ~ x + f + (1 | i), tiny_data(), ...)
  expect_snapshot({
    writeLines(condition_lines(fit(REML = FALSE)))
    writeLines(condition_lines(fit()))
  })
})

# Without five rows ten levels are left, five of which have two rows, and X has five columns beside
# the intercept.
test_that("only observations with a weight count", {
  data <- tiny_data()
  data$w <- replace(rep(1, 20), c(2, 3, 5, 7, 9), 0)
  formula <- y ~ x * f + (1 | g)
  told <- classes_of_messages(formula, data, weights = w, REML = FALSE)
  expect_identical(told, "rlmm_warning_interpolation")
  expect_length(classes_of_messages(formula, data, REML = FALSE), 0L)
})

# Covariances of rank two give four levels eight effects beside four fixed ones.
test_that("a bound is missed in no coding of the effects", {
  set.seed(4)
  data <- expand.grid(f = gl(3, 1), g = gl(4, 1))
  data[c("y", "a", "b", "c", "e")] <- rnorm(60)
  few <- rlmm_control(check_nobs_vs_nre = "ignore")
  formulas <- list(
    y ~ a + b + c + (0 + f | g),
    y ~ a + b + c + (f | g),
    y ~ 0 + a + b + c + e + (0 + f | g)
  )
  for (formula in formulas) {
    expect_identical(
      classes_of_messages(formula, data, REML = FALSE, control = few),
      "rlmm_warning_interpolation"
    )
  }
  # Two of the four fixed effects are combinations of the random ones.
  found <- classes_of_messages(
    y ~ f + a + (0 + f | g),
    data,
    REML = FALSE,
    control = few
  )
  expect_identical(found, character())
})

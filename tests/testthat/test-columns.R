# What is handed to Rust without a copy, and what a fit of it is.

column_data <- function() {
  set.seed(3)
  data <- data.frame(
    x = rnorm(60),
    int = rep(1:4, 15),
    f = gl(3, 20),
    g = factor(rep(1:12, 5))
  )
  data$y <- data$x + rnorm(12)[data$g] + rnorm(60)
  data
}

test_that("plain variables are columns as they are, the intercept is the number 1", {
  data <- column_data()
  spec <- model_design(y ~ x + int + (1 + x | g) + (0 + int | g), data)$spec
  expect_identical(spec$x, list("(Intercept)" = 1, x = data$x, int = data$int))
  expect_identical(spec$terms[[1]]$z, list(1, data$x, data$int))
  x <- column_matrix(spec$x, 60)
  expect_identical(
    x,
    cbind("(Intercept)" = 1, x = data$x, int = as.double(data$int))
  )
})

test_that("columns and the matrix of them give the same fit", {
  data <- column_data()
  spec <- model_design(y ~ x + int + (1 + x | g), data)$spec
  dense <- spec
  dense$x <- list(column_matrix(spec$x, 60))
  dense$terms[[1]]$z <- list(column_matrix(spec$terms[[1]]$z, 60))
  mixed <- dense
  mixed$x <- c(list(1), list(dense$x[[1]][, 2:3]))
  for (other in list(dense, mixed)) {
    expect_equal(
      core_fit(other)$objective,
      core_fit(spec)$objective,
      tolerance = 1e-14
    )
    expect_equal(
      core_estimates(other, c(1, 0.2, 0.5)),
      core_estimates(spec, c(1, 0.2, 0.5)),
      tolerance = 1e-10
    )
  }
})

test_that("a covariate of large mean loses no digits", {
  # The same model with another origin; the shifted values are exact.
  data <- column_data()
  data$x <- round(data$x * 256) / 256
  near <- rlmm(y ~ x + f + (1 | g), data)
  data$x <- data$x + 2^21
  far <- rlmm(y ~ x + f + (1 | g), data)
  expect_equal(REMLcrit(far), REMLcrit(near), tolerance = 1e-12)
  expect_equal(fixef(far)[-1], fixef(near)[-1], tolerance = 1e-9)
  expect_equal(vcov(far)[-1, -1], vcov(near)[-1, -1], tolerance = 1e-9)
  intercept <- c(1, 2^21, 0, 0)
  expect_equal(sum(intercept * fixef(far)), fixef(near)[[1]], tolerance = 1e-8)
  expect_equal(unname(fitted(far)), unname(fitted(near)), tolerance = 1e-8)
})

test_that("a wrong number of values is an error, not a crash", {
  data <- column_data()
  spec <- model_design(y ~ x + (1 | g), data)$spec
  short <- spec
  short$x$x <- data$x[1:59]
  expect_error(core_fit(short), class = "rlmm_error_dimension")
  text <- spec
  text$x$x <- as.character(data$x)
  expect_error(core_fit(text), class = "rlmm_error_dimension")
  missing <- spec
  missing$x$x <- replace(data$int, 7, NA)
  expect_error(core_fit(missing), class = "rlmm_error_non_finite")
})

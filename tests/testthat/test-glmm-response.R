test_that("responses out of range are errors that name the rows", {
  d <- data.frame(y = c(0.5, 2, -1, 0, 1, 1), g = gl(3, 2))
  error <- expect_error(
    rglmm(y ~ 1 + (1 | g), d, binomial),
    "rows 2 and 3",
    class = "rlmm_error_response_range"
  )
  expect_equal(error$rows, 2:3)
  expect_error(
    rglmm(y ~ 1 + (1 | g), d, poisson),
    "row 3",
    class = "rlmm_error_response_range"
  )
  expect_error(
    rglmm(y ~ 1 + (1 | g), d, Gamma),
    "rows 3 and 4",
    class = "rlmm_error_response_range"
  )
  expect_error(
    rglmm(cbind(y, 1) ~ 1 + (1 | g), d, binomial),
    "negative",
    class = "rlmm_error_response_range"
  )
  # Rows as the user counts them.
  d$y[1] <- NA
  expect_error(
    rglmm(y ~ 1 + (1 | g), d, binomial),
    "rows 2 and 3",
    class = "rlmm_error_response_range"
  )
})

test_that("successes that are not whole numbers are a warning", {
  d <- data.frame(y = c(0.5, 0, 1, 0, 1, 1), w = 2, g = gl(3, 2))
  expect_warning(
    suppressMessages(rglmm(y ~ 1 + (1 | g), d, binomial)),
    "1 value of `y`",
    class = "rlmm_warning_successes"
  )
  expect_no_warning(
    suppressMessages(rglmm(y ~ 1 + (1 | g), d, binomial, weights = w)),
    class = "rlmm_warning_successes"
  )
})

test_that("counts that are not whole numbers are a warning", {
  d <- data.frame(y = c(0.5, 0, 4, 0, 1, 1), g = gl(3, 2))
  expect_warning(
    suppressMessages(rglmm(y ~ 1 + (1 | g), d, poisson)),
    "1 value of `y`",
    class = "rlmm_warning_counts"
  )
  expect_no_warning(suppressMessages(rglmm(2 * y ~ 1 + (1 | g), d, poisson)))
})

test_that("responses of the wrong kind are errors", {
  d <- data.frame(
    y = letters[1:6],
    f = gl(2, 3),
    g = gl(3, 2),
    z = c(1, 2, 1, 3, 2, 1)
  )
  expect_error(
    rglmm(y ~ 1 + (1 | g), d, binomial),
    "cbind",
    class = "rlmm_error_response"
  )
  expect_error(
    rglmm(f ~ 1 + (1 | g), d, poisson),
    "numeric vector",
    class = "rlmm_error_response"
  )
  expect_error(
    rglmm(cbind(z, z) ~ 1 + (1 | g), d, poisson),
    "numeric vector",
    class = "rlmm_error_response"
  )
  expect_error(
    rglmm(cbind(z, z, z) ~ 1 + (1 | g), d, binomial),
    "cbind",
    class = "rlmm_error_response"
  )
})

test_that("rows without trials count for nothing", {
  more <- rbind(cbpp, transform(cbpp[1, ], size = 0, incidence = 0))
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  expect_equal(
    rglmm(formula, more, binomial)$dev$objective,
    rglmm(formula, cbpp, binomial)$dev$objective,
    tolerance = 1e-8
  )
})

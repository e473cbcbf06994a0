# What a variable takes from the data as a whole is that of the fit, in predictions too.

frozen_data <- function() {
  withr::with_seed(1, {
    d <- data.frame(x = rnorm(60, 50, 10), z = runif(60), g = gl(6, 10))
    d$y <- 0.1 * d$x + rnorm(6)[d$g] + rnorm(60)
    d
  })
}

expect_rows_kept <- function(formula, data) {
  fit <- suppressMessages(rlmm(formula, data))
  rows <- c(2L, 31L, 60L)
  expect_equal(predict(fit, data[rows, ]), fitted(fit)[rows], info = formula)
  expect_equal(
    predict(fit, data[rows[1L], ], re.form = NA),
    predict(fit, re.form = NA)[rows[1L]],
    info = formula
  )
}

test_that("bases inside of calls are those of the fit", {
  d <- frozen_data()
  expect_rows_kept(y ~ poly(scale(x), 2) + (1 | g), d)
  expect_rows_kept(y ~ stats::poly(scale(x), 2) + (1 | g), d)
  expect_rows_kept(y ~ splines::ns(scale(x), 3) + (1 | g), d)
  expect_rows_kept(y ~ scale(poly(x, 2)) + (1 | g), d)
  expect_rows_kept(y ~ I(scale(x)^2) + (1 | g), d)
  expect_rows_kept(y ~ x + (scale(log(x)) | g), d)
})

test_that("summaries inside of calls are those of the fit's data", {
  d <- frozen_data()
  expect_rows_kept(y ~ I((x - mean(x)) / sd(x)) + (1 | g), d)
  expect_rows_kept(y ~ ifelse(x > median(x), 1, 0) + (1 | g), d)
  expect_rows_kept(y ~ x + offset(z - mean(z)) + (1 | g), d)
  expect_rows_kept(y ~ z + (I(x - mean(x)) | g), d)
  width <- 2
  expect_rows_kept(y ~ splines::ns(x, df = width + 1) + (1 | g), d)
})

test_that("missing and omitted rows count as they do in the fit", {
  d <- frozen_data()
  d$x[7] <- NA
  fit <- rlmm(y ~ I(x - mean(x, na.rm = TRUE)) + (1 | g), d, subset = z > 0.2)
  rows <- which(d$z > 0.2 & !is.na(d$x))[1:3]
  expect_equal(unname(predict(fit, d[rows, ])), unname(fitted(fit)[1:3]))
})

test_that("generalized fits and their simulations know them, too", {
  d <- frozen_data()
  d$k <- withr::with_seed(2, rpois(60, 3))
  fit <- suppressMessages(rglmm(k ~ I(x - mean(x)) + (1 | g), d, poisson))
  expect_equal(
    predict(fit, d[3, ], type = "response"),
    fitted(fit)[3]
  )
  linear <- rlmm(y ~ I(x - mean(x)) + (1 | g), d)
  one <- simulate(linear, 500, seed = 1, newdata = d[3, ], re.form = NULL)
  error <- sigma(linear) / sqrt(500)
  expect_lt(abs(mean(unlist(one)) - fitted(linear)[[3]]), 4 * error)
})

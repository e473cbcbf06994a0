# Predictions beside large factors where the data say nothing: as those of dummy columns.

parts_data <- function(seed) {
  withr::with_seed(seed, {
    n <- 300
    part <- sample(1:2, n, TRUE)
    d <- data.frame(
      firm = factor(paste0("f", part, "_", sample(12, n, TRUE))),
      school = factor(paste0("s", part, "_", sample(8, n, TRUE))),
      w = sample(15, n, TRUE),
      x = rnorm(n)
    )
    d$x[d$firm == "f1_3"] <- 3
    d$size <- as.integer(d$firm) %% 3
    d$y <- rnorm(n) + rnorm(15)[d$w]
    new <- data.frame(
      firm = sample(levels(d$firm), 40, TRUE),
      school = sample(levels(d$school), 40, TRUE),
      w = 1,
      x = sample(c(0, 3), 40, TRUE),
      size = sample(0:2, 40, TRUE)
    )
  })
  list(data = d, new = new)
}

predictions <- function(formula, data, new, large, ...) {
  withr::local_options(rlmm.large_factor = large)
  fit <- suppressMessages(rlmm(formula, data))
  expect_equal(is.null(fit$fixed$large), large > 1000)
  suppressMessages(predict(fit, new, ...))
}

test_that("levels of two parts have no mean together", {
  found <- parts_data(1)
  formula <- y ~ firm + school + x + (1 | w)
  off <- substr(found$new$firm, 2, 2) != substr(found$new$school, 2, 2)
  expect_warning(
    predictions(formula, found$data, found$new, 10),
    class = "rlmm_warning_inestimable"
  )
  among <- predictions(formula, found$data, found$new, 10, rankdeficient = "NA")
  expect_equal(unname(is.na(among)), off)
  expect_no_warning(predictions(formula, found$data, found$new[!off, ], 10))
})

test_that("a level without slope has the mean of its own covariate alone", {
  found <- parts_data(2)
  off <- found$new$firm == "f1_3" & found$new$x != 3
  expect_true(any(off))
  among <- predictions(
    y ~ firm * x + (1 | w),
    found$data,
    found$new,
    10,
    rankdeficient = "NA"
  )
  expect_equal(unname(is.na(among)), off)
})

test_that("what has no mean has none by dummy columns", {
  formulas <- list(
    y ~ firm + school + x + (1 | w),
    y ~ firm * x + (1 | w),
    y ~ 0 + firm + school + (1 | w),
    y ~ x + firm + size + (1 | w),
    y ~ size + firm + school + (1 | w),
    y ~ firm:x + (1 | w)
  )
  for (i in seq_along(formulas)) {
    found <- parts_data(i)
    by_levels <- predictions(
      formulas[[i]],
      found$data,
      found$new,
      10,
      rankdeficient = "NA"
    )
    by_columns <- predictions(
      formulas[[i]],
      found$data,
      found$new,
      1e6,
      rankdeficient = "NA"
    )
    expect_equal(by_levels, by_columns, tolerance = 1e-6)
  }
})

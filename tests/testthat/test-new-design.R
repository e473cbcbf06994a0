test_that("a new design of the fit's own data is the fit's", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(y ~ poly(x, 2) + f + offset(w) + (1 + fulldummy(ch) || b) + (x | cut(z, 3)), data))
  new <- new_design(fit, data)
  spec <- fit_spec(fit)
  expect_equal(new$x, spec$x, ignore_attr = TRUE)
  expect_equal(new$offset, data$w)
  for (i in seq_along(fit$random)) {
    entry <- fit$random[[i]]
    term <- spec$terms[[entry$core_term]]
    expect_identical(new$random[[i]]$keys, entry$levels[term$refs])
    expect_equal(new$random[[i]]$z, term$z[, entry$core_cols, drop = FALSE], ignore_attr = TRUE)
  }
})

test_that("parts can be asked for alone, and need only their variables", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(y ~ x + (1 | a) + (z | b), data))
  expect_named(new_design(fit, data["x"], random = NULL), c("x", "random"), ignore.order = TRUE)
  new <- new_design(fit, data["a"], fixed = FALSE, random = 2L)
  expect_length(new$random, 1L)
  expect_identical(nrow(new$random[[1L]]$z), nrow(data))
  expect_error(new_design(fit, data["z"]), class = "rlmm_error_variable")
})

test_that("levels that the fit doesn't have stay as they are", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(y ~ x + (1 | a:b), data))
  new <- data.frame(x = 0, a = c("1", "9", NA), b = c("1", "1", "1"))
  expect_identical(new_design(fit, new)$random[[1L]]$keys, c("1:1", "9:1", NA))
})

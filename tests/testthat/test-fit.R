test_that("a fit has the fields of SPEC.md, in their shapes", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(
    y ~ x + f + (z | b) + (0 + x | b) + (1 | c),
    data
  ))
  expect_s3_class(fit, c("rlmm_lmm", "rlmm"), exact = TRUE)
  expect_named(fit$beta, c("(Intercept)", "x", "f2", "f3"))
  expect_identical(lapply(fit$b, dim), list(c(5L, 1L), c(4L, 1L), c(4L, 2L)))
  expect_identical(colnames(fit$b[[3L]]), c("(Intercept)", "z"))
  expect_identical(rownames(fit$b[[2L]]), levels(data$b))
  expect_identical(dim(fit$rx), c(4L, 4L))
  expect_length(fit$fitted, 120L)
  expect_identical(sort(unlist(lapply(fit$random, `[[`, "theta"))), 1:5)
})

test_that("the random effects make up the fitted values", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(y ~ x + (z | b) + (0 + x | b) + offset(w), data))
  spec <- fit_spec(fit)
  total <- spec$offset + drop(spec_x(spec) %*% fit$beta)
  for (i in seq_along(fit$random)) {
    term <- fit$random[[i]]
    core <- spec$terms[[term$core_term]]
    total <- total +
      rowSums(
        column_matrix(core$z, 120)[, term$core_cols, drop = FALSE] *
          fit$b[[i]][core$refs, , drop = FALSE]
      )
  }
  expect_equal(unname(total), unname(fit$fitted), tolerance = 1e-6)
})

test_that("a slim fit doesn't grow with the number of observations", {
  size <- function(n) {
    set.seed(8)
    data <- data.frame(x = rnorm(n), f = gl(4, 1, n), g = gl(20, 1, n))
    data$y <- rnorm(20)[data$g] + rnorm(n)
    # Of an environment that doesn't hold the data.
    formula <- as.formula("y ~ poly(x, 2) + f + (1 + x | g)", globalenv())
    fit <- suppressMessages(rlmm(
      formula,
      data,
      control = rlmm_control(slim = TRUE)
    ))
    fit$optsum <- NULL
    length(serialize(fit, NULL))
  }
  expect_equal(size(20000), size(400), tolerance = 0.01)
})

test_that("a fit is plain values that survive a round trip", {
  fit <- suppressMessages(rlmm(y ~ x + (1 | b), frame_data()))
  file <- withr::local_tempfile()
  saveRDS(fit, file)
  expect_equal(readRDS(file), fit, ignore_attr = TRUE)
})

test_that("a fit has the fields of ARCHITECTURE.md, in their shapes", {
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
    entry <- fit$random[[i]]
    term <- spec$terms[[entry$core_term]]
    total <- total +
      rowSums(
        column_matrix(term$z, 120)[, entry$core_cols, drop = FALSE] *
          fit$b[[i]][term$refs, , drop = FALSE]
      )
  }
  expect_equal(unname(total), unname(fit$fitted), tolerance = 1e-6)
})

test_that("fit_spec() is what was fitted", {
  data <- frame_data()
  data$y[4] <- NA
  formulas <- list(
    y ~ x + (x | b),
    y ~ f * x + (1 + fulldummy(ch) | a / b),
    y ~ poly(x, 2) + offset(z) + (poly(z, 2) || b),
    y ~ x + I(2 * x) + (1 | cut(z, 3)) + zerocorr(f | b),
    y ~ 0 + (1 | b) + (x | ch)
  )
  for (formula in formulas) {
    design <- our_design(formula, data)
    fit <- list(
      frame = design$frame,
      fixed = design$fixed,
      random = design$random,
      reml = TRUE,
      known_sigma = TRUE,
      sigma = 2
    )
    design$spec$sigma <- 2
    expect_identical(fit_spec(fit), design$spec, info = deparse1(formula))
  }
})

test_that("a slim fit says so when its data are needed", {
  fit <- suppressMessages(rlmm(
    y ~ x + (1 | b),
    frame_data(),
    control = rlmm_control(slim = TRUE)
  ))
  expect_null(fit$frame)
  expect_null(fit$fitted)
  expect_error(fit_spec(fit), class = "rlmm_error_slim")
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

test_that("an offset is one vector", {
  data <- frame_data()
  expect_error(
    rlmm(y ~ x + offset(cbind(x, z)) + (1 | a), data),
    "offset\\(cbind",
    class = "rlmm_error_offset"
  )
  expect_error(
    rlmm(y ~ x + (1 | a), data, offset = cbind(x, z)),
    class = "rlmm_error_offset"
  )
  column <- suppressMessages(rlmm(y ~ x + (1 | b), data, offset = cbind(z)))
  expect_equal(
    fixef(column),
    fixef(suppressMessages(rlmm(y ~ x + (1 | b), data, offset = z)))
  )
})

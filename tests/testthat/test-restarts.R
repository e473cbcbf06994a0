# Data from random models on which the search from the default start alone ends in a higher minimum. The right values are
# those of the best of lme4 and 14 optimizers.

optimum <- function(file, formula) {
  data <- read.csv(test_path("optima", file))
  data$g <- factor(data$g)
  if (!is.null(data$f)) {
    data$f <- factor(data$f)
  }
  data$weight <- data$w %||% rep(1, nrow(data))
  environment(formula) <- environment()
  fit <- suppressMessages(
    rlmm(formula, data, REML = FALSE, weights = weight)
  )
  -2 * as.numeric(logLik(fit))
}

test_that("lower minima at other scales are found", {
  expect_lt(optimum("lmm-3362.csv", y ~ 1 + (x || g)), 788.9008 + 1e-4)
  expect_lt(optimum("lmm-2844.csv", y ~ 1 + (z + x | g)), -851.9114 + 1e-4)
  expect_lt(optimum("lmm-3633.csv", y ~ f + (x || g)), -14.2974 + 1e-4)
})

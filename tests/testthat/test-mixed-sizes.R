# One standard deviation of random effects whose columns have very different sizes: the likelihood
# may have an optimum near the size of each column. The objective is held to that of dense algebra
# on a grid.

mixed_data <- function(seed, size, n = 120, levels = 2) {
  set.seed(seed)
  d <- data.frame(
    g = factor(rep(seq_len(levels), length.out = n)),
    x = size * stats::rnorm(n),
    z = 4 + stats::rnorm(n)
  )
  slopes <- stats::rnorm(levels, sd = 3)[d$g]
  d$y <- slopes * d$x / size + stats::rnorm(n, sd = 7)
  d
}

lowest_on_grid <- function(fit, correlations) {
  spec <- fit_spec(fit)
  sizes <- fit$random[[1L]]$scale
  deviations <- as.vector(outer(10^seq(-2, 2, 0.5), 1 / sizes))
  grid <- expand.grid(sd = deviations, share = correlations)
  thetas <- if (length(fit$theta) > 1L) grid else grid["sd"]
  min(apply(thetas, 1, \(theta) {
    dense_estimates(spec, unname(theta))$objective
  }))
}

test_that("the sizes of all columns of one standard deviation are tried", {
  for (seed in 1:4) {
    for (size in c(1e-4, 1e3, 1e5)) {
      d <- mixed_data(seed, size)
      fit <- suppressMessages(
        rlmm(y ~ 1 + cs(0 + z + x | g, hom = TRUE), d)
      )
      grid <- lowest_on_grid(fit, c(-0.9, 0, 0.9))
      expect_lt(fit$dev$objective, grid + 1e-6)
      fit <- suppressMessages(
        rlmm(y ~ 1 + diag(0 + z + x | g, hom = TRUE), d, REML = FALSE)
      )
      grid <- lowest_on_grid(fit, 0)
      expect_lt(fit$dev$objective, grid + 1e-6)
    }
  }
})

# Where factors share a coarser one that is no term of the model, as `g` for `g:k` and `g:h`, the
# term of either explains the variation between its levels, at minima of their own.

exchangeable_data <- function(seed) {
  set.seed(seed)
  n <- 100
  size <- rexp(6)^2
  data <- data.frame(
    g = factor(sample(6, n, TRUE, size)),
    k = factor(sample(4, n, TRUE)),
    h = factor(sample(5, n, TRUE)),
    x = rnorm(n)
  )
  means <- rnorm(6, sd = 2)[data$g] + rnorm(6, sd = 2)[data$g] * data$x
  of_k <- rnorm(24, sd = 0.3)[interaction(data$g, data$k)]
  of_h <- rnorm(30, sd = 0.3)[interaction(data$g, data$h)]
  data$y <- means + of_k + of_h + rnorm(n, sd = 0.2)
  data
}

# The fit by maximum likelihood, and the lowest dense deviance of searches from these starts.
fit_and_dense <- function(formula, seed, starts) {
  data <- exchangeable_data(seed)
  fit <- suppressMessages(rlmm(formula, data, REML = FALSE))
  spec <- fit_spec(fit)
  of_theta <- \(theta) dense_estimates(spec, theta)$objective
  search <- \(start) optim(start, of_theta, control = list(maxit = 2000))$value
  list(fit = fit, dense = min(vapply(starts, search, 0)))
}

test_that("most of a variance is exchanged where the rest belongs to its term", {
  starts <- list(c(8, 1), c(1, 8))
  for (seed in c(50, 57, 108)) {
    found <- fit_and_dense(y ~ x + (1 | g:k) + (1 | g:h), seed, starts)
    expect_lt(found$fit$dev$objective, found$dense + 1e-5)
  }
})

test_that("variances of intercepts are exchanged beside slopes of one term", {
  starts <- list(c(8, 8, 1), c(1, 8, 8))
  for (seed in c(5, 27, 57, 147)) {
    found <- fit_and_dense(y ~ 1 + (x || g:k) + (1 | g:h), seed, starts)
    expect_lt(found$fit$dev$objective, found$dense + 1e-4)
  }
})

test_that("covariances of several effects are exchanged as a whole", {
  formula <- y ~ 1 + (x | g:k) + (x | g:h)
  starts <- list(c(8, 0, 8, 1, 0, 1), c(1, 0, 1, 8, 0, 8))
  for (seed in c(5, 135)) {
    found <- fit_and_dense(formula, seed, starts)
    expect_lt(found$fit$dev$objective, found$dense + 1e-4)
  }
})

# Minima far apart, of data from random models. The right values are the best of searches from
# random starts, as dense algebra evaluates the criterion there.

apart <- function(file) {
  data <- read.csv(test_path("optima", file))
  factors <- intersect(c("f", "g", "h", "k"), names(data))
  data[factors] <- lapply(data[factors], factor)
  data$w <- data$w %||% rep(1, nrow(data))
  data
}

minus_twice <- function(...) {
  -2 * as.numeric(logLik(suppressMessages(rlmm(...))))
}

# The slopes are as large as the covariate, 30 of its standard deviations from zero, asks for if the
# intercepts, or equal effects of all levels of `f`, make up for them. Without them the criterion is
# higher by 218 and 120.
test_that("slopes far from zero are found beside intercepts that make up for them", {
  data <- apart("lmm-63001378.csv")
  formula <- y ~ f * k + (f + x || g) + (1 | h)
  value <- minus_twice(formula, data, weights = w, offset = o)
  expect_lt(value, 1321.14820944 + 1e-4)
  set.seed(2)
  data <- data.frame(g = gl(5, 100), f = gl(3, 1, 500), x = rnorm(500))
  data$y <- rnorm(500) + rnorm(5)[data$g] * data$x
  data$x <- data$x + 1e4
  formula <- y ~ x + (0 + f | g) + (0 + x | g)
  fit <- suppressMessages(rlmm(formula, data, REML = FALSE))
  large <- c(1e4, 1e4, 1e4, 0, 0, 0, 1)
  large <- dense_estimates(fit_spec(fit), large)$objective
  expect_lt(fit$dev$objective, large)
})

# Slopes of x and z are proportional, and the intercepts that make up for the slopes of x, which is
# 100 of its standard deviations from zero, are those of another term with the same groups.
# Intercepts of f:g don't make up for them.
test_that("proportional slopes far from zero are found beside intercepts of one other term", {
  set.seed(3)
  data <- data.frame(g = gl(30, 10), f = gl(3, 1, 300))
  data[c("x", "z")] <- matrix(rnorm(600), 300)
  slopes <- rnorm(30)[data$g]
  data$w <- exp(rnorm(300, sd = 2))
  data$y <- rnorm(300) / sqrt(data$w) + 3 * slopes * data$x + slopes * data$z
  data$x <- data$x + 100
  data$h <- data$g
  formulas <- list(
    y ~ x + (0 + z + x | g) + (1 | h) + (1 | f:g),
    y ~ x + (0 + x + z | g) + (1 | h) + (1 | f:g)
  )
  large <- list(c(0, 300, 1, 3, 0), c(0, 300, 3, 1, 0))
  for (i in 1:2) {
    fit <- suppressMessages(rlmm(formulas[[i]], data, weights = w))
    there <- dense_estimates(fit_spec(fit), large[[i]])$objective
    expect_lt(fit$dev$objective, there)
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

# Rows of half the weight, twice each, with a known sigma have the likelihood of the rows but for a
# constant. The models have two optima, .96 and .82 apart.
test_that("rows of half the weight lead to the same optimum", {
  cases <- list(
    list("lmm-61300014.csv", y ~ x * f + cs(f | g, hom = TRUE) + (0 + f || h)),
    list("lmm-59001054.csv", y ~ f * k + (f + x | g) + (1 | h))
  )
  right <- c(899.000979299, 335.227702441)
  for (i in 1:2) {
    data <- apart(cases[[i]][[1]])
    data$o <- data$o %||% 0
    formula <- cases[[i]][[2]]
    fit_to <- function(data, ...) {
      minus_twice(formula, data, REML = i == 1, weights = w, offset = o, ...)
    }
    expect_lt(fit_to(data), right[i] + 1e-4)
    sigma <- c(0.949174, 0.85571255)[i]
    half <- rbind(data, data)
    half$w <- half$w / 2
    constant <- sum(log(8 * pi * sigma^2 / data$w))
    known <- fit_to(data, sigma = sigma)
    expect_lt(known, right[i] + 1e-4)
    expect_equal(
      fit_to(half, sigma = sigma),
      known + constant,
      tolerance = 1e-7
    )
  }
})

# The right value is that of dense algebra at the minimum from a start with each term small.
test_that("terms with common groups are exchanged where an evaluation isn't cheap", {
  set.seed(155)
  n <- sample(c(300, 1000, 3000), 1)
  n_groups <- sample(c(8, 20, 40, 80), 1)
  prob <- rexp(n_groups)^2
  data <- data.frame(
    g = factor(sample(n_groups, n, TRUE, prob)),
    k = factor(sample(sample(c(2, 4, 8), 1), n, TRUE)),
    h = factor(sample(sample(c(3, 8, 15), 1), n, TRUE)),
    x = rnorm(n),
    z = rnorm(n)
  )
  effects <- function(f, sd) rnorm(nlevels(f), sd = sd)[f]
  cells <- function(...) droplevels(interaction(...))
  data$y <- rnorm(n) +
    effects(data$g, 1.5 * runif(1)) +
    effects(cells(data$g, data$k), runif(1) * rbinom(1, 1, 0.5)) +
    effects(cells(data$g, data$h), runif(1) * rbinom(1, 1, 0.3)) +
    data$x * effects(data$g, runif(1) * rbinom(1, 1, 0.7))
  formula <- y ~ x + (x | g:k) + (x | g:h)
  fit <- suppressMessages(rlmm(formula, data, REML = TRUE))
  other <- c(0, 0, 0, 0.9299692, -0.005368151, 0)
  lower <- dense_estimates(fit_spec(fit), other)$objective
  expect_lt(fit$dev$objective, lower + 1e-4)
})

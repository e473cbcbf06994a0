# With the link `sqrt` each category of rows may have linear predictors of either sign, each
# combination of which has an optimum of its own. The right values are those of fits that start at
# the signs, and the covariances, from which the responses were drawn.

mixed_roots <- function(seed, n, n_groups) {
  set.seed(seed)
  data <- data.frame(
    f = factor(sample(letters[1:3], n, TRUE)),
    g = factor(sample.int(n_groups, n, TRUE)),
    x = rnorm(n)
  )
  signs <- c(1, sample(c(-1, 1), 2L, TRUE))
  of_group <- rnorm(n_groups, sd = 0.5)
  data$y <- rpois(n, (1.3 * signs[data$f] + of_group[data$g])^2)
  structure(data, beta = 1.3 * c(1, signs[2:3] - 1))
}

deviance_of <- function(
  formula,
  data,
  start = NULL,
  family = poisson("sqrt")
) {
  fit <- suppressMessages(
    rglmm(formula, data, family, start = start)
  )
  -2 * as.numeric(logLik(fit))
}

expect_lowest <- function(formula, data, theta, beta = attr(data, "beta")) {
  own <- deviance_of(formula, data)
  # The searches from these starts may end early.
  right <- suppressWarnings(
    deviance_of(formula, data, list(theta = theta, beta = beta)),
    classes = "rlmm_warning_convergence"
  )
  expect_lt(own, right + 1e-5)
}

test_that("signs of categories are found beside equal effects of all of them", {
  for (seed in 1:12) {
    data <- mixed_roots(
      seed,
      c(40, 200)[seed %% 2 + 1],
      c(3, 12)[seed %% 2 + 1]
    )
    expect_lowest(y ~ f + (1 | g), data, 0.25)
    expect_lowest(y ~ f + cs(0 + f | g, hom = TRUE), data, c(0.25, 0.9))
  }
})

test_that("signs of many categories are found", {
  for (seed in 1:5) {
    set.seed(seed)
    data <- data.frame(f = gl(6, 1, 150), g = gl(10, 15))
    signs <- c(1, sample(c(-1, 1), 5L, TRUE))
    of_group <- rnorm(10, sd = 0.4)
    data$y <- rpois(150, (1.5 * signs[data$f] + of_group[data$g])^2)
    expect_lowest(y ~ f + (1 | g), data, 0.2, 1.5 * c(1, signs[-1] - 1))
  }
})

test_that("signs don't depend on the origin of a covariate, or on copies of rows", {
  for (seed in 1:4) {
    data <- mixed_roots(seed, 90, 6)
    formula <- y ~ x * f + (1 | g)
    at_zero <- deviance_of(formula, data)
    expect_lowest(
      formula,
      data,
      0.25,
      c(attr(data, "beta"), 0, 0, 0)[c(1, 4, 2, 3, 5, 6)]
    )
    for (origin in c(100, 1e4, 1e6)) {
      moved <- transform(data, x = x + origin)
      expect_equal(deviance_of(formula, moved), at_zero, tolerance = 1e-8)
    }
    twice <- suppressMessages(rglmm(
      formula,
      data[rep(seq_len(90), 2L), ],
      poisson("sqrt"),
      weights = rep(0.5, 180)
    ))
    expect_equal(-2 * as.numeric(logLik(twice)), at_zero, tolerance = 1e-8)
  }
})

# A line through zero has counts that fall and rise again.
test_that("linear predictors may change their sign along a covariate", {
  for (seed in 1:6) {
    set.seed(seed)
    data <- data.frame(x = rnorm(200), g = gl(10, 20))
    eta <- 0.3 + 1.5 * data$x + rnorm(10, sd = 0.3)[data$g]
    data$y <- rpois(200, eta^2)
    expect_lowest(y ~ x + (1 | g), data, 0.15, c(0.3, 1.5))
  }
})

# Means near zero, and twelve combinations of categories each with a sign of its own.
gaussian_roots <- function(seed) {
  set.seed(seed)
  data <- expand.grid(f = letters[1:3], k = letters[1:4], g = factor(1:5))
  data <- data[rep(seq_len(nrow(data)), 3L), ]
  cell <- interaction(data$f, data$k)
  signs <- sample(c(-1, 1), nlevels(cell), TRUE)
  of_group <- matrix(rnorm(15, sd = 0.3), 5L)
  eta <- signs[cell] + of_group[cbind(data$g, data$f)]
  data$y <- eta^2 + rnorm(nrow(data), sd = 0.3)
  of_cells <- unique(data.frame(data[c("f", "k")], eta = signs[cell]))
  structure(data, beta = unname(coef(lm(eta ~ f * k, of_cells))))
}

test_that("signs of many combinations of categories are found, in any order", {
  for (seed in 1:4) {
    data <- gaussian_roots(seed)
    formula <- y ~ f * k + (0 + f | g)
    family <- gaussian("sqrt")
    own <- deviance_of(formula, data, family = family)
    start <- list(theta = c(1, 0, 0, 1, 0, 1), beta = attr(data, "beta"))
    right <- suppressWarnings(
      deviance_of(formula, data, start, family),
      classes = "rlmm_warning_convergence"
    )
    expect_lt(own, right + 1e-5)
    other <- data[sample.int(nrow(data)), ]
    expect_equal(
      deviance_of(formula, other, family = family),
      own,
      tolerance = 1e-7
    )
  }
})

# Data from random models on which the search from the default start alone ends in a higher minimum.
# The right values are those of the best of lme4 and 14 optimizers.

optimum <- function(file, formula, REML = FALSE) {
  data <- read.csv(test_path("optima", file))
  factors <- intersect(c("f", "g", "h"), names(data))
  data[factors] <- lapply(data[factors], factor)
  data$weight <- data$w %||% rep(1, nrow(data))
  environment(formula) <- environment()
  fit <- suppressMessages(
    rlmm(formula, data, REML = REML, weights = weight)
  )
  -2 * as.numeric(logLik(fit))
}

test_that("lower minima at other scales are found", {
  expect_lt(optimum("lmm-3362.csv", y ~ 1 + (x || g)), 788.9008 + 1e-4)
  expect_lt(optimum("lmm-2844.csv", y ~ 1 + (z + x | g)), -851.9114 + 1e-4)
  expect_lt(optimum("lmm-3633.csv", y ~ f + (x || g)), -14.2974 + 1e-4)
})

# Searches from the default start end in a higher minimum without a sign that there is a lower
# one. The right values are the best of lme4 1.1-31 from 40 and 60 random starts, and of
# stats::optim() on dense algebra from 200.
test_that("random starts find other minima where data say little", {
  crossed <- y ~ x + z + (1 | g) + (1 | h)
  expect_lt(optimum("lmm-2971254.csv", crossed, TRUE), -215.771171 + 1e-4)
  independent <- y ~ x + diag(0 + f | g)
  expect_lt(optimum("lmm-402036.csv", independent), -924.469342 + 1e-4)
  correlated <- y ~ x + ar1(0 + f | g, hom = FALSE)
  expect_lt(optimum("lmm-300886.csv", correlated), 35.826721 + 1e-4)
  more_rows <- y ~ x + z + ar1(0 + f | g, hom = FALSE)
  expect_lt(optimum("lmm-14002785.csv", more_rows), -327.685327 + 1e-4)
})

# Two structures, of which each order of the rows led to one of six optima. The right value is the
# best of stats::optim() on dense algebra from 60 random starts.
test_that("random starts cost what the searches before them do, where data say little", {
  data <- read.csv(test_path("optima", "lmm-58000107.csv"))
  data[c("f", "g", "h")] <- lapply(data[c("f", "g", "h")], factor)
  formula <- y ~ f + x + cs(f + x | g) + cs(f | h)
  set.seed(1)
  for (rows in list(1:51, sample(51), sample(51), sample(51))) {
    fit <- suppressMessages(rlmm(formula, data[rows, ], REML = FALSE))
    expect_lt(-2 * as.numeric(logLik(fit)), 308.548262 + 1e-4)
  }
})

# A structure with one standard deviation has correlations, too. The right values are the best of
# stats::optim() on dense algebra from random starts: the intercepts of `f:g` stand in for the
# effects of `g`.
test_that("random starts are tried for structures of one standard deviation", {
  few <- y ~ x * f + cs(f + x | g, hom = TRUE) + (1 | h) + (1 | f:g)
  expect_lt(optimum("lmm-58510233.csv", few, TRUE), -737.880895577 + 1e-4)
  more <- y ~ x + cs(f + x | g, hom = TRUE) + (1 | h) + (1 | f:g)
  expect_lt(optimum("lmm-71000810.csv", more, TRUE), -2169.51105576 + 1e-4)
})

# The right value is that of dense algebra at the best of 60 searches from thetas around the optimum
# of the default start, with other signs of correlations.
test_that("random starts are tried beside several correlated effects", {
  crossed <- y ~ x + (f | g) + (x * z | h)
  expect_lt(optimum("lmm-59501659.csv", crossed), -787.411279887 + 1e-4)
})

# The objective has a minimum at either limit of the correlation; dense algebra at that of the upper
# limit is right.
test_that("the opposite limit of a correlation is tried", {
  data <- read.csv(test_path("optima", "lmm-59501745.csv"))
  factors <- c("f", "g", "h", "k")
  data[factors] <- lapply(data[factors], factor)
  fit <- suppressMessages(rlmm(
    y ~ f * k + (x * z | g) + ar1(0 + k | h),
    data,
    REML = FALSE,
    weights = w,
    sigma = 0.000843435813085627
  ))
  expect_lt(-2 * as.numeric(logLik(fit)), -2638.36441311 + 1e-4)
})

# The right values are the best of lme4 1.1-31 from 60 random starts. One search follows a valley
# of slopes that are a thousand times as large as the covariate's spread.
test_that("an easy search isn't the last one where the data say little", {
  expect_lt(
    optimum("lmm-12000308.csv", y ~ 1 + (x | g), TRUE),
    220.990359 + 1e-4
  )
  expect_lt(optimum("lmm-14002312.csv", y ~ x + z + (1 | g)), 54.651146 + 1e-4)
  far <- optimum("lmm-8100347.csv", y ~ f + h + (x || g), TRUE)
  expect_lt(far, -323.529351 + 0.02)
})

# The right value is the best of lme4 1.1-31 from 40 random starts.
test_that("one standard deviation may be zero where others stand in for it", {
  independent <- y ~ x + diag(0 + f | g)
  expect_lt(optimum("lmm-9001682.csv", independent), 191.886761 + 1e-4)
})

# Each of three independent standard deviations may be zero or not: one minimum is at 1086.808,
# another one at 1086.503. The right value is the best of lme4 1.1-31 from 15 random starts.
test_that("combinations of standard deviations that are zero are tried with many fixed effects", {
  many <- optimum("lmm-40000142.csv", y ~ f + h + diag(0 + f | g))
  expect_lt(many, 1086.404809 + 1e-4)
})

# By maximum likelihood no model ends above the same model without a term or with fewer parameters:
# the right values are those of random intercepts by lme4 1.1-31, and of no random effects by lm().
test_that("a model ends no higher than a simpler one", {
  together <- optimum("lmm-9.csv", y ~ 1 + cs(0 + f | g))
  expect_lt(together, 245.5829 + 1e-4)
  without_slopes <- optimum("lmm-20107.csv", y ~ f + x + (x || g))
  expect_lt(without_slopes, 128.4619 + 1e-4)
  without_any <- optimum("lmm-20228.csv", y ~ f + x + (x || g))
  expect_lt(without_any, 470.9889 + 1e-4)
})

# A slope of a covariate far from zero that is independent of the intercept: one minimum has slopes
# of the size that levels need, another one of the size of the covariate's spread.
far_data <- function(seed) {
  set.seed(seed)
  data <- data.frame(g = gl(6, 20), f = gl(3, 1, 120), x = 1e5 + rnorm(120))
  slope <- rnorm(6, sd = 2)[data$g]
  data$y <- slope * (data$x - 1e5) + rnorm(3)[data$f] + rnorm(120, sd = 0.1)
  data
}

test_that("slopes of the size of a covariate's spread are tried", {
  for (seed in 1:3) {
    data <- far_data(seed)
    for (formula in list(y ~ f + (0 + x | g), y ~ f + (x || g))) {
      fit <- suppressMessages(rlmm(formula, data))
      criterion <- suppressMessages(rlmm(formula, data, devFunOnly = TRUE))
      # With `||` the intercepts have to make up for the slopes times the mean.
      grid <- 10^seq(-7, 3, by = 0.5)
      values <- vapply(
        grid,
        \(size) criterion(c(1e5, 1)[3 - seq_along(fit$theta)] * size),
        0
      )
      expect_lt(-2 * as.numeric(logLik(fit)), min(values) + 1e-4)
    }
  }
})

test_that("a criterion of few digits is told of", {
  data <- far_data(1)
  expect_message(
    fit <- rlmm(y ~ f + (x || g), data),
    class = "rlmm_message_rounded"
  )
  found <- certificate(fit)
  expect_identical(found$verdict, "rounded")
  expect_match(format(found)[1L], "up to rounding errors")
  data$x <- data$x - 1e5
  centred <- rlmm(y ~ f + (x || g), data)
  expect_identical(certificate(centred)$verdict, "optimal")
})

# The likelihood has a minimum at slopes of the size of the spread, and one without slopes, which is
# lower here: 249.98878 by dense algebra.
test_that("levels as dummy columns without an intercept hide no far covariate", {
  set.seed(700024)
  sample(4:12, 1)
  sample(4:9, 1)
  data <- data.frame(g = gl(6, 6), c = rnorm(36))
  data[c("z", "h")] <- list(rnorm(36), sample(5, 36, TRUE))
  data$w <- runif(36, 0.3, 3)
  slopes <- rnorm(6)[data$g] * sample(c(0, 0.3, 1, 5), 1)
  crossed <- rnorm(5)[data$h] * sample(c(0, 1), 1)
  noise <- rnorm(36) * sample(c(0.05, 1), 1)
  data$y <- slopes * data$c + crossed + noise + rnorm(6)[data$g]
  data$x <- data$c + round(10^runif(1, 2, 9))
  criterion <- function(formula) {
    fit <- suppressMessages(rlmm(formula, data, weights = w, REML = FALSE))
    -2 * as.numeric(logLik(fit))
  }
  expect_equal(criterion(y ~ 0 + g + (0 + x | g)), 249.98878, tolerance = 1e-7)
  expect_equal(criterion(y ~ g + (0 + x | g)), 249.98878, tolerance = 1e-7)
})

# Intercepts that are independent of slopes a million standard deviations from zero: the criterion
# changes by some tenths when theta changes in its last digits.
test_that("a fit isn't called optimal where rounding errors are large", {
  data <- far_data(1)
  data$x <- data$x + 9e5
  expect_warning(
    fit <- suppressMessages(rlmm(y ~ f + (x || g), data)),
    "Not reproducible: ",
    class = "rlmm_warning_rounded"
  )
  found <- certificate(fit)
  expect_identical(found$verdict, "rounded")
  expect_gt(found$rounding, 0.1)
  expect_match(format(found)[1L], "Not reproducible")
})

# Slopes that differ between levels, and between two categories.
slopes_data <- function() {
  set.seed(1)
  data <- data.frame(k = gl(6, 20), f = gl(2, 1, 120), c = rnorm(120))
  slope <- rnorm(6)[data$k] + (data$f == 1) * rnorm(6, sd = 0.3)[data$k]
  data$y <- rnorm(6)[data$k] + slope * data$c + rnorm(120, sd = 0.3)
  data
}

# The criterion where slopes are of the size of the covariate's spread is larger by
# 2 (k - 1) log(10) if the covariate, x, is ten times as far from zero, with k levels, as intercepts
# then have ten times the standard deviation; that of the model without slopes is the same.
test_that("independent slopes are found by values where derivatives have no digits", {
  data <- slopes_data()
  criterion <- function(origin) {
    data$x <- data$c + origin
    fit <- suppressWarnings(suppressMessages(rlmm(y ~ x + (x || k), data)))
    -2 * as.numeric(logLik(fit))
  }
  without <- -2 * as.numeric(logLik(rlmm(y ~ c + (1 | k), data)))
  near <- criterion(1e3)
  for (power in 4:6) {
    expected <- min(near + 2 * 5 * log(10) * (power - 3), without)
    expect_lt(criterion(10^power), expected + 0.02 + 1e-3 * 10^(power - 3))
  }
})

test_that("slopes in each category are looked for at the size of the covariate's spread", {
  data <- slopes_data()
  formula <- y ~ x + (0 + x:f | k) + (1 | k)
  fit <- function(origin) {
    data$x <- data$c + origin
    suppressWarnings(suppressMessages(rlmm(formula, data, REML = FALSE)))
  }
  near <- -2 * as.numeric(logLik(fit(1e2)))
  far <- -2 * as.numeric(logLik(fit(1e4)))
  expect_equal(far, near + 2 * 6 * 2 * log(10), tolerance = 1e-3)
})

# Slopes of the size of the spread have a common value, for which there is no fixed slope: one
# minimum of the likelihood. Slopes that are zero, or too small to make a difference, are the other
# one.
test_that("slopes are looked for at several sizes without a constant column in X", {
  formula <- y ~ 0 + f + (0 + x | g)
  for (origin in c(10, 30, 300)) {
    for (seed in c(5, 7, 8, 10)) {
      set.seed(seed)
      data <- data.frame(f = gl(3, 1, 36), g = gl(6, 6), c = rnorm(36))
      data$x <- data$c + origin
      slope <- 0.8 + rnorm(6, sd = 0.3)[data$g]
      data$y <- rnorm(3)[data$f] + slope * data$c + rnorm(36, sd = 0.5)
      criterion <- rlmm(formula, data, REML = FALSE, devFunOnly = TRUE)
      grid <- vapply(10^seq(-5, 3, by = 0.05), criterion, 0)
      fit <- suppressMessages(rlmm(formula, data, REML = FALSE))
      expect_lt(-2 * as.numeric(logLik(fit)), min(grid) + 1e-4)
    }
  }
})

# Nearly all rows are in one of three groups: intercept and slope explain the same variation, and
# either of them may be zero.
test_that("each of two independent effects is left out in turn", {
  g <- factor(rep(1:3, c(11, 236, 3)))
  for (seed in c(861, 1139, 1150)) {
    set.seed(seed)
    data <- data.frame(g, x = rnorm(250))
    data$y <- rnorm(250) + rnorm(3, sd = 0.4)[g]
    data$y <- data$y + rnorm(3, sd = 0.4)[g] * data$x
    criterion <- \(formula) {
      fit <- suppressMessages(rlmm(formula, data, REML = FALSE))
      -2 * as.numeric(logLik(fit))
    }
    limit <- min(criterion(y ~ x + (1 | g)), criterion(y ~ x + (0 + x | g)))
    expect_lt(criterion(y ~ x + (x || g)), limit + 1e-6)
  }
})

test_that("an effect that is zero at the optimum is tried as the only one", {
  set.seed(130)
  data <- data.frame(
    g = factor(rep(1:7, c(139, 3, 1, 2, 1, 1, 3))),
    f = factor(sample(letters[1:3], 150, TRUE)),
    x = rnorm(150)
  )
  data$y <- rnorm(7, sd = 2)[data$g] + rnorm(150)
  alone <- rlmm(y ~ f + x + (1 | g), data, REML = FALSE)
  both <- suppressMessages(rlmm(y ~ f + x + (1 | g / f), data, REML = FALSE))
  expect_gt(as.numeric(logLik(both)), as.numeric(logLik(alone)) - 1e-6)
})

# Intercepts make up for slopes of a covariate far from zero, and are the effects of another term
# here. The limit is the deviance, by dense algebra, of slopes and intercepts of such sizes.
test_that("slopes far from zero are found beside intercepts of another term", {
  for (seed in c(1, 10, 11)) {
    set.seed(seed)
    data <- data.frame(g = factor(sample(3, 250, TRUE)))
    data$h <- data$g
    x <- rnorm(250)
    data$x <- 1e4 + x
    data$y <- rnorm(3)[data$g] + rnorm(3)[data$g] * x + rnorm(250)
    formula <- y ~ 1 + (0 + x | g) + (1 | h)
    fit <- suppressMessages(rlmm(formula, data, REML = FALSE))
    spec <- fit_spec(fit)
    of_size <- \(size) dense_estimates(spec, size * c(1, 1e4))$objective
    limit <- min(vapply(c(0.3, 0.65, 1, 2), of_size, 0))
    expect_lt(-2 * as.numeric(logLik(fit)), limit)
  }
})

# Beside a small known sigma the standard deviations are far from the start. The limit is the
# deviance, by dense algebra, at the least correlation that four effects can have.
test_that("correlations near a limit are tried at large standard deviations", {
  for (seed in c(29, 145)) {
    set.seed(seed)
    data <- data.frame(
      g = gl(3, 1, 24),
      f = factor(sample(letters[1:4], 24, TRUE), letters[1:4]),
      x = rnorm(24)
    )
    data$y <- rnorm(12)[data$g:data$f] + rnorm(24)
    formula <- y ~ x + cs(0 + f | g, hom = TRUE)
    fit <- suppressMessages(rlmm(formula, data, sigma = 0.01, REML = FALSE))
    spec <- fit_spec(fit)
    at_limit <- \(size) dense_estimates(spec, c(size, -0.33333))$objective
    limit <- min(vapply(10^seq(1, 4, 0.05), at_limit, 0))
    expect_lt(-2 * as.numeric(logLik(fit)), limit + 1e-3)
  }
})

# The standard deviation may be that of the intercepts or that of the slopes, whose column is a
# thousand times as large. The limit is the deviance, by dense algebra, of slopes.
test_that("one standard deviation of different columns isn't known from its curvature", {
  set.seed(36)
  data <- data.frame(
    g = gl(15, 4),
    f = factor(rep(c("a", "b"), 30)),
    x = rnorm(60) * 1e3
  )
  data$y <- rnorm(15, sd = sample(1:3, 1))[data$g] +
    rnorm(15)[data$g] * data$x * sample(c(1, 5), 1) / 1e3 +
    sample(c(0, 1, 3), 1) * rnorm(30)[data$g:data$f] +
    rnorm(60)
  fit <- suppressMessages(rlmm(
    y ~ x + diag(x | g, hom = TRUE) + (1 | f:g),
    data,
    REML = FALSE
  ))
  spec <- fit_spec(fit)
  of_size <- \(size) dense_estimates(spec, c(5.924, size))$objective
  limit <- min(vapply(c(0.001, 0.00117, 0.0014), of_size, 0))
  expect_lt(-2 * as.numeric(logLik(fit)), limit)
})

# The restricted deviance of a random effect of each level of f in each group, with a common mean,
# by a QR decomposition, which keeps twice the digits of cross-products.
deviance_by_qr <- function(data, lambda) {
  z <- model.matrix(~ 0 + f:g, data)
  q <- ncol(z)
  n <- nrow(z)
  above <- cbind(z %*% kronecker(diag(nlevels(data$g)), lambda), 1, data$y)
  d <- abs(diag(qr.R(qr(rbind(above, cbind(diag(q), 0, 0)), tol = 0))))
  variance <- d[[q + 2L]]^2 / (n - 1)
  2 * sum(log(d[seq_len(q + 1L)])) + (n - 1) * (1 + log(2 * pi * variance))
}

test_that("a shear of very large covariances leads to the minimum", {
  set.seed(5)
  d <- data.frame(f = gl(3, 1, 40, labels = c("a", "b", "c")))
  d$g <- factor(rep(1:2, each = 20))
  d$y <- c(0, 15, -4)[d$f] + c(0, 2.5)[d$g] + rnorm(40, sd = 0.01)
  fit <- \(data) suppressMessages(rlmm(y ~ 1 + (0 + f | g), data))
  first <- fit(d)
  second <- fit(d[40:1, ])
  expect_equal(c(logLik(first)), c(logLik(second)), tolerance = 1e-4)
  expect_identical(first$optsum$certificate$verdict, "rounded")
  # The rounding error of the criterion is that of covariances of 1e5 residual ones.
  lambda <- as.matrix(getME(first, "Lambda"))[1:3, 1:3]
  here <- deviance_by_qr(d, lambda)
  expect_lt(abs(here + 2 * c(logLik(first))), 0.02)
  # The intercept, 1, regressed on the difference of two levels.
  sheared <- \(share) {
    along <- lambda[2L, ] - lambda[1L, ]
    scale <- sqrt(sum(lambda[1L, ]^2) / sum(along^2))
    deviance_by_qr(d, lambda + outer(rep(share * scale, 3L), along))
  }
  around <- vapply(c(-0.9, -0.5, -0.1, 0.1, 0.5, 1, 3), sheared, 0)
  expect_gt(min(around), here - 0.01)
})

# The limit is the deviance, by dense algebra, near the optimum of the model without `(x | h)`.
test_that("one term may explain what two correlated ones do", {
  x <- c(3.54, 1.51, 4.77, 4.73, 1.81, 2.48, 4.2, 1.83, 3.24, 1.58, 2.89, 2.55)
  y <- c(1.57, -0.06, 2.79, 3.37, 1.77, 0.16, 2.77, -2.33, 0.81, -1.56, 1.67)
  data <- data.frame(
    x = c(x, 4.07, 4.9, 2.2),
    y = c(y, 0.24, 2.31, 1.12, -0.83),
    g = factor(c(6, 2, 2, 4, 6, 4, 2, 7, 4, 3, 5, 1, 7, 6, 7)),
    h = factor(c(2, 3, 1, 3, 2, 2, 2, 3, 2, 1, 1, 3, 3, 2, 1))
  )
  fit <- suppressMessages(rlmm(
    y ~ 1 + (x | g) + (x | h),
    data,
    REML = FALSE
  ))
  alone <- c(12.911, -3.664, 0, 0, 0, 0)
  limit <- dense_estimates(fit_spec(fit), alone)$objective
  expect_lt(-2 * as.numeric(logLik(fit)), limit + 1e-5)
})

# Either term can stand for `g`, and each is the larger one at a minimum of its own.
test_that("terms of factors that share a coarser one exchange their variances", {
  for (seed in c(487, 900, 1148)) {
    set.seed(seed)
    size <- rexp(8)^2
    data <- data.frame(
      g = factor(sample(8, 120, TRUE, size)),
      k = factor(sample(4, 120, TRUE)),
      h = factor(sample(8, 120, TRUE))
    )
    data$y <- rnorm(120) + rnorm(8, sd = 1.5)[data$g]
    fit <- suppressMessages(rlmm(y ~ 1 + (1 | g:k) + (1 | g:h), data))
    spec <- fit_spec(fit)
    dense <- function(theta) dense_estimates(spec, abs(theta))$objective
    starts <- list(c(1, 0.3), c(0.3, 1))
    minima <- vapply(starts, \(start) optim(start, dense)$value, 0)
    expect_gt(diff(range(minima)), 0.9)
    expect_lt(fit$dev$objective, min(minima) + 1e-6)
    same <- y ~ 1 + diag(0 + k | g, hom = TRUE) + (1 | g:h)
    same <- suppressMessages(rlmm(same, data))
    expect_equal(same$dev$objective, fit$dev$objective, tolerance = 1e-8)
  }
})

# Slopes of a covariate far from zero whose intercepts are those of another term, are independent of
# them, or are fixed: their covariances say where zero is.

# Independent slopes of their true size have a local maximum of the likelihood here, below the model
# without random effects.
test_that("independent slopes far from zero aren't worse than none", {
  set.seed(3)
  data <- data.frame(g = factor(sample(200, 20000, TRUE)))
  data$x <- 1e4 + rnorm(20000)
  b <- rnorm(200, sd = 0.5)
  data$y <- rnorm(20000) + b[data$g] * (data$x - 1e4)
  fit <- suppressMessages(rlmm(y ~ x + (x || g), data))
  none <- logLik(lm(y ~ I(x - 1e4), data), REML = TRUE)
  expect_gt(as.numeric(logLik(fit)), as.numeric(none) - 1e-3)
})

# Where slopes are independent of the intercepts, their covariances say where zero is. So far from
# it the slopes are intercepts but for the last digits of the covariate.
test_that("independent slopes of a covariate too far from zero are an error", {
  data <- growth_data(10)
  data$f <- gl(2, 1, 120)
  data$h <- interaction(data$id, data$f)
  formulas <- c(
    y ~ x + (0 + x | id) + (1 | h),
    y ~ x + (0 + x:f | id) + (1 | id)
  )
  for (origin in c(1e8, 1e9)) {
    data$x <- origin + data$n
    for (formula in formulas) {
      cnd <- expect_error(
        suppressMessages(rlmm(formula, data)),
        class = "rlmm_error_origin"
      )
      expect_match(conditionMessage(cnd), "of which they are independent")
    }
    expect_error(
      suppressMessages(rglmm(k ~ x + (x || id), data, poisson)),
      class = "rlmm_error_origin"
    )
    # Slopes alone beside a fixed one, and slopes that may be correlated with the intercepts, are
    # told from others.
    expect_no_error(suppressMessages(rlmm(y ~ x + (0 + x | id), data)))
    expect_no_error(suppressMessages(rlmm(y ~ x + (x | id), data)))
    cnd <- expect_error(
      suppressMessages(rlmm(y ~ 1 + (0 + x | id), data)),
      class = "rlmm_error_origin"
    )
    expect_match(conditionMessage(cnd), "hardly differ from the fixed effects")
  }
})

# The columns of each category aren't near any fixed effect, but their sum is.
test_that("slopes in each category beside levels are an error so far from zero", {
  data <- growth_data(11)
  data$g <- factor(data$id)
  data$f <- gl(2, 1, 120)
  criterion <- function(origin) {
    data$x <- origin + data$n
    logLik(suppressMessages(rlmm(y ~ g + (0 + x:f | g), data)))[1L]
  }
  expect_equal(criterion(1e4), criterion(1e3), tolerance = 1e-3)
  for (origin in c(1e6, 1e8)) {
    cnd <- expect_error(criterion(origin), class = "rlmm_error_origin")
    expect_match(conditionMessage(cnd), "which are fixed effects")
  }
})

# Six groups with slopes of their own of a covariate `x` that is `origin` away from zero, beside two
# categories `f`; `x1` is the covariate in the first category.
strong_slopes <- function(seed, origin) {
  set.seed(seed)
  k <- gl(6, 8)
  x <- rnorm(48)
  slopes <- rnorm(6, sd = 3)
  y <- 1 + x + slopes[k] * x + rnorm(48) * 0.5
  f <- factor(rep(1:2, 24))
  x <- origin + x
  data.frame(y, x, f, k, x1 = x * (f == "1"))
}

# The values are those of dense algebra with 33 digits, minimized from several starts.
test_that("rows and their sums find slopes in categories that are far from zero", {
  formula <- y ~ x + (0 + x:f | k) + (1 | k)
  right <- c(`2` = 242.2230, `3` = 204.8912, `5` = 202.4127)
  for (seed in names(right)) {
    data <- strong_slopes(as.integer(seed), 1e4)
    for (of in list(data, rlmm_sums(formula, data))) {
      found <- if (is.data.frame(of)) {
        criterion_of(formula, of)
      } else {
        criterion_of(of)
      }
      expect_equal(found, right[[seed]], tolerance = 1e-5)
    }
  }
})

test_that("slopes near an indicator of the fixed effects are found far from zero", {
  right <- list(
    list(y ~ 0 + f + (0 + x | k), strong_slopes(5, 1e3), 257.3961064),
    list(y ~ 0 + f + (0 + x | k), strong_slopes(12, 10), 237.6780849),
    list(y ~ f + (0 + x1 | k), strong_slopes(20, 10), 247.0015925),
    list(y ~ f + (0 + x1 | k), strong_slopes(20, 30), 247.0015925),
    list(y ~ f + (0 + x1 | k), strong_slopes(20, 1e4), 247.0015925)
  )
  for (one in right) {
    of_rows <- criterion_of(one[[1L]], one[[2L]])
    of_sums <- criterion_of(rlmm_sums(one[[1L]], one[[2L]]))
    expect_equal(of_rows, one[[3L]], tolerance = 1e-8)
    expect_equal(of_sums, one[[3L]], tolerance = 1e-8)
  }
})

test_that("sums refuse what rows refuse, because a covariate is too far from zero", {
  refused <- c(
    y ~ x + (0 + x:f | k) + (1 | k),
    y ~ 1 + (0 + x | k),
    y ~ f + x + (0 + x:f | k),
    y ~ k + (0 + x:f | k),
    y ~ k:x + (x | k)
  )
  fit_rows <- \(formula, data) suppressMessages(rlmm(formula, data))
  fit_sums <- \(formula, data) suppressMessages(rlmm(rlmm_sums(formula, data)))
  for (origin in c(1e8, 1e9)) {
    data <- strong_slopes(3, origin)
    # All levels have the same values.
    same <- transform(data, x = x[rep(1:8, 6)])
    for (formula in refused) {
      for (fit in c(fit_rows, fit_sums)) {
        expect_error(fit(formula, data), class = "rlmm_error_origin")
      }
    }
    for (formula in refused[-5L]) {
      expect_error(fit_sums(formula, same), class = "rlmm_error_origin")
    }
    for (formula in c(y ~ x + (0 + x | k), y ~ x + (0 + x:f || k))) {
      expect_equal(
        logLik(fit_sums(formula, data)),
        logLik(fit_rows(formula, data)),
        tolerance = 1e-6,
        ignore_attr = TRUE
      )
    }
  }
  data <- strong_slopes(3, 1e5)
  for (fit in c(fit_rows, fit_sums)) {
    expect_error(fit(refused[[4L]], data), class = "rlmm_error_origin")
  }
})

# Fixed slopes by level contain random ones, however many digits the origin takes.
test_that("random slopes beside fixed ones are redundant at any origin", {
  for (seed in 1:8) {
    set.seed(seed)
    k <- gl(8, 12)
    h <- factor(sample(1:5, 96, TRUE))
    x <- rnorm(96)
    y <- 1 + x + rnorm(8)[k] * x + rnorm(5)[h] + rnorm(96)
    centred <- criterion_of(y ~ k * x + (1 | h), data.frame(y, x, k, h))
    for (origin in c(1e3, 1e4, 1e6, 1e8, 1e9)) {
      data <- data.frame(y, x = origin + x, k, h)
      found <- criterion_of(y ~ k * x + (x | k) + (1 | h), data)
      expect_equal(found, centred, tolerance = 1e-6)
    }
  }
})

# The values are those of dense algebra with 33 digits.
test_that("strong independent slopes far from zero are right or refused", {
  data_of <- function(seed, origin) {
    set.seed(seed)
    k <- gl(6, 8)
    x <- rnorm(48)
    slopes <- rnorm(6, sd = 10^runif(1, 0, 2))
    y <- 1 + x + slopes[k] * x + rnorm(48)
    data.frame(y, x = origin + x, k)
  }
  formula <- y ~ x + (x || k)
  right <- list(
    list(1, 1e3, 249.74684),
    list(4, 1e3, 285.98065),
    list(1, 1e4, 272.77266),
    list(6, 1e4, 313.45615),
    list(2, 2e6, 278.27726),
    list(5, 1e6, 208.11211)
  )
  for (one in right) {
    data <- data_of(one[[1L]], one[[2L]])
    expect_equal(criterion_of(formula, data), one[[3L]], tolerance = 3e-6)
    expect_equal(
      criterion_of(rlmm_sums(formula, data)),
      one[[3L]],
      tolerance = 3e-6
    )
  }
  for (origin in c(1e6, 1e7, 1e8)) {
    for (seed in 3:4) {
      value <- c(221.37380, 217.16477)[seed - 2]
      data <- strong_slopes(seed, origin)
      for (one in c(formula, y ~ x + (0 + x | k) + (1 | k))) {
        expect_equal(criterion_of(one, data), value, tolerance = 3e-7)
        sums <- rlmm_sums(one, data)
        expect_equal(criterion_of(sums), value, tolerance = 3e-7)
      }
    }
  }
  data <- data_of(4, 2e6)
  cnd <- expect_error(criterion_of(formula, data), class = "rlmm_error_origin")
  expect_match(conditionMessage(cnd), "Centre it")
  expect_error(
    criterion_of(rlmm_sums(formula, data)),
    class = "rlmm_error_origin"
  )
})

test_that("sums refuse slopes in categories whose digits they lose", {
  formula <- y ~ x + (f:x + f | k)
  near <- strong_slopes(3, 1e3)
  value <- criterion_of(formula, near)
  expect_equal(criterion_of(rlmm_sums(formula, near)), value, tolerance = 1e-7)
  far <- transform(near, x = x + 1e5)
  expect_equal(criterion_of(formula, far), value, tolerance = 1e-7)
  cnd <- expect_error(
    criterion_of(rlmm_sums(formula, far)),
    class = "rlmm_error_origin"
  )
  expect_match(conditionMessage(cnd), "sums lose its digits")
  # From 1e8 on not even the share of the slopes is left in the products.
  for (effects in list("f:x + f", "0 + f + f:x")) {
    formula <- reformulate(c("x", sprintf("(%s | k)", effects)), "y")
    for (origin in 10^(6:9)) {
      data <- transform(near, x = x + origin)
      expect_error(
        criterion_of(rlmm_sums(formula, data)),
        class = "rlmm_error_origin"
      )
    }
  }
  # The products of a number that is the same in all levels are in proportion, too.
  constant <- transform(near, x = ifelse(f == levels(f)[1L], 1e8, 2e8))
  formula <- y ~ 1 + (f:x + f | k)
  expect_equal(
    criterion_of(rlmm_sums(formula, constant)),
    criterion_of(y ~ 1 + (f | k), constant),
    tolerance = 1e-6
  )
})

# X has the effect of a category that is observed in one level. The restricted likelihood doesn't
# depend on its variance, wherever the other covariate has its origin.
test_that("slopes beside an effect that is fixed already have any origin", {
  for (seed in 1:4) {
    set.seed(seed)
    k <- factor(rep(1:2, c(6, 14)))
    f <- factor(c(rep(c("a", "c"), 3), sample(c("a", "b", "c"), 14, TRUE)))
    x <- rnorm(20)
    y <- rnorm(2)[k] + rnorm(2)[k] * x + rnorm(20)
    formula <- y ~ f + x + (f + x | k)
    centred <- criterion_of(formula, data.frame(y, x, k, f))
    for (origin in c(1e2, 1e4, 1e6, 1e8)) {
      data <- data.frame(y, x = origin + x, k, f)
      expect_equal(criterion_of(formula, data), centred, tolerance = 1e-6)
      sums <- rlmm_sums(formula, data)
      expect_equal(criterion_of(sums), centred, tolerance = 1e-6)
    }
    # Sums have no origin for a covariate in each category.
    formula <- y ~ f * x + (f * x | k)
    data <- data.frame(y, x = 100 + x, k, f)
    expect_equal(
      criterion_of(rlmm_sums(formula, data)),
      criterion_of(formula, data.frame(y, x, k, f)),
      tolerance = 1e-6
    )
  }
})

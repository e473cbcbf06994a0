# The origin of a covariate is a matter of parameterization: the likelihood is the one of the
# centred covariate.

growth_data <- function(seed) {
  set.seed(seed)
  data <- data.frame(id = rep(1:15, each = 8), n = rep(1:8, 15))
  b <- rnorm(15, sd = 0.5)
  level <- rnorm(15)
  data$y <- 10 + (2 + b[data$id]) * data$n + level[data$id] + rnorm(120)
  data$c <- data$n - 4.5
  eta <- -1 + (0.3 + b[data$id]) * data$c + level[data$id]
  data$z <- rbinom(120, 1, plogis(eta))
  data$k <- rpois(120, exp(eta / 2))
  data
}

test_that("large curvatures of correlations far from zero are no false alarm", {
  set.seed(1)
  data <- data.frame(g = gl(12, 10), x = rnorm(120))
  slopes <- rnorm(12)[data$g] + (1 + rnorm(12, sd = 0.7)[data$g]) * data$x
  data$y <- 3 + slopes + rnorm(120, sd = 0.5)
  near <- rlmm(y ~ x + (1 + x | g), data, REML = FALSE)
  data$x <- data$x + 1e6
  expect_no_warning(
    far <- rlmm(y ~ x + cs(1 + x | g), data, REML = FALSE)
  )
  expect_equal(logLik(far), logLik(near), tolerance = 1e-6)
  expect_identical(certificate(far)$verdict, "optimal")
})

test_that("a random slope of a covariate that is far from zero", {
  for (seed in 1:3) {
    data <- growth_data(seed)
    centred <- rlmm(y ~ c + (c | id), data, REML = FALSE)
    for (origin in c(2020, 19000, 2.46e6, 1e9)) {
      data$x <- origin + data$n
      fit <- rlmm(y ~ x + (x | id), data, REML = FALSE)
      expect_equal(
        as.numeric(logLik(fit)),
        as.numeric(logLik(centred)),
        tolerance = 1e-9
      )
      expect_equal(fixef(fit)[["x"]], fixef(centred)[["c"]], tolerance = 1e-6)
      expect_equal(fitted(fit), fitted(centred), tolerance = 1e-7)
      slopes <- \(fit) ranef(fit)$id[[2L]]
      expect_equal(slopes(fit), slopes(centred), tolerance = 1e-5)
      expect_equal(
        predict(fit, data[3:9, ]),
        predict(centred, data[3:9, ]),
        tolerance = 1e-6
      )
    }
  }
})

test_that("the same of generalized models", {
  data <- growth_data(4)
  for (case in list(list("z", binomial), list("k", poisson))) {
    formula <- \(x) reformulate(c(x, sprintf("(%s | id)", x)), case[[1L]])
    fit <- \(x) suppressMessages(rglmm(formula(x), data, family = case[[2L]]))
    data$x <- data$c
    centred <- fit("x")
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- fit("x")
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-8
      )
      expect_equal(
        sqrt(vcov(moved)[2L, 2L]),
        sqrt(vcov(centred)[2L, 2L]),
        tolerance = 1e-4
      )
    }
  }
})

test_that("a covariate without a digit beside its mean is an error", {
  data <- growth_data(1)
  data$x <- 1e13 + data$n
  expect_error(
    suppressMessages(rlmm(y ~ n + (x | id), data)),
    class = "rlmm_error_origin"
  )
})

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

test_that("an interaction of a covariate that is far from zero", {
  data <- growth_data(5)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  data$w <- rep(c(1, 2, 0.5), each = 40)
  for (reml in c(TRUE, FALSE)) {
    fit <- \(data) {
      rlmm(y ~ x * f + (x | id), data, REML = reml, weights = w)
    }
    data$x <- data$c
    centred <- fit(data)
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- fit(data)
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-9
      )
      own <- c("x", "x:fb", "x:fc")
      expect_equal(fixef(moved)[own], fixef(centred)[own], tolerance = 1e-6)
      expect_equal(
        vcov(moved)[own, own],
        vcov(centred)[own, own],
        tolerance = 1e-5,
        ignore_attr = TRUE
      )
      expect_equal(fitted(moved), fitted(centred), tolerance = 1e-8)
      # The intercept is that at x = 0.
      expect_equal(
        fixef(moved)[["(Intercept)"]],
        fixef(centred)[["(Intercept)"]] - origin * fixef(centred)[["x"]],
        tolerance = 1e-6
      )
      df <- \(fit) summary(fit, ddf = "Satterthwaite")$coefficients[own, "df"]
      expect_equal(df(moved), df(centred), tolerance = 1e-3)
    }
  }
})

test_that("the same interaction of a generalized model", {
  data <- growth_data(6)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  for (nodes in 0:1) {
    fit <- \(data) {
      suppressMessages(
        rglmm(k ~ x * f + (1 | id), data, family = poisson, nAGQ = nodes)
      )
    }
    data$x <- data$c
    centred <- fit(data)
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- fit(data)
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-8
      )
      own <- c("x", "x:fb", "x:fc")
      expect_equal(fixef(moved)[own], fixef(centred)[own], tolerance = 1e-4)
      expect_equal(
        sqrt(diag(vcov(moved)))[own],
        sqrt(diag(vcov(centred)))[own],
        tolerance = 1e-4
      )
    }
  }
})

test_that("predictions, their standard errors and limits don't depend on the origin", {
  data <- growth_data(6)
  data$h <- factor(rep_len(1:6, 120))
  fits <- list(
    \(x) rlmm(reformulate(c(x, sprintf("(%s | id)", x), "(1 | h)"), "y"), data),
    \(x) {
      random <- sprintf("(%s | %s)", x, c("id", "h"))
      rlmm(reformulate(c(x, random), "y"), data)
    },
    \(x) {
      random <- c(sprintf("(%s | id)", x), "(1 | h)")
      rglmm(reformulate(c(x, random), "z"), data, binomial)
    }
  )
  new <- data.frame(id = c(1:3, 99), h = c("1", "6", "1", "1"), c = -3:0)
  for (fit in fits) {
    centred <- suppressMessages(fit("c"))
    expected <- \(...) predict(centred, new, ..., allow.new.levels = TRUE)
    for (origin in c(2020, 2.46e6, 1e8)) {
      data$x <- origin + data$c
      new$x <- origin + new$c
      moved <- suppressMessages(fit("x"))
      found <- \(...) predict(moved, new, ..., allow.new.levels = TRUE)
      expect_equal(
        found(se.fit = TRUE),
        expected(se.fit = TRUE),
        tolerance = 1e-4
      )
      expect_equal(
        found(re.form = NA, se.fit = TRUE),
        expected(re.form = NA, se.fit = TRUE),
        tolerance = 1e-4
      )
      if (isLMM(moved)) {
        expect_equal(
          found(interval = "prediction"),
          expected(interval = "prediction"),
          tolerance = 1e-4
        )
      }
    }
  }
})

test_that("an interaction with seconds since 1970 keeps its columns", {
  # An hour of them varies by a part in a million: qr() takes them for ones.
  data <- growth_data(8)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  data$v <- data$k / 3
  forms <- c("%s * f", "f / %s", "%s * v")
  for (form in forms) {
    fit <- function(x) {
      fixed <- sprintf(form, x)
      suppressMessages(rlmm(reformulate(c(fixed, "(1 | id)"), "y"), data))
    }
    centred <- fit("c")
    for (origin in c(1e7, 1e8, 1e9)) {
      data$x <- origin + data$c
      moved <- fit("x")
      expect_length(fixef(moved), length(fixef(centred)))
      expect_equal(fitted(moved), fitted(centred), tolerance = 1e-6)
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-7
      )
    }
  }
  # A product of two such covariates has no digit left, and is dropped as by lm().
  data$x <- 1e8 + data$c
  data$w <- 1e8 + data$v
  expect_message(
    fit <- rlmm(y ~ x * w + (1 | id), data),
    "dropped: `x:w`"
  )
  expect_named(fixef(fit), c("(Intercept)", "x", "w"))
})

test_that("Kenward and Roger's tests and CR2 don't depend on the origin", {
  data <- growth_data(9)
  data$h <- factor(rep_len(1:6, 120))
  data$f <- factor(rep_len(letters[c(1, 1, 2, 3, 3)], 120))
  random <- list("(%s | id)", "(1 | id)", c("(%s | id)", "(1 | h)"))
  for (terms in random) {
    fit <- function(x) {
      terms <- sub("%s", x, terms, fixed = TRUE)
      suppressMessages(rlmm(reformulate(c(x, "f", terms), "y"), data))
    }
    row_of <- function(fit, ...) unname(coef(summary(fit, ...))[2L, ])
    near <- fit("c")
    for (origin in c(2020, 19000, 2.46e6, 1e9)) {
      data$x <- origin + data$c
      far <- fit("x")
      for (ddf in c("Kenward-Roger", "Satterthwaite")) {
        expect_equal(
          row_of(far, ddf = ddf),
          row_of(near, ddf = ddf),
          tolerance = 1e-5
        )
        expect_equal(
          unlist(anova(far, ddf = ddf)["f", ]),
          unlist(anova(near, ddf = ddf)["f", ]),
          tolerance = 1e-5
        )
      }
      expect_equal(
        row_of(far, vcov = "CR2", cluster = ~id),
        row_of(near, vcov = "CR2", cluster = ~id),
        tolerance = 1e-5
      )
    }
  }
})

# Where random effects are thousands of times as large as the residuals the criterion is a
# difference of large numbers.
test_that("nor does an interaction's, beside a tiny residual variance", {
  set.seed(2)
  data <- data.frame(
    c = round(rnorm(60), 6),
    f = gl(3, 1, 60),
    g = factor(rep(1:20, each = 3))
  )
  effects <- rnorm(20, sd = 3)[data$g]
  data$y <- data$c + effects + rnorm(60, sd = 1e-3)
  criterion <- \(x) {
    fit <- suppressMessages(rlmm(y ~ x * f + (1 | g), transform(data, x = x)))
    -2 * as.numeric(logLik(fit))
  }
  centred <- criterion(data$c)
  for (origin in c(10, 50, 90, 1000)) {
    expect_equal(criterion(data$c + origin), centred, tolerance = 1e-7)
  }
})

test_that("tests of type III of covariates that are far from zero", {
  data <- growth_data(7)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  for (formula in c(
    y ~ x + (x | id),
    y ~ x + I(x^2) + f + (1 | id),
    y ~ 0 + f + x + (1 | id)
  )) {
    data$x <- data$c
    centred <- anova(rlmm(formula, data))
    for (origin in c(2020, 19000, 2.46e6)) {
      data$x <- origin + data$c
      moved <- anova(rlmm(formula, data))
      # The slope of a quadratic, and the levels' intercepts, are those at zero.
      own <- if ("I(x^2)" %in% rownames(moved)) c("I(x^2)", "f") else "x"
      expect_equal(moved[own, ], centred[own, ], tolerance = 1e-3)
    }
  }
  data$x <- 1e9 + data$c
  far <- anova(rlmm(y ~ x + (x | id), data))
  expect_equal(
    far[["F value"]],
    anova(rlmm(y ~ c + (c | id), data))[["F value"]],
    tolerance = 1e-5
  )
})

test_that("limits of a generalized model's predictions", {
  data <- growth_data(4)
  limits <- function(covariate) {
    data$x <- covariate
    fit <- rglmm(k ~ x + (x | id), data, family = poisson)
    predict(fit, data[c(1, 12, 50), ], interval = "confidence")
  }
  centred <- limits(data$c)
  for (origin in c(2020, 19000, 2.46e6)) {
    expect_equal(limits(origin + data$c), centred, tolerance = 1e-5)
  }
  expect_error(limits(1e9 + data$c), class = "rlmm_error_not_available")
})

test_that("means and trends of emmeans", {
  skip_if_not_installed("emmeans")
  data <- growth_data(8)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  tables <- function(covariate) {
    data$x <- covariate
    fit <- rlmm(y ~ x + f + (x | id), data)
    means <- emmeans::emmeans(fit, ~f)
    list(
      as.data.frame(means)[2:6],
      as.data.frame(graphics::pairs(means))[2:6]
    )
  }
  centred <- tables(data$c)
  for (origin in c(19000, 2.46e6)) {
    expect_equal(tables(origin + data$c), centred, tolerance = 1e-4)
  }
  errors <- \(found) lapply(found, `[[`, "SE")
  expect_equal(
    errors(tables(1e9 + data$c)),
    errors(centred),
    tolerance = 1e-4
  )
})

test_that("a product with a covariate that is far from zero, which is no term itself", {
  data <- growth_data(8)
  set.seed(8)
  data$w <- runif(120, 1, 4)
  data$g <- factor(rep(letters[1:3], length.out = 120))
  for (formula in list(y ~ w + x:w + (x | id), y ~ w * g + x:w:g + (x | id))) {
    data$x <- data$c
    centred <- suppressMessages(rlmm(formula, data))
    for (origin in c(1e5, 1e7, 1e9)) {
      data$x <- data$c + origin
      moved <- suppressMessages(rlmm(formula, data))
      expect_equal(
        as.numeric(logLik(moved)),
        as.numeric(logLik(centred)),
        tolerance = 1e-8
      )
      expect_identical(moved$optsum$certificate$verdict, "optimal")
      own <- grep("x", names(fixef(moved)), value = TRUE)
      expect_equal(fixef(moved)[own], fixef(centred)[own], tolerance = 1e-5)
      expect_equal(
        confint(moved, own, method = "Wald"),
        confint(centred, own, method = "Wald"),
        tolerance = 1e-5
      )
    }
  }
})

test_that("tests of levels without an intercept, beside a covariate far from zero", {
  data <- growth_data(9)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  fit_of <- \(x) {
    data$x <- x
    suppressMessages(rlmm(y ~ 0 + f + x + (1 | id), data))
  }
  centred <- fit_of(data$c)
  # The levels at x = 0, as combinations of the coefficients of the centred covariate: their
  # statistic is the square of a projection.
  expected <- function(origin) {
    root <- chol(vcov(centred))
    columns <- root %*% rbind(diag(3), -origin)
    estimate <- backsolve(root, fixef(centred), transpose = TRUE)
    sum(qr.fitted(qr(columns, tol = 0), estimate)^2) / 3
  }
  for (origin in c(1e5, 1e7, 1e9)) {
    moved <- fit_of(data$c + origin)
    tests <- anova(moved, type = "III")
    expect_identical(tests$NumDF, c(3L, 1L))
    expect_equal(tests$`F value`[1L], expected(origin), tolerance = 1e-5)
    expect_equal(
      as.data.frame(anova(moved, type = "I")),
      as.data.frame(anova(centred, type = "I")),
      tolerance = 1e-5,
      ignore_attr = TRUE
    )
  }
  expect_identical(anova(centred, type = "III")$NumDF, c(3L, 1L))
})

test_that("degrees of freedom of means beside a covariate far from zero", {
  skip_if_not_installed("emmeans")
  data <- growth_data(10)
  data$f <- factor(rep(letters[1:3], length.out = 120))
  means_at <- \(x) {
    data$x <- x
    fit <- suppressMessages(rlmm(y ~ f * x + (1 | id), data))
    means <- suppressMessages(emmeans::emmeans(fit, ~f, data = data))
    as.data.frame(means)[c("emmean", "SE", "df")]
  }
  centred <- means_at(data$c)
  for (origin in c(1e7, 1e8, 1e9)) {
    expect_equal(
      means_at(data$c + origin),
      centred,
      tolerance = 1e-4,
      ignore_attr = TRUE
    )
  }
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

criterion_of <- function(...) {
  -2 * as.numeric(logLik(suppressMessages(rlmm(...))))
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

# Two standard deviations and a correlation are any covariance of two effects.
test_that("cs() of two effects doesn't depend on the origin", {
  for (seed in 1:8) {
    set.seed(seed)
    k <- gl(8, 12)
    x <- rnorm(96)
    rnorm(96)
    y <- 1 + x + rnorm(8)[k] * x + rnorm(8)[k] + rnorm(96)
    centred <- criterion_of(y ~ x + (x | k), data.frame(y, x, k))
    formula <- y ~ x + cs(x | k)
    for (origin in c(30, 1e3, 1e4, 1e5)) {
      data <- data.frame(y, x = origin + x, k)
      found <- c(
        criterion_of(formula, data),
        criterion_of(rlmm_sums(formula, data))
      )
      expect_equal(found, rep(centred, 2), tolerance = 1e-8)
    }
  }
  cnd <- expect_error(
    criterion_of(formula, transform(data, x = x + 1e8)),
    class = "rlmm_error_origin"
  )
  expect_match(conditionMessage(cnd), "a correlation can't have its digits")
})

# The likelihood, unlike the restricted one, depends on the variances of intercepts that are fixed.
test_that("cs() beside fixed levels of its factor doesn't depend on the origin", {
  set.seed(4)
  k <- gl(8, 15)
  x <- rnorm(120)
  y <- rnorm(120) + rnorm(8)[k] * x + rnorm(8)[k]
  formula <- y ~ k + cs(x | k)
  centred <- suppressMessages(
    rlmm(y ~ k + (x | k), data.frame(y, x, k), REML = FALSE)
  )
  deviance <- dense_estimates(fit_spec(centred), centred$theta)$objective
  for (origin in c(30, 1e3, 1e5)) {
    data <- data.frame(y, x = origin + x, k)
    found <- c(
      criterion_of(formula, data, REML = FALSE),
      criterion_of(rlmm_sums(formula, data), REML = FALSE)
    )
    expect_equal(found, rep(deviance, 2L), tolerance = 1e-8)
  }
})

# Sums have an origin for a covariate, but none for it in each category.
test_that("cs() of two effects of a generalized model doesn't depend on the origin", {
  set.seed(1)
  data <- data.frame(g = factor(rep(1:8, 10)), x = round(runif(80, 0, 30)))
  sd <- c(0.6, 0.03)
  of_group <- rnorm(8, sd = sd[1])[data$g]
  eta <- 0.2 + 0.02 * data$x + of_group + data$x * rnorm(8, sd = sd[2])[data$g]
  data$poisson <- rpois(80, exp(eta))
  data$normal <- exp(eta) + rnorm(80, sd = 0.3)
  data$nb <- rnbinom(80, mu = exp(eta), size = 2)
  quietly <- \(...) suppressWarnings(suppressMessages(rglmm(...)))
  deviance_of <- \(name, term, data, family) {
    fit <- quietly(reformulate(c("x", term), name), data, family = family)
    -2 * as.numeric(logLik(fit))
  }
  families <- list(
    poisson = poisson(),
    nb = nbinom2(),
    normal = gaussian("log")
  )
  # Every covariance of two effects has standard deviations and a correlation: glmmTMB 1.1.14 with
  # an unstructured covariance at the origin, except for the profiled dispersion.
  expected <- c(
    poisson = 289.7604977,
    nb = 310.4619799,
    normal = deviance_of("normal", "(x | g)", data, families$normal)
  )
  far <- transform(data, x = x + 1e6)
  found <- Map(deviance_of, names(families), "cs(x | g)", list(far), families)
  expect_equal(unlist(found), expected, tolerance = 1e-7)
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

# The common correlation of three effects can't be -1, so that no origin is like another. Slopes as
# strong as the data ask for, with the correlation at its limit, are far from any start.
test_that("cs() of three effects far from zero is right or refused", {
  set.seed(215)
  k <- gl(10, 10)
  x <- rnorm(100)
  z <- rnorm(100)
  y <- 1 + x + rnorm(10)[k] + rnorm(10, sd = 10)[k] * x + rnorm(100)
  formula <- y ~ x + cs(x + z | k)
  near <- data.frame(y, x = 1e3 + x, z, k)
  # The value is that of dense algebra with 33 digits, minimized from the estimates.
  found <- c(
    criterion_of(formula, near),
    criterion_of(rlmm_sums(formula, near))
  )
  expect_equal(found, rep(530.735112, 2), tolerance = 1e-8)
  far <- transform(near, x = x + 1e6)
  expect_error(criterion_of(formula, far), class = "rlmm_error_origin")
  expect_error(
    criterion_of(rlmm_sums(formula, far)),
    class = "rlmm_error_origin"
  )
})

# Inference about a model in a covariate that is far from zero: what doesn't depend on the origin is
# that of the model in the centred covariate.

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

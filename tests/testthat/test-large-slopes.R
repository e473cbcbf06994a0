# Slopes by the levels of a large factor, which are no columns of X, against the model with their
# dummy columns, and the rank rule against lm().

sloped_data <- function(n = 900) {
  set.seed(41)
  firm <- sample(40, n, TRUE)
  d <- data.frame(
    firm = factor(firm),
    worker = factor(sample(60, n, TRUE)),
    year = sample(2000:2020, n, TRUE),
    x = rnorm(n, 5),
    u = runif(n),
    sex = sample(c("f", "m"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  d$size <- rnorm(40)[firm]
  d$kind <- factor(d$year %% 3)
  d$late <- d$year > 2012
  d$y <- rnorm(40)[firm] +
    rnorm(40, 1, 0.4)[firm] * d$x +
    rnorm(60, sd = 0.6)[d$worker] +
    rnorm(n)
  d
}

expect_equal_slopes <- function(fits, tolerance = 1e-6) {
  a <- fits$dummies
  b <- fits$levels
  expect_equal(
    as.numeric(logLik(b)),
    as.numeric(logLik(a)),
    tolerance = 1e-10
  )
  expect_equal(attributes(logLik(b)), attributes(logLik(a)))
  expect_identical(names(fixef(b, TRUE)), names(fixef(a, TRUE)))
  expect_equal(fixef(b, TRUE), fixef(a, TRUE), tolerance = tolerance)
  expect_equal(fitted(b), fitted(a), tolerance = tolerance)
  expect_equal(df.residual(b), df.residual(a))
  of_all <- coef(summary(a))
  of_ordinary <- coef(summary(b))
  if (nrow(of_ordinary) > 0L) {
    expect_equal(
      of_ordinary,
      of_all[rownames(of_ordinary), , drop = FALSE],
      tolerance = 1e-4
    )
  }
  expect_equal_errors(b, of_all, tolerance)
}

slope_forms <- list(
  y ~ firm * x,
  y ~ x + firm:x,
  y ~ firm:x,
  y ~ firm + x:firm,
  y ~ 0 + firm + firm:x,
  y ~ 0 + firm * x + sex,
  y ~ 0 + firm:x + u,
  y ~ sex + firm * x + u * sex,
  y ~ firm * (x + u),
  y ~ size + firm * x + u,
  y ~ firm * year,
  y ~ firm * log(x),
  y ~ firm * sex,
  y ~ sex * firm + u,
  y ~ firm + firm:sex,
  y ~ sex + firm:sex,
  y ~ firm * kind,
  y ~ kind * firm,
  y ~ 0 + firm * kind,
  y ~ firm * late,
  y ~ firm * poly(x, 2) + sex,
  y ~ poly(x, 2) * firm,
  y ~ firm * x * u,
  y ~ sex * x * firm,
  y ~ kind:firm + firm:x,
  y ~ x + firm:x:sex,
  y ~ firm * cbind(x, u)
)

test_that("a fit with slopes by level is that with dummy columns", {
  d <- sloped_data()
  for (formula in slope_forms) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    expect_equal_slopes(fits)
    expect_identical(
      is.na(fixef(fits$levels, add.dropped = TRUE)),
      is.na(coef(lm(formula, d)))
    )
  }
  expect_equal_slopes(by_both_codings(
    rlmm(y ~ firm * x + (x | worker), d, weights = w, REML = FALSE),
    d
  ))
  expect_equal_slopes(by_both_codings(
    rlmm(y ~ firm * x + (1 | worker) + (1 | sex), d, offset = w),
    d
  ))
})

test_that("a level whose covariate is constant loses its slope, as in lm()", {
  for (constant in list("7", "1", "40", c("1", "40"), c("1", "2", "39"))) {
    d <- sloped_data()
    d$x[d$firm %in% constant] <- 4
    d$firm <- factor(d$firm, c(levels(d$firm), "nobody's"))
    d$zero <- ifelse(d$firm %in% constant, 0, d$x)
    d$sum <- d$size + 2 * d$x
    for (formula in c(
      y ~ firm * x,
      y ~ firm + x:firm,
      y ~ 0 + firm + firm:x,
      y ~ zero + firm:zero,
      y ~ firm:zero,
      y ~ size + firm * x,
      y ~ sum + firm * x,
      y ~ firm * x + sum,
      y ~ firm + sum + firm:x,
      y ~ firm * (u + x)
    )) {
      fits <- by_both_codings(rlmm(with_worker(formula), d), d)
      expect_equal_slopes(fits)
      expect_dropped_as_lm(fits$levels, formula, d)
    }
  }
})

test_that("a level without rows of a category loses its column, as in lm()", {
  d <- sloped_data()
  for (left_out in list("7", "1", "40", c("1", "40"), c("1", "2", "39"))) {
    is_out <- d$firm %in% left_out & (d$kind == "2" | d$sex == "m")
    own <- d[!is_out, ]
    for (formula in c(
      y ~ firm * kind,
      y ~ kind * firm,
      y ~ firm + kind:firm,
      y ~ firm * kind * sex,
      y ~ 0 + firm * kind + x,
      y ~ firm * x * kind
    )) {
      fits <- by_both_codings(rlmm(with_worker(formula), d), own)
      expect_equal_slopes(fits)
      expect_dropped_as_lm(fits$levels, formula, own)
    }
  }
})

test_that("rows without weight say nothing of a slope", {
  d <- sloped_data()
  d$w[d$firm == "7" & seq_len(900) > which(d$firm == "7")[1L]] <- 0
  fits <- by_both_codings(rlmm(y ~ firm * x + (1 | worker), d, weights = w), d)
  expect_equal_slopes(fits)
  expect_true(is.na(fixef(fits$levels, TRUE)[["firm7:x"]]))
})

test_that("without variance between workers it is lm()", {
  d <- sloped_data()
  rlang::local_options(rlmm.large_factor = 20)
  held <- rlmm_control(fixed = list(theta = c("worker.(Intercept)" = 0)))
  fit <- rlmm(y ~ firm * x + (1 | worker), d, control = held)
  ols <- lm(y ~ firm * x, d)
  expect_equal(fixef(fit), coef(ols), tolerance = 1e-8)
  expect_equal(sigma(fit), sigma(ols), tolerance = 1e-10)
  expect_equal(
    fixed_levels(fit)$std.error[-c(1L, 41L)],
    coef(summary(ols))[-c(1L, 41L), 2L],
    tolerance = 1e-8,
    ignore_attr = TRUE
  )
  table <- anova(fit, type = "II")
  expect_equal(
    table[c("firm", "firm:x"), "F value"],
    c(
      anova(lm(y ~ x + firm:x, d), ols)$F[2L],
      anova(lm(y ~ firm + x, d), ols)$F[2L]
    )
  )
  f <- anova(lm(y ~ firm, d), lm(y ~ firm + x, d))
  expect_equal(table["x", "F value"], f$`Sum of Sq`[2L] / sigma(ols)^2)
})

test_that("methods agree with those of dummy columns", {
  d <- sloped_data()
  fits <- by_both_codings(rlmm(y ~ firm * x + sex + (1 | worker), d), d)
  expect_same <- expecting_same(fits)
  new <- d[c(3, 20, 20, 401), ]
  new$worker <- "somebody else"
  new$x[3L] <- NA
  expect_same(\(fit) predict(fit, d[1:9, ]))
  expect_same(\(fit) predict(fit, new, allow.new.levels = TRUE))
  expect_same(\(fit) predict(fit, d[1:9, ], se.fit = TRUE))
  expect_same(\(fit) predict(fit, d[1:9, ], re.form = NA, se.fit = TRUE))
  expect_same(\(fit) {
    predict(fit, new[-3L, ], interval = "confidence", allow.new.levels = TRUE)
  })
  expect_same(\(fit) {
    predict(fit, new[-3L, ], re.form = NA, interval = "prediction")
  })
  expect_same(\(fit) simulate(fit, 2, seed = 1))
  expect_same(\(fit) as.data.frame(ranef(fit)))
  expect_same(hatvalues)
  expect_same(cooks.distance)
  expect_same(\(fit) logLik(fit, REML = FALSE))
  expect_same(\(fit) fixef(refit(fit, d$y + d$u)))
  expect_same(\(fit) fixef(update(fit, . ~ . - sex)))
  expect_same(\(fit) fixef(update(fit, . ~ . - firm:x)))
  expect_same(\(fit) confint(fit, c(".sig01", "sexm"), quiet = TRUE))
  expect_same(\(fit) confint(fit, "x", method = "Wald"))
  expect_same(\(fit) anova(fit, type = "II")$`F value`)
  expect_same(\(fit) anova(fit, type = "II")$NumDF)
  expect_same(\(fit) drop1(fit)$AIC)
  expect_same(\(fit) ranova(fit)$LRT)
  expect_same(\(fit) attr(coef(fit, se = TRUE), "std.error")$worker$x)
  expect_same(\(fit) as.function(fit)(0.4))
})

test_that("a covariate beside its slopes is tested by a mean of these", {
  d <- sloped_data()
  expect_same_tests <- function(fits, type) {
    found <- anova(fits$levels, type = type)
    expect_match(attr(found, "heading")[1L], sprintf("^Type %s anal", type))
    right <- anova(fits$dummies, type = type)
    expect_equal(found$`F value`, right$`F value`, tolerance = 1e-5)
    # The others, of the ordinary terms, have Satterthwaite's degrees of freedom.
    expect_equal(
      found[c("x", "sex"), "DenDF"],
      right[c("x", "sex"), "DenDF"],
      tolerance = 1e-3
    )
  }
  for (formula in c(y ~ firm * x + sex, y ~ sex + x + firm:x + u)) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    expect_same_tests(fits, "II")
    expect_same_tests(fits, "III")
  }
  fits <- by_both_codings(rlmm(y ~ 0 + firm + firm:x + (1 | worker), d), d)
  expect_equal(
    anova(fits$levels)$`F value`,
    anova(fits$dummies)$`F value`,
    tolerance = 1e-5
  )
  # A slope that was dropped isn't part of a mean of all.
  d$x[d$firm == "7"] <- 4
  fits <- by_both_codings(rlmm(y ~ firm * x + sex + (1 | worker), d), d)
  found <- anova(fits$levels)
  expect_match(attr(found, "heading")[1L], "^Type II anal")
  right <- anova(fits$dummies, type = "II")
  expect_equal(found$`F value`, right$`F value`, tolerance = 1e-5)
})

test_that("what slopes by level contain has no test, the rest that of dummy columns", {
  d <- sloped_data()
  expect_tests <- function(formula, tested, type) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    found <- anova(fits$levels, type = type)
    expect_identical(rownames(found), tested)
    right <- anova(fits$dummies, type = type)[tested, ]
    expect_equal(found$`F value`, right$`F value`, tolerance = 1e-5)
    expect_identical(found$NumDF, right$NumDF)
    found
  }
  for (type in c("II", "III")) {
    found <- expect_tests(y ~ firm * kind + x, c("x", "firm:kind"), type)
    expect_match(
      attr(found, "heading"),
      "`firm` and `kind`: no test",
      all = FALSE
    )
    expect_tests(y ~ firm * poly(x, 2), c("firm", "firm:poly(x, 2)"), type)
    expect_tests(
      y ~ firm * (x + u),
      c("firm", "x", "u", "firm:x", "firm:u"),
      type
    )
  }
  expect_tests(y ~ firm * x * sex, c("firm:sex", "firm:x:sex"), "III")
})

test_that("methods agree with those of dummy columns beside categories and matrices", {
  d <- sloped_data()
  for (formula in c(y ~ firm * kind + x, y ~ firm * poly(x, 2) + kind)) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    expect_same <- expecting_same(fits)
    new <- d[c(3, 20, 401), ]
    expect_same(\(fit) predict(fit, new, se.fit = TRUE))
    expect_same(\(fit) predict(fit, new, re.form = NA, interval = "prediction"))
    expect_same(\(fit) fixef(refit(fit, rev(d$y))))
    expect_same(\(fit) simulate(fit, 1, seed = 1))
    expect_same(\(fit) drop1(fit)$AIC)
    unseen <- transform(new, kind = "new")
    expect_error(
      predict(fits$levels, unseen),
      class = "rlmm_error_unknown_level"
    )
    skip_if_not_installed("emmeans")
    expect_same(\(fit) as.data.frame(emmeans::emmeans(fit, ~kind)), 1e-4)
    expect_same(\(fit) as.data.frame(emmeans::emmeans(fit, ~firm)), 1e-4)
    expect_same(\(fit) as.data.frame(emmeans::emtrends(fit, ~kind, "x")), 1e-4)
  }
})

test_that("marginal means and trends are averaged over slopes", {
  skip_if_not_installed("emmeans")
  d <- sloped_data()
  fits <- by_both_codings(rlmm(y ~ firm * x + sex + (1 | worker), d), d)
  expect_same <- function(f) {
    found <- lapply(fits, \(fit) as.data.frame(suppressMessages(f(fit))))
    expect_equal(
      found$levels,
      found$dummies,
      tolerance = 1e-4,
      ignore_attr = TRUE
    )
  }
  expect_same(\(fit) emmeans::emmeans(fit, ~sex))
  expect_same(\(fit) emmeans::emmeans(fit, ~ sex | x, at = list(x = 3:4)))
  expect_same(\(fit) emmeans::emmeans(fit, ~firm))
  expect_same(\(fit) emmeans::emtrends(fit, ~sex, "x"))
  fits <- by_both_codings(rlmm(y ~ firm:x + sex + (1 | worker), d), d)
  expect_same(\(fit) emmeans::emmeans(fit, ~sex))
  fits <- by_both_codings(rlmm(y ~ firm + firm:sex + (1 | worker), d), d)
  # Without its own term emmeans takes `sex` for nested in `firm`.
  expect_same(\(fit) emmeans::emmeans(fit, ~sex, nesting = NULL))
  fits <- by_both_codings(rlmm(y ~ x:firm:sex + (1 | worker), d), d)
  expect_same(\(fit) emmeans::emtrends(fit, ~sex, "x"))
})

test_that("categories beside a large factor have any contrasts", {
  d <- sloped_data()
  d$sex <- factor(d$sex)
  contrasts(d$sex) <- contr.sum(2)
  contrasts(d$kind) <- contr.helmert(3)
  d$rank <- ordered(d$kind)
  for (formula in c(
    y ~ firm * sex,
    y ~ firm + firm:sex,
    y ~ firm * x * kind,
    y ~ u + firm * rank
  )) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), d)
    expect_equal_slopes(fits)
    expect_dropped_as_lm(fits$levels, formula, d)
    expecting_same(fits)(\(fit) predict(fit, d[1:9, ], se.fit = TRUE))
  }
  # A category that a level doesn't have leaves it a constant.
  own <- d[!(d$firm == "7" & d$sex == "m" | d$firm == "40" & d$kind == "2"), ]
  for (formula in c(y ~ firm * sex, y ~ kind * firm, y ~ firm * rank)) {
    fits <- by_both_codings(rlmm(with_worker(formula), d), own)
    expect_equal_slopes(fits)
    expect_dropped_as_lm(fits$levels, formula, own)
  }
})

test_that("levels and categories by sum contrasts are those of dummy columns", {
  skip_if_not_installed("emmeans")
  d <- sloped_data()
  rlang::local_options(contrasts = c("contr.sum", "contr.poly"))
  fits <- by_both_codings(rlmm(y ~ firm * sex + u + (1 | worker), d), d)
  both <- expecting_same(fits)
  own <- c("(Intercept)", "sex1", "u")
  both(logLik, 1e-9)
  both(fixef)
  both(\(fit) vcov(fit)[own, own])
  both(\(fit) coef(summary(fit))[own, ], 1e-3)
  both(\(fit) as.data.frame(emmeans::emmeans(fit, ~sex))[-1L], 1e-4)
})

test_that("the iterative engine has slopes too", {
  d <- sloped_data(4000)
  rlang::local_options(rlmm.large_factor = 20)
  exact <- rlmm(y ~ firm * x + (1 | worker), d)
  by_gradients <- rlmm_control(engine = "iterative")
  fit <- rlmm(y ~ firm * x + (1 | worker), d, control = by_gradients)
  expect_identical(fit$engine, "iterative")
  expect_equal(fixef(fit), fixef(exact), tolerance = 1e-3)
  gap <- as.numeric(logLik(fit)) - as.numeric(logLik(exact))
  expect_lt(abs(gap), 3 * attr(logLik(fit), "se") + 1e-6)
})

test_that("names with blanks are as they are elsewhere", {
  d <- sloped_data()
  names(d)[c(1L, 4L)] <- c("the firm", "an x")
  d$`the firm` <- paste("no.", d$`the firm`)
  formula <- y ~ `the firm` * `an x` + (1 | worker)
  fits <- by_both_codings(rlmm(formula, d), d)
  expect_equal_slopes(fits)
  expect_equal(
    predict(fits$levels, d[1:5, ]),
    predict(fits$dummies, d[1:5, ]),
    tolerance = 1e-6
  )
  expect_equal(
    anova(fits$levels, type = "II")$`F value`,
    anova(fits$dummies, type = "II")$`F value`,
    tolerance = 1e-5
  )
})

test_that("slopes stand apart where their factor is in nothing else", {
  d <- sloped_data()
  rlang::local_options(rlmm.large_factor = 20)
  apart <- function(formula, ...) {
    fit <- suppressMessages(suppressWarnings(rlmm(formula, d, ...)))
    vapply(fit$fixed$large$factors, `[[`, "", "label")
  }
  expect_identical(apart(y ~ firm * x + (1 | worker)), c("firm", "firm:x"))
  expect_length(apart(y ~ firm * kind + (1 | worker)), 3L)
  expect_length(apart(y ~ firm * ordered(kind) + (1 | worker)), 3L)
  # A level has 20 columns at most.
  expect_length(apart(y ~ firm * poly(year, 20) + (1 | worker)), 0L)
  expect_length(apart(y ~ firm * x + (x | firm)), 0L)
  sums <- list(firm = "contr.sum")
  expect_length(apart(y ~ firm * x + (1 | worker), contrasts = sums), 2L)
  expect_identical(
    apart(y ~ firm * x + worker + (1 | kind)),
    c("firm", "worker", "firm:x")
  )
})

test_that("both are told of", {
  d <- sloped_data()
  rlang::local_options(rlmm.large_factor = 20)
  fit <- rlmm(y ~ firm * x + (1 | worker), d)
  expect_identical(
    unique(fixed_levels(fit)$factor),
    c("firm", "firm:x")
  )
  found <- preview(y ~ firm * x + (1 | worker), d)
  expect_snapshot({
    print(fit, digits = 3)
    print(anova(fit), digits = 3)
    writeLines(error_lines(model.matrix(fit)))
    writeLines(grep("levels of", format(found), value = TRUE))
  })
})

test_that("slopes of a covariate that is too far from zero are refused", {
  withr::local_options(cli.unicode = FALSE, rlmm.large_factor = 20)
  d <- made_data()
  d$time <- d$x + 3e7
  d$day <- d$x + 3e4
  d$base <- d$size + 1e7
  both <- \(formula) {
    list(rlmm(formula, d), rlmm(rlmm_sums(formula, d)))
  }
  for (formula in c(
    y ~ firm * time + (1 | worker),
    y ~ firm:time + (1 | worker)
  )) {
    expect_error(rlmm(formula, d), class = "rlmm_error_origin")
    expect_error(rlmm_sums(formula, d), class = "rlmm_error_origin")
  }
  expect_snapshot(writeLines(error_lines(rlmm(
    y ~ firm * time + (1 | worker),
    d
  ))))
  # Slopes beside the levels are those of the covariate near zero.
  near <- rlmm(y ~ firm * x + (1 | worker), d)
  for (fit in both(y ~ firm * day + (1 | worker))) {
    expect_equal(logLik(fit), logLik(near), tolerance = 1e-7)
  }
  # Covariates of the level are dropped, wherever they are.
  expect_no_error(suppressMessages(both(y ~ firm * base + (1 | worker))))
})

# A fixed factor whose levels are no columns of X, against the model with its dummy columns, and
# against lm() where closed forms are known.

made_data <- function(n = 900, firms = 60, workers = 100) {
  set.seed(20)
  d <- data.frame(
    firm = factor(sample(firms, n, TRUE)),
    worker = factor(sample(workers, n, TRUE)),
    year = factor(sample(8, n, TRUE)),
    x = rnorm(n, 50, 3),
    sex = sample(c("f", "m"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  d$size <- rnorm(firms)[d$firm]
  d$town <- factor(as.integer(d$firm) %% 7)
  d$y <- 20 +
    0.3 * d$x +
    rnorm(firms)[d$firm] +
    rnorm(workers, sd = 0.7)[d$worker] +
    rnorm(8, sd = 0.4)[d$year] +
    rnorm(n)
  d
}

expect_same_fit <- function(fits, tolerance = 1e-6) {
  a <- fits$dummies
  b <- fits$levels
  expect_equal(
    as.numeric(logLik(b)),
    as.numeric(logLik(a)),
    tolerance = 1e-10
  )
  expect_equal(attributes(logLik(b)), attributes(logLik(a)))
  expect_equal(fixef(b), fixef(a), tolerance = tolerance)
  expect_identical(names(fixef(b, TRUE)), names(fixef(a, TRUE)))
  expect_equal(fixef(b, TRUE), fixef(a, TRUE), tolerance = tolerance)
  expect_equal(fitted(b), fitted(a), tolerance = tolerance)
  expect_equal(sigma(b), sigma(a), tolerance = tolerance)
  expect_equal(
    ranef(b, condVar = FALSE),
    ranef(a, condVar = FALSE),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  expect_equal(df.residual(b), df.residual(a))
  of_ordinary <- coef(summary(b))
  of_all <- coef(summary(a))
  expect_equal(
    of_ordinary,
    of_all[rownames(of_ordinary), , drop = FALSE],
    tolerance = 1e-4
  )
  large <- b$fixed$large
  errors <- stats::setNames(fixed_levels(b)$std.error, large$names)
  errors <- errors[large$is_column]
  expect_equal(
    errors,
    of_all[names(errors), "Std. Error"],
    tolerance = tolerance
  )
}

test_that("a fit with levels is that with dummy columns", {
  d <- made_data()
  expect_same_fit(by_both_codings(rlmm(y ~ x + firm + (1 | worker), d), d))
  expect_same_fit(by_both_codings(
    rlmm(y ~ x + firm + sex + (1 | worker), d, REML = FALSE),
    d
  ))
  expect_same_fit(by_both_codings(
    rlmm(y ~ firm + sex * x + (1 | worker) + (1 | year), d, weights = w),
    d
  ))
  expect_same_fit(by_both_codings(
    rlmm(y ~ 0 + firm + x + sex + (1 | worker), d, offset = w),
    d
  ))
  expect_same_fit(by_both_codings(
    rlmm(y ~ poly(x, 2) + factor(firm) + (1 | year), d),
    d
  ))
  d$firm <- paste("no.", d$firm)
  expect_same_fit(by_both_codings(
    rlmm(log(y) ~ firm + (1 + w || worker), d, REML = FALSE),
    d
  ))
  d <- made_data(2000, 300, 30)
  expect_same_fit(by_both_codings(rlmm(y ~ x + firm + (1 | worker), d), d))
  expect_same_fit(by_both_codings(
    rlmm(y ~ x + firm + (1 | worker), d, REML = FALSE),
    d
  ))
})

test_that("the levels may be all of the fixed part", {
  d <- made_data(600, 60, 20)
  for (reml in c(TRUE, FALSE)) {
    fits <- by_both_codings(rlmm(y ~ 0 + firm + (1 | worker), d, REML = reml), d)
    expect_equal(logLik(fits$levels), logLik(fits$dummies), tolerance = 1e-10)
    expect_equal(sigma(fits$levels), sigma(fits$dummies), tolerance = 1e-7)
    expect_equal(fixef(fits$levels), fixef(fits$dummies), tolerance = 1e-7)
  }
})

test_that("held parameters and a known sigma stay where they are", {
  d <- made_data()
  hold <- \(...) rlmm_control(fixed = list(...))
  fits <- by_both_codings(
    rlmm(
      y ~ x + firm + (1 | worker),
      d,
      control = hold(theta = c("worker.(Intercept)" = 0.5))
    ),
    d
  )
  expect_same_fit(fits)
  expect_equal(getME(fits$levels, "theta"), getME(fits$dummies, "theta"))
  fits <- by_both_codings(
    rlmm(y ~ x + firm + (1 | worker), d, control = hold(beta = c(x = 0.2))),
    d
  )
  expect_equal(fixef(fits$levels), fixef(fits$dummies), tolerance = 1e-6)
  fits <- by_both_codings(
    rlmm(y ~ x + firm + (1 | worker), d, sigma = 1, REML = FALSE),
    d
  )
  expect_equal(logLik(fits$levels), logLik(fits$dummies), tolerance = 1e-10)
})

test_that("what depends on columns before it is dropped, as lm() does it", {
  d <- made_data()
  d$size2 <- d$size^2
  for (formula in c(
    y ~ size + x + firm,
    y ~ firm + size + x,
    y ~ size + firm + size2 + x,
    y ~ size + size2 + x + firm,
    y ~ town + firm + x
  )) {
    mixed <- as.formula(paste(deparse1(formula), "+ (1 | worker)"))
    fits <- by_both_codings(rlmm(mixed, d), d)
    dropped <- names(which(is.na(coef(lm(formula, d)))))
    expect_setequal(fits$levels$fixed$dropped, dropped)
    expect_identical(
      is.na(fixef(fits$levels, add.dropped = TRUE)),
      is.na(coef(lm(formula, d)))
    )
    expect_same_fit(fits)
  }
  rlang::local_options(rlmm.large_factor = 20)
  expect_message(
    rlmm(y ~ size + firm + (1 | worker), d),
    "dropped: `firm60`",
    class = "rlmm_message"
  )
  expect_error(
    rlmm(
      y ~ size + firm + (1 | worker),
      d,
      control = rlmm_control(check_rankx = "stop.deficient")
    ),
    class = "rlmm_error_rankx"
  )
})

test_that("combinations of factors are levels too", {
  d <- made_data(1500, 12, 40)
  d <- d[!(d$firm == "3" & d$year == "2"), ]
  d$quarter <- ordered(d$year)
  for (formula in c(
    y ~ x + firm:year,
    y ~ 0 + firm:year + x,
    y ~ firm:year + size + x,
    y ~ size + sex + firm:year,
    y ~ x + firm:quarter
  )) {
    mixed <- as.formula(paste(deparse1(formula), "+ (1 | worker)"))
    fits <- by_both_codings(rlmm(mixed, d), d)
    expect_same_fit(fits)
    expect_identical(
      is.na(fixef(fits$levels, add.dropped = TRUE)),
      is.na(coef(lm(formula, d)))
    )
    expect_equal(
      predict(fits$levels, d[1:9, ]),
      predict(fits$dummies, d[1:9, ]),
      tolerance = 1e-6
    )
  }
})

test_that("a base without rows is no base", {
  d <- made_data()
  d$w[d$firm == "1"] <- 0
  for (formula in c(y ~ x + firm, y ~ size + firm)) {
    mixed <- as.formula(paste(deparse1(formula), "+ (1 | worker)"))
    fits <- by_both_codings(rlmm(mixed, d, weights = w), d)
    expect_same_fit(fits)
    expect_identical(
      is.na(fixef(fits$levels, add.dropped = TRUE)),
      is.na(coef(lm(formula, d, weights = w)))
    )
  }
})

test_that("rows without weight say nothing of a level", {
  d <- made_data()
  d$w[d$firm == "7"] <- 0
  d$firm <- factor(d$firm, c(levels(d$firm), "nobody's"))
  fits <- by_both_codings(rlmm(y ~ x + firm + (1 | worker), d, weights = w), d)
  expect_same_fit(fits)
  expect_true(is.na(fixef(fits$levels, TRUE)[["firm7"]]))
})

test_that("without variance between workers it is the within transformation", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  held <- rlmm_control(fixed = list(theta = c("worker.(Intercept)" = 0)))
  fit <- rlmm(y ~ x + sex + firm + (1 | worker), d, control = held)
  ols <- lm(y ~ x + sex + firm, d)
  expect_equal(fixef(fit), coef(ols), tolerance = 1e-8)
  expect_equal(sigma(fit), sigma(ols), tolerance = 1e-10)
  expect_equal(
    fixed_levels(fit)$std.error[-1L],
    coef(summary(ols))[-(1:3), 2L],
    tolerance = 1e-8,
    ignore_attr = TRUE
  )
  table <- anova(fit)
  expect_equal(table["firm", "F value"], drop1(ols, test = "F")["firm", 5L])
})

test_that("lme4 finds the same", {
  skip_if_not_installed("lme4")
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  theirs <- lme4::lmer(y ~ x + firm + (1 | worker), d)
  ours <- rlmm(y ~ x + firm + (1 | worker), d)
  expect_equal(as.numeric(logLik(ours)), as.numeric(logLik(theirs)))
  expect_equal(fixef(ours), lme4::fixef(theirs), tolerance = 1e-5)
})

test_that("methods agree with those of dummy columns", {
  d <- made_data()
  fits <- by_both_codings(rlmm(y ~ x + firm + sex + (1 | worker), d), d)
  expect_same <- function(f, tolerance = 1e-5) {
    expect_equal(
      f(fits$levels),
      f(fits$dummies),
      tolerance = tolerance,
      ignore_attr = TRUE
    )
  }
  expect_same(\(fit) predict(fit, d[1:9, ]))
  expect_same(\(fit) predict(fit, d[1:9, ], re.form = NA))
  expect_same(residuals)
  expect_same(hatvalues)
  expect_same(cooks.distance)
  expect_same(rstandard)
  expect_same(\(fit) simulate(fit, 2, seed = 1))
  expect_same(\(fit) as.data.frame(ranef(fit, condVar = TRUE)))
  expect_same(\(fit) logLik(fit, REML = FALSE))
  expect_same(REMLcrit)
  expect_same(\(fit) logLik(refitML(fit)))
  expect_same(\(fit) fixef(refit(fit, d$y + d$x)))
  expect_same(\(fit) fixef(update(fit, . ~ . - sex)))
  expect_same(\(fit) as.data.frame(VarCorr(fit)))
  expect_same(\(fit) ranova(fit)$LRT)
  expect_same(\(fit) confint(fit, c(".sig01", "x"), quiet = TRUE))
  expect_same(\(fit) confint(fit, c("x", "sexm"), method = "Wald"))
  expect_same(\(fit) bootMer(fit, fixef, 2, seed = 3)$t)
  expect_same(\(fit) coef(fit)$worker[, c("x", "sexm")])
  expect_same(\(fit) anova(fit)$`F value`)
  expect_same(\(fit) drop1(fit)$AIC)
  expect_same(\(fit) as.function(fit)(0.4))
  tables <- lapply(fits, anova)
  expect_identical(rownames(tables$levels), rownames(tables$dummies))
  expect_equal(tables$levels$NumDF, tables$dummies$NumDF)
})

test_that("new data are read as the fit's were", {
  d <- made_data()
  fits <- by_both_codings(rlmm(y ~ x + factor(firm) + (1 | worker), d), d)
  new <- data.frame(firm = c("3", NA, "12"), x = 1:3, worker = "5")
  expect_equal(
    predict(fits$levels, new),
    predict(fits$dummies, new),
    tolerance = 1e-6
  )
  expect_error(
    predict(fits$levels, data.frame(firm = "x", x = 1, worker = "5")),
    class = "rlmm_error_unknown_level"
  )
  slim <- rlang::with_options(
    rlmm.large_factor = 20,
    rlmm(y ~ x + firm + (1 | worker), d, control = rlmm_control(slim = TRUE))
  )
  expect_equal(
    predict(slim, d[1:5, ]),
    predict(fits$dummies, d[1:5, ]),
    tolerance = 1e-6
  )
})

test_that("predictions without random effects have errors and limits", {
  d <- made_data()
  new <- d[c(1:8, which(d$firm == "1")[1:3], which(d$firm == "60")[1:2]), ]
  for (reml in c(TRUE, FALSE)) {
    fits <- by_both_codings(
      rlmm(y ~ size + x + firm + (1 | worker), d, REML = reml),
      d
    )
    expect_same <- function(..., tolerance = 1e-5) {
      found <- lapply(fits, predict, new, re.form = NA, ...)
      expect_equal(found$levels, found$dummies, tolerance = tolerance)
    }
    expect_same(se.fit = TRUE)
    expect_same(interval = "confidence", tolerance = 1e-4)
    expect_same(interval = "prediction", tolerance = 1e-4)
    expect_same(interval = "confidence", ddf = "asymptotic")
  }
})

test_that("the iterative engine has the factor too", {
  d <- made_data(4000, 150, 400)
  rlang::local_options(rlmm.large_factor = 20)
  exact <- rlmm(y ~ x + firm + (1 | worker), d)
  by_gradients <- rlmm_control(engine = "iterative")
  fit <- rlmm(y ~ x + firm + (1 | worker), d, control = by_gradients)
  expect_identical(fit$engine, "iterative")
  expect_equal(fixef(fit), fixef(exact), tolerance = 1e-3)
  expect_equal(
    as.numeric(logLik(fit)),
    as.numeric(logLik(exact)),
    tolerance = 1e-5
  )
  expect_equal(
    fixed_levels(fit)$std.error,
    fixed_levels(exact)$std.error,
    tolerance = 1e-2
  )
})

test_that("a factor stays in X where its levels can't stand apart", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  is_apart <- function(formula, ...) {
    fit <- suppressWarnings(suppressMessages(rlmm(formula, d, ...)))
    !is.null(fit$fixed$large)
  }
  expect_true(is_apart(y ~ firm + (1 | worker)))
  expect_false(is_apart(y ~ firm * x + (1 | worker)))
  expect_false(is_apart(y ~ 0 + sex + firm + (1 | worker)))
  sums <- list(firm = "contr.sum")
  expect_false(is_apart(y ~ firm + (1 | worker), contrasts = sums))
  expect_false(is_apart(y ~ ordered(firm) + (1 | worker)))
  # Effects that the levels contain.
  expect_false(is_apart(y ~ firm + (1 | town) + (1 | worker)))
  expect_false(is_apart(y ~ firm + (1 | firm) + (1 | worker)))
  expect_true(is_apart(y ~ firm + (0 + x | town) + (1 | worker)))
  expect_false(is_apart(y ~ year + (1 | worker)))
  expect_true(is_apart(y ~ firm:sex + (1 | worker)))
  expect_false(is_apart(y ~ sex + firm:sex + (1 | worker)))
  expect_false(is_apart(y ~ sex * firm + (1 | worker)))
  expect_false(is_apart(y ~ firm:x + (1 | worker)))
})

test_that("few levels, or few rows, are columns of X", {
  expect_false(is_large(99L, 1e7))
  expect_false(is_large(200L, 1e4))
  expect_true(is_large(2000L, 2e5))
})

test_that("a preview tells of it", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  found <- preview(y ~ x + firm + (1 | worker), d)
  expect_identical(found$fixed$apart, c(firm = 60L))
  expect_identical(found$fixed$columns, c("(Intercept)", "x"))
  shown <- grep("^(60|Fixed)", format(found), value = TRUE)
  expect_identical(
    shown,
    c(
      "Fixed part: 2 columns (`(Intercept)` and `x`)",
      "60 levels of `firm`, which are no columns (see `?rlmm`)"
    )
  )
})

test_that("columns that can't be held are refused before they are made", {
  n <- 4e5
  d <- data.frame(y = numeric(n), x = rep(1:2, n / 2), worker = gl(100, 1, n))
  d$firm <- gl(n / 2, 2)
  d$town <- gl(50, n / 50)
  expect_error(
    rlmm(y ~ firm:x + (1 | worker), d),
    "columns, most of them of `firm:x`, which take",
    class = "rlmm_error_too_large"
  )
  expect_error(
    rlmm(y ~ firm + (1 | town), d),
    "The random effects of `(1 | town)` can't be told",
    fixed = TRUE,
    class = "rlmm_error_large_factor"
  )
})

test_that("names with blanks are as they are elsewhere", {
  d <- made_data()
  names(d)[1L] <- "the firm"
  fits <- by_both_codings(rlmm(y ~ x + `the firm` + (1 | worker), d), d)
  expect_same_fit(fits)
  expect_match(format(fits$levels), "Fixed factor `the firm`", all = FALSE)
})

test_that("what needs the dummy columns says so", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  fit <- rlmm(y ~ x + firm + (1 | worker), d)
  for (refused in list(
    model.matrix,
    influence,
    \(fit) getME(fit, "X"),
    \(fit) predict(fit, d[1:3, ], re.form = NA, cov.fit = TRUE),
    \(fit) vcov(fit, full = TRUE),
    \(fit) vcov(fit, complete = TRUE),
    \(fit) vcov(fit, type = "CR2"),
    \(fit) anova(fit, type = "I"),
    \(fit) anova(fit, ddf = "none"),
    \(fit) summary(fit, ddf = "Kenward-Roger")
  )) {
    expect_error(refused(fit), class = "rlmm_error_large_factor")
  }
  expect_snapshot({
    writeLines(error_lines(model.matrix(fit)))
    writeLines(error_lines(summary(fit, ddf = "Kenward-Roger")))
    writeLines(error_lines(vcov(fit, type = "CR2")))
    writeLines(error_lines(fixed_levels(rlmm(y ~ x + (1 | worker), d))))
    writeLines(error_lines(fixed_levels(d)))
    print(fit, digits = 3)
    print(anova(fit), digits = 3)
  })
  expect_s3_class(diagnose(fit), "rlmm_diagnosis")
  expect_equal(dim(vcov(fit)), c(2L, 2L))
})

test_that("marginal means of other variables are averaged over the levels", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  tables <- \(fit, ...) {
    grid <- suppressMessages(emmeans::emmeans(fit, ~sex, ...))
    list(as.data.frame(grid), as.data.frame(pairs(grid)))
  }
  same <- \(fits, ...) {
    expect_equal(
      tables(fits$levels, ...),
      tables(fits$dummies, ...),
      tolerance = 1e-4,
      ignore_attr = TRUE
    )
  }
  same(by_both_codings(rlmm(y ~ x * sex + firm + (1 | worker), d), d))
  same(by_both_codings(
    rlmm(y ~ sex + firm + (1 | worker) + (1 | year), d, weights = w),
    d
  ))
  fits <- by_both_codings(
    rlmm(y ~ 0 + firm + sex + (x | worker), d, REML = FALSE),
    d
  )
  same(fits)
  same(fits, lmer.df = "asymptotic")
  trends <- lapply(
    by_both_codings(rlmm(y ~ x * sex + firm + (1 | worker), d), d),
    emmeans::emtrends,
    ~sex,
    "x"
  )
  expect_equal(
    as.data.frame(trends$levels),
    as.data.frame(trends$dummies),
    tolerance = 1e-4,
    ignore_attr = TRUE
  )
  # A level that isn't there, a column that depends on the levels: no mean of all.
  fit <- by_both_codings(
    rlmm(y ~ town + sex + firm + (1 | worker), d),
    d
  )$levels
  expect_error(
    emmeans::emmeans(fit, ~sex),
    class = "rlmm_error_large_factor"
  )
})

test_that("standard errors of predictions with random effects", {
  d <- made_data()
  new <- d[c(3, 20, 20, 401), ]
  new$worker <- as.character(new$worker)
  new$worker[4L] <- "somebody else"
  same <- \(fits) {
    of <- \(fit, ...) predict(fit, new, allow.new.levels = TRUE, ...)
    expect_equal(
      of(fits$levels, se.fit = TRUE)$se.fit,
      of(fits$dummies, se.fit = TRUE)$se.fit,
      tolerance = 1e-5
    )
    for (interval in c("confidence", "prediction")) {
      expect_equal(
        of(fits$levels, interval = interval, theta_uncertainty = TRUE),
        of(fits$dummies, interval = interval, theta_uncertainty = TRUE),
        tolerance = 1e-5
      )
    }
    new$worker[2L] <- NA
    expect_equal(
      of(fits$levels, se.fit = TRUE, re.form = NULL)$se.fit,
      of(fits$dummies, se.fit = TRUE, re.form = NULL)$se.fit,
      tolerance = 1e-5
    )
  }
  same(by_both_codings(rlmm(y ~ x + firm + (1 | worker), d), d))
  same(by_both_codings(
    rlmm(
      y ~ x * sex + firm + (w | worker) + (1 | year),
      d,
      weights = w,
      REML = FALSE
    ),
    d
  ))
  same(by_both_codings(rlmm(y ~ 0 + firm + sex + (1 | worker), d), d))
  errors <- lapply(
    by_both_codings(rlmm(y ~ x + firm + (x | year), d), d),
    \(fit) {
      attr(coef(fit, se = TRUE), "std.error")$year[c("(Intercept)", "x")]
    }
  )
  expect_equal(errors$levels, errors$dummies, tolerance = 1e-5)
})

test_that("only so many predictions have standard errors at a time", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  fit <- rlmm(y ~ x + firm + (1 | worker), d)
  expect_snapshot(
    writeLines(error_lines(predict(fit, d, se.fit = TRUE)))
  )
  few <- predict(fit, d[rep(1:2, 400), ], se.fit = TRUE)
  expect_length(few$se.fit, 800L)
})

test_that("marginal means of the levels are those of dummy columns", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  tables <- \(fit) {
    means <- suppressMessages(emmeans::emmeans(fit, ~firm))
    by <- suppressMessages(emmeans::emmeans(fit, "firm", by = "sex"))
    differences <- head(as.data.frame(pairs(means)), 20L)
    list(as.data.frame(means), as.data.frame(by), differences)
  }
  same <- \(fits) {
    expect_equal(
      tables(fits$levels),
      tables(fits$dummies),
      tolerance = 1e-4,
      ignore_attr = TRUE
    )
  }
  same(by_both_codings(rlmm(y ~ x * sex + firm + (1 | worker), d), d))
  same(by_both_codings(
    rlmm(y ~ 0 + firm + sex + (x | worker), d, weights = w, REML = FALSE),
    d
  ))
  d$count <- rpois(nrow(d), exp(d$y / 20))
  counts <- by_both_codings(
    rglmm(count ~ sex + firm + (1 | worker), d, poisson),
    d
  )
  found <- tables(counts$levels)
  expect_equal(
    found,
    tables(counts$dummies),
    tolerance = 0.01,
    ignore_attr = TRUE
  )
  fit <- by_both_codings(rlmm(y ~ sex + firm + (1 | worker), d), d)$levels
  fit$fixed$large$levels <- as.character(1:3000)
  expect_error(
    emmeans::emmeans(fit, ~firm),
    "of `firm` need a covariance matrix of all of its 3,000 levels, which takes"
  )
})

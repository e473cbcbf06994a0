# A fixed factor whose levels are no columns of X, against the model with its dummy columns, and
# against lm() where closed forms are known.

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
    fits <- by_both_codings(
      rlmm(y ~ 0 + firm + (1 | worker), d, REML = reml),
      d
    )
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

test_that("names with blanks are as they are elsewhere", {
  d <- made_data()
  names(d)[1L] <- "the firm"
  fits <- by_both_codings(rlmm(y ~ x + `the firm` + (1 | worker), d), d)
  expect_same_fit(fits)
  expect_match(format(fits$levels), "Fixed factor `the firm`", all = FALSE)
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

test_that("a factor with most levels and no other column is that with dummy columns", {
  d <- made_data(900, 120, 30)
  for (reml in c(TRUE, FALSE)) {
    fits <- by_both_codings(
      rlmm(y ~ 0 + firm + (1 | worker), d, REML = reml),
      d
    )
    expect_equal(logLik(fits$levels), logLik(fits$dummies), tolerance = 1e-10)
    expect_equal(fixef(fits$levels), fixef(fits$dummies), tolerance = 1e-6)
    expect_equal(
      fixed_levels(fits$levels)$std.error,
      coef(summary(fits$dummies))[, "Std. Error"],
      tolerance = 1e-6,
      ignore_attr = TRUE
    )
    expect_equal(
      anova(fits$levels)$`F value`,
      anova(fits$dummies)$`F value`,
      tolerance = 1e-6
    )
  }
})

test_that("an option that is no number of levels is refused", {
  for (given in list("20", NA, c(10, 20))) {
    rlang::local_options(rlmm.large_factor = given)
    expect_error(
      rlmm(diameter ~ plate + (1 | sample), Penicillin),
      "rlmm.large_factor",
      class = "rlmm_error_argument"
    )
  }
})

repeated <- function(data, w) data[rep(seq_len(nrow(data)), w), ]

test_that("frequency weights are repeated rows, of a linear model", {
  d <- sleepstudy
  set.seed(1)
  d$w <- rpois(180, 2)
  for (reml in c(TRUE, FALSE)) {
    fit <- rlmm(
      Reaction ~ Days + (Days | Subject),
      d,
      REML = reml,
      weights = w,
      weights_type = "frequency"
    )
    rows <- rlmm(
      Reaction ~ Days + (Days | Subject),
      repeated(d, d$w),
      REML = reml
    )
    expect_equal(nobs(fit), sum(d$w))
    expect_equal(logLik(fit), logLik(rows))
    expect_equal(BIC(fit), BIC(rows))
    expect_equal(df.residual(fit), df.residual(rows))
    expect_equal(coef(summary(fit)), coef(summary(rows)))
    expect_equal(sigma(fit), sigma(rows))
    expect_equal(VarCorr(fit), VarCorr(rows))
    expect_equal(
      predict(fit, d[1:3, ], se.fit = TRUE),
      predict(rows, d[1:3, ], se.fit = TRUE)
    )
    expect_equal(anova(fit), anova(rows))
  }
  expect_equal(
    logLik(update(fit, . ~ . - Days)),
    logLik(update(rows, . ~ . - Days))
  )
  expect_equal(drop1(fit), drop1(rows), ignore_attr = "heading")
  # The same coefficients at fixed theta, but another likelihood.
  precision <- rlmm(Reaction ~ Days + (Days | Subject), d, weights = w)
  expect_lt(nobs(precision), nobs(fit))
})

test_that("frequency weights are repeated rows, of generalized models", {
  d <- grouseticks
  d$w <- 1 + d$TICKS %% 3
  d$any <- d$TICKS > 0
  formulas <- list(
    poisson = TICKS ~ YEAR + (1 | BROOD),
    binomial = any ~ YEAR + (1 | BROOD)
  )
  for (family in names(formulas)) {
    fit <- rglmm(
      formulas[[family]],
      d,
      family = family,
      weights = w,
      weights_type = "frequency"
    )
    rows <- rglmm(formulas[[family]], repeated(d, d$w), family = family)
    expect_equal(nobs(fit), sum(d$w))
    expect_equal(logLik(fit), logLik(rows))
    expect_equal(coef(summary(fit)), coef(summary(rows)))
  }
})

test_that("frequencies are whole numbers", {
  d <- transform(sleepstudy, w = Days / 2)
  expect_snapshot({
    writeLines(error_lines(rlmm(
      Reaction ~ 1 + (1 | Subject),
      d,
      weights = w,
      weights_type = "frequency"
    )))
    writeLines(error_lines(rlmm(
      Reaction ~ 1 + (1 | Subject),
      d,
      weights_type = "counts"
    )))
  })
  plain <- rlmm(Reaction ~ 1 + (1 | Subject), d)
  same <- rlmm(Reaction ~ 1 + (1 | Subject), d, weights_type = "frequency")
  expect_equal(logLik(same), logLik(plain))
})

test_that("degrees of freedom are Satterthwaite's unless something else is asked for", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(
    coef(summary(fit)),
    coef(summary(fit, ddf = "Satterthwaite"))
  )
  expect_identical(
    colnames(coef(summary(fit))),
    c("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)")
  )
})

test_that("unknown kinds of tests are refused", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_error(summary(fit, ddf = "Kackar"))
})

test_that("correlations of many coefficients are shown on request", {
  fit <- suppressMessages(rlmm(
    weight ~ factor(Time) * Diet + (1 | Chick),
    ChickWeight
  ))
  expect_match(
    format(summary(fit)),
    "Correlations of the 48 fixed effects",
    all = FALSE
  )
  expect_match(
    format(summary(fit), correlation = TRUE),
    "^Correlation of fixed effects",
    all = FALSE
  )
  expect_false(any(grepl(
    "Correlation",
    format(summary(fit, correlation = FALSE))
  )))
})

test_that("Satterthwaite's method is refused for generalized models", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  refused <- "rlmm_error_not_available"
  expect_error(summary(fit, ddf = "Satterthwaite"), class = refused)
  expect_error(anova(fit, ddf = "Satterthwaite"), class = refused)
  expect_error(contest(fit, diag(4), ddf = "Satterthwaite"), class = refused)
})

test_that("log-likelihood and criteria are lme4's", {
  for_each_pair(function(fit, lme4) {
    expect_equal(logLik(fit), stats::logLik(lme4), tolerance = 1e-9)
    expect_equal(
      logLik(fit, REML = FALSE),
      stats::logLik(lme4, REML = FALSE),
      tolerance = 1e-9
    )
    expect_equal(
      deviance(fit, REML = FALSE),
      stats::deviance(lme4, REML = FALSE),
      tolerance = 1e-9,
      ignore_attr = TRUE
    )
    expect_equal(AIC(fit), AIC(lme4), tolerance = 1e-9)
    expect_equal(BIC(fit), BIC(lme4), tolerance = 1e-9)
    expect_equal(nobs(fit), stats::nobs(lme4))
    expect_equal(df.residual(fit), stats::df.residual(lme4))
    expect_equal(isREML(fit), lme4::isREML(lme4))
    # Without fixed effects there is no determinant to take the logarithm of.
    if (length(fixef(fit)) == 0) {
      return()
    }
    expect_equal(
      logLik(fit, REML = TRUE),
      stats::logLik(lme4, REML = TRUE),
      tolerance = 1e-9
    )
    expect_equal(
      REMLcrit(fit),
      lme4::REMLcrit(lme4),
      tolerance = 1e-9,
      ignore_attr = TRUE
    )
  })
})

test_that("extractAIC() refits by maximum likelihood", {
  for_each_pair(
    function(fit, lme4) {
      expect_equal(extractAIC(fit), stats::extractAIC(lme4), tolerance = 1e-7)
      expect_equal(
        extractAIC(fit, k = 5),
        stats::extractAIC(lme4, k = 5),
        tolerance = 1e-7
      )
    },
    c("dyestuff_ml", "sleep")
  )
})

test_that("AICc() corrects for few observations", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  expect_equal(AICc(fit), AIC(fit) + 2 * 3 * 4 / (30 - 3 - 1))
  line <- lm(dist ~ speed, cars)
  expect_equal(AICc(line), AIC(line) + 2 * 3 * 4 / (50 - 3 - 1))
  expect_identical(small_sample_term(10, 11), Inf)
})

test_that("a given sigma is no parameter and is not profiled out", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, sigma = 50)
  expect_equal(attr(logLik(fit), "df"), 2)
  expect_equal(df.residual(fit), 28)
  dense <- dense_estimates(
    modifyList(fit_spec(fit), list(reml = FALSE)),
    fit$theta
  )
  expect_equal(deviance(fit, REML = TRUE), deviance(fit))
  expect_equal(deviance(fit, REML = FALSE), dense$objective, tolerance = 1e-10)
})

test_that("AIC() and BIC() compare fits, and refuse what is none", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  smaller <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  line <- lm(Reaction ~ Days, sleepstudy)
  found <- AIC(fit, smaller, line, k = 3)
  expect_identical(rownames(found), c("fit", "smaller", "line"))
  # lme4: lmer() of the same models; stats: AIC(line).
  expect_equal(found$df, c(6, 4, 3))
  expect_equal(
    found$AIC,
    c(1751.9393 + 18, 1794.0786 + 12, AIC(line) + 3),
    tolerance = 1e-6
  )
  expect_equal(BIC(fit, smaller)$BIC, c(BIC(fit), BIC(smaller)))
  expect_equal(vapply(list(fit, smaller), AIC, 0), AIC(fit, smaller)$AIC)
  expect_snapshot({
    writeLines(error_lines(AIC(fit, kk = 3)))
    writeLines(error_lines(AIC(fit, 3)))
    writeLines(error_lines(BIC(fit, k = 3)))
  })
})

test_that("a generalized model has no REML deviance", {
  fit <- rglmm(incidence ~ period + (1 | herd), cbpp, poisson)
  expect_error(deviance(fit, REML = TRUE), class = "rlmm_error_not_available")
  expect_equal(deviance(fit, REML = FALSE), deviance(fit))
})

# Fixed effects that are held: offsets, in whatever is done with the fit.

test_that("a held coefficient is an offset", {
  for (reml in c(TRUE, FALSE)) {
    fit <- hold(list(beta = c(Days = 12)), REML = reml)
    offset <- rlmm(
      Reaction ~ 1 + offset(12 * Days) + (Days | Subject),
      sleepstudy,
      REML = reml
    )
    expect_equal(fixef(fit), c(fixef(offset), Days = 12), tolerance = 1e-8)
    expect_equal(logLik(fit), logLik(offset), tolerance = 1e-10)
    expect_equal(
      logLik(fit, REML = !reml),
      logLik(offset, REML = !reml),
      tolerance = 1e-10
    )
    expect_equal(VarCorr(fit), VarCorr(offset), tolerance = 1e-6)
    expect_equal(
      vcov(fit),
      cbind(rbind(vcov(offset), Days = 0), Days = 0),
      tolerance = 1e-6
    )
    expect_equal(fitted(fit), fitted(offset), tolerance = 1e-7)
    expect_equal(
      predict(fit, re.form = NA, se.fit = TRUE),
      predict(offset, re.form = NA, se.fit = TRUE),
      tolerance = 1e-6
    )
    expect_equal(hatvalues(fit), hatvalues(offset), tolerance = 1e-6)
    expect_equal(
      hatvalues(fit),
      diag(as.matrix(hatvalues(fit, fullHatMatrix = TRUE))),
      tolerance = 1e-6
    )
    expect_equal(cooks.distance(fit), cooks.distance(offset), tolerance = 1e-6)
    expect_equal(
      coef(summary(fit))["(Intercept)", ],
      coef(summary(offset))[1, ],
      tolerance = 1e-5
    )
    expect_equal(
      coef(summary(fit))["Days", ],
      c(12, 0, NA, NA, NA),
      ignore_attr = TRUE
    )
    expect_equal(dim(vcov(fit, full = TRUE)), c(38L, 38L))
    expect_equal(unname(confint(fit, "Days", method = "Wald")[1, ]), c(12, 12))
    expect_equal(getME(fit, "RX"), getME(offset, "RX"), tolerance = 1e-6)
  }
  # A test of the value: the reduced model is the one with the coefficient held.
  free <- sleep_fit(REML = FALSE)
  table <- anova(free, hold(list(beta = c(Days = 12)), REML = FALSE))
  expect_equal(table$Df[2], 1)
  expect_output(
    print(hold(list(beta = c(Days = 12)))),
    "Held at given values: the coefficient `Days`",
    fixed = TRUE
  )
})

test_that("held coefficients stay in what is fitted again and simulated", {
  fit <- hold(list(beta = c(Days = 12)))
  expect_identical(
    fixef(refit(fit, sleepstudy$Reaction + 3 * sleepstudy$Days))[["Days"]],
    12
  )
  expect_identical(fixef(refitML(fit))[["Days"]], 12)
  expect_identical(fixef(update(fit, . ~ . + I(Days^2)))[["Days"]], 12)
  expect_gt(fixef(update(fit, control = rlmm_control()))[["Days"]], 10)
  draws <- simulate(fit, 200, seed = 1, re.form = NA)
  slope <- apply(as.matrix(draws), 2, \(y) {
    stats::coef(stats::lm(y ~ sleepstudy$Days))[[2]]
  })
  expect_equal(mean(slope), 12, tolerance = 0.05)
  all <- hold(list(beta = c("(Intercept)" = 250, Days = 10)))
  expect_equal(
    logLik(all),
    logLik(rlmm(
      Reaction ~ 0 + offset(250 + 10 * Days) + (Days | Subject),
      sleepstudy
    ))
  )
  expect_error(
    hold(list(beta = c(Weeks = 1))),
    "There is no \"Weeks\"",
    class = "rlmm_error_fixed"
  )
  dropped <- Reaction ~ Days + I(2 * Days) + (1 | Subject)
  expect_error(
    suppressMessages(hold(list(beta = c("I(2 * Days)" = 1)), dropped)),
    "dropped",
    class = "rlmm_error_fixed"
  )
  expect_error(
    rglmm(
      cbind(incidence, size - incidence) ~ 1 + (1 | herd),
      cbpp,
      binomial,
      control = rlmm_control(fixed = list(beta = c("(Intercept)" = 0)))
    ),
    class = "rlmm_error_not_available"
  )
})

test_that("a summary of held coefficients doesn't warn, and shows no correlation with them", {
  for (beta in list(c(Days = 10), c("(Intercept)" = 250, Days = 10))) {
    fit <- rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      control = rlmm_control(fixed = list(beta = beta))
    )
    expect_no_warning(shown <- format(summary(fit)))
    expect_no_match(shown, "Correlation of fixed effects|NaN")
    expect_no_warning(
      correlation <- attr(vcov(fit, correlation = TRUE), "correlation")
    )
    expect_identical(unname(diag(correlation)), c(1, 1))
    held <- names(fixef(fit)) %in% names(beta)
    expect_identical(
      is.na(coef(summary(fit))[, "df"]),
      setNames(held, names(fixef(fit)))
    )
    limits <- coef(summary(fit), conf.int = TRUE)[
      held,
      c("2.5 %", "97.5 %"),
      drop = FALSE
    ]
    expect_equal(limits, confint(fit, rownames(limits), method = "Wald"))
  }
})

test_that("a model without coefficients says so", {
  none <- rlmm_control(fixed = list(beta = c(Days = 1)))
  expect_error(
    rlmm(Reaction ~ 0 + (1 | Subject), sleepstudy, control = none),
    "It has none",
    class = "rlmm_error_fixed"
  )
})

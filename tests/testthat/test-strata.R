growth <- function() {
  d <- as.data.frame(nlme::Orthodont)
  d$Subject <- factor(d$Subject, ordered = FALSE)
  d
}

test_that("strata have nlme's variances", {
  d <- growth()
  for (reml in c(TRUE, FALSE)) {
    ours <- rlmm(
      distance ~ age * Sex + (1 | Subject),
      d,
      REML = reml,
      dispersion = ~Sex
    )
    theirs <- nlme::lme(
      distance ~ age * Sex,
      random = ~ 1 | Subject,
      data = d,
      weights = nlme::varIdent(form = ~ 1 | Sex),
      method = if (reml) "REML" else "ML"
    )
    ratio <- coef(theirs$modelStruct$varStruct, unconstrained = FALSE)
    found <- residual_strata(ours)
    expect_equal(
      as.numeric(logLik(ours)),
      as.numeric(logLik(theirs)),
      tolerance = 1e-8
    )
    expect_equal(attr(logLik(ours), "df"), attr(logLik(theirs), "df"))
    expect_equal(found$ratio[2], unname(ratio), tolerance = 1e-5)
    expect_equal(sigma(ours), theirs$sigma, tolerance = 1e-5)
    expect_equal(fixef(ours), nlme::fixef(theirs), tolerance = 1e-6)
    expect_equal(vcov(ours), vcov(theirs), tolerance = 1e-4)
    limits <- nlme::intervals(theirs, which = "var-cov")$varStruct
    expect_equal(
      c(found$lwr[2], found$upr[2]),
      unname(limits[1, c("lower", "upper")]),
      tolerance = 1e-3
    )
  }
})

test_that("crossed strata, with several random effects", {
  d <- growth()
  ours <- rlmm(
    distance ~ age * Sex + (age | Subject),
    d,
    dispersion = ~ Sex:factor(age)
  )
  theirs <- nlme::lme(
    distance ~ age * Sex,
    random = ~ age | Subject,
    data = d,
    weights = nlme::varIdent(form = ~ 1 | Sex * age),
    control = nlme::lmeControl(opt = "optim", maxIter = 200, msMaxIter = 500)
  )
  expect_equal(
    as.numeric(logLik(ours)),
    as.numeric(logLik(theirs)),
    tolerance = 1e-6
  )
  expect_gte(as.numeric(logLik(ours)), as.numeric(logLik(theirs)) - 1e-6)
  # glmmTMB 1.1.14: the logarithms of sigma, as their sums.
  s <- transform(
    sleepstudy,
    late = Days > 4,
    odd = factor(as.integer(Subject) %% 2)
  )
  fit <- rlmm(Reaction ~ Days + (Days | Subject), s, dispersion = ~ late * odd)
  expect_equal(as.numeric(logLik(fit)), -861.1632796, tolerance = 1e-9)
  parts <- c(3.0588384903, 0.4449146809, -0.3475719387, 0.2177948230)
  found <- residual_strata(fit)
  expect_equal(
    log(found$sigma),
    c(parts[1], sum(parts[1:2]), sum(parts[c(1, 3)]), sum(parts)),
    tolerance = 1e-5
  )
  expect_equal(
    found$std.error[2:3],
    c(0.19580842, 0.17984805),
    tolerance = 1e-3
  )
})

test_that("the gradient is that of differences", {
  d <- growth()
  for (reml in c(TRUE, FALSE)) {
    fit <- rlmm(
      distance ~ age + (1 | Subject),
      d,
      REML = reml,
      dispersion = ~ Sex:factor(age)
    )
    design <- fit_design(fit)
    control <- core_control(fit$control, 0L, design, fit_held(fit))
    at <- seq(-0.6, 0.6, length.out = 7)
    value <- \(gamma) strata_point(design, gamma, fit$theta, control)$objective
    numeric <- vapply(
      seq_along(at),
      \(k) {
        step <- replace(0 * at, k, 1e-4)
        (value(at + step) - value(at - step)) / 2e-4
      },
      1
    )
    exact <- strata_point(design, at, fit$theta, control)$gradient
    expect_equal(exact, numeric, tolerance = 1e-5)
  }
})

test_that("a fit with strata is fitted again with them", {
  d <- transform(growth(), w = 1 + (age > 9))
  fit <- rlmm(
    distance ~ age * Sex + (1 | Subject),
    d,
    weights = w,
    dispersion = ~Sex
  )
  again <- \(formula = distance ~ age * Sex + (1 | Subject), ...) {
    rlmm(formula, d, weights = w, dispersion = ~Sex, ...)
  }
  same <- \(a, b) expect_equal(logLik(a), logLik(b), tolerance = 1e-8)
  expect_equal(unname(weights(fit)), d$w)
  same(refit(fit, d$distance), fit)
  same(refit(fit, newweights = d$w), fit)
  same(refitML(fit), again(REML = FALSE))
  same(
    update(fit, . ~ . - age:Sex),
    again(distance ~ age + Sex + (1 | Subject))
  )
  plain <- rlmm(distance ~ age * Sex + (1 | Subject), d, weights = w)
  same(update(fit, dispersion = NULL), plain)
  same(update(plain, dispersion = ~Sex), fit)
  expect_equal(
    drop1(fit)$AIC,
    c(
      AIC(refitML(fit)),
      AIC(again(distance ~ age + Sex + (1 | Subject), REML = FALSE))
    ),
    tolerance = 1e-7
  )
  table <- anova(plain, fit)
  expect_equal(table$Df[2], 1)
  expect_equal(
    table$Chisq[2],
    as.numeric(2 * (logLik(refitML(fit)) - logLik(refitML(plain)))),
    tolerance = 1e-6
  )
})

test_that("predictions and simulated responses have the variance of their stratum", {
  d <- growth()
  fit <- rlmm(distance ~ age * Sex + (1 | Subject), d, dispersion = ~Sex)
  sigmas <- residual_strata(fit)$sigma
  new <- data.frame(
    age = 10,
    Sex = c("Male", "Female"),
    Subject = c("M01", "F01")
  )
  found <- predict(
    fit,
    new,
    interval = "prediction",
    se.fit = TRUE,
    ddf = "asymptotic"
  )
  expect_equal(
    unname((found$fit[, "upr"] - found$fit[, "fit"]) / qnorm(0.975)),
    unname(sqrt(found$se.fit^2 + sigmas^2))
  )
  draws <- as.matrix(simulate(
    fit,
    4000,
    seed = 1,
    newdata = new,
    re.form = NULL
  ))
  expect_equal(
    apply(draws, 1, sd),
    sigmas,
    tolerance = 0.05,
    ignore_attr = TRUE
  )
  expect_equal(
    unname(residuals(fit, type = "scaled")),
    unname(resid(fit) / sigmas[as.integer(d$Sex)])
  )
})

test_that("what strata can't be, and what isn't there for them, is told", {
  d <- growth()
  formula <- distance ~ age + (1 | Subject)
  fit <- rlmm(formula, d, dispersion = ~Sex)
  expect_snapshot({
    writeLines(error_lines(rlmm(formula, d, dispersion = ~ Sex + age)))
    writeLines(error_lines(rlmm(formula, d, dispersion = ~age)))
    writeLines(error_lines(rlmm(formula, d, dispersion = ~sex)))
    writeLines(error_lines(rlmm(formula, d, dispersion = age)))
    writeLines(error_lines(rlmm(formula, d, dispformula = ~Sex)))
    writeLines(error_lines(allFit(fit)))
    writeLines(error_lines(profile(fit)))
    writeLines(error_lines(residual_strata(rlmm(formula, d))))
    writeLines(error_lines(rlmm(
      formula,
      d,
      dispersion = ~Sex,
      devFunOnly = TRUE
    )))
    writeLines(error_lines(predict(
      fit,
      transform(d[1, ], Sex = "unknown"),
      interval = "prediction"
    )))
  })
  expect_error(cAIC(fit), class = "rlmm_error_not_available")
  expect_message(confint(fit), class = "rlmm_message_wald")
  expect_output(print(fit), "Residual standard deviations by stratum: Male")
  one <- rlmm(formula, d[d$Sex == "Male", ], dispersion = ~Sex)
  expect_null(one$strata)
  expect_equal(logLik(one), logLik(rlmm(formula, d[d$Sex == "Male", ])))
})

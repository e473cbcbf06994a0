lrt <- \(fit, type) anova(fit, type = type, test = "LRT")

test_that("tests are differences of log-likelihoods of the models written out", {
  skip_if_not_installed("lme4")
  data <- lme4::cake[-c(3, 7, 20:30, 100:109), ]
  data$dose <- as.numeric(data$temperature)
  fit <- rlmm(angle ~ recipe * dose + (1 | recipe:replicate), data)
  ml <- \(formula) as.numeric(logLik(lme4::lmer(formula, data, REML = FALSE)))
  random <- "+ (1 | recipe:replicate)"
  of <- \(fixed) ml(as.formula(paste("angle ~", fixed, random)))
  full <- of("recipe * dose")
  main <- of("recipe + dose")
  first <- lrt(fit, 1)
  expect_equal(
    first$Chisq,
    2 * c(of("recipe") - of("1"), main - of("recipe"), full - main),
    tolerance = 1e-5
  )
  expect_equal(first$Df, c(2, 1, 2))
  # An interaction with a covariate doesn't contain the factor, as in lmerTest.
  second <- lrt(fit, 2)
  expect_equal(
    second$Chisq,
    2 * c(full - of("dose + recipe:dose"), main - of("recipe"), full - main),
    tolerance = 1e-5
  )
  # Type III: columns of sum-to-zero coding are left out.
  x <- model.matrix(
    ~ recipe * dose,
    data,
    contrasts.arg = list(recipe = "contr.sum")
  )
  assign <- attr(x, "assign")
  without <- \(i) {
    data$x <- x[, assign != i]
    as.numeric(logLik(lme4::lmer(
      angle ~ 0 + x + (1 | recipe:replicate),
      data,
      REML = FALSE
    )))
  }
  expect_equal(
    lrt(fit, 3)$Chisq,
    2 * (full - vapply(1:3, without, 0)),
    tolerance = 1e-4
  )
})

test_that("generalized models have them, too", {
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + size + (1 | herd),
    cbpp,
    family = binomial
  )
  found <- lrt(herds, 3)
  without <- \(change) as.numeric(logLik(update(herds, change)))
  expect_equal(
    found$Chisq,
    2 *
      (as.numeric(logLik(herds)) -
        c(without(. ~ . - period), without(. ~ . - size))),
    tolerance = 1e-5
  )
  expect_equal(found$Df, c(3, 1))
  expect_snapshot(writeLines(attr(found, "heading")))
})

test_that("held coefficients and thetas stay so", {
  control <- rlmm_control(fixed = list(beta = c(Days = 10)))
  sleepstudy$odd <- sleepstudy$Days %% 2
  fit <- rlmm(
    Reaction ~ Days + odd + (1 | Subject),
    sleepstudy,
    control = control
  )
  off <- rlmm(Reaction ~ odd + offset(10 * Days) + (1 | Subject), sleepstudy)
  expect_equal(lrt(fit, 2)$Chisq, lrt(off, 2)$Chisq, tolerance = 1e-7)
})

test_that("another test is refused", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot(writeLines(error_lines(anova(fit, test = "score"))))
})

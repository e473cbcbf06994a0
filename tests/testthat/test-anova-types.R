# lmerTest's tables at our estimates, by as_merMod().
same_tables <- function(formula, data) {
  skip_if_not_installed("lmerTest")
  environment(formula) <- environment()
  fit <- suppressMessages(rlmm(formula, data))
  theirs <- getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  for (type in c("I", "II", "III")) {
    ours <- as.data.frame(anova(fit, type = type))
    expected <- suppressMessages(as.data.frame(anova(theirs, type = type)))
    expect_identical(rownames(ours), rownames(expected))
    expect_equal(ours, expected, tolerance = 1e-4, ignore_attr = TRUE)
  }
}

test_that("tables of types I, II and III are lmerTest's", {
  skip_if_not_installed("lme4")
  cake <- lme4::cake
  same_tables(angle ~ recipe * temp + (1 | recipe:replicate), cake)
  unbalanced <- cake[-c(3, 7, 20:30, 100:109), ]
  same_tables(angle ~ recipe * temperature + (1 | recipe:replicate), unbalanced)
  same_tables(angle ~ recipe / temp + (1 | replicate), unbalanced)
  same_tables(Reaction ~ Days + I(Days^2) + (Days | Subject), sleepstudy)
  same_tables(Reaction ~ 0 + factor(Days) + (1 | Subject), sleepstudy)
})

test_that("lmerTest's documented examples give its tables", {
  skip_if_not_installed("lmerTest")
  data("ham", "carrots", package = "lmerTest", envir = environment())
  same_tables(
    Informed.liking ~ Product *
      Information +
      (1 | Consumer) +
      (1 | Product:Consumer),
    ham
  )
  same_tables(Preference ~ sens2 * Homesize + (1 + sens2 | Consumer), carrots)
})

test_that("type III doesn't depend on how factors are coded", {
  data <- transform(
    sleepstudy,
    week = factor(Days %/% 4),
    odd = factor(Days %% 2)
  )
  data <- data[-(1:7), ]
  fit_by <- function(coding) {
    rlmm(
      Reaction ~ week * odd + (1 | Subject),
      data,
      contrasts = list(week = coding, odd = coding)
    )
  }
  # What is tested is the same, but not in terms of the coefficients.
  table_by <- \(coding) structure(anova(fit_by(coding)), hypotheses = NULL)
  reference <- table_by("contr.treatment")
  expect_equal(table_by("contr.sum"), reference, tolerance = 1e-6)
  expect_equal(table_by("contr.helmert"), reference, tolerance = 1e-6)
})

test_that("a generalized model has Wald's tests", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  found <- anova(fit)
  wald <- drop(fixef(fit)[-1] %*% solve(vcov(fit)[-1, -1], fixef(fit)[-1]))
  expect_equal(found$Chisq, wald)
  expect_identical(found$Df, 3L)
  expect_equal(anova(fit, type = 1)$Chisq, wald)
})

test_that("lme4's table is there by ddf = \"none\", and empty models have none", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_named(
    anova(fit, ddf = "none"),
    c("npar", "Sum Sq", "Mean Sq", "F value")
  )
  expect_identical(anova(fit, ddf = "lme4"), anova(fit, ddf = "none"))
  expect_identical(
    nrow(anova(rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy))),
    0L
  )
  expect_snapshot(anova(fit))
  expect_error(anova(fit, type = "IV"), class = "rlmm_error_argument")
  expect_error(anova(fit, ddf = "kr"), class = "rlmm_error_argument")
})

test_that("types are also written as text, and held coefficients have no test", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(anova(fit, type = "2"), anova(fit, type = "II"))
  control <- rlmm_control(fixed = list(beta = c(Days = 10)))
  held <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = control
  )
  expect_identical(anova(held)[["F value"]], NA_real_)
})

test_that("hypotheses are shown by lmerTest", {
  fit <- rlmm(angle ~ recipe * temp + (1 | recipe:replicate), lme4::cake)
  skip_if_not_installed("lmerTest")
  theirs <- getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  show <- getExportedValue("lmerTest", "show_tests")
  for (type in c("I", "II", "III")) {
    ours <- show(anova(fit, type = type))
    reference <- show(anova(theirs, type = type))
    expect_equal(ours, reference, tolerance = 1e-6, info = type)
  }
})

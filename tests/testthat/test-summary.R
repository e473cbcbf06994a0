test_that("the table of the fixed effects is lme4's, with p-values", {
  for_each_pair(
    function(fit, lme4) {
      table <- coef(summary(fit, ddf = "none"))
      expect_equal(table, coef(summary(lme4)), tolerance = 1e-6)
    },
    setdiff(accessor_models, "sleep_no_fixed")
  )
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  table <- coef(summary(fit, ddf = "asymptotic"))
  expect_identical(
    colnames(table),
    c("Estimate", "Std. Error", "z value", "Pr(>|z|)")
  )
  expect_equal(table[, 4], 2 * pnorm(-abs(table[, 3])))
})

test_that("confidence limits on request", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  table <- coef(summary(fit, ddf = "asymptotic"), conf.int = TRUE, level = 0.9)
  expect_identical(
    table[, 3:4],
    confint(fit, "beta_", level = 0.9, method = "Wald")
  )
  expect_identical(
    coef(summary(fit, conf.int = TRUE)),
    coef(summary(fit), conf.int = TRUE)
  )
})

test_that("the summary has lme4's elements", {
  for_each_pair(
    function(fit, lme4) {
      ours <- summary(fit)
      theirs <- summary(lme4)
      shared <- c("sigma", "ngrps", "isLmer", "useScale")
      expect_equal(
        unclass(ours)[shared],
        unclass(theirs)[shared],
        tolerance = 1e-6
      )
      expect_equal(
        ours$residuals,
        theirs$residuals,
        tolerance = 1e-6,
        ignore_attr = TRUE
      )
      expect_equal(ours$logLik, theirs$logLik, tolerance = 1e-8)
      same <- intersect(names(theirs$AICtab), names(ours$AICtab))
      expect_gte(length(same), 1)
      expect_equal(ours$AICtab[same], theirs$AICtab[same], tolerance = 1e-8)
    },
    c("sleep", "sleep_ml", "pastes", "cbpp")
  )
})

test_that("summaries read well", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  ml <- rlmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    Penicillin,
    REML = FALSE
  )
  none <- rlmm(Reaction ~ 0 + (1 | Subject), sleepstudy)
  withr::local_options(show.signif.stars = FALSE)
  expect_snapshot({
    summary(fit)
    summary(fit, ddf = "none", correlation = FALSE)
    summary(fit, conf.int = TRUE, correlation = FALSE)
    summary(ml)
    summary(none)
    print(summary(fit), symbolic.cor = TRUE, show.resids = FALSE)
  })
})

test_that("a fit without its data is summarised all the same", {
  slim <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(slim = TRUE)
  )
  full <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(format(slim), format(full, ddf = "asymptotic"))
  expect_identical(
    format(summary(slim)),
    format(summary(full, ddf = "asymptotic"), show.resids = FALSE)
  )
  expect_identical(plain_modes(ranef(slim)), plain_modes(ranef(full)))
  expect_equal(logLik(slim, REML = FALSE), logLik(full, REML = FALSE))
  expect_identical(getME(slim, "n"), 180L)
  expect_error(ranef(slim, condVar = TRUE), class = "rlmm_error_slim")
  expect_error(getME(slim, "X"), class = "rlmm_error_slim")
  expect_error(getME(slim, "mu"), class = "rlmm_error_slim")
})

test_that("a summary says which tests it has, unless they are the usual ones", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  last <- \(ddf) tail(format(summary(fit, ddf = ddf)), 1)
  expect_identical(last("Kenward-Roger"), "Tests with Kenward-Roger's method.")
  expect_identical(
    last("containment"),
    "Tests with degrees of freedom by containment."
  )
  expect_false(startsWith(last("Satterthwaite"), "Tests with"))
})

test_that("a table without fixed effects has the columns of one with them", {
  fit <- rlmm(Reaction ~ 0 + (1 | Subject), sleepstudy)
  with_effects <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  for (ddf in c("none", "satterthwaite", "residual", "asymptotic")) {
    table <- coef(summary(fit, ddf = ddf))
    expect_identical(nrow(table), 0L)
    expect_identical(
      colnames(table),
      colnames(coef(summary(with_effects, ddf = ddf)))
    )
  }
})

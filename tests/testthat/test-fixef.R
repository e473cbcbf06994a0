test_that("fixef() and coef() are lme4's", {
  for_each_pair(function(fit, lme4) {
    expect_equal(fixef(fit), lme4::fixef(lme4), tolerance = 1e-6)
    ours <- lapply(unclass(coef(fit)), identity)
    theirs <- lapply(unclass(coef(lme4)), identity)
    expect_equal(ours, theirs, tolerance = 1e-6)
  })
})

test_that("dropped columns are NA in the formula's order", {
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + I(2 * Days) + I(Days^2) + (1 | Subject),
    sleepstudy
  ))
  full <- fixef(fit, add.dropped = TRUE)
  expect_named(full, c("(Intercept)", "Days", "I(2 * Days)", "I(Days^2)"))
  expect_identical(full[-3], fixef(fit))
  expect_true(is.na(full[[3]]))
})

test_that("coef() puts effects that are only random first", {
  fit <- rlmm(Reaction ~ 1 + (Days | Subject), sleepstudy)
  expect_named(coef(fit)$Subject, c("Days", "(Intercept)"))
  expect_equal(coef(fit)$Subject$Days, ranef(fit)$Subject$Days)
  fit <- suppressMessages(rlmm(
    score ~ 1 + (0 + Machine | Worker) + (1 | Machine:Worker),
    nlme::Machines
  ))
  expect_named(
    coef(fit)[["Machine:Worker"]],
    c("MachineA", "MachineB", "MachineC", "(Intercept)")
  )
  expect_identical(coef(fit)[["Machine:Worker"]]$MachineA, numeric(18))
})

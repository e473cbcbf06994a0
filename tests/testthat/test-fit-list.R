test_that("c() of fits is a list of them", {
  fit1 <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  fit2 <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  expect_identical(c(fit1, fit2), list(fit1, fit2))
  expect_identical(c(a = fit1, b = fit2), list(a = fit1, b = fit2))
  expect_identical(c(fit1), list(fit1))
  expect_identical(c(fit1, list(fit2, b = fit1)), list(fit1, fit2, b = fit1))
  expect_identical(sapply(c(fit1, fit2), AIC), c(AIC(fit1), AIC(fit2)))
})

test_that("fits of other packages stand beside ours", {
  ours <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  simple <- lm(Reaction ~ Days, sleepstudy)
  expect_identical(c(ours, simple), list(ours, simple))
  skip_if_not_installed("lme4")
  theirs <- lme4::lmer(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_equal(sapply(c(ours, theirs), AIC), rep(AIC(theirs), 2))
})

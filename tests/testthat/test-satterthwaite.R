satterthwaite_models <- list(
  list(Reaction ~ Days + (Days | Subject), "sleepstudy"), list(Reaction ~ Days + (1 | Subject), "sleepstudy"),
  list(Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), "sleepstudy"),
  list(diameter ~ 1 + (1 | plate) + (1 | sample), "Penicillin"), list(strength ~ 1 + (1 | batch/cask), "Pastes"),
  list(Yield ~ 1 + (1 | Batch), "Dyestuff")
)

test_that("the degrees of freedom are lmerTest's", {
  skip_if_not_installed("lmerTest")
  for (model in satterthwaite_models) {
    data <- get(model[[2]], asNamespace("rlmm"))
    table <- coef(summary(rlmm(model[[1]], data), ddf = "none"))
    for (reml in c(TRUE, FALSE)) {
      table <- coef(summary(rlmm(model[[1]], data, REML = reml), ddf = "satterthwaite"))
      theirs <- suppressMessages(lmerTest::lmer(model[[1]], data, REML = reml))
      expected <- coef(summary(theirs))
      expect_identical(colnames(table), colnames(expected))
      expect_equal(table[, "df"], expected[, "df"], tolerance = 1e-3, info = deparse(model[[1]]))
    }
  }
})

test_that("balanced data have the classical degrees of freedom", {
  # The mean of a balanced one-way layout has as many as there are groups, less one; the slope likewise.
  expect_equal(satterthwaite_df(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)), 5, tolerance = 1e-5)
  expect_equal(satterthwaite_df(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)), c(17, 17), tolerance = 1e-4)
})

test_that("limits and p-values follow from them", {
  found <- summary(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy), ddf = "satterthwaite")
  table <- coef(found, conf.int = TRUE)
  expect_equal(
    table[, 4], table[, "Estimate"] + stats::qt(0.975, table[, "df"]) * table[, "Std. Error"], ignore_attr = TRUE
  )
  expect_equal(table[, "Pr(>|t|)"], 2 * stats::pt(-abs(table[, "t value"]), table[, "df"]))
  expect_output(print(found), "Pr(>|t|)", fixed = TRUE)
})

test_that("terms at the boundary are taken as known", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_equal(satterthwaite_df(fit), 29, tolerance = 1e-5)
})

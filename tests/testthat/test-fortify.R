test_that("the data of a fit come with its fitted values and residuals", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  table <- fortify.rlmm(fit, sleepstudy)
  expect_identical(table[names(sleepstudy)], sleepstudy)
  expect_equal(table$.fitted + table$.resid, sleepstudy$Reaction)
  expect_equal(table$.scresid, unname(resid(fit)) / sigma(fit))
  expect_equal(table$.hat, unname(hatvalues(fit)))
  expect_equal(
    table$.fixed,
    drop(model.matrix(fit) %*% fixef(fit)),
    ignore_attr = TRUE
  )
  part <- sleepstudy
  part$Days[2] <- NA
  fit <- update(fit, data = part, na.action = na.exclude)
  expect_equal(nrow(fortify.rlmm(fit)), 179)
  expect_equal(fortify.rlmm(fit, part)$Days, part$Days[-2])
  expect_snapshot(writeLines(error_lines(fortify.rlmm(fit, part[1:3, ]))))
})

test_that("lme4's columns are lme4's", {
  skip_if_not_installed("lme4")
  ours <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  theirs <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
  columns <- c(".fitted", ".resid", ".scresid")
  expected <- utils::getFromNamespace("fortify.merMod", "lme4")(theirs)
  expect_equal(
    fortify.rlmm(ours)[columns],
    expected[columns],
    tolerance = 1e-4,
    ignore_attr = TRUE
  )
})

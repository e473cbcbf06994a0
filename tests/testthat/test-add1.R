test_that("a formula as scope adds fixed effects one at a time", {
  data <- transform(sleepstudy, odd = Days %% 2, x = sin(seq_along(Days)))
  fit <- rlmm(Reaction ~ Days + (Days | Subject), data, REML = FALSE)
  table <- add1(fit, ~ . + odd + x, test = "Chisq")
  expect_identical(rownames(table), c("<none>", "odd", "x"))
  larger <- update(fit, . ~ . + x)
  expect_equal(
    table$AIC,
    c(AIC(fit), AIC(update(fit, . ~ . + odd)), AIC(larger)) -
      AIC(fit) +
      table$AIC[1]
  )
  expect_equal(
    table[["Pr(>Chi)"]][3],
    anova(fit, larger)[["Pr(>Chisq)"]][2],
    tolerance = 1e-6
  )
  expect_equal(add1(fit, c("odd", "x"), test = "Chisq"), table)
  expect_equal(
    add1(object = fit, scope = ~ Days + odd + x, test = "Chisq"),
    table
  )
  # An interaction comes after its parts.
  expect_identical(rownames(add1(fit, ~ Days * x)), c("<none>", "x"))
})

test_that("lme4's figures, where its add1() takes the scope", {
  skip_if_not_installed("lme4")
  data <- transform(sleepstudy, x = sin(seq_along(Days)))
  ours <- add1(
    rlmm(Reaction ~ Days + (1 | Subject), data, REML = FALSE),
    ~ . + x
  )
  theirs <- add1(
    lme4::lmer(Reaction ~ Days + (1 | Subject), data, REML = FALSE),
    "x"
  )
  expect_equal(ours$AIC, theirs$AIC, tolerance = 1e-8)
})

test_that("scopes that can't be added are named", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  expect_snapshot(writeLines(error_lines(add1(
    fit,
    ~ . + (0 + Days | Subject)
  ))))
  expect_snapshot(writeLines(error_lines(add1(fit))))
  expect_snapshot(writeLines(error_lines(add1(fit, ~.))))
  expect_error(add1(fit, 3), class = "rlmm_error_argument")
})

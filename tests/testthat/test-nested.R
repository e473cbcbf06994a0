sleepstudy$odd <- sleepstudy$Days %% 2
ml <- \(formula) suppressMessages(rlmm(formula, sleepstudy, REML = FALSE))

test_that("models that aren't nested are told", {
  slopes <- ml(Reaction ~ Days + (Days | Subject))
  other <- ml(Reaction ~ odd + (1 | Subject))
  odd <- ml(Reaction ~ Days + (0 + odd | Subject))
  both <- ml(Reaction ~ Days + odd + (Days | Subject))
  expect_snapshot({
    writeLines(condition_lines(anova(slopes, other)))
    writeLines(condition_lines(anova(slopes, odd)))
    writeLines(condition_lines(anova(slopes, lm(Reaction ~ odd, sleepstudy))))
  })
  expect_no_message(anova(slopes, both))
  expect_no_message(anova(slopes, lm(Reaction ~ Days, sleepstudy)))
})

test_that("other columns of the same space, and other names of the same groups, are nested", {
  sleepstudy$id <- as.integer(sleepstudy$Subject) + 5L
  data <- sleepstudy
  ml <- \(formula) suppressMessages(rlmm(formula, data, REML = FALSE))
  small <- ml(Reaction ~ I(1 + 2 * Days) + (1 | id))
  large <- ml(Reaction ~ factor(Days) + (Days | Subject))
  expect_null(not_nested(small, large))
  expect_match(not_nested(large, small), "factor(Days)", fixed = TRUE)
})

test_that("a slim fit, or a fit of lme4, is looked at as far as it goes", {
  slim <- rlmm(
    Reaction ~ odd + (1 | Subject),
    sleepstudy,
    REML = FALSE,
    control = rlmm_control(slim = TRUE)
  )
  slopes <- ml(Reaction ~ Days + (Days | Subject))
  expect_null(not_nested(slim, slopes))
  skip_if_not_installed("lme4")
  theirs <- lme4::lmer(Reaction ~ odd + (1 | Subject), sleepstudy, REML = FALSE)
  expect_match(not_nested(theirs, slopes), "odd")
})

test_that("models of equal size are told too", {
  a <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  b <- rlmm(Reaction ~ I(Days^2) + (1 | Subject), sleepstudy, REML = FALSE)
  expect_message(
    anova(a, b),
    "there is no test",
    class = "rlmm_message_not_nested"
  )
  again <- rlmm(
    Reaction ~ I(2 * Days) + (1 | Subject),
    sleepstudy,
    REML = FALSE
  )
  expect_no_message(anova(a, again))
})

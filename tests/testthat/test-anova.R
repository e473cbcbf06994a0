# lme4 before 2.0 calls "-2*log(L)" otherwise. Tables of ours have a class besides R's.
expect_same_table <- function(ours, theirs, tolerance = 1e-6) {
  names(theirs)[names(theirs) == "deviance"] <- "-2*log(L)"
  expect_identical(class(ours), c("rlmm_anova", class(theirs)))
  class(ours) <- class(theirs)
  expect_equal(ours, theirs, tolerance = tolerance)
}

test_that("anova() of several fits is lme4's table", {
  skip_if_not_installed("lme4")
  data <- lme4::cake
  data$batch <- interaction(data$recipe, data$replicate)
  table_by <- function(fitter) {
    full <- fitter(angle ~ recipe * temp + (1 | batch) + (1 | replicate), data)
    main <- fitter(angle ~ recipe + temp + (1 | batch) + (1 | replicate), data)
    small <- fitter(angle ~ temp + (1 | replicate), data, REML = FALSE)
    plain <- lm(angle ~ temp, data)
    suppressMessages(anova(full, main, small, plain))
  }
  expect_same_table(table_by(rlmm), table_by(lme4::lmer))
})

test_that("REML fits are compared as they are with refit = FALSE", {
  skip_if_not_installed("lme4")
  table_by <- function(fitter) {
    slopes <- fitter(Reaction ~ Days + (Days | Subject), sleepstudy)
    intercepts <- fitter(Reaction ~ Days + (1 | Subject), sleepstudy)
    anova(slopes, intercepts, refit = FALSE, model.names = c("b", "a"))
  }
  expect_same_table(table_by(rlmm), table_by(lme4::lmer))
})

test_that("refitting is said, and which fits it concerns", {
  ml <- rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy, REML = FALSE)
  reml <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_message(anova(ml, reml), "`reml`", class = "rlmm_message_refit")
  expect_identical(
    rownames(suppressMessages(do.call(anova, list(ml, reml)))),
    c("MODEL1", "MODEL2")
  )
})

test_that("fits of both packages compare", {
  skip_if_not_installed("lme4")
  ours <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  theirs <- lme4::lmer(Reaction ~ 1 + (1 | Subject), sleepstudy)
  table <- suppressMessages(anova(ours, theirs))
  same <- suppressMessages(anova(ours, update(ours, . ~ . - Days)))
  expect_equal(table$Chisq, same$Chisq, tolerance = 1e-6)
})

test_that("anova() of one fit is lme4's table", {
  skip_if_not_installed("lme4")
  fitted_by <- function(fitter, formula) {
    fit <- suppressMessages(fitter(formula, sleep))
    if (inherits(fit, "rlmm")) anova(fit, ddf = "none") else anova(fit)
  }
  sleep <- transform(sleepstudy, week = factor(Days %/% 4), twice = 2 * Days)
  for (formula in list(
    Reaction ~ Days + (Days | Subject),
    Reaction ~ week * Days + (1 | Subject),
    Reaction ~ Days + twice + week + (1 | Subject),
    Reaction ~ 0 + Days + week + (1 | Subject),
    Reaction ~ 1 + (1 | Subject)
  )) {
    expect_same_table(
      fitted_by(rlmm, formula),
      fitted_by(lme4::lmer, formula),
      tolerance = 1e-4
    )
  }
  expect_identical(
    dim(anova(rlmm(Reaction ~ 0 + (1 | Subject), sleep), ddf = "none")),
    c(0L, 4L)
  )
})

test_that("what can't be compared is refused", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(
    anova(fit, rlmm(Reaction ~ Days + (1 | Subject), sleepstudy[-1, ])),
    class = "rlmm_error_not_comparable"
  )
  expect_error(
    anova(fit, rlmm(log(Reaction) ~ Days + (1 | Subject), sleepstudy)),
    class = "rlmm_error_not_comparable"
  )
  expect_error(anova(fit, 3), class = "rlmm_error_argument")
  expect_error(
    anova(fit, model = "F"),
    "`model` is \"F\"",
    class = "rlmm_error_argument"
  )
  expect_error(
    anova(fit, fit, model.names = "a"),
    class = "rlmm_error_argument"
  )
})

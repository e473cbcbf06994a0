# lmerTest's fits, which emmeans gives Satterthwaite's degrees of freedom by lmerTest's own
# derivatives.
expect_same_table <- function(ours, theirs, tolerance = 1e-3) {
  expect_equal(
    as.data.frame(ours),
    as.data.frame(theirs),
    tolerance = tolerance,
    ignore_attr = TRUE
  )
}

test_that("marginal means, contrasts, trends and joint tests are those of lmerTest's fits", {
  skip_if_not_installed("emmeans")
  skip_if_not_installed("lmerTest")
  d <- transform(sleepstudy, day = factor(Days %% 3), w = Days + 1)
  for (formula in list(
    Reaction ~ day * Days + (1 | Subject),
    Reaction ~ day * Days + (Days | Subject)
  )) {
    ours <- rlmm(formula, d, weights = w)
    theirs <- suppressMessages(lmerTest::lmer(formula, d, weights = w))
    means <- \(fit, ...) suppressMessages(emmeans::emmeans(fit, ~day, ...))
    expect_same_table(means(ours), means(theirs, lmer.df = "satterthwaite"))
    expect_same_table(
      pairs(means(ours)),
      pairs(means(theirs, lmer.df = "satterthwaite"))
    )
    expect_same_table(
      means(ours, mode = "asymptotic"),
      means(theirs, lmer.df = "asymptotic")
    )
    expect_same_table(
      emmeans::emtrends(ours, ~day, "Days"),
      emmeans::emtrends(theirs, ~day, "Days", lmer.df = "satterthwaite")
    )
    expect_same_table(
      emmeans::joint_tests(ours),
      emmeans::joint_tests(theirs, lmer.df = "satterthwaite")
    )
  }
})

test_that("transformed responses and dropped columns are understood", {
  skip_if_not_installed("emmeans")
  skip_if_not_installed("lmerTest")
  d <- transform(sleepstudy, day = factor(Days %% 3))
  d$x <- 2 * (d$day == "1")
  formula <- log(Reaction) ~ x + day + Days + (1 | Subject)
  means <- \(fit, ...) {
    suppressMessages(emmeans::emmeans(
      fit,
      ~day,
      at = list(x = c(0, 2)),
      type = "response",
      ...
    ))
  }
  ours <- suppressMessages(rlmm(formula, d))
  theirs <- suppressMessages(lmerTest::lmer(formula, d))
  expect_same_table(means(ours), means(theirs, lmer.df = "satterthwaite"))
  # A mean that the data say nothing of.
  at <- \(fit, ...) {
    as.data.frame(emmeans::emmeans(
      fit,
      ~x,
      at = list(x = 7),
      nesting = NULL,
      ...
    ))$emmean
  }
  expect_identical(
    is.na(at(ours)),
    is.na(at(theirs, lmer.df = "satterthwaite"))
  )
})

test_that("generalized models are tested by z, on the scale of the link or the response", {
  skip_if_not_installed("emmeans")
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  ours <- rglmm(formula, cbpp, family = binomial)
  shown <- as.data.frame(emmeans::emmeans(ours, ~period, type = "response"))
  beta <- fixef(ours)
  expect_equal(
    shown$prob,
    unname(plogis(beta[1] + c(0, beta[-1]))),
    tolerance = 1e-10
  )
  expect_identical(shown$df, rep(Inf, 4))
  expect_equal(
    shown$SE[1],
    dlogis(beta[[1]]) * sqrt(vcov(ours)[1, 1]),
    tolerance = 1e-10
  )
})

test_that("cells weigh what lme4's weigh: trials of a binomial response", {
  skip_if_not_installed("emmeans")
  skip_if_not_installed("lme4")
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  by_cells <- \(fit) {
    as.data.frame(emmeans::emmeans(fit, ~1, weights = "cells"))$emmean
  }
  expect_equal(by_cells(fit), by_cells(as_merMod(fit)), tolerance = 1e-6)
})

test_that("rows that na.exclude left out have no part in the means", {
  skip_if_not_installed("emmeans")
  gaps <- transform(sleepstudy, late = factor(Days > 4), Days = NULL)
  gaps$Reaction[c(3, 20)] <- NA
  means <- function(data, ...) {
    fit <- rlmm(Reaction ~ late + (1 | Subject), data, ...)
    as.data.frame(emmeans::emmeans(fit, "late"))
  }
  expect_equal(
    means(gaps, na.action = na.exclude),
    means(na.omit(gaps)),
    tolerance = 1e-8
  )
})

test_that("a covariance matrix of the user's takes the place of the model's", {
  skip_if_not_installed("emmeans")
  skip_if_not_installed("lmerTest")
  d <- transform(sleepstudy, day = factor(Days %% 3))
  formula <- Reaction ~ day + (Days | Subject)
  ours <- rlmm(formula, d)
  theirs <- lmerTest::lmer(formula, d)
  given <- 2 * as.matrix(vcov(theirs))
  means <- \(fit, ...) emmeans::emmeans(fit, ~day, ...)
  expected <- means(theirs, lmer.df = "satterthwaite", vcov. = given)
  expect_same_table(means(ours, vcov. = given), expected)
  scaled <- \(fit, times, ...) times * vcov(fit)
  expect_same_table(means(ours, vcov. = scaled, times = 2), expected)
  # As emmeans does, which can't have both.
  expect_message(
    by_matrix <- means(ours, vcov. = given, mode = "kenward-roger"),
    class = "rlmm_message_ddf"
  )
  expect_same_table(by_matrix, expected)
  expect_error(means(ours, vcov. = diag(2)), class = "rlmm_error_argument")
  robust <- as.data.frame(means(ours, vcov. = "CR2"))
  sandwich <- contest(ours, cbind(1, 0:1, 0), joint = FALSE, vcov = "CR2")
  expect_equal(robust$SE[1:2], sandwich[["Std. Error"]])
  expect_equal(robust$df[1:2], sandwich$df)
})

test_that("a covariance matrix is taken for generalized models too", {
  skip_if_not_installed("emmeans")
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  fit <- rglmm(formula, cbpp, family = binomial)
  error <- \(...) as.data.frame(emmeans::emmeans(fit, ~period, ...))$SE
  expect_equal(error(vcov. = 4 * vcov(fit)), 2 * error())
})

test_that("a covariance matrix of clubSandwich is one", {
  skip_if_not_installed("clubSandwich")
  skip_if_not_installed("lme4")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  robust <- getExportedValue("clubSandwich", "vcovCR")(fit, type = "CR2")
  expect_equal(
    coef(summary(fit, vcov = robust))[, "Std. Error"],
    sqrt(diag(as.matrix(robust))),
    ignore_attr = TRUE
  )
})

test_that("Kenward and Roger's method takes the fit by REML", {
  skip_if_not_installed("emmeans")
  skip_if_not_installed("pbkrtest")
  skip_if_not_installed("lme4")
  d <- transform(sleepstudy, day = factor(Days %% 3))
  formula <- Reaction ~ day + (Days | Subject)
  means <- \(fit) {
    as.data.frame(emmeans::emmeans(fit, ~day, mode = "kenward-roger"))
  }
  ours <- means(rlmm(formula, d, REML = FALSE))
  by_ml <- means(lme4::lmer(formula, d, REML = FALSE))
  by_reml <- means(lme4::lmer(formula, d))
  # emmeans mixes, in its degrees of freedom, the covariance by maximum likelihood in.
  expect_equal(ours$emmean, by_ml$emmean, tolerance = 1e-5)
  expect_equal(ours$SE, by_ml$SE, tolerance = 1e-4)
  expect_equal(ours$df, by_reml$df, tolerance = 1e-3)
})

test_that("generalized models pass over the modes of linear ones, as with lme4", {
  skip_if_not_installed("emmeans")
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  fit <- rglmm(formula, cbpp, family = binomial)
  for (mode in c("kenward-roger", "Satterthwaite", "satt")) {
    means <- as.data.frame(emmeans::emmeans(fit, ~period, mode = mode))
    expect_identical(means$df, rep(Inf, 4))
  }
})

test_that("an unknown method is answered under the name of the argument that was given", {
  skip_if_not_installed("emmeans")
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  means <- \(...) emmeans::emmeans(fit, "Days", ...)
  expect_error(
    means(lmer.df = "foo"),
    "`lmer.df` must be",
    class = "rlmm_error_argument"
  )
  expect_error(
    means(mode = "foo"),
    "`mode` must be",
    class = "rlmm_error_argument"
  )
})

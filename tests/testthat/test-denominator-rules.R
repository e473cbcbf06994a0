cake_without <- function() {
  skip_if_not_installed("lme4")
  data <- lme4::cake[-c(3, 7, 20:30, 100:109), ]
  data$pan <- interaction(data$recipe, data$replicate)
  data
}

rule <- function(fit, ddf) coef(summary(fit, ddf = ddf))[, "df"]

test_that("between-within degrees of freedom are nlme's", {
  data <- cake_without()
  expect_nlme <- \(formula, random, ours, data) {
    theirs <- nlme::lme(formula, data, random)
    fit <- rlmm(ours, data)
    expect_equal(
      rule(fit, "between-within"),
      theirs$fixDF$X,
      ignore_attr = TRUE
    )
    expect_equal(
      anova(fit, ddf = "between-within")$DenDF,
      unname(theirs$fixDF$terms[-1])
    )
  }
  expect_nlme(
    angle ~ recipe + temp,
    ~ 1 | pan,
    angle ~ recipe + temp + (1 | pan),
    data
  )
  expect_nlme(
    angle ~ recipe * temperature,
    ~ temp | pan,
    angle ~ recipe * temperature + (temp | pan),
    data
  )
  data$block <- factor(as.integer(data$replicate) %% 4)
  data$z <- as.integer(data$block)
  expect_nlme(
    angle ~ z + recipe + temp,
    ~ 1 | block / pan,
    angle ~ z + recipe + temp + (1 | block) + (1 | pan:block),
    transform(data, pan = replicate)
  )
})

test_that("containment is what the split plot's analysis of variance has", {
  skip_if_not_installed("lme4")
  # 15 replicates of 3 recipes and 6 temperatures: recipes are tested against 2 x 14.
  fit <- rlmm(
    angle ~ recipe * temperature + (1 | replicate / recipe),
    lme4::cake
  )
  found <- anova(fit, ddf = "containment")
  expect_equal(found$DenDF, c(2 * 14, 5 * 42, 5 * 42))
  expect_equal(rule(fit, "containment")[[1]], 14)
})

test_that("random slopes contain their covariate", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(rule(fit, "containment"), c(17, 17), ignore_attr = TRUE)
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_equal(rule(fit, "containment"), c(17, 161), ignore_attr = TRUE)
  fit <- rlmm(Reaction ~ Days + (Days || Subject), sleepstudy)
  expect_equal(rule(fit, "containment"), c(17, 17), ignore_attr = TRUE)
})

test_that("residual degrees of freedom count rows of positive weight", {
  sleepstudy$w <- rep(c(0, 1, 1), 60)
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weights = w)
  expect_equal(rule(fit, "residual"), c(118, 118), ignore_attr = TRUE)
})

test_that("a combination has the least of its coefficients' degrees of freedom", {
  data <- cake_without()
  fit <- rlmm(angle ~ recipe + temp + (1 | recipe:replicate), data)
  L <- rbind(c(0, 0, 0, 2), c(0, 1, 0, 1))
  expect_equal(contest(fit, L, FALSE, ddf = "containment")$df, c(203, 40))
  expect_equal(contest(fit, L, ddf = "containment")$DenDF, 40)
})

test_that("generalized fits have the rules, too", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  table <- coef(summary(fit, ddf = "between-within"))
  # 56 rows, 15 herds, 3 coefficients within.
  expect_equal(unname(table[, "df"]), rep(56 - 15 - 3, 4))
  expect_equal(table[, 5], 2 * pt(-abs(table[, "t value"]), 38))
})

test_that("what a rule isn't for is told", {
  crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  expect_snapshot({
    writeLines(error_lines(summary(crossed, ddf = "between-within")))
    writeLines(error_lines(summary(crossed, ddf = "Kackar")))
    writeLines(error_lines(abort_containment_size(6000, 5000)))
  })
})

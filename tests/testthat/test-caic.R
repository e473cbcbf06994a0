# The sum of the derivatives of the fitted values in their observations, by fits to other responses.
differenced_freedom <- function(fit, step = 1e-3 * sigma(fit)) {
  y <- fit$frame[[1]]
  slopes <- vapply(
    seq_along(y),
    \(i) {
      up <- suppressMessages(refit(fit, replace(y, i, y[i] + step)))
      down <- suppressMessages(refit(fit, replace(y, i, y[i] - step)))
      unname(fitted(up)[i] - fitted(down)[i]) / (2 * step)
    },
    0
  )
  sum(slopes)
}

test_that("the degrees of freedom are derivatives of the fitted values", {
  set.seed(1)
  sleepstudy$w <- runif(180, 0.5, 2)
  some <- sleepstudy[sleepstudy$Subject %in% levels(sleepstudy$Subject)[1:7], ][
    -c(3, 12, 13, 40),
  ]
  fits <- list(
    rlmm(Yield ~ 1 + (1 | Batch), Dyestuff),
    rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE),
    rlmm(Reaction ~ Days + (1 | Subject), some, weights = w),
    rlmm(Reaction ~ Days + (Days | Subject), some),
    rlmm(Reaction ~ Days + (Days || Subject), some, REML = FALSE),
    rlmm(strength ~ 1 + (1 | batch) + (1 | cask:batch), Pastes),
    rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, sigma = 50)
  )
  for (fit in fits) {
    expect_equal(
      cAIC(fit)$df,
      differenced_freedom(fit) + !fit$known_sigma,
      tolerance = 1e-3,
      info = deparse1(formula(fit))
    )
  }
})

test_that("at known theta they are the trace of the hat matrix", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- cAIC(fit, theta = "known")
  expect_equal(found$df, sum(hatvalues(fit)) + 1)
  loglik <- sum(dnorm(sleepstudy$Reaction, fitted(fit), sigma(fit), TRUE))
  expect_equal(found$loglikelihood, loglik)
  expect_equal(found$caic, -2 * loglik + 2 * found$df)
  held <- rlmm_control(
    fixed = list(theta = rlang::set_names(fit$theta, theta_names(fit$random)))
  )
  fixed <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = held)
  expect_equal(cAIC(fixed)$df, found$df, tolerance = 1e-6)
})

test_that("without a random effect it is the AIC of lm()", {
  fit <- suppressMessages(rlmm(
    Yield ~ 1 + (1 | Batch),
    Dyestuff2,
    REML = FALSE
  ))
  expect_equal(cAIC(fit)$caic, AIC(lm(Yield ~ 1, Dyestuff2)), tolerance = 1e-8)
})

test_that("generalized models with known theta have the trace of the working model", {
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  found <- cAIC(herds, theta = "known")
  expect_equal(found$df, sum(hatvalues(herds)))
  density <- dbinom(cbpp$incidence, cbpp$size, fitted(herds), TRUE)
  expect_equal(found$loglikelihood, sum(density))
  cbpp$size <- cbpp$size + 0.5
  dispersed <- rglmm(size ~ period + (1 | herd), cbpp, family = Gamma("log"))
  expect_equal(cAIC(dispersed)$df, sum(hatvalues(dispersed)) + 1)
})

test_that("those of counts and of binary responses are cAIC4's", {
  # cAIC() of cAIC4 1.1 with lme4 2.1-0.
  skip_if_not_installed("lme4")
  ticks <- transform(lme4::grouseticks, height = HEIGHT - mean(HEIGHT))
  fit <- rglmm(TICKS ~ YEAR + height + (1 | BROOD), ticks, poisson)
  expect_equal(cAIC(fit)$df, 85.17768, tolerance = 1e-5)
  expect_equal(cAIC(fit)$caic, 1835.91247, tolerance = 1e-5)
  some <- droplevels(subset(lme4::VerbAgg, as.integer(id) <= 20))
  binary <- rglmm(r2 ~ Anger + mode + (1 | id) + (1 | item), some, binomial)
  expect_equal(cAIC(binary)$df, 37.5541958, tolerance = 1e-4)
})

# The formulas with glm()'s fits, for a model without random effects.
glm_freedom <- function(formula, data, counts, trials) {
  fitted_at <- \(row, by) {
    data[[counts]][row] <- data[[counts]][row] + by
    fitted(glm(formula, binomial, data))[row]
  }
  mean <- fitted(glm(formula, binomial, data))
  m <- data[[trials]]
  y <- data[[counts]]
  of_row <- \(i) {
    lower <- if (y[i] > 0) qlogis(mean[i]) - qlogis(fitted_at(i, -1)) else 0
    upper <- if (y[i] < m[i]) qlogis(fitted_at(i, 1)) - qlogis(mean[i]) else 0
    variance <- m[i] * mean[i] * (1 - mean[i])
    variance * (y[i] / m[i] * lower + (1 - y[i] / m[i]) * upper)
  }
  sum(vapply(seq_along(y), of_row, 0))
}

test_that("binomial responses have the formula's degrees of freedom, in each form", {
  held <- rlmm_control(fixed = list(theta = c("herd.(Intercept)" = 0)))
  two_columns <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial,
    control = held
  )
  proportions <- rglmm(
    incidence / size ~ period + (1 | herd),
    cbpp,
    binomial,
    weights = size,
    control = held
  )
  expected <- glm_freedom(
    cbind(incidence, size - incidence) ~ period,
    cbpp,
    "incidence",
    "size"
  )
  expect_equal(cAIC(two_columns)$df, expected, tolerance = 1e-6)
  expect_equal(cAIC(proportions)$df, expected, tolerance = 1e-6)
})

test_that("it is printed, and other objects are refused", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_snapshot({
    print(cAIC(fit))
    writeLines(error_lines(cAIC(fit, theta = "held")))
    writeLines(error_lines(cAIC(lm(dist ~ speed, cars))))
  })
})

test_that("conditional log-likelihoods and degrees of freedom are near cAIC4's", {
  # cAIC() of cAIC4 1.1 and lme4 2.1-0, whose formula for the derivatives isn't that of the fitted
  # values to all digits: the difference of its degrees of freedom is .2 %.
  formulas <- list(
    Reaction ~ Days + (Days | Subject),
    Reaction ~ Days + (1 | Subject),
    Reaction ~ Days + (Days || Subject)
  )
  found <- lapply(formulas, \(formula) cAIC(rlmm(formula, sleepstudy)))
  field <- \(name) vapply(found, `[[`, 0, name)
  logliks <- c(-824.5069, -864.5295, -824.1531)
  expect_equal(field("loglikelihood"), logliks, tolerance = 1e-6)
  df <- c(31.30198, 19.02963, 31.05992)
  expect_equal(field("df"), df, tolerance = 2e-3)
})

# Generalized models in which two terms of a grouping factor have the same effects: one optimum
# among many, with the likelihood of the model without the repetition.

is_unidentified <- function(...) {
  told <- expect_message(
    fit <- rglmm(...),
    class = "rlmm_message_unidentified"
  )
  expect_equal(certificate(fit)$verdict, "unidentified")
  if (!fit$control$slim) {
    shown <- suppressWarnings(format(fit), "rlmm_warning")
    expect_match(paste(shown, collapse = " "), "not identified")
  }
  list(fit = fit, text = conditionMessage(told))
}

test_that("an intercept that stands in two terms is told, with the term to write", {
  repeated <- TICKS ~ YEAR + (1 | LOCATION) + (cHEIGHT | LOCATION)
  ticks <- transform(grouseticks, cHEIGHT = (HEIGHT - 460) / 30)
  once <- rglmm(TICKS ~ YEAR + (cHEIGHT | LOCATION), ticks, poisson)
  for (nodes in 0:1) {
    found <- is_unidentified(repeated, ticks, poisson, nAGQ = nodes)
    expect_match(found$text, "(0 + cHEIGHT | LOCATION)", fixed = TRUE)
  }
  expect_equal(logLik(found$fit)[1], logLik(once)[1], tolerance = 1e-8)
  expect_equal(found$fit$beta, once$beta, tolerance = 1e-4)
  slim <- rlmm_control(slim = TRUE)
  is_unidentified(repeated, ticks, poisson, control = slim)
})

# By differences the curvature of this objective is slightly negative along the flat direction.
test_that("so it is where differences have rounding errors", {
  repeated <- Reaction ~ Days + (1 | Subject) + (Days | Subject)
  found <- is_unidentified(repeated, sleepstudy, Gamma("log"))
  once <- rglmm(Reaction ~ Days + (Days | Subject), sleepstudy, Gamma("log"))
  expect_equal(logLik(found$fit)[1], logLik(once)[1], tolerance = 1e-8)
})

test_that("an intercept beside the indicators of a factor is told", {
  set.seed(8)
  d <- expand.grid(f = factor(1:2), g = factor(1:40), i = 1:8)
  effects <- matrix(rnorm(80), 40)
  d$y <- rpois(nrow(d), exp(effects[cbind(d$g, d$f)]))
  found <- is_unidentified(y ~ f + (f || g), d, poisson)
  expect_match(found$text, "has the effects of `(1 | g)`", fixed = TRUE)
  once <- rglmm(y ~ f + (0 + f | g), d, poisson)
  expect_equal(logLik(found$fit)[1], logLik(once)[1], tolerance = 1e-8)
})

test_that("different effects, and those that don't vary, are no repetition", {
  expect_no_message(
    fit <- rglmm(
      round(Reaction) ~ Days + (1 | Subject) + (0 + Days | Subject),
      sleepstudy,
      nbinom2()
    )
  )
  expect_null(fit$covariance)
  d <- transform(sleepstudy, f = factor(rep(1:2, 90)), z = Days / 9)
  expect_no_message(
    fit <- rglmm(Reaction ~ z:f + (1 | Subject) + (0 + z:f | Subject), d, Gamma)
  )
  expect_equal(certificate(fit)$verdict, "optimal")
  # The larger term is singular: its correlation fixes the parts of the variance.
  expect_message(
    fit <- rglmm(
      y ~ trt + (1 | ID) + (week | ID),
      transform(MASS::bacteria, week = week - 20),
      binomial
    ),
    class = "rlmm_message_singular"
  )
  expect_equal(certificate(fit)$verdict, "optimal")
})

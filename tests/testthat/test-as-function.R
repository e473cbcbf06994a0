test_that("the function is the objective", {
  skip_if_not_installed("lme4")
  # lme4's own function looks for lme4 on the search path.
  withr::local_package("lme4")
  for_each_twin(
    function(ours, theirs, data, name) {
      objective <- as.function(ours)
      expect_equal(
        objective(ours$theta),
        ours$dev$objective,
        tolerance = 1e-10,
        info = name
      )
      other <- ours$theta + 0.1
      expect_equal(
        objective(other),
        as.function(theirs)(other),
        tolerance = 1e-8,
        info = name
      )
    },
    names = c(
      "dyestuff_ml",
      "sleep",
      "sleep_ml",
      "penicillin",
      "sleep_weights",
      "sleep_offset",
      "pixel"
    )
  )
})

test_that("the function survives being saved, and doesn't hold the fit", {
  objective <- as.function(twin("sleep")$ours)
  expect_false("x" %in% ls(environment(objective)))
  expect_equal(
    unserialize(serialize(objective, NULL))(c(1, 0, 1)),
    objective(c(1, 0, 1))
  )
})

test_that("a theta of the wrong length is refused", {
  objective <- as.function(twin("sleep")$ours)
  expect_error(objective(1), class = "rlmm_error_theta")
  expect_identical(
    conditionCall(tryCatch(objective(1), error = identity)),
    quote(objective(1))
  )
  expect_snapshot(writeLines(error_lines(objective(1:2))))
  expect_snapshot(writeLines(error_lines(objective("a"))))
})

test_that("devFunOnly gives lme4's function without a fit", {
  formula <- Reaction ~ Days + (Days | Subject)
  criterion <- rlmm(formula, sleepstudy, devFunOnly = TRUE)
  expect_type(criterion, "closure")
  fit <- rlmm(formula, sleepstudy)
  expect_equal(criterion(fit$theta), REMLcrit(fit), tolerance = 1e-10)
  expect_error(criterion(1), class = "rlmm_error_theta")
  expect_error(
    rlmm(formula, sleepstudy, devFunOnly = "yes"),
    class = "rlmm_error_argument"
  )
  skip_if_not_installed("lme4")
  theirs <- lme4::lmer(formula, sleepstudy, devFunOnly = TRUE)
  for (theta in list(c(1, 0, 1), c(0.2, -0.3, 0.5))) {
    expect_equal(criterion(theta), theirs(theta), tolerance = 1e-10)
  }
})

# lme4's fit without a search, at nAGQ = 0.
lme4_at_theta <- function(formula, data, theta) {
  lme4::glmer(
    formula,
    data,
    binomial,
    nAGQ = 0,
    start = theta,
    control = lme4::glmerControl(optimizer = no_search, calc.derivs = FALSE)
  )
}

no_search <- function(fn, par, lower, upper, control) {
  list(par = par, fval = fn(par), conv = 0, message = "")
}

test_that("devFunOnly of generalized models takes theta and the fixed effects", {
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  laplace <- rglmm(formula, cbpp, family = binomial, devFunOnly = TRUE)
  fit <- rglmm(formula, cbpp, family = binomial)
  expect_equal(laplace(fit$parameters), as.function(fit)(fit$parameters))
  fast <- rglmm(formula, cbpp, family = binomial, nAGQ = 0, devFunOnly = TRUE)
  negative_binomial <- rglmm_nb(
    TICKS ~ YEAR + (1 | BROOD),
    grouseticks,
    devFunOnly = TRUE
  )
  expect_type(negative_binomial, "closure")
  expect_error(negative_binomial(1), class = "rlmm_error_theta")
  skip_if_not_installed("lme4")
  theirs <- lme4::glmer(formula, cbpp, family = binomial)
  expect_equal(
    laplace(c(lme4::getME(theirs, "theta"), lme4::fixef(theirs))),
    -2 * as.numeric(logLik(theirs)),
    tolerance = 1e-5
  )
  expect_equal(
    fast(0.7),
    -2 * as.numeric(logLik(lme4_at_theta(formula, cbpp, 0.7))),
    tolerance = 1e-6
  )
})

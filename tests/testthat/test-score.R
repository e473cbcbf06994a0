# Central differences of fourth order.
num_gradient <- function(f, x, step = 3e-4 * pmax(abs(x), 0.05)) {
  vapply(seq_along(x), function(i) {
    at <- function(m) f(replace(x, i, x[i] + m * step[i]))
    (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step[i])
  }, numeric(length(f(x))))
}

score_days <- function() transform(sleepstudy, days = factor(Days), third = factor(pmin(Days %/% 3, 2)))

score_fits <- function(reml) {
  list(
    us = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = reml),
    diag = rlmm(Reaction ~ Days + (Days || Subject), sleepstudy, REML = reml),
    homdiag = rlmm(Reaction ~ Days + diag(1 + Days | Subject, hom = TRUE), sleepstudy, REML = reml),
    crossed = rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, REML = reml),
    known = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = reml, sigma = 25),
    cs = rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy, REML = reml),
    ar1 = rlmm(Reaction ~ Days + ar1(0 + days | Subject), score_days(), REML = reml),
    mixed = rlmm(Reaction ~ Days + cs(0 + third | Subject, hom = TRUE) + (0 + Days | Subject), score_days(), REML = reml),
    hetar1 = rlmm(Reaction ~ Days + ar1(0 + third | Subject, hom = FALSE), score_days(), REML = reml)
  )
}

# The log-likelihood as a function of the covariances, from the objective at a known sigma.
loglik_user <- function(fit) {
  spec <- fit_spec(fit)
  function(at) {
    sigma <- if (fit$known_sigma) fit$sigma else sqrt(at[length(at)])
    spec$sigma <- sigma
    -core_objective(spec, factor_covariances(fit, at, sigma)) / 2
  }
}

loglik_profile <- function(fit) {
  spec <- fit_spec(fit)
  function(at) -core_objective(spec, factor_covariances(fit, at, 1)) / 2
}

loglik_sqrt <- function(fit) {
  spec <- fit_spec(fit)
  function(at) -core_objective(spec, at) / 2
}

test_that("score and Hessian are the derivatives of the log-likelihood, at the optimum and elsewhere", {
  logliks <- list(user = loglik_user, profile = loglik_profile, sqrt = loglik_sqrt)
  for (reml in c(TRUE, FALSE)) {
    for (fit in score_fits(reml)) {
      for (kind in names(logliks)) {
        f <- logliks[[kind]](fit)
        best <- variance_parameters(fit, kind)
        for (at in list(best, best * seq(0.9, 0.7, length.out = length(best)))) {
          score <- score(fit, at, kind)
          expect_named(score, names(best))
          expected <- num_gradient(f, unname(at))
          scale <- max(abs(expected * at), 1)
          expect_lt(max(abs((score - expected) * at)) / scale, 1e-6)
          hessian <- hessian(fit, at, kind)
          expect_identical(dimnames(hessian), list(names(best), names(best)))
          expected <- num_gradient(function(x) unname(score(fit, x, kind)), unname(at))
          expect_lt(max(abs((hessian - expected) * outer(at, at))) / max(abs(expected * outer(at, at))), 1e-6)
        }
      }
      expect_equal(score(fit), score(fit, variance_parameters(fit)), tolerance = 1e-6)
    }
  }
})

test_that("the score is zero at the optimum", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  for (kind in c("user", "profile", "sqrt")) {
    expect_lt(max(abs(score(fit, NULL, kind) * variance_parameters(fit, kind))), 1e-3)
  }
})

test_that("profiling sigma is Schur's complement of the joint Hessian", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  joint <- joint_derivatives(fit_spec(fit), fit$theta, fit$sigma, FALSE)$hessian
  profiled <- joint[1:3, 1:3] - tcrossprod(joint[1:3, 4]) / joint[4, 4]
  expect_equal(unname(-2 * hessian(fit, parameterization = "sqrt")), profiled, tolerance = 1e-7)
})

test_that("at a singular covariance the score points out of the cone, and the Hessian is in theta only", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_lt(score(fit)[[1]], 0)
  expect_equal(score(fit)[["sigma2"]], 0, tolerance = 1e-6)
  expect_error(hessian(fit), class = "rlmm_error_singular")
  expect_lt(hessian(fit, parameterization = "sqrt")[1, 1], 0)
})

test_that("values that can't be are refused", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_error(score(fit, 1:3), class = "rlmm_error_argument")
  expect_error(score(fit, c(-1, 2)), "positive definite", class = "rlmm_error_argument")
  expect_error(score(fit, c(1, -2)), class = "rlmm_error_argument")
  expect_error(hessian(fit, c(1, NA)), class = "rlmm_error_argument")
  expect_error(score(lm(Yield ~ 1, Dyestuff)), class = "rlmm_error_argument")
})

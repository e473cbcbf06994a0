# The entry points of generalized models; those of linear models are tested through their callers.

one_term <- function(group, theta = 0L) {
  list(
    refs = as.integer(group),
    n_levels = nlevels(group),
    z = list(1),
    part_kind = "us",
    part_size = 1L,
    part_theta = theta
  )
}

glmm_spec <- function(x, y, groups, weights = NULL, ...) {
  defaults <- list(
    family = "binomial",
    link = "logit",
    shape = NULL,
    shape_kind = "known",
    information = "expected",
    nodes = 1L,
    fast = FALSE
  )
  terms <- Map(one_term, groups, seq_along(groups) - 1L)
  list(
    x = list(x),
    y = as.double(y),
    weights = weights,
    offset = NULL,
    terms = unname(terms),
    reml = FALSE,
    glmm = utils::modifyList(defaults, list(...))
  )
}

cbpp_spec <- function(...) {
  x <- model.matrix(~period, cbpp)
  glmm_spec(
    x,
    cbpp$incidence / cbpp$size,
    list(cbpp$herd),
    as.double(cbpp$size),
    ...
  )
}

test_that("deviance and estimates of cbpp are those of lme4", {
  skip_if_not_installed("lme4")
  est <- core_glmm_fit(cbpp_spec())
  fit <- lme4::glmer(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  expect_equal(est$objective, c(-2 * logLik(fit)), tolerance = 1e-5)
  expect_equal(est$beta, unname(lme4::fixef(fit)), tolerance = 1e-3)
  expect_equal(est$fitted, unname(fitted(fit)), tolerance = 1e-3)
  expect_equal(
    est$working_weights,
    unname(weights(fit, "working")),
    tolerance = 1e-3
  )
  expect_equal(sum(est$deviance), deviance(fit), tolerance = 1e-3)
  variances <- attr(lme4::ranef(fit, condVar = TRUE)$herd, "postVar")
  cond_var <- core_glmm_cond_var(cbpp_spec(), est$parameters)[[1L]]
  expect_equal(c(cond_var), c(variances), tolerance = 1e-2)
  expect_equal(sum(core_glmm_leverage(cbpp_spec(), est$parameters)) > 4, TRUE)
  rx <- chol2inv(est$rx)
  expect_equal(
    sqrt(diag(rx)),
    unname(sqrt(diag(as.matrix(vcov(fit, use.hessian = FALSE))))),
    tolerance = 1e-3
  ) |>
    suppressWarnings()
})

test_that("the Laplace approximations are those of lme4 and of glmmTMB", {
  # lme4 2.1 and glmmTMB 1.1 with tight tolerances
  laplace <- function(link, information) {
    core_glmm_fit(cbpp_spec(link = link, information = information))$objective
  }
  expect_equal(laplace("probit", "expected"), 185.242447, tolerance = 1e-8)
  expect_equal(laplace("probit", "observed"), 185.166675, tolerance = 1e-8)
  expect_equal(laplace("cloglog", "expected"), 183.604076, tolerance = 1e-8)
  expect_equal(laplace("cloglog", "observed"), 183.516004, tolerance = 1e-8)
  expect_equal(laplace("cauchit", "expected"), 181.602295, tolerance = 1e-8)
})

test_that("gradient and covariance belong to the objective", {
  spec <- cbpp_spec(link = "probit")
  at <- c(0.5, -1, -0.5, -0.6, -0.8)
  steps <- diag(1e-3, 5L)
  differences <- (core_glmm_objective(spec, at + steps) -
    core_glmm_objective(spec, at - steps)) /
    2e-3
  expect_equal(core_glmm_gradient(spec, at), differences, tolerance = 1e-5)
  columns <- apply(steps, 2L, function(h) {
    core_glmm_gradient(spec, at + h) - core_glmm_gradient(spec, at - h)
  }) /
    2e-3
  expect_equal(
    core_glmm_covariance(spec, at),
    2 * solve(columns),
    tolerance = 1e-3
  )
})

test_that("NLopt, start values and the fast fit are at hand", {
  full <- core_glmm_fit(cbpp_spec())
  by_nlopt <- core_glmm_fit(
    cbpp_spec(),
    control = list(optimizer = "LN_BOBYQA")
  )
  expect_equal(by_nlopt$objective, full$objective, tolerance = 1e-8)
  again <- core_glmm_fit(
    cbpp_spec(),
    list(theta = full$theta, beta = full$beta)
  )
  expect_null(again$optsum$fast)
  expect_equal(again$objective, full$objective, tolerance = 1e-10)
  fast <- core_glmm_fit(cbpp_spec(fast = TRUE))
  expect_length(fast$parameters, 1L)
  expect_gt(fast$objective, full$objective)
})

test_that("what can't be fitted is refused by class", {
  expect_error(
    core_glmm_fit(cbpp_spec(family = "Gamma", link = "log")),
    class = "rlmm_error_response"
  )
  expect_error(
    core_glmm_fit(cbpp_spec(nodes = 101L)),
    class = "rlmm_error_quadrature"
  )
  expect_error(
    core_glmm_fit(cbpp_spec(), control = list(pirls_max_iter = 1)),
    class = "rlmm_error_pirls"
  )
})

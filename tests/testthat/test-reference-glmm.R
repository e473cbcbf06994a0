# Every generalized model of the registry against the numbers that data-raw/reference-glmer.R took
# from lme4 and glmmTMB.

skip_if_not_installed("jsonlite")
skip_if_not_installed("MASS")
references <- lmm_references(test_path("..", "reference", "glmm.json"))

expect_objective <- function(
  spec,
  parameters,
  expected,
  label,
  tolerance = 1e-8
) {
  objective <- core_glmm_objective(spec, parameters)
  expect_lt(
    max(abs(objective / expected - 1)),
    tolerance,
    label = paste(label, "objective: relative error")
  )
}

expect_glmm_reference <- function(name) {
  model <- glmm_models[[name]]
  data <- glmm_frame(model)
  skip_if(is.null(data), paste("no data for", name))
  fit <- suppressMessages(lmm_fit(rglmm, model, data = data))
  reference <- references[[name]]
  if (has_dispersion(fit$family)) {
    expect_lme4_dispersion(fit, reference, name)
  } else {
    expect_lme4(fit, reference, name)
  }
  if (length(reference$glmmtmb) > 0) {
    expect_glmmtmb(fit, reference$glmmtmb, name)
  }
}

points_of <- function(reference, fast = FALSE) {
  theta <- lapply(reference$theta, as.numeric)
  do.call(
    cbind,
    if (fast) theta else Map(c, theta, lapply(reference$beta, as.numeric))
  )
}

expect_lme4 <- function(fit, reference, name) {
  spec <- fit_spec(fit)
  expect_objective(
    spec,
    points_of(reference, spec$glmm$fast),
    unlist(reference$objective),
    name
  )
  expect_best(fit, reference$optimum, name, 2e-3)
}

# lme4 2 stops its search for the dispersion, within each evaluation, some 1e-5 short of the end:
# exact only at theta = 0.
expect_lme4_dispersion <- function(fit, reference, name) {
  spec <- fit_spec(fit)
  rank <- Matrix::rankMatrix(cbind(
    model.matrix(fit),
    as.matrix(getME(fit, "Z"))
  ))[[1]]
  spec$glmm[c("shape", "shape_kind")] <- list(nobs(fit) - rank, "profiled")
  points <- points_of(reference)
  objective <- unlist(reference$objective)
  expect_objective(spec, points, objective, name, 5e-5)
  without <- vapply(
    reference$theta,
    function(theta) all(unlist(theta) == 0),
    NA
  )
  expect_objective(
    spec,
    points[, without, drop = FALSE],
    objective[without],
    name
  )
  found <- core_glmm_fit(spec, control = list(ftol_abs = 1e-8))
  best <- reference$optimum
  expect_lt(
    max(abs(found$beta - unlist(best$beta)) / unlist(best$se) * best$sigma),
    2e-2,
    label = paste(name, "beta")
  )
  expect_equal(
    found$sigma,
    best$sigma,
    tolerance = 2e-3,
    label = paste(name, "sigma")
  )
}

# glmmTMB's Laplace approximation has the observed information, and a dispersion is one more
# parameter.
expect_glmmtmb <- function(fit, theirs, name) {
  spec <- fit_spec(fit)
  spec$glmm$information <- "observed"
  estimated <- has_dispersion(fit$family)
  if (estimated) {
    spec$glmm[c("shape", "shape_kind")] <- list(theirs$shape, "estimated")
  }
  at <- c(
    unlist(theirs$theta),
    unlist(theirs$beta),
    if (estimated) log(theirs$shape)
  )
  expect_objective(spec, at, theirs$objective, paste(name, "glmmTMB's"))
  found <- core_glmm_fit(spec, control = list(ftol_abs = 1e-8))
  expect_lte(
    found$objective - theirs$objective,
    1e-6,
    label = paste(name, "objective above glmmTMB's")
  )
}

test_that("the registry and its references know the same models", {
  expect_setequal(names(references), names(glmm_models))
  expect_gte(length(glmm_models), 40)
})

for (name in names(Filter(function(model) !model$large, glmm_models))) {
  test_that(paste("objective at fixed parameters and optimum:", name), {
    expect_glmm_reference(name)
  })
}

for (name in names(Filter(function(model) model$large, glmm_models))) {
  test_that(paste("large generalized model:", name), {
    skip_on_cran()
    expect_glmm_reference(name)
  })
}

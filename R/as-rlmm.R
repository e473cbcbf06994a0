# Converts lme4's objects to fits of this package.

#' @rdname as_merMod
#' @export
as_rlmm <- function(x, ...) {
  refuse_dots(...)
  if (inherits(x, "rlmm")) {
    return(x)
  }
  if (!inherits(x, "lmerMod") && !inherits(x, "glmerMod")) {
    abort_rlmm(
      c(
        "`x` must be a fit of lme4.",
        x = it_is(x)
      ),
      "rlmm_error_as_rlmm"
    )
  }
  need_package("lme4", "as_rlmm()")
  arguments <- rlmm_arguments(x)
  made <- if (inherits(x, "glmerMod")) {
    glmm_at(x, arguments)
  } else {
    lmm_at(x, arguments)
  }
  made$call <- rlmm_call(x)
  check_same_likelihood(made, x)
  made
}

# Raises an error if the likelihoods differ, for example because lme4 doesn't store the contrasts of
# random effects, which came from R's option when the model was fitted.
check_same_likelihood <- function(fit, x) {
  values <- c(logLik.rlmm(fit), stats::logLik(x))
  tolerance <- 1e-3 * (1 + 1e-3 * abs(values[2L]))
  if (abs(diff(values)) <= tolerance) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "The fit isn't that of `x`: the model couldn't be made again as it was.",
      x = sprintf(
        "The log-likelihoods are %s and %s.",
        format(values[1L], nsmall = 3L),
        format(values[2L], nsmall = 3L)
      ),
      i = "Was `options(contrasts = )` another one?"
    ),
    "rlmm_warning_as_rlmm"
  )
}

rlmm_arguments <- function(x) {
  frame <- stats::model.frame(x)
  formula <- stats::formula(x)
  data <- fitted_data(x, frame)
  if (is.null(data) && !is.null(stats::getCall(x)$data)) {
    formula <- expressions_to_columns(formula, names(frame))
  }
  own <- list(
    formula = formula,
    data = data %||% frame,
    REML = lme4::isREML(x),
    control = quiet_control(),
    extras = extras_of(frame, data),
    na_action = na_action_of(frame)
  )
  own$contrasts <- attr(lme4::getME(x, "X"), "contrasts")
  own
}

# The data with all rows, on which expressions such as `scale(x)` depend; `NULL` if they can't be
# found or have changed.
fitted_data <- function(x, frame) {
  formula <- stats::formula(x)
  data <- eval_or_null(stats::getCall(x)$data, NULL, environment(formula))
  fit <- list(frame = frame, formula = formula)
  if (is.data.frame(data) && holds_fit(data, fit)) data
}

lmm_at <- function(x, arguments) {
  design <- do.call(model_design, arguments)
  theta <- as.double(lme4::getME(x, "theta"))
  est <- core_fit(design$spec, theta, stay_at(design, theta))
  new_fit(design, at_theta(est, design$spec, theta), NULL, design$control)
}

glmm_at <- function(x, arguments) {
  likelihood <- glmer_likelihood(x)
  arguments$approximation <- likelihood
  design <- do.call(model_design, arguments)
  est <- estimates_of(x, design, likelihood$fast)
  new_glmm_fit(design, est, NULL, design$control)
}

# The arguments of rglmm() that match lme4's approximation of the likelihood.
glmer_likelihood <- function(x) {
  is_old <- utils::packageVersion("lme4") < "2.0"
  glmm_approximation(
    read_family(stats::family(x), baseenv()),
    x@devcomp$dims[["nAGQ"]],
    fast = FALSE,
    if (is_old) "moment" else "profiled",
    "expected"
  )
}

# The results of the core at the estimates of another program.
estimates_of <- function(x, design, fast) {
  theta <- as.double(lme4::getME(x, "theta"))
  beta <- as.double(lme4::fixef(x))
  start <- list(theta = theta, beta = beta)
  est <- core_glmm_fit(design$spec, start, stay_at(design, theta))
  parameters <- if (fast) theta else c(theta, beta)
  exact <- core_glmm_estimates(near_modes(design$spec, est), parameters)
  est[names(exact)] <- exact
  est
}

# A control that holds all parameters.
stay_at <- function(design, theta) {
  held <- held_theta(design$control, design$random, design$spec$sigma)
  control <- core_control(design$control, 0L, design, held)
  control$held <- seq_along(theta) - 1L
  control$held_values <- theta
  control
}

at_theta <- function(est, spec, theta) {
  exact <- core_estimates(spec, theta)
  est[names(exact)] <- exact
  est
}

quiet_control <- function() rlmm_control(progress = FALSE)

rlmm_call <- function(x) {
  call <- stats::getCall(x)
  is_glmm <- inherits(x, "glmerMod")
  call[[1L]] <- if (is_glmm) quote(rglmm) else quote(rlmm)
  call$control <- NULL
  call
}

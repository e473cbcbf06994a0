# The spec of a model, that is the data for Rust (SPEC.md lists its elements), made from a model
# frame or from a fit; and the control of the optimizer.

#' The spec of a fit, from its stored frame
#' @param y A new response; by default that of the fit.
#' @noRd
fit_spec <- function(fit, y = NULL) UseMethod("fit_spec")

#' @export
fit_spec.rlmm_lmm <- function(fit, y = NULL) {
  sigma <- if (fit$known_sigma) fit$sigma
  if (!is.null(fit$sums) && is.null(y)) {
    spec <- sums_spec(fit$sums, fit$random, fit$reml, sigma)
  } else {
    frame <- fit_frame(fit)
    spec <- design_spec(
      frame,
      fixed_columns(fit),
      y %||% response(frame),
      fit_terms(fit),
      fit$reml,
      sigma,
      fit$held
    )
  }
  spec$engine <- fit$engine
  spec$threads <- n_threads(fit$control)
  with_large_levels(spec, fit)
}

with_large_levels <- function(spec, fit) {
  large <- fit$fixed$large
  if (is.null(large)) {
    return(spec)
  }
  if (!is.null(spec$sums)) {
    return(spec_of_sums_with_levels(spec, large))
  }
  new <- new_data(fit, NULL)
  large$factors <- lapply(large$factors, \(own) {
    c(own, rows_of_large(own, new))
  })
  spec$terms <- c(spec$terms, large_core_terms(large))
  spec
}

#' @export
fit_spec.rlmm_glmm <- function(fit, y = NULL) {
  response <- fit_response(fit)
  frame <- fit_frame(fit)
  spec <- list(
    x = fixed_columns(fit),
    y = response$y,
    weights = response$weights,
    counts = frame_counts(frame),
    offset = total_offset(frame),
    terms = fit_terms(fit),
    reml = FALSE,
    sigma = NULL,
    glmm = fit$glmm,
    held = held_index(fit) - 1L,
    engine = fit$engine,
    threads = n_threads(fit$control)
  )
  with_large_levels(near_modes(spec, fit), fit)
}

#' The spec of a generalized model whose modes are those of a fit, or of the core's estimates
#'
#' With a square-root link modes depend on where they are looked for.
#' @noRd
near_modes <- function(spec, fit) {
  if (spec$glmm$link == "sqrt" && length(fit$eta) == length(spec$y)) {
    spec$eta <- fit$eta
  }
  spec
}

#' The spec of a linear model, or of the working linear model in the last PIRLS iteration
#' @noRd
linear_spec <- function(fit, spec = fit_spec(fit)) UseMethod("linear_spec")

#' @export
linear_spec.rlmm_lmm <- function(fit, spec = fit_spec(fit)) spec

#' @export
linear_spec.rlmm_glmm <- function(fit, spec = fit_spec(fit)) {
  # The working response is eta plus the working residuals; eta alone would leave no residual in a
  # fit whose random effects are zero.
  mean <- fit$family$linkinv(fit$eta)
  left <- (spec$y - mean) / fit$family$mu.eta(fit$eta)
  spec$weights <- with_least_weight(fit$working_weights)
  spec$y <- fit$eta + ifelse(is.finite(left), left, 0)
  spec[c("counts", "glmm")] <- list(NULL)
  spec$sigma <- 1
  spec
}

# Bounds working weights below by a fraction of the largest: with separated cells they tend to zero,
# and standard errors to infinity, which the bound keeps finite.
with_least_weight <- function(weights, share = 1e-10) {
  ifelse(weights > 0, pmax(weights, share * max(weights)), 0)
}

#' The spec of a fit with its sigma, if sigma isn't profiled out
#' @noRd
fitted_spec <- function(fit) {
  spec <- fit_spec(fit)
  if (has_free_scale(fit)) {
    spec$sigma <- fit$sigma
  }
  spec
}

#' The design of a fit, as [model_design()] returned it
#' @noRd
fit_design <- function(fit) {
  c(
    fit[c("formula", "fixed", "held", "random", "family")],
    strata = list(fit$strata),
    sums = list(fit$sums),
    list(
      frame = if (is.null(fit$sums)) fit_frame(fit),
      spec = fit_spec(fit)
    )
  )
}

fit_terms <- function(fit) {
  random <- fit$random
  frame <- fit_frame(fit)
  groups <- lapply(random, function(term) {
    group_codes(term$group_vars, frame, term$group)
  })
  names(groups) <- vapply(random, `[[`, "", "group")
  new <- new_data(fit, NULL)
  columns <- lapply(random, effects_columns, new = new)
  if (!is.null(fit$basis)) {
    columns <- Map(columns_in_basis, columns, fit$basis$random, new$n)
  }
  core_terms(random, columns, groups)
}

#' The spec of a linear model
#' @param held The held coefficients, whose columns of X become part of the offset.
#' @noRd
design_spec <- function(frame, x, y, terms, reml, sigma, held = NULL) {
  weights <- .subset2(frame, "(weights)")
  spec <- list(
    x = x,
    y = y,
    weights = if (!is.null(weights)) as.double(weights),
    offset = total_offset(frame),
    terms = terms,
    reml = reml,
    sigma = sigma
  )
  if (length(held) > 0L) {
    hold_columns(spec, held, nrow(frame))
  } else {
    spec
  }
}

hold_columns <- function(spec, held, n) {
  names <- column_names(spec$x)
  columns <- select_columns(spec$x, match(names(held), names))
  fixed <- as.double(column_matrix(columns, n) %*% held)
  spec$offset <- (spec$offset %||% 0) + fixed
  spec$x <- select_columns(spec$x, which(!names %in% names(held)))
  spec
}

#' The control for the core: held elements, whether to log evaluations, and an initial step for each
#' argument of the objective
#' @noRd
core_control <- function(control, verbose, design, held) {
  if (is.null(design$spec$glmm)) {
    check_optimizer_suits(control)
  }
  # Access to an object with a class looks for methods, four times as slowly.
  control <- unclass(control)
  own <- list(
    held = held$index - 1L,
    held_values = held$value,
    absolute = held$absolute - 1L,
    absolute_values = held$absolute_value,
    verbose = as.integer(verbose),
    memory_limit = control$memory_limit * 2^30
  )
  control[names(own)] <- own
  if (!is.null(control$initial_step)) {
    control$initial_step <- initial_steps(
      control$initial_step,
      n_arguments(design$spec)
    )
  }
  control
}

#' The control for refitting a model, with its held parameters and without output
#' @noRd
refit_control <- function(fit, design) {
  core_control(fit$control, 0L, design, fit_held(fit))
}

initial_steps <- function(step, n) {
  if (length(step) %in% c(1L, n)) {
    return(rep_len(step, n))
  }
  abort_control(
    sprintf("`initial_step` must hold 1 or %s numbers for this model.", n),
    sprintf("It holds %s.", length(step)),
    arg = "initial_step"
  )
}

# Constructs the fit. new_fit() is the only function that sets its fields (SPEC.md lists them);
# fit_spec() in fit-spec.R recovers the spec for Rust from a fit.

#' @param design The result of [model_design()].
#' @param est The result of [core_fit()].
#' @noRd
new_fit <- function(design, est, call, control) {
  est <- coded_objective(est, design)
  slim <- control$slim
  fit <- list(
    call = call,
    formula = design$formula,
    frame = if (!slim) design$frame,
    fixed = design$fixed,
    held = design$held,
    random = with_scales(design$random, est$scales),
    reml = design$spec$reml,
    known_sigma = !is.null(design$spec$sigma),
    theta = est$theta,
    beta = est$beta,
    sigma = est$sigma,
    u = by_term(est$u, design$random),
    b = by_term(est$b, design$random),
    rx = est$rx,
    dev = linear_summaries(est),
    fitted = if (!slim) est$fitted,
    optsum = est$optsum,
    redundant = redundant_columns(est$redundant, design$random),
    na_action = attr(design$frame, "na.action"),
    control = control,
    schema = 2L,
    version = own_version
  )
  fit <- with_coefficients_of(fit, est, design$fixed, design$held)
  fit$engine <- est$engine
  # A fit that was stopped may have no certificate, but its log-likelihood has this noise.
  fit$optsum$noise <- est$noise
  fit$sums <- design$sums %||% design$spec$sums
  fit$strata <- design$strata
  is_judged <- slim || has_large(fit)
  is_known <- !is.null(fit$fixed$combinations)
  if (is_judged && !is_known && length(fit$fixed$dropped) > 0L) {
    with_rows <- replace(fit, "frame", list(design$frame))
    fit$fixed$combinations <- column_combinations(with_rows)
  }
  fit <- without_empty(fit)
  class(fit) <- c("rlmm_lmm", "rlmm")
  fit
}

#' Drops the elements that are `NULL`; insight and packages that use it would mistake them for the
#' fit itself
#' @noRd
without_empty <- function(fit) {
  is_there <- logical(length(fit))
  for (i in seq_along(fit)) {
    is_there[i] <- !is.null(fit[[i]])
  }
  fit[is_there]
}

# The components of the objective at the optimum, for the field `dev`.
linear_summaries <- function(est) {
  list(
    objective = est$objective,
    log_det_re = est$log_det_re,
    log_det_fe = est$log_det_fe,
    pwrss = est$pwrss,
    wrss = est$wrss,
    ussq = est$ussq,
    n_eff = est$n_eff
  )
}

#' A fit with the class, call and control of another one, at new estimates
#' @param design,est See [new_fit()].
#' @noRd
fit_like <- function(fit, design, est, control = fit$control) {
  UseMethod("fit_like")
}

#' @export
fit_like.rlmm_lmm <- function(fit, design, est, control = fit$control) {
  new_fit(design, est, fit$call, control)
}

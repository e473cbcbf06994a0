# update() of nonlinear fits.

#' Changes a nonlinear model and fits it again
#'
#' A new formula is evaluated where the fit was made, if `update()` is called from there: the fit
#' keeps only the objects that its own formula names.
#' @noRd
#' @export
update.rlmm_nlmm <- function(object, formula., ..., evaluate = TRUE) {
  check_flag(evaluate, "evaluate")
  caller <- parent.frame()
  changes <- read_changes(substitute(list(...)), object)
  formula <- stats::formula(object)
  if (!missing(formula.)) {
    formula <- changed_parts(formula, formula.)
  }
  environment(formula) <- living_environment(object, caller)
  change <- list(formula = formula, changed = names(changes), caller = caller)
  call <- object$call
  if (!missing(formula.)) {
    call$formula <- formula
  }
  call[names(changes)] <- changes
  call <- without_nulls(call)
  if (evaluate) fit_nonlinear_change(object, call, change) else call
}

# The changed formula. A change may have two parts, of which the first stands for response and mean,
# or all three.
changed_parts <- function(formula, change) {
  change <- read_change(change)
  left <- change[[2L]]
  if (length(change) < 3L || call_name(left) != "~") {
    return(stats::update.formula(formula, change))
  }
  for (side in 2:3) {
    old <- list(. = formula[[2L]][[side]])
    left[[side]] <- do.call(substitute, list(left[[side]], old))
  }
  change[[2L]] <- quote(.)
  formula <- stats::update.formula(formula, change)
  formula[[2L]] <- left
  formula
}

# Evaluates the changed call with the values of unchanged arguments, whose objects may be gone.
fit_nonlinear_change <- function(fit, call, change) {
  run <- call
  values <- list(formula = change$formula)
  if (!"data" %in% change$changed) {
    values$data <- nonlinear_data(fit, call$data, change)
    if (identical(values$data, fit$frame)) {
      values$weights <- kept_weights(fit, change)
      run$subset <- if ("subset" %in% change$changed) run$subset
    }
  }
  if (!is.null(call$start) && !"start" %in% change$changed) {
    values$start <- kept_start(fit, call$start, change)
  }
  names <- rlang::set_names(paste0("new_", names(values)), names(values))
  bound <- rlang::new_environment(
    rlang::set_names(values, names),
    change$caller
  )
  run[names(names)] <- lapply(names, as.symbol)
  new <- eval(run, bound)
  new$call <- call
  new
}

# The weights of the fitted rows, unless they are changed.
kept_weights <- function(fit, change) {
  if (!"weights" %in% change$changed) fit$frame[["(weights)"]]
}

# The starting values of the call or, where their objects are gone, the estimates.
kept_start <- function(fit, expr, change) {
  eval_or_null(expr, NULL, environment(change$formula)) %||%
    eval_or_null(expr, NULL, change$caller) %||%
    fit$beta
}

#' The data of the call, if possible those with the fitted values; otherwise the model frame
#' @noRd
nonlinear_data <- function(fit, expr, change) {
  variables <- attr(fit$frame, "terms")
  has_all <- \(data) has_variables(data, variables)
  found <- Filter(has_all, data_candidates(expr, change))
  if (length(found) > 0L) {
    return(fitted_data_of(found, fit, expr))
  }
  missing <- setdiff(all.vars(change$formula), all.vars(stats::formula(fit)))
  # Another subset is one of all rows, and the frame has those of the old subset.
  is_selected_anew <- "subset" %in% change$changed && !is.null(fit$call$subset)
  if (length(missing) > 0L || is_selected_anew) {
    abort_lost_data(expr, missing)
  }
  fit$frame
}

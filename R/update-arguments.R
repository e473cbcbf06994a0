# The arguments of an update: those of the old call, the changed ones, and the fitting function.

#' The arguments that are evaluated in the data; `dispersion` has another meaning in rglmm() than in
#' rlmm()
#' @noRd
evaluated_in_data <- function(fit) {
  common <- c("weights", "offset", "subset", "mustart", "etastart")
  if (isLMM.rlmm(fit)) c(common, "dispersion") else common
}

#' The values of unchanged arguments
#'
#' Arguments whose values the fit stores are not evaluated again; `start` is dropped, as it belongs
#' to the old model.
#' @noRd
kept_arguments <- function(fit, args, data, change) {
  args <- args[!names(args) %in% c("formula", "data", "start")]
  names <- rlang::set_names(names(args))
  kept <- \(name) kept_argument(fit, name, args[[name]], data, change)
  lapply(names, kept)
}

kept_argument <- function(fit, name, expr, data, change) {
  places <- list(environment(fit$formula), change$caller)
  switch(
    name,
    REML = fit$reml,
    control = kept_control(fit, expr),
    sigma = fit$sigma,
    family = unfitted_family(fit),
    contrasts = kept_contrasts(fit, expr, places, change),
    eval_first(expr, if (name %in% evaluated_in_data(fit)) data, places)
  )
}

kept_control <- function(fit, control) {
  if (inherits(control, "rlmm_control")) control else fit$control
}

# The contrasts, which the fit stores for all of its factors in case the argument no longer exists.
kept_contrasts <- function(fit, expr, places, change) {
  value <- tryCatch(
    eval_first(expr, NULL, places),
    error = \(e) fit$fixed$contrasts
  )
  known_contrasts(value, change$formula)
}

# The values of changed arguments; unknown ones are left to the fitting function, which raises an
# error.
changed_arguments <- function(fit, args, data, caller) {
  fitter <- fitting_function(fit, c(names(fit$call), names(args)))
  taken <- names(formals(fitter))
  lapply(rlang::set_names(names(args)), function(name) {
    known <- if (name %in% evaluated_in_data(fit)) data
    tryCatch(
      eval(args[[name]], known, caller),
      error = \(cnd) {
        if (name %in% taken) abort_extra(args[[name]], name, cnd, known)
      }
    )
  })
}

#' The value of an expression in the first environment where it can be evaluated
#' @noRd
eval_first <- function(expr, data, envs) {
  for (env in envs[-length(envs)]) {
    value <- tryCatch(list(eval(expr, data, env)), error = \(e) NULL)
    if (!is.null(value)) {
      return(value[[1]])
    }
  }
  eval(expr, data, envs[[length(envs)]])
}

#' Calls the fitting function of a fit
#' @param values The values of unchanged arguments.
#' @noRd
call_fitter <- function(fit, args, values, data, change) {
  changed <- setdiff(intersect(change$changed, names(args)), "data")
  values[changed] <- changed_arguments(fit, args[changed], data, change$caller)
  values[c("formula", "data")] <- list(change$formula, data)
  fitter <- fitting_function(fit, names(values))
  call_by_names(fitter, values, environment(change$formula))
}

#' Calls a fitting function with values bound to the names of its arguments, so that a traceback
#' shows names instead of data
#' @noRd
call_by_names <- function(fitter, values, env) {
  names <- paste0("new_", names(values))
  bound <- rlang::set_names(values, names)
  env <- rlang::new_environment(c(bound, fitter = fitter), env)
  symbols <- rlang::set_names(lapply(names, as.symbol), names(values))
  eval(as.call(c(quote(fitter), symbols)), env)
}

# The fitting function of a fit; the name in its call may be that of another function.
fitting_function <- function(fit, arguments) UseMethod("fitting_function")

#' @export
fitting_function.rlmm_lmm <- function(fit, arguments) rlmm

#' @export
fitting_function.rlmm_glmm <- function(fit, arguments) {
  if ("family" %in% arguments) rglmm else rglmm_nb
}

#' @export
fitting_function.rlmm_nlmm <- function(fit, arguments) rnlmm

#' The contrasts of the variables in the formula
#' @param contrasts The list, or a call to `list()`.
#' @noRd
known_contrasts <- function(contrasts, formula) {
  is_list_call <- call_name(contrasts) == "list"
  if (!is_list_call && !is.list(contrasts)) {
    return(contrasts)
  }
  known <- vapply(formula_variables(formula), deparse_one, "")
  gone <- setdiff(names(contrasts), c(known, ""))
  contrasts[gone] <- NULL
  if (length(contrasts) > is_list_call) contrasts
}

# The arguments of an update: those of the old call, those that changed, and the function that is
# called with them.

#' Arguments that are evaluated in the data; the `dispersion` of rglmm() is another than that of
#' rlmm()
#' @noRd
evaluated_in_data <- function(fit) {
  common <- c("weights", "offset", "subset", "mustart", "etastart")
  if (isLMM.rlmm(fit)) c(common, "dispersion") else common
}

#' The values of arguments that aren't changed
#'
#' What the fit knows of its own arguments needn't be evaluated; a start belongs to the old model.
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

# The fit knows those of all its factors, should the argument not be there any more.
kept_contrasts <- function(fit, expr, places, change) {
  value <- tryCatch(
    eval_first(expr, NULL, places),
    error = \(e) fit$fixed$contrasts
  )
  known_contrasts(value, change$formula)
}

# An argument that the fitting function doesn't have needs no value: that function refuses it.
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

#' The value of an expression in the first environment in which it has one
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
#' @param values The arguments that aren't changed.
#' @noRd
call_fitter <- function(fit, args, values, data, change) {
  changed <- setdiff(intersect(change$changed, names(args)), "data")
  values[changed] <- changed_arguments(fit, args[changed], data, change$caller)
  values[c("formula", "data")] <- list(change$formula, data)
  fitter <- fitting_function(fit, names(values))
  call_by_names(fitter, values, environment(change$formula))
}

#' Calls a fitting function with values bound to the names of its arguments, so that a traceback
#' shows those and not the data
#' @noRd
call_by_names <- function(fitter, values, env) {
  names <- paste0("new_", names(values))
  bound <- rlang::set_names(values, names)
  env <- rlang::new_environment(c(bound, fitter = fitter), env)
  symbols <- rlang::set_names(lapply(names, as.symbol), names(values))
  eval(as.call(c(quote(fitter), symbols)), env)
}

# The call of a fit made through another function may have a name that means nothing here.
fitting_function <- function(fit, arguments) UseMethod("fitting_function")

#' @export
fitting_function.rlmm_lmm <- function(fit, arguments) rlmm

#' @export
fitting_function.rlmm_glmm <- function(fit, arguments) {
  if ("family" %in% arguments) rglmm else rglmm_nb
}

#' Contrasts of the variables that the formula has
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

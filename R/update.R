#' Change a model and fit it again
#'
#' Changes the fitting call as [stats::update()] does and evaluates it. What the unchanged arguments name is looked up where the model was
#' made (the environment of its formula), then where `update()` is called. If the data are found in neither, because they were removed, or
#' local to a function that has returned, the model frame stored in the fit is used.
#'
#' @param object A fitted model.
#' @param formula. Changes to the formula, such as `. ~ . - Days`; random-effects terms are added and removed like others.
#' @param ... Arguments of the fitting function to change, or to remove with `NULL`.
#' @param evaluate Fit the model, or return the call?
#' @return A fitted model, or a call.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' update(fit, REML = FALSE)
#' update(fit, . ~ . - (Days | Subject) + (1 | Subject))
#' @importFrom stats update
#' @export
update.rlmm <- function(object, formula., ..., evaluate = TRUE) {
  changes <- as.list(substitute(list(...)))[-1]
  call <- object$call
  formula <- stats::formula(object)
  if (!missing(formula.)) {
    formula <- stats::update.formula(formula, formula.)
    call$formula <- formula
  }
  for (name in names(changes)) call[name] <- list(changes[[name]])
  # An argument changed to NULL is one that the call doesn't have.
  call <- as.call(Filter(Negate(is.null), as.list(call)))
  if (!evaluate) {
    return(call)
  }
  fit <- evaluate_update(object, call, formula, names(changes), parent.frame())
  fit$call <- call
  fit
}

evaluated_in_data <- c("weights", "offset", "subset", "mustart", "etastart")

#' @param changed Names of the arguments that the user changed: those mean what they mean to the caller.
#' @noRd
evaluate_update <- function(fit, call, formula, changed, caller) {
  home <- environment(formula)
  args <- as.list(call)[-1]
  data <- if ("data" %in% changed) eval(args$data, caller) else find_data(fit, args$data, formula, caller)
  if (is.null(data) && !has_variables(NULL, formula)) {
    return(update_stored(fit, args, formula, changed, caller))
  }
  plain <- setdiff(names(args), c("formula", "data", evaluated_in_data))
  args[plain] <- lapply(plain, \(name) evaluate_argument(args[[name]], name %in% changed, home, caller))
  new <- intersect(changed, evaluated_in_data)
  args[new] <- lapply(args[new], eval, envir = data, enclos = caller)
  args$formula <- formula
  args$data <- data
  call_fitter(call[[1]], args)
}

evaluate_argument <- function(expr, changed, home, caller) {
  if (changed) {
    return(eval(expr, caller))
  }
  tryCatch(eval(expr, home), error = \(e) eval(expr, caller))
}

# The arguments are bound to their names, so that an error shows a call and not the data.
call_fitter <- function(fitter, args) {
  fitter <- if (is.symbol(fitter)) get(as.character(fitter), topenv()) else eval(fitter)
  bound <- setdiff(names(args), evaluated_in_data)
  env <- rlang::env(environment(args$formula), !!!args[bound], .fitter = fitter)
  eval(as.call(c(quote(.fitter), rlang::set_names(lapply(bound, as.symbol), bound), args[setdiff(names(args), bound)])), env)
}

#' The value of `data`, from where the model was made or from the caller: the first that has the formula's variables
#' @noRd
find_data <- function(fit, expr, formula, caller) {
  for (env in list(environment(formula), caller)) {
    data <- tryCatch(eval(expr, env), error = \(e) NULL)
    if (is.list(data) && has_variables(data, formula)) {
      return(data)
    }
  }
  NULL
}

has_variables <- function(data, formula) {
  missing <- setdiff(all.vars(formula), c(".", names(data)))
  all(vapply(missing, exists, NA, envir = environment(formula), mode = "numeric"))
}

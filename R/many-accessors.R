# Methods for fits to many responses, with a row or an element for each response.

#' Accessors of fits to many responses
#'
#' `fixef()` and `coef()` return a row of estimates for each response; `sigma()`, `nobs()`,
#' `logLik()`, and with it `AIC()` and `BIC()`, an element. `x[i]` selects responses; `as.list()`,
#' and therefore `lapply()`, returns the complete fits. `update()` refits all responses. Results
#' that are not a number for each response, such as random effects, are available from a single fit:
#' `ranef(x[["name"]])`.
#'
#' @param object,x The result of [rlmm_many()] or [rglmm_many()].
#' @param i Names, positive or negative numbers of responses, or logical values.
#' @param ... Not used.
#' @return `fixef()`, `coef()`: a matrix. `sigma()`, `nobs()`: a named vector. `logLik()`: a vector
#'   of class `"logLik"`, with a common number of parameters. `x[i]`: an object like `x`.
#'   `as.list()`: a named list of fits, `NULL` for responses that couldn't be fitted.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' many <- rlmm_many(simulate(fit, 5, seed = 1) ~ Days + (1 | Subject), sleepstudy)
#' fixef(many)
#' AIC(many)
#' sapply(many[1:2], isSingular)
#' @name many-accessors
NULL

#' @rdname many-accessors
#' @export
fixef.rlmm_many <- function(object, ...) {
  refuse_dots(...)
  object$beta
}

#' @rdname many-accessors
#' @export
coef.rlmm_many <- function(object, ...) {
  refuse_dots(...)
  object$beta
}

#' @rdname many-accessors
#' @export
sigma.rlmm_many <- function(object, ...) {
  refuse_dots(..., lme4_only = "use.fallback")
  object$sigma
}

#' @rdname many-accessors
#' @export
nobs.rlmm_many <- function(object, ...) {
  refuse_dots(..., lme4_only = "use.fallback")
  object$nobs
}

#' @rdname many-accessors
#' @export
logLik.rlmm_many <- function(object, ...) {
  refuse_dots(...)
  fitted <- which(is.na(object$error))
  df <- if (length(fitted) > 0L) {
    n_parameters(one_fit(object, fitted[1L]))
  }
  structure(
    -object$objective / 2,
    nobs = object$nobs,
    df = df %||% NA_real_,
    class = "logLik"
  )
}

#' @rdname many-accessors
#' @export
`[.rlmm_many` <- function(x, i) {
  i <- if (missing(i)) seq_along(x$sigma) else i
  at <- many_places(i, x)
  if (is.function(x$responses)) {
    abort_argument(
      "Responses that a function reads can't be chosen from.",
      i = "`x[[i]]` is the fit of one; `as.data.frame()` has rows for all.",
      arg = "i"
    )
  }
  parts <- lapply(unclass(x)[many_results], chosen_rows, at)
  kept <- unclass(x)
  kept[many_results] <- parts
  kept$responses <- one_response(x, at)
  if (!is.null(x$design$weights)) {
    kept$design$weights <- x$design$weights[, at, drop = FALSE]
  }
  structure(without_empty(kept), class = "rlmm_many")
}

# The components with a row or an element for each response.
many_results <- c(
  "beta",
  "std_error",
  "df",
  "theta",
  "sigma",
  "shape",
  "objective",
  "verdict",
  "error",
  "nobs"
)

#' @rdname many-accessors
#' @export
as.list.rlmm_many <- function(x, ...) {
  refuse_dots(..., lme4_only = "all.names")
  fit_of <- \(at) if (is.na(x$error[[at]])) one_fit(x, at)
  fits <- lapply(seq_along(x$sigma), fit_of)
  stats::setNames(fits, names(x$sigma))
}

# The call for `update()`.
#' @importFrom stats getCall
#' @export
getCall.rlmm_many <- function(x, ...) {
  refuse_dots(...)
  x$call
}

#' @export
update.rlmm_many <- function(object, formula., ..., evaluate = TRUE) {
  if (!missing(formula.)) {
    formula. <- read_change(formula.)
  }
  call <- NextMethod(evaluate = FALSE)
  if (!evaluate) {
    return(call)
  }
  made_in <- formula_env(object$formula)
  eval(call, with_variables_of(made_in, all.vars(call), parent.frame()))
}

# An environment with the variables of the function in which a call was made.
with_variables_of <- function(made_in, names, caller) {
  find <- \(name, env) rlang::env_get(env, name, NULL, inherit = TRUE)
  is_variable <- \(value) !is.null(value) && !is.function(value)
  is_only_there <- \(name) {
    !is_variable(find(name, caller)) && is_variable(find(name, made_in))
  }
  names <- Filter(is_only_there, names)
  known <- lapply(names, find, made_in)
  list2env(stats::setNames(known, names), parent = caller)
}

# Methods for single fits ------------------------------------------------------

#' @export
ranef.rlmm_many <- function(object, ...) abort_of_one("ranef", object)

#' @export
VarCorr.rlmm_many <- function(x, sigma = 1, ...) abort_of_one("VarCorr", x)

#' @export
vcov.rlmm_many <- function(object, ...) abort_of_one("vcov", object)

#' @export
confint.rlmm_many <- function(object, parm, level = 0.95, ...) {
  abort_of_one("confint", object)
}

#' @export
predict.rlmm_many <- function(object, ...) abort_of_one("predict", object)

#' @export
simulate.rlmm_many <- function(object, nsim = 1, seed = NULL, ...) {
  abort_of_one("simulate", object)
}

#' @export
anova.rlmm_many <- function(object, ...) abort_of_one("anova", object)

#' @export
deviance.rlmm_many <- function(object, ...) abort_of_one("deviance", object)

#' @export
df.residual.rlmm_many <- function(object, ...) {
  abort_of_one("df.residual", object)
}

#' @export
weights.rlmm_many <- function(object, ...) abort_of_one("weights", object)

#' @export
case.names.rlmm_many <- function(object, ...) abort_of_one("case.names", object)

#' @export
variable.names.rlmm_many <- function(object, ...) {
  abort_of_one("variable.names", object)
}

#' @export
model.frame.rlmm_many <- function(formula, ...) {
  abort_of_one("model.frame", formula)
}

#' @export
model.matrix.rlmm_many <- function(object, ...) {
  abort_of_one("model.matrix", object)
}

#' @export
terms.rlmm_many <- function(x, ...) abort_of_one("terms", x)

#' @export
drop1.rlmm_many <- function(object, ...) abort_of_one("drop1", object)

#' @export
add1.rlmm_many <- function(object, ...) abort_of_one("add1", object)

#' @export
profile.rlmm_many <- function(fitted, ...) abort_of_one("profile", fitted)

#' @export
influence.rlmm_many <- function(model, ...) abort_of_one("influence", model)

#' @export
simulate_power.rlmm_many <- function(object, ...) {
  abort_of_one("simulate_power", object)
}

#' @export
plot.rlmm_many <- function(x, ...) abort_of_one("plot", x)

abort_of_one <- function(generic, x) {
  name <- in_quotes(names(x$sigma)[1L])
  abort_rlmm(
    c(
      sprintf("`%s()` is of one fit, not of many.", generic),
      i = sprintf("`%s(x[[%s]])` has it for one response.", generic, name),
      i = paste(
        "`as.data.frame(x)` has the fixed effects with standard errors of all,",
        "`as.data.frame(x, what = \"fit\")` the variances."
      )
    ),
    c("rlmm_error_of_one", "rlmm_error_not_available")
  )
}

# Variables in new data: summaries inside an expression, such as a mean, are those of the fit.

#' A model frame whose `predvars` evaluate new data with the summaries of the fit's data
#'
#' R's model frames keep the parameters of a basis, such as those of `poly(x, 2)`, but not of
#' summaries inside a call: the mean in `I(x - mean(x))`, or the centre in `ns(scale(x), 3)`.
#' @noRd
with_frozen_variables <- function(frame, data) {
  terms <- attr(frame, "terms")
  variables <- as.list(attr(terms, "variables"))[-1L]
  is_nested <- vapply(variables, has_inner_call, NA)
  for (i in which(is_nested)) {
    attr(attr(frame, "terms"), "predvars")[[i + 1L]] <- frozen_variable(
      variables[[i]],
      frame[[i]],
      data,
      environment(terms)
    )
  }
  frame
}

has_inner_call <- function(expr) {
  if (!is.call(expr)) {
    return(FALSE)
  }
  arguments <- as.list(expr)[-1L]
  any(vapply(arguments, is_evaluated_call, NA))
}

# Whether the arguments of a call are evaluated as values of the data.
is_evaluated_call <- function(expr) {
  quoted <- c("$", "[[", "@", "::", ":::", "~", "function")
  is.call(expr) && !call_name(expr) %in% quoted
}

frozen_variable <- function(expr, value, data, env) {
  n <- if (is.data.frame(data)) nrow(data) else NROW(value)
  frozen <- with_frozen_bases(expr, n, data, env)
  predict_call(value, frozen)
}

# scale() of a basis has the class of the basis, whose method must not be used.
predict_call <- function(value, call) {
  if (structure_name(call) == "scale") {
    value <- unclass(value)
  }
  stats::makepredictcall(value, call)
}

#' An expression with the bases and summaries inside it fixed to those of the fit
#' @param n The number of rows.
#' @noRd
with_frozen_bases <- function(expr, n, data, env) {
  for (i in seq_along(expr)[-1L]) {
    if (is_evaluated_call(expr[[i]])) {
      expr[[i]] <- frozen_argument(expr[[i]], n, data, env, expr)
    }
  }
  expr
}

frozen_argument <- function(argument, n, data, env, outer) {
  value <- eval_or_null(argument, data, env)
  if (is.numeric(value) && NROW(value) != n) {
    return(value)
  }
  frozen <- with_frozen_bases(argument, n, data, env)
  made <- predict_call(value, frozen)
  # poly() with `coefs` doesn't accept a matrix with one column.
  is_column <- is.matrix(value) && ncol(value) == 1L
  if (is_column && structure_name(outer) == "poly") call("c", made) else made
}

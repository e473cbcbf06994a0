# The stored model frame of a fit as data for another fit: its columns are evaluated variables,
# named by their expressions.

#' Marks a data frame as evaluated columns of a fit
#' @param terms The terms of the fit's frame, with the `predvars` of each variable.
#' @param atoms A list of results of [group_expression()] for the atoms of grouping factors, named
#'   by the atoms.
#' @noRd
as_fitted_data <- function(data, terms, atoms) {
  structure(data, fitted_terms = terms, fitted_atoms = atoms)
}

is_fitted_data <- function(data) !is.null(attr(data, "fitted_terms"))

#' The model frame of variables that a fit has evaluated already, and of others computed from its
#' columns
#'
#' A basis that depends on the data, such as `poly()`, keeps its parameters.
#' @noRd
frame_from_fit <- function(terms, data, extras) {
  variables <- as.list(attr(terms, "variables"))[-1L]
  names(variables) <- variable_names(terms)
  made <- lapply(variables, fitted_variable, data, environment(terms))
  columns <- lapply(made, `[[`, "value")
  expressions <- lapply(made, `[[`, "expr")
  structure(
    c(columns, as_frame_extras(extras)),
    terms = terms_of_columns(terms, columns, expressions),
    row.names = .row_names_info(data, 0L),
    class = "data.frame"
  )
}

# The terms with the attributes that predict() and others need.
terms_of_columns <- function(terms, columns, expressions) {
  call <- c(quote(list), unname(expressions))
  attr(terms, "predvars") <- as.call(call)
  attr(terms, "dataClasses") <- vapply(columns, stats::.MFclass, "")
  terms
}

# Weights and other extra variables, named as in a model frame.
as_frame_extras <- function(extras) {
  if (length(extras) > 0L) {
    names(extras) <- paste0("(", names(extras), ")")
  }
  extras
}

#' One variable: its values and its expression for new data
#' @noRd
fitted_variable <- function(variable, data, env) {
  name <- deparse_one(variable)
  if (name %in% names(data)) {
    expr <- known_predvar(name, attr(data, "fitted_terms")) %||% variable
    return(list(value = data[[name]], expr = expr))
  }
  value <- eval(variable, data, env)
  if (NROW(value) != nrow(data)) {
    abort_fitted_length(name, NROW(value), nrow(data))
  }
  list(
    value = value,
    expr = stats::makepredictcall(value, variable)
  )
}

# The expression of a variable in the `predvars` of a fit's terms, if it is among them.
known_predvar <- function(name, terms) {
  at <- match(name, variable_names(terms))
  if (!is.na(at)) attr(terms, "predvars")[[at + 1L]]
}

abort_fitted_length <- function(name, found, n) {
  abort_rlmm(
    c(
      "The variables of `formula` must all have the same length.",
      x = sprintf("%s has %s, the data have %s.", tick(name), found, n)
    ),
    "rlmm_error_variable"
  )
}

# The columns of a fit's design, made again: from its stored frame, or from new data.

#' X as fitted: n x p, without aliased columns
#' @noRd
fixed_matrix <- function(fit, new = new_data(fit, NULL)) {
  column_matrix(fixed_columns(fit, new), new$n)
}

#' X without the columns of coefficients that are held
#' @noRd
free_matrix <- function(fit, new = new_data(fit, NULL)) {
  fixed_matrix(fit, new)[, free_beta(fit), drop = FALSE]
}

#' The columns of X as fitted, as Rust reads them
#' @noRd
fixed_columns <- function(fit, new = new_data(fit, NULL)) {
  columns <- full_fixed_columns(fit, new)
  if (length(fit$fixed$dropped) == 0) {
    return(columns)
  }
  select_columns(columns, match(fit$fixed$names, column_names(columns)))
}

#' X with all columns of the formula, aliased ones too
#' @noRd
full_fixed_columns <- function(fit, new = new_data(fit, NULL)) {
  part_columns(
    stats::delete.response(fit$fixed$terms),
    fit$fixed$contrasts,
    fit$fixed$xlevels,
    new
  )
}

#' Columns of one random-effects term: n x k
#' @noRd
effects_matrix <- function(term, new) {
  column_matrix(effects_columns(term, new), new$n)
}

effects_columns <- function(term, new) {
  if (identical(term$columns, "(Intercept)")) {
    return(intercept_column)
  }
  part_columns(term$effects, term$contrasts, term$xlevels, new)
}

part_columns <- function(terms, contrasts, xlevels, new) {
  columns <- design_columns(terms, part_frame(terms, xlevels, new), contrasts)
  attr(columns, "contrasts") <- NULL
  columns
}

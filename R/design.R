# The columns of a fit's design, made again: from its stored frame, or from new data.

#' X as fitted: n x p, without aliased columns
#' @noRd
fixed_matrix <- function(fit, new = new_data(fit, NULL)) {
  x <- full_fixed_matrix(fit, new)
  if (length(fit$fixed$dropped) > 0) x[, fit$fixed$names, drop = FALSE] else x
}

#' X with all columns of the formula, aliased ones too
#' @noRd
full_fixed_matrix <- function(fit, new = new_data(fit, NULL)) {
  part_matrix(stats::delete.response(fit$fixed$terms), fit$fixed$contrasts, fit$fixed$xlevels, new)
}

#' Columns of one random-effects term: n x k
#' @noRd
effects_matrix <- function(term, new) {
  if (identical(term$columns, "(Intercept)")) {
    return(matrix(1, new$n, 1, dimnames = list(NULL, "(Intercept)")))
  }
  part_matrix(term$effects, term$contrasts, term$xlevels, new)
}

part_matrix <- function(terms, contrasts, xlevels, new) {
  x <- design_columns(terms, part_frame(terms, xlevels, new), contrasts)
  attr(x, "contrasts") <- NULL
  x
}

fit_offset <- function(fit) total_offset(fit_frame(fit))

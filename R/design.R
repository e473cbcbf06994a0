# The design matrices of a fit, recomputed from its stored frame or for new data.

#' X as fitted, an n x p matrix without aliased columns
#' @noRd
fixed_matrix <- function(fit, new = new_data(fit, NULL)) {
  abort_if_large(fit)
  ordinary_matrix(fit, new)
}

#' The columns of X except those of the levels of large factors
#' @noRd
ordinary_matrix <- function(fit, new = new_data(fit, NULL)) {
  column_matrix(fixed_columns(fit, new), new$n)
}

#' X without the columns whose coefficients are held
#' @noRd
free_matrix <- function(fit, new = new_data(fit, NULL)) {
  fixed_matrix(fit, new)[, free_beta(fit), drop = FALSE]
}

#' The columns of X as fitted, in the form that Rust reads
#' @noRd
fixed_columns <- function(fit, new = new_data(fit, NULL)) {
  columns <- full_fixed_columns(fit, new)
  # The levels of large factors are neither columns of X nor dropped from it.
  if (length(fit$fixed$dropped) > 0) {
    columns <- select_columns(
      columns,
      match(fit$fixed$names, column_names(columns))
    )
  }
  columns_in_basis(columns, fit$basis$fixed, new$n, free_beta(fit))
}

#' X with all columns of the formula, including aliased ones
#' @noRd
full_fixed_columns <- function(fit, new = new_data(fit, NULL)) {
  columns <- part_columns(
    stats::delete.response(fit$fixed$ordinary %||% fit$fixed$terms),
    fit$fixed$contrasts,
    fit$fixed$xlevels,
    new
  )
  ordinary_columns(columns, fit$fixed$large)
}

#' The contribution of the levels of large factors to the linear predictor; zero without them
#' @param effects The coefficients of the levels.
#' @noRd
large_part <- function(fit, new, effects = fit$levels) {
  if (is.null(fit$fixed$large)) {
    return(0)
  }
  sum_of_levels(large_levels(fit, new), effects)
}

#' The sum over large factors of the effect of each row's level, times the covariate for slopes
#' @param levels The result of [large_levels()].
#' @noRd
sum_of_levels <- function(levels, effects) {
  effects[is.na(effects)] <- 0
  parts <- lapply(levels, \(own) effects[own$at] * own$values)
  Reduce(`+`, parts)
}

#' The level of each row and the value of its column, for each large factor
#' @return A list for each factor: `at`, the level of each row among the levels of all factors;
#'   `column`, as in [find_large_factors()]; and `values`, the covariate of slopes, or 1.
#' @noRd
large_levels <- function(fit, new) {
  lapply(fit$fixed$large$factors, \(own) {
    rows <- rows_of_large(own, new)
    list(
      at = own$at[rows$refs],
      column = own$column,
      values = rows$values %||% rep(1, length(rows$refs))
    )
  })
}

#' The level of each row for one large factor, and the value of the covariate of slopes
#' @noRd
rows_of_large <- function(own, new) {
  frame <- part_frame(own$terms, c(own$xlevels, own$beside), new)
  x <- unclass(frame)
  list(
    refs = combined_refs(x[names(own$xlevels)], own$xlevels),
    values = if (is_slope(own)) {
      slope_values(x[own$covariate], own$columns, own$codes)
    }
  )
}

#' The columns of one random-effects term, an n x k matrix
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

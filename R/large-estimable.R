# Estimability of predictions in models with large factors.
#
# The linear predictor of a row x is estimable if x'c = 0 for every c with X c = 0. Two random
# vectors c of the null space decide this except with probability zero, and they are all that a fit
# stores.

#' As [column_combinations()], with a column for every level and slope, including base levels
#' @return A list: `names`, of the ordinary columns; `origins`, which are subtracted from columns;
#'   and `null`, a matrix whose two columns are null vectors of all columns.
#' @noRd
combinations_beside_levels <- function(fit) {
  new <- new_data(fit, NULL)
  used <- rows_that_count(fit)
  ordinary <- column_matrix(full_fixed_columns(fit, new), new$n)
  ordinary <- ordinary[used, , drop = FALSE]
  large <- fit$fixed$large
  factors <- lapply(large$factors, \(own) {
    rows_of_factor(c(own, rows_of_large(own, new)), used)
  })
  origins <- column_origins(ordinary, factors)
  ordinary <- sweep(ordinary, 2L, origins$ordinary)
  list(
    names = colnames(ordinary),
    origins = origins,
    null = random_null_combinations(ordinary, factors)
  )
}

#' The sparse matrix of all columns of X in new data: the ordinary ones, then one for each level and
#' each slope
#' @param origins What [column_origins()] returns.
#' @noRd
columns_beside_levels <- function(fit, new, origins) {
  ordinary <- column_matrix(full_fixed_columns(fit, new), new$n)
  ordinary <- sweep(ordinary, 2L, origins$ordinary)
  n_levels <- length(fit$fixed$large$is_column)
  levels <- Map(
    indicator_columns,
    large_levels(fit, new),
    origins$slopes,
    new$n,
    n_levels
  )
  cbind(methods::as(ordinary, "CsparseMatrix"), Reduce(`+`, levels))
}

# The columns of one factor or its slopes, placed among those of all factors; a row without a level
# has zeros.
indicator_columns <- function(own, origin, n, n_levels) {
  rows <- which(!is.na(own$at))
  Matrix::sparseMatrix(
    i = rows,
    j = own$at[rows],
    x = own$values[rows] - origin,
    dims = c(n, n_levels)
  )
}

# Origins of the columns: subtracting them keeps the digits of covariates far from zero. This is
# only valid where the constant is in the column space, which the levels span but slopes don't.
column_origins <- function(ordinary, factors) {
  is_shifted <- has_indicator(factors) & colnames(ordinary) != "(Intercept)"
  blocks <- vapply(factors, `[[`, 1L, "block")
  slope_of <- \(own) {
    beside_levels <- has_indicator(factors[blocks == own$block])
    if (is_slope(own) && beside_levels) own$values[1L] else 0
  }
  slopes <- vapply(factors, slope_of, 1)
  list(ordinary = colMeans(ordinary) * is_shifted, slopes = slopes)
}

#' Whether x'c differs from zero, for rows x and some column c of `null`
#' @param x A sparse matrix of rows.
#' @noRd
are_nonzero <- function(x, null) {
  gap <- abs(x %*% null)
  Matrix::rowSums(gap > 1e-6 * (abs(x) %*% abs(null))) > 0
}

# Predictions that the data say nothing about, beside large factors: their levels are columns of a
# sparse X.
#
# The mean of a row is known if each combination of columns that is zero in all rows of the data is
# zero in it too. Two of these combinations, chosen at random, say so of all but by chance, and are
# all that a fit keeps.

#' As [column_combinations()], with a column for each level and each slope, those of bases too
#' @return A list: `names` of the ordinary columns; `origins`, what is taken off the columns; and
#'   `null`, two combinations of all columns, each a column.
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
    null = zero_combinations(ordinary, factors)
  )
}

#' All columns of X in new data, sparse: the ordinary ones, then one for each level and each slope
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

# The columns of one factor or its slopes among those of all; a row without a level has zeros.
indicator_columns <- function(own, origin, n, n_levels) {
  rows <- which(!is.na(own$at))
  Matrix::sparseMatrix(
    i = rows,
    j = own$at[rows],
    x = own$values[rows] - origin,
    dims = c(n, n_levels)
  )
}

# What is taken off the columns, so that covariates far from zero keep their digits: a constant is a
# combination of the levels, but not of slopes alone.
column_origins <- function(ordinary, factors) {
  is_shifted <- has_indicator(factors) & colnames(ordinary) != "(Intercept)"
  blocks <- vapply(factors, `[[`, 1L, "block")
  slope_of <- \(own) {
    beside_levels <- has_indicator(factors[blocks == own$block])
    if (is_of_slopes(own) && beside_levels) own$values[1L] else 0
  }
  slopes <- vapply(factors, slope_of, 1)
  list(ordinary = colMeans(ordinary) * is_shifted, slopes = slopes)
}

#' Whether rows aren't zero in combinations of their columns
#' @param x The columns, sparse.
#' @noRd
are_nonzero <- function(x, null) {
  gap <- abs(x %*% null)
  Matrix::rowSums(gap > 1e-6 * (abs(x) %*% abs(null))) > 0
}

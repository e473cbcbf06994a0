# Predictions that the data say nothing about, beside large factors: their levels are columns of a
# sparse X.

#' As [column_combinations()], with a column for each level and each slope
#'
#' A level that is the base has a column as well: it is a combination of the others in any data.
#' @noRd
combinations_beside_levels <- function(fit) {
  large <- fit$fixed$large
  parts <- parts_of_fixed(fit, new_data(fit, NULL))
  origins <- column_origins(parts, large)
  x <- sparse_fixed(parts, origins, length(large$is_column))
  x <- x[rows_that_count(fit), , drop = FALSE]
  is_kept <- c(colnames(parts$ordinary) %in% fit$fixed$names, large$is_column)
  list(
    names = colnames(parts$ordinary),
    origins = origins,
    is_kept = is_kept,
    weights = sparse_combinations(x, is_kept)
  )
}

# All columns of X in new data, and one for each level and each slope.
columns_beside_levels <- function(fit, new, origins) {
  n_levels <- length(fit$fixed$large$is_column)
  sparse_fixed(parts_of_fixed(fit, new), origins, n_levels)
}

# The ordinary columns of X, a matrix, and the rows of the large factors.
parts_of_fixed <- function(fit, new) {
  list(
    ordinary = column_matrix(full_fixed_columns(fit, new), new$n),
    levels = large_levels(fit, new)
  )
}

# What is taken off the columns, so that cross-products of covariates far from zero keep their
# digits: a constant is a combination of the levels, but not of slopes alone.
column_origins <- function(parts, large) {
  is_shifted <- has_indicator(large$factors) &
    colnames(parts$ordinary) != "(Intercept)"
  list(
    ordinary = colMeans(parts$ordinary) * is_shifted,
    slopes = mapply(slope_origin, large$factors, parts$levels, list(large))
  )
}

slope_origin <- function(own, rows, large) {
  beside_levels <- is_of_slopes(own) &&
    has_indicator(of_block(large, own$block))
  if (beside_levels) mean(rows$values) else 0
}

#' All columns of X, sparse: the ordinary ones, then a column for each level or slope
#' @param parts What [parts_of_fixed()] returns.
#' @param origins What [column_origins()] returns.
#' @noRd
sparse_fixed <- function(parts, origins, n_levels) {
  ordinary <- sweep(parts$ordinary, 2L, origins$ordinary)
  levels <- Map(
    indicator_columns,
    parts$levels,
    origins$slopes,
    nrow(ordinary),
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

#' As `combinations()`, of sparse columns, by their normal equations and one step of refinement
#' @noRd
sparse_combinations <- function(x, is_kept) {
  size <- sqrt(Matrix::colSums(x^2))
  unit <- Matrix::Diagonal(x = 1 / ifelse(size > 0, size, 1))
  scaled <- x %*% unit
  kept <- scaled[, is_kept, drop = FALSE]
  dropped <- scaled[, !is_kept, drop = FALSE]
  factor <- Matrix::Cholesky(Matrix::crossprod(kept))
  solve_for <- \(right) Matrix::solve(factor, Matrix::crossprod(kept, right))
  weights <- solve_for(dropped)
  weights <- weights + solve_for(dropped - kept %*% weights)
  # What is left of columns that have no part in a combination is rounding.
  weights <- Matrix::drop0(weights, tol = 1e-9)
  unit[is_kept, is_kept] %*% weights %*% Matrix::Diagonal(x = size[!is_kept])
}

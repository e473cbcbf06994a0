# Aliasing with several large factors, from the null space of all columns of the fixed part.
#
# The columns of a level are orthonormalized within it, each against those before it, and the
# ordinary columns among themselves. This changes a column only by multiples of columns before it,
# so that the last column of each null combination, the one to drop, stays the same. The
# cross-products G of all columns then have a unit diagonal. A null vector is the residual v - s of
# a random vector v, with G s = G v solved by conjugate gradients.

# The numbers of random vectors that are tried in turn, until there are more vectors than
# dimensions of the null space.
null_probes <- c(3L, 24L, 192L)

#' [aliased_with_large()] for several blocks of large factors
#'
#' Levels that depend on other levels alone, and slopes of levels in which the covariate doesn't
#' vary, are dropped first.
#' @param x,used The ordinary columns in the rows in use, and which rows these are.
#' @return The list of [aliased_with_large()]; `NULL` where the null space can't be computed.
#' @noRd
aliased_with_blocks <- function(x, places, large, used) {
  factors <- lapply(large$factors, rows_of_factor, used)
  basis <- basis_within_levels(factors)
  is_column <- independent_levels(large, factors) & basis$varies
  levels <- basis$columns[, is_column, drop = FALSE]
  x <- orthonormal_columns(x, large)
  null <- null_vectors(cross_products(x, levels), ncol(x) + ncol(levels))
  if (is.null(null)) {
    return(NULL)
  }
  none <- integer(length(places))
  of_x <- matrix(c(places, none, seq_along(places), none), ncol = 4L)
  of_levels <- level_column_order(large)[is_column, , drop = FALSE]
  order <- do.call(order, as.data.frame(rbind(of_x, of_levels)))
  is_kept <- rep(TRUE, nrow(null))
  is_kept[order] <- drop_last_levels(is_kept, null[order, , drop = FALSE], 1e-7)
  is_left <- utils::tail(is_kept, ncol(levels))
  is_column[is_column] <- is_left
  list(
    keep = which(utils::head(is_kept, ncol(x))),
    is_column = is_column,
    has_moved = !all(is_left)
  )
}

# The levels whose indicators are independent of those of the other factors and the intercept: the
# first factor loses a level to the intercept, the second one level for each connected part of both
# factors.
independent_levels <- function(large, factors) {
  is_column <- large$is_column
  indicators <- Filter(Negate(is_slope), factors)
  for (i in seq_along(indicators)) {
    own <- indicators[[i]]
    parts <- level_parts(indicators[seq_len(i)], large$drops_intercept)
    occurs <- is_column[own$at] & !is.na(parts)
    none <- matrix(0, length(own$at), 0L)
    is_column[own$at] <- levels_kept(occurs, none, parts, own$has_base)
  }
  is_column
}

#' The columns of all levels and slopes, orthonormalized within each level of a block
#' @param factors The large factors, with their rows.
#' @return A list: `columns`, a sparse matrix; `varies`, whether each column is independent of those
#'   before it in its level; and, for each factor, `blocks`, its block, and `within`, what
#'   [orthogonal_by_level()] returns for it.
#' @noRd
basis_within_levels <- function(factors) {
  blocks <- vapply(factors, `[[`, 1L, "block")
  within <- list()
  for (block in unique(blocks)) {
    own <- factors[blocks == block]
    refs <- own[[1L]]$refs
    n_levels <- length(own[[1L]]$levels)
    found <- orthogonal_by_level(block_values(own), refs, n_levels)
    within[blocks == block] <- found
  }
  refs <- lapply(factors, `[[`, "refs")
  sizes <- lengths(lapply(within, `[[`, "size"))
  before <- cumsum(sizes) - sizes
  values <- Map(\(one, refs) drop(one$q) / sqrt(one$size)[refs], within, refs)
  columns <- Matrix::sparseMatrix(
    i = rep(seq_along(refs[[1L]]), length(refs)),
    j = unlist(Map(`+`, before, refs)),
    x = unlist(values),
    dims = c(length(refs[[1L]]), sum(sizes))
  )
  varies <- unlist(lapply(within, `[[`, "varies"))
  list(columns = columns, varies = varies, blocks = blocks, within = within)
}

# The Q factor of the ordinary columns. If their span, or that of the levels, has the constant, the
# columns are centred first to keep digits, except a column that has the constant and would become a
# combination of those before it.
orthonormal_columns <- function(x, large) {
  if (ncol(x) == 0L) {
    return(x)
  }
  has_constant <- !large$drops_intercept || has_indicator(large$factors)
  is_moved <- has_constant & colnames(x) != "(Intercept)"
  centred <- sweep(x, 2L, colMeans(x) * is_moved)
  is_moved <- is_moved & seq_len(ncol(x)) %in% pivot_columns(centred)
  qr.Q(qr(sweep(x, 2L, colMeans(x) * is_moved), tol = 0))
}

#' A function that multiplies by the cross-products G of orthonormal columns and those of levels
#' @noRd
cross_products <- function(x, levels) {
  mixed <- as.matrix(Matrix::crossprod(levels, x))
  own <- Matrix::crossprod(levels)
  is_x <- seq_len(ncol(x) + ncol(levels)) <= ncol(x)
  function(v) {
    of_x <- v[is_x, , drop = FALSE]
    of_levels <- v[!is_x, , drop = FALSE]
    rbind(
      of_x + crossprod(mixed, of_levels),
      mixed %*% of_x + as.matrix(own %*% of_levels)
    )
  }
}

#' A basis of the null space of a positive semidefinite matrix with a unit diagonal
#' @param product A function that multiplies the matrix by another one.
#' @return A matrix with a column for each basis vector; `NULL` if the null space has too many
#'   dimensions, or if a check of the result fails.
#' @noRd
null_vectors <- function(product, size) {
  for (n in unique(pmin(null_probes, size))) {
    left <- null_projection(product, pseudorandom_numbers(size, n))
    found <- svd(left, nv = 0L)
    is_there <- found$d > 1e-5
    if (!all(is_there) || n == size) {
      basis <- found$u[, is_there, drop = FALSE]
      sizes <- colSums(basis * product(basis))
      return(if (all(sizes < 1e-13)) basis)
    }
  }
}

# The projection of vectors on the null space of a semidefinite matrix. Later rounds remove the
# rounding errors of the first.
null_projection <- function(product, left) {
  for (round in 1:3) {
    least <- 1e-28 * pmax(colSums(left^2), 1)
    left <- left - conjugate_gradients(product, product(left), 1, least)
  }
  left
}

#' Sort keys of the columns of levels among all columns of the fixed part
#' @return A matrix with a row for each level: the number of its term, of its column of slopes, of
#'   the level, and of the column among those that vary faster than the levels.
#' @noRd
level_column_order <- function(large) {
  places <- matrix(0L, length(large$is_column), 4L)
  labels <- each_large(large, "label")
  for (label in unique(labels)) {
    outer <- 0L
    for (own in large$factors[labels == label]) {
      inner <- own$inner %||% 0L
      outer <- outer + (inner == 0L)
      levels <- seq_along(own$at)
      places[own$at, ] <- cbind(own$position, outer, levels, inner)
    }
  }
  places
}

#' Residuals of columns from the levels and slopes of several blocks
#' @noRd
residuals_from_blocks <- function(x, factors) {
  if (has_indicator(factors)) {
    x <- sweep(x, 2L, colMeans(x))
  }
  levels <- basis_within_levels(factors)$columns
  products <- Matrix::crossprod(levels)
  product <- \(v) as.matrix(products %*% v)
  right <- as.matrix(Matrix::crossprod(levels, x))
  effects <- conjugate_gradients(product, right, 1, 1e-28 * colSums(x^2))
  x - as.matrix(levels %*% effects)
}

# Combinations of all columns -----------------------------------------------------

#' Two random combinations of ordinary columns and those of levels that are zero in all rows
#' @param x The ordinary columns, of any rank.
#' @return A matrix with a row for each column of the design, those of levels and slopes last, and a
#'   column for each combination.
#' @noRd
random_null_combinations <- function(x, factors) {
  ordinary <- qr(x, tol = 1e-7)
  basis <- basis_within_levels(factors)
  n_kept <- ordinary$rank
  n_levels <- ncol(basis$columns)
  q <- qr.Q(ordinary)[, seq_len(n_kept), drop = FALSE]
  probes <- pseudorandom_numbers(n_kept + n_levels, 2L)
  found <- null_projection(cross_products(q, basis$columns), probes)
  # Tiny coefficients are rounding errors of columns that are in no combination.
  found[abs(found) < 1e-8] <- 0
  rbind(
    in_ordinary_columns(utils::head(found, n_kept), ordinary),
    in_level_columns(utils::tail(found, n_levels), basis)
  )
}

# Coefficients of the ordinary columns from those of their Q factor. The coefficients of aliased
# columns are free, and chosen at random.
in_ordinary_columns <- function(v, ordinary) {
  root <- qr.R(ordinary)
  is_kept <- seq_len(ncol(root)) <= ordinary$rank
  free <- pseudorandom_numbers(sum(!is_kept), ncol(v))
  v <- v - root[is_kept, !is_kept, drop = FALSE] %*% free
  if (any(is_kept)) {
    v <- backsolve(root[is_kept, is_kept, drop = FALSE], v)
  }
  rbind(v, free)[order(ordinary$pivot), , drop = FALSE]
}

# Coefficients of the columns of levels from those of the orthonormal ones, by back substitution
# within each level.
in_level_columns <- function(v, basis) {
  sizes <- lengths(lapply(basis$within, `[[`, "size"))
  of_factor <- split(seq_len(nrow(v)), rep(seq_along(sizes), sizes))
  for (j in rev(seq_along(sizes))) {
    own <- basis$within[[j]]
    mine <- v[of_factor[[j]], , drop = FALSE] / sqrt(own$size)
    v[of_factor[[j]], ] <- mine
    before <- which(basis$blocks[seq_len(j - 1L)] == basis$blocks[j])
    for (i in seq_along(before)) {
      at <- of_factor[[before[i]]]
      # The coefficients of earlier columns have not been divided by their norms yet.
      scale <- sqrt(basis$within[[before[i]]]$size)
      v[at, ] <- v[at, , drop = FALSE] - scale * own$shares[[i]] * mine
    }
  }
  v
}

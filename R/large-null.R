# Which columns depend on those before them beside several large factors, some of them with slopes:
# combinations of all columns that are zero in every row say so.
#
# The columns of a level are made orthonormal within it, each by those before it, and the ordinary
# columns among themselves. A column changes by multiples of columns before it alone, so that each
# combination has the same last column as before, which is the one that goes. The cross-products of
# all columns, G, have ones on their diagonal, and the combinations are their null vectors: what
# the solution of G s = G v by conjugate gradients leaves of a random vector v.

# So many random vectors are taken; the next number where there are as many combinations or more.
null_probes <- c(3L, 24L, 192L)

#' As [beside_large()], beside several factors
#'
#' What levels alone say goes first, and the slopes of levels in which the covariate doesn't vary.
#' @param x,used The ordinary columns in the rows that count, and which these are.
#' @return The list of [beside_large()]; `NULL` where the combinations can't be told.
#' @noRd
beside_blocks <- function(x, places, large, used) {
  factors <- lapply(large$factors, rows_of_factor, used)
  basis <- basis_within_levels(factors)
  is_column <- told_by_levels(large, factors) & basis$varies
  levels <- basis$columns[, is_column, drop = FALSE]
  x <- orthonormal_columns(x, large)
  null <- null_vectors(cross_products(x, levels), ncol(x) + ncol(levels))
  if (is.null(null)) {
    return(NULL)
  }
  none <- integer(length(places))
  of_x <- matrix(c(places, none, seq_along(places), none), ncol = 4L)
  of_levels <- places_of_levels(large)[is_column, , drop = FALSE]
  order <- do.call(order, as.data.frame(rbind(of_x, of_levels)))
  is_kept <- rep(TRUE, nrow(null))
  is_kept[order] <- without_last(is_kept, null[order, , drop = FALSE], 1e-7)
  is_left <- utils::tail(is_kept, ncol(levels))
  is_column[is_column] <- is_left
  list(
    keep = which(utils::head(is_kept, ncol(x))),
    is_column = is_column,
    has_moved = !all(is_left)
  )
}

# The levels that have a column as far as levels say: those of the first factor may add up to the
# intercept, and those of the second, by connected parts, to levels of the first.
told_by_levels <- function(large, factors) {
  is_column <- large$is_column
  indicators <- Filter(Negate(is_of_slopes), factors)
  for (i in seq_along(indicators)) {
    own <- indicators[[i]]
    parts <- level_parts(indicators[seq_len(i)], large$drops_intercept)
    occurs <- is_column[own$at] & !is.na(parts)
    none <- matrix(0, length(own$at), 0L)
    is_column[own$at] <- levels_kept(occurs, none, parts, own$has_base)
  }
  is_column
}

#' The columns of all levels and slopes, orthonormal within each level of a block
#' @param factors The large factors, with their rows.
#' @return A list: `columns`, a sparse matrix; `varies`, which of these aren't combinations of the
#'   columns before them within their level; and `blocks` and `within`, of each factor the block and
#'   what [orthogonal_by_level()] tells.
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

# The ordinary columns, each orthonormal to those before it. Where a constant is among the columns
# or a combination of them, the origin of the others says nothing.
orthonormal_columns <- function(x, large) {
  if (ncol(x) == 0L) {
    return(x)
  }
  has_constant <- !large$drops_intercept || has_indicator(large$factors)
  is_moved <- has_constant & colnames(x) != "(Intercept)"
  qr.Q(qr(sweep(x, 2L, colMeans(x) * is_moved), tol = 0))
}

#' A function that multiplies by the cross-products of orthonormal columns and those of levels
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

#' A basis of the vectors that a semidefinite matrix with ones on its diagonal takes to zero
#' @param product A function that multiplies by it.
#' @return A matrix, with a column for each; `NULL` if there are too many, or what is left of random
#'   vectors isn't taken to zero.
#' @noRd
null_vectors <- function(product, size) {
  for (n in unique(pmin(null_probes, size))) {
    left <- null_part(product, scattered_numbers(size, n))
    found <- svd(left, nv = 0L)
    is_there <- found$d > 1e-5
    if (!all(is_there) || n == size) {
      basis <- found$u[, is_there, drop = FALSE]
      sizes <- colSums(basis * product(basis))
      return(if (all(sizes < 1e-13)) basis)
    }
  }
}

# What a semidefinite matrix takes to zero of some vectors: what conjugate gradients leave of them.
# Each round takes off what the one before it has left by rounding errors.
null_part <- function(product, left) {
  for (round in 1:3) {
    least <- 1e-28 * pmax(colSums(left^2), 1)
    left <- left - conjugate_gradients(product, product(left), 1, least)
  }
  left
}

# Numbers between -1 and 1 that no design knows; R's own random numbers stay as they are.
scattered_numbers <- function(n, columns) {
  at <- outer(12.9898 * seq_len(n), 78.233 * seq_len(columns), `+`)
  2 * ((43758.5453 * sin(at)) %% 1) - 1
}

#' Where the columns of levels stand among all columns of the fixed part
#' @return A matrix with a row for each level, by which they are sorted: the number of the term, of
#'   the column of slopes, of the level, and of the column among those that change faster than
#'   levels.
#' @noRd
places_of_levels <- function(large) {
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

#' What the levels and slopes of several blocks leave of columns
#' @noRd
rest_beside_blocks <- function(x, factors) {
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

#' Two combinations of ordinary columns and those of levels, at random, that are zero in all rows
#' @param x The ordinary columns, of any rank.
#' @return A matrix with a row for each column, those of levels and slopes the last.
#' @noRd
zero_combinations <- function(x, factors) {
  ordinary <- qr(x, tol = 1e-7)
  basis <- basis_within_levels(factors)
  n_kept <- ordinary$rank
  n_levels <- ncol(basis$columns)
  q <- qr.Q(ordinary)[, seq_len(n_kept), drop = FALSE]
  probes <- scattered_numbers(n_kept + n_levels, 2L)
  found <- null_part(cross_products(q, basis$columns), probes)
  # What is left of columns that have no part in a combination is rounding.
  found[abs(found) < 1e-8] <- 0
  rbind(
    in_ordinary_columns(utils::head(found, n_kept), ordinary),
    in_level_columns(utils::tail(found, n_levels), basis)
  )
}

# Coefficients of ordinary columns from those of orthonormal ones. Columns that depend on others
# have any.
in_ordinary_columns <- function(v, ordinary) {
  root <- qr.R(ordinary)
  is_kept <- seq_len(ncol(root)) <= ordinary$rank
  free <- scattered_numbers(sum(!is_kept), ncol(v))
  v <- v - root[is_kept, !is_kept, drop = FALSE] %*% free
  if (any(is_kept)) {
    v <- backsolve(root[is_kept, is_kept, drop = FALSE], v)
  }
  rbind(v, free)[order(ordinary$pivot), , drop = FALSE]
}

# Coefficients of the columns of levels from those of orthonormal ones: a column is one of these,
# and shares of those before it in its level.
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
      # The coefficients of columns before it aren't scaled yet.
      scale <- sqrt(basis$within[[before[i]]]$size)
      v[at, ] <- v[at, , drop = FALSE] - scale * own$shares[[i]] * mine
    }
  }
  v
}

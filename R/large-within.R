# Aliasing within one large factor: which levels and slopes by level keep a column, and projections
# of other columns on those of the levels.

# A factor restricted to the rows in use.
rows_of_factor <- function(own, used) {
  own$refs <- own$refs[used]
  if (is_slope(own)) {
    own$values <- own$values[used]
  }
  own
}

#' The connected parts of a factor's levels, whose indicators add up to a combination of earlier
#' columns
#'
#' All levels of the first factor form one part if there is an intercept, as their indicators add up
#' to it. The levels of a second factor form the connected parts of the bipartite graph with the
#' levels of the first.
#' @return The part of each level: zero if it belongs to none, `NA` if it has no rows.
#' @noRd
level_parts <- function(factors, drops_intercept) {
  last <- factors[[length(factors)]]
  own <- last$refs
  of <- rep(NA_integer_, length(last$levels))
  if (length(factors) == 1L) {
    of[unique(own)] <- as.integer(!drops_intercept)
  } else {
    cells <- unique(data.frame(own = own, other = factors[[1L]]$refs))
    levels <- unique(own)
    of[levels] <- part_labels(match(cells$own, levels), cells$other)
  }
  of
}

#' The levels that keep a column so that their columns are linearly independent
#'
#' Each part loses its last level, except that of the base, which has none already. Then each
#' remaining null combination (a column of `moves`, with the coefficients of the levels) removes the
#' last level in it.
#' @noRd
levels_kept <- function(is_column, moves, parts, has_base) {
  has_base <- has_base && !is.na(parts[1L])
  last <- last_of_parts(parts, is_column, if (has_base) parts[1L])
  pivots <- if (has_base) c(1L, last) else last
  pivot_of <- pivots[match(parts, parts[pivots])]
  in_part <- which(!is.na(pivot_of))
  moves[in_part, ] <- moves[in_part, , drop = FALSE] -
    moves[pivot_of[in_part], , drop = FALSE]
  is_column[last] <- FALSE
  drop_last_levels(is_column, moves)
}

# The last level with a column in each part, except in the part of the base level.
last_of_parts <- function(parts, is_column, base_part) {
  levels <- which(is_column & parts > 0L & !parts %in% base_part)
  levels[!duplicated(parts[levels], fromLast = TRUE)]
}

# Removes levels until no null combination (column of `means`) is left: the last level of each, by
# Gaussian elimination. Coefficients below `least` times the largest are rounding errors.
drop_last_levels <- function(is_column, means, least = 1e-9) {
  for (i in seq_len(ncol(means))) {
    size <- sqrt(rowSums(means^2))
    last <- max(which(is_column & size > least * max(size)))
    is_column[last] <- FALSE
    means <- eliminate_level(means, last)
  }
  is_column
}

# Eliminates a level from the combinations: the one with the largest coefficient of it is the pivot.
eliminate_level <- function(means, level) {
  pivot <- which.max(abs(means[level, ]))
  factor <- means[level, ] / means[level, pivot]
  means <- means - outer(means[, pivot], factor)
  means[, -pivot, drop = FALSE]
}

#' The levels whose slopes keep a column so that the columns are linearly independent
#'
#' Earlier columns, such as the covariate itself, may be combinations of the slopes of all levels.
#' Removing the slope of the base level resolves the first of these, unless the covariate doesn't
#' vary there.
#' @noRd
slopes_kept <- function(is_column, moves, has_base) {
  size <- sqrt(rowSums(moves^2))
  if (has_base && ncol(moves) > 0L && size[1L] > 1e-9 * max(size)) {
    moves <- eliminate_level(moves, 1L)
  }
  drop_last_levels(is_column, moves)
}

# Projections on levels --------------------------------------------------------

# The columns of a block: ones for the factor and the covariates of slopes. Beside ones, a covariate
# is shifted by its value in the first row, which keeps the column space and saves digits.
block_values <- function(factors) {
  lapply(factors, \(own) {
    if (!is_slope(own)) {
      rep(1, length(own$refs))
    } else if (has_indicator(factors)) {
      own$values - own$values[1L]
    } else {
      own$values
    }
  })
}

#' Gram-Schmidt orthogonalization of covariates within each level
#' @return A list for each covariate: `q`, the orthogonalized column; `size`, its sum of squares by
#'   level, or 1 where that is zero; `shares`, by level its coefficients on the covariates before
#'   it; and `varies`, whether it is linearly independent of those in each level.
#' @noRd
orthogonal_by_level <- function(values, refs, n_levels) {
  by_level <- \(x) drop(level_sums(x, refs, n_levels))
  columns <- list()
  for (value in values) {
    q <- as.matrix(value)
    shares <- list()
    for (i in seq_along(columns)) {
      one <- columns[[i]]
      shares[[i]] <- by_level(one$q * q) / one$size
      q <- q - one$q * shares[[i]][refs]
    }
    size <- by_level(q^2)
    varies <- size > 1e-14 * by_level(as.matrix(value^2))
    own <- list(
      q = q * varies[refs],
      size = ifelse(varies, size, 1),
      shares = shares,
      varies = varies
    )
    columns <- c(columns, list(own))
  }
  columns
}

#' Residuals of the columns of `x` from covariates within each level
#' @param values The covariates.
#' @return A list: `rest`, the residuals; `effects`, the coefficients of the last covariate in each
#'   level; and `varies`, whether that covariate is independent of the others in each level.
#' @noRd
project_within_levels <- function(x, refs, n_levels, values) {
  rest <- x
  effects <- varies <- NULL
  for (one in orthogonal_by_level(values, refs, n_levels)) {
    effects <- level_sums(one$q[, 1L] * rest, refs, n_levels) / one$size
    rest <- rest - one$q[, 1L] * effects[refs, , drop = FALSE]
    varies <- one$varies
  }
  list(rest = rest, effects = effects, varies = varies)
}

level_sums <- function(x, refs, n_levels) {
  sums <- matrix(0, n_levels, ncol(x))
  seen <- sort(unique(refs))
  sums[seen, ] <- rowsum(x, refs, reorder = TRUE)
  sums
}

#' Preconditioned conjugate gradients for a positive semidefinite system with several right-hand
#' sides
#' @param product A function that multiplies the matrix of the system by a matrix.
#' @param scale The diagonal of the preconditioner.
#' @param least The squared residual norm at which a right-hand side counts as solved: what is left
#'   is rounding error.
#' @noRd
conjugate_gradients <- function(product, right, scale, least) {
  found <- matrix(0, nrow(right), ncol(right))
  residual <- right
  direction <- solved <- residual / scale
  size <- colSums(residual * solved)
  for (i in seq_len(min(5000L, 20L + 2L * nrow(right)))) {
    is_found <- size <= least
    if (all(is_found)) {
      break
    }
    moved <- product(direction)
    curvature <- colSums(direction * moved)
    step <- ifelse(!is_found & curvature > 0, size / curvature, 0)
    found <- found + sweep(direction, 2L, step, `*`)
    residual <- residual - sweep(moved, 2L, step, `*`)
    solved <- residual / scale
    before <- size
    size <- colSums(residual * solved)
    turn <- ifelse(before > 0, size / before, 0)
    direction <- solved + sweep(direction, 2L, turn, `*`)
  }
  found
}

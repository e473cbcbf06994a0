# Which levels of a large factor, and which of their slopes, keep a column; and what the columns of
# a level explain.

# A factor with those of its rows that count.
rows_of_factor <- function(own, used) {
  own$refs <- own$refs[used]
  if (is_of_slopes(own)) {
    own$values <- own$values[used]
  }
  own
}

#' The parts of a factor's levels whose sums columns before it have already
#'
#' All levels of the first factor are one part, as they add up to the intercept, if there is one.
#' @return The part of each level: zero for one in none, `NA` for a level without rows.
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

#' The levels that keep a column so that no combination is left
#'
#' The last level of each part goes, but of the part of the base; then, of what the combinations
#' `moves` are beside these, the last level of each.
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
  without_last(is_column, moves)
}

# The last level with a column of each part, but of the part of the base.
last_of_parts <- function(parts, is_column, base_part) {
  levels <- which(is_column & parts > 0L & !parts %in% base_part)
  levels[!duplicated(parts[levels], fromLast = TRUE)]
}

# The last levels that have to go so that no combination is left. A part in one that is so small
# beside the largest is none.
without_last <- function(is_column, means, least = 1e-9) {
  for (i in seq_len(ncol(means))) {
    size <- sqrt(rowSums(means^2))
    last <- max(which(is_column & size > least * max(size)))
    is_column[last] <- FALSE
    means <- without_level(means, last)
  }
  is_column
}

# The combinations of columns that a level has no part in.
without_level <- function(means, level) {
  pivot <- which.max(abs(means[level, ]))
  factor <- means[level, ] / means[level, pivot]
  means <- means - outer(means[, pivot], factor)
  means[, -pivot, drop = FALSE]
}

#' The slopes that keep a column so that no combination is left
#'
#' Columns before them, the covariate among them, may be combinations of the slopes of all levels.
#' The base has no slope for these, unless the covariate doesn't vary there.
#' @noRd
slopes_kept <- function(is_column, moves, has_base) {
  size <- sqrt(rowSums(moves^2))
  if (has_base && ncol(moves) > 0L && size[1L] > 1e-9 * max(size)) {
    moves <- without_level(moves, 1L)
  }
  without_last(is_column, moves)
}

# What levels explain ------------------------------------------------------------

# Ones for the levels, and the covariates of slopes; beside ones their origin says nothing.
block_values <- function(factors) {
  lapply(factors, \(own) {
    if (!is_of_slopes(own)) {
      rep(1, length(own$refs))
    } else if (has_indicator(factors)) {
      own$values - own$values[1L]
    } else {
      own$values
    }
  })
}

#' Covariates, each of which is made orthogonal to those before it within each level
#' @return A list for each: `q`, a column; `size`, by level its sum of squares, or 1; `shares`, by
#'   level the coefficients of those before it in the covariate; and `varies`, in which levels it
#'   isn't a combination of these.
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

#' What covariates leave of columns within each level
#' @param values The covariates.
#' @return A list: `rest`; `effects`, the coefficients of the last covariate beside those before it;
#'   and `varies`, in which levels it varies beside these.
#' @noRd
explain_within <- function(x, refs, n_levels, values) {
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

#' Solutions of a semidefinite system, one for each column of the right-hand side
#' @param product A function that multiplies a matrix by that of the system.
#' @param scale The diagonal by which it is preconditioned.
#' @param least Squares of residuals that are rounding, of which a step would be made.
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

# Which columns of X, and which levels of large factors, depend on those before them.

#' Which columns to keep beside large factors, and which levels have a column
#'
#' As in `lm()`, what is dropped depends on what stands before it in the formula. Of columns before
#' a factor that are combinations of its levels all are kept, and as many of the last levels have no
#' coefficient. Of a second factor one level more goes for each connected part of the two but one:
#' the levels of a part add up to those of the first factor in it.
#' @param x The ordinary columns, of full rank.
#' @param places For each of them, the number of its term.
#' @return A list: `keep` (columns), `is_column` (levels), and `has_moved`: do levels have no
#'   coefficient because of columns before them?
#' @noRd
beside_large <- function(x, places, large, counts) {
  used <- if (is.null(counts)) rep(TRUE, nrow(x)) else counts > 0
  x <- x[used, , drop = FALSE]
  factors <- lapply(large$factors, rows_of_factor, used)
  is_column <- large$is_column
  is_kept <- rep(TRUE, ncol(x))
  # The intercept depends on the levels that occur.
  has_levels <- !large$drops_intercept && has_indicator(factors)
  left <- which(!has_levels | colnames(x) != "(Intercept)")
  has_moved <- FALSE
  for (i in seq_along(factors)) {
    own <- factors[[i]]
    beside <- beside_factors(x[, left, drop = FALSE], factors[seq_len(i)])
    is_after <- places[left] > own$position
    is_kept[left[beside$dependent & is_after]] <- FALSE
    moves <- beside$moves[, !is_after[beside$dependent], drop = FALSE]
    # The base has no slope for the combination that the covariate of slopes is.
    expected <- is_of_slopes(own) && own$has_base
    has_moved <- has_moved || ncol(moves) > expected
    is_column[own$at] <- columns_kept(
      is_column[own$at],
      moves,
      beside$varies,
      factors[seq_len(i)],
      large$drops_intercept
    )
    left <- left[!beside$dependent]
  }
  list(keep = which(is_kept), is_column = is_column, has_moved = has_moved)
}

# A factor with those of its rows that count.
rows_of_factor <- function(own, used) {
  own$refs <- own$refs[used]
  if (is_of_slopes(own)) {
    own$values <- own$values[used]
  }
  own
}

# The levels of the last of some factors, or its slopes, that keep a column.
columns_kept <- function(is_column, moves, varies, factors, drops_intercept) {
  own <- factors[[length(factors)]]
  if (is_of_slopes(own)) {
    return(slopes_kept(is_column & varies, moves, own$has_base))
  }
  parts <- level_parts(factors, drops_intercept)
  is_column <- is_column & !is.na(parts)
  levels_kept(is_column, moves, parts, own$has_base)
}

# Which columns depend on factors and other columns; the last factor's levels in each combination
# that says so, a column of `moves` for each dependent one; and in which of its levels that factor
# varies beside those before it.
beside_factors <- function(x, factors) {
  found <- explain_by_levels(x, factors)
  dependent <- depends_on_earlier(found$rest, x)
  moves <- found$effects[, dependent, drop = FALSE]
  if (any(dependent) && !all(dependent)) {
    basis <- qr(found$rest[, !dependent, drop = FALSE])
    slopes <- qr.coef(basis, found$rest[, dependent, drop = FALSE])
    moves <- moves - found$effects[, !dependent, drop = FALSE] %*% slopes
  }
  list(dependent = dependent, moves = moves, varies = found$varies)
}

# Whether what columns leave within levels is a combination of those before them.
depends_on_earlier <- function(within, x) {
  is_intercept <- colnames(x) == "(Intercept)"
  whole <- sqrt(colSums(sweep(x, 2L, colMeans(x) * !is_intercept)^2))
  left <- sqrt(colSums(within^2))
  constant <- left <= 1e-7 * whole
  varying <- which(!constant)
  kept <- if (length(varying) > 0L) {
    varying[pivot_columns(within[, varying, drop = FALSE])]
  }
  !seq_len(ncol(x)) %in% kept
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

# The last levels that have to go so that no combination is left.
without_last <- function(is_column, means) {
  for (i in seq_len(ncol(means))) {
    size <- sqrt(rowSums(means^2))
    last <- max(which(is_column & size > 1e-9 * max(size)))
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

#' Whether the levels of the factors, beside X, contain the random effects of a term
#'
#' A combination of all of its levels with irregular weights then leaves nothing.
#' @param z The columns of the core term, a matrix.
#' @noRd
contains_effects <- function(x, large, z, core_term) {
  weights <- 0.5 + (seq_len(core_term$n_levels) * 0.6180339887498949) %% 1
  combined <- weights[core_term$refs] * z
  left <- explain_by_levels(cbind(combined, x), large$factors)$rest
  own <- seq_len(ncol(combined))
  rest <- left[, own, drop = FALSE]
  if (ncol(x) > 0L) {
    rest <- qr.resid(qr(left[, -own, drop = FALSE]), rest)
  }
  any(colSums(rest^2) <= 1e-14 * colSums(combined^2))
}

# What levels explain ------------------------------------------------------------

#' What the levels of a factor with its slopes, or of two factors, leave of columns
#' @return A list: `rest`; `effects`, the coefficients of the last factor's levels; and `varies`, in
#'   which levels it varies beside the factors before it.
#' @noRd
explain_by_levels <- function(x, factors) {
  refs <- lapply(factors, `[[`, "refs")
  n_levels <- lengths(lapply(factors, `[[`, "levels"))
  if (length(unique(vapply(factors, `[[`, 1L, "block"))) == 1L) {
    return(explain_within(x, refs[[1L]], n_levels[1L], block_values(factors)))
  }
  x <- sweep(x, 2L, colMeans(x))
  effects <- two_way_effects(x, refs, n_levels)
  rest <- x -
    effects[[1L]][refs[[1L]], , drop = FALSE] -
    effects[[2L]][refs[[2L]], , drop = FALSE]
  list(rest = rest, effects = effects[[2L]], varies = TRUE)
}

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

#' What covariates leave of columns within each level
#' @param values The covariates, each of which is made orthogonal to those before it.
#' @noRd
explain_within <- function(x, refs, n_levels, values) {
  by_level <- \(x) level_sums(x, refs, n_levels)
  rest <- x
  before <- effects <- varies <- NULL
  for (value in values) {
    q <- as.matrix(value)
    for (one in before) {
      q <- q - one$q * (by_level(one$q * q) / one$size)[refs]
    }
    size <- drop(by_level(q^2))
    varies <- size > 1e-14 * drop(by_level(as.matrix(value^2)))
    q <- q * varies[refs]
    size <- ifelse(varies, size, 1)
    effects <- by_level(q[, 1L] * rest) / size
    rest <- rest - q[, 1L] * effects[refs, , drop = FALSE]
    before <- c(before, list(list(q = q, size = size)))
  }
  list(rest = rest, effects = effects, varies = varies)
}

level_sums <- function(x, refs, n_levels) {
  sums <- matrix(0, n_levels, ncol(x))
  seen <- sort(unique(refs))
  sums[seen, ] <- rowsum(x, refs, reorder = TRUE)
  sums
}

#' The effects of the levels of two factors on columns
#'
#' Given those of one factor, the effects of the other are means. The factor with fewer levels is
#' left, whose normal equations conjugate gradients solve: they hold the number of rows of each
#' combination of levels that occurs.
#' @noRd
two_way_effects <- function(x, refs, n_levels) {
  order <- order(n_levels)
  refs <- refs[order]
  n_levels <- n_levels[order]
  counts <- Map(\(own, n) pmax(tabulate(own, n), 1L), refs, n_levels)
  cells <- Matrix::sparseMatrix(refs[[1L]], refs[[2L]], x = 1, dims = n_levels)
  sums <- Map(\(own, n) level_sums(x, own, n), refs, n_levels)
  product <- \(v) {
    beside <- Matrix::crossprod(cells, v) / counts[[2L]]
    counts[[1L]] * v - as.matrix(cells %*% beside)
  }
  right <- sums[[1L]] - as.matrix(cells %*% (sums[[2L]] / counts[[2L]]))
  least <- 1e-26 * colSums(x^2)
  few <- conjugate_gradients(product, right, counts[[1L]], least)
  many <- (sums[[2L]] - as.matrix(Matrix::crossprod(cells, few))) / counts[[2L]]
  list(few, many)[order(order)]
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

# Connected parts ----------------------------------------------------------------

#' The number of connected parts of the graph in which each row joins a level of `a` and one of `b`
#' @noRd
connected_parts <- function(a, b) length(unique(part_labels(a, b)))

#' The connected part of each level of `a`: a number that is the same within a part
#'
#' Labels of parts spread from level to level, each time the smaller one, until none changes.
#' @noRd
part_labels <- function(a, b) {
  label <- seq_len(max(a))
  repeat {
    of_b <- smallest_by(label[a], b)
    new <- pmin(label, smallest_by(of_b[b], a))
    # A label that has been given up itself leads on to a smaller one.
    new <- new[new]
    if (identical(new, label)) {
      return(label)
    }
    label <- new
  }
}

smallest_by <- function(x, by) {
  order <- order(by, x)
  first <- !duplicated(by[order])
  out <- integer(max(by))
  out[by[order][first]] <- x[order][first]
  out
}

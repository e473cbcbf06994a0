# Which columns of X, and which levels of large factors, depend on those before them.

#' Which columns to keep beside large factors, and which levels have a column
#'
#' As in `lm()`, what is dropped depends on what stands before it in the formula. Of columns before
#' a factor that are combinations of its levels all are kept, and as many of the last levels have no
#' coefficient. Beside several factors [beside_blocks()] tells it.
#' @param x The ordinary columns, of full rank.
#' @param places For each of them, the number of its term.
#' @return A list: `keep` (columns), `is_column` (levels), and `has_moved`: do levels have no
#'   coefficient because of columns before them? `NULL` where it can't be told.
#' @noRd
beside_large <- function(x, places, large, counts) {
  used <- if (is.null(counts)) rep(TRUE, nrow(x)) else counts > 0
  x <- x[used, , drop = FALSE]
  if (n_blocks(large) > 1L) {
    return(beside_blocks(x, places, large, used))
  }
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

# The levels of a factor, or the slopes that are the last of some, that keep a column.
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

#' What the levels of factors, with their slopes, leave of columns
#' @return A list: `rest`; and, of factors that share their levels, what [explain_within()] tells of
#'   the last one.
#' @noRd
explain_by_levels <- function(x, factors) {
  blocks <- vapply(factors, `[[`, 1L, "block")
  if (length(unique(blocks)) > 1L) {
    return(list(rest = rest_beside_blocks(x, factors)))
  }
  own <- factors[[1L]]
  n_levels <- length(own$levels)
  explain_within(x, own$refs, n_levels, block_values(factors))
}

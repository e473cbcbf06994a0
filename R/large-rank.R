# Aliasing of the columns of X and of the levels of large factors.

#' The columns of X and the levels of large factors that are kept so that X has full rank
#'
#' As in `lm()`, a column is dropped if it is a linear combination of columns before it in the
#' formula. Columns before a large factor that are combinations of its levels are all kept, and as
#' many of the last levels lose their coefficient. Several factors are left to
#' [aliased_with_blocks()].
#' @param x The ordinary columns of X, of full rank.
#' @param places The number of each column's term.
#' @return A list: `keep`, the columns that are kept; `is_column`, whether each level has a column;
#'   and `has_moved`, whether levels lost their coefficient to columns before their factor. `NULL`
#'   where the null space can't be computed.
#' @noRd
aliased_with_large <- function(x, places, large, counts) {
  used <- if (is.null(counts)) rep(TRUE, nrow(x)) else counts > 0
  x <- x[used, , drop = FALSE]
  if (n_blocks(large) > 1L) {
    return(aliased_with_blocks(x, places, large, used))
  }
  factors <- lapply(large$factors, rows_of_factor, used)
  is_column <- large$is_column
  is_kept <- rep(TRUE, ncol(x))
  # The intercept is the sum of the indicators of all levels.
  has_levels <- !large$drops_intercept && has_indicator(factors)
  left <- which(!has_levels | colnames(x) != "(Intercept)")
  has_moved <- FALSE
  for (i in seq_along(factors)) {
    own <- factors[[i]]
    beside <- dependence_on_factors(
      x[, left, drop = FALSE],
      factors[seq_len(i)]
    )
    is_after <- places[left] > own$position
    is_kept[left[beside$dependent & is_after]] <- FALSE
    moves <- beside$moves[, !is_after[beside$dependent], drop = FALSE]
    # The covariate itself is one combination of the slopes of all levels; the missing slope of the
    # base level already accounts for it.
    expected <- is_slope(own) && own$has_base
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

# The levels that keep a column, of the last of `factors`, which is a factor or its slopes.
columns_kept <- function(is_column, moves, varies, factors, drops_intercept) {
  own <- factors[[length(factors)]]
  if (is_slope(own)) {
    return(slopes_kept(is_column & varies, moves, own$has_base))
  }
  parts <- level_parts(factors, drops_intercept)
  is_column <- is_column & !is.na(parts)
  levels_kept(is_column, moves, parts, own$has_base)
}

# The linear dependence of the columns of `x` on factors and on earlier columns: whether each is
# dependent; `moves`, for each dependent column, the coefficients of the last factor's levels in
# that combination; and `varies`, the levels in which that factor is independent of earlier ones.
dependence_on_factors <- function(x, factors) {
  found <- project_on_levels(x, factors)
  dependent <- depends_on_earlier(found$rest, x)
  moves <- found$effects[, dependent, drop = FALSE]
  if (any(dependent) && !all(dependent)) {
    basis <- qr(found$rest[, !dependent, drop = FALSE])
    slopes <- qr.coef(basis, found$rest[, dependent, drop = FALSE])
    moves <- moves - found$effects[, !dependent, drop = FALSE] %*% slopes
  }
  list(dependent = dependent, moves = moves, varies = found$varies)
}

# Whether the residual of each column within levels is a combination of those before it.
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

#' Whether the column space of X and the large factors contains the random effects of a term
#'
#' The random effects are contained if a combination of the term's levels with irregular weights has
#' no residual.
#' @param z The columns of the core's term, a matrix.
#' @noRd
contains_effects <- function(x, large, z, core_term) {
  weights <- 0.5 + (seq_len(core_term$n_levels) * 0.6180339887498949) %% 1
  combined <- weights[core_term$refs] * z
  left <- project_on_levels(cbind(combined, x), large$factors)$rest
  own <- seq_len(ncol(combined))
  rest <- left[, own, drop = FALSE]
  if (ncol(x) > 0L) {
    rest <- qr.resid(qr(left[, -own, drop = FALSE]), rest)
  }
  any(colSums(rest^2) <= 1e-14 * colSums(combined^2))
}

# Projections on levels --------------------------------------------------------

#' Residuals of columns from the levels of factors and their slopes
#' @return A list: `rest`, the residuals; and for a single block the other elements that
#'   [project_within_levels()] returns.
#' @noRd
project_on_levels <- function(x, factors) {
  blocks <- vapply(factors, `[[`, 1L, "block")
  if (length(unique(blocks)) > 1L) {
    return(list(rest = residuals_from_blocks(x, factors)))
  }
  own <- factors[[1L]]
  n_levels <- length(own$levels)
  project_within_levels(x, own$refs, n_levels, block_values(factors))
}

# The spec of a model of sums: its independent columns and its terms.

#' The spec of sums, whose terms have no rows
#' @noRd
sums_spec <- function(numbers, random, reml, sigma) {
  groups <- lapply(random, \(term) list(levels = term$levels))
  names(groups) <- vapply(random, `[[`, "", "group")
  list(
    sums = numbers,
    terms = core_terms(random, vector("list", length(random)), groups),
    reml = reml,
    sigma = sigma
  )
}

# Fixed effects -------------------------------------------------------------

# A column is dropped if the residual sum of squares from the columns before it is less than this
# fraction of its own: rounding errors of the sums hide smaller values. The second fraction, of the
# uncentred sum of squares, detects constant columns.
min_residual_share <- 1e-10
min_centred_share <- 1e-12

#' The independent columns of X, from their cross-products
#' @noRd
independent_sums <- function(sums, names, policy) {
  left <- centred_products(sums)
  least <- pmax(
    min_residual_share * diag(left),
    min_centred_share * diag(sums$xx)
  )
  kept <- integer()
  for (j in seq_along(names)) {
    if (left[j, j] > least[j]) {
      kept <- c(kept, j)
      left <- left - tcrossprod(left[, j]) / left[j, j]
    }
  }
  dropped <- names[setdiff(seq_along(names), kept)]
  if (length(dropped) > 0L) {
    report_dropped(dropped, length(names), policy)
  }
  kept
}

# Cross-products of the columns, centred if the first one is constant.
centred_products <- function(sums) {
  xx <- sums$xx
  p <- ncol(xx)
  if (p < 2L || xx[1L, 1L] <= 0) {
    return(xx)
  }
  rest <- xx[-1L, -1L, drop = FALSE]
  means <- xx[1L, -1L]
  xx[-1L, -1L] <- rest - tcrossprod(means) / xx[1L, 1L]
  xx[1L, -1L] <- xx[-1L, 1L] <- 0
  xx
}

#' Sums of the kept columns, centred, with the least-squares fit subtracted from the response
#' @noRd
sums_of_fixed <- function(sums, keep, names) {
  sums <- without_dependent(sums, keep)
  shift <- sums$shift
  if (identical(names[keep][1L], "(Intercept)")) {
    shift <- shift + column_means(sums$xx)
  }
  sums <- reshift(sums, shift)
  recentre(
    sums,
    shift,
    sums$beta0 + solve_scaled(sums$xx, sums$xr)
  )
}

# The means of the columns, of which the first is constant and keeps origin zero.
column_means <- function(xx) c(0, xx[1L, -1L] / xx[1L, 1L])

#' Sums without aliased columns
#'
#' The kept columns take over the part of the subtracted fit that the aliased ones had, so that the
#' residual response is unchanged and keeps its digits.
#' @noRd
without_dependent <- function(sums, keep) {
  left <- setdiff(seq_along(sums$shift), keep)
  shares <- sums$beta0[left]
  if (any(shares != 0)) {
    part <- drop(sums$xx[keep, left, drop = FALSE] %*% shares)
    own <- sums$xx[keep, keep, drop = FALSE]
    sums$beta0[keep] <- sums$beta0[keep] + solve_scaled(own, part)
  }
  Reduce(drop_column, rev(left), sums)
}

#' The least-squares coefficients and the column means of sums
#' @return A centre, that is a list of `shift` and `beta0`; `beta0` is zero for aliased columns.
#' @noRd
least_squares <- function(sums, names) {
  keep <- independent_sums(sums, names, "ignore")
  beta0 <- numeric(length(names))
  beta0[keep] <- sums_of_fixed(sums, keep, names)$beta0
  shift <- sums$shift
  if (identical(names[1L], "(Intercept)")) {
    shift <- shift + column_means(sums$xx)
  }
  list(shift = shift, beta0 = beta0)
}

# Random effects ------------------------------------------------------------

#' Sums with terms in the order of the fit
#' @param from,to The terms in the order of the sums and in the order of the fit.
#' @noRd
sums_of_random <- function(sums, from, to) {
  groups <- \(terms) unique(vapply(terms, `[[`, "", "group"))
  order <- match(groups(to), groups(from))
  columns <- lapply(groups(to), column_positions, from, to)
  sums$terms <- Map(select_term_columns, sums$terms[order], columns)
  move <- \(pair) select_pair_columns(pair, order, columns)
  sums$pairs <- lapply(sums$pairs, move)
  sums["summed"] <- list(select_summed(sums$summed, order, columns))
  sums
}

# The positions, among the summed columns, of the columns of a grouping factor.
column_positions <- function(group, from, to) {
  is_own <- \(term) term$group == group
  own <- \(terms) Filter(is_own, terms)
  labels <- vapply(own(from), `[[`, "", "label")
  moved <- \(term) own(from)[[match(term$label, labels)]]$core_cols
  unlist(lapply(own(to), moved))
}

select_pair_columns <- function(pair, order, columns) {
  pair$terms <- match(pair$terms, order)
  rows <- columns[[pair$terms[1L]]]
  cols <- columns[[pair$terms[2L]]]
  pair$zz <- pair$zz[rows, cols, , drop = FALSE]
  pair
}

# Models of sums: their columns, and what Rust needs of their fits.

#' The spec of sums: terms without rows
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

# A column is dropped if less than this share of its square is left by those before it: the
# rounding errors of sums hide what is smaller. A constant column leaves rounding errors of its own.
least_share <- 1e-10
least_spread_share <- 1e-12

#' Which columns of X to keep, from their products
#' @noRd
independent_sums <- function(sums, names, policy) {
  left <- centred_products(sums)
  least <- pmax(
    least_share * diag(left),
    least_spread_share * diag(sums$xx)
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

# Products of the columns, the means taken off all but the first if that is constant.
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

#' Sums of the kept columns, their means and the least-squares fit taken off
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

# The means of columns of which the first is constant, and of that column none.
column_means <- function(xx) c(0, xx[1L, -1L] / xx[1L, 1L])

#' Sums without the columns that are combinations of the kept ones, which take over their part of
#' the fit that was taken off: the residual response stays as it is, with all its digits
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

#' The least-squares fit of sums, and the means of the columns
#' @return A list, as a centre: `shift` and `beta0`, which is zero for columns that are combinations
#'   of others.
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

#' Sums in the order of the fit's terms
#' @param from,to Terms as they were summed up, and as they will be fitted.
#' @noRd
sums_of_random <- function(sums, from, to) {
  groups <- \(terms) unique(vapply(terms, `[[`, "", "group"))
  order <- match(groups(to), groups(from))
  columns <- lapply(groups(to), moved_columns, from, to)
  terms <- Map(move_columns, sums$terms[order], columns)
  move <- \(pair) move_pair(pair, order, columns)
  sums$pairs <- lapply(sums$pairs, move)
  sums$terms <- terms
  sums["summed"] <- list(move_summed(sums$summed, order, columns))
  sums
}

# The places that the columns of a grouping factor had.
moved_columns <- function(group, from, to) {
  is_own <- \(term) term$group == group
  own <- \(terms) Filter(is_own, terms)
  labels <- vapply(own(from), `[[`, "", "label")
  moved <- \(term) own(from)[[match(term$label, labels)]]$core_cols
  unlist(lapply(own(to), moved))
}

move_pair <- function(pair, order, columns) {
  pair$terms <- match(pair$terms, order)
  rows <- columns[[pair$terms[1L]]]
  cols <- columns[[pair$terms[2L]]]
  pair$zz <- pair$zz[rows, cols, , drop = FALSE]
  pair
}

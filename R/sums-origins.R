# Origins of the covariates of random effects.
#
# Sums of squares of a covariate far from zero, such as a day number, would lose the digits of its
# variation. Sums are therefore taken of shifted columns Q, with Z = Q M'. M is the identity except
# for the origin of each covariate in the column of an intercept.

# A covariate is far from zero if its standard deviation is below this fraction of its mean.
min_relative_spread <- 0.1

#' Origins that can be subtracted from the columns of each term as multiples of an intercept; zero
#' for columns near zero
#' @param z The columns of Z of each term.
#' @param n The number of rows.
#' @return A list with a vector for each term, with one origin for each column.
#' @noRd
effect_origins <- function(random, z, n) {
  Map(term_origins, random, intercept_places(random), z, n)
}

term_origins <- function(term, intercept, z, n) {
  if (is.na(intercept)) {
    return(numeric(length(term$columns)))
  }
  columns <- column_matrix(z, n)
  apply(columns, 2L, origin_of)
}

# The column of its grouping factor, an intercept, whose multiples may be subtracted from the
# columns of each term; `NA` without one.
intercept_places <- function(random) {
  vapply(random, intercept_place, 1L, random)
}

# The term's own intercept, or that of another term. The columns of unstructured terms are only
# combined with each other.
intercept_place <- function(term, random) {
  if (has_intercept(term)) {
    return(term$core_cols[1L])
  }
  is_same <- vapply(random, `[[`, 1L, "core_term") == term$core_term
  same <- random[is_same]
  others <- Filter(has_intercept, same)
  if (length(others) == 0L || any(vapply(same, is_closed, NA))) {
    return(NA_integer_)
  }
  others[[1L]]$core_cols[1L]
}

has_intercept <- function(term) term$columns[1L] == "(Intercept)"

is_closed <- function(term) {
  is_unstructured(term$structure) && length(term$columns) > 1L
}

origin_of <- function(x) {
  mean <- mean(x)
  spread <- sqrt(mean((x - mean)^2))
  is_intercept <- all(x == 1)
  is_far <- !is_intercept && isTRUE(spread < min_relative_spread * abs(mean))
  if (is_far) signif(mean, 10L) else 0
}

#' The columns of a term minus their origins
#' @noRd
without_origins <- function(z, origins, n) {
  if (all(origins == 0)) {
    return(z)
  }
  list(sweep(column_matrix(z, n), 2L, origins))
}

#' The matrix M of each grouping factor, from the origins of its terms; `NULL` if all are zero
#' @noRd
columns_summed <- function(random, origins) {
  if (all(unlist(origins) == 0)) {
    return(NULL)
  }
  owner <- vapply(random, `[[`, 1L, "core_term")
  intercepts <- intercept_places(random)
  lapply(seq_len(max(owner)), \(core) {
    own <- owner == core
    moving_matrix(random[own], intercepts[own], origins[own])
  })
}

# The matrix M of one grouping factor.
moving_matrix <- function(terms, intercepts, origins) {
  m <- diag(sum(lengths(origins)))
  for (i in which(!is.na(intercepts))) {
    at <- terms[[i]]$core_cols
    m[at, intercepts[i]] <- m[at, intercepts[i]] + origins[[i]]
  }
  m
}

#' The origins of the columns of each term, from the matrices M
#' @noRd
origins_of <- function(summed, random) {
  Map(
    \(term, from) term_origins_in(summed, term, from),
    random,
    intercept_places(random)
  )
}

term_origins_in <- function(summed, term, intercept) {
  at <- term$core_cols
  if (is.null(summed) || is.na(intercept)) {
    return(numeric(length(at)))
  }
  replace(summed[[term$core_term]][at, intercept], at == intercept, 0)
}

#' Transforms sums to other origins: Q becomes Q A' with A = M_new^-1 M_old
#' @param summed The new M of each grouping factor; `NULL` for the unshifted columns.
#' @noRd
sums_of_columns <- function(sums, summed) {
  if (identical(sums$summed, summed)) {
    return(sums)
  }
  sizes <- vapply(sums$terms, \(term) dim(term$zz)[1L], 1L)
  old <- sums$summed %||% lapply(sizes, diag)
  new <- summed %||% lapply(sizes, diag)
  change <- Map(solve, new, old)
  sums$terms[] <- Map(change_columns, sums$terms, change)
  sums$pairs <- lapply(sums$pairs, \(pair) {
    change_pair(pair, change[pair$terms])
  })
  sums["summed"] <- list(summed)
  sums
}

change_columns <- function(term, change) {
  p <- dim(term$xz)[1L]
  term$zz <- times_array(change %x% change, term$zz)
  term$xz <- times_array(change %x% diag(p), term$xz)
  term$zr <- times_array(change, term$zr)
  term
}

change_pair <- function(pair, change) {
  pair$zz <- times_array(change[[2L]] %x% change[[1L]], pair$zz)
  pair
}

# Multiplies a matrix by the slice of each level of an array.
times_array <- function(matrix, array) {
  values <- matrix %*% matrix(array, ncol(matrix))
  array(values, dim(array))
}

#' Sums from which columns of Z can be dropped: the kept columns are not shifted by dropped ones
#' @param columns The kept columns of each grouping factor, by its number.
#' @noRd
sums_without_columns <- function(sums, columns) {
  if (is.null(sums$summed)) {
    return(sums)
  }
  summed <- Map(
    \(m, own) {
      if (all(m[own, -own] == 0)) m else diag(nrow(m))
    },
    sums$summed,
    columns
  )
  sums_of_columns(sums, summed)
}

#' The matrices M of the kept columns, in their order
#' @noRd
select_summed <- function(summed, order, columns) {
  if (!is.null(summed)) {
    Map(\(m, own) m[own, own, drop = FALSE], summed[order], columns)
  }
}

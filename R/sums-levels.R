# Specs of sums with terms for the levels of large factors.

#' Appends the levels of large factors to a spec of sums as further terms
#' @noRd
spec_of_sums_with_levels <- function(spec, large) {
  spec$terms <- c(spec$terms, large_core_terms(large))
  has_column <- lapply(large$factors, \(own) large$is_column[own$at])
  spec$sums <- sums_without_levels(
    spec$sums,
    length(spec$terms),
    do.call(rbind, has_column)
  )
  spec
}

# Sums with zeros for the effects of a term's levels that have no column. `has_column` has a row for
# each effect and a column for each level.
sums_without_levels <- function(sums, term, has_column) {
  own <- sums$terms[[term]]
  for (effect in seq_len(nrow(has_column))) {
    without <- which(!has_column[effect, ])
    own$zz[effect, , without] <- 0
    own$zz[, effect, without] <- 0
    own$xz[, effect, without] <- 0
    own$zr[effect, without] <- 0
  }
  sums$terms[[term]] <- own
  sums$pairs <- lapply(sums$pairs, \(pair) {
    if (term %in% pair$terms) {
      pair_without_levels(pair, term, has_column)
    } else {
      pair
    }
  })
  sums
}

# A pair of terms without the cells of levels that have no column at all.
pair_without_levels <- function(pair, term, has_column) {
  is_first <- pair$terms[1L] == term
  level <- if (is_first) pair$a else pair$b
  for (effect in seq_len(nrow(has_column))) {
    cells <- which(!has_column[effect, level])
    if (is_first) {
      pair$zz[effect, , cells] <- 0
    } else {
      pair$zz[, effect, cells] <- 0
    }
  }
  is_left <- colSums(has_column)[level] > 0
  pair$a <- pair$a[is_left]
  pair$b <- pair$b[is_left]
  pair$zz <- pair$zz[,, is_left, drop = FALSE]
  pair
}

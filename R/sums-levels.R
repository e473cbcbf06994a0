# Specs of sums with terms for the levels of large factors.

#' Appends the levels of large factors to a spec of sums as further terms
#' @noRd
spec_of_sums_with_levels <- function(spec, large) {
  spec$terms <- c(spec$terms, large_core_terms(large))
  spec$sums <- sums_without_levels(
    spec$sums,
    length(spec$terms),
    which(!large$is_column)
  )
  spec
}

# Sums with zeros for the levels of a term that have no column.
sums_without_levels <- function(sums, term, levels) {
  own <- sums$terms[[term]]
  own$zz[,, levels] <- 0
  own$xz[,, levels] <- 0
  own$zr[, levels] <- 0
  sums$terms[[term]] <- own
  sums$pairs <- lapply(sums$pairs, \(pair) {
    side <- c("a", "b")[pair$terms == term]
    if (length(side) == 0L) {
      return(pair)
    }
    is_left <- !pair[[side]] %in% levels
    pair$a <- pair$a[is_left]
    pair$b <- pair$b[is_left]
    pair$zz <- pair$zz[,, is_left, drop = FALSE]
    pair
  })
  sums
}

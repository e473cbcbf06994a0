# One order of the levels of a factor, from those that it has in parts of the data.

# One order of levels from those of several factors: that of numbers, or of the alphabet, if each
# has it. Otherwise the longest is the first, in which the others' levels are put before the one
# that follows them.
common_order <- function(orders) {
  all <- unique(unlist(orders))
  numbers <- suppressWarnings(as.numeric(all))
  by_number <- if (!anyNA(numbers)) all[order(numbers)]
  for (sorted in drop_null(list(by_number, sort(all)))) {
    has_it <- vapply(orders, \(own) !is.unsorted(match(own, sorted)), NA)
    if (isTRUE(all(has_it))) {
      return(sorted)
    }
  }
  Reduce(joined_order, orders[order(-lengths(orders))])
}

joined_order <- function(known, new) {
  at <- match(new, known)
  is_new <- is.na(at)
  follower <- rev(cummin(rev(ifelse(is_new, length(known) + 1L, at))))
  places <- c(seq_along(known), follower[is_new] - 0.5)
  c(known, new[is_new])[order(places)]
}

# The levels of a factor, or those that text would have as one.
order_of_levels <- function(x) levels(x) %||% levels(factor(x))

# A common order of the levels of a factor from its orders in parts of the data.

# A common order of the levels of several factors: numeric or alphabetic if each factor has that
# order; otherwise that of the longest factor, in which each other level comes before the one that
# follows it.
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

# The levels of a factor, or of text converted to one.
order_of_levels <- function(x) levels(x) %||% levels(factor(x))

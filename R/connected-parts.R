# The connected parts of two factors: the graph in which each row joins a level of one and a level
# of the other.

#' The number of connected parts of two factors
#' @param a,b Level numbers, of all rows or of the cells that occur.
#' @noRd
connected_parts <- function(a, b) {
  if (determines(b, a)) {
    return(length(unique(a)))
  }
  length(unique(part_labels(a, b)[a]))
}

# Whether all rows of a level have the same other level.
determines <- function(refs, other) {
  all(other == other[match(refs, refs)])
}

#' The connected part of each level of `a`: the lowest of its levels
#'
#' Of each label that of the lowest neighbour is the next, and that of this one after it, and so on,
#' so that a chain of levels is one part at once.
#' @noRd
part_labels <- function(a, b) {
  own <- seq_len(max(a))
  label <- own
  repeat {
    nearby <- lowest_within(label[a], b)[b]
    lowest <- lowest_within(nearby, label[a])
    following <- own
    present <- which(lowest > 0L)
    following[present] <- lowest[present]
    while (any(following[following] != following)) {
      following <- following[following]
    }
    if (identical(following[label], label)) {
      return(label)
    }
    label <- following[label]
  }
}

# The lowest value of each group, zero for a number that is no group's.
lowest_within <- function(values, groups) {
  lowest <- integer(max(groups))
  falling <- order(values, decreasing = TRUE)
  lowest[groups[falling]] <- values[falling]
  lowest
}

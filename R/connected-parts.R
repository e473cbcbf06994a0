# Connected components of two factors: the bipartite graph in which each row joins a level of one
# factor with a level of the other.

#' The number of connected components of two factors
#' @param a,b Level numbers, in all rows or in the cells that occur.
#' @noRd
connected_parts <- function(a, b) {
  if (determines(b, a)) {
    return(length(unique(a)))
  }
  length(unique(part_labels(a, b)[a]))
}

# Whether `other` is a function of `refs`: all rows of a level have the same other level.
determines <- function(refs, other) {
  all(other == other[match(refs, refs)])
}

#' The connected component of each level of `a`, labelled by its lowest level
#'
#' Each label is replaced by the lowest label among its neighbours until nothing changes. Chains of
#' replacements are followed to their end in each round, so that a long path takes few rounds.
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

# The lowest value in each group; zero for numbers between that are no group.
lowest_within <- function(values, groups) {
  lowest <- integer(max(groups))
  falling <- order(values, decreasing = TRUE)
  lowest[groups[falling]] <- values[falling]
  lowest
}

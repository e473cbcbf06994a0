# The independent parts of a model: groups of rows that share no random effect.

#' The groups of rows that share no random effects with other rows
#' @return A factor.
#' @noRd
independent_groups <- function(fit) {
  connected_rows(lapply(fit_terms(fit), `[[`, "refs"))
}

#' The connected components of rows under several factors
#' @param refs A list with the level numbers of each factor, for all rows.
#' @noRd
connected_rows <- function(refs) {
  label <- refs[[1L]]
  repeat {
    before <- label
    for (group in refs) {
      lowest <- tapply(label, group, min)
      label <- as.vector(lowest[as.character(group)])
    }
    if (identical(label, before)) {
      return(factor(match(label, unique(label))))
    }
  }
}

#' The spec of some rows of a model, with only their levels
#' @noRd
spec_of_rows <- function(spec, rows) {
  spec <- spec_rows(spec, rows)
  spec$terms <- lapply(spec$terms, with_present_levels)
  spec
}

# A term with only the levels that occur.
with_present_levels <- function(term) {
  present <- unique(term$refs)
  term$refs <- match(term$refs, present)
  term$n_levels <- length(present)
  term
}

#' The specs of the groups, in their order
#' @noRd
specs_of_groups <- function(spec, groups) {
  rows <- split(seq_along(groups), groups)
  lapply(rows, \(rows) spec_of_rows(spec, rows))
}

# Models whose arrays don't fit in memory: an error that says which terms are the cause.

#' Calls the core, and names the terms where there is no memory for their factor
#' @param random,large The terms of the design, and its large fixed factors.
#' @param hint What to do about it.
#' @param limit The user's limit, in GiB.
#' @noRd
with_terms_named <- function(
  fit,
  random,
  hint = more_memory,
  limit = Inf,
  large = NULL
) {
  withCallingHandlers(
    fit,
    rlmm_error_too_large = \(cnd) {
      abort_too_large(cnd, crossed_terms(random, large), hint, limit)
    }
  )
}

without_factor <- paste(
  "Fit without `engine = \"exact\"`: the iterative engine needs no such factor."
)

more_memory <- "Is there a machine with more memory, or can a term be left out?"

abort_too_large <- function(cnd, crossed, hint, limit) {
  levels <- vapply(crossed, format_count, "")
  labels <- tick(names(crossed))
  abort_rlmm(
    c(
      "The model is too large for the memory.",
      x = memory_text(cnd$gib, cnd$free, limit),
      x = paste0(
        "Beside the grouping factor with most effects there are ",
        enumerate(paste0(labels, " with ", levels, " levels")),
        "."
      ),
      i = hint
    ),
    "rlmm_error_too_large",
    gib = cnd$gib,
    free = cnd$free
  )
}

# The numbers of levels of the terms, with their names, but of those of the grouping factor with
# most effects, whose levels are eliminated one by one.
crossed_terms <- function(random, large = NULL) {
  factors <- large$factors
  groups <- vapply(random, `[[`, "", "group")
  labels <- c(vapply(random, term_text, ""), each_large(large, "variable"))
  levels <- lengths(lapply(c(random, factors), `[[`, "levels"))
  columns <- lengths(lapply(random, `[[`, "columns"))
  effects <- as.double(levels) * c(columns, rep(1, length(factors)))
  owners <- c(groups, vapply(factors, large_group, ""))
  totals <- tapply(effects, owners, sum)
  is_crossed <- owners != names(totals)[which.max(totals)]
  stats::setNames(levels, labels)[is_crossed]
}

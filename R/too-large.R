# Models whose arrays don't fit in memory: an error that says which terms are the cause.

#' Calls the core, and names the terms where there is no memory for their factor
#' @param random The terms of the design.
#' @param hint What to do about it.
#' @param limit The user's limit, in GiB.
#' @noRd
with_terms_named <- function(fit, random, hint = more_memory, limit = Inf) {
  withCallingHandlers(
    fit,
    rlmm_error_too_large = \(cnd) abort_too_large(cnd, random, hint, limit)
  )
}

more_memory <- "Is there a machine with more memory, or can a term be left out?"

abort_too_large <- function(cnd, random, hint, limit) {
  trailing <- crossed_terms(random)
  levels <- vapply(trailing, \(term) format_count(length(term$levels)), "")
  labels <- vapply(trailing, \(term) tick(term_text(term)), "")
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

# The terms but those of the grouping factor with most effects, whose levels are eliminated one by
# one.
crossed_terms <- function(random) {
  groups <- vapply(random, `[[`, "", "group")
  effects <- vapply(
    random,
    \(term) as.double(length(term$levels)) * length(term$columns),
    0
  )
  totals <- tapply(effects, groups, sum)
  random[groups != names(totals)[which.max(totals)]]
}

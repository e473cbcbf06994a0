# Errors about models whose arrays don't fit into memory, which name the terms that are the cause.

#' Calls the core; an error about memory for the factor names the terms
#' @param random,large The terms of the design and its large factors.
#' @param hint A hint about the remedy.
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

# The named numbers of levels of the terms, except those of the grouping factor with most effects,
# whose levels are eliminated one by one.
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

#' Raises an error about random effects whose cross-products don't fit into memory, before they are
#' computed
#'
#' The cross-products of a term are blocks of `k x k` and `p x k` numbers for each level, and those
#' of two terms `k x l` numbers for each pair of levels that occurs; a few copies exist at a time.
#' @param spec The spec with the rows of its terms.
#' @param random The terms of the formula.
#' @param free The available bytes, which are only determined if `unasked` bytes don't suffice.
#' @noRd
check_products_fit <- function(
  spec,
  random,
  free = free_memory(),
  unasked = 2^30
) {
  most <- bytes_of_products(spec, max_pairs)
  if (most <= unasked || most <= free) {
    return(invisible())
  }
  bytes <- bytes_of_products(spec, count_pairs)
  if (bytes > free) {
    abort_many_products(random, bytes, free)
  }
}

# The bytes of the cross-products of terms; `count` returns the number of pairs of levels of two
# terms.
bytes_of_products <- function(spec, count) {
  p <- count_columns(spec$x)
  bytes <- 0
  for (i in seq_along(spec$terms)) {
    term <- spec$terms[[i]]
    k <- count_columns(term$z)
    bytes <- bytes + 8 * as.double(term$n_levels) * k * (4 * k + 3 * (p + 1))
    for (other in spec$terms[seq_len(i - 1L)]) {
      bytes <- bytes + 16 * k * count_columns(other$z) * count(term, other)
    }
  }
  bytes
}

# The largest possible number of pairs of levels.
max_pairs <- function(term, other) {
  min(length(term$refs), as.double(term$n_levels) * other$n_levels)
}

count_pairs <- function(term, other) {
  pair <- as.double(term$refs) * other$n_levels + other$refs
  sum(!duplicated(pair))
}

abort_many_products <- function(random, bytes, free) {
  each <- vapply(random, size_of_term, "")
  abort_rlmm(
    c(
      "The random effects are too many for the memory.",
      x = paste0(enumerate(each), "."),
      x = sprintf(
        "Their cross-products take %s; %s are left.",
        format_bytes(bytes),
        format_bytes(free)
      ),
      i = "Is there a machine with more memory, or can effects be left out?"
    ),
    "rlmm_error_too_large",
    gib = bytes / 2^30,
    free = free / 2^30
  )
}

size_of_term <- function(term) {
  sprintf(
    "%s has %s with %s each",
    tick(term_text(term)),
    plural(length(term$levels), "level"),
    plural(length(term$columns), "effect")
  )
}

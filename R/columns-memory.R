# Columns of X that don't fit in the memory.

#' Refuse columns of X that can't be held, before they are made
#' @noRd
check_columns_fit <- function(terms, frame) {
  n <- as.double(count_rows(frame))
  labels <- attr(terms, "term.labels")
  if (n * length(labels) == 0 || n < 1e4) {
    return(invisible())
  }
  columns <- columns_of_terms(terms, frame)
  bytes <- 8 * n * sum(columns)
  free <- if (bytes > 2^31) free_memory() else Inf
  if (bytes > free) {
    abort_too_wide(labels[which.max(columns)], columns, bytes, free)
  }
}

# About how many columns each term has: products of the numbers of levels.
columns_of_terms <- function(terms, frame) {
  factors <- attr(terms, "factors") > 0
  categories <- vapply(
    rownames(factors),
    \(name) {
      x <- .subset2(frame, name)
      if (is.factor(x)) nlevels(x) else 1L
    },
    1
  )
  apply(factors, 2L, \(has) prod(pmax(categories[has], 1)))
}

abort_too_wide <- function(label, columns, bytes, free) {
  abort_rlmm(
    c(
      "The columns of the fixed effects don't fit in the memory.",
      x = sprintf(
        "There are %s, most of them of %s, which take %s; %s are left.",
        plural(sum(columns), "column"),
        tick(label),
        format_bytes(bytes),
        format_bytes(free)
      ),
      i = "A factor needs no columns if it is in no interaction: see `?rlmm`."
    ),
    "rlmm_error_too_large"
  )
}

format_bytes <- function(bytes) {
  if (bytes < 2^30) {
    return(paste(max(1, round(bytes / 2^20)), "MB"))
  }
  paste(format(bytes / 2^30, digits = 2L), "GB")
}

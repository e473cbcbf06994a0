# Errors and messages about columns of X that need too much memory.

# A message is given for X above this number of bytes.
message_bytes <- 2^30

#' Raises an error about columns of X that don't fit into memory, before they are made, and gives a
#' message about large ones
#' @noRd
check_columns_fit <- function(terms, frame) {
  n <- as.double(count_rows(frame))
  labels <- attr(terms, "term.labels")
  if (n * length(labels) == 0 || n < 1e4) {
    return(invisible())
  }
  columns <- columns_of_terms(terms, frame)
  # X is made and copied once.
  bytes <- 2 * 8 * n * sum(columns)
  if (bytes <= message_bytes) {
    return(invisible())
  }
  free <- if (bytes > 2^31) free_memory() else Inf
  found <- sprintf(
    "%s, most of them of %s, which take %s",
    plural(sum(columns), "column"),
    tick(labels[which.max(columns)]),
    format_bytes(bytes)
  )
  if (bytes > free) {
    abort_too_wide(found, free)
  }
  inform_rlmm(
    paste0("The fixed effects have ", found, ".\n", hint_of_columns),
    "rlmm_message_columns"
  )
}

hint_of_columns <- paste(
  "A factor by itself, or with slopes by its levels, needs no columns, with any contrasts that",
  "span its levels (of more than 2,000 levels: treatment, sum or Helmert contrasts): see `?rlmm`."
)

# The approximate number of columns of each term, from the numbers of levels.
columns_of_terms <- function(terms, frame) {
  factors <- attr(terms, "factors") > 0
  categories <- vapply(
    rownames(factors),
    \(name) {
      x <- frame_variable(name, frame)
      length(category_levels(x))
    },
    1
  )
  count <- \(has) prod(pmax(categories[has], 1))
  apply(factors, 2L, count)
}

abort_too_wide <- function(found, free) {
  abort_rlmm(
    c(
      "The columns of the fixed effects don't fit in the memory.",
      x = sprintf("There are %s; %s are left.", found, format_bytes(free)),
      i = hint_of_columns
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

# What isn't there for a fit with a large fixed factor.

#' Whether the fixed part has a factor whose levels are no columns of X
#' @noRd
has_large <- function(fit) !is.null(fit$fixed$large)

#' Refuse what would need the dummy columns of the factor
#' @noRd
abort_if_large <- function(fit, what = "This", verb = "isn't") {
  if (!has_large(fit)) {
    return(invisible())
  }
  large <- fit$fixed$large
  bytes <- 8 * as.double(n_rows(fit)) * length(large$levels)
  abort_rlmm(
    c(
      paste(what, verb, "available for a fixed factor with many levels."),
      x = sprintf(
        "%s has %s; its dummy columns, which this needs, take %s.",
        tick(large$variable),
        plural(length(large$levels), "level"),
        format_bytes(bytes)
      ),
      i = "`options(rlmm.large_factor = Inf)` before fitting makes them columns of X."
    ),
    "rlmm_error_large_factor",
    levels = length(large$levels)
  )
}

format_bytes <- function(bytes) {
  if (bytes < 2^30) {
    return(paste(max(1, round(bytes / 2^20)), "MB"))
  }
  paste(format(bytes / 2^30, digits = 2L), "GB")
}

#' Refuse random effects that the levels of the factor contain, where its dummy columns are too many
#' @param label The term's effects and group, as the formula has them.
#' @noRd
abort_contained <- function(large, label, n) {
  bytes <- 8 * as.double(n) * length(large$levels)
  abort_rlmm(
    c(
      sprintf(
        "The random effects of `(%s)` can't be told from the levels of %s.",
        label,
        tick(large$variable)
      ),
      x = sprintf(
        "The levels contain them, and the dummy columns of all %s take %s.",
        plural(length(large$levels), "level"),
        format_bytes(bytes)
      ),
      i = "Leave that term out, or the fixed factor."
    ),
    "rlmm_error_large_factor",
    levels = length(large$levels)
  )
}

#' Refuse columns of X that can't be held, before they are made
#' @noRd
check_columns_fit <- function(terms, frame) {
  n <- as.double(nrow(frame))
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
        format_count(sum(columns)),
        tick(label),
        format_bytes(bytes),
        format_bytes(free)
      ),
      i = "A factor needs no columns if it stands alone, with treatment contrasts: see `?rlmm`."
    ),
    "rlmm_error_too_large"
  )
}

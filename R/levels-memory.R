# Grouping factors with so many levels that these don't fit in memory.

# The number of rows below which the number of levels is not estimated.
min_rows_estimated <- 1e7

# The memory that a level needs at least, in bytes: its label, and the sums of one effect.
bytes_of_level <- 150

#' Raises an error about a grouping variable with too many levels, before these are collected
#' @param free The available memory in bytes.
#' @noRd
check_levels_fit <- function(x, name, free = free_memory()) {
  if (length(x) < min_rows_estimated) {
    return(invisible())
  }
  levels <- estimated_levels(x)
  if (bytes_of_level * levels > free) {
    abort_many_levels(name, levels, bytes_of_level * levels, free)
  }
}

# A lower limit of the number of distinct values, three standard errors below the estimate from the
# equal pairs in a sample: of m values drawn from D levels about m^2 / 2D are equal to earlier ones,
# if D is much larger than m. Otherwise it is the number of distinct values in the sample.
estimated_levels <- function(x) {
  values <- x[pseudorandom_rows(1e5, length(x))]
  m <- length(values)
  distinct <- length(unique(values))
  equals <- m - distinct
  if (equals > m / 10) {
    return(distinct)
  }
  min(length(x), m^2 / (2 * (equals + 3 * sqrt(equals) + 3)))
}

#' Raises an error if another chunk, whose addition needs a copy of the sums, does not fit in memory
#' @param total The sums so far.
#' @param limit A limit of the user's in bytes, or `NULL`.
#' @noRd
check_sums_fit <- function(total, limit) {
  numbers <- c(
    unlist(total$sums$terms, FALSE),
    lapply(total$sums$pairs, `[[`, "zz")
  )
  levels <- lengths(total$levels)
  bytes <- 8 * sum(as.double(lengths(numbers))) + bytes_of_level * sum(levels)
  free <- min(free_memory(), limit)
  if (bytes > free) {
    widest <- which.max(levels)
    abort_many_levels(names(levels)[widest], levels[[widest]], bytes, free)
  }
}

abort_many_levels <- function(name, levels, bytes, free) {
  abort_rlmm(
    c(
      sprintf(
        "The grouping factor %s has too many levels for the memory.",
        tick(name)
      ),
      x = sprintf(
        "It has at least %s; they and their sums need at least %s, and %s are left.",
        plural(floor(levels), "level"),
        format_bytes(bytes),
        format_bytes(free)
      ),
      i = "Is it a number that was taken for a grouping factor?"
    ),
    c("rlmm_error_too_large", "rlmm_error_group"),
    group = name,
    levels = floor(levels)
  )
}

# Errors about results that don't fit in the memory: replicates of a bootstrap or a simulation, and
# hat matrices.

#' Raises an error about replicates that don't fit in the memory, before the first of them is drawn
#' @param bytes The memory that a replicate needs.
#' @param free The available memory in bytes.
#' @noRd
check_replicates_fit <- function(n, bytes, free = free_memory()) {
  total <- as.double(n) * bytes
  if (total > unchecked_bytes && total > free) {
    abort_result(
      "The replicates are too many for the memory.",
      paste(format_count(n), "replicates take"),
      sprintf("There is room for %s.", format_count(floor(free / bytes))),
      total,
      free
    )
  }
}

# The bytes of a replicate of `rows` responses and `effects` random effects: they are drawn, summed,
# and copied into the columns of the result.
bytes_of_draws <- function(rows, effects) 8 * (8 * rows + 4 * effects)

# The bytes of a fit of a bootstrap: its estimates, and what is kept until all are fitted.
bytes_of_estimates <- function(fit) {
  2048 + 64 * (2 * length(fit$beta) + length(fit$theta))
}

#' Raises an error about a hat matrix that doesn't fit in the memory, before it is computed from an
#' orthogonal basis of all columns of X and Z
#' @noRd
check_hat_matrix_fits <- function(n, columns, free = free_memory()) {
  bytes <- 8 * (4 * (n + columns) * columns + 2 * as.double(n)^2)
  if (bytes > unchecked_bytes && bytes > free) {
    counts <- vapply(c(n, columns), format_count, "")
    abort_result(
      "The hat matrix is too large for the memory.",
      sprintf("Of %s rows and %s effects it takes", counts[[1L]], counts[[2L]]),
      "`hatvalues(fit)` returns its diagonal.",
      bytes,
      free
    )
  }
}

# The bytes up to which the available memory isn't determined.
unchecked_bytes <- 2^30

abort_result <- function(problem, takes, hint, bytes, free) {
  sizes <- vapply(c(bytes, free), format_bytes, "")
  found <- sprintf("%s about %s; %s are left.", takes, sizes[[1L]], sizes[[2L]])
  abort_rlmm(
    c(problem, x = found, i = hint),
    "rlmm_error_too_large",
    gib = bytes / 2^30,
    free = free / 2^30
  )
}

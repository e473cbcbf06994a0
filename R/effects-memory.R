# Errors about random-effects terms with so many effects that their columns, or the derivatives in
# their covariances, don't fit in the memory.

# Terms with at most this number of effects are not checked: their second derivatives take 104 MB.
unchecked_effects <- 50L

#' Raises an error about effects of a bar that don't fit in the memory, before their columns exist
#' @param free The available bytes, which are only determined if much is needed.
#' @noRd
check_effect_columns_fit <- function(bar, terms, frame, free = free_memory()) {
  n <- as.double(count_rows(frame))
  if (n < 1e4 || length(attr(terms, "term.labels")) == 0L) {
    return(invisible())
  }
  effects <- sum(columns_of_terms(terms, frame))
  check_derivatives_fit(bar, effects, free)
  # The columns are made and copied once.
  bytes <- 2 * 8 * n * effects
  if (bytes > 2^31 && bytes > free) {
    columns <- paste(
      "Its",
      plural(effects, "column"),
      "take",
      format_bytes(bytes)
    )
    abort_many_effects(bar, columns, free)
  }
}

#' Raises an error about effects of a bar in whose covariances the derivatives don't fit in the
#' memory
#' @noRd
check_derivatives_fit <- function(bar, effects, free = free_memory()) {
  bytes <- bytes_of_derivatives(bar$structure, as.double(effects))
  if (bytes > 2^30 && bytes > free) {
    derivatives <- sprintf(
      "The derivatives in the covariances of its %s take %s",
      plural(effects, "effect"),
      format_bytes(bytes)
    )
    abort_many_effects(bar, derivatives, free)
  }
}

# The second derivatives are a matrix with a row for each element of the covariance matrix that
# isn't always zero, twice, and six matrices with a row for each parameter.
bytes_of_derivatives <- function(structure, effects) {
  elements <- effects * (effects + 1) / 2
  if (is_diagonal(structure)) {
    elements <- effects
  }
  8 * (2 * elements^2 + 6 * n_theta(structure, effects)^2)
}

abort_many_effects <- function(bar, found, free) {
  term <- bar_label(bar, bar$groups[[1L]])
  abort_rlmm(
    c(
      sprintf("The term `(%s)` has too many effects for the memory.", term),
      x = sprintf("%s; %s are left.", found, format_bytes(free)),
      i = "Are the levels of a factor `f` alike? Then `(1 | g) + (1 | g:f)` has two variances.",
      i = if (!is_diagonal(bar$structure)) {
        "Independent effects, as in `diag(f | g)`, need fewer derivatives."
      }
    ),
    "rlmm_error_too_large"
  )
}

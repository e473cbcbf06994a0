# Lines that several print methods share.

#' The note about held parameters, for a fit or for its variances alone
#' @noRd
held_note <- function(fit, parts = c("beta", "theta", "cov")) {
  held <- fit$control$fixed[parts]
  what <- c(held_beta_phrase(held$beta), held_theta_phrase(held$theta))
  if (length(held$cov) > 0L) {
    labels <- enumerate(tick(held_labels(fit)), max = 20L)
    what <- c(what, paste("the covariance of", labels))
  }
  if (length(what) > 0L) {
    strwrap(paste0("Held at given values: ", enumerate(what), "."), exdent = 2)
  }
}

held_beta_phrase <- function(beta) {
  if (length(beta) > 0L) {
    what <- if (length(beta) == 1L) "the coefficient" else "the coefficients"
    paste(what, enumerate(tick(names(beta)), max = 20L))
  }
}

held_theta_phrase <- function(theta) {
  if (length(theta) > 0L) {
    paste("theta", enumerate(tick(names(theta)), max = 20L))
  }
}

held_labels <- function(fit) {
  held <- names(fit$control$fixed$cov)
  at <- vapply(held, find_term, 1L, random = fit$random)
  term_texts(fit)[at]
}

optsum_line <- function(label, value) {
  paste0(formatC(paste0(label, ":"), width = -26), value)
}

known_sigma_note <- function(fit) {
  if (fit$known_sigma && has_scale(fit)) {
    "The residual standard deviation was given, not estimated."
  }
}

# The lines of a table with left-aligned columns.
columns_under_names <- function(columns) {
  padded <- Map(
    \(name, values) format(c(name, values)),
    names(columns),
    columns
  )
  trimws(do.call(paste, c(unname(padded), sep = "  ")), "right")
}

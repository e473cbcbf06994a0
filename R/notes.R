# Lines that several printed pages share.

#' What is held, for the notes of a fit, or of its variances alone
#' @noRd
held_note <- function(fit, parts = c("beta", "theta", "cov")) {
  fixed <- fit$control$fixed[parts]
  what <- c(
    if (length(fixed$beta) > 0L) {
      names <- enumerate(tick(names(fixed$beta)), max = 20L)
      paste(
        if (length(fixed$beta) == 1L) "the coefficient" else "the coefficients",
        names
      )
    },
    if (length(fixed$theta) > 0L) {
      paste("theta", enumerate(tick(names(fixed$theta)), max = 20L))
    },
    if (length(fixed$cov) > 0L) {
      paste("the covariance of", enumerate(tick(held_labels(fit)), max = 20L))
    }
  )
  if (length(what) > 0L) {
    strwrap(paste0("Held at given values: ", enumerate(what), "."), exdent = 2)
  }
}

held_labels <- function(fit) {
  at <- vapply(names(fit$control$fixed$cov), find_term, 1L, random = fit$random)
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

# Lines that several printed pages share.

#' What is held, for the notes of a fit, or of its variances alone
#' @noRd
held_note <- function(fit, parts = c("beta", "theta", "cov")) {
  held <- fit$control$fixed[parts]
  what <- c(
    if (length(held$beta) > 0L) {
      names <- enumerate(tick(names(held$beta)), max = 20L)
      paste(
        if (length(held$beta) == 1L) "the coefficient" else "the coefficients",
        names
      )
    },
    if (length(held$theta) > 0L) {
      paste("theta", enumerate(tick(names(held$theta)), max = 20L))
    },
    if (length(held$cov) > 0L) {
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

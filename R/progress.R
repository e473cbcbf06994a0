# Progress of many fits: reported to package progressr if it is loaded, and otherwise shown on a bar
# of package cli if that is installed.

#' The function that reports how many of many fits are completed
#' @param n The total number of fits.
#' @param what A word for the fits.
#' @param show Whether to show a bar; by default in an interactive session.
#' @param env The frame at whose end the bar is removed.
#' @return A function of the number of completed fits, or `NULL` if progress isn't reported.
#' @noRd
progress_reporter <- function(n, what, show = NULL, env = parent.frame()) {
  check_flag(show %||% TRUE, "progress")
  if (isFALSE(show) || n < 2L) {
    NULL
  } else if (isNamespaceLoaded("progressr")) {
    progressr_reporter(n, what, env)
  } else if (
    (show %||% interactive()) && requireNamespace("cli", quietly = TRUE)
  ) {
    cli_reporter(n, what, env)
  }
}

# A reporter for progressr, which counts steps and passes them to its handlers.
progressr_reporter <- function(n, what, env) {
  step <- progressr_step(n, NULL, env)
  reported <- new.env()
  reported$done <- 0
  function(now) {
    step(message = what, amount = now - reported$done)
    reported$done <- now
  }
}

#' A progressr function that counts one step, in any process; `NULL` if progress isn't reported
#' @noRd
progressr_step <- function(n, show, env = parent.frame()) {
  if (isFALSE(show) || !isNamespaceLoaded("progressr")) {
    return(NULL)
  }
  getExportedValue("progressr", "progressor")(n, envir = env)
}

cli_reporter <- function(n, what, env) {
  bar <- cli::cli_progress_bar(what, total = n, .envir = env)
  function(now) {
    cli::cli_progress_update(set = now, id = bar, .envir = env)
  }
}

#' Applies a function to each element, and reports about a hundred times how many are completed
#' @param report The result of [progress_reporter()].
#' @noRd
lapply_reported <- function(x, f, report, ...) {
  if (is.null(report)) {
    return(lapply(x, f, ...))
  }
  times <- ceiling(seq_len(100L) * length(x) / 100)
  lapply(seq_along(x), function(at) {
    found <- f(x[[at]], ...)
    if (at %in% times) {
      report(at)
    }
    found
  })
}

#' Fits many models, in portions if progress is reported
#'
#' The results don't depend on the portions.
#' @param fit_some A function of fit numbers that returns a list with a column of each matrix, or an
#'   element of each vector, for each of them, and `done` (`FALSE` for fits after an interrupt).
#' @param report The result of [progress_reporter()].
#' @return The result of `fit_some()` for all fits.
#' @noRd
in_portions <- function(n, fit_some, report) {
  if (is.null(report)) {
    return(fit_some(seq_len(n)))
  }
  found <- list()
  for (portion in portions(n)) {
    some <- fit_some(portion)
    found[[length(found) + 1L]] <- some
    report(max(portion))
    if (!all(some$done)) {
      break
    }
  }
  as_undone(join_portions(found), n)
}

# At most fifty portions, large enough to keep all threads busy.
portions <- function(n) {
  size <- max(16L, ceiling(n / 50))
  unname(split(seq_len(n), ceiling(seq_len(n) / size)))
}

join_portions <- function(found) {
  join <- function(...) {
    if (is.matrix(..1)) cbind(...) else c(...)
  }
  do.call(Map, c(list(join), found))
}

# Results of all n fits, missing for those whose portion was not begun.
as_undone <- function(found, n) {
  n_undone <- n - length(found$done)
  if (n_undone == 0L) {
    return(found)
  }
  padded <- lapply(found, \(value) pad_with_missing(value, n_undone))
  padded$done[is.na(padded$done)] <- FALSE
  padded
}

pad_with_missing <- function(value, n) {
  if (is.matrix(value)) {
    cbind(value, matrix(NA, nrow(value), n))
  } else if (!is.null(value)) {
    c(value, rep(NA, n))
  }
}

# Progress of many fits: told to package progressr where that is loaded, and otherwise shown on a
# bar of package cli, if that is installed.

#' Who is to be told how many of many fits are done
#' @param n How many there are in all.
#' @param what A word for what is done.
#' @param show Is a bar wanted? `NULL`: in an interactive session.
#' @param env The frame that the bar ends with.
#' @return A function of the number that are done, or `NULL` where nobody is to be told.
#' @noRd
progress_teller <- function(n, what, show = NULL, env = parent.frame()) {
  if (isFALSE(show) || n < 2L) {
    NULL
  } else if (isNamespaceLoaded("progressr")) {
    progressr_teller(n, what, env)
  } else if (
    (show %||% interactive()) && requireNamespace("cli", quietly = TRUE)
  ) {
    cli_teller(n, what, env)
  }
}

# progressr counts steps, and shows them as its handlers say, if there are any.
progressr_teller <- function(n, what, env) {
  step <- progressr_step(n, NULL, env)
  told <- new.env()
  told$done <- 0
  function(now) {
    step(message = what, amount = now - told$done)
    told$done <- now
  }
}

#' A function of progressr that counts one of many, in any process; `NULL`: nobody is to be told
#' @noRd
progressr_step <- function(n, show, env = parent.frame()) {
  if (isFALSE(show) || !isNamespaceLoaded("progressr")) {
    return(NULL)
  }
  getExportedValue("progressr", "progressor")(n, envir = env)
}

cli_teller <- function(n, what, env) {
  bar <- cli::cli_progress_bar(what, total = n, .envir = env)
  function(now) {
    cli::cli_progress_update(set = now, id = bar, .envir = env)
  }
}

#' Fits of many, some at a time if somebody is to be told
#'
#' Each fit is the same in whichever portion.
#' @param fit_some A function of the numbers of some: its list has a column of each matrix, or an
#'   element of each vector, for each of them, and `done` (`FALSE`: the user didn't wait for it).
#' @param tell What [progress_teller()] returns.
#' @return What `fit_some()` returns of all.
#' @noRd
in_portions <- function(n, fit_some, tell) {
  if (is.null(tell)) {
    return(fit_some(seq_len(n)))
  }
  found <- list()
  for (portion in portions(n)) {
    some <- fit_some(portion)
    found[[length(found) + 1L]] <- some
    tell(max(portion))
    if (!all(some$done)) {
      break
    }
  }
  as_undone(join_portions(found), n)
}

# At most fifty portions, and none so small that threads wait for each other.
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

# Results of all n fits: missing values for those whose portion was not begun.
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

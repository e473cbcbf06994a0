# Interrupted fits: the search ends, and so does the code that waits for it.

#' The fit that was interrupted
#'
#' Ctrl-C (or Esc, or the stop button) during a fit ends everything that is running, as always in R,
#' including a loop or a function that called for the fit. The estimates so far are kept, and
#' `last_rlmm()` returns them.
#'
#' For [bootstrap()], the completed replicates are kept, for [rlmm_many()] the completed responses,
#' and for [allFit()] the completed optimizers.
#'
#' An interrupted fit hasn't reached an optimum, as its [opt_summary()] and print show; `update(fit,
#' start = )` continues from its estimates (see the examples). To limit the time of a fit in
#' advance, use [rlmm_control(max_time = )][rlmm_control].
#' @return The last interrupted fit of this session, or the result of [bootstrap()], [rlmm_many()]
#'   or [allFit()]. It is an error if there is none.
#' @examples
#' # After an interrupt:
#' \dontrun{
#' fit <- last_rlmm()
#' update(fit, start = getME(fit, "theta"))
#' }
#'
#' # With a time limit the fit is returned with a warning
#' fit <- suppressWarnings(
#'   rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = rlmm_control(max_time = 1e-9))
#' )
#' opt_summary(fit)$status
#' @export
last_rlmm <- function() {
  if (is.null(interrupted$fit)) {
    abort_rlmm(
      "No fit has been interrupted in this session.",
      "rlmm_error_no_fit"
    )
  }
  interrupted$fit
}

# The result of the last interrupted fit.
interrupted <- new.env(parent = emptyenv())

#' Ends the running code if the user interrupted the search
#' @param statuses The statuses of the searches from the core.
#' @param keep A function that returns the result for `last_rlmm()`, or `NULL` if the search is a
#'   step of something else.
#' @noRd
end_if_interrupted <- function(statuses, keep) {
  if ("FORCED_STOP" %in% statuses) {
    end_interrupted(keep)
  }
}

#' Ends the running code with a condition of an interrupt
#' @param keep See [end_if_interrupted()].
#' @param hint A hint about how to continue.
#' @noRd
end_interrupted <- function(keep = NULL, hint = NULL) {
  if (!is.null(keep)) {
    interrupted$fit <- keep()
    found <- "Interrupted. `last_rlmm()` returns what was found so far."
    inform_rlmm(c(found, i = hint), "rlmm_message_interrupted")
  }
  rlang::interrupt()
}

#' Whether each of many fits was completed
#'
#' An interrupted search has the status of an interrupt, or no verdict.
#' @param found The results of many fits from the core, with `done`.
#' @noRd
whole_fits <- function(found) {
  was_stopped <- found$status %in% "FORCED_STOP"
  if (all(found$done) && !any(was_stopped)) {
    return(found$done)
  }
  has_outcome <- !is.na(found$verdict) | !is.na(found$error)
  found$done & !was_stopped & has_outcome
}

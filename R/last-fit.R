# Fits that the user interrupts: the search ends, and so does all that waits for it.

#' The fit that was interrupted
#'
#' Ctrl-C (or Esc, or the stop button) during a fit ends everything that was running, as it does
#' anywhere in R: also the loop or the function that called for the fit. The estimates found until
#' then are kept, and `last_rlmm()` returns them.
#'
#' What [bootstrap()] had found are the replicates that were done, what [rlmm_many()] had found the
#' responses, and what [allFit()] had found the optimizers.
#'
#' The optimum of a fit wasn't reached: its [opt_summary()] and its print say so, and `update(fit,
#' start = )` goes on from there (see the examples). To bound the time of a fit beforehand, use
#' [rlmm_control(max_time = )][rlmm_control].
#'
#' @return The last fit of this session that was interrupted, or what [bootstrap()], [rlmm_many()]
#'   or [allFit()] return. An error if there is none.
#' @examples
#' # After an interrupt:
#' \dontrun{
#' fit <- last_rlmm()
#' update(fit, start = getME(fit, "theta"))
#' }
#'
#' # A bound on the time has the same effect, but that the fit is returned, with a warning
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

# What was found by the last fit that was interrupted.
interrupted <- new.env(parent = emptyenv())

#' End what is running, if the user interrupted the search
#' @param statuses How the searches ended, in the core's words.
#' @param keep A function that makes what `last_rlmm()` shall return, or `NULL` where the search is
#'   a step of something else.
#' @noRd
end_if_interrupted <- function(statuses, keep) {
  if ("FORCED_STOP" %in% statuses) {
    end_interrupted(keep)
  }
}

#' Ends what is running, as the user wished
#' @param keep As of [end_if_interrupted()].
#' @param hint How to go on with what is kept.
#' @noRd
end_interrupted <- function(keep = NULL, hint = NULL) {
  if (!is.null(keep)) {
    interrupted$fit <- keep()
    found <- "Interrupted. `last_rlmm()` returns what was found so far."
    inform_rlmm(c(found, i = hint), "rlmm_message_interrupted")
  }
  rlang::interrupt()
}

#' Which of many fits came to their end
#'
#' A search that was interrupted says so, or has no verdict.
#' @param found What the core returns of many fits, with `done`.
#' @noRd
whole_fits <- function(found) {
  was_stopped <- found$status %in% "FORCED_STOP"
  if (all(found$done) && !any(was_stopped)) {
    return(found$done)
  }
  has_outcome <- !is.na(found$verdict) | !is.na(found$error)
  found$done & !was_stopped & has_outcome
}

# What is said after a fit, if anything must be known.

report_fit <- function(fit) {
  report_convergence(fit$optsum)
  report_singular(fit)
}

# Convergence ---------------------------------------------------------------

report_convergence <- function(optsum) {
  reason <- switch(
    optsum$status,
    MAXEVAL_REACHED = paste0("it reached `max_eval` (", format_count(optsum$feval), ")"),
    MAXTIME_REACHED = "it reached `max_time`",
    FORCED_STOP = "it was interrupted",
    FAILURE = "it failed"
  )
  if (is.null(reason)) return(invisible())
  warn_rlmm(
    c(paste0("The optimizer stopped before converging: ", reason, "."), i = recent_progress(optsum$fitlog),
      i = stopped_hint(optsum$status)),
    "rlmm_warning_convergence", status = optsum$status
  )
}

# How much the best objective still fell at the end.
recent_progress <- function(fitlog, last = 10L) {
  n <- NROW(fitlog)
  if (n <= last) return(NULL)
  fall <- min(fitlog[seq_len(n - last), 1L]) - min(fitlog[, 1L])
  paste0("The objective still fell by ", format(fall, digits = 2L), " over the last ", last, " evaluations.")
}

stopped_hint <- function(status) {
  what <- switch(status, MAXEVAL_REACHED = "Increase `max_eval` in `rlmm_control()`, or continue",
    MAXTIME_REACHED = "Increase `max_time` in `rlmm_control()`, or continue", "Continue")
  paste(what, "from here with `update(fit, start = getME(fit, \"theta\"))`.")
}

# Singular fits -------------------------------------------------------------

report_singular <- function(fit) {
  policy <- fit$control$checks$conv_singular
  if (policy == "ignore" || !isSingular.rlmm(fit)) return(invisible())
  details <- is_singular(fit)
  lines <- singular_lines(details)
  names(lines) <- rep("i", length(lines))
  signal(policy, c(singular_header(sum(details$singular)), lines, i = "See `?rlmm::is_singular()`."), "singular",
    details = details)
}

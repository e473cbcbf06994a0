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
  if (policy == "ignore") return(invisible())
  singular <- Filter(function(entry) is_singular_term(entry, fit$theta), fit$random)
  if (length(singular) == 0L) return(invisible())
  n <- length(singular)
  terms <- vapply(singular, describe_singular, "", theta = fit$theta)
  signal(policy, c(
    paste0("The fit is singular: the estimated covariance of ", if (n == 1L) "one term is" else paste(n, "terms are"),
      " rank-deficient."),
    rlang::set_names(terms, rep("i", n)),
    i = "See `?rlmm::is_singular()`."
  ), "singular")
}

is_singular_term <- function(entry, theta, tol = 1e-4) {
  any(abs(diag(lambda_block(entry, theta))) < tol)
}

describe_singular <- function(entry, theta) {
  lambda <- lambda_block(entry, theta)
  k <- nrow(lambda)
  rank <- sum(svd(lambda, 0L, 0L)$d > 1e-4)
  term <- paste0(tick(paste0("(", entry$label, ")")), ": rank ", rank, " of ", k)
  if (rank == 0L) return(paste0(term, "; ", if (k == 1L) "the variance is" else "all variances are", " zero."))
  cov <- tcrossprod(lambda)
  zero <- diag(cov) < 1e-8
  if (any(zero)) return(paste0(term, "; the variance of ", enumerate(tick(entry$columns[zero])), " is zero."))
  if (k == 2L) return(paste0(term, "; the correlation is at ", if (cov[2L, 1L] < 0) "-1." else "1."))
  paste0(term, ".")
}

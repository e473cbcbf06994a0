# What is said after a fit: the log when asked for, and a condition when something must be known.

report_fit <- function(fit, verbose = 0L) {
  if (verbose > 0) writeLines(format_fitlog(fit$optsum$fitlog))
  report_convergence(fit$optsum)
  report_singular(fit)
}

# Convergence ---------------------------------------------------------------

report_convergence <- function(optsum) {
  reason <- switch(
    optsum$status,
    MAXEVAL_REACHED = paste0("it reached `max_eval` (", format_count(optsum$feval), ")"),
    MAXTIME_REACHED = "it reached `max_time`",
    FORCED_STOP = , INTERRUPTED = "it was interrupted",
    FAILURE = , INVALID_ARGS = , OUT_OF_MEMORY = paste0("it failed (", optsum$status, ")")
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

# The log -------------------------------------------------------------------

#' Lines such as "f_2: 331.03619 [1.75]"
#' @param fitlog Matrix with a row per evaluation: the objective, then theta.
#' @noRd
format_fitlog <- function(fitlog) {
  theta <- matrix(format_theta(fitlog[, -1L]), nrow(fitlog))
  theta <- apply(theta, 1L, paste, collapse = ", ")
  paste0("f_", seq_len(nrow(fitlog)), ": ", format_decimals(fitlog[, 1L], 5L), " [", theta, "]")
}

format_decimals <- function(x, digits) {
  with_point(formatC(round(x, digits), format = "f", digits = digits, drop0trailing = TRUE))
}

# Six significant digits; very small numbers as 1.5e-7.
format_theta <- function(x) {
  x <- signif(x, 6L) + 0
  out <- with_point(formatC(x, format = "fg", digits = 6L, drop0trailing = TRUE))
  small <- x != 0 & abs(x) < 1e-4
  parts <- strsplit(formatC(x[small], format = "e", digits = 5L), "e", fixed = TRUE)
  out[small] <- vapply(parts, function(p) {
    paste0(with_point(sub("[.]?0+$", "", p[1L])), "e", as.integer(p[2L]))
  }, "")
  out
}

with_point <- function(x) {
  x <- trimws(x)
  ifelse(grepl(".", x, fixed = TRUE) | !grepl("[0-9]$", x), x, paste0(x, ".0"))
}

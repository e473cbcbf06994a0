# What is said after a fit, if anything.

report_fit <- function(fit) {
  report_singular(fit)
}

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

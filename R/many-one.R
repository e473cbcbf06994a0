# The complete fit of one response out of many, at its known estimates.

one_fit <- function(x, at) {
  check_fitted(x$error[[at]])
  design <- response_design(x, at)
  est <- search_of(design, x, at)
  new <- if (is.null(design$spec$glmm)) new_fit else new_glmm_fit
  fit <- new(
    design,
    est,
    one_call(x$call, design),
    x$design$control
  )
  rename_response(fit, as.name(names(x$sigma)[at]))
}

check_fitted <- function(reason) {
  if (!is.na(reason)) {
    abort_rlmm(
      c("The response couldn't be fitted.", x = reason),
      "rlmm_error_failed_response"
    )
  }
}

# The call that fits one response.
one_call <- function(call, design) {
  fitter <- if (is.null(design$spec$glmm)) "rlmm" else "rglmm"
  call[[1L]] <- as.name(fitter)
  call$progress <- NULL
  call
}

# A search that starts at the estimates, and also ends there.
search_of <- function(design, x, at) {
  control <- x$design$control
  held <- held_theta(control, design$random, design$spec$sigma)
  control <- core_control(control, 0L, design, held)
  theta <- unname(x$theta[at, ])
  if (is.null(design$spec$glmm)) {
    return(core_fit(design$spec, theta, control))
  }
  beta <- unname(x$beta[at, ])
  core_glmm_fit(
    design$spec,
    list(theta = theta, beta = beta),
    control
  )
}

# The design with one response, without the rows in which it is missing.
response_design <- function(x, at) {
  design <- with_response_weights(x$design, at)
  y <- fitted_responses(one_response(x, at), design)[, 1L]
  keep <- !is.na(y)
  design$frame[[1L]] <- y
  design$frame <- kept_rows(design$frame, keep)
  design$spec$y <- y
  if (estimates_parameter(design$spec$glmm)) {
    design$spec$glmm$shape <- x$shape[[at]]
  }
  if (all(keep)) design else design_of_rows(design, keep)
}

# Some rows of a design, with only their levels.
design_of_rows <- function(design, rows) {
  spec <- spec_rows(design$spec, rows)
  levels <- list()
  for (i in seq_along(spec$terms)) {
    term <- spec$terms[[i]]
    present <- used_codes(term$refs, seq_len(term$n_levels))
    levels[[i]] <- present$levels
    spec$terms[[i]]$refs <- present$refs
    spec$terms[[i]]$n_levels <- length(present$levels)
  }
  design$spec <- spec
  design$random <- lapply(design$random, \(term) {
    term$levels <- term$levels[levels[[term$core_term]]]
    term
  })
  design
}

with_response_weights <- function(design, at) {
  if (!is.null(design$weights)) {
    design$spec$weights <- design$weights[, at]
    design$frame[["(weights)"]] <- design$weights[, at]
  }
  design
}

# Some rows of a model frame, with its attributes.
kept_rows <- function(frame, keep) {
  out <- frame[keep, , drop = FALSE]
  attr(out, "terms") <- attr(frame, "terms")
  attr(out, "na.action") <- attr(frame, "na.action")
  out
}

one_response <- function(x, at) {
  responses <- x$responses
  if (is.function(responses)) {
    return(chunk_column(responses, at))
  }
  if (is.matrix(responses)) {
    return(responses[, at, drop = FALSE])
  }
  if (is.list(responses)) responses[at] else responses
}

chunk_column <- function(reader, at) {
  chunk <- 0L
  repeat {
    chunk <- chunk + 1L
    y <- as.matrix(as.data.frame(reader(chunk)))
    if (at <= ncol(y)) {
      return(y[, at, drop = FALSE])
    }
    at <- at - ncol(y)
  }
}

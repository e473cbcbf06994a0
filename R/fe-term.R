# The fixed part: response, X with its contrasts, and columns that are linear combinations of others.

#' Terms of a part of the formula, with what the frame knows of its variables
#'
#' The whole formula's `predvars` hold the bases that depend on the data (`poly()`, `ns()`, `scale()`).
#' @noRd
part_terms <- function(formula, frame, data = NULL) {
  terms <- stats::terms.formula(formula, data = dot_data(data))
  all <- attr(frame, "terms")
  variables <- attr(terms, "variables")
  names <- vapply(as.list(variables)[-1L], deparse_one, "")
  predvars <- attr(all, "predvars")
  if (!identical(predvars, attr(all, "variables"))) {
    at <- match(names, names(attr(all, "dataClasses")))
    variables <- predvars[c(1L, at + 1L)]
  }
  attr(terms, "predvars") <- variables
  attr(terms, "dataClasses") <- attr(all, "dataClasses")[names]
  # Numbers whose meaning is in their class: for new data without the values.
  times <- Filter(is_time, unclass(frame)[names])
  if (length(times) > 0L) {
    attr(terms, "times") <- lapply(times, `[`, 0L)
  }
  terms
}

is_time <- function(x) inherits(x, c("difftime", "Date", "POSIXct"))

#' X
#' @return A list: `x` (columns of full rank) and `fixed`, the field of the fit.
#' @noRd
fixed_design <- function(parsed, frame, env, data, contrasts, control) {
  terms <- part_terms(
    rlang::new_formula(parsed$response, parsed$fixed, env = env),
    frame,
    data
  )
  check_contrasts(contrasts, frame)
  x <- call_design_step(design_columns(terms, frame, contrasts), frame)
  used <- attr(x, "contrasts")
  attr(x, "contrasts") <- NULL
  names <- column_names(x)
  check_columns_finite(x)
  keep <- independent_columns(x, frame, control$checks$rankx)
  if (length(keep) < length(names)) {
    x <- select_columns(x, keep)
  }
  fixed <- list(
    terms = terms,
    contrasts = used,
    xlevels = if (!is.null(used)) stats::.getXlevels(terms, frame),
    names = if (length(keep) > 0L) names[keep],
    dropped = names[!seq_along(names) %in% keep] %||% character()
  )
  list(x = x, fixed = fixed)
}

# Rank ----------------------------------------------------------------------

#' Which columns of X to keep
#'
#' A column is dropped if it is, to 1e-7 of its norm, a combination of those before it, which is the rule of `qr()`.
#' The cross-product of the scaled columns can't see that deep, but where it is far from singular it is a proof
#' at a fraction of the cost.
#' @noRd
independent_columns <- function(x, frame, policy) {
  p <- count_columns(x)
  # Without weight a row says nothing about the effects.
  weights <- frame[["(weights)"]]
  counts <- if (!is.null(weights) && any(weights == 0)) as.double(weights > 0)
  n <- if (is.null(counts)) nrow(frame) else sum(counts)
  if (policy == "ignore" || p == 0L) {
    return(seq_len(p))
  }
  if (n >= p && core_smallest_pivot(x, counts, nrow(frame)) > 1e-4) {
    return(seq_len(p))
  }
  x <- column_matrix(x, nrow(frame))
  qr <- qr(
    if (is.null(counts)) x else x[counts > 0, , drop = FALSE],
    tol = 1e-7
  )
  if (qr$rank == p) {
    return(seq_len(p))
  }
  keep <- sort(qr$pivot[seq_len(qr$rank)])
  report_dropped(colnames(x)[setdiff(seq_len(p), keep)], p, policy)
  keep
}

report_dropped <- function(dropped, p, policy) {
  n <- length(dropped)
  verb <- if (n == 1L) "is a linear combination" else "are linear combinations"
  head <- paste(
    n,
    "of the",
    p,
    "columns of the fixed effects",
    verb,
    "of the others"
  )
  names <- enumerate(tick(dropped), max = 10L)
  if (policy == "stop.deficient") {
    abort_rlmm(
      c(
        "The fixed effects must be linearly independent.",
        x = paste0(head, ": ", names, ".")
      ),
      "rlmm_error_rankx",
      dropped = dropped
    )
  }
  kind <- switch(
    policy,
    `message+drop.cols` = "message",
    `warn+drop.cols` = "warning",
    "ignore"
  )
  signal(
    kind,
    paste0(
      head,
      " and ",
      if (n == 1L) "is" else "are",
      " dropped: ",
      names,
      "."
    ),
    "rankx",
    dropped = dropped
  )
}

# Response ------------------------------------------------------------------

response <- function(frame) {
  y <- frame[[1L]]
  name <- names(frame)[1L]
  if (is.matrix(y) && ncol(y) > 1L) {
    abort_response(
      name,
      paste("a matrix with", ncol(y), "columns"),
      "Fit one model for each column?"
    )
  }
  if (
    is.factor(y) ||
      !(is.numeric(y) ||
        is.logical(y) ||
        inherits(y, c("difftime", "Date", "POSIXct")))
  ) {
    kind <- if (is.factor(y)) {
      "a factor"
    } else if (is.character(y)) {
      "a character vector"
    } else {
      describe_type(y)
    }
    abort_response(
      name,
      kind,
      if (is.factor(y)) "For a binary response use `rglmm(family = binomial)`?"
    )
  }
  as.double(y)
}

abort_response <- function(name, found, hint) {
  abort_rlmm(
    c(
      "The response must be a numeric vector.",
      x = paste0(tick(name), " is ", found, "."),
      i = hint
    ),
    "rlmm_error_response"
  )
}

check_contrasts <- function(contrasts, frame) {
  if (is.null(contrasts)) {
    return(invisible())
  }
  if (!is.list(contrasts) || is.null(names(contrasts))) {
    abort_rlmm(
      c(
        "`contrasts` must be a named list.",
        x = paste0("It is ", describe_type(contrasts), "."),
        i = "For example `list(f = contr.sum)`."
      ),
      "rlmm_error_argument",
      arg = "contrasts"
    )
  }
  unknown <- setdiff(names(contrasts), names(frame))
  if (length(unknown) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0(
        "`contrasts` names ",
        enumerate(tick(unknown)),
        ", which isn't a variable of `formula`."
      ),
      did_you_mean(unknown[1], names(frame))
    ),
    "rlmm_error_argument",
    arg = "contrasts"
  )
}

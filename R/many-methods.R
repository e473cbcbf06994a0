# Tables of fits to many responses.

#' Tables of fits to many responses
#'
#' `as.data.frame()` and `summary()` return a row for each response and fixed effect, or for each
#' response; `x[["name"]]` is the complete fit of one response, as from [rlmm()] or [rglmm()].
#' `residuals()` and `fitted()` are computed for the selected responses.
#'
#' @param x,object The result of [rlmm_many()] or [rglmm_many()].
#' @param what `"coef"` for fixed effects with standard errors and tests (t tests with
#'   Satterthwaite's degrees of freedom for linear models, z tests for others; fits that have not
#'   converged have no p-values), or `"fit"` for a row for each response with the variances, the
#'   log-likelihood and the verdict.
#' @param term The fixed effects whose rows are returned; by default all.
#' @param adjust A method of [p.adjust()], which adds the column `p.adjusted`, adjusted within each
#'   fixed effect.
#' @param which The names or numbers of responses.
#' @param i The name or number of a response.
#' @param row.names,optional Not used.
#' @param ... For `summary()`, passed to `as.data.frame()`; otherwise not used.
#' @return `as.data.frame()` and `summary()`: a data frame. `residuals()` and `fitted()`: a matrix
#'   with a column for each response, with `NA` in rows that its fit doesn't have.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' many <- rlmm_many(simulate(fit, 5, seed = 1) ~ Days + (1 | Subject), sleepstudy)
#' as.data.frame(many, term = "Days", adjust = "BH")
#' as.data.frame(many, what = "fit")
#' dim(residuals(many, which = 1:2))
#' @export
as.data.frame.rlmm_many <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  what = c("coef", "fit"),
  term = NULL,
  adjust = NULL,
  ...
) {
  refuse_dots(...)
  what <- one_of(what, c("coef", "fit"), "what")
  if (what == "fit") {
    return(many_fit_table(x))
  }
  table <- many_coefficients(x)
  if (!is.null(term)) {
    table <- rows_of_terms(table, term, colnames(x$beta))
  }
  if (!is.null(adjust)) {
    table$p.adjusted <- adjusted_by_term(table, adjust)
  }
  row.names(table) <- NULL
  table
}

rows_of_terms <- function(table, term, known) {
  if (!is.character(term)) {
    abort_argument(
      "`term` must name coefficients.",
      x = it_is(term),
      i = sprintf("They are %s.", enumerate(tick(known), max = 10L)),
      arg = "term"
    )
  }
  unknown <- setdiff(term, known)
  if (length(unknown) > 0L) {
    abort_unknown_parameter(unknown, known, "term")
  }
  table[table$term %in% term, , drop = FALSE]
}

# The p-values of each coefficient, adjusted for the number of responses.
adjusted_by_term <- function(table, adjust) {
  adjust <- one_of(adjust, stats::p.adjust.methods, "adjust")
  adjusted <- \(p) stats::p.adjust(p, adjust)
  stats::ave(
    table$p.value,
    table$term,
    FUN = adjusted
  )
}

many_coefficients <- function(x) {
  t <- x$beta / x$std_error
  df <- x$df %||% (Inf + 0 * x$beta)
  by_response <- \(values) as.vector(t(values))
  table <- data.frame(
    response = rep(rownames(x$beta), each = ncol(x$beta)),
    term = rep(colnames(x$beta), nrow(x$beta)),
    estimate = by_response(x$beta),
    std.error = by_response(x$std_error),
    df = by_response(df),
    statistic = by_response(t),
    p.value = by_response(many_p_values(x))
  )
  if (is.null(x$df)) table[names(table) != "df"] else table
}

#' The p-values of the fixed effects of many fits, `NA` where a fit has not converged
#' @noRd
many_p_values <- function(x) {
  p <- 2 * stats::pt(-abs(x$beta / x$std_error), x$df %||% Inf)
  replace(p, !x$verdict[row(p)] %in% final_verdicts, NA)
}

many_fit_table <- function(x) {
  variances <- many_variances(x)
  data.frame(
    response = names(x$sigma),
    nobs = unname(x$nobs),
    variances,
    logLik = unname(-x$objective / 2),
    verdict = unname(x$verdict),
    error = unname(x$error),
    check.names = FALSE
  )
}

# Standard deviations and correlations of each response, and sigma or the shape.
many_variances <- function(x) {
  random <- x$design$random
  terms <- Map(
    many_term_sds,
    random,
    core_structures(random),
    MoreArgs = list(theta = x$theta, scale = many_effects_scale(x))
  )
  both <- do.call(cbind, c(terms, list(many_scale_column(x))))
  rownames(both) <- NULL
  both
}

# The scale to which the standard deviations of the random effects are relative.
many_effects_scale <- function(x) {
  glmm <- x$design$spec$glmm
  is_relative <- is.null(glmm) || identical(glmm$shape_kind, "moment")
  if (is_relative) x$sigma else 1
}

many_scale_column <- function(x) {
  glmm <- x$design$spec$glmm
  if (is.null(glmm) || has_dispersion(x$design$family)) {
    cbind(sigma = x$sigma)
  } else if (estimates_parameter(glmm)) {
    cbind(shape = x$shape)
  }
}

many_term_sds <- function(term, roles, theta, scale) {
  found <- term_sdcor(
    theta[, term$theta, drop = FALSE],
    term,
    roles
  )
  found$value[, found$is_sd] <- found$value[, found$is_sd] * scale
  found$value
}

#' @rdname as.data.frame.rlmm_many
#' @export
summary.rlmm_many <- function(object, ...) as.data.frame(object, ...)

#' @export
length.rlmm_many <- function(x) length(unclass(x)$sigma)

#' @export
names.rlmm_many <- function(x) names(unclass(x)$sigma)

#' @export
`$.rlmm_many` <- function(x, name) unclass(x)[[name]]

#' @rdname as.data.frame.rlmm_many
#' @export
`[[.rlmm_many` <- function(x, i) {
  at <- many_places(i, x)
  if (length(at) != 1L) {
    abort_argument(
      "`i` must name one response.",
      x = it_is(i),
      arg = "i"
    )
  }
  one_fit(x, at)
}

many_places <- function(which, x) {
  names <- names(x$sigma)
  if (is.character(which)) {
    return(named_places(which, names))
  }
  all <- seq_along(names)
  if (is.numeric(which) && all(abs(which) %in% all)) {
    is_one_sign <- all(which > 0) || all(which < 0)
    if (is_one_sign) return(all[which])
  }
  is_answer <- is.logical(which) && !anyNA(which)
  if (is_answer && length(which) == length(all)) {
    return(all[which])
  }
  n <- format_count(length(names))
  abort_argument(
    sprintf("`which` must be names, or numbers from 1 to %s.", n),
    x = it_is(which),
    i = "Negative numbers leave responses out; logical values are one for each.",
    arg = "which"
  )
}

named_places <- function(which, names) {
  at <- match(which, names)
  unknown <- which[is.na(at)]
  if (length(unknown) > 0L) {
    abort_argument(
      "`which` must name responses.",
      x = sprintf("Can't find %s.", enumerate(in_quotes(unknown))),
      did_you_mean(unknown[1L], names),
      arg = "which"
    )
  }
  at
}

#' @rdname as.data.frame.rlmm_many
#' @export
fitted.rlmm_many <- function(object, which = seq_along(object$sigma), ...) {
  refuse_dots(...)
  many_columns(object, which, \(fit) fit$fitted)
}

#' @rdname as.data.frame.rlmm_many
#' @export
residuals.rlmm_many <- function(object, which = seq_along(object$sigma), ...) {
  refuse_dots(...)
  many_columns(
    object,
    which,
    \(fit) unname(stats::residuals(fit))
  )
}

# The values of each fit for the rows, with a column for each fit.
many_columns <- function(x, which, of) {
  at <- many_places(which, x)
  n <- nrow(x$design$frame)
  columns <- vapply(at, many_column, double(n), x = x, of = of)
  structure(columns, dimnames = list(NULL, names(x$sigma)[at]))
}

# The values of one fit in the rows of the design.
many_column <- function(at, x, of) {
  n <- nrow(x$design$frame)
  out <- rep(NA_real_, n)
  if (!is.na(x$error[[at]])) {
    return(out)
  }
  y <- fitted_responses(one_response(x, at), x$design)[, 1L]
  fit <- one_fit(x, at)
  fit["na_action"] <- list(NULL)
  out[!is.na(y)] <- of(fit)
  out
}

#' Singular fits
#'
#' A fit is singular if the estimated covariance matrix of a random-effects term doesn't have full
#' rank: a variance is zero, a correlation is 1 or -1, or some combination of the effects is
#' constant across levels. The estimates are valid (restricted) maximum likelihood estimates, but
#' the term is larger than the data support.
#'
#' `isSingular()` returns whether any term is singular; `is_singular()` explains it term by term.
#' The message after a fit, [summary()][summary.rlmm] and [certificate()] use the same rule: some
#' combination of the effects has a standard deviation below `tol` times the residual standard
#' deviation, with each effect scaled by the root mean square of its column of the model matrix. The
#' result therefore doesn't depend on the units of covariates or the order of effects. (lme4
#' compares the diagonal of the covariance factor itself.) Effects with a common standard deviation
#' are all scaled by the largest of their columns. A term whose covariance is held is never
#' singular.
#'
#' @param x A fitted model.
#' @param tol The tolerance, relative to the residual standard deviation.
#' @param ... Not used; any argument here is an error.
#' @return `isSingular()`: `TRUE` or `FALSE`. `is_singular()`: a data frame with a row for each term
#'   and the columns `term`, `singular`, `rank`, `size` (the number of effects) and `reason`, a
#'   phrase for singular terms. Its attribute `"directions"` has for each term a matrix whose
#'   columns span the combinations of effects without variance.
#' @examples
#' fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2)
#' isSingular(fit)
#' is_singular(fit)
#' @name is_singular
NULL

#' @rdname is_singular
#' @export
#' @rawNamespace S3method(lme4::isSingular, rlmm)
isSingular.rlmm <- function(x, tol = 1e-4, ...) {
  refuse_dots(...)
  check_nonnegative(tol, "tol")
  has_singular_term(x, tol)
}

# The standard deviation, relative to the residual one, below which a combination of effects counts
# as constant.
singular_tolerance <- 1e-4

has_singular_term <- function(fit, tol = singular_tolerance) {
  smallest <- unlist(core_smallest_singular_values(fit$random, fit$theta))
  any(smallest < tol & !held_terms(fit))
}

#' @rdname is_singular
#' @export
is_singular <- function(x, tol = 1e-4, ...) {
  check_fit(x)
  refuse_dots(...)
  check_nonnegative(tol, "tol")
  found <- Map(describe_template, scaled_templates(x), held_terms(x), tol = tol)
  labels <- term_texts(x)
  directions <- lapply(found, `[[`, "directions")
  structure(
    singularity_columns(labels, found, n_columns(x)),
    directions = stats::setNames(directions, labels),
    row.names = .set_row_names(length(labels)),
    class = c("rlmm_singularity", "data.frame")
  )
}

singularity_columns <- function(labels, found, size) {
  list(
    term = labels,
    singular = vapply(found, `[[`, NA, "singular"),
    rank = vapply(found, `[[`, 1L, "rank"),
    size = size,
    reason = vapply(found, `[[`, "", "reason")
  )
}

#' The templates of Lambda, with effects scaled by their columns of Z
#'
#' Effects with a common standard deviation are all scaled by the largest column: none of them is
#' zero without the others.
#' @noRd
scaled_templates <- function(fit) {
  scaled <- \(template, term) {
    scale <- term$scale %||% 1
    template * if (is_homogeneous(term$structure)) max(scale) else scale
  }
  Map(scaled, lambda_templates(fit), fit$random)
}

#' Whether a scaled template of Lambda has a singular value near zero
#' @noRd
is_rank_deficient <- function(template, tol) {
  any(svd(template, nu = 0, nv = 0)$d < tol)
}

describe_template <- function(template, is_held, tol) {
  decomposition <- svd(template, nv = 0)
  null <- decomposition$d < tol
  directions <- decomposition$u[, null, drop = FALSE]
  rownames(directions) <- rownames(template)
  singular <- any(null) && !is_held
  list(
    singular = singular,
    rank = nrow(template) - sum(null),
    directions = directions,
    reason = if (singular) {
      singular_reason(template, directions, tol)
    } else {
      NA_character_
    }
  )
}

#' The cause of a template's rank deficiency in words, the simplest one first
#' @noRd
singular_reason <- function(template, directions, tol) {
  scale <- sqrt(rowSums(template^2))
  if (length(scale) == 1) {
    return("the variance is estimated as zero")
  }
  is_zero <- scale < tol
  if (any(is_zero)) {
    return(zero_phrase(rownames(template)[is_zero]))
  }
  extreme <- extreme_correlations(tcrossprod(template / scale))
  if (length(scale) == 2) {
    paste("the correlation is at", extreme$sign[1])
  } else if (nrow(extreme) > 0) {
    extreme_phrase(extreme)
  } else {
    weights <- directions[, ncol(directions)] * scale
    combination_phrase(weights, rownames(template))
  }
}

combination_phrase <- function(weights, labels) {
  paste("a combination has no variance:", format_combination(weights, labels))
}

zero_phrase <- function(effects) {
  is_one <- length(effects) == 1
  start <- if (is_one) "the variance of %s is" else "the variances of %s are"
  paste(sprintf(start, enumerate(tick(effects))), "estimated as zero")
}

extreme_phrase <- function(extreme) {
  pairs <- sprintf(
    "%s with %s at %s",
    tick(extreme$first),
    tick(extreme$second),
    extreme$sign
  )
  is_one <- nrow(extreme) == 1
  start <- if (is_one) "a correlation is" else "correlations are"
  paste(start, "at the limit:", enumerate(pairs))
}

extreme_correlations <- function(correlation) {
  # With two effects a correlation at its limit is the only cause, also if it is slightly smaller
  # because of `tol`.
  limit <- if (nrow(correlation) == 2) 0 else 1 - 1e-6
  cells <- which(
    lower.tri(correlation) & abs(correlation) > limit,
    arr.ind = TRUE
  )
  data.frame(
    first = rownames(correlation)[cells[, 2]],
    second = rownames(correlation)[cells[, 1]],
    sign = ifelse(correlation[cells] > 0, "1", "-1")
  )
}

#' A combination of effects in words, "0.82 a - 0.57 b", without small coefficients, with effects
#' scaled by their standard deviations
#' @noRd
format_combination <- function(weights, labels) {
  weights <- weights / sqrt(sum(weights^2))
  order <- utils::head(order(-abs(weights)), 5L)
  # The sign is chosen so that the largest coefficient is positive.
  weights <- (weights * sign(weights[order[1L]]))[order]
  is_shown <- abs(weights) >= 0.05
  sign <- ifelse(weights < 0, "- ", "+ ")
  sign[1] <- ""
  text <- sprintf("%s%.2f %s", sign, abs(weights), tick(labels[order]))
  paste(text[is_shown], collapse = " ")
}

#' One line for each singular term: "`(1 + Days | Subject)`: rank 1 of 2; the correlation is at -1."
#' @noRd
singular_lines <- function(details) {
  rows <- details[details$singular, , drop = FALSE]
  rank <- ifelse(
    rows$size > 1,
    paste0("rank ", rows$rank, " of ", rows$size, "; "),
    ""
  )
  paste0(tick(rows$term), ": ", rank, rows$reason, ".")
}

#' @export
format.rlmm_singularity <- function(x, ...) {
  warn_of_dots(...)
  if (!any(x$singular)) {
    return(
      "The fit isn't singular: the estimated covariance of every term has full rank."
    )
  }
  header <- singular_header(sum(x$singular))
  c(header, paste("*", singular_lines(x)))
}

singular_header <- function(n) {
  if (n == 1) {
    return(
      "The fit is singular: the estimated covariance of one term is rank-deficient."
    )
  }
  paste(
    "The fit is singular: the estimated covariances of",
    n,
    "terms are rank-deficient."
  )
}

#' @export
print.rlmm_singularity <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

# Whether one model is nested in another, judged by the columns of X and Z.

#' Gives a message about models that aren't nested in the next larger one of a table
#' @param fits Models in the order of their number of parameters `npar`.
#' @noRd
inform_not_nested <- function(fits, npar, labels) {
  for (i in seq_along(fits)[-1L]) {
    why <- not_nested(fits[[i - 1L]], fits[[i]])
    if (!is.null(why)) {
      is_tested <- npar[i] > npar[i - 1L]
      inform_not_nested_pair(
        labels[i - 1L],
        labels[i],
        why,
        is_tested
      )
    }
  }
}

inform_not_nested_pair <- function(smaller, larger, why, is_tested) {
  inform_rlmm(
    c(
      sprintf("%s isn't nested in %s.", tick(smaller), tick(larger)),
      x = sprintf(
        "%s has %s, which %s doesn't have.",
        tick(smaller),
        why,
        tick(larger)
      ),
      i = if (is_tested) {
        "The p-value of their comparison means nothing. Compare their AIC."
      } else {
        "With as many parameters there is no test. Compare their AIC."
      }
    ),
    "rlmm_message_not_nested",
    models = c(smaller, larger)
  )
}

#' A description of an effect of a model that a larger one lacks, or `NULL`
#' @noRd
not_nested <- function(smaller, larger) UseMethod("not_nested")

#' @export
not_nested.default <- function(smaller, larger) {
  if (has_counted_rows(smaller) || has_counted_rows(larger)) {
    return(NULL)
  }
  not_nested_fixed(smaller, larger) %||% not_nested_random(smaller, larger)
}

# Whether the rows of a fit are distinct rows with counts, which depend on the variables of the
# model.
has_counted_rows <- function(fit) {
  inherits(fit, "rlmm") && is_counted(fit)
}

#' @export
not_nested.rlmm_nlmm <- function(smaller, larger) {
  if (!identical(smaller$parts$mean, larger$parts$mean)) {
    return(paste("the mean", tick(short_deparse(smaller$parts$mean))))
  }
  not_nested.default(stacked_shell(smaller), stacked_shell(larger))
}

not_nested_fixed <- function(smaller, larger) {
  x <- known_matrix(smaller)
  wider <- known_matrix(larger)
  if (is.null(x) || is.null(wider) || nrow(x) != nrow(wider)) {
    return(NULL)
  }
  outside <- !columns_in_span(x, wider)
  if (any(outside)) {
    paste("the fixed effect", tick(colnames(x)[outside][1L]))
  }
}

# X, if the fit has its data and X has all columns of the formula.
known_matrix <- function(fit) {
  is_unknown <- inherits(fit, "rlmm") && (is.null(fit$frame) || has_large(fit))
  if (is_unknown) {
    return(NULL)
  }
  x <- stats::model.matrix(fit)
  x[, !is.na(colSums(x)), drop = FALSE]
}

columns_in_span <- function(x, wider) {
  if (ncol(wider) == 0L) {
    return(colSums(x^2) == 0)
  }
  rest <- qr.resid(qr(wider), x)
  size <- sqrt(colSums(x^2))
  sqrt(colSums(rest^2)) <= 1e-7 * size
}

#' A description of a random-effects term whose columns are not in the span of the larger model's
#' terms with the same grouping factor, or `NULL`
#' @noRd
not_nested_random <- function(smaller, larger) {
  has_rows <- \(fit) inherits(fit, "rlmm") && !is.null(fit$frame)
  if (!has_rows(smaller) || !has_rows(larger)) {
    return(NULL)
  }
  theirs <- term_designs(larger)
  is_within <- \(i) is_term_within(term_design(smaller, i), theirs)
  other <- Position(Negate(is_within), seq_along(smaller$random))
  if (!is.na(other)) {
    paste("the term", tick(term_text(smaller$random[[other]])))
  }
}

is_term_within <- function(design, theirs) {
  same <- Filter(\(their) is_same_grouping(design$refs, their$refs), theirs)
  wider <- do.call(cbind, lapply(same, `[[`, "z"))
  !is.null(wider) && all(columns_in_span(design$z, wider))
}

is_same_grouping <- function(a, b) {
  length(a) == length(b) && is_function_of(a, b) && is_function_of(b, a)
}

is_function_of <- function(a, b) all(a == a[match(b, b)])

# What there is to tell of a fixed factor whose levels are no columns of X.

#' Coefficients of a fixed factor with many levels
#'
#' A factor of the fixed part with so many levels that its dummy columns would cost more than they
#' are worth (see [rlmm()]) has no rows in the tables of [summary()][summary.rlmm] and no columns in
#' `vcov()`. `fixef()` has its coefficients among the others; `fixed_levels()` has them with their
#' standard errors, one row for each level.
#'
#' The standard errors are those that `vcov()` would have: of the differences from the base, at the
#' estimated theta. They take a solve for each of the other coefficients, and the diagonal of the
#' inverse of the system.
#'
#' @param object A fit of [rlmm()] with such a factor.
#' @return A data frame with the columns `level`, `estimate`, `std.error`, and `statistic`, the
#'   ratio of the two. The base has an estimate of zero; a level that was dropped, as it depends on
#'   columns before it, has `NA`.
#' @seealso `fixef()`, and [anova()][anova.rlmm] for a test of the factor as a whole.
#' @examples
#' # By default 24 levels are columns of X, which summary() shows
#' old <- options(rlmm.large_factor = 20)
#' fit <- rlmm(diameter ~ plate + (1 | sample), Penicillin)
#' fit
#' head(fixed_levels(fit))
#' anova(fit)
#' options(old)
#' @export
fixed_levels <- function(object) {
  large <- object$fixed$large
  if (is.null(large)) {
    abort_no_levels(object)
  }
  std_error <- level_errors(object)
  data.frame(
    level = large$levels,
    estimate = object$levels,
    std.error = std_error,
    statistic = object$levels / std_error
  )
}

abort_no_levels <- function(object) {
  if (!inherits(object, "rlmm")) {
    abort_argument(
      "`object` must be a fit of `rlmm()`.",
      x = it_is(object),
      arg = "object"
    )
  }
  abort_rlmm(
    c(
      "The fit has no fixed factor with so many levels that they stand apart.",
      i = "`summary()` and `fixef()` have all coefficients."
    ),
    "rlmm_error_not_available"
  )
}

level_errors <- function(fit) {
  spread <- level_spread(fit, fit_spec(fit))
  variances <- spread$variance
  if (ncol(spread$shift) > 0L) {
    variances <- variances +
      colSums(backsolve(fit$rx, t(spread$shift), transpose = TRUE)^2)
  }
  variances[!fit$fixed$large$is_column] <- NA
  fit$sigma * sqrt(variances)
}

#' F tests of the terms of a fit with a large factor: those of the other terms beside it, and its
#' own
#' @noRd
large_tests <- function(fit, type, tests) {
  check_large_type(fit, type, tests$ddf)
  large <- fit$fixed$large
  table <- as.data.frame(term_tests(without_large(fit), "III", tests))
  own <- level_test(fit)
  own <- f_table(own$f, own$num_df, own$den_df, fit$sigma)
  rownames(own) <- large$label
  table <- rbind(table, own)
  labels <- fixed_labels(fit)
  table <- table[intersect(labels, rownames(table)), , drop = FALSE]
  as_anova(table, large_heading(large, type, ddf_label(tests$ddf)))
}

large_heading <- function(large, type, method) {
  name <- tick(large$variable)
  c(
    paste0("Type ", type, " analysis of variance with ", method),
    sprintf("(%s: as many as all other effects leave of the rows)", name)
  )
}

# The fit as if the other terms were all that its formula has.
without_large <- function(fit) {
  fit$fixed$terms <- fit$fixed$ordinary
  fit$fixed$assign <- NULL
  if (fit$fixed$large$drops_intercept) {
    fit$fixed$dropped <- c(fit$fixed$dropped, "(Intercept)")
  }
  fit$fixed$large <- NULL
  fit
}

# What the levels explain beside all other effects, at the same theta.
level_test <- function(fit) {
  spec <- fit_spec(fit)
  with <- core_estimates(spec, fit$theta)$pwrss
  spec$terms <- spec$terms[-length(spec$terms)]
  without <- core_estimates(spec, fit$theta)$pwrss
  num_df <- sum(fit$fixed$large$is_column)
  list(
    f = (without - with) / (num_df * fit$sigma^2),
    num_df = num_df,
    den_df = df_left(fit)
  )
}

# The rows that all effects leave, or `NA` where they leave none.
df_left <- function(fit) {
  effects <- sum(n_columns(fit) * n_levels(fit))
  left <- nobs.rlmm(fit) - n_coefficients(fit) - effects
  if (left > 0) left else NA_real_
}

check_large_type <- function(fit, type, ddf) {
  crossed <- any(attr(fit$fixed$ordinary, "order") > 1L)
  if (ddf == "none" || type == "I") {
    abort_if_large(fit, "A sequential table")
  }
  if (type == "II" && crossed) {
    abort_if_large(fit, "Type II beside interactions")
  }
}

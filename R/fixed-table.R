# The table of the fixed effects and their correlations, for print() and summary().

format_fixed_effects <- function(table, digits, signif.stars) {
  if (nrow(table) == 0) {
    return("No fixed effects")
  }
  lines <- utils::capture.output(stats::printCoefmat(
    table,
    digits = digits,
    signif.stars = signif.stars,
    has.Pvalue = any(startsWith(colnames(table), "Pr(")),
    cs.ind = setdiff(
      seq_len(ncol(table)),
      grep("value|Pr|^df$", colnames(table))
    ),
    tst.ind = grep("value", colnames(table))
  ))
  c("Fixed effects:", lines)
}

#' The column name of the ratio of an estimate to its standard error, as in lme4
#' @noRd
ratio_name <- function(fit) UseMethod("ratio_name")

#' @export
ratio_name.rlmm_lmm <- function(fit) "t value"

#' @export
ratio_name.rlmm_glmm <- function(fit) "z value"

#' The table of the fixed effects
#' @param tests The result of `fixed_tests()`.
#' @param df The degrees of freedom of each coefficient.
#' @noRd
fixed_effects_table <- function(
  fit,
  tests,
  df = tests$row_df(diag(length(fit$beta)))
) {
  std_error <- sqrt(diag(tests$covariance))
  table <- cbind(Estimate = fit$beta, `Std. Error` = std_error)
  ratio <- ifelse(std_error > 0, fit$beta / std_error, NA)
  cbind(table, test_columns(fit, ratio, tests$ddf, df))
}

# The ratio to the standard error, with its p-value if it has a reference distribution.
test_columns <- function(fit, ratio, ddf, df) {
  switch(
    ddf,
    none = matrix(ratio, dimnames = list(NULL, ratio_name(fit))),
    asymptotic = z_tests(ratio),
    t_tests(ratio, as.vector(df))
  )
}

t_tests <- function(ratio, df) {
  p <- 2 * stats::pt(-abs(ratio), df)
  cbind(df = df, `t value` = ratio, `Pr(>|t|)` = p)
}

z_tests <- function(ratio) {
  p <- 2 * stats::pnorm(-abs(ratio))
  cbind(`z value` = ratio, `Pr(>|z|)` = p)
}

# The lines of the correlations of the fixed effects. `show` is `NA` if there are so many that they
# are only mentioned.
correlation_lines <- function(covariance, show, symbolic) {
  p <- nrow(covariance)
  if (!identical(show, NA)) {
    check_flag(show, "correlation")
  }
  if (is.na(show)) {
    return(c(
      "",
      paste0(
        "Correlations of the ",
        p,
        " fixed effects: `print(x, correlation = TRUE)`."
      )
    ))
  }
  varies <- diag(covariance) > 0
  if (show && sum(varies) > 1) {
    c(
      "",
      format_correlations(covariance[varies, varies, drop = FALSE], symbolic)
    )
  }
}

#' The lower triangle of the correlations of the fixed effects, with abbreviated names
#' @noRd
format_correlations <- function(covariance, symbolic) {
  correlation <- correlation_matrix(covariance)
  lines <- if (symbolic) {
    symbols <- stats::symnum(correlation, abbr.colnames = TRUE)
    utils::capture.output(print(symbols))
  } else {
    text <- correlation_text(correlation)
    utils::capture.output(print(text, quote = FALSE, right = TRUE))
  }
  c("Correlation of fixed effects:", lines)
}

correlation_text <- function(correlation) {
  p <- nrow(correlation)
  labels <- rownames(correlation)
  text <- formatC(correlation, digits = 3, format = "f")
  text[!lower.tri(text)] <- ""
  dimnames(text) <- list(abbreviate(labels, 11), abbreviate(labels, 6))
  text[-1, -p, drop = FALSE]
}

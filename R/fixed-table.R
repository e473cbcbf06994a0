# The table of the fixed effects, and their correlations, for print() and summary().

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

choose_ddf <- function(fit, ddf = NULL) {
  if (is.null(ddf)) {
    return(
      if (isLMM.rlmm(fit) && !is.null(fit$frame)) {
        "satterthwaite"
      } else {
        "asymptotic"
      }
    )
  }
  one_of(tolower_words(ddf), c("satterthwaite", "asymptotic", "none"), "ddf")
}

# lmerTest writes "Satterthwaite".
tolower_words <- function(x) if (is.character(x)) tolower(x) else x

fixed_effects_table <- function(
  fit,
  ddf,
  std_error,
  df = if (ddf == "satterthwaite") satterthwaite_df(fit)
) {
  coefficient_table(fit$beta, std_error, ddf, is_glmm(fit), df)
}

#' The table of the fixed effects: tests according to `ddf`.
#' @noRd
coefficient_table <- function(
  beta,
  std_error,
  ddf,
  is_glmm = FALSE,
  df = NULL
) {
  table <- cbind(Estimate = beta, `Std. Error` = std_error)
  if (length(beta) == 0) {
    return(table)
  }
  ratio <- ifelse(std_error > 0, beta / std_error, NA)
  switch(
    ddf,
    none = if (is_glmm) {
      cbind(table, `z value` = ratio)
    } else {
      cbind(table, `t value` = ratio)
    },
    satterthwaite = cbind(
      table,
      df = df,
      `t value` = ratio,
      `Pr(>|t|)` = 2 * stats::pt(-abs(ratio), df)
    ),
    asymptotic = cbind(
      table,
      `z value` = ratio,
      `Pr(>|z|)` = 2 * stats::pnorm(-abs(ratio))
    )
  )
}

# NA: there are so many that they are only mentioned.
correlation_lines <- function(covariance, show, symbolic) {
  p <- nrow(covariance)
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

#' The lower triangle of the correlations of the fixed effects, under abbreviated names.
#' @noRd
format_correlations <- function(covariance, symbolic) {
  correlation <- correlation_matrix(covariance)
  p <- nrow(correlation)
  if (symbolic) {
    symbols <- stats::symnum(correlation, abbr.colnames = TRUE)
    return(c(
      "Correlation of fixed effects:",
      utils::capture.output(print(symbols))
    ))
  }
  labels <- rownames(correlation)
  text <- formatC(correlation, digits = 3, format = "f")
  text[!lower.tri(text)] <- ""
  dimnames(text) <- list(
    abbreviate(labels, minlength = 11),
    abbreviate(labels, minlength = 6)
  )
  text <- text[-1, -p, drop = FALSE]
  c(
    "Correlation of fixed effects:",
    utils::capture.output(print(text, quote = FALSE, right = TRUE))
  )
}

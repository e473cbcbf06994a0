# What is printed of fits to many responses.

#' @export
format.rlmm_many <- function(x, ...) {
  warn_of_dots(...)
  n <- length(x$sigma)
  failed <- !is.na(x$error)
  doubtful <- !failed & !x$verdict %in% final_verdicts
  nobs <- range(x$nobs)
  rows <- if (nobs[1L] == nobs[2L]) {
    format_count(nobs[1L])
  } else {
    paste(format_count(nobs[1L]), "to", format_count(nobs[2L]))
  }
  title <- if (is.null(x$design$spec$glmm)) {
    criterion <- if (x$design$spec$reml) "REML" else "maximum likelihood"
    paste(plural(n, "linear mixed model"), "fit by", criterion)
  } else {
    paste(
      plural(n, "generalized linear mixed model"),
      "fit by maximum likelihood"
    )
  }
  counts <- c(
    if (any(failed)) paste(format_count(sum(failed)), "failed"),
    if (any(doubtful)) paste(format_count(sum(doubtful)), "not converged")
  )
  c(
    title,
    if (!is.null(x$design$family)) {
      sprintf(
        " Family: %s (%s)",
        sub("(?)", "", x$design$family$family, fixed = TRUE),
        x$design$family$link
      )
    },
    formula_lines(x$formula),
    paste0(
      rows,
      " observations each",
      if (length(counts) > 0L) {
        paste0("; ", paste(counts, collapse = ", "))
      },
      "."
    ),
    if (any(failed)) reason_line(x$error[failed]),
    "",
    median_lines(x)
  )
}

reason_line <- function(reasons) {
  most <- sort(table(reasons), decreasing = TRUE)
  paste0("The most frequent reason: ", names(most)[1L])
}

# Medians of the estimates, and how many have small p-values.
median_lines <- function(x) {
  t <- x$beta / x$std_error
  p <- 2 * stats::pt(-abs(t), x$df %||% Inf)
  table <- data.frame(
    `median estimate` = apply(x$beta, 2L, stats::median, na.rm = TRUE),
    `median std.error` = apply(x$std_error, 2L, stats::median, na.rm = TRUE),
    `p < 0.05` = colSums(p < 0.05, na.rm = TRUE),
    check.names = FALSE
  )
  utils::capture.output(print(table, digits = 4L))
}

#' @export
print.rlmm_many <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

# Prints fits to many responses.

#' @export
format.rlmm_many <- function(x, ...) {
  warn_of_dots(...)
  failed <- !is.na(x$error)
  c(
    many_title(x),
    many_family_line(x$design$family),
    formula_lines(x$formula),
    if (length(failed) > 0L) {
      c(
        many_counts(x, failed),
        if (any(failed)) reason_line(x$error[failed]),
        "",
        median_lines(x)
      )
    }
  )
}

many_title <- function(x) {
  n <- length(x$sigma)
  spec <- x$design$spec
  if (!is.null(spec$glmm)) {
    models <- plural(n, "generalized linear mixed model")
    return(paste(models, "fit by maximum likelihood"))
  }
  criterion <- if (spec$reml) "REML" else "maximum likelihood"
  paste(plural(n, "linear mixed model"), "fit by", criterion)
}

many_family_line <- function(family) {
  if (!is.null(family)) {
    name <- sub(
      "(?)",
      "",
      family$family,
      fixed = TRUE
    )
    sprintf(" Family: %s (%s)", name, family$link)
  }
}

# The numbers of observations of the fits and of unsuccessful fits.
many_counts <- function(x, failed) {
  nobs <- unique(range(x$nobs))
  rows <- paste(vapply(nobs, format_count, ""), collapse = " to ")
  counts <- c(
    paste(rows, "observations each"),
    unsuccessful_counts(failed, !failed & !x$verdict %in% final_verdicts),
    rounded_count(sum(x$verdict %in% "rounded"))
  )
  paste0(paste(counts, collapse = "; "), ".")
}

# The number of fits that reproduce their response, or whose estimates rounding errors determine.
rounded_count <- function(n) {
  if (n > 0L) {
    paste(format_count(n), "up to rounding errors only, see `?certificate`")
  }
}

unsuccessful_counts <- function(failed, doubtful) {
  counts <- c(
    if (any(failed)) paste(format_count(sum(failed)), "failed"),
    if (any(doubtful)) paste(format_count(sum(doubtful)), "not converged")
  )
  if (length(counts) > 0L) paste(counts, collapse = ", ")
}

reason_line <- function(reasons) {
  most <- sort(table(reasons), decreasing = TRUE)
  paste0("The most frequent reason: ", names(most)[1L])
}

# The medians of the estimates and the numbers of small p-values.
median_lines <- function(x) {
  table <- data.frame(
    `median estimate` = apply(
      x$beta,
      2L,
      stats::median,
      na.rm = TRUE
    ),
    `median std.error` = apply(
      x$std_error,
      2L,
      stats::median,
      na.rm = TRUE
    ),
    `p < 0.05` = colSums(many_p_values(x) < 0.05, na.rm = TRUE),
    check.names = FALSE
  )
  utils::capture.output(print(table, digits = 4L))
}

#' @export
print.rlmm_many <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

# rlmm_sums(): what a linear mixed model needs of its data, without the data.

#' Cross-products of data that stay where they are
#'
#' A linear mixed model needs of its data no more than sums: of products of the columns of X and Z
#' and the response, over all rows, over the rows of each level of a grouping factor, and over those
#' that two levels share. `rlmm_sums()` computes them from a data frame, from chunks that a function
#' reads, or from a table in a database; `c()` adds up those of parts of the data, such as days or
#' sites; and `rlmm()` fits them. No rows leave the place where they are, and their number doesn't
#' matter.
#'
#' @param formula As in [rlmm()]; or what [rlmm_sums_sql()] returns.
#' @param data One of
#'
#'   * a data frame;
#'   * a function that reads the data in chunks: `data(TRUE)` goes back to the first one,
#'     `data(FALSE)` returns the next one as a data frame, or `NULL` at the end;
#'   * a table in a database (`dplyr::tbl()` of a connection, which needs the package dbplyr), or an
#'     Arrow table, data set or reader of record batches;
#'   * the results of the statements of [rlmm_sums_sql()]: a list of data frames.
#' @param weights,offset Expressions in the columns of `data`, as in [rlmm()].
#' @param contrasts,weights_type As in [rlmm()].
#' @param ... Of `c()`, sums to add up; anything else is an error.
#'
#' @details Rows with missing values are left out. Variables are computed row by row, so that
#' `log(x)` or `I(x^2)` may stand in the formula, in a database those that dbplyr translates. What
#' depends on other rows, as `poly(x, 2)` or `weights = w / mean(w)`, can't be computed from chunks,
#' and isn't added up by `c()`; of a table, `poly(x, 2)` and `scale(x)` can, which read it once more
#' for each degree. Single values of the formula's environment are put in.
#'
#' A factor of the fixed part must have the same levels in all parts that are added up; grouping
#' factors may have any. So may one factor of the fixed part with more than 1,000 levels (or the
#' number that the option `rlmm.large_factor` says), beside an intercept, with treatment contrasts
#' and in no interaction, as in `y ~ x + firm + (1 | worker)`: rows are summed up by its levels, and
#' the fit is that of [rlmm()] with a large fixed factor.
#'
#' Fits of sums hold no rows: [fitted()], [residuals()], [simulate()] and the like refuse, and
#' [predict()] wants `newdata`. Estimates, tests, profiles, random effects and the errors of
#' predictions are those of the data. Models of fewer terms are made of the same sums: [update()],
#' `drop1()`, [ranova()], [backward()] and [anova()] need no rows. What has other columns is summed
#' up anew if the fit's call names the table, and refused of sums. `emmeans::emmeans(data = )` takes
#' rows for its grid.
#'
#' @return A list of class `rlmm_sums`, which may be saved.
#' @examples
#' # Two halves of the data, each summed up where it is.
#' first <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy[1:90, ])
#' second <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy[91:180, ])
#' fit <- rlmm(c(first, second))
#' fit
#' ranova(fit)
#' predict(fit, data.frame(Days = 10, Subject = "308"), se.fit = TRUE)
#'
#' # Chunks of 50 rows, as a file or a connection would give them.
#' at <- new.env()
#' chunks <- function(reset) {
#'   at$last <- if (reset) 0 else at$last + 50
#'   rows <- seq_len(nrow(sleepstudy))
#'   rows <- rows[rows > at$last - 50 & rows <= at$last]
#'   if (length(rows) > 0) sleepstudy[rows, ]
#' }
#' rlmm_sums(Reaction ~ Days + (Days | Subject), chunks)
#' @export
rlmm_sums <- function(
  formula,
  data,
  weights,
  offset,
  contrasts = NULL,
  ...,
  weights_type = c("precision", "frequency")
) {
  refuse_dots(...)
  if (inherits(formula, "rlmm_sums_sql")) {
    return(sums_of_results(formula, data))
  }
  formula <- read_formula(formula, parent.frame())
  extras <- given_expressions(c("weights", "offset"))
  sum_up(
    formula,
    data,
    extras,
    summing_options(contrasts, weights_type, extras)
  )
}

#' The sums of data of any kind
#' @noRd
sum_up <- function(formula, data, extras = NULL, options = list()) {
  if (is_lazy_table(data)) {
    check_table_packages(data)
    sums_of_table(formula, ungrouped(data), extras, options)
  } else {
    sums_of_chunks(formula, as_reader(data), extras, options)
  }
}

#' @rdname rlmm_sums
#' @export
c.rlmm_sums <- function(...) {
  parts <- list(...)
  odd <- Filter(\(x) !inherits(x, "rlmm_sums"), parts)
  if (length(odd) > 0L) {
    abort_argument(
      "`c()` adds up sums that `rlmm_sums()` made.",
      x = it_is(odd[[1L]]),
      arg = "..."
    )
  }
  Reduce(add_sums, parts)
}

#' @export
format.rlmm_sums <- function(x, ...) {
  warn_of_dots(...)
  count <- \(levels) format_count(length(levels))
  levels <- vapply(x$levels, count, "")
  pairs <- sum(lengths(lapply(x$sums$pairs, `[[`, "a")))
  c(
    "Sums for a linear mixed model",
    paste("Formula:", deparse_one(x$plan$formula)),
    paste("Rows:", format_count(x$n)),
    paste("Levels:", paste(names(x$levels), levels, collapse = ", ")),
    if (pairs > 0L) paste("Pairs of levels:", format_count(pairs))
  )
}

#' @export
print.rlmm_sums <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

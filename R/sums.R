# rlmm_sums(): the sufficient statistics of a linear mixed model, computed without holding the data.

#' Sufficient statistics of data outside R's memory
#'
#' A linear mixed model depends on its data only through cross-products of the response and of the
#' columns of X and Z: over all rows, over the rows of each level of a grouping factor, and over the
#' rows that two levels share. `rlmm_sums()` computes them from a data frame, from chunks that a
#' function reads, or from a table in a database; `c()` adds the sums of disjoint parts of the data,
#' such as days or sites; and `rlmm()` fits them. The rows stay where they are, and the memory
#' needed doesn't depend on their number.
#'
#' @param formula A model formula as in [rlmm()], or the result of [rlmm_sums_sql()].
#' @param data One of
#'
#'   * a data frame;
#'   * a function that reads the data in chunks: `data(TRUE)` goes back to the first chunk, and
#'     `data(FALSE)` returns the next chunk as a data frame, or `NULL` at the end;
#'   * a table in a database (`dplyr::tbl()` of a connection, which needs the package dbplyr), or an
#'     Arrow table, data set or reader of record batches;
#'   * a list of data frames, the results of the statements of [rlmm_sums_sql()].
#' @param weights,offset Expressions in the columns of `data`, as in [rlmm()].
#' @param contrasts,weights_type As in [rlmm()].
#' @param ... For `c()`, the sums to add. `rlmm_sums()` accepts no further arguments.
#' @details
#' **Variables.** Rows with missing values are left out. Variables are computed row by row: the
#' formula may contain `log(x)` or `I(x^2)`, in a database every function that dbplyr translates.
#' Variables that depend on other rows, such as `poly(x, 2)` or `weights = w / mean(w)`, are errors
#' for chunks and when parts are added by `c()`. For a single table `poly(x, 2)` and `scale(x)` are
#' available; they read the table once more for each degree. Other names in the formula may refer to
#' single values in its environment.
#'
#' **Factors.** Parts that are added may have different levels: the fit has the levels of all parts.
#' A part in which a variable of the fixed part has only one value needs that variable as a factor
#' with at least two levels, one of which may be empty. A factor that also has random slopes,
#' `(f | g)`, or whose contrasts are a matrix, must have the same levels in all parts. One factor of
#' the fixed part may have more than 1,000 levels (or the number in the option `rlmm.large_factor`),
#' if the formula has an intercept and the factor has treatment contrasts, as in
#' `y ~ x + firm + (1 | worker)`. Slopes by its levels, that is, its interactions with covariates
#' and with factors of few levels that have treatment contrasts, may be in the formula too, as in
#' `y ~ firm * x + (1 | worker)`. The fit is then that of [rlmm()] with a large fixed factor. Other
#' factors or interactions with more than 1,000 dummy columns are an error.
#'
#' **Methods.** A fit of sums has the estimates, tests, profiles, random effects and standard errors
#' of predictions of a fit of the rows. It holds no rows, so that [fitted()], [residuals()],
#' [simulate()] and similar methods are errors, and [predict()] needs `newdata`. Models with fewer
#' terms are fitted to the same sums by [update()], `drop1()`, [ranova()], [backward()] and
#' [anova()]. A model with other columns needs new sums: they are computed if the fit's call names
#' the table. `emmeans::emmeans(data = )` takes rows for its reference grid.
#' @return A list of class `rlmm_sums`, which can be saved and fitted later.
#' @examples
#' # Two halves of the data, summed separately.
#' first <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy[1:90, ])
#' second <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy[91:180, ])
#' fit <- rlmm(c(first, second))
#' fit
#' ranova(fit)
#' predict(fit, data.frame(Days = 10, Subject = "308"), se.fit = TRUE)
#'
#' # Chunks of 50 rows, as they would come from a file or a connection.
#' at <- new.env()
#' chunks <- function(reset) {
#'   at$last <- if (reset) 0 else at$last + 50
#'   rows <- seq_len(nrow(sleepstudy))
#'   rows <- rows[rows > at$last - 50 & rows <= at$last]
#'   if (length(rows) > 0) sleepstudy[rows, ]
#' }
#' rlmm_sums(Reaction ~ Days + (Days | Subject), chunks)
#'
#' # A line for each subject among the fixed effects, without dummy columns.
#' old <- options(rlmm.large_factor = 10)
#' lines <- transform(sleepstudy, Group = Days %% 5)
#' rlmm(rlmm_sums(Reaction ~ Subject * Days + (1 | Group), lines))
#' options(old)
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
  if (inherits(force_formula(formula), "rlmm_sums_sql")) {
    return(sums_of_results(formula, data))
  }
  formula <- read_formula(formula, parent.frame())
  formula <- in_own_environment(formula, match.call(), data)
  extras <- given_expressions(c("weights", "offset"))
  sum_up(
    formula,
    data,
    extras,
    summing_options(contrasts, weights_type, extras)
  )
}

#' The sums of data in any supported form
#' @noRd
sum_up <- function(formula, data, extras = NULL, options = list()) {
  if (is_lazy_table(data)) {
    check_table_packages(data)
    sums_of_table(formula, ungrouped(data), extras, options)
  } else {
    reader <- as_reader(data)
    with_one_nan_message(sums_of_chunks(formula, reader, extras, options))
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
  Reduce(unite_sums, parts)
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

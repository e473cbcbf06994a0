# The message about rows that are left out because a variable is NaN.

#' Gives a message about rows that are left out because a variable is `NaN`, often by mistake
#' @param data What [rlmm()] was given as `data`.
#' @noRd
inform_nan <- function(frame, data) {
  nan <- lapply(unclass(frame), nan_rows)
  nan <- c(nan, nan_within(frame, data, unlist(nan)))
  nan <- nan[lengths(nan) > 0L]
  if (length(nan) == 0L) {
    return(invisible())
  }
  inform_rlmm(
    c(
      "Rows are left out because a variable is NaN, which counts as missing.",
      nan_lines(nan, original_rows(frame)),
      i = "Is it computed from values outside of its domain, such as `log(-1)`?"
    ),
    "rlmm_message_nan",
    rows = sort(unique(unlist(nan)))
  )
}

# The rows, not among `known`, that are missing because a variable of an expression is NaN: the
# value of `ns(x, 3)`, `cut(x, 3)` or `x > 3` is NA there.
nan_within <- function(frame, data, known) {
  terms <- attr(frame, "terms")
  lost <- which(!stats::complete.cases(frame))
  names <- setdiff(all.vars(attr(terms, "variables")), names(frame))
  lapply(stats::setNames(nm = names), function(name) {
    rows <- nan_rows(original_values(name, frame, data, environment(terms)))
    setdiff(intersect(rows, lost), known)
  })
}

# The values of a variable in the rows of a frame; `NULL` if it doesn't have a value for each row.
original_values <- function(name, frame, data, env) {
  is_column <- is.list(data) && name %in% names(data)
  x <- if (is_column) data[[name]] else get0(name, env, mode = "numeric")
  if (is.data.frame(data) && length(x) == nrow(data)) {
    x <- x[match(original_rows(frame), attr(data, "row.names"))]
  }
  if (length(x) == count_rows(frame)) x
}

#' Evaluates an expression that makes the frame of the same rows several times: only the first
#' message about `NaN` is given
#' @noRd
with_one_nan_message <- function(expr) {
  said <- rlang::new_environment(list(count = 0L))
  withCallingHandlers(expr, rlmm_message_nan = \(cnd) {
    said$count <- said$count + 1L
    if (said$count > 1L) rlang::cnd_muffle(cnd)
  })
}

# A line of the message for each of the first variables.
nan_lines <- function(nan, row_names) {
  nan <- utils::head(nan, 5L)
  found <- vapply(nan, \(rows) describe_rows(row_names[rows]), "")
  lines <- paste0(variable_labels(names(nan)), " is NaN at ", found, ".")
  stats::setNames(lines, rep("x", length(lines)))
}

nan_rows <- function(x) {
  if (!is.double(x) || !anyNA(x)) {
    return(integer())
  }
  nan <- is.nan(unclass(x))
  which(if (is.matrix(nan)) rowSums(nan) > 0 else nan)
}

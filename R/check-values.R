# Checks of single values: arguments of the user's functions, and the columns of the model frame.

is_number <- function(x) is.numeric(x) && length(x) == 1L && !is.na(x)

check_flag <- function(x, arg) {
  if (is.logical(x) && length(x) == 1L && !is.na(x)) {
    return(invisible(x))
  }
  abort_rlmm(
    c(
      paste0("`", arg, "` must be `TRUE` or `FALSE`."),
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

#' One of the allowed values, also abbreviated; the default is all of them, of which the first is meant
#' @noRd
one_of <- function(value, allowed, arg) {
  if (identical(value, allowed)) {
    return(allowed[1])
  }
  found <- if (is.character(value) && length(value) == 1L) {
    pmatch(value, allowed)
  } else {
    NA
  }
  if (!is.na(found)) {
    return(allowed[found])
  }
  abort_rlmm(
    c(
      paste0(
        "`",
        arg,
        "` must be ",
        enumerate(dQuote(allowed, FALSE), last = "or"),
        "."
      ),
      x = paste0("It is ", describe_type(value), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

check_sigma <- function(sigma) {
  if (is.null(sigma)) {
    return(invisible())
  }
  if (is_number(sigma) && is.finite(sigma) && sigma > 0) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`sigma` must be `NULL` or one positive number.",
      x = paste0("It is ", describe_type(sigma), ".")
    ),
    "rlmm_error_argument",
    arg = "sigma"
  )
}

#' A standard deviation or a tolerance
#' @noRd
check_nonnegative <- function(x, arg) {
  if (is_number(x) && is.finite(x) && x >= 0) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0("`", arg, "` must be one number, zero or positive."),
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

check_digits <- function(digits) {
  if (is_number(digits) && digits >= 1 && digits <= 22) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`digits` must be a number from 1 to 22.",
      x = paste0("It is ", describe_type(digits), ".")
    ),
    "rlmm_error_argument",
    arg = "digits"
  )
}

check_verbose <- function(verbose) {
  is_one <- (is.logical(verbose) || is_number(verbose)) && length(verbose) == 1L
  if (is_one && !is.na(verbose) && verbose >= 0) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`verbose` must be one number, not negative.",
      x = paste0("It is ", describe_type(verbose), ".")
    ),
    "rlmm_error_argument",
    arg = "verbose"
  )
}

is_plain_number <- function(x) is.numeric(x) && !is.object(x) && is.null(dim(x))

abort_control <- function(problem, found, hint = NULL, arg) {
  abort_rlmm(
    c(problem, x = found, hint),
    c("rlmm_error_control", "rlmm_error_argument"),
    arg = arg
  )
}

abort_if_any <- function(bad, name, what, frame = NULL) {
  if (is.matrix(bad)) {
    bad <- rowSums(bad) > 0
  }
  if (!any(bad)) {
    return(invisible())
  }
  rows <- which(bad)
  if (!is.null(frame)) {
    rows <- original_rows(frame)[rows]
  }
  abort_rlmm(
    c(
      paste0(variable_label(name), " must hold finite numbers."),
      x = paste0(
        plural(length(rows), "value"),
        if (length(rows) == 1L) " is " else " are ",
        what,
        ", at ",
        describe_rows(rows),
        "."
      ),
      i = if (what == "NaN") "To have such rows dropped, make the values `NA`."
    ),
    "rlmm_error_non_finite",
    variable = name,
    rows = rows
  )
}

abort_still_missing <- function(name, rows) {
  abort_rlmm(
    c(
      paste0(variable_label(name), " must have no missing values."),
      x = paste0("Missing at ", describe_rows(rows), "."),
      i = "Use `na.action = na.omit` to drop such rows."
    ),
    "rlmm_error_missing",
    variable = name,
    rows = rows
  )
}

variable_label <- function(name) {
  switch(name, `(weights)` = "`weights`", `(offset)` = "`offset`", tick(name))
}

# The row names, which are the rows of the data as the user counts them (or has named them).
original_rows <- function(frame) attr(frame, "row.names")

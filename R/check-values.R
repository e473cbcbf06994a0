# Checks of single values: arguments of the user's functions, and the columns of the model frame.

is_number <- function(x) {
  is.numeric(x) && length(x) == 1L && !is.na(x)
}

is_whole_number <- function(x) {
  is_number(x) && is.finite(x) && x == round(x)
}

# Selects rows of a matrix or elements of a vector.
chosen_rows <- function(x, at) {
  if (is.matrix(x)) x[at, , drop = FALSE] else x[at]
}

# The symmetric part of a matrix, which removes asymmetric rounding errors.
symmetric_part <- function(x) (x + t(x)) / 2

# The number of rows of a data frame, faster than by nrow(), which dispatches.
count_rows <- function(frame) .row_names_info(frame, 2L)

check_flag <- function(x, arg, hint = NULL) {
  if (is.logical(x) && length(x) == 1L && !is.na(x)) {
    return(invisible(x))
  }
  problem <- sprintf("`%s` must be `TRUE` or `FALSE`.", arg)
  abort_argument(problem, x = it_is(x), i = hint, arg = arg)
}

# The penalty of each parameter in an information criterion.
check_penalty <- function(k) {
  if (!is_number(k)) {
    abort_argument("`k` must be one number.", x = it_is(k), arg = "k")
  }
}

#' Matches a value, possibly abbreviated, to the allowed ones
#' @param most The largest number of allowed values in a message.
#' @param value The user's value. The default of an argument is all of `allowed`, which selects the
#'   first.
#' @param elsewhere The equivalents of values of other programs, named by these.
#' @noRd
one_of <- function(value, allowed, arg, most = 10L, elsewhere = NULL) {
  if (identical(value, allowed)) {
    return(allowed[1])
  }
  is_text <- is.character(value) && length(value) == 1L
  found <- if (is_text) pmatch(value, allowed) else NA
  if (is.na(found)) {
    abort_choice(value, allowed, arg, most, elsewhere)
  }
  allowed[found]
}

abort_choice <- function(value, allowed, arg, most, elsewhere = NULL) {
  choices <- enumerate(dQuote(allowed, FALSE), max = most, last = "or")
  problem <- sprintf("`%s` must be %s.", arg, choices)
  hint <- if (is.character(value) && value[1L] %in% names(elsewhere)) {
    c(i = elsewhere[[value[1L]]])
  } else {
    choice_hint(value, allowed)
  }
  abort_argument(problem, x = it_is(value), hint, arg = arg)
}

# The hint for a value with other capitals ("wald"), initials ("KR"), or a similar spelling.
choice_hint <- function(value, allowed) {
  if (!is.character(value) || length(value) != 1L) {
    return(NULL)
  }
  initials <- gsub("([[:alnum:]])[[:alnum:]]*[- ]?", "\\1", allowed)
  meant <- tolower(value) == tolower(allowed) |
    (nchar(initials) > 1L & tolower(value) == tolower(initials))
  in_quotes <- \(x) dQuote(x, FALSE)
  if (sum(meant) == 1L) {
    return(c(i = paste0("Did you mean ", in_quotes(allowed[meant]), "?")))
  }
  # Short codes such as "CR3" are all similar.
  if (nchar(value) > 3L) did_you_mean(value, allowed, in_quotes)
}

#' Matches a value, possibly abbreviated, ignoring case: lmerTest writes "Kenward-Roger"
#' @noRd
one_of_words <- function(value, allowed, arg) {
  is_word <- is.character(value) && length(value) == 1L
  found <- if (is_word) {
    pmatch(tolower(value), tolower(allowed))
  } else {
    NA
  }
  if (is.na(found)) {
    one_of(value, allowed, arg)
  } else {
    allowed[found]
  }
}

check_sigma <- function(sigma) {
  if (is.null(sigma)) {
    return(invisible())
  }
  if (is_number(sigma) && is.finite(sigma) && sigma > 0) {
    return(invisible())
  }
  problem <- "`sigma` must be `NULL` or one positive number."
  abort_argument(problem, x = it_is(sigma), arg = "sigma")
}

#' Checks a standard deviation or a tolerance
#' @noRd
check_nonnegative <- function(x, arg) {
  if (is_number(x) && is.finite(x) && x >= 0) {
    return(invisible())
  }
  problem <- sprintf("`%s` must be one number, zero or positive.", arg)
  abort_argument(problem, x = it_is(x), arg = arg)
}

check_digits <- function(digits) {
  if (is_number(digits) && digits >= 1 && digits <= 22) {
    return(invisible())
  }
  problem <- "`digits` must be a number from 1 to 22."
  abort_argument(problem, x = it_is(digits), arg = "digits")
}

check_verbose <- function(verbose, arg = "verbose") {
  is_one <- (is.logical(verbose) || is_number(verbose)) && length(verbose) == 1L
  if (is_one && is.finite(verbose) && verbose >= 0) {
    return(invisible())
  }
  problem <- sprintf("`%s` must be one number, not negative.", arg)
  abort_argument(problem, x = it_is(verbose), arg = arg)
}

#' Checks a number of replicates
#' @noRd
check_replicates <- function(n, arg) {
  is_count <- is_whole_number(n) && n >= 1
  if (is_count && n <= .Machine$integer.max) {
    return(as.integer(n))
  }
  problem <- sprintf("`%s` must be a positive whole number.", arg)
  abort_argument(problem, x = it_is(n), arg = arg)
}

is_plain_number <- function(x) {
  is.numeric(x) && !is.object(x) && is.null(dim(x))
}

abort_control <- function(problem, found, hint = NULL, arg) {
  abort_rlmm(
    c(problem, x = found, hint),
    c("rlmm_error_control", "rlmm_error_argument"),
    arg = arg
  )
}

# Checks a number of threads; `Inf` is the number of processors.
check_threads <- function(x, arg = "threads") {
  if (is_number(x) && x >= 1 && x == round(x)) {
    return(as.double(x))
  }
  problem <- sprintf("`%s` must be one positive whole number.", arg)
  abort_control(problem, it_is(x), arg = arg)
}

#' Raises an error about values of a variable
#' @param bad Whether each of its values, or cells of a matrix, is invalid.
#' @param what The description of these values, such as "infinite".
#' @param frame The model frame, if its rows are no longer those of the data.
#' @noRd
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
  abort_non_finite(name, rows, what)
}

abort_non_finite <- function(name, rows, what) {
  values <- plural(length(rows), "value")
  verb <- if (length(rows) == 1L) "is" else "are"
  abort_rlmm(
    c(
      paste0(variable_label(name), " must hold finite numbers."),
      x = sprintf("%s %s %s, at %s.", values, verb, what, describe_rows(rows))
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
  switch(
    name,
    `(weights)` = "`weights`",
    `(offset)` = "`offset`",
    tick(name)
  )
}

variable_labels <- function(names) vapply(names, variable_label, "")

# The row names, which are the numbers or names of the rows in the user's data.
original_rows <- function(frame) attr(frame, "row.names")

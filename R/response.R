# The response of a linear model, and what is wrong with one that is no vector of numbers.

#' The response of a linear model as numbers
#' @noRd
response <- function(frame) {
  y <- .subset2(frame, 1L)
  name <- names(frame)[1L]
  if (is.matrix(y) && ncol(y) > 1L) {
    found <- paste("a matrix with", ncol(y), "columns")
    abort_response(name, found, matrix_hint(y))
  }
  is_number <- is.numeric(y) || is.logical(y) || is_time(y)
  if (is.factor(y) || !is_number) {
    abort_no_numbers(y, name)
  }
  as.double(y)
}

abort_no_numbers <- function(y, name) {
  if (is.factor(y)) {
    abort_response(name, "a factor", factor_hint(y))
  }
  is_text <- is.character(y)
  found <- if (is_text) "a character vector" else describe_type(y)
  abort_response(name, found, text_hint(y))
}

# The hint for a factor as the response: numbers that were read as text, or categories.
factor_hint <- function(y) {
  if (identical(text_kind(levels(y), more_than = 5L), "numbers")) {
    return("Its levels are numbers: use `as.numeric(as.character())`?")
  }
  if (nlevels(droplevels(y)) != 2L) {
    return(
      "For an ordered response see the package ordinal, with its `clmm()`."
    )
  }
  "For a binary response use `rglmm(family = binomial)`?"
}

# The hint for a response of two columns of counts, which are successes and failures.
matrix_hint <- function(y) {
  if (is_survival(y)) {
    return(survival_hint)
  }
  has_counts <- is.numeric(y) && all(y >= 0 & y == round(y))
  is_counts <- ncol(y) == 2L && has_counts
  if (is_counts) {
    "For successes and failures use `rglmm(family = binomial)`."
  } else {
    "Fit one model for each column?"
  }
}

# Whether a response consists of survival times, as package survival makes them: a matrix of times
# and states, which must not be taken for several responses or for counts.
is_survival <- function(y) inherits(y, "Surv")

survival_hint <- "For survival times see the package coxme."

abort_response <- function(name, found, hint) {
  abort_rlmm(
    c(
      "The response must be a numeric vector.",
      x = paste0(tick(name), " is ", found, "."),
      i = hint
    ),
    "rlmm_error_response"
  )
}

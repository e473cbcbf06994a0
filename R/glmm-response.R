# The response of a generalized model: converts the user's response to means `y` of `weights`
# trials.

#' Converts the response
#' @param values The response in the model frame.
#' @param weights Prior weights, or `NULL`.
#' @return A list: `y`, and `weights` (`NULL` if all are one).
#' @noRd
glmm_response <- function(values, weights, family, name) {
  weights <- if (!is.null(weights)) as.double(weights)
  if (is_survival(values)) {
    abort_glmm_response(name, values, family)
  }
  if (has_trials(core_family(family))) {
    binomial_response(values, weights, name)
  } else {
    if (is.factor(values) || NCOL(values) != 1L) {
      abort_glmm_response(name, values, family)
    }
    list(
      y = glmm_numbers(values, family, name),
      weights = weights
    )
  }
}

binomial_response <- function(values, weights, name) {
  if (is.factor(values)) {
    return(list(
      y = as.double(as.integer(values) != 1L),
      weights = weights
    ))
  }
  if (is.matrix(values) && ncol(values) == 2L && is.numeric(values)) {
    return(counted_response(values, weights))
  }
  if (NCOL(values) != 1L) {
    abort_glmm_response(name, values, stats::binomial())
  }
  list(
    y = glmm_numbers(values, stats::binomial(), name),
    weights = weights
  )
}

# Proportions and numbers of trials from columns of successes and failures.
counted_response <- function(counts, weights) {
  trials <- as.double(rowSums(counts))
  y <- ifelse(trials == 0, 0, as.double(counts[, 1L]) / trials)
  list(y = y, weights = trials * (weights %||% 1))
}

glmm_numbers <- function(values, family, name) {
  if (!is.numeric(values) && !is.logical(values)) {
    abort_glmm_response(name, values, family)
  }
  as.double(values)
}

#' Gives a message about a factor with more than two levels, of which all but the first are
#' successes
#' @noRd
inform_levels <- function(values, name) {
  if (!is.factor(values) || nlevels(values) <= 2L) {
    return(invisible())
  }
  levels <- levels(values)
  inform_rlmm(
    c(
      paste0(
        tick(name),
        " has ",
        nlevels(values),
        " levels, of which the binomial makes two."
      ),
      x = paste0(
        "A failure is ",
        in_quotes(levels[1L]),
        "; a success is ",
        enumerate(in_quotes(levels[-1L]), last = "or"),
        "."
      ),
      i = if (is.ordered(values)) {
        "For an ordered response see the package ordinal, with its `clmm()`."
      }
    ),
    "rlmm_message_levels",
    variable = name
  )
}

# Checks --------------------------------------------------------------------

#' Checks that the values of the response are possible for the family
#'
#' Impossible values are errors; successes that are not integers are a warning, as in glm().
#' @noRd
check_glmm_response <- function(response, values, family, name, rows) {
  kind <- core_family(family)
  is_counts <- is.matrix(values) && has_trials(kind)
  y <- response$y
  bad <- if (is_counts) {
    rowSums(values < 0) > 0
  } else {
    !response_range(kind, FALSE)$holds(y)
  }
  if (any(bad)) {
    abort_response_range(name, values, rows[bad], family, is_counts)
  }
  switch(
    family_row(kind)$whole %||% "none",
    successes = check_whole_successes(response, values, name, is_counts),
    counts = check_whole_counts(y, name)
  )
}

check_whole_successes <- function(response, values, name, is_counts) {
  trials <- response$weights %||% 1
  successes <- if (is_counts) values else response$y * trials
  off <- abs(successes - round(successes)) > 1e-3
  if (!any(off)) {
    return(invisible())
  }
  hint <- "For proportions give the numbers of trials as `weights`?"
  warn_rlmm(
    c(
      "The numbers of successes should be whole numbers.",
      x = not_whole(sum(off), name),
      i = if (!is_counts) hint
    ),
    "rlmm_warning_successes"
  )
}

not_whole <- function(n, name) {
  verb <- if (n == 1L) "is" else "are"
  sprintf("%s of %s %s not.", plural(n, "value"), tick(name), verb)
}

#' Warns about counts that aren't integers
#' @noRd
check_whole_counts <- function(y, name) {
  # The tolerance is that of dpois().
  difference <- abs(y - round(y))
  off <- difference > 1e-7 * pmax(1, y)
  if (!any(off)) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "Counts should be whole numbers.",
      x = not_whole(sum(off), name),
      i = "For rates give the counts, and the logarithm of the exposure as `offset`?"
    ),
    "rlmm_warning_counts"
  )
}

abort_response_range <- function(name, values, rows, family, is_counts) {
  kind <- core_family(family)
  range <- response_range(kind, is_counts)
  abort_rlmm(
    c(
      sprintf("The response must %s for %s.", range$must, family_label(kind)),
      x = wrong_values_phrase(name, rows, range$wrong),
      i = if (has_trials(kind) && !is_counts) trials_hint(name, values)
    ),
    c("rlmm_error_response_range", "rlmm_error_response"),
    rows = rows
  )
}

# The hint for values outside of [0, 1]: two numbers for failure and success, or counts.
trials_hint <- function(name, values) {
  codes <- sort(unique(as.double(values)))
  is_grade <- length(codes) > 2L && length(codes) <= 10L
  consecutive <- codes[1L] + seq_along(codes) - 1
  if (is_grade && identical(codes, consecutive)) {
    return(
      "For an ordered response see the package ordinal, with its `clmm()`."
    )
  }
  if (length(codes) != 2L) {
    return("Counts are given as `cbind(successes, failures)`.")
  }
  codes <- vapply(codes, format, "")
  sprintf(
    "It is %s or %s: is the response `%s == %s`?",
    codes[1L],
    codes[2L],
    name,
    codes[2L]
  )
}

wrong_values_phrase <- function(name, rows, wrong) {
  sprintf(
    "%s of %s %s %s, at %s.",
    plural(length(rows), "value"),
    tick(name),
    if (length(rows) == 1L) "is" else "are",
    wrong,
    describe_rows(rows)
  )
}

# The words for the possible values of a response and for violations.
response_range <- function(kind, is_counts) {
  response_ranges[[if (is_counts) "nonnegative" else family_row(kind)$range]]
}

abort_glmm_response <- function(name, values, family) {
  must <- if (has_trials(core_family(family))) {
    paste(
      "0 or 1, logical, a factor, proportions with `weights`,",
      "or `cbind(successes, failures)`"
    )
  } else {
    "a numeric vector"
  }
  abort_rlmm(
    c(
      sprintf("The response must be %s.", must),
      x = paste0(tick(name), " is ", describe_type(values), "."),
      i = glmm_response_hint(name, values, family)
    ),
    "rlmm_error_response"
  )
}

glmm_response_hint <- function(name, values, family) {
  if (is_survival(values)) {
    return(survival_hint)
  }
  text_hint(values) %||%
    text_factor_hint(name, values, family) %||%
    if (is.factor(values)) factor_hint(values)
}

# The hint for a text response with failures and successes.
text_factor_hint <- function(name, values, family) {
  if (is.character(values) && has_trials(core_family(family))) {
    sprintf("Write `factor(%s)`: its first level is a failure.", name)
  }
}

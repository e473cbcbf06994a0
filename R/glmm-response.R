# The response of a generalized model: what the user gives, as means `y` of `weights` trials.

#' @param values The response as it stands in the model frame.
#' @param weights Prior weights, or `NULL`.
#' @return A list: `y`, and `weights` (`NULL`: all are one).
#' @noRd
glmm_response <- function(values, weights, family, name) {
  weights <- if (!is.null(weights)) as.double(weights)
  if (core_family(family) == "binomial") {
    binomial_response(values, weights, name)
  } else {
    if (is.factor(values) || NCOL(values) != 1L) {
      abort_glmm_response(name, values, family)
    }
    list(y = glmm_numbers(values, family, name), weights = weights)
  }
}

binomial_response <- function(values, weights, name) {
  if (is.factor(values)) {
    return(list(y = as.double(as.integer(values) != 1L), weights = weights))
  }
  if (is.matrix(values) && ncol(values) == 2L && is.numeric(values)) {
    trials <- as.double(rowSums(values))
    successes <- as.double(values[, 1L])
    return(list(
      y = ifelse(trials == 0, 0, successes / trials),
      weights = trials * (weights %||% 1)
    ))
  }
  if (NCOL(values) != 1L) {
    abort_glmm_response(name, values, stats::binomial())
  }
  list(y = glmm_numbers(values, stats::binomial(), name), weights = weights)
}

glmm_numbers <- function(values, family, name) {
  if (!is.numeric(values) && !is.logical(values)) {
    abort_glmm_response(name, values, family)
  }
  as.double(values)
}

# Checks --------------------------------------------------------------------

#' Values that cannot occur are errors; successes that are not whole numbers a warning, as in glm()
#' @noRd
check_glmm_response <- function(response, values, family, name, rows) {
  y <- response$y
  low <- is.matrix(values) & core_family(family) == "binomial"
  bad <- if (low) {
    rowSums(values < 0) > 0
  } else {
    impossible(y, core_family(family))
  }
  if (any(bad)) {
    abort_response_range(name, rows[bad], family, low)
  }
  switch(
    core_family(family),
    binomial = check_whole(
      if (is.matrix(values)) values else y * (response$weights %||% 1),
      name,
      is.matrix(values)
    ),
    poisson = ,
    negative.binomial = check_whole_counts(y, name)
  )
}

impossible <- function(y, family) {
  switch(
    family,
    binomial = y < 0 | y > 1,
    poisson = ,
    negative.binomial = y < 0,
    Gamma = ,
    inverse.gaussian = y <= 0,
    logical(length(y))
  )
}

check_whole <- function(successes, name, is_counts) {
  off <- abs(successes - round(successes)) > 1e-3
  if (!any(off)) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "The numbers of successes should be whole numbers.",
      x = paste0(
        plural(sum(off), "value"),
        " of ",
        tick(name),
        if (sum(off) == 1L) " is" else " are",
        " not."
      ),
      i = if (!is_counts) {
        "For proportions give the numbers of trials as `weights`?"
      }
    ),
    "rlmm_warning_successes"
  )
}

check_whole_counts <- function(y, name) {
  # As far from whole numbers as dpois() lets them be.
  off <- abs(y - round(y)) > 1e-7 * pmax(1, y)
  if (!any(off)) {
    return(invisible())
  }
  warn_rlmm(
    c(
      "Counts should be whole numbers.",
      x = paste0(
        plural(sum(off), "value"),
        " of ",
        tick(name),
        if (sum(off) == 1L) " is" else " are",
        " not."
      ),
      i = "For rates give the counts, and the logarithm of the exposure as `offset`?"
    ),
    "rlmm_warning_counts"
  )
}

abort_response_range <- function(name, rows, family, is_counts) {
  kind <- core_family(family)
  must <- if (is_counts) {
    "not be negative"
  } else {
    switch(
      kind,
      binomial = "be between 0 and 1",
      poisson = ,
      negative.binomial = "not be negative",
      "be positive"
    )
  }
  wrong <- switch(
    must,
    `be between 0 and 1` = "out of this range",
    `not be negative` = "negative",
    "not positive"
  )
  label <- if (kind == "negative.binomial") {
    "a negative binomial model"
  } else {
    paste0("`", kind, "()`")
  }
  abort_rlmm(
    c(
      paste0("The response must ", must, " for ", label, "."),
      x = paste0(
        plural(length(rows), "value"),
        " of ",
        tick(name),
        if (length(rows) == 1L) " is " else " are ",
        wrong,
        ", at ",
        describe_rows(rows),
        "."
      ),
      i = if (kind == "binomial" && !is_counts) {
        "Counts are given as `cbind(successes, failures)`."
      }
    ),
    c("rlmm_error_response_range", "rlmm_error_response"),
    rows = rows
  )
}

abort_glmm_response <- function(name, values, family) {
  kind <- core_family(family)
  binomial <- "0 or 1, logical, a factor, proportions with `weights`, or `cbind(successes, failures)`"
  abort_rlmm(
    c(
      paste0(
        "The response must be ",
        if (kind == "binomial") binomial else "a numeric vector",
        "."
      ),
      x = paste0(tick(name), " is ", describe_type(values), ".")
    ),
    "rlmm_error_response"
  )
}

# Errors for methods that need the dummy columns of large factors.

#' Whether a fit has large factors, whose levels are no columns of X
#' @noRd
has_large <- function(fit) !is.null(fit$fixed$large)

#' Raises an error where the dummy columns of large factors would be needed
#' @noRd
abort_if_large <- function(fit, what = "This", verb = "isn't") {
  if (!has_large(fit)) {
    return(invisible())
  }
  large <- fit$fixed$large
  variables <- each_large(large, "variable")
  is_one <- length(variables) == 1L
  bytes <- 8 * as.double(n_rows(fit)) * length(large$levels)
  abort_rlmm(
    c(
      paste(what, verb, "available for a fixed factor with many levels."),
      x = sprintf(
        "%s %s %s; %s dummy columns, which this needs, take %s.",
        enumerate(tick(variables)),
        if (is_one) "has" else "have",
        plural(length(large$levels), "level"),
        if (is_one) "its" else "their",
        format_bytes(bytes)
      ),
      i = "`options(rlmm.large_factor = Inf)` before fitting makes them columns of X."
    ),
    "rlmm_error_large_factor",
    levels = length(large$levels)
  )
}

#' Raises an error about random effects that are confounded with the levels of a large factor, where
#' the aliasing could only be resolved with its dummy columns
#' @param label The effects and group of the term as in the formula.
#' @noRd
abort_contained <- function(large, label, n) {
  bytes <- 8 * as.double(n) * length(large$levels)
  abort_rlmm(
    c(
      sprintf(
        "The random effects of `(%s)` can't be distinguished from fixed ones beside levels of %s.",
        label,
        tick(each_large(large, "variable"))
      ),
      x = sprintf(
        "The dummy columns of all %s, which would tell, take %s.",
        plural(length(large$levels), "level"),
        format_bytes(bytes)
      ),
      i = "Leave that term out, or the fixed factor."
    ),
    "rlmm_error_large_factor",
    levels = length(large$levels)
  )
}

#' Raises an error where a method only supports the core's coding of large factors
#' @noRd
abort_if_coded <- function(fit, what, verb = "isn't") {
  if (!is_coded(fit)) {
    return(invisible())
  }
  variables <- vapply(coded_factors(fit$fixed$large), `[[`, "", "variable")
  abort_rlmm(
    c(
      paste(
        what,
        verb,
        "available for a fixed factor with many levels and such contrasts."
      ),
      x = sprintf(
        "%s depend on the contrasts of %s.",
        enumerate(tick(coding_dependent_coefficients(fit))),
        enumerate(tick(variables))
      ),
      i = "Fit with treatment contrasts, whose base is the first level."
    ),
    "rlmm_error_large_factor"
  )
}

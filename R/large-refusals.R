# What isn't there for a fit with a large fixed factor.

#' Whether the fixed part has a factor whose levels are no columns of X
#' @noRd
has_large <- function(fit) !is.null(fit$fixed$large)

#' Refuse what would need the dummy columns of the factor
#' @noRd
abort_if_large <- function(fit, what = "This", verb = "isn't") {
  if (!has_large(fit)) {
    return(invisible())
  }
  large <- fit$fixed$large
  bytes <- 8 * as.double(n_rows(fit)) * length(large$levels)
  abort_rlmm(
    c(
      paste(what, verb, "available for a fixed factor with many levels."),
      x = sprintf(
        "%s has %s; its dummy columns, which this needs, take %s GB.",
        tick(large$label),
        plural(length(large$levels), "level"),
        format(bytes / 2^30, digits = 2L)
      ),
      i = "`options(rlmm.large_factor = Inf)` before fitting makes them columns of X."
    ),
    "rlmm_error_large_factor",
    levels = length(large$levels)
  )
}

# The names of the rows, the fixed effects and the terms of a fit.

#' @rdname model-parts
#' @importFrom stats case.names
#' @export
case.names.rlmm <- function(object, full = FALSE, ...) {
  refuse_dots(...)
  check_flag(full, "full")
  names <- names(residuals.rlmm(object))
  weights <- weights.rlmm(object)
  if (full) names else names[is.na(weights) | weights != 0]
}

#' @rdname model-parts
#' @importFrom stats variable.names
#' @export
variable.names.rlmm <- function(object, full = FALSE, ...) {
  refuse_dots(...)
  check_flag(full, "full")
  names(fixef.rlmm(object, add.dropped = full))
}

#' @rdname model-parts
#' @export
labels.rlmm <- function(object, ...) {
  refuse_dots(...)
  attr(terms.rlmm(object), "term.labels")
}

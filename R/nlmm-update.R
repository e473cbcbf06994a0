# update() of nonlinear fits.

#' Changes a nonlinear model and fits it again
#'
#' A new formula is evaluated where the fit was made, if `update()` is called from there: the fit
#' keeps only the objects that its own formula names.
#' @noRd
#' @export
update.rlmm_nlmm <- function(object, formula., ..., evaluate = TRUE) {
  check_flag(evaluate, "evaluate")
  caller <- parent.frame()
  changes <- as.list(substitute(list(...)))[-1L]
  check_change_names(changes)
  call <- object$call
  if (!missing(formula.)) {
    formula <- stats::update.formula(stats::formula(object), formula.)
    environment(formula) <- living_environment(object, caller)
    call$formula <- formula
  }
  call[names(changes)] <- changes
  call <- without_nulls(call)
  if (evaluate) eval(call, caller) else call
}

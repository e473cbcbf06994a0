# Checks that an argument is a fit, and a fit of the right kind.

check_fit <- function(x, arg = "x") {
  if (inherits(x, "rlmm")) {
    return(invisible(x))
  }
  abort_argument(
    paste0("`", arg, "` must be a fit of `rlmm()` or `rglmm()`."),
    x = it_is(x),
    i = nonlinear_hint(x),
    arg = arg
  )
}

check_linear <- function(object, arg = "object", hint = NULL) {
  check_fit(object, arg)
  if (isLMM.rlmm(object)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      sprintf("`%s` must be a linear mixed model.", arg),
      x = "It is a generalized one.",
      i = hint
    ),
    "rlmm_error_not_available"
  )
}

# Checks that an argument is a fit, and a fit of the right kind.

check_fit <- function(x, arg = "x") {
  if (inherits(x, "rlmm")) {
    return(invisible(x))
  }
  abort_rlmm(
    c(
      paste0("`", arg, "` must be a fit of rlmm."),
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

check_linear <- function(object) {
  check_fit(object, "object")
  if (isLMM.rlmm(object)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`object` must be a linear mixed model.",
      i = "For generalized models the derivatives are those of `rglmm()`."
    ),
    "rlmm_error_not_available"
  )
}

#' The objective as a function of theta
#'
#' `as.function()` returns the function that the optimizer minimised: from theta, the relative covariance parameters in
#' the order of `getME(fit, "theta")`, to the profiled deviance (-2 log-likelihood) or, for a REML fit, the REML
#' criterion.
#'
#' @param x A fitted model.
#' @param ... Ignored.
#' @return A function of one numeric vector. It holds what it needs: it can be saved and sent to other processes.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' objective <- as.function(fit)
#' objective(getME(fit, "theta"))
#' objective(c(1, 0, 1))
#' @export
as.function.rlmm <- function(x, ...) {
  spec <- fit_spec(x)
  n_theta <- length(x$theta)
  # The fit itself must not be kept alive by the function's environment.
  rm(x)
  function(theta) {
    if (!is.numeric(theta) || length(theta) != n_theta) abort_theta_length(theta, n_theta, environment())
    core_objective(spec, matrix(as.double(theta), ncol = 1))
  }
}

abort_theta_length <- function(theta, n_theta, call) {
  abort_rlmm(
    c(paste0("`theta` must hold ", plural(n_theta, "number"), "."), x = paste0("It is ", describe_type(theta), ".")),
    "rlmm_error_theta", call = call
  )
}

#' The objective as a function of theta
#'
#' `as.function()` returns the function that the optimizer minimised: from theta, the relative covariance parameters in
#' the order of `getME(fit, "theta")`, to the profiled deviance (-2 log-likelihood) or, for a REML fit, the REML
#' criterion. For a generalized model the argument is theta, then (unless `nAGQ = 0`) the fixed effects, and
#' the value is -2 times the log-likelihood.
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
  if (is_glmm(x)) {
    return(glmm_function(spec, length(x$parameters)))
  }
  n_theta <- length(x$theta)
  # The fit itself must not be kept alive by the function's environment.
  rm(x)
  function(theta) {
    if (!is.numeric(theta) || length(theta) != n_theta) {
      abort_theta_length(theta, n_theta, environment())
    }
    core_objective(spec, matrix(as.double(theta), ncol = 1))
  }
}

glmm_function <- function(spec, n) {
  function(parameters) {
    if (!is.numeric(parameters) || length(parameters) != n) {
      abort_theta_length(parameters, n, environment(), "parameters")
    }
    core_glmm_objective(spec, parameters)
  }
}

abort_theta_length <- function(theta, n_theta, call, arg = "theta") {
  abort_rlmm(
    c(
      paste0("`", arg, "` must hold ", plural(n_theta, "number"), "."),
      x = paste0("It is ", describe_type(theta), ".")
    ),
    "rlmm_error_theta",
    call = call
  )
}

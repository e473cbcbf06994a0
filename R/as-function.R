#' The objective as a function of theta
#'
#' Returns the objective that the optimizer minimized as a function of theta, the relative
#' covariance parameters in the order of `getME(fit, "theta")`: the profiled deviance (-2
#' log-likelihood) or, for a REML fit, the REML criterion. For a generalized model the argument is
#' theta followed (unless `nAGQ = 0`) by the fixed effects, and the value is -2 times the
#' log-likelihood.
#'
#' @param x A fitted model.
#' @param ... Not used; any argument here is an error.
#' @return A function of one numeric vector. It contains all it needs and can be saved or sent to
#'   other processes.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' objective <- as.function(fit)
#' objective(getME(fit, "theta"))
#' objective(c(1, 0, 1))
#' @export
as.function.rlmm <- function(x, ...) {
  refuse_dots(...)
  objective_function(x)
}

#' The objective as a function of its arguments, without a reference to the fit
#' @noRd
objective_function <- function(fit) UseMethod("objective_function")

#' @export
objective_function.rlmm_lmm <- function(fit) {
  added <- isREML.rlmm(fit) * criterion_of_coding(fit$fixed$large)
  theta_function(fit_spec(fit), length(fit$theta), added)
}

#' @export
objective_function.rlmm_glmm <- function(fit) {
  abort_if_coded(fit, "The deviance as a function of the coefficients")
  glmm_function(fit_spec(fit), length(fit$parameters))
}

#' @param added A constant to add to the objective of the core, see [criterion_of_coding()].
#' @noRd
theta_function <- function(spec, n_theta, added = 0) {
  # Promises of unevaluated arguments would keep the fit in memory.
  force(spec)
  force(n_theta)
  force(added)
  function(theta) {
    if (!is.numeric(theta) || length(theta) != n_theta) {
      abort_theta_length(theta, n_theta, environment())
    }
    core_objective(spec, matrix(as.double(theta), ncol = 1)) + added
  }
}

glmm_function <- function(spec, n) {
  spec <- merge_equal_rows(spec)$spec
  force(n)
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
      x = it_is(theta)
    ),
    "rlmm_error_theta",
    call = call
  )
}

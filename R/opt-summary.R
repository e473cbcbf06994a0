#' Summary of the optimization
#'
#' Returns the record of the optimization: the start, the reason for stopping, the end, and the
#' objective at every evaluated theta. For a generalized model, the fixed effects follow theta.
#' @param object A fitted model.
#' @return A list of class `"rlmm_optsum"`: `initial` and `finitial`, `final` and `fmin` (theta and
#'   the objective at the start and at the end), `feval` (the number of evaluations), `optimizer`,
#'   `backend`, `status` (the return code), `gradient` (at the end), `initial_step`, `lower` (the
#'   bounds of theta), the tolerances and limits, `certificate` (see [certificate()]), and `fitlog`.
#'   `as.data.frame()` of it is the fit log, with a row for each evaluation: its number, the
#'   objective and theta.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' opt_summary(fit)
#' tail(as.data.frame(opt_summary(fit)))
#' @export
opt_summary <- function(object) {
  check_fit(object, "object")
  optsum <- object$optsum
  names <- parameter_names(object)
  lower <- optsum$lower %||% theta_lower(object$random)
  n_free <- length(names) - length(lower)
  optsum$lower <- c(lower, rep(-Inf, n_free))
  optsum$theta_names <- names
  optsum[search_limits] <- object$control[search_limits]
  class(optsum) <- "rlmm_optsum"
  optsum
}

# The settings of `rlmm_control()` that end a search.
search_limits <- c(
  "ftol_rel",
  "ftol_abs",
  "xtol_rel",
  "xtol_abs",
  "max_eval",
  "max_time"
)

#' @rdname opt_summary
#' @param x The result of `opt_summary()`.
#' @param digits The number of significant digits of theta.
#' @param ... Not used.
#' @export
format.rlmm_optsum <- function(x, digits = 6, ...) {
  warn_of_dots(...)
  parameters <- \(name, value) optsum_line(name, format_vector(value, digits))
  objective <- \(name, value) optsum_line(name, format(value, digits = 15))
  verdict <- if (!is.null(x$certificate)) verdict_phrase(x$certificate)
  c(
    parameters("Initial parameter vector", x$initial),
    objective("Initial objective value", x$finitial),
    "",
    optsum_line(paste0("Optimizer (from ", x$backend, ")"), x$optimizer),
    parameters("Lower bounds", x$lower),
    setting_lines(x),
    "",
    optsum_line("Function evaluations", x$feval),
    parameters("Final parameter vector", x$final),
    objective("Final objective value", x$fmin),
    optsum_line("Return code", x$status),
    if (!is.null(verdict)) optsum_line("Certificate", verdict)
  )
}

optsum_settings <- c(
  "ftol_rel",
  "ftol_abs",
  "xtol_rel",
  "xtol_abs",
  "initial_step",
  "max_eval",
  "max_time"
)

setting_lines <- function(optsum) {
  names <- intersect(optsum_settings, names(optsum))
  line <- \(name) optsum_line(name, format_setting(optsum[[name]]))
  vapply(names, line, "", USE.NAMES = FALSE)
}

#' @rdname opt_summary
#' @export
print.rlmm_optsum <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname opt_summary
#' @param row.names,optional Not used.
#' @export
as.data.frame.rlmm_optsum <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  log <- x$fitlog
  out <- data.frame(eval = seq_len(nrow(log)), objective = log[, 1])
  theta <- log[, seq_along(x$theta_names) + 1, drop = FALSE]
  out[x$theta_names] <- lapply(seq_len(ncol(theta)), \(j) theta[, j])
  out
}

format_vector <- function(values, digits) {
  paste0(
    "[",
    paste(vapply(values, format, "", digits = digits), collapse = ", "),
    "]"
  )
}

format_setting <- function(value) {
  if (length(value) == 0 || all(value == Inf)) {
    return("none")
  }
  if (length(value) > 1) format_vector(value, 6) else format(value)
}

#' Whether the objective can still be lowered, from the certificate, or without one from the reason
#' for stopping
#' @noRd
stopped_early <- function(fit) {
  verdict <- fit$optsum$certificate$verdict
  if (!is.null(verdict)) {
    return(
      !is_final(verdict) && !is.na(fit$optsum$certificate$predicted_decrease)
    )
  }
  !fit$optsum$status %in%
    c(
      "SUCCESS",
      "FTOL_REACHED",
      "XTOL_REACHED",
      "STOPVAL_REACHED",
      "ROUNDOFF_LIMITED"
    )
}

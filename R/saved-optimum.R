# Saves the optimum of a fit to a JSON file and restores the fit from it without optimization.

#' Save the optimum of a fit, and restore the fit from it
#'
#' `save_optimum()` writes the estimates of a fit and the record of its optimization
#' ([opt_summary()]) to a small text file, without the data. `restore_optimum()` recomputes the fit
#' from that file and the data, without repeating the optimization. (MixedModels.jl has
#' `saveoptsum()` and `restoreoptsum!()`.)
#'
#' The file is JSON and has numbers with 17 digits, which are read back exactly. `saveRDS()` saves a
#' complete fit with its data, also a fit with several residual variances (`rlmm(dispersion = )`),
#' for which `save_optimum()` is an error.
#'
#' The objective is evaluated at the estimates. It is an error if it differs from that in the file,
#' since the data or the model must then differ.
#'
#' @param file The name of the file.
#' @param object A fitted model; for `restore_optimum()` the formula of the model, or a fit of it,
#'   for example one that was stopped early.
#' @param data The data, if `object` is a formula.
#' @param ... For `restore_optimum()`, other arguments of the call that fitted the model, such as
#'   `family` or `weights`. `REML` is taken from the file unless it is given.
#' @param tolerance The largest relative difference of the objective from that in the file.
#' @return `save_optimum()`: the name of the file, invisibly. `restore_optimum()`: a fitted model
#'   with the estimates and the optimization record of the file.
#' @examplesIf requireNamespace("jsonlite", quietly = TRUE)
#' file <- tempfile(fileext = ".json")
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' save_optimum(fit, file)
#' again <- restore_optimum(Reaction ~ Days + (Days | Subject), file, sleepstudy)
#' identical(fixef(again), fixef(fit))
#' opt_summary(again)
#' @export
save_optimum <- function(object, file, ...) {
  refuse_dots(...)
  check_restorable(object, "object")
  check_file(file)
  text <- json_text(optimum_content(object))
  is_written <- tryCatch(
    is.null(writeLines(text, file)),
    error = \(cnd) FALSE,
    warning = \(cnd) FALSE
  )
  if (!is_written) {
    abort_optimum(sprintf("Can't write to %s.", dQuote(file, FALSE)))
  }
  invisible(file)
}

#' @rdname save_optimum
#' @export
restore_optimum <- function(
  object,
  file,
  data = NULL,
  ...,
  tolerance = 1e-8
) {
  need_package("jsonlite", "restore_optimum()")
  check_file(file)
  saved <- read_optimum(file)
  if (!inherits(object, c("rlmm", "rlmm_nlmm"))) {
    call <- restoring_call(match.call(expand.dots = FALSE), saved)
    object <- eval(call, parent.frame())
    object$call <- user_call(object$call, saved, "REML" %in% ...names())
  }
  check_restorable(object, "object")
  check_same_model(object, saved)
  fit <- fit_at_optimum(object, saved)
  check_same_objective(fit, saved, tolerance)
  fit$optsum <- saved$optsum
  fit
}

# The call as the user would have written it.
user_call <- function(call, saved, gives_reml) {
  call[c("start", if (!gives_reml) "REML")] <- NULL
  if (identical(saved$fitter, "rlmm") && !saved$REML) {
    call$REML <- FALSE
  }
  call
}

# The content of the file: the kind of fit, names and estimates, and the record of the optimization.
optimum_content <- function(fit) {
  list(
    program = "rlmm",
    version = as.character(fit$version),
    schema = 1L,
    fitter = fitter_name(fit),
    formula = deparse_one(written_formula(fit)),
    REML = isREML.rlmm(fit),
    nobs = nobs.rlmm(fit),
    names = parameter_names(fit),
    fixed_names = names(fit$beta),
    theta = fit$theta,
    beta = unname(fit$beta),
    sigma = fit$sigma,
    parameters = fit$parameters,
    objective = fit$dev$objective,
    optsum = fit$optsum
  )
}

fitter_name <- function(fit) {
  name <- if (is.call(fit$call)) deparse_one(fit$call[[1L]]) else ""
  name <- sub("^.*::+", "", name)
  if (name %in% c("rlmm", "rglmm", "rglmm_nb")) {
    return(name)
  }
  if (isGLMM.rlmm(fit)) "rglmm" else "rlmm"
}

read_optimum <- function(file) {
  if (!file.exists(file)) {
    abort_no_optimum("There is no file %s.", file)
  }
  saved <- tryCatch(
    jsonlite::fromJSON(file, simplifyVector = FALSE),
    error = \(cnd) NULL
  )
  if (!identical(saved$program[[1L]], "rlmm")) {
    abort_no_optimum("%s isn't the optimum of a fit.", file)
  }
  saved <- lapply(saved, json_values)
  saved$optsum <- with_log_rows(saved$optsum)
  if (!is.null(saved$optsum$fast)) {
    saved$optsum$fast <- with_log_rows(saved$optsum$fast)
  }
  saved
}

abort_no_optimum <- function(problem, file) {
  abort_optimum(
    sprintf(problem, dQuote(file, FALSE)),
    i = "`save_optimum(fit, file)` writes one."
  )
}

# The record of an optimization with its log as a matrix.
with_log_rows <- function(optsum) {
  if (is.list(optsum$fitlog)) {
    optsum$fitlog <- do.call(rbind, optsum$fitlog)
  }
  optsum
}

# Converts JSON arrays to vectors and JSON objects to lists.
json_values <- function(value) {
  if (!is.list(value)) {
    return(value)
  }
  is_scalar <- \(part) is.atomic(part) && length(part) == 1L
  is_record <- !is.null(names(value))
  if (is_record || !all(vapply(value, is_scalar, NA))) {
    return(lapply(value, json_values))
  }
  read_numbers(unlist(value))
}

# Reads numbers, of which infinite ones are text.
read_numbers <- function(values) {
  odd <- c("Inf", "-Inf", "NaN", "NA")
  if (is.character(values) && any(values %in% odd)) {
    return(as.double(values))
  }
  values %||% double()
}

# A value as JSON, with 17 digits, which are read back exactly; packages write 15.
json_text <- function(value) {
  if (is.null(value)) {
    return("null")
  }
  if (is.matrix(value)) {
    value <- asplit(unname(value), 1L)
  }
  if (!is.list(value)) {
    return(json_array(json_scalars(as.vector(value))))
  }
  parts <- vapply(value, json_text, "")
  if (is.null(names(value))) {
    return(json_array(parts))
  }
  json_object(names(value), parts)
}

json_object <- function(names, parts) {
  fields <- paste0(json_string(names), ": ", parts)
  paste0("{", paste(fields, collapse = ",\n"), "}")
}

json_array <- function(parts) {
  paste0("[", paste(parts, collapse = ", "), "]")
}

json_scalars <- function(values) {
  if (is.logical(values)) {
    return(ifelse(values, "true", "false"))
  }
  if (is.character(values)) {
    return(json_string(values))
  }
  # JSON has no infinite numbers, so that they are written as text.
  ifelse(
    is.finite(values),
    sprintf("%.17g", values),
    json_string(format(values, trim = TRUE))
  )
}

json_string <- function(text) {
  escaped <- gsub("([\\\\\"])", "\\\\\\1", enc2utf8(text))
  escaped <- gsub("\n", "\\\\n", escaped)
  escaped <- gsub("\t", "\\\\t", escaped)
  paste0("\"", escaped, "\"", recycle0 = TRUE)
}

# The call that fits the model starting at the optimum.
restoring_call <- function(call, saved) {
  given <- as.list(call[["..."]])
  is_linear <- saved$fitter == "rlmm"
  more <- list(
    start = starting_optimum(saved),
    REML = if (is_linear) saved$REML
  )
  arguments <- c(
    list(formula = call$object, data = call$data),
    given,
    more[setdiff(names(more), names(given))]
  )
  as.call(c(as.name(saved$fitter), drop_null(arguments)))
}

starting_optimum <- function(saved) {
  start <- list(theta = saved$theta)
  if (saved$fitter == "rglmm") {
    start$fixef <- saved$beta
  }
  start
}

# The fit with the estimates of the file and everything computed from them.
fit_at_optimum <- function(fit, saved) {
  design <- fit_design(fit)
  theta <- as.double(saved$theta)
  control <- holding_theta(refit_control(fit, design), theta)
  spec <- design$spec
  est <- if (isLMM.rlmm(fit)) {
    at_theta(core_fit(spec, theta, control), spec, theta)
  } else {
    generalized_optimum(spec, saved, control)
  }
  fit_like(fit, design, est)
}

# The control of the core with all of theta held.
holding_theta <- function(control, theta) {
  control[c("absolute", "absolute_values")] <- list(integer(), double())
  control$held <- seq_along(theta) - 1L
  control$held_values <- theta
  control
}

generalized_optimum <- function(spec, saved, control) {
  est <- core_glmm_fit(
    spec,
    list(theta = as.double(saved$theta)),
    control
  )
  exact <- core_glmm_estimates(
    near_modes(spec, est),
    as.double(saved$parameters)
  )
  est[names(exact)] <- exact
  est
}

# Checks ------------------------------------------------------------------

check_file <- function(file) {
  if (is.character(file) && length(file) == 1L && !is.na(file)) {
    return(invisible())
  }
  abort_argument(
    "`file` must be the name of a file.",
    x = it_is(file),
    arg = "file"
  )
}

check_restorable <- function(fit, arg) {
  if (inherits(fit, "rlmm_nlmm")) {
    abort_not_restorable("a nonlinear model")
  }
  check_fit(fit, arg)
  if (!is.null(fit$strata)) {
    abort_not_restorable("a model with residual variances by stratum")
  }
}

abort_not_restorable <- function(what) {
  abort_optimum(
    sprintf("The optimum of %s can't be saved.", what),
    i = "`saveRDS(fit, file)` keeps the whole fit."
  )
}

check_same_model <- function(fit, saved) {
  found <- if (isGLMM.rlmm(fit) != (saved$fitter != "rlmm")) {
    "One is linear, the other generalized."
  } else {
    differing_content(optimum_content(fit), saved)
  }
  if (!is.null(found)) {
    abort_other_model(found, saved)
  }
}

# A description of what differs; `NULL` if nothing does.
differing_content <- function(here, saved) {
  differ <- \(name) !identical(here[[name]], saved[[name]])
  if (differ("names") || differ("fixed_names")) {
    differing_parameters(here, saved)
  } else if (differ("nobs")) {
    differing_rows(here, saved)
  } else if (differ("REML")) {
    "One is fitted by REML, the other by maximum likelihood."
  }
}

differing_rows <- function(here, saved) {
  rows <- plural(here$nobs, "row")
  sprintf("The fit has %s, the file's %s.", rows, format_count(saved$nobs))
}

differing_parameters <- function(here, saved) {
  own <- c(here$names, here$fixed_names)
  other <- c(saved$names, saved$fixed_names)
  odd <- unique(c(setdiff(own, other), setdiff(other, own)))
  if (length(odd) == 0L) {
    return("Their parameters are in another order.")
  }
  paste0("Only one of them has ", enumerate(tick(odd)), ".")
}

check_same_objective <- function(fit, saved, tolerance) {
  gap <- abs(fit$dev$objective - saved$objective)
  allowed <- tolerance * (1 + abs(saved$objective))
  if (is.finite(gap) && gap <= allowed) {
    return(invisible())
  }
  abort_other_model(
    sprintf(
      "The objective at the estimates is %s; in the file it is %s.",
      format(fit$dev$objective, digits = 10L),
      format(saved$objective, digits = 10L)
    ),
    saved
  )
}

abort_other_model <- function(found, saved) {
  abort_optimum(
    "The file is of another model, or of other data.",
    x = found,
    i = sprintf("The file's model: %s.", tick(saved$formula))
  )
}

abort_optimum <- function(problem, ...) {
  abort_rlmm(c(problem, ...), "rlmm_error_optimum")
}

#' Fit the same model to another response
#'
#' `refit()` fits the same model to a new response, with new prior weights, or both; with neither it
#' continues the optimization from the estimates. Formula, X and random-effects terms are taken from
#' the stored model frame, so that this is faster than a new fit. `refitML()` refits a REML model by
#' maximum likelihood.
#'
#' @param object,x A fitted model.
#' @param newresp The new response: a numeric vector, or a data frame or list with one column, as
#'   from [simulate()]. It has a value for each row of the model frame, or for each row of the data,
#'   in which case values of omitted rows are ignored. With several columns (also of a matrix) each
#'   is fitted, and the result is that of [rlmm_many()].
#' @param newweights New prior weights, with values for the same rows.
#' @param rename.response Whether to replace the response in the formula by the expression of
#'   `newresp`.
#' @param control The limits of the optimizer for the new fit, see [rlmm_control()]; by default
#'   those of the fit. Held parameters stay held.
#' @param ... Not used; any argument here is an error.
#' @return A fitted model; for several responses a list of class `"rlmm_many"`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' refit(fit, simulate(fit, seed = 1))
#' refitML(fit)
#' refit(fit, simulate(fit, 20, seed = 1))
#' @export
#' @rawNamespace S3method(lme4::refit, rlmm)
#'   S3method(generics::refit, rlmm)
refit.rlmm <- function(
  object,
  newresp = NULL,
  ...,
  newweights = NULL,
  rename.response = FALSE,
  control = NULL
) {
  refuse_dots(...)
  check_flag(rename.response, "rename.response")
  expr <- substitute(newresp)
  object <- with_all_rows(object)
  object$control <- control_of_refit(control, object)
  if (is_several(newresp, object)) {
    return(refit_each(object, newresp, newweights, match.call()))
  }
  is_same <- is.null(newresp) && is.null(newweights)
  object$frame <- new_frame(object, newresp, newweights)
  check_new_response(object)
  if (rename.response && !is.null(newresp)) {
    object <- rename_response(object, expr)
  }
  start <- if (is_same) object$theta else inner_start(object)
  fit_again(object, start = start, is_continued = is_same)
}

# lme4's bootMer() passes `control = NULL` for fits of other packages.
control_of_refit <- function(control, fit) {
  force_control(control)
  if (is.null(control)) {
    return(fit$control)
  }
  control <- as_control(control)
  control["fixed"] <- list(fit$control$fixed)
  control
}

#' Whether there are several responses, that is columns that don't form a single response
#' @noRd
is_several <- function(newresp, fit) {
  if (is.list(newresp)) {
    return(length(newresp) > 1L)
  }
  is.matrix(newresp) && ncol(newresp) > 1L && !is.matrix(fit$frame[[1L]])
}

# Fits each of several responses with the design of the fit.
refit_each <- function(fit, newresp, newweights, call) {
  check_one_stratum(fit)
  if (is_iterative(fit)) {
    abort_core(list(kind = "needs_factor"))
  }
  abort_if_coded(fit, "A fit of several responses at once")
  fit$frame <- new_frame(fit, NULL, newweights)
  design <- c(fit_design(fit), list(control = fit$control))
  omitted <- length(fit$na_action)
  y <- several_responses(newresp, fit)
  has_all_rows <- identical(nrow(y), nrow(fit$frame) + omitted)
  if (omitted == 0L || !has_all_rows) {
    attr(design$frame, "na.action") <- NULL
  }
  new_many(
    y,
    design,
    fit$formula,
    call,
    start = many_start(fit)
  )
}

check_one_stratum <- function(fit) {
  if (has_strata(fit_frame(fit))) {
    abort_new_values(
      "newresp",
      "With residual variances by stratum each response is a fit of its own.",
      "Use `lapply(newresp, refit, object = fit)`."
    )
  }
}

# Responses as numbers: those of a generalized model may be factors or counts.
several_responses <- function(newresp, fit) {
  if (is.null(fit$family) || is.matrix(newresp)) {
    return(newresp)
  }
  weights <- fit_frame(fit)[["(weights)"]]
  trials <- fit_response(fit)$weights
  as_numbers <- \(values) {
    found <- glmm_response(values, weights, fit$family, "newresp")
    if (!isTRUE(all.equal(found$weights, trials))) {
      abort_new_values(
        "newresp",
        "The numbers of trials aren't those of the fit."
      )
    }
    found$y
  }
  lapply(newresp, as_numbers)
}

# The frame with another response or other weights.
new_frame <- function(fit, newresp, newweights) {
  frame <- fit_frame(fit)
  if (!is.null(newresp)) {
    frame[[1]] <- new_response(newresp, fit)
  }
  if (!is.null(newweights)) {
    # With strata, the column `(weights)` includes the weights of the strata.
    column <- if (has_strata(frame)) "(prior)" else "(weights)"
    frame[[column]] <- new_values(newweights, fit, "newweights")
    check_weights(frame[[column]])
  }
  frame
}

#' @rdname refit.rlmm
#' @export
#' @rawNamespace S3method(lme4::refitML, rlmm)
refitML.rlmm <- function(x, ...) {
  refuse_dots(...)
  if (!x$reml) {
    return(x)
  }
  x$reml <- FALSE
  x$call$REML <- FALSE
  fit_again(x, start = inner_start(x))
}

#' Optimizes the criterion of a fit whose frame, criterion, `sigma` or control was changed
#' @param is_continued Whether the search continues from all estimates of the fit.
#' @noRd
fit_again <- function(fit, start = NULL, is_continued = FALSE) {
  design <- fit_design(fit)
  if (!is_continued) {
    design$spec <- spec_to_search(fit, design$spec)
  }
  held <- fit_held(fit)
  control <- core_control(fit$control, 0L, design, held)
  if (isLMM.rlmm(fit)) {
    design <- with_strata(design, start, control)
    start <- design$theta
  }
  make <- \(est) fit_like(fit, design, est)
  fit <- make(search_again(fit, design$spec, start, control, make))
  report_fit(fit, design$spec)
  fit
}

#' A new response in a form that the model accepts: for a generalized model also a factor or two
#' columns of counts
#' @noRd
new_response <- function(newresp, fit) UseMethod("new_response", fit)

#' @export
new_response.rlmm_lmm <- function(newresp, fit) {
  new_values(newresp, fit, "newresp")
}

#' @export
new_response.rlmm_glmm <- function(newresp, fit) {
  old <- fit$frame[[1]]
  if (!(is.matrix(old) || is.factor(old) || is.factor(newresp))) {
    return(new_values(newresp, fit, "newresp"))
  }
  if (is.data.frame(newresp) && length(newresp) == 1) {
    newresp <- newresp[[1]]
  }
  newresp <- fitted_rows(newresp, fit, "newresp")
  if (anyNA(newresp)) {
    abort_new_values("newresp", "Some values are missing.")
  }
  newresp
}

#' The values, or rows of a matrix, for the rows of the model frame
#'
#' Values for all rows of the data, including rows omitted because of missing values, are also
#' accepted.
#' @noRd
fitted_rows <- function(x, fit, arg) {
  n <- nrow(fit$frame)
  omitted <- fit$na_action
  if (length(omitted) > 0 && NROW(x) == n + length(omitted)) {
    x <- chosen_rows(x, -omitted)
  }
  if (NROW(x) != n) {
    abort_new_values_length(arg, NROW(x), n, length(omitted))
  }
  x
}

#' Checks that the response, with its weights, is possible for the family
#' @noRd
check_new_response <- function(fit) UseMethod("check_new_response")

#' @export
check_new_response.rlmm_lmm <- function(fit) invisible()

#' @export
check_new_response.rlmm_glmm <- function(fit) {
  check_glmm_response(
    fit_response(fit),
    fit$frame[[1]],
    fit$family,
    names(fit$frame)[1],
    original_rows(fit$frame)
  )
}

#' The argument `start` for many fits to other responses: the estimates, unless they are singular
#' @noRd
many_start <- function(fit) {
  theta <- inner_start(fit)
  if (is.null(theta)) {
    list()
  } else {
    list(theta = theta, beta = in_core_coding(fit)$beta)
  }
}

#' One value for each row of the model frame
#' @noRd
new_values <- function(x, fit, arg) {
  if (is.list(x) || is.matrix(x)) {
    x <- single_column(x, arg)
  }
  if (!is.numeric(x) && !is.logical(x)) {
    abort_new_values(arg, it_is(x))
  }
  x <- fitted_rows(x, fit, arg)
  bad <- which(!is.finite(x))
  if (length(bad) > 0) {
    abort_not_finite(arg, bad)
  }
  as.double(x)
}

abort_not_finite <- function(arg, bad) {
  text <- "%s missing or infinite, at %s."
  values <- plural(length(bad), "value")
  abort_new_values(arg, sprintf(text, values, describe_rows(bad)))
}

single_column <- function(x, arg) {
  columns <- if (is.matrix(x)) ncol(x) else length(x)
  if (columns != 1) {
    abort_new_values(
      arg,
      paste0("It has ", plural(columns, "column"), ".")
    )
  }
  if (is.matrix(x)) x[, 1] else x[[1]]
}

abort_new_values <- function(arg, found, hint = NULL) {
  abort_argument(
    paste0("`", arg, "` must be one numeric vector of finite values."),
    x = found,
    i = hint,
    arg = arg
  )
}

abort_new_values_length <- function(arg, found, n, omitted) {
  left_out <- if (omitted > 0) {
    paste0(
      ", or ",
      format_count(n + omitted),
      " with those left out for missing values"
    )
  }
  abort_argument(
    paste0(
      "`",
      arg,
      "` must have one value for each of the ",
      plural(n, "row"),
      " of the fit",
      left_out,
      "."
    ),
    x = paste0("It has ", plural(found, "value"), "."),
    arg = arg
  )
}

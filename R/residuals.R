#' Residuals and fitted values
#'
#' Residuals and fitted values of each observation, named by row. With `na.action = na.exclude` both
#' are padded with `NA` to the length of the data.
#'
#' For a generalized model `fitted()` is the conditional mean mu on the scale of the response
#' (proportions for the binomial).
#'
#' @param object A fitted model.
#' @param type The type of residuals, by default `"deviance"` for a generalized model and otherwise
#'   `"response"`. With prior weights w and residual standard deviation sigma:
#'   * `"response"` and `"working"`: y - mu;
#'   * `"pearson"` and `"deviance"`: sqrt(w) (y - mu);
#'   * `"scaled"`: Pearson residuals divided by sigma.
#'
#'   For a generalized model as for [glm()]: `"pearson"` has the variance function, sqrt(w / V(mu))
#'   (y - mu), `"deviance"` the signed root of the contribution to the deviance, and `"working"`
#'   (y - mu) / (d mu / d eta).
#'
#'   `"quantile"`, or `"dunn-smyth"`: the standard normal quantile of the probability of the
#'   observation under its fitted distribution, given the random effects (Dunn and Smyth 1996). If
#'   the model is right they are approximately standard normal for every family. For counts the
#'   probability is drawn uniformly within the
#'   step of the distribution function, so that they differ between calls without a `seed`.
#' @param scaled Whether to divide by sigma (which doesn't apply to quantile residuals).
#' @param seed For quantile residuals, a seed for the random part; the state of the generator is
#'   then restored.
#' @param newdata Other rows with the response and all variables, for example those of a fit of sums
#'   or of a table: a data frame, or any data that [rlmm_sums()] accepts. Rows with missing values
#'   have no residuals.
#' @param allow.new.levels For `newdata`, whether new levels of grouping factors are allowed; their
#'   effects are zero, as in [predict()][predict.rlmm].
#' @param ... Not used; any argument here is an error.
#' @return A named numeric vector.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' head(residuals(fit))
#' head(residuals(fit, type = "scaled"))
#' head(fitted(fit))
#'
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' qqnorm(residuals(ticks, type = "quantile", seed = 1))
#' @importFrom stats residuals
#' @export
residuals.rlmm <- function(
  object,
  type = c(
    "response",
    "pearson",
    "deviance",
    "working",
    "scaled",
    "quantile",
    "dunn-smyth"
  ),
  scaled = FALSE,
  newdata = NULL,
  allow.new.levels = FALSE,
  ...,
  seed = NULL
) {
  refuse_dots(..., lme4_only = "verbose")
  known <- eval(formals()$type)
  type <- if (missing(type)) {
    default_residuals(object)
  } else {
    one_of(type, known, "type", elsewhere = residuals_elsewhere)
  }
  check_flag(scaled, "scaled")
  check_flag(allow.new.levels, "allow.new.levels")
  if (!is.null(newdata)) {
    one <- \(rows) {
      new_residuals(object, rows, type, scaled, allow.new.levels)
    }
    return(residuals_of_rows(object, newdata, type, seed, one))
  }
  r <- residuals_of_type(object, type, scaled, seed, fit_response(object))
  stats::naresid(object$na_action, row_named(object, r))
}

standardized_hint <- "\"scaled\" is divided by sigma; `rstandard(fit)` heeds leverages, too."

# The types of residuals in nlme and glm() that are separate functions here.
residuals_elsewhere <- c(
  standardized = standardized_hint,
  normalized = standardized_hint,
  studentized = "`rstudent(fit)` has them."
)

residuals_of_type <- function(fit, type, scaled, seed, observed) {
  if (is_quantile_type(type)) {
    return(quantile_residuals(fit, seed, observed))
  }
  r <- raw_residuals(fit, type, observed)
  if (scaled || type == "scaled") r / fit$sigma else r
}

is_quantile_type <- function(type) type %in% c("quantile", "dunn-smyth")

#' Residuals of one type, without names
#' @param observed The result of [fit_response()].
#' @noRd
raw_residuals <- function(fit, type, observed = fit_response(fit)) {
  UseMethod("raw_residuals")
}

#' @export
raw_residuals.rlmm_lmm <- function(
  fit,
  type,
  observed = fit_response(fit)
) {
  r <- observed$y - fit$fitted
  if (is.null(observed$weights) || type %in% c("response", "working")) {
    r
  } else {
    sqrt(observed$weights) * r
  }
}

#' @export
raw_residuals.rlmm_glmm <- function(
  fit,
  type,
  observed = fit_response(fit)
) {
  family <- fit$family
  weights <- observed$weights %||% rep(1, length(observed$y))
  difference <- observed$y - fit$fitted
  switch(
    type,
    response = difference,
    working = difference / family$mu.eta(fit$eta),
    # As in R's families, negative rounding errors of the deviance are set to zero.
    deviance = {
      unit <- family$dev.resids(observed$y, fit$fitted, weights)
      sign(difference) * sqrt(pmax(unit, 0))
    },
    difference * sqrt(weights / family$variance(fit$fitted))
  )
}

default_residuals <- function(fit) UseMethod("default_residuals")

#' @export
default_residuals.rlmm_lmm <- function(fit) "response"

#' @export
default_residuals.rlmm_glmm <- function(fit) "deviance"

#' @rdname residuals.rlmm
#' @importFrom stats fitted
#' @export
fitted.rlmm <- function(object, ...) {
  refuse_dots(...)
  stats::napredict(object$na_action, row_named(object, object$fitted))
}

#' The response of the fit
#' @noRd
model_response <- function(fit) fit_response(fit)$y

#' Names a vector with a value for each observation by the rows of the model frame
#' @noRd
row_named <- function(fit, x) {
  names(x) <- row.names(fit_frame(fit))
  x
}

# Other rows --------------------------------------------------------------------

#' Residuals of rows other than those of the fit
#' @param one A function of a chunk of rows.
#' @noRd
residuals_of_rows <- function(fit, newdata, type, seed, one) {
  all <- \(start) {
    if (is_summed_up(newdata)) {
      by_chunk(newdata, variables_of_fit(fit), one)
    } else {
      one(newdata)
    }
  }
  if (!is_quantile_type(type)) {
    return(all())
  }
  # Chunks use the random numbers in turn.
  check_seed(seed)
  with_seed(seed, all)
}

new_residuals <- function(fit, rows, type, scaled, allow_new_levels) {
  is_complete <- has_all_variables(fit, rows)
  kept <- rows
  if (!all(is_complete)) {
    kept <- rows[is_complete, , drop = FALSE]
  }
  r <- rep(NA_real_, length(is_complete))
  names(r) <- row.names(rows)
  if (any(is_complete)) {
    there <- fit_of_rows(fit, kept, allow_new_levels)
    observed <- response_of_rows(fit, new_data(fit, kept))
    r[is_complete] <- residuals_of_type(there, type, scaled, NULL, observed)
  }
  r
}

# Whether each row has all variables of the fit. For other data than a data frame, `predict()`
# raises an error.
has_all_variables <- function(fit, rows) {
  if (!is.data.frame(rows)) {
    stats::predict(fit, rows)
  }
  used <- intersect(variables_of_fit(fit), names(rows))
  complete <- rep(TRUE, nrow(rows))
  for (name in used) {
    missing <- as.matrix(is.na(rows[[name]]))
    complete <- complete & rowSums(missing) == 0
  }
  complete
}

# The fit with the fitted means of other rows.
fit_of_rows <- function(fit, rows, allow_new_levels) {
  eta <- stats::predict(
    fit,
    rows,
    type = "link",
    allow.new.levels = allow_new_levels
  )
  fit$eta <- as.vector(eta)
  to_mean <- fit$family$linkinv %||% identity
  fit$fitted <- to_mean(fit$eta)
  fit
}

#' The response of other rows, in the form of [fit_response()]
#' @noRd
response_of_rows <- function(fit, new) {
  response <- stats::formula(fit)[[2L]]
  env <- environment(fit$formula)
  values <- eval_variables(call("list", response), new, env)[[1L]]
  weights <- new_argument(fit, "weights", new)
  if (isLMM.rlmm(fit)) {
    return(list(y = as.vector(values), weights = weights))
  }
  known <- levels(fit$frame[[1L]])
  if (!is.null(known)) {
    values <- factor(values, known)
  }
  glmm_response(values, weights, fit$family, deparse_one(response))
}

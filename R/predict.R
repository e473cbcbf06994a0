#' Predictions
#'
#' Predictions from a fitted model, for the data of the fit or for new data. Nothing is
#' re-estimated, and the original data are not needed.
#'
#' New data are evaluated like the data of the fit: bases such as `poly()` and `splines::ns()` keep
#' their knots and coefficients, an expression as grouping factor such as `cut(x, 4)` keeps its
#' breaks, and `offset()` terms and the argument `offset` of the fitting call are evaluated (lme4
#' ignores the latter). The response is not needed, nor are columns that only occur in random
#' effects excluded by `re.form`.
#'
#' @section Standard errors:
#' Standard errors are those of the prediction error of x' beta + z' b, from the joint covariance of
#' the fixed and random effects at the estimated theta, as in lme4. `theta_uncertainty = TRUE` adds,
#' by the delta method, the uncertainty of the estimated theta (for a generalized model of theta,
#' beta and an estimated shape jointly), which gives the standard errors of `predict()` in glmmTMB.
#' By default intervals include it, and so does `se.fit` together with an interval: without it,
#' nominal 95% limits of the means of known groups cover 93% of them if there are 20 groups. It is
#' not included for means of a linear model without random effects (`re.form = NA`), as in tests of
#' the fixed effects, and if theta has no covariance. A new level, with `allow.new.levels = TRUE`,
#' adds the variance of its random effects (which lme4 omits). Effects that `re.form` excludes count
#' as zero.
#'
#' @section Intervals:
#' `interval = "confidence"` computes limits of the predicted mean: on the scale of the linear
#' predictor the prediction plus and minus its standard error times a quantile, and on the scale of
#' the response these limits transformed.
#'
#' `interval = "prediction"` computes limits of a new observation. Terms that `re.form` excludes add
#' their variance, as for an unknown level: with `re.form = NA` the limits are those of an
#' observation in a new group. A linear model adds the residual variance, with prior weights (whose
#' variables must be in `newdata`) sigma^2 / w. For a generalized model and `type = "response"` the
#' limits are quantiles of the family's distribution averaged over the normal distribution of the
#' linear predictor (by quadrature, not simulation; integers for counts, proportions for the
#' binomial). On the scale of the linear predictor they are limits of the linear predictor of a new
#' observation.
#'
#' Linear models use t quantiles with Satterthwaite's degrees of freedom for the variance of each
#' prediction; `ddf = "asymptotic"` uses normal quantiles, as for generalized models, which is
#' faster if factors are crossed.
#'
#' @section Marginal means:
#' The mean of a generalized model averaged over groups is not the mean of an average group, which
#' `re.form = NA` predicts. `marginal = TRUE` averages over the normal distribution of all random
#' effects, by Gauss-Hermite quadrature, with standard errors by the delta method in theta and beta.
#' For a linear model both are the same.
#'
#' @param object A fitted model.
#' @param newdata A data frame (or tibble, data.table or list) to predict for; by default the data
#'   of the fit. Durations (`difftime`) may have other units than in the fit. A table of a database
#'   or of Arrow, or a function that reads chunks (see [rlmm_sums()]), is read in chunks;
#'   predictions are in the order of its rows, which a database keeps only after `dplyr::arrange()`.
#' @param newparams A list with any of `beta`, `theta` and `sigma`, which replace the estimates. A
#'   new theta rescales the random effects: b = Lambda(theta) u with the spherical effects u of the
#'   fit.
#' @param re.form The random effects to include: `NULL` for all of them, `NA` or `~0` for none, or a
#'   one-sided formula such as `~ (1 | Subject)` with some terms, or some columns of terms, of the
#'   model. `ReForm`, `REForm` and `REform` are accepted with a warning.
#' @param random.only Whether to exclude the fixed part and offsets.
#' @param terms Not used, as in lme4.
#' @param type The scale of the prediction: `"link"`, the linear predictor (the default), or
#'   `"response"` (for the binomial, proportions). For linear models both are the same.
#' @param allow.new.levels Whether to predict with random effects of zero for a new or missing level
#'   of a grouping factor, instead of raising an error.
#' @param na.action The treatment of missing values in `newdata`: by default predictions are `NA`.
#'   Without `newdata`, `na.exclude` pads predictions with `NA` for the rows that the fit omitted
#'   and `na.omit` doesn't; by default as in the fit.
#' @param se.fit Whether to return standard errors.
#' @param interval The type of limits: `"none"`, `"confidence"` or `"prediction"`, see the section
#'   Intervals.
#' @param level The confidence level.
#' @param ddf The method for degrees of freedom of intervals: `"satterthwaite"` (the default for
#'   linear models) or `"asymptotic"`.
#' @param theta_uncertainty Whether to add the uncertainty of the estimated theta to standard errors
#'   and limits. By default (`NULL`) it is added to intervals; see the section Standard errors.
#' @param cov.fit Whether to return the covariance matrix of the predictions, for at most 10,000
#'   rows.
#' @param marginal Whether to average the means of a generalized model over the random effects.
#' @param rankdeficient The treatment of rows of `newdata` that are not estimable because columns of
#'   X were dropped, as for an empty cell of an interaction: `"warnif"` warns, `"NA"` predicts `NA`,
#'   `"NAwarn"` does both, `"simple"` neither; as in [predict.lm()].
#' @param ... Further arguments are ignored with a warning.
#' @return A numeric vector with a value for each row of `newdata`, named by row, or without
#'   `newdata`, padded with `NA` under `na.action = na.exclude`. With an `interval`, a matrix with
#'   the columns `fit`, `lwr` and `upr`, as from [predict.lm()]. With `se.fit` or `cov.fit`, a list
#'   of `fit` (as above), `se.fit` (a vector) and `cov.fit` (a matrix).
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' new <- data.frame(Days = 0:2, Subject = c("308", "309", "new"))
#' predict(fit, new[1:2, ])
#' predict(fit, new, allow.new.levels = TRUE, se.fit = TRUE)
#' predict(fit, new, re.form = NA, interval = "confidence")
#' # Limits for a new observation of these subjects, and of a new subject
#' predict(fit, new[1:2, ], interval = "prediction")
#' predict(fit, new, re.form = NA, interval = "prediction")
#' predict(fit, new[1:2, ], re.form = ~ (1 | Subject))
#'
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' years <- data.frame(YEAR = factor(95:97))
#' predict(ticks, years, re.form = NA, type = "response", interval = "prediction")
#' # The mean of an average brood, and the mean over broods
#' predict(ticks, years, re.form = NA, type = "response")
#' predict(ticks, years, marginal = TRUE, type = "response", se.fit = TRUE)
#' @importFrom stats predict
#' @export
predict.rlmm <- function(
  object,
  newdata = NULL,
  re.form = NULL,
  type = c("link", "response"),
  allow.new.levels = FALSE,
  se.fit = FALSE,
  ...,
  newparams = NULL,
  random.only = FALSE,
  terms = NULL,
  na.action = stats::na.pass,
  interval = c("none", "confidence", "prediction"),
  level = 0.95,
  ddf = NULL,
  theta_uncertainty = NULL,
  cov.fit = FALSE,
  marginal = FALSE,
  rankdeficient = c("warnif", "simple", "NA", "NAwarn")
) {
  if (is_summed_up(newdata)) {
    return(predict_table(object, newdata, match.call(), parent.frame()))
  }
  warn_of_dots(..., also = old_re_form_names)
  if (...length()) {
    re.form <- old_re_form(re.form, ...)
  }
  request <- mget(prediction_options)
  request$type <- one_of(type, c("link", "response"), "type")
  request$interval <- one_of(interval, interval_kinds, "interval")
  request$rankdeficient <- one_of(rankdeficient, rank_policies, "rankdeficient")
  check_request(request, re.form, newparams, terms)
  par <- model_parameters(object, newparams)
  use <- selected_effects(object, if (marginal) NA else re.form)
  if (request$interval != "none" || isTRUE(theta_uncertainty)) {
    object <- with_covariance(object)
  }
  request$theta_uncertainty <- theta_uncertainty %||%
    (request$interval != "none" && adds_theta(object, use))
  is_needed <- !missing(na.action) || !is.null(newdata)
  action <- if (is_needed) find_na_action(na.action)
  finish <- finisher(object, newdata, action)
  if (is.null(newdata) && is_stored(object, par, use, request)) {
    return(finish(row_named(object, stored_prediction(object, request$type))))
  }
  found <- predict_rows(object, par, use, new_data(object, newdata), request)
  finished(found, finish)
}

# The arguments of predict() that are single values.
prediction_flags <- c(
  "random.only",
  "allow.new.levels",
  "se.fit",
  "cov.fit",
  "theta_uncertainty",
  "marginal"
)

prediction_options <- c(prediction_flags, "level", "ddf")

interval_kinds <- c("none", "confidence", "prediction")

#' The predictions before missing rows are treated
#' @param request The arguments of predict().
#' @return A list: `fit` (a vector, or a matrix with limits), and `se.fit` and `cov.fit` if
#'   requested.
#' @noRd
predict_rows <- function(fit, par, use, new, request) {
  rows <- prediction_rows(
    fit,
    use,
    new,
    request$allow.new.levels,
    fixed = !request$random.only,
    left_out = request$marginal || request$interval == "prediction"
  )
  eta <- linear_predictor(fit, rows, par, new, request)
  if (request$marginal && isGLMM.rlmm(fit)) {
    return(predict_marginal(fit, eta, rows, new, request))
  }
  out <- list(fit = on_scale(fit, eta, request$type))
  if (!wants_errors(request)) {
    return(out)
  }
  with_errors(out, fit, eta, rows, new, request)
}

linear_predictor <- function(fit, rows, par, new, request) {
  eta <- random_part(rows, par$b)
  if (!request$random.only) {
    policy <- request$rankdeficient
    eta <- eta + fixed_part(fit, rows$x, par$beta, new, policy)
  }
  with_names(eta, new$row_names)
}

wants_errors <- function(request) {
  request$se.fit || request$cov.fit || request$interval != "none"
}

with_errors <- function(out, fit, eta, rows, new, request) {
  needs_errors <- request$se.fit || request$interval == "confidence"
  errors <- if (needs_errors) requested_errors(fit, rows, request)
  limits <- requested_limits(fit, eta, eta, errors, rows, new, request)
  out$fit <- bind_limits(out$fit, limits)
  needs_slope <- request$se.fit || request$cov.fit
  slope <- if (needs_slope) scale_slopes(fit, eta, request$type)
  if (!is.null(slope)) {
    variance <- errors$variance %||%
      requested_errors(fit, rows, request)$variance
    out$se.fit <- with_names(sqrt(variance) * slope, names(eta))
    out$se.fit[is.na(eta)] <- NA
  }
  if (request$cov.fit) {
    covariance <- error_covariance(fit, rows, request$theta_uncertainty)
    out$cov.fit <- covariance * outer(slope, slope)
    dimnames(out$cov.fit) <- list(names(eta), names(eta))
  }
  out
}

# The limits of the requested interval; `NULL` without one.
requested_limits <- function(fit, mean, eta, errors, rows, new, request) {
  switch(
    request$interval,
    confidence = mean_limits(mean, errors, fit, request),
    prediction = observation_limits(fit, eta, rows, new, request)
  )
}

# Confidence limits of means on the requested scale, from those of the linear predictor.
mean_limits <- function(link, errors, fit, request) {
  limits <- normal_limits(link, errors, request$level)
  limits_on_scale(limits, link, fit, request$type)
}

bind_limits <- function(fit, limits) {
  if (is.null(limits)) {
    return(fit)
  }
  limits[is.na(fit), ] <- NA
  cbind(fit = fit, limits)
}

predict_marginal <- function(fit, eta, rows, new, request) {
  found <- marginal_means(fit, eta, rows, wants_errors(request))
  link <- fit$family$linkfun(found$mean)
  to_link <- 1 / abs(fit$family$mu.eta(link))
  is_link <- request$type == "link"
  mean <- if (is_link) link else found$mean
  errors <- list(variance = (found$std_error * to_link)^2, df = Inf)
  limits <- requested_limits(fit, link, eta, errors, rows, new, request)
  out <- list(fit = bind_limits(with_names(mean, names(eta)), limits))
  if (request$se.fit) {
    std_error <- found$std_error * if (is_link) to_link else 1
    out$se.fit <- with_names(std_error, names(eta))
  }
  out
}

#' Whether the predictions are the stored fitted values
#' @noRd
is_stored <- function(fit, par, use, request) {
  par$estimated &&
    !request$random.only &&
    !request$marginal &&
    !wants_errors(request) &&
    uses_all(fit, use)
}

finished <- function(found, finish) {
  for (name in intersect(c("fit", "se.fit"), names(found))) {
    found[[name]] <- finish(found[[name]])
  }
  if (length(found) == 1L) found$fit else found
}

# A function for the missing rows of predictions: they are padded for the data of the fit, or
# treated by `na.action`, which for the data of the fit replaces that of the fit.
finisher <- function(fit, newdata, na_action) {
  if (!is.null(newdata)) {
    return(\(x) drop_missing(x, na_action))
  }
  omitted <- fit$na_action
  if (!is.null(na_action) && !is.null(omitted)) {
    given <- attr(find_na_action(na_action)(data.frame(x = NA)), "na.action")
    class(omitted) <- class(given %||% structure(1L, class = "omit"))
  }
  \(x) stats::napredict(omitted, x)
}

stored_prediction <- function(fit, type) {
  if (type == "response") fit$fitted else fit$eta %||% fit$fitted
}

on_scale <- function(fit, eta, type) {
  if (type == "link") {
    return(eta)
  }
  with_names(means_at(family.rlmm(fit), eta), names(eta))
}

# The derivatives for standard errors on the scale of the response, to first order as in predict()
# of glm().
scale_slopes <- function(fit, eta, type) {
  if (type == "link") {
    return(rep(1, length(eta)))
  }
  abs(family.rlmm(fit)$mu.eta(eta))
}

with_names <- function(x, names) {
  names(x) <- names
  x
}

uses_all <- function(fit, use) {
  n_columns <- lengths(lapply(fit$random, `[[`, "columns"))
  all(lengths(use) == n_columns)
}

# Arguments -----------------------------------------------------------------

check_request <- function(request, re_form, newparams, terms) {
  request$theta_uncertainty <- request$theta_uncertainty %||% FALSE
  for (name in prediction_flags) {
    check_flag(request[[name]], name)
  }
  check_prediction_level(request$level)
  if (!is.null(terms)) {
    abort_terms()
  }
  if (wants_errors(request) && !is.null(newparams)) {
    abort_se_newparams()
  }
  if (request$random.only && request$interval == "prediction") {
    abort_unsuited_arguments(
      "interval",
      "An observation can't be predicted with `random.only = TRUE`."
    )
  }
  if (request$marginal) {
    check_marginal_request(request, re_form)
  }
}

check_marginal_request <- function(request, re_form) {
  if (request$random.only || request$cov.fit) {
    abort_unsuited_arguments(
      "marginal",
      "`marginal = TRUE` can't be combined with `random.only` or `cov.fit`."
    )
  }
  if (!is.null(re_form) && !is_none(re_form)) {
    abort_unsuited_arguments(
      "re.form",
      "`marginal = TRUE` averages over all random effects: leave `re.form` out."
    )
  }
}

# Checks `level`, which in nlme selects the random effects.
check_prediction_level <- function(level) {
  if (is_number(level) && level == 0) {
    abort_argument(
      "`level`, the confidence level, must be one number between 0 and 1.",
      x = "It is 0.",
      i = "Use `re.form = NA` to predict from the fixed effects alone?",
      arg = "level"
    )
  }
  check_confidence(level)
}

abort_unsuited_arguments <- function(arg, problem) {
  abort_argument(problem, arg = arg)
}

abort_se_newparams <- function() {
  abort_argument(
    "Can't compute standard errors with `newparams`.",
    i = "They are those of the estimates.",
    arg = "se.fit"
  )
}

abort_terms <- function() {
  abort_argument(
    "`terms` must be `NULL`.",
    i = "To predict from some random effects, use `re.form`.",
    arg = "terms"
  )
}

# The older names of `re.form` in lme4.
old_re_form_names <- c("ReForm", "REForm", "REform")

#' The value of `re.form`, given under any of its names
#' @noRd
old_re_form <- function(re_form, ...) {
  old <- which(dots_names(...) %in% old_re_form_names)
  if (length(old) == 0L) {
    return(re_form)
  }
  warn_rlmm(
    paste0(tick(...names()[old[1L]]), " is an old name of `re.form`."),
    "rlmm_warning_deprecated"
  )
  ...elt(old[1L])
}

# Tables ------------------------------------------------------------------------

#' The predictions of a call for the rows of a table
#' @param call The call of predict(), which is evaluated for each chunk.
#' @noRd
predict_table <- function(fit, table, call, caller) {
  call[[1L]] <- predict.rlmm
  call$object <- fit
  by_chunk(table, variables_of_fit(fit), \(rows) {
    call$newdata <- rows
    eval(call, caller)
  })
}

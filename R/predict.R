#' Predictions
#'
#' Predicts from a fitted model, for the data of the fit or for new data. Nothing is re-estimated
#' and the original data aren't needed.
#'
#' New data are evaluated as the data of the fit were: bases such as `poly()` and `splines::ns()`
#' keep their knots and coefficients, an expression as grouping factor such as `cut(x, 4)` keeps its
#' breaks, `offset()` terms are evaluated, and so is the argument `offset` of the fitting call (lme4
#' leaves that one out). The response needn't be there, nor columns that only the random effects
#' left out by `re.form` would use.
#'
#' @section Standard errors:
#' Standard errors are those of the error of x' beta + z' b, from the joint covariance of the fixed
#' and random effects, at the estimated theta: lme4's. `theta_uncertainty = TRUE` adds, by the delta
#' method, what it costs that theta is estimated (for a generalized model theta, beta and an
#' estimated shape together), which gives the standard errors of `predict()` for a fit of glmmTMB.
#' Intervals have it by default (and so has `se.fit` beside an interval): 95% limits of the means of
#' known groups would hold 93% of them without, where there are 20 groups. Of a linear model's means
#' without random effects (`re.form = NA`) it is left out, as in tests of the fixed effects, and
#' where there is no covariance of theta.
#' A level that the fit didn't see, with `allow.new.levels = TRUE`, adds the variance of its random
#' effects (lme4 leaves it out). Effects that `re.form` leaves out count as zero.
#'
#' @section Intervals:
#' `interval = "confidence"` has limits of the mean that is predicted: on the scale of the linear
#' predictor the prediction plus and minus its standard error times a quantile, on the scale of the
#' response these limits transformed.
#'
#' `interval = "prediction"` has limits of a new observation. Terms that `re.form` leaves out add
#' their variance, as those of a level that isn't known: with `re.form = NA` the limits are those of
#' an observation of a new group. A linear model adds the variance of the residual, with prior
#' weights, whose variables must be in `newdata`, sigma^2 / w. For a generalized model and
#' `type = "response"` the limits are quantiles of the family's distribution, averaged over the
#' normal distribution of the linear predictor (no simulation; whole numbers for counts, proportions
#' for the binomial); on the scale of the linear predictor, where there are no observations, they
#' are limits of that of a new observation.
#'
#' The quantiles of linear models are those of t with Satterthwaite's degrees of freedom, for the
#' variance of each prediction; `ddf = "asymptotic"` takes those of the normal distribution, as for
#' generalized models, which is faster where factors are crossed.
#'
#' @section Marginal means:
#' A mean of a generalized model averaged over the groups isn't the mean of an average group, which
#' `re.form = NA` predicts. `marginal = TRUE` averages over the normal distribution of all random
#' effects, by Gauss-Hermite quadrature; standard errors are by the delta method, in theta and beta.
#' For a linear model the two are the same.
#'
#' @param object A fitted model.
#' @param newdata A data frame (or tibble, data.table, list) to predict for; default: the data of
#'   the fit. Durations (`difftime`) may be in other units than those of the fit. A table of a
#'   database or of Arrow, or a function that reads chunks (see [rlmm_sums()]), is read a chunk at a
#'   time; its predictions come in the order of its rows, which a database keeps only where
#'   `dplyr::arrange()` says so.
#' @param newparams A list with any of `beta`, `theta` and `sigma`, to use instead of the estimates.
#'   A new theta rescales the random effects: b = Lambda(theta) u with the fitted spherical u.
#' @param re.form Which random effects to include: `NULL` all of them, `NA` or `~0` none, or a
#'   one-sided formula such as `~ (1 | Subject)` that names some terms, or some columns of terms, of
#'   the model. `ReForm`, `REForm` and `REform` are accepted with a warning.
#' @param random.only Leave out the fixed part and offsets?
#' @param terms Not used, as in lme4.
#' @param type Scale of the prediction: of the linear predictor (the default) or of the response
#'   (for the binomial of proportions); the same for linear models.
#' @param allow.new.levels If a level of a grouping factor is new, or `NA`: predict with random
#'   effects of zero instead of stopping?
#' @param na.action What to do with missing values in `newdata`: the default predicts `NA`. Without
#'   `newdata`, `na.exclude` pads the predictions with `NA` for the rows that the fit left out, and
#'   `na.omit` doesn't; the default is what the fit did.
#' @param se.fit Return standard errors too?
#' @param interval Limits to return with the predictions: see below.
#' @param level The confidence level.
#' @param ddf Degrees of freedom of intervals: `"satterthwaite"` (the default of linear models) or
#'   `"asymptotic"`.
#' @param theta_uncertainty Add the uncertainty of the estimated theta to standard errors and
#'   limits? The default, `NULL`, adds it to intervals; see Standard errors.
#' @param cov.fit Return the covariance matrix of the predictions too? For 10,000 rows at most.
#' @param marginal Average the means of a generalized model over the random effects?
#' @param rankdeficient What to do about rows of `newdata` that the data say nothing about, as for
#'   an empty cell of an interaction, where columns of X were dropped: `"warnif"` warns, `"NA"`
#'   predicts `NA`, `"NAwarn"` does both, `"simple"` neither; as in [predict.lm()].
#' @param ... Further arguments are ignored with a warning.
#' @return A numeric vector, one value per row of `newdata`, named by row. Without `newdata`, padded
#'   with `NA` under `na.action = na.exclude`. With an `interval` a matrix with the columns `fit`,
#'   `lwr` and `upr`, as of [predict.lm()]. With `se.fit` or `cov.fit` a list: `fit` (either of
#'   these), `se.fit` (a vector), and `cov.fit` (a matrix).
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' new <- data.frame(Days = 0:2, Subject = c("308", "309", "new"))
#' predict(fit, new[1:2, ])
#' predict(fit, new, allow.new.levels = TRUE, se.fit = TRUE)
#' predict(fit, new, re.form = NA, interval = "confidence")
#' # A new observation of these subjects, and of a subject that isn't known:
#' predict(fit, new[1:2, ], interval = "prediction")
#' predict(fit, new, re.form = NA, interval = "prediction")
#' predict(fit, new[1:2, ], re.form = ~ (1 | Subject))
#'
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' years <- data.frame(YEAR = factor(95:97))
#' predict(ticks, years, re.form = NA, type = "response", interval = "prediction")
#' # The mean of an average brood, and the mean over broods:
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
  asked <- mget(prediction_options)
  asked$type <- one_of(type, c("link", "response"), "type")
  asked$interval <- one_of(interval, interval_kinds, "interval")
  asked$rankdeficient <- one_of(rankdeficient, rank_policies, "rankdeficient")
  check_asked(asked, re.form, newparams, terms)
  par <- model_parameters(object, newparams)
  use <- selected_effects(object, if (marginal) NA else re.form)
  if (asked$interval != "none" || isTRUE(theta_uncertainty)) {
    object <- with_covariance(object)
  }
  asked$theta_uncertainty <- theta_uncertainty %||%
    (asked$interval != "none" && adds_theta(object, use))
  is_needed <- !missing(na.action) || !is.null(newdata)
  action <- if (is_needed) find_na_action(na.action)
  finish <- finisher(object, newdata, action)
  if (is.null(newdata) && is_stored(object, par, use, asked)) {
    return(finish(row_named(object, stored_prediction(object, asked$type))))
  }
  found <- predict_rows(object, par, use, new_data(object, newdata), asked)
  finished(found, finish)
}

# The arguments of predict() that are one value each.
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

#' What predict() returns, before missing rows are treated
#' @param asked The arguments of predict().
#' @return A list: `fit` (a vector, or a matrix with limits), and `se.fit` and `cov.fit` where they
#'   are asked for.
#' @noRd
predict_rows <- function(fit, par, use, new, asked) {
  rows <- prediction_rows(
    fit,
    use,
    new,
    asked$allow.new.levels,
    fixed = !asked$random.only,
    left_out = asked$marginal || asked$interval == "prediction"
  )
  eta <- linear_predictor(fit, rows, par, new, asked)
  if (asked$marginal && isGLMM.rlmm(fit)) {
    return(predict_marginal(fit, eta, rows, new, asked))
  }
  out <- list(fit = on_scale(fit, eta, asked$type))
  if (!wants_errors(asked)) {
    return(out)
  }
  with_errors(out, fit, eta, rows, new, asked)
}

linear_predictor <- function(fit, rows, par, new, asked) {
  eta <- random_part(rows, par$b)
  if (!asked$random.only) {
    policy <- asked$rankdeficient
    eta <- eta + fixed_part(fit, rows$x, par$beta, new, policy)
  }
  with_names(eta, new$row_names)
}

wants_errors <- function(asked) {
  asked$se.fit || asked$cov.fit || asked$interval != "none"
}

with_errors <- function(out, fit, eta, rows, new, asked) {
  needs_errors <- asked$se.fit || asked$interval == "confidence"
  errors <- if (needs_errors) asked_errors(fit, rows, asked)
  limits <- asked_limits(fit, eta, eta, errors, rows, new, asked)
  out$fit <- bind_limits(out$fit, limits)
  needs_slope <- asked$se.fit || asked$cov.fit
  slope <- if (needs_slope) scale_slopes(fit, eta, asked$type)
  if (!is.null(slope)) {
    variance <- errors$variance %||% asked_errors(fit, rows, asked)$variance
    out$se.fit <- with_names(sqrt(variance) * slope, names(eta))
    out$se.fit[is.na(eta)] <- NA
  }
  if (asked$cov.fit) {
    covariance <- error_covariance(fit, rows, asked$theta_uncertainty)
    out$cov.fit <- covariance * outer(slope, slope)
    dimnames(out$cov.fit) <- list(names(eta), names(eta))
  }
  out
}

# The limits of the interval that is asked for; `NULL` without any.
asked_limits <- function(fit, mean, eta, errors, rows, new, asked) {
  switch(
    asked$interval,
    confidence = mean_limits(mean, errors, fit, asked),
    prediction = observation_limits(fit, eta, rows, new, asked)
  )
}

# Confidence limits of means on the scale that is asked for, from those of the linear predictor.
mean_limits <- function(link, errors, fit, asked) {
  limits <- normal_limits(link, errors, asked$level)
  limits_on_scale(limits, link, fit, asked$type)
}

bind_limits <- function(fit, limits) {
  if (is.null(limits)) {
    return(fit)
  }
  limits[is.na(fit), ] <- NA
  cbind(fit = fit, limits)
}

predict_marginal <- function(fit, eta, rows, new, asked) {
  found <- marginal_means(fit, eta, rows, wants_errors(asked))
  link <- fit$family$linkfun(found$mean)
  to_link <- 1 / abs(fit$family$mu.eta(link))
  is_link <- asked$type == "link"
  mean <- if (is_link) link else found$mean
  errors <- list(variance = (found$std_error * to_link)^2, df = Inf)
  limits <- asked_limits(fit, link, eta, errors, rows, new, asked)
  out <- list(fit = bind_limits(with_names(mean, names(eta)), limits))
  if (asked$se.fit) {
    std_error <- found$std_error * if (is_link) to_link else 1
    out$se.fit <- with_names(std_error, names(eta))
  }
  out
}

#' Whether the prediction is that of the fit itself, which is stored
#' @noRd
is_stored <- function(fit, par, use, asked) {
  par$estimated &&
    !asked$random.only &&
    !asked$marginal &&
    !wants_errors(asked) &&
    uses_all(fit, use)
}

finished <- function(found, finish) {
  for (name in intersect(c("fit", "se.fit"), names(found))) {
    found[[name]] <- finish(found[[name]])
  }
  if (length(found) == 1L) found$fit else found
}

# What is done with predictions at the end: missing rows are padded for the data of the fit, or
# treated by `na.action`. Given for the data of the fit, `na.action` takes the place of the fit's.
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
  with_names(family.rlmm(fit)$linkinv(eta), names(eta))
}

# To first order, as predict() of a glm() has standard errors on the scale of the response.
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

check_asked <- function(asked, re_form, newparams, terms) {
  for (name in prediction_flags) {
    check_flag(asked[[name]] %||% FALSE, name)
  }
  check_prediction_level(asked$level)
  if (!is.null(terms)) {
    abort_terms()
  }
  if (wants_errors(asked) && !is.null(newparams)) {
    abort_se_newparams()
  }
  if (asked$random.only && asked$interval == "prediction") {
    abort_unsuited_arguments(
      "interval",
      "An observation can't be predicted with `random.only = TRUE`."
    )
  }
  if (asked$marginal) {
    check_asked_marginal(asked, re_form)
  }
}

check_asked_marginal <- function(asked, re_form) {
  if (asked$random.only || asked$cov.fit) {
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

# nlme's `level` says which random effects to include.
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

# lme4's older names of `re.form`.
old_re_form_names <- c("ReForm", "REForm", "REform")

#' `re.form` as it was given, under whatever name
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
#' @param call The call of predict(), which is evaluated anew for each chunk.
#' @noRd
predict_table <- function(fit, table, call, caller) {
  call[[1L]] <- predict.rlmm
  call$object <- fit
  by_chunk(table, variables_of_fit(fit), \(rows) {
    call$newdata <- rows
    eval(call, caller)
  })
}

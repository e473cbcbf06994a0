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
#' @param object A fitted model.
#' @param newdata A data frame (or tibble, data.table, list) to predict for; default: the data of
#'   the fit. Durations (`difftime`) may be in other units than those of the fit.
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
#' @param na.action What to do with missing values in `newdata`: the default predicts `NA`.
#' @param se.fit Return standard errors too? Those of the predicted mean at the estimated theta; for
#'   a level that is new they are those of the fixed part, as in lme4.
#' @param rankdeficient What to do about rows of `newdata` that the data say nothing about, as for
#'   an empty cell of an interaction, where columns of X were dropped: `"warnif"` warns, `"NA"`
#'   predicts `NA`, `"NAwarn"` does both, `"simple"` neither; as in [predict.lm()].
#' @param ... Further arguments are ignored with a warning.
#' @return A numeric vector, one value per row of `newdata`, named by row. Without `newdata`, padded
#'   with `NA` under `na.action = na.exclude`. With `se.fit` a list of two such vectors, `fit` and
#'   `se.fit`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' new <- data.frame(Days = 0:2, Subject = c("308", "309", "new"))
#' predict(fit, new[1:2, ])
#' predict(fit, new, allow.new.levels = TRUE)
#' predict(fit, new, re.form = NA, se.fit = TRUE)
#' predict(fit, new[1:2, ], re.form = ~ (1 | Subject))
#' @importFrom stats predict
#' @export
predict.rlmm <- function(
  object,
  newdata = NULL,
  newparams = NULL,
  re.form = NULL,
  random.only = FALSE,
  terms = NULL,
  type = c("link", "response"),
  allow.new.levels = FALSE,
  na.action = stats::na.pass,
  se.fit = FALSE,
  ...,
  rankdeficient = c("warnif", "simple", "NA", "NAwarn")
) {
  rankdeficient <- one_of(rankdeficient, rank_policies, "rankdeficient")
  type <- one_of(type, c("link", "response"), "type")
  check_flag(random.only, "random.only")
  check_flag(allow.new.levels, "allow.new.levels")
  check_flag(se.fit, "se.fit")
  if (!is.null(terms)) {
    abort_terms()
  }
  warn_of_dots(..., also = old_re_form_names)
  if (...length()) {
    re.form <- old_re_form(re.form, ...)
  }
  par <- model_parameters(object, newparams)
  use <- selected_effects(object, re.form)
  is_fitted <- par$estimated && !random.only && uses_all(object, use)
  finish <- finisher(object, newdata, na.action)
  if (is.null(newdata) && !se.fit && is_fitted) {
    return(finish(row_named(object, stored_prediction(object, type))))
  }
  new <- new_data(object, newdata)
  eta <- linear_predictor(
    object,
    par,
    use,
    new,
    random.only,
    allow.new.levels,
    rankdeficient
  )
  fitted <- on_scale(object, eta, type)
  if (!se.fit) {
    return(finish(fitted))
  }
  if (!par$estimated) {
    abort_se_newparams()
  }
  se <- predict_se(object, use, new, random.only, allow.new.levels)
  se[is.na(eta)] <- NA
  list(
    fit = finish(fitted),
    se.fit = finish(se_on_scale(object, se, eta, type))
  )
}

# What is done with predictions at the end: missing rows are padded for the data of the fit, or
# treated by `na.action`.
finisher <- function(fit, newdata, na_action) {
  if (is.null(newdata)) {
    return(\(x) stats::napredict(fit$na_action, x))
  }
  \(x) drop_missing(x, na_action)
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

# Standard errors on the scale asked for: to first order, as predict() of a glm() has them.
se_on_scale <- function(fit, se, eta, type) {
  slope <- if (type == "link") 1 else abs(family.rlmm(fit)$mu.eta(eta))
  with_names(se * slope, names(eta))
}

with_names <- function(x, names) {
  names(x) <- names
  x
}

uses_all <- function(fit, use) {
  all(lengths(use) == vapply(fit$random, \(term) length(term$columns), 1L))
}

linear_predictor <- function(
  fit,
  par,
  use,
  new,
  random_only,
  allow_new_levels,
  rankdeficient
) {
  eta <- random_predictor(fit, par$b, use, new, allow_new_levels)
  if (!random_only) {
    eta <- eta + fixed_predictor(fit, par$beta, new, rankdeficient)
  }
  names(eta) <- new$row_names
  eta
}

#' The fixed part of the linear predictor, X beta + offset
#' @noRd
fixed_predictor <- function(fit, beta, new, rankdeficient = "warnif") {
  eta <- drop(fixed_matrix(fit, new) %*% beta) + new_offset(fit, new)
  judge_estimable(eta, fit, new, rankdeficient)
}

#' The random part of the linear predictor, the sum over terms of z_i' b[level_i]
#' @param use For each term the columns to use; see [selected_effects()].
#' @noRd
random_predictor <- function(fit, b, use, new, allow_new_levels) {
  total <- numeric(new$n)
  for (i in which(lengths(use) > 0)) {
    term <- fit$random[[i]]
    refs <- checked_refs(term, new, allow_new_levels)
    total <- total + term_predictor(term, b[[i]], refs, use[[i]], new)
  }
  total
}

term_predictor <- function(term, b, refs, use, new) {
  effects <- b[refs, use, drop = FALSE]
  effects[is.na(refs), ] <- 0
  if (!identical(term$columns[use], "(Intercept)")) {
    effects <- effects * effects_matrix(term, new)[, use, drop = FALSE]
  }
  rowSums(effects)
}

#' Treats the missing predictions as `na.action` says: dropped by `na.omit`, kept by `na.pass` and
#' `na.exclude`.
#' @noRd
drop_missing <- function(x, na_action) {
  action <- find_na_action(na_action)
  if (is.null(action) || !anyNA(x)) {
    return(x)
  }
  omitted <- attr(action(data.frame(x)), "na.action")
  if (is.null(omitted) || inherits(omitted, "exclude")) {
    return(x)
  }
  if (is.matrix(x)) x[-omitted, , drop = FALSE] else x[-omitted]
}

# Parameters and terms to predict with ---------------------------------------

#' The estimates, or what `newparams` puts in their place
#' @return A list: `beta`, `theta`, `sigma`, `b`, and `estimated`, whether nothing was replaced.
#' @noRd
model_parameters <- function(fit, newparams) {
  par <- fit[c("beta", "theta", "sigma", "b")]
  par$estimated <- is.null(newparams)
  if (par$estimated) {
    return(par)
  }
  check_newparams(newparams, lengths(fit[c("beta", "theta", "sigma")]))
  par[names(newparams)] <- lapply(newparams, as.double)
  if (!is.null(newparams$theta)) {
    par$b <- effects_at(fit, par$theta)
  }
  par
}

# The random effects at another theta, with the spherical ones of the fit.
effects_at <- function(fit, theta) {
  scaled <- \(u, term) tcrossprod(u, lambda_block(term, theta))
  Map(scaled, fit$u, fit$random)
}

check_newparams <- function(newparams, expected) {
  named <- is.list(newparams) && length(names(newparams)) == length(newparams)
  if (!named || !all(names(newparams) %in% names(expected))) {
    abort_newparams(
      "It must be a list with any of the elements `beta`, `theta`, and `sigma`."
    )
  }
  for (name in names(newparams)) {
    check_newparam(newparams[[name]], name, expected[name])
  }
}

check_newparam <- function(x, name, n) {
  if (!is.numeric(x) || length(x) != n) {
    numbers <- plural(n, "number")
    abort_newparams(sprintf(
      "`%s` must hold %s, not %s.",
      name,
      numbers,
      length(x)
    ))
  }
}

abort_se_newparams <- function() {
  abort_rlmm(
    c(
      "Can't compute standard errors with `newparams`.",
      i = "They are those of the estimates."
    ),
    "rlmm_error_argument",
    arg = "se.fit"
  )
}

abort_terms <- function() {
  abort_rlmm(
    c(
      "`terms` must be `NULL`.",
      i = "To predict from some random effects, use `re.form`."
    ),
    "rlmm_error_argument",
    arg = "terms"
  )
}

abort_newparams <- function(found) {
  abort_rlmm(
    c("Can't use `newparams`.", x = found),
    "rlmm_error_argument",
    arg = "newparams"
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

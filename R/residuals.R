#' Residuals and fitted values
#'
#' `residuals()` (or `resid()`) and `fitted()` for each observation, named by row. With
#' `na.action = na.exclude` both are padded with `NA` to the length of the data.
#'
#' Of a generalized model `fitted()` is the mean mu, on the scale of the response (of proportions for the binomial).
#'
#' @param object A fitted model.
#' @param type What to return, for a generalized model by default `"deviance"`, otherwise `"response"`. With prior
#'   weights w and residual standard deviation sigma:
#'   * `"response"` and `"working"`: y - mu;
#'   * `"pearson"` and `"deviance"`: sqrt(w) (y - mu);
#'   * `"scaled"`: Pearson residuals divided by sigma.
#'
#'   For a generalized model as for [glm()]: `"pearson"` has the variance function, sqrt(w / V(mu)) (y - mu),
#'   `"deviance"` the signed root of the contribution to the deviance, and `"working"` (y - mu) / (d mu / d eta).
#' @param scaled Divide by sigma?
#' @param ... Ignored.
#' @return A named numeric vector.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' head(residuals(fit))
#' head(residuals(fit, type = "scaled"))
#' head(fitted(fit))
#' @importFrom stats residuals
#' @export
residuals.rlmm <- function(
  object,
  type = c("response", "pearson", "deviance", "working", "scaled"),
  scaled = FALSE,
  ...
) {
  known <- c("response", "pearson", "deviance", "working", "scaled")
  type <- if (missing(type) && is_glmm(object)) {
    "deviance"
  } else {
    one_of(type, known, "type")
  }
  check_flag(scaled, "scaled")
  observed <- fit_response(object)
  r <- if (is_glmm(object)) {
    glmm_residuals(object, observed, type)
  } else {
    weighted_residuals(object, observed, type)
  }
  r <- row_named(object, r)
  if (scaled || type == "scaled") {
    r <- r / object$sigma
  }
  stats::naresid(object$na_action, r)
}

weighted_residuals <- function(fit, observed, type) {
  r <- observed$y - fit$fitted
  if (is.null(observed$weights) || type %in% c("response", "working")) {
    r
  } else {
    sqrt(observed$weights) * r
  }
}

glmm_residuals <- function(fit, observed, type) {
  family <- fit$family
  weights <- observed$weights %||% rep(1, length(observed$y))
  difference <- observed$y - fit$fitted
  switch(
    type,
    response = difference,
    working = difference / family$mu.eta(fit$eta),
    # R's families take negative rounding errors of the deviance for what they are: zero.
    deviance = sign(difference) *
      sqrt(pmax(family$dev.resids(observed$y, fit$fitted, weights), 0)),
    difference * sqrt(weights / family$variance(fit$fitted))
  )
}

#' @rdname residuals.rlmm
#' @importFrom stats fitted
#' @export
fitted.rlmm <- function(object, ...) {
  stats::napredict(object$na_action, row_named(object, object$fitted))
}

#' The response as the fit saw it
#' @noRd
model_response <- function(fit) fit_response(fit)$y

#' Values of one per observation, named by the rows of the model frame
#' @noRd
row_named <- function(fit, x) {
  names(x) <- row.names(fit_frame(fit))
  x
}

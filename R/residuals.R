#' Residuals and fitted values
#'
#' `residuals()` (or `resid()`) and `fitted()` for each observation, named by row. With
#' `na.action = na.exclude` both are padded with `NA` to the length of the data.
#'
#' @param object A fitted model.
#' @param type What to return. With prior weights w and residual standard deviation sigma:
#'   * `"response"` and `"working"`: y - mu;
#'   * `"pearson"` and `"deviance"`: sqrt(w) (y - mu);
#'   * `"scaled"`: Pearson residuals divided by sigma.
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
  type <- one_of(type, c("response", "pearson", "deviance", "working", "scaled"), "type")
  r <- row_named(object, model_response(object) - object$fitted)
  weights <- fit_frame(object)[["(weights)"]]
  if (!is.null(weights) && type %in% c("pearson", "deviance", "scaled")) r <- sqrt(weights) * r
  if (scaled || type == "scaled") r <- r / object$sigma
  stats::naresid(object$na_action, r)
}

#' @rdname residuals.rlmm
#' @importFrom stats fitted
#' @export
fitted.rlmm <- function(object, ...) {
  stats::napredict(object$na_action, row_named(object, object$fitted))
}

#' The response as the fit saw it
#' @noRd
model_response <- function(fit) response(fit_frame(fit))

#' Values of one per observation, named by the rows of the model frame
#' @noRd
row_named <- function(fit, x) {
  names(x) <- row.names(fit_frame(fit))
  x
}

#' The data of a fit with its fitted values and residuals
#'
#' The method of `ggplot2::fortify()` for fits, which `ggplot(fit, aes(...))` uses, with the columns
#' of lme4's method and some more.
#'
#' @param model A fitted model.
#' @param data A data frame with a row for each observation; by default the variables of the model.
#' @param ... Not used.
#' @return The data frame `data` with the columns `.fitted` and `.resid` (see [fitted.rlmm()]),
#'   `.scresid` (residuals divided by their standard deviation), `.fixed` (predictions from the
#'   fixed effects alone), `.hat` and `.cooksd` (see [hatvalues.rlmm()]).
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' head(ggplot2::fortify(fit))
#' @rawNamespace S3method(ggplot2::fortify, rlmm)
fortify.rlmm <- function(model, data = model.frame.rlmm(model), ...) {
  refuse_dots(...)
  data <- rows_in_fit(model, data)
  # Omitted rows are not in the model frame.
  model["na_action"] <- list(NULL)
  new <- list(
    .fitted = fitted.rlmm(model),
    .resid = residuals.rlmm(model),
    .scresid = residuals.rlmm(model, type = "pearson", scaled = TRUE),
    .fixed = predict.rlmm(model, re.form = NA, type = "response"),
    .hat = hatvalues.rlmm(model),
    .cooksd = cooks.distance.rlmm(model)
  )
  data[names(new)] <- lapply(new, unname)
  data
}

rows_in_fit <- function(fit, data) {
  omitted <- fit$na_action
  n <- nrow(fit_frame(fit))
  if (length(omitted) > 0L && nrow(data) == n + length(omitted)) {
    data <- data[-omitted, , drop = FALSE]
  }
  if (nrow(data) != n) {
    abort_fortify_rows(nrow(data), n)
  }
  data
}

abort_fortify_rows <- function(found, n) {
  abort_argument(
    "`data` must have one row for each observation of the fit.",
    x = sprintf("It has %s, not %s.", plural(found, "row"), format_count(n)),
    arg = "data"
  )
}

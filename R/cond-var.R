#' Conditional variances of the random effects
#'
#' The covariance matrices of the random effects given the observed data, at the estimated
#' parameters: the diagonal blocks of `sigma^2 Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'`.
#'
#' For a generalized model W holds the working weights at the modes: the variances are those of the
#' normal distribution with the mode and the curvature of the conditional density.
#'
#' @param object A fit.
#' @param scaled Multiply by the residual variance?
#' @param ... Not used.
#' @return A list with one k x k x l array for each random-effects term (k effects for each of l
#'   levels), in the order of [VarCorr()].
#' @examples
#' fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
#' condVar(fit)$Batch[1, 1, ]
#' @export
condVar.rlmm <- function(object, scaled = TRUE, ...) {
  refuse_dots(...)
  by_core_term <- fit_cond_var(object)
  scale <- if (scaled) effects_sigma(object)^2 else 1
  arrays <- lapply(object$random, function(term) {
    within <- term$core_cols
    out <- scale *
      by_core_term[[term$core_term]][within, within, , drop = FALSE]
    dimnames(out) <- list(term$columns, term$columns, term$levels)
    out
  })
  stats::setNames(arrays, component_names(object))
}

#' Leverage and related diagnostics
#'
#' `hatvalues()` returns the leverage of each observation: the diagonal of the matrix H such that
#' the conditional fitted values are H y at fixed theta (apart from an offset). It includes fixed
#' and random effects, so that its sum is the effective number of parameters of the conditional
#' mean, between p and p + q. With prior weights H is that of the weighted problem, sqrt(w) y.
#'
#' `rstandard()` and `rstudent()` divide the Pearson residuals by sigma sqrt(1 - h); as in lme4,
#' sigma is not estimated again without the observation. `cooks.distance()` is their square times h
#' / ((1 - h) p), with p the rank of the fixed part. Theta is held fixed in all of them.
#'
#' For a generalized model the diagnostics are those of the working linear model in the last PIRLS
#' iteration. lme4 (2.1) treats the weights of such a model differently, and notes that its values
#' may not be meaningful: for the binomial model of `cbpp` with 19 effects they add up to 163 there,
#' and to 13.3 here. `rstudent()` has the sign of the deviance residual d and the absolute value
#' sqrt(d^2 + h p^2 / (1 - h)), with p the Pearson residual, as for [glm()] up to R 4.5 (Williams
#' 1987): its square approximates the change of the deviance without the observation. It is divided
#' by sigma if the family has a dispersion.
#' @param model A fitted model.
#' @param fullHatMatrix Whether to return the whole n x n matrix instead of its diagonal, for small
#'   data.
#' @param ... Not used; any argument here is an error.
#' @return A named numeric vector, padded with `NA` under `na.action = na.exclude`; with
#'   `fullHatMatrix`, a symmetric matrix of class `dsyMatrix`.
#' @examples
#' fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
#' sum(hatvalues(fit))
#' head(cooks.distance(fit))
#' @importFrom stats hatvalues
#' @export
hatvalues.rlmm <- function(model, fullHatMatrix = FALSE, ...) {
  refuse_dots(...)
  check_flag(fullHatMatrix, "fullHatMatrix")
  if (fullHatMatrix) {
    return(hat_matrix(model))
  }
  stats::naresid(model$na_action, row_named(model, fit_leverage(model)))
}

#' @rdname hatvalues.rlmm
#' @importFrom stats cooks.distance
#' @export
cooks.distance.rlmm <- function(model, ...) {
  refuse_dots(...)
  h <- hatvalues.rlmm(model)
  left <- (1 - h) * n_coefficients(model)
  stats::rstandard(model)^2 * h / left
}

#' @rdname hatvalues.rlmm
#' @importFrom stats rstandard
#' @export
rstandard.rlmm <- function(model, ...) {
  refuse_dots(...)
  r <- residuals.rlmm(model, type = "scaled") / sqrt(1 - hatvalues.rlmm(model))
  # An observation with leverage one has no standardized residual.
  r[is.infinite(r)] <- NaN
  r
}

#' @rdname hatvalues.rlmm
#' @importFrom stats rstudent
#' @export
rstudent.rlmm <- function(model, ...) {
  refuse_dots(...)
  rstandard.rlmm(model, ...)
}

#' @export
rstudent.rlmm_glmm <- function(model, ...) {
  refuse_dots(...)
  h <- hatvalues.rlmm(model)
  d <- residuals.rlmm(model, type = "deviance")
  p <- residuals.rlmm(model, type = "pearson")
  size <- sqrt(d^2 + h * p^2 / (1 - h))
  r <- sign(d) * size / model$sigma
  r[is.infinite(r)] <- NaN
  r
}

#' The hat matrix H = Q Q', where Q has the rows of the observations in an orthonormal basis of
#' [W^1/2 Z Lambda, W^1/2 X; I, 0]
#' @noRd
hat_matrix <- function(fit) {
  fit <- in_orthogonal_columns(fit)
  x <- free_matrix(fit)
  check_hat_matrix_fits(nrow(x), ncol(x) + sum(lengths(fit$b)))
  z_lambda <- as.matrix(random_matrix(fit) %*% lambda_matrix(fit))
  top <- root_weights(fit) * cbind(z_lambda, x)
  bottom <- diag(1, ncol(z_lambda), ncol(top))
  basis <- qr.Q(qr(rbind(top, bottom)))
  basis <- basis[seq_len(nrow(x)), , drop = FALSE]
  rownames(basis) <- row.names(fit$frame)
  h <- tcrossprod(basis)
  Matrix::forceSymmetric(Matrix::Matrix(h, sparse = FALSE))
}

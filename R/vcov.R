#' Covariance matrix of the estimates, and the residual standard deviation
#'
#' The covariance matrix of the fixed effects is `sigma^2 (X' V^-1 X)^-1` with `V = W^-1 + Z Lambda Lambda' Z'`.
#' Standard errors are the square roots of its diagonal: also `coef(summary(fit))[, "Std. Error"]` and `getME(fit,
#' "stderror")`.
#'
#' @param object A fit.
#' @param correlation Attach the correlation matrix as attribute `"correlation"`?
#' @param sigm The residual standard deviation; lme4's name.
#' @param full Return the joint covariance matrix of the random effects' prediction errors and the fixed effects? It
#'   has q + p rows: the random effects first, by factor and level and named as in lme4 ("Subject.308.Days"), then
#'   the fixed effects.
#' @param complete Include rows and columns of `NA` for coefficients that were dropped?
#' @param ... Not used.
#' @return `vcov()`: a base matrix with row and column names. `sigma()`: a number.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' vcov(fit)
#' sqrt(diag(vcov(fit)))
#' sigma(fit)
#' dim(vcov(fit, full = TRUE))
#' @importFrom stats vcov
#' @export
vcov.rlmm <- function(object, correlation = FALSE, sigm = stats::sigma(object), full = FALSE, complete = FALSE, ...) {
  covariance <- sigm^2 * (if (full) unscaled_joint_covariance(object) else unscaled_covariance(object))
  if (complete && !full) covariance <- pad_with_na(covariance, full_column_names(object))
  if (correlation) attr(covariance, "correlation") <- stats::cov2cor(covariance)
  covariance
}

#' @rdname vcov.rlmm
#' @importFrom stats sigma
#' @export
sigma.rlmm <- function(object, ...) object$sigma

standard_errors <- function(fit) fit$sigma * sqrt(diag(unscaled_covariance(fit)))

unscaled_covariance <- function(fit) {
  out <- if (length(fit$beta) > 0) chol2inv(fit$rx) else matrix(0, 0, 0)
  dimnames(out) <- list(names(fit$beta), names(fit$beta))
  out
}

#' Joint covariance of (b, beta) over sigma^2: the inverse of the penalized cross-products, with b = Lambda u.
#' @noRd
unscaled_joint_covariance <- function(fit) {
  parts <- sparse_factor(fit)
  lambda <- Matrix::t(sparse_lambdat(fit))
  q <- nrow(lambda)
  # Rows of L^-1 P Lambda': crossprod is Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'.
  half <- solve_lower(parts$l, Matrix::t(lambda))
  p <- length(fit$beta)
  rx_inverse <- if (p > 0) backsolve(fit$rx, diag(p)) else matrix(0, 0, 0)
  shift <- as.matrix(Matrix::crossprod(half, parts$rzx)) %*% rx_inverse
  b_part <- as.matrix(Matrix::crossprod(half)) + tcrossprod(shift)
  cross <- -tcrossprod(shift, rx_inverse)
  out <- rbind(cbind(b_part, cross), cbind(t(cross), unscaled_covariance(fit)))
  labels <- c(mode_names(fit), names(fit$beta))
  dimnames(out) <- list(labels, labels)
  by_level <- c(level_order(fit), nrow(b_part) + seq_along(fit$beta))
  out[by_level, by_level]
}

# lme4's order: the terms of a factor are joined, level by level.
level_order <- function(fit) {
  k <- n_columns(fit)
  group <- match(term_groups(fit), unique(term_groups(fit)))
  times <- k * n_levels(fit)
  level <- unlist(Map(\(k, l) rep(seq_len(l), each = k), k, n_levels(fit)))
  order(rep(group, times), level, rep(seq_along(k), times))
}

#' "Subject.308.(Intercept)": one name per random effect, in the order of Z's columns.
#' @noRd
mode_names <- function(fit) {
  unlist(lapply(fit$random, \(term) {
    paste(term$group, rep(term$levels, each = length(term$columns)), term$columns, sep = ".")
  }))
}

pad_with_na <- function(covariance, all_names) {
  out <- matrix(NA_real_, length(all_names), length(all_names), dimnames = list(all_names, all_names))
  out[rownames(covariance), colnames(covariance)] <- covariance
  out
}

#' Covariance matrix of the estimates, and the residual standard deviation
#'
#' For a linear mixed model the covariance matrix of the fixed effects is `sigma^2 (X' V^-1 X)^-1`
#' with `V = W^-1 + Z Lambda Lambda' Z'`. The square roots of its diagonal are the standard errors,
#' also available as `coef(summary(fit))[, "Std. Error"]` and `getME(fit, "stderror")`.
#'
#' For a generalized linear mixed model, as in lme4, the matrix is the block of the fixed effects in
#' twice the inverse Hessian of the deviance in all parameters, which accounts for the estimation of
#' theta. `use.hessian = FALSE` gives the matrix at fixed theta, from the working linear model; so
#' do fits with `nAGQ = 0`, and `full = TRUE`.
#'
#' The matrix has no rows for fixed factors with many levels (see [rlmm()]), but is adjusted for
#' them; [fixed_levels()] returns the standard errors of the levels.
#'
#' `type = "Kenward-Roger"` is the adjusted matrix of Kenward and Roger for linear REML fits, see
#' [summary()][summary.rlmm].
#'
#' @param object A fitted model.
#' @param type The type of matrix: `"model"`, under the model; `"Kenward-Roger"`; or `"CR0"`,
#'   `"CR1"`, `"CR1S"`, `"CR2"` or `"HC0"`, robust matrices, see [robust].
#' @param cluster The clusters of robust matrices, see [robust].
#' @param correlation Whether to attach the correlation matrix as the attribute `"correlation"`.
#' @param sigm The residual standard deviation (named as in lme4); one if the dispersion is already
#'   in the weights, see [rglmm()].
#' @param full Whether to return the joint covariance matrix of the prediction errors of the random
#'   effects and the estimates of the fixed effects. It has q + p rows: first the random effects, by
#'   factor and level and named as in lme4 ("Subject.308.Days"), then the fixed effects. The matrix
#'   is dense, and an error for more than 10,000 rows.
#' @param complete Whether to include rows and columns of `NA` for dropped coefficients.
#' @param use.fallback Not used; an argument of the generic.
#' @param use.hessian For generalized models, whether to use the Hessian in all parameters.
#' @param ... Not used.
#' @return `vcov()`: a matrix with row and column names. `sigma()`: a number.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' vcov(fit)
#' sqrt(diag(vcov(fit)))
#' vcov(fit, type = "Kenward-Roger")
#' sigma(fit)
#' dim(vcov(fit, full = TRUE))
#' @importFrom stats vcov
#' @export
vcov.rlmm <- function(
  object,
  correlation = FALSE,
  sigm = effects_sigma(object),
  full = FALSE,
  use.hessian = NULL,
  type = "model",
  ...,
  complete = FALSE,
  cluster = NULL
) {
  refuse_dots(...)
  types <- c("model", "kenward-roger", robust_types)
  type <- one_of_words(type, types, "type")
  if (!is.null(cluster) && !type %in% robust_types) {
    abort_cluster_alone("type")
  }
  type_meant <- if (is.character(correlation) && correlation[1L] %in% types) {
    sprintf("Write `type = \"%s\"`?", correlation[1L])
  }
  check_flag(correlation, "correlation", type_meant)
  check_flag(full, "full")
  check_flag(complete, "complete")
  check_nonnegative(sigm, "sigm")
  if (!is.null(use.hessian)) {
    check_flag(use.hessian, "use.hessian")
  }
  covariance <- if (full) {
    sigm^2 * unscaled_joint_covariance(object)
  } else {
    switch(
      type,
      model = fixed_covariance(object, sigm, use.hessian),
      `kenward-roger` = kenward_roger(object)$covariance,
      robust_by(object, type, cluster)$covariance
    )
  }
  if (complete && !full) {
    abort_if_large(object, "The covariance matrix of all coefficients")
    covariance <- pad_with_na(covariance, full_column_names(object))
  }
  if (correlation) with_correlation(covariance) else covariance
}

with_correlation <- function(covariance) {
  structure(covariance, correlation = correlation_matrix(covariance))
}

#' @rdname vcov.rlmm
#' @importFrom stats sigma
#' @export
sigma.rlmm <- function(object, use.fallback = FALSE, ...) {
  refuse_dots(...)
  object$sigma
}

#' The joint covariance of (b, beta) over sigma^2: the inverse of the penalized cross-products, with
#' b = Lambda u
#' @noRd
unscaled_joint_covariance <- function(fit) {
  abort_if_large(fit, "The joint covariance matrix")
  n_effects <- sum(n_columns(fit) * n_levels(fit))
  check_joint_size(n_effects + length(fit$beta))
  out <- joint_covariance_by_term(fit)
  labels <- c(mode_names(fit), names(fit$beta))
  dimnames(out) <- list(labels, labels)
  modes <- level_order(fit)
  by_level <- c(modes, length(modes) + seq_along(fit$beta))
  out[by_level, by_level]
}

joint_covariance_by_term <- function(fit) {
  free <- free_beta(fit)
  blocks <- joint_blocks(fit)
  cross <- matrix(0, nrow(blocks$effects), length(free))
  cross[, free] <- blocks$cross
  rbind(
    cbind(blocks$effects, cross),
    cbind(t(cross), unscaled_covariance(fit))
  )
}

#' The blocks of the joint covariance: that of the random effects, and theirs with the free
#' coefficients
#' @noRd
joint_blocks <- function(fit) {
  factor <- sparse_factor(fit)
  # The cross-product of L^-1 P Lambda' is Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'.
  half <- solve_lower(factor$l, sparse_lambdat(fit))
  rx_inverse <- inverse_root(fit)
  shift <- as.matrix(Matrix::crossprod(half, factor$rzx))
  shift <- shift %*% rx_inverse
  list(
    effects = as.matrix(Matrix::crossprod(half)) + tcrossprod(shift),
    cross = -tcrossprod(shift, rx_inverse)
  )
}

check_joint_size <- function(n, limit = 10000) {
  if (n <= limit) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The joint covariance matrix of random and fixed effects must have 10,000 rows at most.",
      x = paste0(
        "It has ",
        format_count(n),
        ", which take ",
        format(8 * n^2 / 2^30, digits = 2L),
        " GB."
      ),
      i = "`ranef(fit, condVar = TRUE)` has the covariances within each level.",
      i = "`predict(fit, se.fit = TRUE)` has standard errors of predictions."
    ),
    "rlmm_error_size",
    rows = n
  )
}

# The order of the random effects in lme4, in which the terms of a factor are combined level by
# level.
level_order <- function(fit) {
  k <- n_columns(fit)
  group <- match(term_groups(fit), unique(term_groups(fit)))
  n <- n_levels(fit)
  times <- k * n
  numbers <- Map(\(k, n) rep(seq_len(n), each = k), k, n)
  level <- unlist(numbers)
  order(
    rep(group, times),
    level,
    rep(seq_along(k), times)
  )
}

#' The names of the random effects, such as "Subject.308.(Intercept)", in the order of the columns
#' of Z
#' @noRd
mode_names <- function(fit) {
  unlist(lapply(fit$random, \(term) {
    paste(
      term$group,
      rep(term$levels, each = length(term$columns)),
      term$columns,
      sep = "."
    )
  }))
}

# The correlation matrix of a covariance matrix. A held coefficient has no correlations (`NaN`), as
# it is known without error.
correlation_matrix <- function(covariance) {
  sd <- sqrt(diag(covariance))
  out <- covariance / outer(sd, sd)
  diag(out) <- 1
  out
}

pad_with_na <- function(covariance, all_names) {
  out <- matrix(
    NA_real_,
    length(all_names),
    length(all_names),
    dimnames = list(all_names, all_names)
  )
  out[rownames(covariance), colnames(covariance)] <- covariance
  out
}

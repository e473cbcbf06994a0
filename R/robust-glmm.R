# Robust covariance matrices of generalized models, from scores that are derivatives of the
# (approximate) log-likelihood of each independent group in all parameters.

#' @export
robust_covariance.rlmm_glmm <- function(fit, type, clusters) {
  check_robust_glmm(fit, type)
  groups <- independent_groups(fit)
  for (name in names(clusters)) {
    check_holds_groups(clusters[[name]], groups, name)
  }
  covariance <- clustered_covariance(fit, type, clusters, groups)
  warn_if_negative(covariance)
  list(
    covariance = covariance,
    type = type,
    clusters = clusters
  )
}

# The sandwich estimator for the fixed effects, with the scores of independent groups summed by
# cluster.
clustered_covariance <- function(fit, type, clusters, groups) {
  fit <- in_orthogonal_columns(with_unstructured_pairs(fit))
  kept <- estimated_parameters(fit)
  bread <- inverse_information(fit, kept)
  scores <- group_scores(fit, groups)[, kept, drop = FALSE] %*% bread
  first <- match(levels(groups), groups)
  of_groups <- lapply(clusters, \(cluster) cluster[first])
  one <- \(cluster) {
    cluster <- droplevels(cluster)
    sums <- rowsum(scores, as.integer(cluster))
    factor <- glmm_sample_factor(type, nlevels(cluster), fit)
    factor * crossprod(sums)
  }
  covariance <- sum_over_clusterings(lapply(of_groups, one), of_groups, one)
  at <- match(length(fit$theta) + seq_along(fit$beta), kept)
  root <- fit$basis$fixed
  covariance <- original_covariance(covariance[at, at, drop = FALSE], root)
  dimnames(covariance) <- list(names(fit$beta), names(fit$beta))
  covariance
}

# The inverse of the observed information about some parameters.
inverse_information <- function(fit, kept) {
  information <- -hessian.rlmm_glmm(fit)[kept, kept, drop = FALSE]
  tryCatch(solve(information), error = \(cnd) abort_no_information())
}

abort_no_information <- function() {
  abort_rlmm(
    c(
      "There is no robust covariance matrix of this fit.",
      x = "The observed information about its parameters is singular.",
      i = "Are some responses separated? See `certificate()`."
    ),
    "rlmm_error_not_available"
  )
}

#' The derivatives of the log-likelihood of each group, with a row for each
#' @noRd
group_scores <- function(fit, groups) {
  specs <- specs_of_groups(fit_spec(fit), groups)
  scores <- vapply(
    specs,
    \(spec) -core_glmm_gradient(spec, fit$parameters) / 2,
    as.double(fit$parameters)
  )
  t(matrix(scores, ncol = length(specs)))
}

# Held parameters and variances of zero count as known.
estimated_parameters <- function(fit) {
  setdiff(seq_along(fit$parameters), c(held_index(fit), boundary_theta(fit)))
}

glmm_sample_factor <- function(type, m, fit) {
  n <- nobs.rlmm(fit)
  p <- length(fit$beta)
  switch(
    type,
    CR0 = 1,
    CR1 = m / (m - 1),
    CR1S = m * (n - 1) / ((m - 1) * (n - p))
  )
}

check_robust_glmm <- function(fit, type) {
  if (!type %in% c("CR0", "CR1", "CR1S")) {
    abort_glmm(
      sprintf("`type = \"%s\"`", type),
      "There are \"CR0\", \"CR1\" and \"CR1S\"."
    )
  }
  if (!has_hessian(fit)) {
    abort_glmm("A robust covariance matrix of a fit with `nAGQ = 0`")
  }
  if (has_scale(fit) && !estimates_shape(fit$glmm)) {
    abort_glmm(
      "A robust covariance matrix of a fit whose dispersion isn't estimated by maximum likelihood",
      "Fit with `dispersion = \"estimated\"`."
    )
  }
}

check_holds_groups <- function(cluster, groups, name) {
  if (is_nested(groups, cluster)) {
    return(invisible())
  }
  abort_argument(
    "The clusters of a generalized model must hold each random effect as a whole.",
    x = sprintf(
      "Rows of several clusters of %s share random effects.",
      tick(name)
    ),
    arg = "cluster",
    class = "rlmm_error_cluster"
  )
}

# Covariance matrices of the fixed effects that are robust to a wrong model of the errors within
# clusters: sandwiches of the scores of the clusters (Liang and Zeger 1986), with the bias reduction
# "CR2" and degrees of freedom of Pustejovsky and Tipton (2018).
#
# The estimates are Phi C'y with C = V^-1 X, Phi = (X'C)^-1. With the residuals e = y - X beta, of
# covariance sigma^2 (V - X Phi X'), the score of cluster g is C_g' A_g e_g. CR2 chooses the
# symmetric matrix A_g for which A_g (V - X Phi X')_gg A_g = V_gg: as if the model were true, the
# estimator has no bias then. Nothing here needs V to be block diagonal by clusters.

#' Robust standard errors
#'
#' Standard errors of the fixed effects that don't trust the model's covariances within clusters:
#' `vcov(fit, type = "CR2", cluster = ~ g)`, and the arguments `vcov = "CR2", cluster = ~ g` of
#' [summary()][summary.rlmm], [contest()], [anova()][anova.rlmm] and [confint()][confint.rlmm].
#'
#' @section Types: Each is a sandwich of the scores of the clusters, with the model's covariance
#' matrix as its working model; the estimates stay what they are.
#'
#' * `"CR0"`: without a correction for few clusters; variances are too small then.
#' * `"CR1"`: times m / (m - 1) for m clusters; `"CR1S"`: times m (n - 1) / ((m - 1) (n - p)),
#' Stata's.
#' * `"CR2"`: the bias-reduced matrix of Bell and McCaffrey (2002), which has no bias if the model
#'   is true and clusters share no random effects. With the degrees of freedom below its tests hold
#'   their level with about ten clusters.
#' * `"HC0"`: every row is a cluster of its own.
#'
#' @section Clusters: `cluster` is a formula with variables of the model or its data, such as `~ g`,
#' `~ g:h` for their combinations, or `~ g + h` for two clusterings at once; or names of such
#' variables, a vector with a value for each row, or a list of vectors. By default the clusters are
#' the levels of the grouping factor that all others are nested in; with crossed factors, there are
#' several clusterings.
#'
#' Clusters may cut through the levels of a random effect: with crossed factors the marginal
#' covariance matrix isn't block diagonal, and the scores are rows of V^-1 X times the marginal
#' residuals. With two or more clusterings the covariance matrices of each are added up, and those
#' of their combinations subtracted (Cameron, Gelbach and Miller 2011). A variance may come out
#' negative where there are few clusters; a warning says so.
#'
#' @section Degrees of freedom: For one clustering of a linear model they are Satterthwaite's, as if
#' the model were true (Pustejovsky and Tipton 2018), and tests of several coefficients are their
#' approximate Hotelling's T-squared test (`"HTZ"` in package clubSandwich, whose numbers these
#' are); for several clusterings, and for more than 5,000 clusters that share random effects, the
#' smallest number of clusters, less one; for `"HC0"` and generalized models infinite. `ddf` may say
#' otherwise: see [summary()][summary.rlmm]. There is no joint test of as many coefficients as there
#' are clusters, or more.
#'
#' @section Generalized models: `"CR0"`, `"CR1"` and `"CR1S"`, from the derivatives of each
#' independent group's log-likelihood in all parameters, so that clusters can't be smaller than the
#' groups that share random effects. The bias that `"CR2"` takes off is that of a linear estimator:
#' there is none of these models (nor in clubSandwich).
#'
#' @section Package sandwich: `estfun()` and `bread()` have methods, with which
#' `sandwich::sandwich()`, `sandwich::vcovCL()` and others take linear fits. `sandwich::vcovHC()`
#' has `"HC0"` alone, `vcovCL()` `"HC0"` and `"HC1"`: the other types correct for leverages of
#' models without random effects. Clusters are given as a vector, `vcovCL(fit, cluster = data$g)`:
#' for a formula, `cluster = ~ g`, sandwich computes the `x | g` of the model's own formula, which R
#' warns of where `g` is a factor; where that is an error, ours says what to write.
#' @references
#' Bell, R. M. and McCaffrey, D. F. (2002) Bias reduction in standard errors for linear regression
#' with multi-stage samples. Survey Methodology 28, 169-181.
#'
#' Cameron, A. C., Gelbach, J. B. and Miller, D. L. (2011) Robust inference with multiway
#' clustering. Journal of Business and Economic Statistics 29, 238-249.
#'
#' Pustejovsky, J. E. and Tipton, E. (2018) Small-sample methods for cluster-robust variance
#' estimation and hypothesis testing in fixed effects models. Journal of Business and Economic
#' Statistics 36, 672-683.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' vcov(fit, type = "CR2")
#' coef(summary(fit, vcov = "CR2"))
#' confint(fit, vcov = "CR2")
#' contest(fit, diag(2), vcov = "CR2")
#'
#' # Crossed clusters
#' crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
#' coef(summary(crossed, vcov = "CR1", cluster = ~ plate + sample))
#'
#' herds <- rglmm(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial)
#' coef(summary(herds, vcov = "CR1"))
#' @name robust
NULL

robust_types <- c("CR0", "CR1", "CR1S", "CR2", "HC0")

#' A robust covariance matrix, and what the degrees of freedom need
#' @param type One of `robust_types`.
#' @param clusters What `read_clusters()` returns.
#' @return A list: `covariance`, `type`, `clusters`; and `ways`, what `one_way()` returns for each
#'   clustering.
#' @noRd
robust_covariance <- function(fit, type, clusters) {
  UseMethod("robust_covariance")
}

#' A robust covariance matrix by the clusters that a user names, for a fit whose rows may stand for
#' several equal ones
#' @noRd
robust_by <- function(fit, type, cluster) {
  abort_if_large(fit, "A robust covariance matrix")
  fit <- with_all_rows(fit)
  robust_covariance(fit, type, read_clusters(fit, cluster))
}

#' @export
robust_covariance.rlmm_lmm <- function(fit, type, clusters) {
  covariance <- 0 * fixed_covariance(fit)
  if (n_free_beta(fit) == 0L) {
    return(list(covariance = covariance, type = "HC0"))
  }
  parts <- marginal_scores(fit)
  ways <- lapply(clusters, \(cluster) one_way(parts, cluster, type))
  free <- parts$free
  covariance[free, free] <- ways_covariance(ways, parts, clusters, type)
  warn_if_negative(covariance)
  list(
    covariance = covariance,
    type = type,
    clusters = clusters,
    ways = ways,
    parts = parts
  )
}

ways_covariance <- function(ways, parts, clusters, type) {
  sum_over_clusterings(
    lapply(ways, `[[`, "covariance"),
    clusters,
    \(shared) one_way(parts, shared, type)$covariance
  )
}

#' The covariance matrix for several clusterings: what they share is counted once (Cameron, Gelbach
#' and Miller 2011)
#' @param each The covariance matrix of each clustering.
#' @param one A function: the covariance matrix of a clustering.
#' @noRd
sum_over_clusterings <- function(each, clusters, one) {
  covariance <- Reduce(`+`, each)
  for (set in intersections(clusters)) {
    shared <- one(interaction(clusters[set], drop = TRUE))
    covariance <- covariance + (-1)^(length(set) + 1) * shared
  }
  covariance
}

#' The sets of two and more clusterings
#' @noRd
intersections <- function(clusters) {
  n <- length(clusters)
  sizes <- seq_len(n)[-1L]
  of_size <- \(size) utils::combn(n, size, simplify = FALSE)
  do.call(c, lapply(sizes, of_size))
}

warn_if_negative <- function(covariance) {
  negative <- rownames(covariance)[diag(covariance) < 0]
  if (length(negative) > 0L) {
    warn_rlmm(
      c(
        "A robust variance for several clusterings is negative.",
        x = paste0("That of ", enumerate(tick(negative)), "."),
        i = "There are too few clusters for it: cluster by one factor."
      ),
      "rlmm_warning_negative_variance"
    )
  }
}

#' The rows of positive weight: X, C = V^-1 X, residuals, and Z Lambda
#'
#' X stands in orthonormal columns, X = QR: see [orthonormal_effects()].
#' @noRd
marginal_scores <- function(fit) {
  weights <- working_weights(fit)
  kept <- weights > 0
  free <- free_beta(fit)
  all_x <- fixed_matrix(fit)
  residual <- marginal_residuals(fit, all_x)
  effects <- orthonormal_effects(all_x[, free, drop = FALSE], weights)
  x <- effects$q
  at <- lambdat_zt(fit)
  solved <- marginal_solve(fit, at, x)
  list(
    free = free,
    kept = kept,
    x = x[kept, , drop = FALSE],
    c = solved[kept, , drop = FALSE],
    residual = residual[kept],
    weights = weights[kept],
    zlt = at[, kept, drop = FALSE],
    phi = chol2inv(chol(crossprod(x, solved))),
    root = effects$root
  )
}

# What X beta and the offset leave of the response.
marginal_residuals <- function(fit, x) {
  residual <- fit_response(fit)$y - drop(x %*% fit$beta)
  residual - (fit_offset(fit) %||% 0)
}

#' V^-1 of a matrix, W - W Z Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'Z'W times it
#' @noRd
marginal_solve <- function(fit, at, x) {
  weights <- working_weights(fit)
  factor <- sparse_factor(fit)
  inner <- Matrix::solve(factor$l, at %*% (weights * x))
  weights * (x - as.matrix(Matrix::crossprod(at, inner)))
}

# One clustering ----------------------------------------------------------------

#' The sandwich of one clustering
#' @return A list: `covariance`; `h`, the matrix whose rows of cluster g are A_g C_g Phi (times the
#'   factor of small samples); `cluster`; and `n_clusters`.
#' @noRd
one_way <- function(parts, cluster, type) {
  cluster <- droplevels(cluster[parts$kept])
  m <- nlevels(cluster)
  if (type == "HC0") {
    cluster <- factor(seq_along(cluster))
  }
  adjusted <- if (type == "CR2") reduce_bias(parts, cluster) else parts$c
  by_q <- sqrt(small_sample_factor(type, m, parts)) * adjusted %*% parts$phi
  h <- t(backsolve(parts$root, t(by_q)))
  scores <- rowsum(h * parts$residual, as.integer(cluster))
  list(
    covariance = crossprod(scores),
    h = h,
    cluster = cluster,
    n_clusters = m
  )
}

small_sample_factor <- function(type, m, parts) {
  n <- nrow(parts$x)
  p <- ncol(parts$x)
  switch(
    type,
    CR1 = m / (m - 1),
    CR1S = m * (n - 1) / ((m - 1) * (n - p)),
    1
  )
}

#' A_g C_g for all clusters, a row for each row of the data
#' @noRd
reduce_bias <- function(parts, cluster) {
  rows <- split(seq_along(cluster), cluster)
  check_cluster_size(lengths(rows), parts$weights)
  for (at in rows) {
    z <- cluster_effects(parts$zlt, at)
    w <- parts$weights[at]
    x <- parts$x[at, , drop = FALSE]
    parts$c[at, ] <- adjust_cluster(
      z,
      x,
      w,
      parts$phi,
      parts$c[at, , drop = FALSE]
    )
  }
  parts$c
}

# Z Lambda of some rows, without the columns that are zero there.
cluster_effects <- function(zlt, rows) {
  own <- zlt[, rows, drop = FALSE]
  own <- own[unique(own@i) + 1L, , drop = FALSE]
  t(as.matrix(own))
}

#' A C of one cluster, A = D' (D G D')^(-1/2) D with D'D = V and G = V - X Phi X'
#'
#' With equal weights V and G are multiples of the identity outside the space of Z and X, where A is
#' the identity.
#' @noRd
adjust_cluster <- function(z, x, weights, phi, c) {
  has_room <- nrow(x) > ncol(x) + ncol(z)
  if (!is_constant(weights) || !has_room) {
    return(adjusted(tcrossprod(z), x, 1 / weights, phi, c))
  }
  basis <- qr.Q(qr(cbind(z, x)))
  inside <- crossprod(basis, c)
  zz <- tcrossprod(crossprod(basis, z))
  residual <- rep(1 / weights[1L], ncol(basis))
  moved <- adjusted(zz, crossprod(basis, x), residual, phi, inside)
  c + basis %*% (moved - inside)
}

is_constant <- function(x) all(x == x[1L])

# A C, with V = zz + diag(residual).
adjusted <- function(zz, x, residual, phi, c) {
  # Any root D with D'D = V will do: A is the same for all.
  root <- chol(zz + diag(residual, nrow(x)))
  product <- tcrossprod(root)
  rx <- root %*% x
  middle <- tcrossprod(product) - tcrossprod(rx %*% phi, rx)
  parts <- positive_eigen(middle)
  along <- crossprod(parts$vectors, root %*% c) / sqrt(parts$values)
  crossprod(root, parts$vectors %*% along)
}

#' The eigenvectors of a positive semi-definite matrix whose eigenvalues aren't zero
#' @noRd
positive_eigen <- function(x) {
  parts <- eigen(symmetric_part(x), symmetric = TRUE)
  kept <- parts$values > 1e-12 * max(parts$values)
  list(
    values = parts$values[kept],
    vectors = parts$vectors[, kept, drop = FALSE]
  )
}

check_cluster_size <- function(sizes, weights, limit = 3000) {
  if (max(sizes) <= limit || is_constant(weights)) {
    return(invisible())
  }
  abort_argument(
    "`type = \"CR2\"` with weights is for smaller clusters.",
    x = sprintf(
      "The largest one has %s rows; the limit is %s.",
      format_count(max(sizes)),
      format_count(limit)
    ),
    i = "Use \"CR1S\".",
    arg = "type"
  )
}

#' Which standard errors a table has
#' @noRd
robust_note <- function(found) {
  if (found$type == "HC0") {
    return("Robust standard errors: HC0.")
  }
  sizes <- vapply(found$clusters, nlevels, 1L)
  of <- sprintf(
    "%s of %s",
    format_count_each(sizes),
    tick(names(found$clusters))
  )
  sprintf(
    "Robust standard errors: %s, clusters: %s.",
    found$type,
    enumerate(of)
  )
}

format_count_each <- function(n) vapply(n, format_count, "")

# Cluster-robust covariance matrices of the fixed effects: sandwich estimators from the scores of
# the clusters (Liang and Zeger 1986), with the bias reduction "CR2" and the degrees of freedom of
# Pustejovsky and Tipton (2018).
#
# The estimates are Phi C'y with C = V^-1 X and Phi = (X'C)^-1. With the residuals e = y - X beta,
# whose covariance is sigma^2 (V - X Phi X'), the score of cluster g is C_g' A_g e_g. CR2 uses the
# symmetric matrix A_g for which A_g (V - X Phi X')_gg A_g = V_gg, so that the estimator is unbiased
# under the model. V need not be block-diagonal by clusters.

#' Robust standard errors
#'
#' Standard errors of the fixed effects that are valid if the model's covariances within clusters
#' are wrong: `vcov(fit, type = "CR2", cluster = ~ g)`, or the arguments `vcov = "CR2", cluster = ~
#' g` of [summary()][summary.rlmm], [contest()], [anova()][anova.rlmm] and
#' [confint()][confint.rlmm].
#'
#' @section Types: Each type is a sandwich estimator from the scores of the clusters, with the
#' model's covariance matrix as the working model; the estimates are unchanged.
#'
#' * `"CR0"`: without a correction for a small number of clusters, in which case variances are too
#'   small.
#' * `"CR1"`: multiplied by m / (m - 1) for m clusters.
#' * `"CR1S"`: multiplied by m (n - 1) / ((m - 1) (n - p)), as in Stata.
#' * `"CR2"`: the bias-reduced matrix of Bell and McCaffrey (2002), which is unbiased if the model
#'   is true and clusters share no random effects. With the degrees of freedom below, tests have
#'   about their nominal level with ten or more clusters.
#' * `"HC0"`: every row is a cluster.
#'
#' @section Clusters: `cluster` is a formula with variables of the model or its data, such as `~ g`,
#' `~ g:h` for the interaction, or `~ g + h` for two clusterings; or names of such variables, a
#' vector with a value for each row, or a list of vectors. By default the clusters are the levels of
#' the grouping factor in which all others are nested; with crossed factors there are several
#' clusterings.
#'
#' Levels of a random effect may be in several clusters: with crossed factors the marginal
#' covariance matrix isn't block-diagonal, and the scores are rows of V^-1 X times the marginal
#' residuals. With two or more clusterings their covariance matrices are added and those of the
#' interactions subtracted (Cameron, Gelbach and Miller 2011). With few clusters the result may be a
#' negative variance, with a warning.
#'
#' @section Degrees of freedom: For one clustering of a linear model the degrees of freedom are
#' Satterthwaite's under the model (Pustejovsky and Tipton 2018), and joint tests of several
#' coefficients are the approximate Hotelling T-squared test (`"HTZ"` in package clubSandwich, with
#' the same numbers). For several clusterings, and for more than 5,000 clusters that share random
#' effects, they are the smallest number of clusters minus one. For `"HC0"`, for generalized models,
#' and if `vcov` is a matrix or a function, they are infinite. `ddf` overrides this, see
#' [summary()][summary.rlmm]. There is no joint test of as many coefficients as there are clusters,
#' or more. For a matrix that is given as `vcov.`, `emmeans::emmeans()` keeps its own default, which
#' is Satterthwaite's; `lmer.df = "asymptotic"` gives those of `summary()`.
#'
#' @section Generalized models: `"CR0"`, `"CR1"` and `"CR1S"` are available, from the derivatives of
#' the log-likelihood of each independent group in all parameters; clusters must therefore consist
#' of whole groups that share random effects. `"CR2"` corrects the bias of a linear estimator and
#' doesn't exist for these models (nor in clubSandwich).
#'
#' @section Package sandwich: `estfun()` and `bread()` have methods, so that `sandwich::sandwich()`,
#' `sandwich::vcovCL()` and others accept linear fits. `sandwich::vcovHC()` only has `"HC0"`, and
#' `vcovCL()` `"HC0"` and `"HC1"`: other types contain corrections for models without random
#' effects. Give clusters as a vector, `vcovCL(fit, cluster = data$g)`: with a formula,
#' `cluster = ~ g`, sandwich evaluates `x | g` in the model formula as an R expression, which gives
#' a warning if `g` is a factor, or an error that says what to write.
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

#' A robust covariance matrix and the quantities for the degrees of freedom
#' @param type One of `robust_types`.
#' @param clusters The result of `read_clusters()`.
#' @return A list: `covariance`, `type`, `clusters`, and `ways`, the result of `one_way()` for each
#'   clustering.
#' @noRd
robust_covariance <- function(fit, type, clusters) {
  UseMethod("robust_covariance")
}

#' A robust covariance matrix for the user's clusters, for a fit whose rows may have counts
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

#' The covariance matrix for several clusterings, by inclusion and exclusion (Cameron, Gelbach and
#' Miller 2011)
#' @param each A list with the covariance matrix of each clustering.
#' @param one A function that returns the covariance matrix of a clustering.
#' @noRd
sum_over_clusterings <- function(each, clusters, one) {
  covariance <- Reduce(`+`, each)
  for (set in intersections(clusters)) {
    shared <- one(interaction(clusters[set], drop = TRUE))
    covariance <- covariance + (-1)^(length(set) + 1) * shared
  }
  covariance
}

#' The sets of two or more clusterings
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
#' X is given in orthonormal columns, X = QR, see [orthonormal_effects()].
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

# The marginal residuals y - X beta - offset.
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
#'   small-sample factor); `cluster`; and `n_clusters`.
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

#' A_g C_g for all clusters, with a row for each row of the data
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

# Z Lambda of some rows, without columns of zeros.
cluster_effects <- function(zlt, rows) {
  own <- zlt[, rows, drop = FALSE]
  own <- own[unique(own@i) + 1L, , drop = FALSE]
  t(as.matrix(own))
}

#' A C of one cluster, A = D' (D G D')^(-1/2) D with D'D = V and G = V - X Phi X'
#'
#' With equal weights, V and G are multiples of the identity outside the span of Z and X, where A is
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
  # A is the same for every root D with D'D = V.
  root <- chol(zz + diag(residual, nrow(x)))
  product <- tcrossprod(root)
  rx <- root %*% x
  middle <- tcrossprod(product) - tcrossprod(rx %*% phi, rx)
  parts <- positive_eigen(middle)
  along <- crossprod(parts$vectors, root %*% c) / sqrt(parts$values)
  crossprod(root, parts$vectors %*% along)
}

#' The eigenvectors of a positive semidefinite matrix with nonzero eigenvalues
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

#' The note about the type of standard errors in a table
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

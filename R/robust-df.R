# Degrees of freedom and scale of tests with robust covariance matrices.

# With u_g(l) = l'Phi C_g' A_g e_g, the estimated variance of l'beta is the sum of u_g(l)^2. If the
# model is true, u_g(k) and u_h(l) have the covariance P_gh(k, l), which gives the moments of the
# estimator. If V is block-diagonal by clusters, P is a diagonal matrix minus B_k Phi B_l';
# otherwise the matrix P of all clusters is formed.

#' The covariances of the scores of a clustering, for the rows of `L`
#' @return A list: `blocks`, whether V is block-diagonal; and, for each pair of rows, `d`, the
#'   diagonal, or in its place the whole P; `b`, a list of B for each row; and `phi`.
#' @noRd
score_moments <- function(parts, clustering, L) {
  n <- nrow(L)
  row_parts <- \(i) score_parts(parts, clustering, L[i, ])
  rows <- lapply(seq_len(n), row_parts)
  blocks <- is_block_diagonal(parts$zlt, clustering$cluster)
  covariance <- if (blocks) block_covariance else whole_covariance
  own <- \(one, other) {
    by_cluster(one$t * other$t / parts$weights, clustering)
  }
  d <- for_pairs(n, \(i, j) {
    own_ij <- drop(own(rows[[i]], rows[[j]]))
    covariance(
      own_ij,
      rows[[i]],
      rows[[j]],
      parts$phi
    )
  })
  fixed <- lapply(rows, `[[`, "fixed")
  list(
    blocks = blocks,
    d = d,
    b = fixed,
    phi = parts$phi
  )
}

# The components of the scores of a row l of `L`: `t`, A C Phi l, and by cluster the sums of
# Lambda'Z't (`effects`) and of X't (`fixed`).
score_parts <- function(parts, clustering, l) {
  t <- drop(clustering$h %*% l)
  list(
    t = t,
    effects = cluster_sums(parts$zlt, t, clustering$cluster),
    fixed = by_cluster(t * parts$x, clustering)
  )
}

by_cluster <- function(x, clustering) {
  rowsum(x, as.integer(clustering$cluster))
}

block_covariance <- function(own, one, other, phi) {
  own + Matrix::rowSums(one$effects * other$effects)
}

whole_covariance <- function(own, one, other, phi) {
  random <- as.matrix(Matrix::tcrossprod(one$effects, other$effects))
  diag(own) + random - tcrossprod(one$fixed %*% phi, other$fixed)
}

# A list of lists of values of a function for all pairs of numbers up to n.
for_pairs <- function(n, f) {
  row <- function(i) {
    lapply(seq_len(n), \(j) f(i, j))
  }
  lapply(seq_len(n), row)
}

#' The sum of Lambda'Z't over each cluster, with a row for each
#' @noRd
cluster_sums <- function(zlt, t, cluster) {
  spread <- Matrix::sparseMatrix(
    i = as.integer(cluster),
    j = seq_along(t),
    x = t,
    dims = c(nlevels(cluster), length(t))
  )
  Matrix::tcrossprod(spread, zlt)
}

#' Whether every random effect belongs to a single cluster
#' @noRd
is_block_diagonal <- function(zlt, cluster) {
  owner <- rep(as.integer(cluster), diff(zlt@p))
  first <- owner[match(zlt@i, zlt@i)]
  all(owner == first)
}

#' The sum over g and h of P_gh(a, b) P_gh(c, d)
#' @noRd
moment <- function(found, a, b, c, d) {
  left <- found$d[[a]][[b]]
  right <- found$d[[c]][[d]]
  if (!found$blocks) {
    return(sum(left * right))
  }
  sum(left * right) -
    sum(left * fixed_diagonal(found, c, d)) -
    sum(right * fixed_diagonal(found, a, b)) +
    fixed_moment(
      found$b,
      found$phi,
      a,
      b,
      c,
      d
    )
}

# The diagonal of B_i Phi B_j'.
fixed_diagonal <- function(found, i, j) {
  b_phi <- found$b[[i]] %*% found$phi
  rowSums(b_phi * found$b[[j]])
}

fixed_moment <- function(fixed, phi, a, b, c, d) {
  first <- phi %*% crossprod(fixed[[a]], fixed[[c]])
  second <- phi %*% crossprod(fixed[[d]], fixed[[b]])
  sum(first * t(second))
}

#' The expected value of the estimator under the model, for `q` rows
#' @noRd
expected_covariance <- function(found, q) {
  out <- matrix(0, q, q)
  for (i in seq_len(q)) {
    for (j in seq_len(q)) {
      p <- found$d[[i]][[j]]
      out[i, j] <- if (found$blocks) {
        sum(p) - sum(fixed_diagonal(found, i, j))
      } else {
        sum(diag(p))
      }
    }
  }
  out
}

#' Satterthwaite's degrees of freedom of each row of `L`
#' @noRd
robust_df <- function(found, L) {
  df <- plain_df(found)
  if (!is.null(df)) {
    return(rep(df, nrow(L)))
  }
  L <- L[, found$parts$free, drop = FALSE]
  df <- apply(
    L,
    1L,
    robust_row_df,
    found$parts,
    found$ways[[1L]]
  )
  replace(df, is.nan(df), NA)
}

robust_row_df <- function(l, parts, clustering) {
  one <- score_moments(parts, clustering, t(l))
  mean <- drop(expected_covariance(one, 1L))
  mean^2 / moment(one, 1L, 1L, 1L, 1L)
}

#' Degrees of freedom that are the same for all coefficients; `NULL` if they are Satterthwaite's
#' @noRd
plain_df <- function(found) {
  if (found$type == "HC0") {
    return(Inf)
  }
  if (has_plain_df(found)) fewest_clusters(found) - 1
}

# Whether the degrees of freedom are the number of clusters minus one, as for several clusterings
# and for very many clusters that share random effects.
has_plain_df <- function(found) {
  clustering <- found$ways[[1L]]
  length(found$ways) > 1L ||
    (clustering$n_clusters > 5000 &&
      !is_block_diagonal(found$parts$zlt, clustering$cluster))
}

fewest_clusters <- function(found) {
  min(vapply(found$ways, `[[`, 1L, "n_clusters"))
}

#' The scale and degrees of freedom of the joint test, by Hotelling's T^2 with the total variance of
#' the estimated covariance matrix (the "HTZ" test of Pustejovsky and Tipton)
#' @noRd
robust_scale <- function(found, L) {
  df <- plain_df(found)
  if (!is.null(df)) {
    return(list(scale = 1, df = df))
  }
  q <- nrow(L)
  eta <- hotelling_eta(found, L[, found$parts$free, drop = FALSE])
  df <- eta - q + 1
  if (is.na(df) || df <= 0) {
    return(list(scale = 1, df = NA_real_))
  }
  list(scale = df / eta, df = df)
}

#' The degrees of freedom of the Wishart distribution with the total variance of the estimator; `NA`
#' if there are too few clusters for a test of so many rows
#' @noRd
hotelling_eta <- function(found, L) {
  clustering <- found$ways[[1L]]
  q <- nrow(L)
  if (q >= clustering$n_clusters) {
    return(NA_real_)
  }
  expected <- expected_covariance(score_moments(found$parts, clustering, L), q)
  parts <- positive_eigen(expected)
  unit <- t(parts$vectors) %*% L / sqrt(parts$values)
  total <- summed_moments(
    score_moments(found$parts, clustering, unit),
    nrow(unit)
  )
  q * (q + 1) / total
}

# The sum of the variances of all elements of the covariance matrix of n contrasts.
summed_moments <- function(moments, n) {
  total <- 0
  for (i in seq_len(n)) {
    for (j in seq_len(n)) {
      total <- total +
        moment(moments, i, i, j, j) +
        moment(moments, i, j, j, i)
    }
  }
  total
}

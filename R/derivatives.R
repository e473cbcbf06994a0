# Derivatives of the objective in (theta, sigma), with beta profiled out (ML) or integrated out
# (REML), and the map from theta and sigma to variances, for score(), hessian(), variance_vcov() and
# Satterthwaite's degrees of freedom.

#' Gradient and Hessian of the objective in (theta, sigma)
#' @param contrasts,independent See `core_with_sigma()`.
#' @return A list: `gradient` and `hessian` (without sigma if it is known), `curvature`, `g` (the
#'   derivatives in the Omega of each core term), `slopes`, `theta` and `roots`.
#' @noRd
joint_derivatives <- function(
  spec,
  theta,
  sigma,
  known,
  contrasts = NULL,
  exact = FALSE,
  independent = FALSE
) {
  found <- core_with_sigma(spec, theta, sigma, contrasts, exact, independent)
  kept <- seq_len(length(theta) + !known)
  found$gradient <- found$gradient[kept]
  found$hessian <- found$hessian[kept, kept, drop = FALSE]
  found
}

#' The fit in the parameters of orthogonalized effects, if the second derivatives `found` refer to
#' these
#'
#' If columns of Z are nearly collinear, rounding errors of second derivatives grow with the fourth
#' power of a covariate's mean over its standard deviation, and for a year hardly a digit is left.
#' The core then differentiates in orthogonalized columns (coordinates/basis.rs).
#' @return The fit with the new `theta`; `given`, the original fit; and in each affected term
#'   `scale` and `root`, by which Lambda is multiplied.
#' @noRd
in_independent_effects <- function(fit, found) {
  if (length(found$roots) == 0L) {
    return(fit)
  }
  out <- fit
  out$given <- fit
  out$theta <- found$theta
  for (root in found$roots) {
    own <- which(vapply(fit$random, is_term_of_root, NA, root))
    out$random[[own]]$root <- root$root
    out$random[[own]]$scale <- rep(1, nrow(root$root))
  }
  out
}

is_term_of_root <- function(term, root) {
  term$core_term == root$term && term$core_cols[1L] == root$first
}

#' The theta of the fit's own effects, from that of orthogonalized ones
#' @param there The result of [in_independent_effects()].
#' @noRd
given_theta <- function(there, theta) {
  lambdas <- lambda_blocks(there$random, theta)
  for (i in which(has_root(there$random))) {
    lambda <- triangular(lambdas[[i]])
    own <- there$given$random[[i]]$theta
    theta[own] <- lambda[lower.tri(lambda, diag = TRUE)]
  }
  theta
}

# The lower triangular factor, with a nonnegative diagonal, of the covariance of a square factor, by
# an LQ decomposition: a product would lose digits if a covariate is far from zero.
triangular <- function(factor) {
  turned <- t(qr.R(qr(t(factor), tol = 0)))
  signs <- ifelse(diag(turned) < 0, -1, 1)
  t(t(turned) * signs)
}

#' The derivative of theta in the theta of orthogonalized effects
#' @noRd
theta_jacobian <- function(there) {
  step <- 2^-17
  slope <- \(j) {
    shift <- replace(0 * there$theta, j, step)
    up <- given_theta(there, there$theta + shift)
    down <- given_theta(there, there$theta - shift)
    (up - down) / (2 * step)
  }
  vapply(seq_along(there$theta), slope, there$theta)
}

cell_names <- function(term, roles, prefix) {
  cells <- covariance_cells(term, roles)
  on_diagonal <- cells[, 1] == cells[, 2]
  first <- term$columns[cells[, 1]]
  label <- ifelse(
    on_diagonal,
    first,
    paste(first, term$columns[cells[, 2]], sep = ".")
  )
  start <- ifelse(on_diagonal, prefix[1], prefix[2])
  paste0(start, label, "|", term$group)
}

#' Covariances of the random effects and the residual variance, with their Jacobian in (theta,
#' sigma)
#' @param scale `"variance"` for covariances; `"sd"` for standard deviations and correlations;
#'   `"profile"` for covariances relative to the residual variance.
#' @return A list: `value`, a named vector, and `jacobian`, with a row for each value and the
#'   columns theta and sigma.
#' @noRd
variance_map <- function(fit, scale, theta = fit$theta, sigma = fit$sigma) {
  maps <- term_maps(fit, scale, theta, sigma)
  map <- list(
    value = unlist(lapply(maps, `[[`, "value")),
    jacobian = joined_jacobians(maps, fit$random, length(theta))
  )
  if (scale != "profile") {
    map <- with_sigma_row(map, sigma_map(scale, sigma))
  }
  rownames(map$jacobian) <- names(map$value)
  map
}

# Appends the row of sigma, which doesn't depend on theta.
with_sigma_row <- function(map, of_sigma) {
  n_theta <- ncol(map$jacobian) - 1L
  row <- c(numeric(n_theta), of_sigma$slope)
  list(
    value = c(map$value, of_sigma$value),
    jacobian = rbind(map$jacobian, row, deparse.level = 0)
  )
}

term_maps <- function(fit, scale, theta, sigma) {
  map_of <- \(term, roles, found) {
    term_map(
      term,
      roles,
      found,
      scale,
      theta[term$theta],
      sigma
    )
  }
  roles <- core_structures(fit$random)
  Map(map_of, fit$random, roles, term_covariances(fit$random, theta))
}

# Sigma or its square, with the derivative in sigma.
sigma_map <- function(scale, sigma) {
  if (scale == "sd") {
    list(value = c(sigma = sigma), slope = 1)
  } else {
    list(
      value = c(sigma2 = sigma^2),
      slope = 2 * sigma
    )
  }
}

# Stacks the Jacobians of all terms, each in its part of theta and in sigma.
joined_jacobians <- function(maps, random, n_theta) {
  rows <- lapply(maps, `[[`, "jacobian")
  place <- \(jacobian, term) {
    out <- matrix(0, nrow(jacobian), n_theta + 1L)
    out[, c(term$theta, n_theta + 1L)] <- jacobian
    out
  }
  none <- matrix(0, 0L, n_theta + 1L)
  blocks <- Map(place, rows, random)
  do.call(rbind, c(list(none), unname(blocks)))
}

#' The rows of one term in `variance_map()`; columns of the Jacobian are the term's theta and sigma
#' @param found The result of `term_covariances()` for the term.
#' @noRd
term_map <- function(term, roles, found, scale, theta, sigma) {
  unit <- if (scale == "profile") 1 else sigma
  map <- if (scale != "sd") {
    cell_map(roles, found, unit, scale)
  } else if (all(roles$role == "factor")) {
    sd_map(roles, found, sigma)
  } else {
    scale_map(roles, theta, sigma)
  }
  names(map$value) <- cell_names(term, roles, scale_prefixes(scale))
  map
}

# The prefixes of the names of variances and covariances on a scale.
scale_prefixes <- function(scale) {
  if (scale == "sd") {
    c("sd_", "cor_")
  } else {
    c("var_", "cov_")
  }
}

# The positions of elements in a vectorized covariance matrix.
cell_index <- function(roles, k) {
  (roles$col - 1L) * k + roles$row
}

cell_map <- function(roles, found, unit, scale) {
  cells <- cell_index(roles, ncol(found$omega))
  value <- unit^2 * found$omega[cells]
  in_theta <- unit^2 * found$jacobian[cells, , drop = FALSE]
  in_sigma <- if (scale == "profile") 0 else 2 * value / unit
  list(
    value = value,
    jacobian = cbind(in_theta, in_sigma, deparse.level = 0)
  )
}

# The map of a structure whose parameters are standard deviations over sigma and correlations.
scale_map <- function(roles, theta, sigma) {
  is_scale <- roles$role != "correlation"
  in_theta <- diag(ifelse(is_scale, sigma, 1), length(theta))
  in_sigma <- ifelse(is_scale, theta, 0)
  list(
    value = ifelse(is_scale, sigma * theta, theta),
    jacobian = cbind(in_theta, in_sigma, deparse.level = 0)
  )
}

# The map from covariances v to standard deviations and correlations: d sd_r = d v_rr / (2 sd_r) and
# d cor_rs = d v_rs / (sd_r sd_s) - cor_rs (d v_rr / (2 v_rr) + d v_ss / (2 v_ss)).
sd_map <- function(roles, found, sigma) {
  sd <- sqrt(diag(found$omega))
  relative <- relative_slopes(found$jacobian, sd^2)
  map <- correlation_map(roles, found, sd, relative)
  is_sd <- roles$row == roles$col
  own <- roles$row[is_sd]
  in_sigma <- numeric(length(is_sd))
  in_sigma[is_sd] <- sd[own]
  slopes <- sd[own] * relative[own, , drop = FALSE]
  map$value[is_sd] <- sigma * sd[own]
  map$jacobian[is_sd, ] <- sigma * slopes
  map$jacobian <- cbind(map$jacobian, in_sigma, deparse.level = 0)
  map
}

# The relative derivatives of standard deviations, d sd / sd = d v / (2 v).
relative_slopes <- function(jacobian, variance) {
  k <- length(variance)
  diagonal <- seq(1L, k^2, k + 1L)
  jacobian[diagonal, , drop = FALSE] / (2 * variance)
}

# The correlation of each pair of effects, with its derivatives in theta.
correlation_map <- function(roles, found, sd, relative) {
  cells <- cell_index(roles, length(sd))
  size <- sd[roles$row] * sd[roles$col]
  correlation <- found$omega[cells] / size
  both <- relative[roles$row, , drop = FALSE] +
    relative[roles$col, , drop = FALSE]
  list(
    value = correlation,
    jacobian = found$jacobian[cells, , drop = FALSE] / size - correlation * both
  )
}

# The derivative in a term's free covariances from that in the symmetric Omega, in which an
# off-diagonal element occurs twice.
cell_gradient <- function(term, roles, g) {
  if (is_homogeneous(term$structure)) {
    return(sum(diag(g)))
  }
  times <- ifelse(roles$row == roles$col, 1, 2)
  g[covariance_cells(term, roles)] * times
}

# Whether a Jacobian is singular, whatever the units of its rows and columns.
is_singular_jacobian <- function(jacobian) {
  scaled <- scaled_jacobian(jacobian)$matrix
  !all(is.finite(scaled)) || rcond(scaled) < 1e-10
}

# The solution of J'x = b for a regular Jacobian J, whatever the units of its rows and columns.
solve_transposed <- function(jacobian, b) {
  scaled <- scaled_jacobian(jacobian)
  solve(t(scaled$matrix), b / scaled$cols) / scaled$rows
}

# A Jacobian with rows and columns scaled to a largest element of one, and their sizes.
scaled_jacobian <- function(jacobian) {
  rows <- apply(abs(jacobian), 1L, max)
  cols <- apply(abs(jacobian / rows), 2L, max)
  list(matrix = jacobian / outer(rows, cols), rows = rows, cols = cols)
}

# The second derivatives in theta of the elements of all Omegas, weighted by slopes and summed.
omega_bend <- function(random, theta, slope) {
  slopes <- Map(slope_matrix, random, core_structures(random), list(slope))
  bends <- core_covariance_bends(random, theta, slopes)
  out <- matrix(0, length(theta), length(theta))
  for (i in seq_along(bends)) {
    own <- random[[i]]$theta
    out[own, own] <- bends[[i]]
  }
  out
}

# The slopes in the elements of a term's covariance matrix.
slope_matrix <- function(term, roles, slope) {
  k <- length(term$columns)
  out <- matrix(0, k, k)
  out[covariance_cells(term, roles)] <- slope[term$theta]
  out
}

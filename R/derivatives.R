# Derivatives of the objective in (theta, sigma), beta profiled out (ML) or integrated out (REML),
# and how theta and sigma map to the variances: the ground of score(), hessian(), variance_vcov()
# and Satterthwaite's degrees of freedom.

#' Gradient and Hessian of the objective in (theta, sigma)
#' @param contrasts See `core_with_sigma()`.
#' @return A list: `gradient`, `hessian` (both without sigma if it is known), `curvature`, `g`
#'   (derivative in the Omega of each core term), `slopes`.
#' @noRd
joint_derivatives <- function(
  spec,
  theta,
  sigma,
  known,
  contrasts = NULL,
  exact = FALSE
) {
  found <- core_with_sigma(spec, theta, sigma, contrasts, exact)
  kept <- seq_len(length(theta) + !known)
  found$gradient <- found$gradient[kept]
  found$hessian <- found$hessian[kept, kept, drop = FALSE]
  found
}

#' Derivative of Lambda, linear in theta, in each of a term's parameters
#' @noRd
lambda_derivatives <- function(term, theta) {
  lapply(term$theta, \(i) lambda_block(term, replace(0 * theta, i, 1)))
}

cell_names <- function(term, prefix) {
  cells <- covariance_cells(term)
  on_diagonal <- cells[, 1] == cells[, 2]
  first <- term$columns[cells[, 1]]
  label <- ifelse(
    on_diagonal,
    first,
    paste(first, term$columns[cells[, 2]], sep = ".")
  )
  paste0(ifelse(on_diagonal, prefix[1], prefix[2]), label, "|", term$group)
}

#' Covariances of the random effects and the variance of the residuals, with their Jacobian in
#' (theta, sigma)
#' @param scale `"variance"`: of covariances; `"sd"`: of standard deviations and correlations;
#'   `"profile"`: of covariances relative to that of the residuals.
#' @return A list: `value` (named), `jacobian` (a row per value; columns theta, sigma).
#' @noRd
variance_map <- function(fit, scale, theta = fit$theta, sigma = fit$sigma) {
  parts <- lapply(
    fit$random,
    term_map,
    scale = scale,
    theta = theta,
    sigma = sigma
  )
  value <- unlist(lapply(parts, `[[`, "value"))
  jacobian <- do.call(rbind, lapply(parts, `[[`, "jacobian"))
  if (scale != "profile") {
    value <- c(
      value,
      if (scale == "sd") c(sigma = sigma) else c(sigma2 = sigma^2)
    )
    jacobian <- rbind(
      jacobian,
      c(rep(0, length(theta)), if (scale == "sd") 1 else 2 * sigma)
    )
  }
  rownames(jacobian) <- names(value)
  list(value = value, jacobian = jacobian)
}

term_map <- function(term, scale, theta, sigma) {
  prefix <- if (scale == "sd") c("sd_", "cor_") else c("var_", "cov_")
  map <- if (has_rho(term$structure)) correlated_map else covariance_map
  out <- map(term, scale, theta, sigma)
  names(out$value) <- cell_names(term, prefix)
  out
}

# The map of a term with standard deviations s and one correlation rho: its variances (s sigma)^2
# and the covariance of neighbours, rho s_1 s_2 sigma^2.
correlated_map <- function(term, scale, theta, sigma) {
  par <- theta[term$theta]
  k <- length(par) - 1L
  s <- par[seq_len(k)]
  rho <- par[k + 1L]
  unit <- if (scale == "profile") 1 else sigma
  jacobian <- matrix(0, k + 1L, length(theta) + 1L)
  if (scale == "sd") {
    value <- c(s * unit, rho)
    jacobian[, term$theta] <- diag(c(rep(unit, k), 1))
    jacobian[seq_len(k), ncol(jacobian)] <- s
  } else {
    pair <- rep_len(seq_len(k), 2L)
    value <- unit^2 * c(s^2, rho * prod(s[pair]))
    in_par <- diag(c(2 * s, prod(s[pair])))
    # A single standard deviation is its own neighbour.
    for (i in 1:2) {
      in_par[k + 1L, pair[i]] <- in_par[k + 1L, pair[i]] + rho * s[pair[3L - i]]
    }
    jacobian[, term$theta] <- unit^2 * in_par
    if (scale == "variance") jacobian[, ncol(jacobian)] <- 2 * value / sigma
  }
  list(value = value, jacobian = jacobian)
}

covariance_map <- function(term, scale, theta, sigma) {
  lambda <- lambda_block(term, theta)
  unit <- if (scale == "profile") 1 else sigma
  cells <- covariance_cells(term)
  covariance <- unit^2 * tcrossprod(lambda)
  change <- lapply(lambda_derivatives(term, theta), \(d) {
    unit^2 * (tcrossprod(d, lambda) + tcrossprod(lambda, d))
  })
  change_sigma <- if (scale == "profile") {
    0 * covariance
  } else {
    2 * covariance / sigma
  }
  jacobian <- matrix(0, nrow(cells), length(theta) + 1)
  jacobian[, term$theta] <- vapply(change, \(d) d[cells], numeric(nrow(cells)))
  jacobian[, ncol(jacobian)] <- change_sigma[cells]
  if (scale == "sd") {
    return(to_sd(
      covariance,
      c(change, list(change_sigma)),
      cells,
      jacobian,
      term$theta
    ))
  }
  list(value = covariance[cells], jacobian = jacobian)
}

# From covariances v to standard deviations and correlations: d sd_r = d v_rr / (2 sd_r); d cor_rs =
# d v_rs / (sd_r sd_s) - cor_rs (d v_rr / (2 v_rr) + d v_ss / (2 v_ss)).
to_sd <- function(covariance, change, cells, jacobian, columns) {
  variance <- diag(covariance)
  sd <- sqrt(variance)
  r <- cells[, 1]
  s <- cells[, 2]
  on_diagonal <- r == s
  value <- ifelse(on_diagonal, sd[r], covariance[cells] / (sd[r] * sd[s]))
  rows <- vapply(
    change,
    \(d) {
      relative <- diag(d) / (2 * variance)
      ifelse(
        on_diagonal,
        sd[r] * relative[r],
        d[cells] / (sd[r] * sd[s]) - value * (relative[r] + relative[s])
      )
    },
    numeric(length(r))
  )
  jacobian[, c(columns, ncol(jacobian))] <- rows
  list(value = value, jacobian = jacobian)
}

# Derivatives of the objective in (theta, sigma), beta profiled out (ML) or integrated out (REML), and how theta and
# sigma map to the variances: the ground of score(), hessian(), variance_vcov() and Satterthwaite's degrees of freedom.

#' Gradient and Hessian of the objective in (theta, sigma)
#' @param contrasts See `core_joint()`.
#' @return A list: `gradient`, `hessian` (both without sigma if it is known), `curvature`, `g` (derivative in the Omega
#'   of each core term), `slopes`.
#' @noRd
joint_derivatives <- function(spec, theta, sigma, known, contrasts = NULL, exact = FALSE) {
  found <- core_joint(spec, theta, sigma, contrasts, exact)
  kept <- seq_len(length(theta) + !known)
  found$gradient <- found$gradient[kept]
  found$hessian <- found$hessian[kept, kept, drop = FALSE]
  found
}

#' Lambda of a term and its derivative in each of the term's parameters
#'
#' By central differences, which are exact where Lambda is linear in theta.
#' @noRd
lambda_derivatives <- function(entry, theta) {
  step <- 2^-16
  lapply(entry$theta, \(i) {
    up <- down <- theta
    up[i] <- theta[i] + step
    down[i] <- theta[i] - step
    (lambda_block(entry, up) - lambda_block(entry, down)) / (2 * step)
  })
}

# The elements of a term's covariance matrix that are parameters of their own, in theta's order.
covariance_cells <- function(entry) {
  k <- length(entry$columns)
  switch(
    entry$structure,
    us = template_cells("us", k), homdiag = cbind(row = 1L, col = 1L), diag = template_cells("diag", k),
    # One or k standard deviations, then the parameter of the correlations: that of neighbours.
    rbind(template_cells("diag", length(entry$theta) - 1L), c(2L, 1L))
  )
}

cell_names <- function(entry, prefix) {
  cells <- covariance_cells(entry)
  on_diagonal <- cells[, 1] == cells[, 2]
  first <- entry$columns[cells[, 1]]
  label <- ifelse(on_diagonal, first, paste(first, entry$columns[cells[, 2]], sep = "."))
  paste0(ifelse(on_diagonal, prefix[1], prefix[2]), label, "|", entry$group)
}

#' Covariances of the random effects and the variance of the residuals, with their Jacobian in (theta, sigma)
#' @param scale `"variance"`: of covariances; `"sd"`: of standard deviations and correlations; `"profile"`: of
#'   covariances relative to that of the residuals.
#' @return A list: `value` (named), `jacobian` (a row per value; columns theta, sigma).
#' @noRd
variance_map <- function(fit, scale, theta = fit$theta, sigma = fit$sigma) {
  parts <- lapply(fit$random, term_map, scale = scale, theta = theta, sigma = sigma)
  value <- unlist(lapply(parts, `[[`, "value"))
  jacobian <- do.call(rbind, lapply(parts, `[[`, "jacobian"))
  if (scale != "profile") {
    value <- c(value, if (scale == "sd") c(sigma = sigma) else c(sigma2 = sigma^2))
    jacobian <- rbind(jacobian, c(rep(0, length(theta)), if (scale == "sd") 1 else 2 * sigma))
  }
  rownames(jacobian) <- names(value)
  list(value = value, jacobian = jacobian)
}

term_map <- function(entry, scale, theta, sigma) {
  lambda <- lambda_block(entry, theta)
  unit <- if (scale == "profile") 1 else sigma
  cells <- covariance_cells(entry)
  covariance <- unit^2 * tcrossprod(lambda)
  change <- lapply(lambda_derivatives(entry, theta), \(d) unit^2 * (tcrossprod(d, lambda) + tcrossprod(lambda, d)))
  change_sigma <- if (scale == "profile") 0 * covariance else 2 * covariance / sigma
  jacobian <- matrix(0, nrow(cells), length(theta) + 1)
  jacobian[, entry$theta] <- vapply(change, \(d) d[cells], numeric(nrow(cells)))
  jacobian[, ncol(jacobian)] <- change_sigma[cells]
  prefix <- if (scale == "sd") c("sd_", "cor_") else c("var_", "cov_")
  out <- list(value = covariance[cells], jacobian = jacobian)
  if (scale == "sd") out <- to_sd(covariance, c(change, list(change_sigma)), cells, jacobian, entry$theta)
  names(out$value) <- cell_names(entry, prefix)
  out
}

# d sd_r = d v_rr / (2 sd_r); d cor_rs = d v_rs / (sd_r sd_s) - cor_rs (d v_rr / (2 v_rr) + d v_ss / (2 v_ss)).
to_sd <- function(covariance, change, cells, jacobian, columns) {
  variance <- diag(covariance)
  sd <- sqrt(variance)
  r <- cells[, 1]
  s <- cells[, 2]
  on_diagonal <- r == s
  value <- ifelse(on_diagonal, sd[r], covariance[cells] / (sd[r] * sd[s]))
  rows <- vapply(change, \(d) {
    relative <- diag(d) / (2 * variance)
    ifelse(on_diagonal, sd[r] * relative[r], d[cells] / (sd[r] * sd[s]) - value * (relative[r] + relative[s]))
  }, numeric(length(r)))
  jacobian[, c(columns, ncol(jacobian))] <- rows
  list(value = value, jacobian = jacobian)
}

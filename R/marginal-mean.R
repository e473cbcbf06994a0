# Means of a generalized model averaged over its random effects, with standard errors.

#' Marginal means and their standard errors, on the scale of the response
#' @param eta Linear predictors with random effects of zero.
#' @param rows Prediction rows whose terms are all `left_out`.
#' @return A list: `mean`, and `std_error` if `errors`.
#' @noRd
marginal_means <- function(fit, eta, rows, errors) {
  lambda <- list(lambda = lambda_blocks(fit$random, fit$theta))
  sd <- effects_sigma(fit) * sqrt(drawn_variance(rows$left_out, lambda))
  rule <- gauss_hermite(31L)
  eta[is_without_mean(fit, eta, sd)] <- NA
  out <- list(mean = expected(fit$family$linkinv, eta, sd, rule))
  if (errors) {
    slopes <- marginal_slopes(fit, eta, sd, rows, rule)
    out$std_error <- sqrt(quadratic(slopes, theta_beta_covariance(fit)))
  }
  out
}

# The derivatives of the marginal means in theta and beta.
marginal_slopes <- function(fit, eta, sd, rows, rule) {
  slope <- fit$family$mu.eta
  in_eta <- expected(slope, eta, sd, rule)
  in_sd <- expected(slope, eta, sd, rule, rule$nodes)
  cbind(in_sd * sd_slopes(fit, rows, sd), in_eta * rows$x)
}

#' Whether the mean doesn't exist: 1 / eta has no mean if eta may be zero
#' @noRd
is_without_mean <- function(fit, eta, sd) {
  if (!fit$family$link %in% reciprocal_links) {
    return(FALSE)
  }
  none <- which(abs(eta) < 5 * sd)
  if (length(none) > 0L) {
    warn_rlmm(
      c(
        "Some means over the random effects don't exist: `NA`.",
        x = sprintf(
          "With the link %s the linear predictor comes near zero at %s.",
          in_quotes(fit$family$link),
          describe_rows(none)
        ),
        i = "`re.form = NA` predicts for an average group."
      ),
      "rlmm_warning_marginal"
    )
  }
  none
}

#' The expectation of t f(eta + sd t) for a standard normal t, or that of f without `times`
#' @noRd
expected <- function(f, eta, sd, rule, times = rep(1, length(rule$nodes))) {
  total <- numeric(length(eta))
  for (k in seq_along(rule$nodes)) {
    value <- f(eta + sd * rule$nodes[k])
    total <- total + rule$weights[k] * times[k] * value
  }
  total
}

#' Nodes and weights of n-point Gauss-Hermite quadrature for the standard normal density, from the
#' eigenvalues of the Jacobi matrix (Golub and Welsch, 1969)
#' @noRd
gauss_hermite <- function(n) {
  jacobi <- matrix(0, n, n)
  upper <- cbind(seq_len(n - 1L), seq_len(n - 1L) + 1L)
  lower <- upper[, 2:1]
  jacobi[upper] <- jacobi[lower] <- sqrt(seq_len(n - 1L))
  parts <- eigen(jacobi, symmetric = TRUE)
  list(nodes = parts$values, weights = parts$vectors[1L, ]^2)
}

# Derivatives of the standard deviation of the random part in theta.
sd_slopes <- function(fit, rows, sd) {
  steps <- theta_steps(fit)
  columns <- lapply(seq_along(fit$theta), \(j) {
    theta <- replace(
      fit$theta,
      j,
      fit$theta[j] + steps[j]
    )
    lambda <- list(lambda = lambda_blocks(fit$random, theta))
    moved <- effects_sigma(fit) * sqrt(drawn_variance(rows$left_out, lambda))
    (moved - sd) / steps[j]
  })
  do.call(cbind, columns)
}

#' The covariance of the estimates of theta and beta; zero for held elements, and for theta if it
#' has no covariance
#' @noRd
theta_beta_covariance <- function(fit) {
  n <- length(fit$theta)
  beta <- n + seq_along(fit$beta)
  size <- n + length(beta)
  out <- matrix(0, size, size)
  if (!is.null(no_variance_errors(fit))) {
    out[beta, beta] <- fixed_covariance(fit)
    return(out)
  }
  found <- hessian_covariance(fit) %||% abort_no_curvature()
  free <- setdiff(seq_len(n), held_index(fit))
  to <- c(free, beta[free_beta(fit)])
  from <- seq_along(to)
  out[to, to] <- found[from, from]
  out
}

# An independent reference: the profiled deviance and its estimates by dense algebra, straight from
# the marginal model y ~ N(X beta, sigma^2 (W^-1 + Z Lambda Lambda' Z')). Same arguments and results
# as core_estimates(); for small data only.

dense_lambda_block <- function(term, theta) {
  k <- sum(term$part_size)
  lambda <- matrix(0, k, k)
  at <- 0L
  for (i in seq_along(term$part_kind)) {
    size <- term$part_size[i]
    n_theta <- switch(
      term$part_kind[i],
      us = size * (size + 1) / 2,
      diag = size,
      homdiag = 1,
      cs = ,
      hetar1 = size + 1,
      homcs = ,
      ar1 = 2,
      toep = 2 * size - 1,
      homtoep = size
    )
    par <- theta[term$part_theta[i] + seq_len(n_theta)]
    block <- matrix(0, size, size)
    switch(
      term$part_kind[i],
      us = block[lower.tri(block, diag = TRUE)] <- par,
      diag = diag(block) <- par,
      homdiag = diag(block) <- rep(par, size),
      block <- dense_correlated_lambda(term$part_kind[i], par, size)
    )
    lambda[at + seq_len(size), at + seq_len(size)] <- block
    at <- at + size
  }
  lambda
}

dense_correlated_lambda <- function(kind, par, size) {
  n_sd <- if (kind %in% c("homcs", "ar1", "homtoep")) 1L else size
  rho <- par[-seq_len(n_sd)]
  distance <- abs(outer(seq_len(size), seq_len(size), `-`))
  correlation <- switch(
    kind,
    cs = ,
    homcs = ifelse(distance == 0, 1, rho),
    ar1 = ,
    hetar1 = rho^distance,
    stats::toeplitz(c(1, rho))
  )
  rep_len(par[seq_len(n_sd)], size) * dense_root(correlation)
}

# Cholesky's factor, and another root where there is none, as at the limits of a correlation.
dense_root <- function(correlation) {
  tryCatch(t(chol(correlation)), error = function(e) {
    parts <- eigen(correlation, symmetric = TRUE)
    parts$vectors %*% diag(sqrt(pmax(parts$values, 0)), nrow(correlation))
  })
}

dense_z <- function(term) {
  n <- length(term$refs)
  z <- column_matrix(term$z, n)
  k <- ncol(z)
  out <- matrix(0, n, k * term$n_levels)
  for (j in seq_len(k)) {
    out[cbind(seq_len(n), (term$refs - 1L) * k + j)] <- z[, j]
  }
  out
}

dense_estimates <- function(spec, theta) {
  n <- length(spec$y)
  w <- if (is.null(spec$weights)) rep(1, n) else spec$weights
  offset <- if (is.null(spec$offset)) rep(0, n) else spec$offset
  x <- column_matrix(spec$x, n)
  p <- ncol(x)
  z <- lapply(spec$terms, dense_z)
  lambda <- lapply(spec$terms, dense_lambda_block, theta = theta)
  zl <- do.call(
    cbind,
    Map(
      function(z, l, t) z %*% kronecker(diag(t$n_levels), l),
      z,
      lambda,
      spec$terms
    )
  )
  # X and the response whitened by the root of V: normal equations would lose the digits of columns
  # that are nearly collinear.
  root <- chol(diag(1 / w, n) + tcrossprod(zl))
  white <- function(values) backsolve(root, values, transpose = TRUE)
  y <- white(spec$y - offset)
  x_qr <- qr(white(x), tol = 0)
  beta <- qr.coef(x_qr, y)
  resid <- qr.resid(x_qr, y)
  rx <- qr.R(x_qr)
  pwrss <- sum(resid^2)
  log_det_re <- 2 * sum(log(diag(root))) + sum(log(w))
  log_det_fe <- 2 * sum(log(abs(diag(rx))))
  df <- if (spec$reml) n - p else n
  sigma <- if (is.null(spec$sigma)) sqrt(pwrss / df) else spec$sigma
  objective <- df *
    log(2 * pi * sigma^2) +
    pwrss / sigma^2 +
    log_det_re -
    sum(log(w)) +
    if (spec$reml) log_det_fe else 0
  u_all <- drop(crossprod(white(zl), resid))
  ends <- cumsum(vapply(z, ncol, 1))
  u <- Map(
    function(z, end, t) {
      matrix(u_all[(end - ncol(z) + 1):end], nrow = sum(t$part_size))
    },
    z,
    ends,
    spec$terms
  )
  b <- Map(function(l, u) l %*% u, lambda, u)
  fitted <- offset + drop(x %*% beta) + drop(zl %*% u_all)
  list(
    theta = theta,
    objective = objective,
    beta = beta,
    sigma = sigma,
    u = u,
    b = b,
    rx = sign(diag(rx)) * rx,
    log_det_re = log_det_re,
    log_det_fe = log_det_fe,
    pwrss = pwrss,
    wrss = sum(w * (spec$y - fitted)^2),
    ussq = sum(u_all^2),
    fitted = fitted,
    n_eff = n
  )
}

# The same arguments and results as core_fit(): minimised without derivatives in R.
dense_fit <- function(spec, start = NULL, control = NULL) {
  theta <- start
  if (is.null(theta)) {
    theta <- dense_start(spec$terms)
  }
  bounds <- dense_bounds(spec$terms)
  best <- stats::nlminb(
    theta,
    function(t) dense_estimates(spec, t)$objective,
    lower = bounds[, 1],
    upper = bounds[, 2]
  )
  est <- dense_estimates(spec, best$par)
  est$optsum <- list(
    initial = theta,
    finitial = dense_estimates(spec, theta)$objective,
    final = best$par,
    fmin = best$objective,
    feval = best$evaluations[["function"]],
    optimizer = "nlminb",
    backend = "stats",
    status = "FTOL_REACHED",
    message = best$message,
    fitlog = matrix(c(best$objective, best$par), 1)
  )
  est
}

# Correlations stay a little inside their range.
dense_bounds <- function(terms) {
  start <- dense_start(terms)
  bounds <- cbind(ifelse(start == 1, 0, -Inf), Inf)
  for (term in terms) {
    for (i in which(term$part_kind %in% c("cs", "homcs", "ar1", "hetar1"))) {
      size <- term$part_size[i]
      rho <- term$part_theta[i] +
        if (term$part_kind[i] %in% c("cs", "hetar1")) size + 1 else 2
      lowest <- if (term$part_kind[i] %in% c("cs", "homcs")) {
        -1 / (size - 1)
      } else {
        -1
      }
      bounds[rho, ] <- c(lowest, 1) * 0.9999
    }
  }
  bounds
}

# Ones on the diagonals of the Lambda blocks, zeros below.
dense_start <- function(terms) {
  theta <- numeric()
  for (term in terms) {
    for (i in seq_along(term$part_kind)) {
      size <- term$part_size[i]
      values <- switch(
        term$part_kind[i],
        us = diag(size)[lower.tri(diag(size), diag = TRUE)],
        diag = rep(1, size),
        homdiag = 1,
        cs = ,
        hetar1 = c(rep(1, size), 0),
        homcs = ,
        ar1 = c(1, 0)
      )
      theta[term$part_theta[i] + seq_along(values)] <- values
    }
  }
  theta
}

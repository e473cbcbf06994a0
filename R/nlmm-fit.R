# Fits nonlinear mixed models by the Laplace approximation.
#
# The rows phi of the parameters are X beta + Z Lambda u. Given theta and beta, the modes of u
# minimize the penalized sum of squares |W^1/2 (y - f(phi))|^2 + |u|^2, by Gauss-Newton steps: with
# J the derivative of f and M = W^1/2 J Z Lambda, each step solves with K = M'M + I. The objective,
# -2 log-likelihood with sigma profiled out, is log |K| + n (1 + log(2 pi r^2 / n)) - log |W|.

#' The quantities of an evaluation that don't depend on the parameters
#' @noRd
nonlinear_problem <- function(parts, model) {
  design <- model$design
  new_problem(
    y = model$y,
    weights = model$weights,
    x = column_matrix(design$spec$x, nrow(design$frame)),
    random = design$random,
    shell = design_shell(design),
    mean = mean_function(parts, model$parameters, model$frame),
    s = length(model$parameters)
  )
}

new_problem <- function(y, weights, x, random, shell, mean, s) {
  positive <- weights[weights > 0]
  list(
    y = y,
    root = sqrt(weights),
    log_weights = sum(log(positive)),
    n = length(positive),
    n_rows = length(weights),
    s = s,
    sums = block_sums(length(weights), s),
    x = x,
    z = dense_where_small(Matrix::t(sparse_zt(shell))),
    random = random,
    shell = shell,
    mean = mean
  )
}

#' A design in the form of a fit, for the functions that compute its matrices
#' @noRd
design_shell <- function(design, theta = NULL) {
  structure(
    c(
      design[c("formula", "frame", "fixed", "held", "random")],
      list(theta = theta, relative = TRUE)
    ),
    class = c("rlmm_lmm", "rlmm")
  )
}

# Converts a matrix to a dense one without names where its cross-product costs less than a sparse
# factor does.
dense_where_small <- function(matrix) {
  is_small <- nrow(matrix) * ncol(matrix)^2 <= 5e6
  if (is_small) unname(as.matrix(matrix)) else matrix
}

#' Z Lambda at a theta; for a dense Z without forming a sparse Lambda
#' @noRd
scaled_z <- function(problem, theta) {
  if (!is.matrix(problem$z)) {
    problem$shell$theta <- theta
    return(problem$z %*% lambda_matrix(problem$shell))
  }
  of_term <- rep(
    seq_along(problem$random),
    n_columns(problem) * n_levels(problem)
  )
  for (i in seq_along(problem$random)) {
    problem$z[, of_term == i] <- times_block(
      problem$z[, of_term == i, drop = FALSE],
      lambda_block(problem$random[[i]], theta)
    )
  }
  problem$z
}

# The columns of one term, ordered by level and then by effect, times the k x k block of each level.
times_block <- function(z, block) {
  effect <- rep_len(seq_len(ncol(block)), ncol(z))
  product <- z
  for (j in seq_len(ncol(block))) {
    parts <- lapply(seq_len(nrow(block)), \(i) {
      block[i, j] * z[, effect == i, drop = FALSE]
    })
    product[, effect == j] <- Reduce(`+`, parts)
  }
  product
}

#' The sum over the parameters of the gradient times their rows of a matrix
#' @param sums For a sparse matrix, the result of [block_sums()].
#' @noRd
times_gradient <- function(
  matrix,
  gradient,
  n,
  sums = block_sums(n, ncol(gradient))
) {
  if (methods::is(matrix, "dgCMatrix")) {
    matrix@x <- matrix@x * gradient[matrix@i + 1L]
    return(sums %*% matrix)
  }
  blocks <- lapply(seq_len(ncol(gradient)), \(k) {
    rows <- (k - 1L) * n + seq_len(n)
    gradient[, k] * matrix[rows, , drop = FALSE]
  })
  Reduce(`+`, blocks)
}

# The matrix whose product with the rows of s parameters sums up those of each observation.
block_sums <- function(n, s) {
  Matrix::sparseMatrix(rep(seq_len(n), s), seq_len(n * s), x = 1)
}

# Modes ---------------------------------------------------------------------

#' The penalized sum of squares at u and beta, with the quantities for a step
#' @noRd
squares_at <- function(problem, z, beta, u) {
  eta <- as.vector(problem$x %*% beta) + as.vector(z %*% u)
  mean <- problem$mean(matrix(eta, problem$n_rows, problem$s))
  residual <- problem$root * (problem$y - mean$value)
  list(
    beta = beta,
    u = u,
    mean = mean,
    residual = residual,
    pwrss = sum(residual^2) + sum(u^2)
  )
}

#' M, and with `whole` the same product for X
#' @noRd
linearized <- function(problem, z, at, whole) {
  gradient <- problem$root * at$mean$gradient
  m <- times_gradient(z, gradient, problem$n_rows, problem$sums)
  x <- if (whole) times_gradient(problem$x, gradient, problem$n_rows)
  list(
    m = m,
    x = x,
    k = mode_factor(m)
  )
}

#' The factor of M'M + I: a list of a function that solves with it and its log-determinant; `NULL`
#' if M isn't finite or so large that I is lost
#' @noRd
mode_factor <- function(m) {
  if (is.matrix(m)) dense_mode_factor(m) else sparse_mode_factor(m)
}

dense_mode_factor <- function(m) {
  k <- crossprod(m)
  diag(k) <- diag(k) + 1
  root <- safe_chol(k)
  if (is.null(root)) {
    return(NULL)
  }
  list(
    solve = \(b) solve_by_root(root, b),
    log_det = 2 * sum(log(diag(root)))
  )
}

sparse_mode_factor <- function(m) {
  cross <- Matrix::tcrossprod(Matrix::t(m))
  l <- Matrix::Cholesky(
    cross,
    Imult = 1,
    LDL = FALSE
  )
  half <- Matrix::determinant(l, sqrt = TRUE)$modulus
  list(
    solve = \(b) as.matrix(Matrix::solve(l, b)),
    log_det = 2 * as.double(half)
  )
}

# The solution of R'R x = b.
solve_by_root <- function(root, b) {
  backsolve(root, backsolve(root, b, transpose = TRUE))
}

# The relative gain of a step at which modes count as converged. The log-determinant is of first
# order in the modes, so that its error is the square root of this; an optimizer with finite
# differences needs nearly all digits of the objective.
mode_tolerance <- 1e-20

# The largest number of Gauss-Newton iterations.
max_gauss_newton <- 200L
max_step_halvings <- 30L

#' The modes at a theta, of u alone or of u and beta
#' @return The result of [squares_at()], with `linear`, the last result of [linearized()]; `NULL` if
#'   no finite minimum is found.
#' @noRd
nonlinear_modes <- function(problem, theta, beta, u, with_beta = FALSE) {
  z <- scaled_z(problem, theta)
  at <- squares_at(
    problem,
    z,
    beta,
    u
  )
  if (!is.finite(at$pwrss)) {
    at <- squares_at(
      problem,
      z,
      beta,
      0 * u
    )
  }
  for (iteration in seq_len(max_gauss_newton)) {
    if (!is.finite(at$pwrss)) {
      return(NULL)
    }
    linear <- linearized(
      problem,
      z,
      at,
      with_beta
    )
    step <- gauss_newton_step(linear, at, with_beta)
    if (is.null(step)) {
      return(NULL)
    }
    if (step$gain <= mode_tolerance * at$pwrss) {
      at$linear <- linear
      return(at)
    }
    next_one <- lower_squares(
      problem,
      z,
      at,
      step
    )
    if (is.null(next_one)) {
      # The remaining gain is below rounding error.
      at$linear <- linear
      return(if (step$gain <= 1e-8 * at$pwrss) at)
    }
    at <- next_one
  }
  at$linear <- linear
  if (step$gain <= 1e-8 * at$pwrss) at
}

#' A Gauss-Newton step, and the decrease of the linearized problem
#' @noRd
gauss_newton_step <- function(linear, at, with_beta) {
  right <- as.vector(Matrix::crossprod(linear$m, at$residual)) - at$u
  if (is.null(linear$k) || !all(is.finite(right))) {
    return(NULL)
  }
  u <- as.vector(linear$k$solve(right))
  if (!with_beta || ncol(linear$x) == 0L) {
    return(list(u = u, beta = 0, gain = sum(u * right)))
  }
  joint_step(
    linear,
    at,
    right,
    u
  )
}

# The step of modes and fixed effects together, from the step `u` of the modes alone.
joint_step <- function(linear, at, right, u) {
  cross <- as.matrix(Matrix::crossprod(linear$m, linear$x))
  solved <- linear$k$solve(cross)
  root <- safe_chol(crossprod(linear$x) - crossprod(cross, solved))
  if (is.null(root)) {
    return(NULL)
  }
  of_beta <- drop(crossprod(linear$x, at$residual))
  beta <- drop(solve_by_root(root, of_beta - drop(crossprod(cross, u))))
  u <- u - as.vector(solved %*% beta)
  list(
    u = u,
    beta = beta,
    gain = sum(u * right) + sum(beta * of_beta)
  )
}

lower_squares <- function(problem, z, at, step) {
  for (halving in 0:max_step_halvings) {
    share <- 2^-halving
    new <- squares_at(
      problem,
      z,
      at$beta + share * step$beta,
      at$u + share * step$u
    )
    # A small step lowers the sum of squares by less than its rounding errors.
    allowed <- if (step$gain < 1e-9 * at$pwrss) 1 + 1e-10 else 1
    if (is.finite(new$pwrss) && new$pwrss < allowed * at$pwrss) {
      return(new)
    }
  }
  NULL
}

# The objective -----------------------------------------------------------

laplace_objective <- function(problem, at) {
  if (is.null(at)) {
    return(NA_real_)
  }
  n <- problem$n
  at$linear$k$log_det +
    n * (1 + log(2 * pi * at$pwrss / n)) -
    problem$log_weights
}

#' The objective as a function of theta and, unless `fast`, of beta, in units of `scale`
#'
#' Each evaluation starts from the modes of the previous one, kept in `memory`.
#' @noRd
laplace_function <- function(problem, memory, fast) {
  n_theta <- length(memory$theta)
  function(parameters) {
    theta <- parameters[seq_len(n_theta)]
    beta <- if (fast) memory$beta else parameters[-seq_len(n_theta)]
    at <- nonlinear_modes(
      problem,
      theta,
      beta,
      memory$u,
      with_beta = fast
    )
    value <- laplace_objective(problem, at)
    memory$count <- memory$count + 1L
    if (is.na(value)) {
      return(1e10 + abs(memory$value))
    }
    memory$u <- at$u
    memory$beta <- at$beta
    memory$value <- value
    value
  }
}

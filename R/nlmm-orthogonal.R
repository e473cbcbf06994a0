# A nonlinear problem in orthogonal columns of X and of the random-effects terms. If a covariate is
# far from zero, its slopes are nearly collinear with the intercepts: an optimizer that takes steps
# in theta and beta ends on a ridge. The likelihood is the same in orthogonal columns.

#' The problem in orthogonal columns, with `basis`: the matrices R of the `given` columns X = Q R
#' and Z = Q R, or `NULL` for columns that stay as they are
#' @noRd
in_orthogonal_parameters <- function(problem) {
  near <- with_orthogonal_effects(problem)
  near$given <- problem
  root <- root_of_rows(problem$x, problem$n_rows)
  if (!is.null(root)) {
    near$basis$fixed <- root
    near$x <- problem$x %*% inverse_of(root)
  }
  near
}

with_orthogonal_effects <- function(problem) {
  roots <- lapply(problem$random, root_of_effects, problem)
  far <- which(lengths(roots) > 0L)
  problem$random[far] <- lapply(problem$random[far], as_unstructured)
  problem$shell$random <- problem$random
  problem$z <- z_in_columns(problem, roots)
  problem$basis <- list(random = roots)
  problem
}

# R of the columns of a term that can have any covariance matrix.
root_of_effects <- function(term, problem) {
  if (is_free_covariance(term)) {
    new <- new_data(problem$shell, NULL)
    root_of_rows(effects_matrix(term, new), problem$n_rows)
  }
}

# Whether a term can have any covariance matrix; that of two effects has three parameters.
is_free_covariance <- function(term) {
  k <- length(term$columns)
  length(term$theta) == k * (k + 1L) / 2L
}

as_unstructured <- function(term) {
  term$structure <- "us"
  term
}

z_in_columns <- function(problem, roots) {
  of_term <- rep(seq_along(roots), n_columns(problem) * n_levels(problem))
  for (i in which(lengths(roots) > 0L)) {
    own <- of_term == i
    problem$z[, own] <- times_block(
      problem$z[, own, drop = FALSE],
      inverse_of(roots[[i]])
    )
  }
  problem$z
}

#' The estimates for the original columns
#' @param given The problem in these.
#' @param est The estimates for `problem`, the result of [in_orthogonal_parameters()].
#' @noRd
in_given_columns <- function(est, problem, given) {
  root <- problem$basis$fixed
  if (!is.null(root)) {
    est$beta <- backsolve(root, est$beta)
    est$rx <- est$rx %*% root
  }
  if (any(lengths(problem$basis$random) > 0L)) {
    est <- with_given_effects(est, problem, given)
  }
  est
}

# The effects u of the given columns are a rotation of those of orthogonal ones.
with_given_effects <- function(est, problem, given) {
  lambdas <- lambda_blocks(problem$random, est$theta)
  turned <- Map(turned_block, lambdas, problem$basis$random)
  for (i in which(lengths(problem$basis$random) > 0L)) {
    own <- given$random[[i]]
    est$theta[own$theta] <- theta_of_factor(own, turned[[i]]$lambda)
  }
  rotation <- rotation_of_levels(turned, n_levels(problem))
  solve_there <- est$solve
  est$u <- as.vector(Matrix::crossprod(rotation, est$u))
  est$solve <- \(b) {
    there <- solve_there(as.matrix(rotation %*% b))
    as.matrix(Matrix::crossprod(rotation, there))
  }
  est
}

# The rotations of all levels of all terms as one matrix.
rotation_of_levels <- function(turned, n_levels) {
  of_term <- \(block, n) kronecker(Matrix::Diagonal(n), block$rotation)
  Matrix::bdiag(unname(Map(of_term, turned, n_levels)))
}

#' Lambda of the given columns and the rotation Q, with R^-1 Lambda* = Lambda Q
#' @noRd
turned_block <- function(block, root) {
  k <- ncol(block)
  if (is.null(root)) {
    return(list(lambda = block, rotation = diag(k)))
  }
  decomposed <- qr(t(backsolve(root, block)), tol = 0)
  lower <- t(qr.R(decomposed))
  signs <- ifelse(diag(lower) < 0, -1, 1)
  list(
    lambda = t(t(lower) * signs),
    rotation = t(t(qr.Q(decomposed)) * signs)
  )
}

# The theta of a term with a free covariance matrix, from Lambda.
theta_of_factor <- function(term, lambda) {
  if (is_unstructured(term$structure)) {
    return(lambda[lower.tri(lambda, diag = TRUE)])
  }
  sd <- sqrt(rowSums(lambda^2))
  size <- prod(sd)
  c(sd, if (size > 0) sum(lambda[1L, ] * lambda[2L, ]) / size else 0)
}

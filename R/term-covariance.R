# The covariance of one term from the core: the roles of its parameters, Lambda, Omega and its
# derivatives in theta. R only adds the names of the parameters.

# Parameters ----------------------------------------------------------------

#' The properties of a term's parameters, see `core_structures()`
#' @noRd
term_roles <- function(term) core_structures(list(term))[[1L]]

#' Names of a term's parameters
#' @noRd
theta_labels <- function(term, roles = term_roles(term)) {
  labels <- term$columns[roles$row]
  below <- which(roles$role == "factor" & roles$row != roles$col)
  if (length(below) > 0L) {
    columns <- term$columns[roles$col[below]]
    labels[below] <- paste(labels[below], columns, sep = ".")
  }
  if (has_rho(term$structure)) {
    labels <- with_rho_labels(labels, roles$role, term$structure)
  }
  labels
}

with_rho_labels <- function(labels, role, structure) {
  is_rho <- role == "correlation"
  n <- sum(is_rho)
  labels[is_rho] <- if (n == 1L) "rho" else sprintf("rho%s", seq_len(n))
  if (is_homogeneous(structure)) {
    labels[role == "common_scale"] <- "*"
  }
  labels
}

#' The bounds of each parameter of a term
#' @noRd
theta_range <- function(term) {
  roles <- term_roles(term)
  cbind(lower = roles$lower, upper = roles$upper)
}

# Whether each parameter of a term is relative to sigma.
is_scale <- function(term) term_roles(term)$role != "correlation"

# Lambda and Omega -----------------------------------------------------------

#' The elements of a term's covariance matrix that represent its parameters, in the order of theta
#' @noRd
covariance_cells <- function(term, roles = term_roles(term)) {
  cbind(row = roles$row, col = roles$col)
}

#' The k x k lower triangular block of Lambda of each term
#' @noRd
lambda_blocks <- function(random, theta) {
  # `root` transforms orthogonalized effects back to the original ones, see
  # `in_independent_effects()`.
  Map(
    \(term, block) {
      if (is.null(term$root)) block else term$root %*% block
    },
    random,
    core_lambda(random, theta)
  )
}

lambda_block <- function(term, theta) {
  block <- core_lambda(list(term), theta)[[1L]]
  if (is.null(term$root)) block else term$root %*% block
}

# Whether each term has a `root`, which transforms orthogonalized effects back to the original ones.
has_root <- function(random) {
  !vapply(random, \(term) is.null(term$root), NA)
}

#' Omega of each term, and its Jacobian in the term's theta: see `core_covariances()`
#' @noRd
term_covariances <- function(random, theta) {
  found <- core_covariances(random, theta)
  for (i in which(has_root(random))) {
    root <- random[[i]]$root
    own <- found[[i]]
    found[[i]]$omega <- root %*% tcrossprod(own$omega, root)
    found[[i]]$jacobian <- kronecker(root, root) %*% own$jacobian
  }
  found
}

#' The theta of a term for a covariance matrix, or for one near it that has the structure
#' @noRd
nearest_theta <- function(term, covariance) {
  core_nearest_theta(list(term), list(covariance))[[1L]]
}

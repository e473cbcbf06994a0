# Terms for the marginal products: in columns that are orthonormal over the rows, and as sparse
# matrices.

#' One term in columns of Z that are orthonormal over the rows
#'
#' In the original columns, the traces for a covariate far from zero, such as a year, would be
#' nearly equal.
#' @param design A list with the model matrix `z` and the level numbers `refs`.
#' @param lambda The term's block of Lambda.
#' @param shapes Changes of the term's covariance matrix, in the original columns; `NULL` for all
#'   symmetric matrices.
#' @noRd
marginal_term <- function(design, lambda, shapes, n_levels, group, weights) {
  root <- column_root(design$z, weights)
  k <- ncol(root)
  list(
    z = design$z %*% backsolve(root, diag(k)),
    refs = design$refs,
    n_levels = n_levels,
    group = group,
    lambda = root %*% lambda,
    root = root,
    shapes = if (is.null(shapes)) {
      unit_shapes(k)
    } else {
      lapply(shapes, \(shape) root %*% shape %*% t(root))
    }
  )
}

# X in columns that are orthonormal over the rows, X = QR: in the original ones, the covariance
# matrix of a slope and an intercept far from the data would be nearly singular.
orthonormal_effects <- function(x, weights) {
  root <- column_root(x, weights)
  inverse <- backsolve(root, diag(ncol(x)))
  list(q = x %*% inverse, root = root)
}

# R of Z = QR, with Q'WQ = n I; a diagonal matrix of column norms if columns are collinear.
column_root <- function(z, weights) {
  # With tolerance zero, columns are not permuted.
  plain <- qr(sqrt(weights) * z, tol = 0)
  root <- qr.R(plain) / sqrt(nrow(z))
  size <- sqrt(colSums(root^2))
  is_square <- nrow(root) == ncol(root) && all(size > 0)
  if (is_square && all(abs(diag(root)) > 1e-11 * size)) {
    return(root)
  }
  diag(ifelse(size == 0, 1, size), ncol(z))
}

unit_shapes <- function(k) {
  cells <- which(lower.tri(diag(k), diag = TRUE), arr.ind = TRUE)
  lapply(seq_len(nrow(cells)), \(i) {
    shape <- matrix(0, k, k)
    shape[cells[i, , drop = FALSE]] <- 1
    shape[cells[i, 2:1, drop = FALSE]] <- 1
    shape
  })
}

#' The sparse matrix Z of a term
#' @noRd
incidence <- function(z, refs, n_levels) {
  design <- list(z = z, refs = refs)
  zt <- zt_block(
    design,
    list(levels = seq_len(n_levels)),
    seq_len(ncol(z))
  )
  dimnames(zt) <- list(NULL, NULL)
  Matrix::t(zt)
}

# The sparse matrix Z of several terms.
terms_incidence <- function(terms, n) {
  none <- Matrix::sparseMatrix(
    i = integer(),
    j = integer(),
    dims = c(n, 0L),
    x = double()
  )
  block <- \(term) incidence(term$z, term$refs, term$n_levels)
  blocks <- lapply(terms, block)
  do.call(cbind, c(list(none), blocks))
}

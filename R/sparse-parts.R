# Sparse matrices of a fit in lme4's layout, with columns of Z by term, then by level, then by
# effect. They are computed on request and not stored in the fit.

#' The model matrix and levels of one term of the formula: the n x k matrix `z` and n level numbers
#' `refs`
#' @noRd
term_design <- function(fit, i, core_terms = fit_terms(fit)) {
  term <- fit$random[[i]]
  core <- core_terms[[term$core_term]]
  z <- column_matrix(core$z, length(core$refs))
  z <- z[, term$core_cols, drop = FALSE]
  dimnames(z) <- list(row.names(fit$frame), term$columns)
  list(z = z, refs = core$refs)
}

term_designs <- function(fit) {
  core_terms <- fit_terms(fit)
  lapply(seq_along(fit$random), \(i) term_design(fit, i, core_terms))
}

# Z' as a sparse matrix; as in lme4, exact zeros are not stored.
sparse_zt <- function(fit) {
  blocks <- Map(
    \(design, term) zt_block(design, term, seq_along(term$columns)),
    term_designs(fit),
    fit$random
  )
  do.call(rbind, blocks)
}

#' The rows of Z' of one term, for the chosen columns of its model matrix
#' @noRd
zt_block <- function(design, term, columns) {
  n <- length(design$refs)
  k <- length(columns)
  values <- t(design$z[, columns, drop = FALSE])
  rows <- outer(
    seq_len(k),
    (design$refs - 1L) * k,
    `+`
  )
  keep <- which(values != 0)
  Matrix::sparseMatrix(
    i = rows[keep],
    j = (keep - 1L) %/% k + 1L,
    x = values[keep],
    dims = c(k * length(term$levels), n),
    dimnames = list(rep(term$levels, each = k), rownames(design$z))
  )
}

#' Lambda' with all elements that theta determines, including zeros
#' @noRd
sparse_lambdat <- function(fit) {
  own <- \(term) lambda_block(term, fit$theta)[term_cells(term)]
  lambdat_with(fit, own)
}

# Lambda' with the index into theta in place of each element.
lambdat_pattern <- function(fit) lambdat_with(fit, cell_theta)

# Lambda' with the elements that `values` returns for a term's cells, sorted by row within each
# column.
lambdat_with <- function(fit, values) {
  sizes <- n_columns(fit) * n_levels(fit)
  q <- sum(sizes)
  blocks <- Map(
    lambdat_block,
    fit$random,
    cumsum(sizes) - sizes,
    lapply(fit$random, values)
  )
  cells <- do.call(rbind, blocks)
  Matrix::sparseMatrix(
    i = cells[, "col"],
    j = cells[, "row"],
    x = cells[, "value"],
    dims = c(q, q)
  )
}

# The elements of one term: its template repeated for each level.
lambdat_block <- function(term, start, values) {
  cell <- term_cells(term)
  level_start <- start + (seq_along(term$levels) - 1L) * length(term$columns)
  at <- rep(level_start, each = nrow(cell))
  cbind(
    row = at + cell[, 1],
    col = at + cell[, 2],
    value = as.double(values)
  )
}

#' Z and Lambda as sparse matrices
#' @noRd
random_matrix <- function(fit) Matrix::t(sparse_zt(fit))

lambda_matrix <- function(fit) Matrix::t(sparse_lambdat(fit))

root_weights <- function(fit) sqrt(working_weights(fit))

lambdat_zt <- function(fit) sparse_lambdat(fit) %*% sparse_zt(fit)

#' The sparse factor: `l`, with L L' = P (Lambda'Z'WZ Lambda + I) P', and `rzx` = L^-1 P Lambda'Z'W
#' X.
#' @param design The result of [sparse_design()], which doesn't depend on theta.
#' @noRd
sparse_factor <- function(fit, design = sparse_design(fit)) {
  products <- lambda_products(design, sparse_lambdat(fit))
  l <- factor_with_unit(products$of_z)
  list(l = l, rzx = solve_lower(l, products$of_x))
}

#' The sparse Cholesky factor of a positive semi-definite matrix plus the identity
#'
#' Rounding errors can make the sum indefinite if the matrix is larger than the reciprocal of the
#' machine precision, which Matrix reports in a warning and an error.
#' @noRd
factor_with_unit <- function(products, perm = TRUE) {
  tryCatch(
    Matrix::Cholesky(products, perm = perm, LDL = FALSE, Imult = 1),
    error = \(cnd) abort_rounded_factor(),
    warning = \(cnd) abort_rounded_factor()
  )
}

abort_rounded_factor <- function() {
  abort_rlmm(
    c(
      "This needs a matrix that has too large rounding errors to be factored.",
      x = "Random effects have variances about 1e15 times the residual variance, or more.",
      i = "Is a covariate far from zero, or in an unsuitable unit? Centre and rescale it."
    ),
    "rlmm_error_rounding"
  )
}

# Lambda'Z'WZ Lambda and Lambda'Z'WX.
lambda_products <- function(design, lambdat) {
  if (is.null(design$zt)) {
    whole <- lambdat %*% Matrix::tcrossprod(design$ztwz, lambdat)
    return(list(
      of_z = Matrix::forceSymmetric(whole),
      of_x = lambdat %*% design$ztwx
    ))
  }
  at <- lambdat %*% design$zt
  list(
    of_z = weighted_product(at, design$weights),
    of_x = at %*% design$wx
  )
}

#' Z', the weights W, and WX; for a fit of sums the products Z'WZ and Z'WX
#' @noRd
sparse_design <- function(fit) {
  if (!is.null(fit$sums)) {
    return(sparse_products(fit))
  }
  weights <- working_weights(fit)
  list(
    zt = sparse_zt(fit),
    weights = weights,
    wx = weights * free_matrix(fit)
  )
}

# A W A' for a sparse A. The observed information W of a single observation may be negative.
weighted_product <- function(a, weights) {
  if (all(weights >= 0)) {
    return(Matrix::tcrossprod(a %*% Matrix::Diagonal(x = sqrt(weights))))
  }
  weighted <- a %*% Matrix::Diagonal(x = weights)
  Matrix::forceSymmetric(Matrix::tcrossprod(weighted, a))
}

solve_lower <- function(l, right) {
  Matrix::solve(
    l,
    Matrix::solve(l, right, system = "P"),
    system = "L"
  )
}

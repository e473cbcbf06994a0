# The blocks that the fit is computed from, as sparse matrices: A, the cross-products of [Z_1 ...
# Z_k, Xy], and L, the Cholesky factor of A after Lambda: the lower triangles, by grouping factor
# (terms that share one are amalgamated).

#' @return A list of the blocks of the lower triangle, row by row; the block of rows i and columns j
#'   is named "i,j".
#' @noRd
product_blocks <- function(fit) {
  columns <- weighted_columns(fit)
  block_list(names(columns), \(i, j) {
    Matrix::crossprod(columns[[i]], columns[[j]])
  })
}

factor_blocks <- function(fit) {
  columns <- weighted_columns(fit)
  last <- length(columns)
  scaled <- c(
    Map(`%*%`, columns[-last], core_lambdas(fit)),
    columns[last]
  )
  sizes <- vapply(columns, ncol, 1L)
  factor <- penalized_factor(do.call(cbind, scaled), sum(sizes[-last]))
  rows <- split(seq_len(sum(sizes)), rep(seq_along(sizes), sizes))
  block_list(names(columns), \(i, j) factor[rows[[i]], rows[[j]], drop = FALSE])
}

# The lower Cholesky factor of the cross-products, of which those of the first q columns, the random
# effects, are penalized.
penalized_factor <- function(columns, q) {
  penalty <- as.double(seq_len(ncol(columns)) <= q)
  penalized <- Matrix::crossprod(columns) + Matrix::Diagonal(x = penalty)
  Matrix::t(Matrix::chol(Matrix::forceSymmetric(penalized)))
}

block_list <- function(labels, block) {
  cells <- which(lower.tri(diag(length(labels)), diag = TRUE), arr.ind = TRUE)
  cells <- cells[order(cells[, 1], cells[, 2]), , drop = FALSE]
  blocks <- Map(block, cells[, 1], cells[, 2])
  stats::setNames(
    blocks,
    paste(labels[cells[, 1]], labels[cells[, 2]], sep = ",")
  )
}

core_z <- function(core) {
  z <- column_matrix(core$z, length(core$refs))
  term <- list(levels = as.character(seq_len(core$n_levels)))
  zt <- zt_block(list(z = z, refs = core$refs), term, seq_len(ncol(z)))
  dimnames(zt) <- list(NULL, NULL)
  Matrix::t(zt)
}

core_lambdas <- function(fit) {
  templates <- lambda_templates(fit)
  owner <- vapply(fit$random, \(term) term$core_term, 1L)
  lapply(seq_len(max(owner)), \(core) {
    mine <- which(owner == core)
    template <- block_diagonal(templates[mine])
    Matrix::kronecker(
      Matrix::Diagonal(length(fit$random[[mine[1]]]$levels)),
      template
    )
  })
}

#' W^1/2 Z of each core term, then W^1/2 [X y] (the offset taken off y)
#' @noRd
weighted_columns <- function(fit) UseMethod("weighted_columns")

#' @export
weighted_columns.rlmm_lmm <- function(fit) {
  spec <- fit_spec(fit)
  root <- root_weights(fit)
  groups <- unique(term_groups(fit))
  random <- lapply(spec$terms, \(core) root * core_z(core))
  xy <- root *
    cbind(column_matrix(spec$x, length(spec$y)), spec$y - (spec$offset %||% 0))
  c(
    stats::setNames(random, groups),
    list(Xy = Matrix::Matrix(xy, sparse = FALSE, doDiag = FALSE))
  )
}

#' @export
weighted_columns.rlmm_glmm <- function(fit) {
  abort_glmm(
    "The blocks of the cross-products",
    "See `L`, `RZX` and `RX` instead.",
    "aren't"
  )
}

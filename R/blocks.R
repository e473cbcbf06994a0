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
  k <- length(columns) - 1L
  scaled <- do.call(
    cbind,
    c(Map(`%*%`, columns[seq_len(k)], core_lambdas(fit)), columns[k + 1L])
  )
  q <- sum(vapply(columns[seq_len(k)], ncol, 1L))
  random <- seq_len(q)
  product <- Matrix::crossprod(scaled)
  # Only the random effects are penalized.
  inflated <- product +
    Matrix::Diagonal(x = as.double(seq_len(ncol(scaled)) <= q))
  factor <- Matrix::t(Matrix::chol(Matrix::forceSymmetric(inflated)))
  ends <- cumsum(vapply(columns, ncol, 1L))
  rows <- Map(seq.int, c(1L, ends[-length(ends)] + 1L), ends)
  block_list(names(columns), \(i, j) factor[rows[[i]], rows[[j]], drop = FALSE])
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

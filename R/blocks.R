# The blocked cross-products A of [Z_1 ... Z_k, X, y] and the Cholesky factor L of A after Lambda,
# as sparse matrices: their lower triangles by grouping factor (terms with the same grouping factor
# form one block).

#' The blocks of A
#' @return A list of the blocks of the lower triangle, row by row; the block of row i and column j
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
  scaled <- c(scaled_columns(columns, fit), columns[last])
  sizes <- vapply(columns, ncol, 1L)
  factor <- penalized_factor(do.call(cbind, scaled), sum(sizes[-last]))
  owner <- rep(seq_along(sizes), sizes)
  rows <- split(seq_along(owner), owner)
  block_of <- \(i, j) factor[rows[[i]], rows[[j]], drop = FALSE]
  block_list(names(columns), block_of)
}

#' The factor of the random effects as one matrix: L without the rows of X and y
#' @noRd
random_factor <- function(fit) {
  scaled <- do.call(cbind, unname(scaled_columns(weighted_columns(fit), fit)))
  factor <- penalized_factor(scaled, ncol(scaled))
  dimnames(factor) <- list(NULL, NULL)
  factor
}

# W^1/2 Z Lambda of each core term.
scaled_columns <- function(columns, fit) {
  Map(`%*%`, columns[-length(columns)], core_lambdas(fit))
}

# The lower Cholesky factor of the cross-products, with a penalty of one for the first q columns,
# the random effects.
penalized_factor <- function(columns, q) {
  penalty <- as.double(seq_len(ncol(columns)) <= q)
  penalized <- Matrix::crossprod(columns) + Matrix::Diagonal(x = penalty)
  Matrix::t(Matrix::chol(Matrix::forceSymmetric(penalized)))
}

block_list <- function(labels, block) {
  is_lower <- lower.tri(diag(length(labels)), diag = TRUE)
  cells <- which(is_lower, arr.ind = TRUE)
  by_row <- order(cells[, 1], cells[, 2])
  cells <- cells[by_row, , drop = FALSE]
  blocks <- Map(block, cells[, 1], cells[, 2])
  stats::setNames(
    blocks,
    paste(labels[cells[, 1]], labels[cells[, 2]], sep = ",")
  )
}

core_z <- function(core) {
  z <- column_matrix(core$z, length(core$refs))
  term <- list(levels = as.character(seq_len(core$n_levels)))
  effects <- list(z = z, refs = core$refs)
  zt <- zt_block(effects, term, seq_len(ncol(z)))
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

#' W^1/2 Z of each core term, then W^1/2 [X y] (with the offset subtracted from y)
#'
#' In a generalized model y and W are the working response and weights of the last PIRLS iteration.
#' @noRd
weighted_columns <- function(fit) {
  abort_if_large(fit, "The blocks of the cross-products", "aren't")
  check_root_weights(fit)
  spec <- fit_spec(fit)
  root <- root_weights(fit)
  random <- lapply(spec$terms, \(core) root * core_z(core))
  names(random) <- unique(term_groups(fit))
  c(random, list(Xy = weighted_fixed(fit, spec, root)))
}

# The columns of X, and the response.
weighted_fixed <- function(fit, spec, root) {
  y <- working_response(fit)
  xy <- root * cbind(column_matrix(spec$x, length(y)), y)
  dimnames(xy) <- NULL
  Matrix::Matrix(xy, sparse = FALSE, doDiag = FALSE)
}

# Raises an error about negative weights: the observed information of one observation may be
# negative.
check_root_weights <- function(fit) {
  if (all(working_weights(fit) >= 0)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The blocks of the cross-products aren't available for this fit.",
      x = "Some working weights, of the observed information, are negative.",
      i = "See `L`, `RZX` and `RX` instead."
    ),
    "rlmm_error_not_available"
  )
}

#' The response of a linear model, or the working response of the last PIRLS iteration, minus the
#' offset
#' @noRd
working_response <- function(fit) UseMethod("working_response")

#' @export
working_response.rlmm_lmm <- function(fit) {
  spec <- fit_spec(fit)
  spec$y - (spec$offset %||% 0)
}

#' @export
working_response.rlmm_glmm <- function(fit) {
  eta <- fit$eta - (fit_offset(fit) %||% 0)
  as.vector(eta) + raw_residuals(fit, "working")
}

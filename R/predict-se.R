# Standard errors of predictions.

#' Standard errors of the rows m = (z, x) of predictions, as those of z'b + x'beta given theta
#'
#' With L the sparse factor, R_X the one of the fixed part and a = L^-1 Lambda' z, the variance is
#' sigma^2 (|a|^2 + |R_X^-T (x - R_ZX' a)|^2): the joint covariance of b and beta is never formed.
#' @noRd
predict_se <- function(fit, use, new, random_only, allow_new_levels) {
  x <- if (random_only) {
    matrix(0, new$n, n_free_beta(fit))
  } else {
    free_matrix(fit, new)
  }
  if (all(lengths(use) == 0)) {
    return(effects_sigma(fit) * sqrt(fixed_variance(x, fit)))
  }
  factor <- sparse_factor(fit)
  zt <- selected_zt(fit, use, new, allow_new_levels)
  lambdat_zt <- sparse_lambdat(fit) %*% zt
  variance <- lapply(row_blocks(new$n), \(rows) {
    a <- solve_lower(factor$l, lambdat_zt[, rows, drop = FALSE])
    shift <- as.matrix(Matrix::crossprod(a, factor$rzx))
    shifted <- x[rows, , drop = FALSE] - shift
    Matrix::colSums(a^2) + fixed_variance(shifted, fit)
  })
  effects_sigma(fit) * sqrt(unlist(variance, use.names = FALSE))
}

# The variance |R_X^-T x|^2, over sigma^2, for each row x.
fixed_variance <- function(x, fit) {
  if (ncol(x) == 0) {
    numeric(nrow(x))
  } else {
    colSums(backsolve(fit$rx, t(x), transpose = TRUE)^2)
  }
}

# Blocks of rows, few enough at a time that a, which fills in where factors are crossed, stays
# small.
row_blocks <- function(n) split(seq_len(n), (seq_len(n) - 1) %/% 500)

#' Z' for predictions: q x n, with the selected columns of each term; nothing for a level that is
#' new
#' @noRd
selected_zt <- function(fit, use, new, allow_new_levels) {
  blocks <- Map(
    selected_block,
    fit$random,
    use,
    list(new),
    allow_new_levels
  )
  do.call(rbind, blocks)
}

selected_block <- function(term, columns, new, allow_new_levels) {
  k <- length(term$columns)
  dims <- c(k * length(term$levels), new$n)
  if (length(columns) == 0) {
    return(Matrix::sparseMatrix(integer(), integer(), x = 0[0], dims = dims))
  }
  refs <- checked_refs(term, new, allow_new_levels)
  known <- which(!is.na(refs))
  z <- selected_columns(term, columns, new)
  Matrix::sparseMatrix(
    i = as.vector(outer((refs[known] - 1L) * k, columns, `+`)),
    j = rep(known, length(columns)),
    x = as.vector(z[known, ]),
    dims = dims
  )
}

selected_columns <- function(term, columns, new) {
  if (identical(term$columns[columns], "(Intercept)")) {
    return(matrix(1, new$n))
  }
  effects_matrix(term, new)[, columns, drop = FALSE]
}

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
  parts <- sparse_factor(fit)
  lambdat_zt <- sparse_lambdat(fit) %*%
    selected_zt(fit, use, new, allow_new_levels)
  variance <- lapply(row_blocks(new$n), function(rows) {
    a <- solve_lower(parts$l, lambdat_zt[, rows, drop = FALSE])
    shifted <- x[rows, , drop = FALSE] -
      as.matrix(Matrix::crossprod(a, parts$rzx))
    Matrix::colSums(a^2) + fixed_variance(shifted, fit)
  })
  effects_sigma(fit) * sqrt(unlist(variance, use.names = FALSE))
}

# |R_X^-T x|^2 for each row x
fixed_variance <- function(x, fit) {
  if (ncol(x) == 0) {
    numeric(nrow(x))
  } else {
    colSums(backsolve(fit$rx, t(x), transpose = TRUE)^2)
  }
}

# Few enough rows at a time that a, which fills in where factors are crossed, stays small.
row_blocks <- function(n) split(seq_len(n), (seq_len(n) - 1) %/% 500)

#' Z' for predictions: q x n, with the selected columns of each term; nothing for a level that is new
#' @noRd
selected_zt <- function(fit, use, new, allow_new_levels) {
  blocks <- Map(
    function(term, columns) {
      k <- length(term$columns)
      if (length(columns) == 0) {
        return(Matrix::sparseMatrix(
          integer(),
          integer(),
          x = numeric(),
          dims = c(k * length(term$levels), new$n)
        ))
      }
      refs <- checked_refs(term, new, allow_new_levels)
      known <- which(!is.na(refs))
      z <- if (identical(term$columns[columns], "(Intercept)")) {
        matrix(1, new$n)
      } else {
        effects_matrix(term, new)[, columns]
      }
      Matrix::sparseMatrix(
        i = as.vector(outer((refs[known] - 1L) * k, columns, `+`)),
        j = rep(known, length(columns)),
        x = as.vector(as.matrix(z)[known, ]),
        dims = c(k * length(term$levels), new$n)
      )
    },
    fit$random,
    use
  )
  do.call(rbind, blocks)
}

# The variance of the prediction error of x' beta + z' b, given theta.
#
# Given beta, the random effects b have the conditional covariance C and the derivative D = d b / d
# beta. The variance of the error is s' V s + z' C z, with s = x + D' z and V the covariance of
# beta: a sum of squares, which keeps its digits if x' beta and z' b are large and cancel. A new
# level has D = 0, and its C is the covariance of its term. All quantities are over sigma^2, and no
# matrix has a row and a column for each prediction.

#' The components of variances of predictions
#' @param effects The terms in use; without any, the data of the fit are not needed.
#' @param spec,design The spec of the fit, and Z' and related matrices, computed from its data.
#' @return A list: `rx` (R_X) and `free` (the coefficients that it refers to); `lambda`, by term;
#'   `levels`, for one large factor the result of [conditional_level_covariances()]; for predictions
#'   with random effects, for each term `within`, the blocks of C as a k x k matrix of vectors over
#'   levels, and `shift`, d u / d beta as a k x p matrix of such vectors, both with the unknown
#'   level last; `factor`, `lambdat` and `first`: the sparse factor, Lambda' and the first row of
#'   each term.
#' @noRd
prediction_parts <- function(
  fit,
  effects,
  spec = fit_spec(fit),
  design = sparse_design(fit)
) {
  lambda <- lambda_blocks(fit$random, fit$theta)
  parts <- list(
    rx = fit$rx,
    free = free_beta(fit),
    lambda = lambda
  )
  if (has_large(fit)) {
    return(c(parts, large_parts(fit, effects, linear_spec(fit, spec))))
  }
  if (length(effects) == 0L) {
    return(parts)
  }
  parts$within <- Map(
    level_covariances,
    fit$random,
    lambda,
    list(fit_cond_var(fit, spec))
  )
  parts$factor <- sparse_factor(fit, design)
  parts$lambdat <- sparse_lambdat(fit)
  parts$shift <- effect_shifts(fit, parts)
  parts$first <- first_rows(fit)
  parts
}

# The components for large factors: for one factor without random effects, the covariances of its
# levels; otherwise the system to solve for each row.
large_parts <- function(fit, effects, spec) {
  large <- fit$fixed$large
  if (length(effects) == 0L && n_blocks(large) == 1L) {
    return(list(levels = conditional_level_covariances(fit, spec)))
  }
  list(
    system = normal_equations(spec),
    theta = fit$theta,
    n_terms = length(spec$terms),
    large = large
  )
}

# The conditional covariances of one term: k x k lists of vectors over levels, with the unknown
# level last.
level_covariances <- function(term, lambda, by_core_term) {
  own <- term$core_cols
  known <- by_core_term[[term$core_term]][own, own, , drop = FALSE]
  with_unknown_cell(known, lambda)
}

# Appends the covariance of the unknown level to one cell of the conditional covariances.
with_unknown_cell <- function(known, lambda) {
  unknown <- tcrossprod(lambda)
  k <- nrow(unknown)
  cells <- lapply(seq_len(k^2), \(cell) {
    row <- (cell - 1L) %% k + 1L
    column <- (cell - 1L) %/% k + 1L
    c(known[row, column, ], unknown[cell])
  })
  matrix(cells, k, k)
}

#' d u / d beta = -(Lambda'Z'WZ Lambda + I)^-1 Lambda'Z'W X, by term
#' @noRd
effect_shifts <- function(fit, parts) {
  factor <- parts$factor
  solved <- Matrix::solve(
    factor$l,
    factor$rzx,
    system = "Lt"
  )
  all <- -as.matrix(Matrix::solve(factor$l, solved, system = "Pt"))
  Map(
    term_shifts,
    fit$random,
    first_rows(fit),
    list(all)
  )
}

term_shifts <- function(term, first, all) {
  k <- length(term$columns)
  levels <- seq_along(term$levels) - 1L
  cells <- lapply(seq_len(k * ncol(all)), \(cell) {
    column <- (cell - 1L) %% k + 1L
    row <- first + levels * k + column
    c(all[row, (cell - 1L) %/% k + 1L], 0)
  })
  matrix(cells, k, ncol(all))
}

#' The variances of the errors of x' beta + z' b, over sigma^2
#'
#' Terms in `rows$drawn` add the variance of a new level.
#' @param fixed Whether beta is estimated rather than given.
#' @noRd
prediction_variance <- function(rows, parts, fixed = TRUE) {
  total <- drawn_variance(rows$drawn, parts)
  if (!is.null(parts$system)) {
    return(total + solved_variance(rows, parts, fixed))
  }
  if (fixed) {
    total <- total + fixed_variance(shifted_rows(rows, parts), parts$rx)
  }
  total <- total + levels_variance(rows$levels, parts$levels)
  effects <- lapply(rows$effects, with_unknown_level)
  within <- lapply(effects, within_variance, parts = parts)
  if (any(vapply(within, is.null, NA))) {
    return(total + spherical_variance(effects, parts))
  }
  Reduce(`+`, within, total) + between_variance(effects, parts)
}

# The variance of the levels of one large factor and its slopes, given the other coefficients.
levels_variance <- function(levels, spread) {
  total <- 0
  for (own in levels) {
    for (other in levels) {
      pages <- spread$within[[1L]]
      level <- (own$at - 1L) %% dim(pages)[3L] + 1L
      within <- pages[own$column, other$column, ][level]
      total <- total + own$values * other$values * within
    }
  }
  total
}

# Twice the covariances between the effects of each pair of terms.
between_variance <- function(effects, parts) {
  total <- 0
  for (i in seq_along(effects)) {
    for (other in effects[seq_len(i - 1L)]) {
      total <- total + 2 * between_covariance(effects[[i]], other, parts)
    }
  }
  total
}

# The variance z' Lambda Lambda' z of the effects of new levels, over sigma^2.
drawn_variance <- function(drawn, parts) {
  total <- 0
  for (effect in drawn) {
    z_lambda <- effect$z %*% parts$lambda[[effect$i]]
    total <- total + rowSums(z_lambda^2)
  }
  total
}

# The variance |R_X^-T x|^2, over sigma^2, for each row x.
fixed_variance <- function(x, rx) {
  if (ncol(x) == 0L) {
    numeric(nrow(x))
  } else {
    colSums(backsolve(rx, t(x), transpose = TRUE)^2)
  }
}

# The rows s = x + D' z of the free coefficients. With D = Lambda d u / d beta, z' Lambda is
# computed first, as products with D would lose digits if a covariate is far from zero.
shifted_rows <- function(rows, parts) {
  s <- rows$x[, parts$free, drop = FALSE]
  for (own in rows$levels) {
    shift <- parts$levels$shift[own$at, , drop = FALSE]
    s <- s + own$values * shift
  }
  for (effect in lapply(rows$effects, with_unknown_level)) {
    effect$z <- spherical_rows(effect, parts)
    shift <- parts$shift[[effect$i]]
    for (j in seq_len(ncol(s))) {
      s[, j] <- s[, j] + weighted_cells(effect, shift[, j])
    }
  }
  s
}

# The rows z' Lambda of one term.
spherical_rows <- function(effect, parts) {
  lambda <- parts$lambda[[effect$i]]
  effect$z %*% lambda[effect$columns, , drop = FALSE]
}

# The sum over the columns of z times the values at each row's level.
weighted_cells <- function(effect, cells) {
  total <- 0
  for (a in seq_along(cells)) {
    of_level <- cells[[a]][effect$refs]
    total <- total + effect$z[, a] * of_level
  }
  total
}

# The unknown level comes after those of the fit.
with_unknown_level <- function(effect) {
  effect$known <- !is.na(effect$refs)
  effect$refs[!effect$known] <- length(effect$term$levels) + 1L
  effect
}

# z' C z of one term; `NULL` if digits are lost because a covariate is far from zero.
within_variance <- function(effect, parts) {
  cells <- parts$within[[effect$i]][
    effect$columns,
    effect$columns,
    drop = FALSE
  ]
  total <- cell_sum(effect, cells)
  sizes <- effect
  sizes$z <- abs(effect$z)
  whole <- cell_sum(sizes, array(lapply(cells, abs), dim(cells)))
  is_lost <- whole * .Machine$double.eps > 1e-9 * total
  if (!any(is_lost, na.rm = TRUE)) total
}

cell_sum <- function(effect, cells) {
  total <- 0
  for (a in seq_len(ncol(cells))) {
    of_column <- weighted_cells(effect, cells[, a])
    total <- total + effect$z[, a] * of_column
  }
  total
}

#' z' C z of all terms as a sum of squares, |L^-1 P Lambda' z|^2
#'
#' The sum of squares needs a solve for each row, but keeps its digits.
#' @noRd
spherical_variance <- function(effects, parts) {
  n <- length(effects[[1L]]$refs)
  total <- numeric(n)
  for (block in row_blocks(n)) {
    right <- Reduce(`+`, lapply(effects, spherical_zt, block, parts))
    half <- solve_lower(parts$factor$l, right)
    total[block] <- Matrix::colSums(half^2)
  }
  with_unknown_levels(total, effects, parts)
}

# Adds the variances of the effects of new levels.
with_unknown_levels <- function(total, effects, parts) {
  for (effect in effects) {
    unknown <- !effect$known
    squares <- rowSums(spherical_rows(effect, parts)^2)
    total[unknown] <- total[unknown] + squares[unknown]
  }
  total
}

# Lambda'Z' of one term for some rows, without new levels.
spherical_zt <- function(effect, rows, parts) {
  w <- spherical_rows(effect, parts)[rows, , drop = FALSE]
  known <- which(effect$known[rows])
  k <- ncol(w)
  before <- (effect$refs[rows][known] - 1L) * k
  first <- parts$first[effect$i] + before
  Matrix::sparseMatrix(
    i = as.vector(outer(first, seq_len(k), `+`)),
    j = rep(known, k),
    x = as.vector(w[known, ]),
    dims = c(nrow(parts$lambdat), length(rows))
  )
}

# z1' C z2 of two terms, for each pair of levels that occurs.
between_covariance <- function(one, other, parts) {
  both <- which(one$known & other$known)
  n_levels <- length(one$term$levels)
  key <- one$refs + other$refs * (n_levels + 1)
  first <- both[!duplicated(key[both])]
  first <- first[order(one$refs[first])]
  pair <- match(key[both], key[first])
  total <- numeric(length(one$refs))
  for (a in seq_along(one$columns)) {
    at <- effect_positions(one, a, first, parts)
    for (b in seq_along(other$columns)) {
      to <- effect_positions(other, b, first, parts)
      covariance <- cross_covariances(at, to, parts)
      z <- one$z[both, a] * other$z[both, b]
      total[both] <- total[both] + z * covariance[pair]
    }
  }
  total
}

# The rows of Lambda of one column of a term, at the levels of some rows.
effect_positions <- function(effect, a, rows, parts) {
  k <- length(effect$term$columns)
  before <- (effect$refs[rows] - 1L) * k
  parts$first[effect$i] + before + effect$columns[a]
}

#' Elements of C, that is Lambda times the inverse of the penalized cross-products times Lambda'
#' @param i,j The rows and columns of the elements.
#' @noRd
cross_covariances <- function(i, j, parts) {
  columns <- half_column_finder(unique(c(i, j)), parts)
  out <- numeric(length(i))
  for (block in row_blocks(length(i))) {
    left <- unique(i[block])
    right <- unique(j[block])
    products <- Matrix::crossprod(columns(left), columns(right))
    products <- as.matrix(products)
    cells <- cbind(match(i[block], left), match(j[block], right))
    out[block] <- products[cells]
  }
  out
}

# A function that returns some of the needed columns.
half_column_finder <- function(needed, parts) {
  # All columns are kept, unless they might fill the memory, as with crossed factors.
  if (length(needed) * nrow(parts$lambdat) > 1e8) {
    return(\(rows) half_columns(rows, parts))
  }
  half <- half_columns(needed, parts)
  \(rows) half[, match(rows, needed), drop = FALSE]
}

# Columns of L^-1 P Lambda', whose cross-products are the elements of C.
half_columns <- function(columns, parts) {
  solve_lower(parts$factor$l, parts$lambdat[, columns, drop = FALSE])
}

# Blocks of rows, so small that solutions, which are dense with crossed factors, stay small.
row_blocks <- function(n, size = 500) {
  split(seq_len(n), (seq_len(n) - 1) %/% size)
}

#' The covariance matrix of the errors of all predictions, over sigma^2, for few rows
#' @noRd
prediction_covariance <- function(rows, parts, fixed = TRUE) {
  total <- levels_covariance(rows, parts)
  for (effect in rows$effects) {
    total <- total + unknown_covariance(effect, parts)
  }
  if (fixed && any(parts$free)) {
    s <- backsolve(
      parts$rx,
      t(shifted_rows(rows, parts)),
      transpose = TRUE
    )
    total <- total + crossprod(s)
  }
  total
}

# The covariance between rows from the effects of known levels.
levels_covariance <- function(rows, parts) {
  z <- do.call(rbind, lapply(rows$effects, effect_zt, parts = parts))
  if (is.null(z)) {
    return(matrix(0, rows$n, rows$n))
  }
  at <- unlist(lapply(rows$effects, all_positions, parts = parts))
  lambdat_z <- parts$lambdat[, at, drop = FALSE] %*% z
  a <- solve_lower(parts$factor$l, lambdat_z)
  as.matrix(Matrix::crossprod(a))
}

# The rows of Lambda of the columns in use of a term.
all_positions <- function(effect, parts) {
  k <- length(effect$term$columns)
  levels <- seq_along(effect$term$levels) - 1L
  within <- outer(effect$columns, levels * k, `+`)
  as.vector(within) + parts$first[effect$i]
}

# Z' of the columns in use of a term, with zeros for a new level.
effect_zt <- function(effect, parts) {
  known <- which(!is.na(effect$refs))
  k <- length(effect$columns)
  before <- (effect$refs[known] - 1L) * k
  Matrix::sparseMatrix(
    i = as.vector(outer(before, seq_len(k), `+`)),
    j = rep(known, k),
    x = as.vector(effect$z[known, ]),
    dims = c(k * length(effect$term$levels), length(effect$refs))
  )
}

# Rows of the same new level share its effects.
unknown_covariance <- function(effect, parts) {
  is_new <- is.na(effect$refs)
  if (!any(is_new)) {
    return(0)
  }
  lambda <- parts$lambda[[effect$i]][effect$columns, , drop = FALSE]
  covariance <- tcrossprod(effect$z %*% lambda)
  same <- outer(effect$labels, effect$labels, `==`)
  same <- same | diag(TRUE, length(is_new))
  same[is.na(same)] <- FALSE
  covariance * (same & outer(is_new, is_new))
}

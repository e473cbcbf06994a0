# Residual degrees of freedom, the number of observations minus the rank of `[X Z]`, which divide
# the deviance in a profiled dispersion.

# The largest number of columns of Z, crossed with those of the largest term, for which the rank is
# computed from pivots: with more, the factorization would take longer than the fit, or too much
# memory.
max_crossed_columns <- 2000

# Squared residual lengths below this fraction of the column's are rounding errors.
rank_tolerance <- 1e-11

# A bound on the rounding errors in a column relative to its length.
column_noise <- 1e-14

# The largest number of residuals of columns without a pivot that are computed.
max_residuals <- 1e7

#' Adds the degrees of freedom of a profiled dispersion to the element `glmm` of a spec
#' @noRd
with_residual_df <- function(spec) {
  settings <- spec$glmm
  if (identical(settings$shape_kind, "profiled")) {
    settings$shape <- residual_df(spec)
  }
  settings
}

# The number of observations minus the rank of `[X Z]`.
residual_df <- function(spec) {
  used <- (spec$weights %||% rep(1, length(spec$y))) > 0
  df <- count_observations(spec) - rank_of_model(spec, used)
  if (df > 0) df else abort_no_df(!is.null(spec$weights))
}

# The rank of `[X Z]` in the rows in use.
rank_of_model <- function(spec, used) {
  n <- length(used)
  x <- list(
    refs = rep(1L, n),
    n_levels = 1L,
    z = spec$x
  )
  constants <- Filter(has_constant, c(list(x), spec$terms))
  fixed <- with_orthogonalized(unit_part(x, used, constants))
  random <- lapply(spec$terms, unit_part, used, constants)
  if (count_crossed(random) > max_crossed_columns) {
    return(rank_by_terms(random, fixed$z))
  }
  parts <- c(list(fixed), lapply(random, with_orthogonalized))
  is_far <- vapply(c(list(x), spec$terms), has_nearly_constant, NA, used)
  rank_of(do.call(cbind, lapply(parts, sparse_part)), any(is_far))
}

# Whether a term has a covariate far from zero: its values other than zero are nearly equal.
has_nearly_constant <- function(core_term, used) {
  z <- column_matrix(core_term$z, length(used))[used, , drop = FALSE]
  any(apply(z, 2L, is_nearly_constant))
}

is_nearly_constant <- function(column) {
  values <- column[column != 0]
  size <- max(abs(values), 0)
  spread <- max(abs(values - values[1L]), 0)
  spread > 0 && spread < 1e-3 * size
}

# A term in the rows in use. Its columns have the same span together with those of the terms with
# constants, and don't depend on the units and origins of covariates.
unit_part <- function(core_term, used, constants) {
  refs <- core_term$refs[used]
  z <- column_matrix(core_term$z, length(used))[used, , drop = FALSE]
  has_origin <- \(other) determines(other$refs[used], refs)
  if (any(vapply(constants, has_origin, NA))) {
    z <- centred(cbind(1, z))[, -1L, drop = FALSE]
  }
  list(refs = refs, n_levels = core_term$n_levels, z = unit_columns(z))
}

# Whether a term has an indicator of each of its levels.
has_constant <- function(core_term) {
  z <- column_matrix(core_term$z, length(core_term$refs))
  any(apply(z, 2L, is_constant_column))
}

# Columns whose largest absolute value is one.
unit_columns <- function(x) {
  for (j in seq_len(ncol(x))) {
    size <- max(abs(x[, j]), 0)
    if (size > 0) {
      x[, j] <- x[, j] / size
    }
  }
  x
}

# A part whose columns are orthogonalized against earlier ones that nearly equal them: an
# interaction with a covariate far from zero is a multiple of the other variable's column, up to a
# residual below the tolerance of the rank. The span of the columns is the same within each level.
with_orthogonalized <- function(part) {
  if (ncol(part$z) > 1L) {
    part$z <- orthogonalized_columns(part$z)
  }
  part
}

orthogonalized_columns <- function(x) {
  whole <- list(refs = rep(1L, nrow(x)), n_levels = 1L, z = x)
  products <- as.matrix(Matrix::crossprod(sparse_part(whole)))
  lengths <- sqrt(diag(products))
  cosines <- abs(products) / outer(lengths, lengths)
  near <- which(cosines > 0.9 & upper.tri(cosines), arr.ind = TRUE)
  for (pair in seq_len(nrow(near))) {
    earlier <- x[, near[pair, 1L]]
    column <- x[, near[pair, 2L]]
    slope <- sum(earlier * column) / sum(earlier^2)
    x[, near[pair, 2L]] <- column - slope * earlier
  }
  x
}

sparse_part <- function(part) {
  z <- part$z
  k <- ncol(z)
  is_known <- which(z != 0)
  row <- (is_known - 1L) %% nrow(z) + 1L
  column <- (is_known - 1L) %/% nrow(z) + 1L
  Matrix::sparseMatrix(
    i = row,
    j = (part$refs[row] - 1L) * k + column,
    x = z[is_known],
    dims = c(nrow(z), k * part$n_levels)
  )
}

# The rank by pivots -----------------------------------------------------------

#' The rank of a sparse matrix
#'
#' It is computed from the pivots of the cross-product, with the largest pivot first, as long as
#' that matrix is small. For a large one, a small multiple of the identity is subtracted: the factor
#' then has as many positive pivots as there are larger eigenvalues (Sylvester's law of inertia), in
#' any order.
#' @param is_refined Whether columns without a pivot are compared with those that have one.
#' @param noise Bounds on the rounding errors in the columns, relative to their lengths.
#' @noRd
rank_of <- function(m, is_refined = FALSE, noise = rep(column_noise, ncol(m))) {
  lengths <- sqrt(Matrix::colSums(m^2))
  used <- lengths > noise
  if (!any(used)) {
    return(0)
  }
  m <- m[, used, drop = FALSE] %*% Matrix::Diagonal(x = 1 / lengths[used])
  products <- Matrix::crossprod(m)
  if (ncol(m) > 1000L) {
    return(count_positive(products, rank_tolerance))
  }
  pivoted <- suppressWarnings(chol(
    as.matrix(products),
    pivot = TRUE,
    tol = rank_tolerance
  ))
  rank <- attr(pivoted, "rank")
  is_small <- nrow(m) * (ncol(m) - rank) <= max_residuals
  if (!is_refined || rank == ncol(m) || !is_small) {
    return(rank)
  }
  left <- residuals_by_pivots(m, pivoted, (noise / pmin(lengths, 1))[used])
  rank + rank_of(left$columns, TRUE, left$noise)
}

#' The residuals of the columns without a pivot from those with one
#'
#' The pivots are squared lengths, which have half the digits of the columns: a covariate far from
#' zero differs from an indicator in later digits. Residuals that are refined have all digits.
#' @noRd
residuals_by_pivots <- function(m, pivoted, noise) {
  first <- seq_len(attr(pivoted, "rank"))
  order <- attr(pivoted, "pivot")
  basis <- m[, order[first], drop = FALSE]
  root <- pivoted[first, first, drop = FALSE]
  columns <- m[, order[-first], drop = FALSE]
  slopes <- 0
  for (pass in 1:3) {
    products <- as.matrix(Matrix::crossprod(basis, columns))
    step <- backsolve(root, backsolve(root, products, transpose = TRUE))
    columns <- columns - basis %*% step
    slopes <- slopes + step
  }
  own <- noise[order[-first]]
  list(
    columns = columns,
    noise = own + drop(crossprod(abs(slopes), noise[order[first]]))
  )
}

# The number of eigenvalues above a limit.
count_positive <- function(products, limit) {
  l <- Matrix::Cholesky(
    products,
    perm = TRUE,
    LDL = TRUE,
    super = FALSE,
    Imult = -limit
  )
  first <- l@p[-length(l@p)] + 1L
  sum(l@x[first] > 0)
}

# The rank by terms ------------------------------------------------------------

# The number of columns of terms that are crossed with the largest term.
count_crossed <- function(parts) {
  columns <- vapply(parts, count_effects, 1)
  largest <- parts[[which.max(columns)]]$refs
  is_nested <- vapply(parts, \(part) determines(largest, part$refs), NA)
  is_crossed <- !is_nested
  sum(columns[is_crossed])
}

#' The rank of `[X Z]` from the dependence between pairs of terms of Z
#'
#' A term adds the columns that are independent within its levels, except those that an earlier term
#' has too: for each of its columns that is also a column of the earlier term, one combination for
#' each connected component of both factors. This is exact for two crossed factors and for nested
#' ones; for more terms it may be a few too large.
#' @param x The columns of X, which are independent.
#' @noRd
rank_by_terms <- function(parts, x) {
  columns <- vapply(parts, count_effects, 1)
  parts <- parts[order(-columns)]
  rank <- 0
  for (i in seq_along(parts)) {
    part <- parts[[i]]
    inner <- orthogonal_within(part$refs, part$z)
    before <- parts[seq_len(i - 1L)]
    shared <- vapply(
      seq_len(ncol(part$z)),
      \(j) most_shared(part$refs, part$z[, j], before),
      1
    )
    rank <- rank + inner$rank - sum(shared)
    is_new <- !is_spanned(x, part$refs, inner$q)
    x <- x[, is_new, drop = FALSE]
  }
  rank + ncol(x)
}

# The largest number of combinations of a column over levels that are also in an earlier term.
most_shared <- function(refs, column, earlier) {
  shared <- vapply(
    earlier,
    \(part) {
      is_shared <- any(colSums(part$z != column) == 0)
      if (is_shared) connected_parts(refs, part$refs) else 0
    },
    1
  )
  max(shared, 0)
}

# An orthogonal basis of the columns within each level, and its total rank.
orthogonal_within <- function(refs, z) {
  refs <- match(refs, sort(unique(refs)))
  q <- z
  rank <- 0
  for (j in seq_len(ncol(z))) {
    residual <- residual_within(
      refs,
      q[, seq_len(j - 1L), drop = FALSE],
      z[, j]
    )
    left <- drop(rowsum(residual^2, refs))
    is_new <- left > rank_tolerance * drop(rowsum(z[, j]^2, refs))
    rank <- rank + sum(is_new)
    residual[!is_new[refs]] <- 0
    q[, j] <- residual
  }
  list(q = q, rank = rank)
}

# The residual of a column from orthogonal ones within each level.
residual_within <- function(refs, q, column) {
  refs <- match(refs, sort(unique(refs)))
  for (j in seq_len(ncol(q))) {
    sums <- cbind(q[, j] * column, q[, j]^2)
    by_level <- rowsum(sums, refs)
    product <- by_level[, 1L]
    square <- by_level[, 2L]
    slope <- ifelse(square > 0, product / square, 0)
    column <- column - slope[refs] * q[, j]
  }
  column
}

# Whether each column is a combination of a term's columns.
is_spanned <- function(x, refs, q) {
  left_of <- \(column) sum(residual_within(refs, q, column)^2)
  left <- apply(x, 2L, left_of)
  left <= rank_tolerance * colSums(x^2)
}

# Errors --------------------------------------------------------------------

abort_no_df <- function(is_weighted) {
  abort_rlmm(
    c(
      "The model leaves no degrees of freedom for the dispersion.",
      x = paste(
        "The fixed and random effects have as many independent columns",
        if (is_weighted) {
          "as the weights say that there are"
        } else {
          "as there are"
        },
        "observations."
      ),
      i = "Leave out a random effect for each observation, or use `dispersion = \"estimated\"`?"
    ),
    "rlmm_error_dispersion",
    arg = "dispersion"
  )
}

#' The ratio of the dispersion in the likelihood to that in the working weights
#'
#' A profiled dispersion is the deviance divided by the residual degrees of freedom, while the
#' likelihood, and with it the covariance of the estimates, uses the deviance divided by the number
#' of observations.
#' @noRd
likelihood_share <- function(fit, spec = fit_spec(fit)) {
  if (!identical(spec$glmm$shape_kind, "profiled")) {
    return(1)
  }
  spec$glmm$shape / count_observations(spec)
}

# The number of observations of a model with a dispersion: the weight of a row is a number of
# observations, except for the gaussian family, where it is a precision.
count_observations <- function(spec) {
  n <- length(spec$y)
  weights <- spec$weights %||% rep(1, n)
  counts <- spec$counts %||% rep(1, n)
  if (identical(spec$glmm$family, "gaussian")) {
    weights <- weights > 0
  }
  sum(weights * counts)
}

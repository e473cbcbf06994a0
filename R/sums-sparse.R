# Sparse cross-products of a fit of sums, in the layout of sparse-parts.R.

#' Z'WZ and Z'W X of a fit of sums
#' @noRd
sparse_products <- function(fit) {
  none <- numeric(length(fit$sums$shift))
  sums <- recentre(fit$sums, none, fit$sums$beta0)
  sums <- sums_of_columns(sums, NULL)
  terms <- seq_along(fit$random)
  pairs <- expand.grid(i = terms, j = terms)
  pairs <- pairs[pairs$i <= pairs$j, ]
  cells <- Map(
    \(i, j) product_cells(fit, sums, i, j),
    pairs$i,
    pairs$j
  )
  ztwx <- lapply(fit$random, zx_products, sums = sums)
  list(
    ztwz = symmetric_of_cells(do.call(rbind, cells), fit),
    ztwx = do.call(rbind, ztwx)
  )
}

symmetric_of_cells <- function(cells, fit) {
  q <- sum(n_columns(fit) * n_levels(fit))
  cells <- cells[cells[, "row"] <= cells[, "col"], , drop = FALSE]
  Matrix::sparseMatrix(
    i = cells[, "row"],
    j = cells[, "col"],
    x = cells[, "value"],
    dims = c(q, q),
    symmetric = TRUE
  )
}

#' The elements of Z'WZ for two terms, a matrix with the columns `row`, `col` and `value`
#' @noRd
product_cells <- function(fit, sums, i, j) {
  one <- fit$random[[i]]
  other <- fit$random[[j]]
  blocks <- pair_products(one, other, sums)
  size <- dim(blocks$zz)
  first <- first_rows(fit)[c(i, j)]
  row <- first[1L] + (blocks$a - 1) * size[1L]
  col <- first[2L] + (blocks$b - 1) * size[2L]
  inner <- size[1L] * size[2L]
  cbind(
    row = rep(row, each = inner) + rep(seq_len(size[1L]), size[2L]),
    col = rep(col, each = inner) + rep(seq_len(size[2L]), each = size[1L]),
    value = as.vector(blocks$zz)
  )
}

#' The cross-products of the columns of two terms, for each pair of levels
#' @return A list: the levels `a` and `b`, and `zz`, an array with a matrix for each pair of them.
#' @noRd
pair_products <- function(one, other, sums) {
  cores <- c(one$core_term, other$core_term)
  pair <- if (cores[1L] == cores[2L]) {
    products_within(sums$terms[[cores[1L]]])
  } else {
    products_between(cores, sums$pairs)
  }
  pair$zz <- pair$zz[one$core_cols, other$core_cols, , drop = FALSE]
  pair
}

# The cross-products of the columns of one core term.
products_within <- function(term) {
  levels <- seq_len(dim(term$zz)[3L])
  list(a = levels, b = levels, zz = term$zz)
}

# The cross-products of the columns of two core terms; the rows of each matrix belong to the first.
products_between <- function(cores, pairs) {
  pair <- Find(\(pair) setequal(pair$terms, cores), pairs)
  if (pair$terms[1L] == cores[1L]) {
    return(pair[c("a", "b", "zz")])
  }
  list(a = pair$b, b = pair$a, zz = aperm(pair$zz, c(2L, 1L, 3L)))
}

# Z'WX of one term, with rows by level and then by effect.
zx_products <- function(term, sums) {
  xz <- sums$terms[[term$core_term]]$xz[, term$core_cols, , drop = FALSE]
  size <- dim(xz)
  t(matrix(xz, size[1L], size[2L] * size[3L]))
}

# The products of marginal-products.R for groups of rows that share no random effects, group by
# group.

#' Whether there are several groups, and they are so small that A is cheap
#' @noRd
has_small_groups <- function(terms, groups, limit = 2e7) {
  sizes <- Reduce(
    `+`,
    lapply(terms, \(term) {
      tabulate(column_owners(term, groups), nlevels(groups))
    })
  )
  length(sizes) > 1L && sum(sizes^2) <= limit
}

# The group of each column of Z of a term; a level without rows is assigned to the first one.
column_owners <- function(term, groups) {
  first <- match(seq_len(term$n_levels), term$refs)
  owner <- as.integer(groups)[first]
  owner <- ifelse(is.na(owner), 1L, owner)
  rep(owner, each = ncol(term$z))
}

#' The result of `marginal_products()`, computed by group
#' @noRd
products_by_group <- function(terms, groups, x, weights) {
  z <- terms_incidence(terms, nrow(x))
  weighted <- weights * x
  lambda <- repeated(terms, lapply(terms, `[[`, "lambda"))
  owner <- unlist(lapply(terms, column_owners, groups))
  a <- inverse_by_group(Matrix::crossprod(z, weights * z), lambda, owner)
  zx <- as.matrix(Matrix::crossprod(z, weighted))
  spread <- lambda %*% Matrix::crossprod(lambda, zx)
  b <- zx - as.matrix(a %*% spread)
  precision <- crossprod(x, weighted) - crossprod(as.matrix(spread), b)
  phi <- chol2inv(chol(precision))
  products_by_shape(group_moves(terms, a, b), phi)
}

#' A block-diagonal matrix with the matrix of each term repeated for its levels
#' @noRd
repeated <- function(terms, matrices) {
  n_levels <- lapply(terms, `[[`, "n_levels")
  Matrix::bdiag(Map(repeated_by_level, matrices, n_levels))
}

#' A = (N^-1 + Omega)^-1 of each group
#' @noRd
inverse_by_group <- function(n, lambda, owner) {
  columns <- split(seq_along(owner), owner)
  blocks <- Map(
    inverse_of_group,
    group_blocks(n, owner),
    group_blocks(lambda, owner)
  )
  row <- \(at) rep(at, length(at))
  column <- \(at) rep(at, each = length(at))
  Matrix::sparseMatrix(
    i = unlist(lapply(columns, row)),
    j = unlist(lapply(columns, column)),
    x = unlist(blocks),
    dims = dim(n)
  )
}

# (N^-1 + Lambda Lambda')^-1 of one group.
inverse_of_group <- function(n, lambda) {
  scaled <- n %*% lambda
  kernel <- diag(nrow(n)) + crossprod(lambda, scaled)
  inner <- chol2inv(chol(kernel))
  n - scaled %*% tcrossprod(inner, scaled)
}

#' The dense blocks of a sparse matrix that is block-diagonal by groups of columns
#' @noRd
group_blocks <- function(matrix, owner) {
  cells <- Matrix::summary(methods::as(matrix, "generalMatrix"))
  place <- stats::ave(
    seq_along(owner),
    owner,
    FUN = seq_along
  )
  places <- cbind(place[cells$i], place[cells$j])
  sizes <- tabulate(owner)
  group <- factor(owner[cells$i], seq_along(sizes))
  block <- \(at, size) {
    zeros <- matrix(0, size, size)
    replace(
      zeros,
      places[at, , drop = FALSE],
      cells$x[at]
    )
  }
  Map(block, split(seq_along(group), group), sizes)
}

#' The products A E, E B, A E B and B'E B for each shape
#' @noRd
group_moves <- function(terms, a, b) {
  sizes <- lapply(terms, \(term) ncol(term$z))
  zeros <- lapply(sizes, \(k) matrix(0, k, k))
  moves <- lapply(seq_along(terms), \(i) {
    lapply(terms[[i]]$shapes, \(shape) {
      e <- repeated(terms, replace(zeros, i, list(shape)))
      group_move(Matrix::drop0(e), a, b)
    })
  })
  do.call(c, moves)
}

group_move <- function(e, a, b) {
  eb <- as.matrix(e %*% b)
  list(
    ae = a %*% e,
    eb = eb,
    aeb = as.matrix(a %*% eb),
    slope = crossprod(b, eb)
  )
}

#' Traces and products from K = A - B Phi B'
#' @noRd
products_by_shape <- function(moves, phi) {
  trace <- \(r) sum(Matrix::diag(r$ae)) - sum(phi * r$slope)
  bends <- \(r) lapply(moves, bend_of_shapes, r = r, phi = phi)
  list(
    phi = phi,
    traces = pairwise(moves, \(r, s) trace_of_shapes(r, s, phi)),
    trace = vapply(moves, trace, 0),
    slopes = lapply(moves, `[[`, "slope"),
    bends = lapply(moves, bends)
  )
}

bend_of_shapes <- function(r, s, phi) {
  crossprod(r$eb, s$aeb) - r$slope %*% phi %*% s$slope
}

trace_of_shapes <- function(r, s, phi) {
  sum(r$ae * Matrix::t(s$ae)) -
    2 * sum(phi * crossprod(r$eb, s$aeb)) +
    sum((phi %*% r$slope) * t(phi %*% s$slope))
}

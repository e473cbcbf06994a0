# Traces and cross-products of the marginal covariance matrix V = W^-1 + Z Omega Z' (over sigma^2),
# without any n x n matrix, for the Kenward-Roger method.
#
# With P = V^-1 - V^-1 X Phi X'V^-1, Phi = (X'V^-1 X)^-1 and K = Z'PZ, a change of the covariances
# of random effects changes V by Z E Z', where E repeats a small matrix, a "shape", for each level
# of one term. Needed are tr(K E_r K E_s), tr(K E_r), B'E_r B and B'E_r K E_s B, with B = Z'V^-1 X.
#
# The factor with the most columns of Z is the leading one: V_L = W^-1 + Z_L Omega_L Z_L' is block-
# diagonal by its levels, and U = Z'V_L^-1 Z is computed level by level. The other ("trailing")
# terms need G = (Omega^-1 + U_TT)^-1, a matrix of their own size, computed as Lambda (I + Lambda'
# U_TT Lambda)^-1 Lambda'. With Y = [U_LT, B_L] the parts of K are
#
#   K_LL = U_LL - Y diag(G, Phi) Y',   K_LT = Y H,   H = [I - G U_TT; -Phi B_T'],
#   K_TT = U_TT (I - G U_TT) - B_T Phi B_T'.
#
# None of this divides by Omega, so that singular fits need no special treatment.
#
# With nested factors there are many groups of rows that share no random effects. Then A = Z'V^-1 Z
# is computed group by group, and K = A - B Phi B'.

#' Products and traces for all shapes of all terms, in their order
#' @param terms A list of results of `marginal_term()`.
#' @param x,weights The free columns of X, and the weights of the rows.
#' @return A list: `phi`; `traces`, the matrix of tr(K E_r K E_s); `trace`, the vector of tr(K E_r);
#'   `slopes`, a list of B'E_r B; and `bends`, a list of lists of B'E_r K E_s B.
#' @noRd
marginal_products <- function(terms, x, weights) {
  leads <- leading_terms(terms)
  groups <- if (!all(leads)) connected_rows(lapply(terms, `[[`, "refs"))
  if (!is.null(groups) && has_small_groups(terms, groups)) {
    return(products_by_group(terms, groups, x, weights))
  }
  by_level <- level_products(terms, leads, x, weights)
  parts <- kernel_parts(by_level, terms[!leads])
  products_of_moves(all_moves(terms, leads, parts), parts)
}

#' The quantities of all shapes, in the order of their terms
#' @noRd
all_moves <- function(terms, leads, parts) {
  moves <- c(
    leading_moves(terms[leads], parts),
    trailing_moves(terms[!leads], parts)
  )
  owners <- c(shape_owners(terms, leads), shape_owners(terms, !leads))
  moves[order(owners)]
}

products_of_moves <- function(moves, parts) {
  list(
    phi = parts$phi,
    traces = pairwise(moves, \(r, s) trace_of_pair(r, s, parts)),
    trace = vapply(moves, `[[`, 0, "trace"),
    slopes = lapply(moves, `[[`, "slope"),
    bends = bends_of(moves, parts)
  )
}

#' Whether each term is leading: those of the factor with the most columns of Z are
#' @noRd
leading_terms <- function(terms) {
  group <- vapply(terms, `[[`, "", "group")
  size <- vapply(terms, count_effects, 0)
  group == names(which.max(tapply(size, group, sum)))
}

#' The term of each shape, for the chosen terms
#' @noRd
shape_owners <- function(terms, chosen) {
  shapes <- lapply(terms[chosen], `[[`, "shapes")
  rep(which(chosen), lengths(shapes))
}

# Level by level ---------------------------------------------------------------

#' The parts of U = [Z, X]'V_L^-1 [Z, X]
#' @return A list of `ll` (block-diagonal), `lt`, `lx`, `tt`, `tx` and `xx`, where l and t stand for
#'   the leading and trailing columns of Z, and x for X.
#' @noRd
level_products <- function(terms, leads, x, weights) {
  others <- cbind(terms_incidence(terms[!leads], nrow(x)), x)
  weighted <- weights * others
  by_level <- leading_products(terms[leads], weighted, weights)
  solved <- by_level$solved
  rest <- Matrix::crossprod(others, weighted) - by_level$explained
  is_x <- seq_len(ncol(others)) > ncol(others) - ncol(x)
  list(
    ll = by_level$ll,
    lt = solved[, !is_x, drop = FALSE],
    lx = as.matrix(solved[, is_x, drop = FALSE]),
    tt = rest[!is_x, !is_x, drop = FALSE],
    tx = as.matrix(rest[!is_x, is_x, drop = FALSE]),
    xx = as.matrix(rest[is_x, is_x, drop = FALSE])
  )
}

#' Products with V_L^-1 = W - W Z_L Omega M Z_L'W, where M = (I + Z_L'W Z_L Omega)^-1, by level
#' @param weighted WO, the other columns O times their weights.
#' @return A list: `ll`, Z_L'V_L^-1 Z_L; `solved`, Z_L'V_L^-1 O = M Z_L'WO; and `explained`, the
#'   part of O'WO that the leading terms explain.
#' @noRd
leading_products <- function(led, weighted, weights) {
  z <- do.call(cbind, lapply(led, `[[`, "z"))
  refs <- led[[1L]]$refs
  n_levels <- led[[1L]]$n_levels
  omega <- block_diagonal(lapply(led, \(term) tcrossprod(term$lambda)))
  products <- products_by_level(z, refs, n_levels, weights)
  m <- shrinkage_by_level(products, omega)
  cross <- Matrix::crossprod(incidence(z, refs, n_levels), weighted)
  solved <- level_matrix(m) %*% cross
  spread <- repeated_by_level(omega, n_levels)
  list(
    ll = level_matrix(multiply_levels(m, products)),
    solved = solved,
    explained = Matrix::crossprod(cross, spread %*% solved)
  )
}

#' Z'WZ of each level, an array of k x k x levels
#' @noRd
products_by_level <- function(z, refs, n_levels, weights) {
  k <- ncol(z)
  out <- array(0, c(k, k, n_levels))
  for (i in seq_len(k)) {
    for (j in seq_len(i)) {
      sums <- sum_by(
        weights * z[, i] * z[, j],
        refs,
        n_levels
      )
      out[i, j, ] <- out[j, i, ] <- sums
    }
  }
  out
}

sum_by <- function(x, refs, n_levels) {
  sums <- rowsum(x, refs)
  replace(numeric(n_levels), as.integer(rownames(sums)), sums)
}

#' (I + N Omega)^-1 for the product N of each level
#' @noRd
shrinkage_by_level <- function(products, omega) {
  k <- ncol(omega)
  if (k == 1L) {
    return(1 / (1 + products * c(omega)))
  }
  invert <- \(product) solve(diag(k) + product %*% omega)
  array(apply(products, 3L, invert), dim(products))
}

multiply_levels <- function(a, b) {
  if (dim(a)[1L] == 1L) {
    return(a * b)
  }
  product <- \(i) a[,, i] %*% b[,, i]
  pages <- seq_len(dim(a)[3L])
  array(vapply(pages, product, a[,, 1L]), dim(a))
}

# The blocks of the levels as a sparse block diagonal matrix.
level_matrix <- function(blocks) {
  k <- dim(blocks)[1L]
  n_levels <- dim(blocks)[3L]
  start <- rep((seq_len(n_levels) - 1L) * k, each = k^2)
  Matrix::sparseMatrix(
    i = start + rep(seq_len(k), k),
    j = start + rep(seq_len(k), each = k),
    x = as.double(blocks),
    dims = rep(k * n_levels, 2L)
  )
}

# The trailing terms ----------------------------------------------------------

#' The components of K
#' @param by_level The result of `level_products()`.
#' @param trailing The trailing terms.
#' @return A list: `u`, U_LL; `y`, Y; `h`, H; `core`, diag(G, Phi); `k_tt`, K_TT; `phi`; `b_l` and
#'   `b_t`, the parts of B.
#' @noRd
kernel_parts <- function(by_level, trailing) {
  tx <- by_level$tx
  g <- trailing_inverse(by_level$tt, trailing)
  shrink <- diag(nrow(g)) - as.matrix(g %*% by_level$tt)
  gx <- as.matrix(g %*% tx)
  phi <- chol2inv(chol(by_level$xx - crossprod(tx, gx)))
  b_l <- by_level$lx - as.matrix(by_level$lt %*% gx)
  b_t <- crossprod(shrink, tx)
  spread <- tcrossprod(phi, b_t)
  list(
    u = by_level$ll,
    y = cbind(by_level$lt, b_l),
    h = rbind(shrink, -spread),
    core = block_diagonal(list(g, phi)),
    k_tt = as.matrix(by_level$tt %*% shrink) - b_t %*% spread,
    phi = phi,
    b_l = b_l,
    b_t = b_t
  )
}

#' G = Lambda (I + Lambda' U_TT Lambda)^-1 Lambda'
#' @noRd
trailing_inverse <- function(u, trailing) {
  q <- nrow(u)
  if (q == 0L) {
    return(matrix(0, 0L, 0L))
  }
  check_trailing_size(q, trailing)
  lambda <- repeated(trailing, lapply(trailing, `[[`, "lambda"))
  system <- as.matrix(Matrix::crossprod(lambda, u %*% lambda))
  inverse <- chol2inv(chol(diag(q) + system))
  as.matrix(lambda %*% Matrix::tcrossprod(inverse, lambda))
}

check_trailing_size <- function(q, trailing, limit = 8000) {
  if (q <= limit) {
    return(invisible())
  }
  groups <- unique(vapply(trailing, `[[`, "", "group"))
  abort_rlmm(
    c(
      "Kenward and Roger's method is for fewer random effects.",
      x = sprintf(
        "Without the factor that has most there are %s, of %s; the limit is %s.",
        format_count(q),
        enumerate(tick(groups)),
        format_count(limit)
      ),
      i = "Use `ddf = \"Satterthwaite\"`; with so many levels the two hardly differ."
    ),
    "rlmm_error_size"
  )
}

# Traces and cross-products of the marginal covariance matrix V = W^-1 + Z Omega Z' (over sigma^2),
# without any matrix of n rows: the ground of Kenward and Roger's method.
#
# With P = V^-1 - V^-1 X Phi X'V^-1, Phi = (X'V^-1 X)^-1 and K = Z'PZ, a change of the random
# effects' covariances changes V by Z E Z', where E repeats a small matrix, a "shape", for each
# level of one term. What is wanted are tr(K E_r K E_s), tr(K E_r), B'E_r B and B'E_r K E_s B, with
# B = Z'V^-1 X.
#
# The factor with the most columns of Z leads: V_L = W^-1 + Z_L Omega_L Z_L' is block diagonal by
# its levels, and U = Z'V_L^-1 Z is found level by level. The other terms ("trailing") need G =
# (Omega^-1 + U_TT)^-1, a matrix of their own size, found as Lambda (I + Lambda' U_TT Lambda)^-1
# Lambda'. With Y = [U_LT, B_L] the parts of K are
#
#   K_LL = U_LL - Y diag(G, Phi) Y',   K_LT = Y H,   H = [I - G U_TT; -Phi B_T'],
#   K_TT = U_TT (I - G U_TT) - B_T Phi B_T'.
#
# None of this divides by Omega, so that singular fits are as good as others.
#
# Nested factors leave many groups of rows that share no random effects. Then A = Z'V^-1 Z is found
# group by group, and K = A - B Phi B'.

#' Products and traces for all shapes of all terms, in their order
#' @param terms What `marginal_term()` returns of each term.
#' @param x,weights The free columns of X, and the weights of the rows.
#' @return A list: `phi`; `traces`, the matrix of tr(K E_r K E_s); `trace`, the vector of tr(K E_r);
#'   `slopes`, a list of B'E_r B; `bends`, a list of lists of B'E_r K E_s B.
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

#' What the traces need of all shapes, in the order of their terms
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

#' One term in columns of Z that are orthonormal over the rows
#'
#' In the user's columns the traces of a covariate far from zero, a year for one, would be all but
#' the same.
#' @param design Model matrix `z` and level numbers `refs`.
#' @param lambda The term's block of Lambda.
#' @param shapes Changes of the term's covariance matrix, in the user's columns; `NULL` for all that
#'   a matrix of this size can make.
#' @noRd
marginal_term <- function(design, lambda, shapes, n_levels, group, weights) {
  root <- column_root(design$z, weights)
  k <- ncol(root)
  list(
    z = design$z %*% backsolve(root, diag(k)),
    refs = design$refs,
    n_levels = n_levels,
    group = group,
    lambda = root %*% lambda,
    root = root,
    shapes = if (is.null(shapes)) {
      unit_shapes(k)
    } else {
      lapply(shapes, \(shape) root %*% shape %*% t(root))
    }
  )
}

# X in columns that are orthonormal over the rows, X = QR: in the user's, the covariances of a slope
# and an intercept that is far from the data would be all but singular.
orthonormal_effects <- function(x, weights) {
  root <- column_root(x, weights)
  list(q = x %*% backsolve(root, diag(ncol(x))), root = root)
}

# R of Z = QR, with Q'WQ = n I; where columns depend on each other, their sizes alone.
column_root <- function(z, weights) {
  # Without a tolerance the columns stay in their order.
  plain <- qr(sqrt(weights) * z, tol = 0)
  root <- qr.R(plain) / sqrt(nrow(z))
  size <- sqrt(colSums(root^2))
  is_square <- nrow(root) == ncol(root) && all(size > 0)
  if (is_square && all(abs(diag(root)) > 1e-11 * size)) {
    return(root)
  }
  diag(ifelse(size == 0, 1, size), ncol(z))
}

unit_shapes <- function(k) {
  cells <- which(lower.tri(diag(k), diag = TRUE), arr.ind = TRUE)
  lapply(seq_len(nrow(cells)), \(i) {
    shape <- matrix(0, k, k)
    shape[cells[i, , drop = FALSE]] <- 1
    shape[cells[i, 2:1, drop = FALSE]] <- 1
    shape
  })
}

#' Which terms lead: those of the factor that has the most columns of Z
#' @noRd
leading_terms <- function(terms) {
  group <- vapply(terms, `[[`, "", "group")
  size <- vapply(terms, count_effects, 0)
  group == names(which.max(tapply(size, group, sum)))
}

#' The term that each shape belongs to, of the chosen terms
#' @noRd
shape_owners <- function(terms, chosen) {
  rep(which(chosen), lengths(lapply(terms[chosen], `[[`, "shapes")))
}

# Level by level ---------------------------------------------------------------

#' U = [Z, X]'V_L^-1 [Z, X] by parts
#' @return A list of `ll` (block diagonal), `lt`, `lx`, `tt`, `tx`, `xx`: L, T and X stand for the
#'   leading and the trailing columns of Z, and for X.
#' @noRd
level_products <- function(terms, leads, x, weights) {
  others <- cbind(trailing_incidence(terms[!leads], nrow(x)), x)
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
#' @return A list: `ll`, Z_L'V_L^-1 Z_L; `solved`, Z_L'V_L^-1 O = M Z_L'WO; and `explained`, what
#'   the leading terms take off O'WO.
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

#' Z of a term, sparse
#' @noRd
incidence <- function(z, refs, n_levels) {
  design <- list(z = z, refs = refs)
  zt <- zt_block(
    design,
    list(levels = seq_len(n_levels)),
    seq_len(ncol(z))
  )
  dimnames(zt) <- list(NULL, NULL)
  Matrix::t(zt)
}

trailing_incidence <- function(terms, n) {
  none <- Matrix::sparseMatrix(
    i = integer(),
    j = integer(),
    dims = c(n, 0L),
    x = double()
  )
  blocks <- lapply(terms, \(term) incidence(term$z, term$refs, term$n_levels))
  do.call(cbind, c(list(none), blocks))
}

#' Z'WZ of each level: an array k x k x levels
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
  array(vapply(seq_len(dim(a)[3L]), product, a[,, 1L]), dim(a))
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

#' The parts that K is made of
#' @param by_level What `level_products()` returns.
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

# Shapes ----------------------------------------------------------------------

#' What the traces need of the shapes of the leading terms
#' @return A list for each shape: `leads`, `trace`, `slope`, `ey` (E Y), `product` (Y'E Y) and
#'   `e`.
#' @noRd
leading_moves <- function(terms, parts) {
  sizes <- vapply(terms, \(term) ncol(term$z), 1L)
  first <- cumsum(sizes) - sizes
  of_term <- \(term, first) {
    lapply(term$shapes, \(shape) {
      whole <- embedded(shape, first, sum(sizes))
      leading_move(whole, term$n_levels, parts)
    })
  }
  do.call(c, unname(Map(of_term, terms, first)))
}

# A square matrix after `first` rows and columns of a larger one of zeros.
embedded <- function(matrix, first, size) {
  at <- first + seq_len(ncol(matrix))
  whole <- matrix(0, size, size)
  whole[at, at] <- matrix
  whole
}

leading_move <- function(shape, n_levels, parts) {
  e <- repeated_by_level(shape, n_levels)
  ue <- parts$u %*% e
  product <- as.matrix(Matrix::crossprod(parts$y, e %*% parts$y))
  core_product <- parts$core %*% product
  eb <- as.matrix(e %*% parts$b_l)
  list(
    leads = TRUE,
    e = e,
    ue = ue,
    product = product,
    core_product = core_product,
    trace = sum(Matrix::diag(ue)) - sum(diag(core_product)),
    eb = eb,
    slope = crossprod(parts$b_l, eb)
  )
}

repeated_by_level <- function(matrix, n_levels) {
  Matrix::kronecker(Matrix::Diagonal(n_levels), matrix)
}

trailing_moves <- function(terms, parts) {
  sizes <- vapply(terms, count_effects, 0)
  first <- cumsum(sizes) - sizes
  moves <- Map(
    \(term, first) {
      at <- first + seq_len(count_effects(term))
      lapply(term$shapes, trailing_move, n_levels = term$n_levels, at, parts)
    },
    terms,
    first
  )
  do.call(c, unname(moves))
}

trailing_move <- function(shape, n_levels, at, parts) {
  e <- repeated_by_level(shape, n_levels)
  ke <- as.matrix(parts$k_tt[, at, drop = FALSE] %*% e)
  b <- parts$b_t[at, , drop = FALSE]
  eb <- as.matrix(e %*% b)
  list(
    leads = FALSE,
    at = at,
    e = e,
    ke = ke,
    trace = sum(diag(ke[at, , drop = FALSE])),
    eb = eb,
    slope = crossprod(b, eb)
  )
}

#' tr(K E_r K E_s)
#' @noRd
trace_of_pair <- function(r, s, parts) {
  if (r$leads && s$leads) {
    return(trace_of_leading(r, s, parts))
  }
  if (!r$leads && !s$leads) {
    return(trace_of_trailing(r, s))
  }
  if (s$leads) {
    return(trace_of_pair(s, r, parts))
  }
  h <- parts$h[, s$at, drop = FALSE]
  sum((r$product %*% h) * as.matrix(h %*% s$e))
}

trace_of_trailing <- function(r, s) {
  r_to_s <- r$ke[s$at, , drop = FALSE]
  s_to_r <- s$ke[r$at, , drop = FALSE]
  sum(r_to_s * t(s_to_r))
}

# K_LL = U - Y C Y' with C = diag(G, Phi).
trace_of_leading <- function(r, s, parts) {
  eue <- r$e %*% s$ue
  mixed <- as.matrix(Matrix::crossprod(parts$y, Matrix::t(eue) %*% parts$y))
  sum(r$ue * Matrix::t(s$ue)) -
    2 * sum(parts$core * mixed) +
    sum(r$core_product * t(s$core_product))
}

#' The symmetric matrix of a function of two shapes
#' @noRd
pairwise <- function(moves, f) {
  n <- length(moves)
  out <- matrix(0, n, n)
  for (r in seq_len(n)) {
    for (s in seq_len(r)) {
      out[r, s] <- out[s, r] <- f(moves[[r]], moves[[s]])
    }
  }
  out
}

#' B'E_r K E_s B for all pairs, a list of lists
#' @noRd
bends_of <- function(moves, parts) {
  seen <- lapply(moves, through_kernel, parts)
  lapply(moves, \(r) {
    lapply(seen, \(ks) {
      if (r$leads) {
        crossprod(r$eb, ks$l)
      } else {
        crossprod(r$eb, ks$t[r$at, , drop = FALSE])
      }
    })
  })
}

#' K E B of one shape: the rows of the leading terms, `l`, and of the trailing ones, `t`
#' @noRd
through_kernel <- function(move, parts) {
  eb <- move$eb
  if (!move$leads) {
    return(trailing_through_kernel(eb, move$at, parts))
  }
  inner <- as.matrix(Matrix::crossprod(parts$y, eb))
  l <- as.matrix(parts$u %*% eb - parts$y %*% (parts$core %*% inner))
  list(l = l, t = crossprod(parts$h, inner))
}

trailing_through_kernel <- function(eb, at, parts) {
  inner <- parts$h[, at, drop = FALSE] %*% eb
  list(
    l = as.matrix(parts$y %*% inner),
    t = parts$k_tt[, at, drop = FALSE] %*% eb
  )
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

# Group by group -----------------------------------------------------------------

#' Whether there are several groups, so small that A is worth having
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

# The group of each column of Z of a term; a level without rows is in the first one.
column_owners <- function(term, groups) {
  first <- match(seq_len(term$n_levels), term$refs)
  owner <- as.integer(groups)[first]
  rep(ifelse(is.na(owner), 1L, owner), each = ncol(term$z))
}

#' What `marginal_products()` returns
#' @noRd
products_by_group <- function(terms, groups, x, weights) {
  z <- trailing_incidence(terms, nrow(x))
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

#' A matrix for each term, repeated for its levels, along the diagonal
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
  Matrix::sparseMatrix(
    i = unlist(lapply(columns, \(at) rep(at, length(at)))),
    j = unlist(lapply(columns, \(at) rep(at, each = length(at)))),
    x = unlist(blocks),
    dims = dim(n)
  )
}

# (N^-1 + Lambda Lambda')^-1
inverse_of_group <- function(n, lambda) {
  scaled <- n %*% lambda
  inner <- chol2inv(chol(diag(nrow(n)) + crossprod(lambda, scaled)))
  n - scaled %*% tcrossprod(inner, scaled)
}

#' The dense blocks of a sparse matrix that is block diagonal by groups of columns
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

#' For each shape A E, E B, A E B and B'E B
#' @noRd
group_moves <- function(terms, a, b) {
  zeros <- lapply(terms, \(term) matrix(0, ncol(term$z), ncol(term$z)))
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
  list(
    phi = phi,
    traces = pairwise(moves, \(r, s) trace_of_shapes(r, s, phi)),
    trace = vapply(moves, trace, 0),
    slopes = lapply(moves, `[[`, "slope"),
    bends = lapply(moves, \(r) lapply(moves, bend_of_shapes, r = r, phi = phi))
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

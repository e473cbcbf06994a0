# First-order changes of the marginal covariance matrix along shapes (see marginal-products.R): the
# quantities of each shape that traces and products need, and the traces of all pairs.

#' The quantities of the shapes of the leading terms
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

# Embeds a square matrix in a larger one of zeros, after `first` rows and columns.
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
  moved <- Matrix::t(eue) %*% parts$y
  mixed <- as.matrix(Matrix::crossprod(parts$y, moved))
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
      value <- f(moves[[r]], moves[[s]])
      out[r, s] <- value
      out[s, r] <- value
    }
  }
  out
}

#' B'E_r K E_s B for all pairs, as a list of lists
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

#' K E B of one shape: the rows of the leading terms, `l`, and of the trailing terms, `t`
#' @noRd
through_kernel <- function(move, parts) {
  eb <- move$eb
  if (!move$leads) {
    return(trailing_through_kernel(eb, move$at, parts))
  }
  inner <- as.matrix(Matrix::crossprod(parts$y, eb))
  led <- parts$y %*% (parts$core %*% inner)
  l <- as.matrix(parts$u %*% eb - led)
  list(l = l, t = crossprod(parts$h, inner))
}

trailing_through_kernel <- function(eb, at, parts) {
  inner <- parts$h[, at, drop = FALSE] %*% eb
  list(
    l = as.matrix(parts$y %*% inner),
    t = parts$k_tt[, at, drop = FALSE] %*% eb
  )
}

# The rank of columns.

# The columns that are not, to within 1e-7 of their norm, combinations of those before them.
pivot_columns <- function(x) {
  qr <- qr(x, tol = 1e-7)
  sort(qr$pivot[seq_len(qr$rank)])
}

# A basis of the null space of `L`.
orthogonal_to <- function(L) {
  decomposition <- qr(t(L))
  basis <- qr.Q(decomposition, complete = TRUE)
  basis[, seq_len(ncol(basis)) > decomposition$rank, drop = FALSE]
}

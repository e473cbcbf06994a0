# The rank of columns, and pseudorandom columns, whose rank is as large as possible.

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

# Pseudorandom numbers between -1 and 1. They leave R's random number generator as it is.
pseudorandom_numbers <- function(n, columns) {
  at <- outer(12.9898 * seq_len(n), 78.233 * seq_len(columns), `+`)
  2 * ((43758.5453 * sin(at)) %% 1) - 1
}

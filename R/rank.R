# The rank of columns.

# Columns that aren't, to 1e-7 of their norm, combinations of those before them.
pivot_columns <- function(x) {
  qr <- qr(x, tol = 1e-7)
  sort(qr$pivot[seq_len(qr$rank)])
}

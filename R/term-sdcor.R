# Standard deviations and correlations of many fits at once, from a matrix of thetas.

#' Standard deviations relative to the scale, and correlations, of one term, with a row for each
#' replicate
#' @noRd
term_sdcor <- function(theta, term, roles) {
  is_factor <- all(roles$role == "factor")
  value <- if (is_factor) {
    factor_variances(theta, roles, length(term$columns))
  } else {
    theta
  }
  colnames(value) <- cell_names(term, roles, c("sd_", "cor_"))
  is_sd <- if (is_factor) {
    roles$row == roles$col
  } else {
    roles$role != "correlation"
  }
  list(value = value, is_sd = is_sd)
}

# Standard deviations and correlations from the lower triangle of Lambda, whose row r has length
# sd_r.
factor_variances <- function(theta, roles, k) {
  element <- \(r, s) theta[, roles$row == r & roles$col == s]
  rows <- lapply(seq_len(k), \(r) {
    vapply(seq_len(r), element, theta[, 1L], r = r)
  })
  rows <- lapply(rows, matrix, nrow = nrow(theta))
  row_sd <- \(row) sqrt(rowSums(row^2))
  sd <- vapply(rows, row_sd, theta[, 1L])
  sd <- matrix(sd, nrow(theta))
  column <- \(r, s) sd_or_cor(rows, sd, r, s)
  columns <- Map(column, roles$row, roles$col)
  matrix(unlist(columns), nrow(theta))
}

# The standard deviation of effect r, or its correlation with effect s.
sd_or_cor <- function(rows, sd, r, s) {
  if (r == s) {
    sd[, r]
  } else {
    row_cosines(rows[[r]], rows[[s]], sd[, r] * sd[, s])
  }
}

# The correlations of two rows of Lambda; `size` is the product of their lengths.
row_cosines <- function(a, b, size) {
  common <- seq_len(min(ncol(a), ncol(b)))
  products <- a[, common, drop = FALSE] * b[, common, drop = FALSE]
  pmin(pmax(rowSums(products) / size, -1), 1)
}

# The verdicts of certificate() under which no search would improve the estimates.
final_verdicts <- c(
  "optimal",
  "imprecise",
  "unbounded",
  "unidentified",
  "rounded"
)

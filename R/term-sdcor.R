# Standard deviations and correlations of many fits at once, from a matrix of thetas.

#' Standard deviations over the scale, and correlations, of one term: a row for each replicate
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

# From the lower triangle of Lambda, of which row r has the length sd_r.
factor_variances <- function(theta, roles, k) {
  element <- \(r, s) which(roles$row == r & roles$col == s)
  row <- lapply(seq_len(k), \(r) {
    vapply(seq_len(r), \(s) element(r, s), 1L)
  })
  sd <- vapply(
    row,
    \(at) sqrt(rowSums(theta[, at, drop = FALSE]^2)),
    theta[, 1L]
  )
  sd <- matrix(sd, nrow(theta), k)
  one <- \(r, s) {
    if (r == s) {
      return(sd[, r])
    }
    common <- seq_len(min(r, s))
    products <- theta[, row[[r]][common], drop = FALSE] *
      theta[, row[[s]][common], drop = FALSE]
    correlation <- rowSums(products) / (sd[, r] * sd[, s])
    pmin(pmax(correlation, -1), 1)
  }
  columns <- mapply(one, roles$row, roles$col, SIMPLIFY = FALSE)
  matrix(unlist(columns), nrow(theta))
}

# What certificate() says of estimates that no search would improve.
final_verdicts <- c("optimal", "imprecise", "unbounded", "unidentified")

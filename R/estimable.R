# Predictions that the data say nothing about, where columns of X were dropped.

rank_policies <- c("warnif", "simple", "NA", "NAwarn")

#' Predictions of the fixed part, with those that can't be estimated treated as asked for
#' @param rankdeficient One of [rank_policies], as of `predict.lm()`.
#' @noRd
judge_estimable <- function(eta, fit, new, rankdeficient) {
  if (
    length(fit$fixed$dropped) == 0L ||
      rankdeficient == "simple" ||
      is.null(fit$frame)
  ) {
    return(eta)
  }
  bad <- inestimable_rows(fit, new)
  if (length(bad) == 0L) {
    return(eta)
  }
  is_na <- startsWith(rankdeficient, "NA")
  if (rankdeficient != "NA") {
    warn_inestimable(new$row_names[bad], fit$fixed$dropped, is_na)
  }
  if (is_na) replace(eta, bad, NA) else eta
}

#' Rows whose dropped columns aren't the combination of the kept ones that they are in the fit's
#' data
#' @noRd
inestimable_rows <- function(fit, new) {
  if (new$stored) {
    return(integer())
  }
  columns <- if (has_large(fit)) columns_beside_levels(fit, new) else ordinary_fixed(fit, new)
  is_kept <- columns$is_kept
  which(is_off(
    kept = columns$new[, is_kept, drop = FALSE],
    dropped = columns$new[, !is_kept, drop = FALSE],
    weights = columns$combinations(columns$fitted, is_kept)
  ))
}

# All columns of X in the data of the fit and in new data, which of them are kept, and what computes
# the others from these.
ordinary_fixed <- function(fit, new) {
  fitted <- full_fixed_matrix(fit)
  list(
    fitted = fitted,
    new = column_matrix(full_fixed_columns(fit, new), new$n),
    is_kept = colnames(fitted) %in% fit$fixed$names,
    combinations = combinations
  )
}

# All columns of X in the rows that count.
full_fixed_matrix <- function(fit) {
  counted_matrix(full_fixed_columns(fit), fit_frame(fit))
}

# The weights of the kept columns in each of the others.
combinations <- function(x, is_kept) {
  kept <- qr(x[, is_kept, drop = FALSE], tol = 1e-12)
  qr.coef(kept, x[, !is_kept, drop = FALSE])
}

# Whether a row has a dropped column that isn't the combination of the kept ones. All matrices may
# be sparse, and stay so.
is_off <- function(kept, dropped, weights) {
  gap <- abs(dropped - kept %*% weights)
  size <- abs(dropped) + abs(kept) %*% abs(weights)
  Matrix::rowSums(gap - 1e-7 * size > 1e-7) > 0
}

warn_inestimable <- function(rows, dropped, is_na) {
  what <- if (length(rows) == 1L) "a row" else "rows"
  warn_rlmm(
    c(
      paste0("The data say nothing about the mean of ", what, " of `newdata`."),
      x = paste0("Of ", describe_rows(rows), "."),
      i = paste0("The fit has dropped ", enumerate(tick(dropped)), "."),
      i = if (!is_na) "`predict(rankdeficient = \"NA\")` gives `NA` there."
    ),
    "rlmm_warning_inestimable",
    rows = rows
  )
}

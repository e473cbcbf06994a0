# Predictions that the data say nothing about, where columns of X were dropped.

rank_policies <- c("warnif", "simple", "NA", "NAwarn")

#' Predictions of the fixed part, with those that can't be estimated treated as asked for
#' @param rankdeficient One of [rank_policies], as of `predict.lm()`.
#' @noRd
judge_estimable <- function(eta, fit, new, rankdeficient) {
  if (length(fit$fixed$dropped) == 0L || rankdeficient == "simple") {
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
  found <- fit$fixed$combinations %||% column_combinations(fit)
  columns <- if (has_large(fit)) columns_beside_levels else ordinary_columns_of
  x <- columns(fit, new, found$origins)
  if (!is.null(found$null)) {
    return(which(are_nonzero(x, found$null)))
  }
  which(is_off(
    kept = x[, found$is_kept, drop = FALSE],
    dropped = x[, !found$is_kept, drop = FALSE],
    weights = found$weights
  ))
}

#' How the dropped columns of X depend on the kept ones
#'
#' A fit that holds no rows, or has large factors, has it in its field `fixed$combinations`, if
#' columns were dropped.
#' @return A list: `names` of the ordinary columns; `origins`, what is taken off the columns;
#'   `is_kept`; `weights`, a column for each dropped one. Beside large factors it is that of
#'   [combinations_beside_levels()].
#' @noRd
column_combinations <- function(fit) {
  if (has_large(fit)) {
    return(combinations_beside_levels(fit))
  }
  x <- full_fixed_matrix(fit)
  is_kept <- colnames(x) %in% fit$fixed$names
  list(
    names = colnames(x),
    origins = numeric(ncol(x)),
    is_kept = is_kept,
    weights = combinations(x, is_kept)
  )
}

# All columns of X in new data.
ordinary_columns_of <- function(fit, new, origins) {
  x <- column_matrix(full_fixed_columns(fit, new), new$n)
  sweep(x, 2L, origins)
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

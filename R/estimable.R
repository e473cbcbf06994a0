# Estimability of predictions if columns of X were dropped.

rank_policies <- c("warnif", "simple", "NA", "NAwarn")

#' Predictions of the fixed part, with inestimable ones treated according to `rankdeficient`
#' @param rankdeficient One of [rank_policies], as in `predict.lm()`.
#' @noRd
judge_estimable <- function(eta, fit, new, rankdeficient) {
  if (length(fit$fixed$dropped) == 0L || rankdeficient == "simple") {
    return(eta)
  }
  bad <- inestimable_rows(fit, new)
  # A row with a missing value has no prediction.
  bad <- bad[!is.na(eta[bad])]
  if (length(bad) == 0L) {
    return(eta)
  }
  is_na <- startsWith(rankdeficient, "NA")
  if (rankdeficient != "NA") {
    warn_inestimable(new$row_names[bad], fit$fixed$dropped, is_na)
  }
  if (is_na) replace(eta, bad, NA) else eta
}

#' Whether the linear predictor of each row is inestimable: a dropped column isn't the combination
#' of the kept ones that it is in the data of the fit
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

#' The linear dependence of the dropped columns of X on the kept ones
#'
#' A fit without rows, or with large factors, stores it in its field `fixed$combinations`, if
#' columns were dropped.
#' @return A list: `names` of the ordinary columns; `origins`, which are subtracted from the
#'   columns; `is_kept`; and `weights`, the coefficients of the kept columns, with a column for each
#'   dropped one. With large factors, the result of [combinations_beside_levels()].
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

# All columns of X in the rows in use.
full_fixed_matrix <- function(fit) {
  counted_matrix(full_fixed_columns(fit), fit_frame(fit))
}

# The coefficients of the kept columns in each dropped one.
combinations <- function(x, is_kept) {
  kept <- qr(x[, is_kept, drop = FALSE], tol = 1e-12)
  qr.coef(kept, x[, !is_kept, drop = FALSE])
}

# Whether a row has a dropped column that differs from the combination of the kept ones. Sparse
# matrices stay sparse.
is_off <- function(kept, dropped, weights) {
  gap <- abs(dropped - kept %*% weights)
  size <- abs(dropped) + abs(kept) %*% abs(weights)
  Matrix::rowSums(gap - 1e-7 * size > 1e-7) > 0
}

warn_inestimable <- function(rows, dropped, is_na) {
  what <- if (length(rows) == 1L) "a row" else "rows"
  warn_rlmm(
    c(
      paste0(
        "The data contain no information about the mean of ",
        what,
        " of `newdata`."
      ),
      x = paste0("Of ", describe_rows(rows), "."),
      i = paste0("The fit has dropped ", enumerate(tick(dropped)), "."),
      i = if (!is_na) "`predict(rankdeficient = \"NA\")` gives `NA` there."
    ),
    "rlmm_warning_inestimable",
    rows = rows
  )
}

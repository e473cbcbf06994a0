# Prediction rows: a row x of X, and for each term in use the level and the row z of its columns.

#' The rows to predict for
#' @param use The columns in use of each term, see [selected_effects()].
#' @param fixed Whether the fixed part is used.
#' @param left_out Whether terms that aren't in use are needed.
#' @return A list: `n`; `x` (n x p, zeros without the fixed part); `effects`, for each term in use a
#'   list of `i` (its number), `term`, `columns`, `refs` (n level numbers, `NA` for new levels), `z`
#'   (n x columns) and, if some are `NA`, `labels`; `levels`, the result of [large_levels()]; and
#'   `left_out`, a list of `i` and `z` for each term not in use.
#' @noRd
prediction_rows <- function(
  fit,
  use,
  new,
  allow_new_levels,
  fixed = TRUE,
  left_out = FALSE
) {
  x <- if (fixed) ordinary_matrix(fit, new)
  used <- which(lengths(use) > 0L)
  effects <- lapply(used, \(i) {
    effect_rows(
      fit$random[[i]],
      i,
      use[[i]],
      new,
      allow_new_levels
    )
  })
  list(
    n = new$n,
    x = x %||% matrix(0, new$n, length(fit$beta)),
    effects = effects,
    levels = if (fixed && has_large(fit)) large_levels(fit, new),
    left_out = if (left_out) left_out_effects(fit, use, new)
  )
}

effect_rows <- function(term, i, columns, new, allow_new_levels) {
  refs <- checked_refs(term, new, allow_new_levels)
  list(
    i = i,
    term = term,
    columns = columns,
    refs = refs,
    labels = if (anyNA(refs)) row_labels(term, new),
    z = selected_columns(term, columns, new)
  )
}

#' The terms that aren't in use at all, of which an observation has the effects of an unknown level
#' @noRd
left_out_effects <- function(fit, use, new) {
  left_out <- which(lengths(use) == 0L)
  lapply(left_out, \(i) {
    term <- fit$random[[i]]
    z <- selected_columns(term, seq_along(term$columns), new)
    list(i = i, z = z)
  })
}

selected_columns <- function(term, columns, new) {
  if (identical(term$columns[columns], "(Intercept)")) {
    return(matrix(1, new$n, 1L))
  }
  effects_matrix(term, new)[, columns, drop = FALSE]
}

#' The random part of the linear predictor, the sum over terms of z_i' b[level_i]
#' @param b The effects of each term, a matrix of levels by columns.
#' @noRd
random_part <- function(rows, b) {
  total <- numeric(rows$n)
  for (effect in rows$effects) {
    total <- total + effect_part(effect, b[[effect$i]])
  }
  total
}

effect_part <- function(effect, b) {
  total <- 0
  for (j in seq_along(effect$columns)) {
    of_level <- b[effect$refs, effect$columns[j]]
    total <- total + effect$z[, j] * of_level
  }
  # A new level has no effect, whatever its covariates.
  total[is.na(effect$refs)] <- 0
  unname(total)
}

#' The fixed part of the linear predictor, X beta + offset
#' @noRd
fixed_part <- function(fit, x, beta, new, rankdeficient = "warnif") {
  eta <- drop(x %*% beta) + large_part(fit, new) + new_offset(fit, new)
  judge_estimable(eta, fit, new, rankdeficient)
}

#' Treats missing predictions according to `na.action`: `na.omit` drops them, `na.pass` and
#' `na.exclude` keep them, and `na.fail` raises an error
#' @noRd
drop_missing <- function(x, na_action) {
  action <- find_na_action(na_action)
  if (is.null(action) || !anyNA(x)) {
    return(x)
  }
  if (identical(action, stats::na.fail)) {
    abort_no_value(x)
  }
  omitted <- attr(action(data.frame(x)), "na.action")
  if (is.null(omitted) || inherits(omitted, "exclude")) {
    return(x)
  }
  chosen_rows(x, -omitted)
}

abort_no_value <- function(x) {
  x <- as.matrix(x)
  rows <- unname(which(missing_rows(x)))
  names <- (rownames(x) %||% seq_len(nrow(x)))[rows]
  abort_rlmm(
    c(
      "All rows of `newdata` must have a value, because `na.action` is `na.fail`.",
      x = sprintf("There is none at %s.", describe_rows(names)),
      i = "Is a variable missing there, or is it a new level?"
    ),
    "rlmm_error_missing",
    rows = rows
  )
}

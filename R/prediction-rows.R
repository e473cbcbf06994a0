# The rows of predictions: for each of them a row x of X, and for each term in use the level and the
# row z of its columns.

#' Rows to predict for
#' @param use For each term the columns to use; see [selected_effects()].
#' @param fixed Is the fixed part used?
#' @param left_out Are terms that aren't in use needed too?
#' @return A list: `n`; `x` (n x p; without the fixed part zeros); `effects`, for each term in use a
#'   list: `i` (its number), `term`, `columns`, `refs` (n levels; `NA` for those that the fit didn't
#'   see), `z` (n x columns), and where some are
#'   `NA`, `labels`; `levels`, what [large_levels()] returns; `left_out`, likewise for
#'   terms that aren't in use: `i`, `z`.
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

#' Terms that aren't in use at all: an observation has effects of them too, of a level that isn't
#' known
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
#' @param b For each term of the fit its effects, levels x columns.
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
  # A level that the fit didn't see has no effect, whatever its covariates.
  total[is.na(effect$refs)] <- 0
  unname(total)
}

#' The fixed part of the linear predictor, X beta + offset
#' @noRd
fixed_part <- function(fit, x, beta, new, rankdeficient = "warnif") {
  eta <- drop(x %*% beta) + large_part(fit, new) + new_offset(fit, new)
  judge_estimable(eta, fit, new, rankdeficient)
}

#' Treats the missing predictions as `na.action` says: dropped by `na.omit`, kept by `na.pass` and
#' `na.exclude`.
#' @noRd
drop_missing <- function(x, na_action) {
  action <- find_na_action(na_action)
  if (is.null(action) || !anyNA(x)) {
    return(x)
  }
  omitted <- attr(action(data.frame(x)), "na.action")
  if (is.null(omitted) || inherits(omitted, "exclude")) {
    return(x)
  }
  chosen_rows(x, -omitted)
}

# The arguments beside a formula that make a frame again from all rows of the data.

# The subset, weights and offset of a frame, for all rows of the data that it was made of.
extras_of <- function(frame, data) {
  rows <- if (!is.null(data)) match(row.names(frame), row.names(data))
  spread <- function(values) {
    if (is.null(rows) || is.null(values)) {
      return(values)
    }
    replace(rep(NA_real_, nrow(data)), rows, values)
  }
  extras <- list(
    subset = if (!is.null(data)) subset_of(frame, data),
    weights = spread(frame[["(weights)"]]),
    offset = spread(frame[["(offset)"]])
  )
  lapply(drop_null(extras), rlang::new_quosure, env = baseenv())
}

# Which rows weren't left out by `subset`; `NULL` if all are there.
subset_of <- function(frame, data) {
  left_out <- names(stats::na.action(frame))
  is_in <- row.names(data) %in% c(row.names(frame), left_out)
  if (!all(is_in)) is_in
}

na_action_of <- function(frame) {
  is_padded <- inherits(stats::na.action(frame), "exclude")
  if (is_padded) stats::na.exclude else stats::na.omit
}

#' A fit whose offset is in the formula, not an argument
#'
#' lme4 leaves the argument out of predictions for other data. Where the offset isn't made of
#' columns of the data it stays an argument.
#' @noRd
with_offset_in_formula <- function(fit) {
  expr <- fit$call$offset
  data <- original_data(fit)
  has_columns <- is.language(expr) && all(all.vars(expr) %in% names(data))
  if (!has_columns || is.null(fit$frame[["(offset)"]])) {
    return(fit)
  }
  formula <- fit$formula
  offset <- call("offset", expr)
  formula[[3L]] <- call("+", formula[[3L]], offset)
  moved <- frame_with_formula(fit, formula, data)
  offset <- \(frame) as.double(stats::model.offset(frame))
  if (!isTRUE(all.equal(offset(moved$frame), offset(fit$frame)))) {
    return(fit)
  }
  fit[names(moved)] <- moved
  fit$call$offset <- NULL
  fit
}

# The fields of a fit that another formula for the same model changes.
frame_with_formula <- function(fit, formula, data) {
  env <- environment(formula)
  parsed <- parse_formula(formula, data)
  extras <- extras_of(fit$frame, data)
  extras$offset <- NULL
  frame <- build_frame(parsed, env, data, extras, na_action_of(fit$frame))
  contrasts <- fit$fixed$contrasts
  made <- fixed_design(parsed, frame, env, data, contrasts, fit$control, FALSE)
  list(
    formula = formula,
    frame = frame,
    fixed = made$fixed
  )
}

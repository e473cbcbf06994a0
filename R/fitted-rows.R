# Arguments that reproduce a model frame from all rows of the data: subset, weights and offset.

# The subset, weights and offset of a frame, for all rows of its data.
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

# The rows that `subset` kept; `NULL` if it kept all.
subset_of <- function(frame, data) {
  left_out <- names(stats::na.action(frame))
  is_in <- row.names(data) %in% c(row.names(frame), left_out)
  if (!all(is_in)) is_in
}

na_action_of <- function(frame) {
  is_padded <- inherits(stats::na.action(frame), "exclude")
  if (is_padded) stats::na.exclude else stats::na.omit
}

#' Moves the offset argument of a fit into its formula
#'
#' lme4 ignores the argument in predictions for other data. An offset that isn't made of columns of
#' the data stays an argument.
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

# Changes the fields of a fit that depend on how the formula of the same model is written.
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

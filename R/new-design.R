# The model's columns and groups on other data: what predict() and simulate() multiply with the estimates.

#' X, Z and group levels of a fit on other data
#'
#' @param data A data frame with the variables that the asked parts mention.
#' @param fixed,random Whether to build X, and which entries of `random` (logical or integer).
#' @param na_action Applied to the variables.
#' @return A list: `x` (rows of data x kept columns, or `NULL`), `offset` (of the formula, or `NULL`), and `random`, for
#'   each asked entry a list of `z` (rows x columns of the term) and `keys` (character: the level of each row, which need
#'   not be one of the fit's). Missing values stay.
#' @noRd
new_design <- function(fit, data, fixed = TRUE, random = seq_along(fit$random)) {
  out <- list()
  if (fixed) {
    terms <- stats::delete.response(fit$fixed$terms)
    frame <- new_frame(terms, data, fit$fixed$xlevels)
    out$x <- design_columns(terms, frame, fit$fixed$contrasts)[, fit$fixed$names, drop = FALSE]
    out$offset <- stats::model.offset(frame)
  }
  out$random <- lapply(fit$random[random], function(entry) {
    frame <- new_frame(entry$effects, data, entry$xlevels)
    z <- design_columns(entry$effects, frame, entry$contrasts)
    list(z = z, keys = group_keys(entry, data))
  })
  out
}

new_frame <- function(terms, data, xlevels) {
  frame <- call_frame_step(
    stats::model.frame.default(terms, data, na.action = stats::na.pass, xlev = xlevels), terms, data
  )
  if (length(frame) == 0L) attr(frame, "row.names") <- seq_len(nrow(data))
  frame
}

#' The level of each row of other data, as text
#' @noRd
group_keys <- function(entry, data) {
  env <- environment(entry$effects)
  values <- lapply(split_group(entry$group_expr), function(atom) group_key(atom, data, env))
  missing <- Reduce(`|`, lapply(values, is.na))
  keys <- do.call(paste, c(values, sep = ":"))
  keys[missing] <- NA
  keys
}

group_key <- function(atom, data, env) {
  tryCatch(as.character(eval(atom, data, env)), error = function(cnd) {
    for (name in all.vars(atom)) if (!is_known(name, data, env)) abort_unknown(name, data)
    abort_rlmm(
      paste0("Can't evaluate the grouping factor ", tick(deparse_one(atom)), "."), "rlmm_error_group", parent = cnd
    )
  })
}

split_group <- function(expr) {
  if (call_name(expr) == ":") c(split_group(expr[[2L]]), split_group(expr[[3L]])) else list(expr)
}

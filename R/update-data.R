# Finds the data of an update if the frame of the fit doesn't suffice, and checks whether they still
# are those of the fit.

#' The value of `data` in the environment of the model's call or of the call of `update()`
#'
#' Data that still have the fitted values are preferred, as another data frame may have the same
#' name. Otherwise the first one with the formula's variables is used, with a warning.
#' @noRd
find_data <- function(fit, expr, change) {
  formula <- change$formula
  candidates <- data_candidates(expr, change)
  found <- Filter(\(data) has_variables(data, formula), candidates)
  if (length(found) > 0) {
    return(fitted_data_of(found, fit, expr))
  }
  if (!is.null(expr) || !has_variables(NULL, formula)) {
    abort_no_data(expr, fit, change)
  }
  NULL
}

# The smallest of several data frames with the fitted values.
fitted_data_of <- function(found, fit, expr) {
  changed <- lapply(found, changed_variables, fit = fit)
  same <- found[lengths(changed) == 0]
  if (length(same) == 0) {
    warn_changed_data(expr, changed[[1]])
    return(found[[1]])
  }
  n_rows <- vapply(same, NROW, 1L)
  same[[which.min(n_rows)]]
}

data_candidates <- function(expr, change) {
  places <- list(environment(change$formula), change$caller)
  values <- lapply(places, eval_or_null, expr = expr, data = NULL)
  Filter(is.list, values)
}

has_variables <- function(data, formula) {
  variables <- setdiff(all.vars(formula), ".")
  env <- environment(formula)
  all(vapply(variables, is_known, NA, data = data, env = env))
}

#' The names of the variables of a fit whose values differ in some data; "rows" if its rows are
#' missing
#' @noRd
changed_variables <- function(data, fit) {
  if (is.null(fit$frame) || !is.data.frame(data)) {
    return(character())
  }
  rows <- match(row.names(fit$frame), row.names(data))
  if (anyNA(rows)) {
    return("rows")
  }
  is_other <- \(variable) has_changed(variable, data, rows, fit)
  changed <- Filter(is_other, terms_variables(attr(fit$frame, "terms")))
  vapply(changed, deparse_one, "")
}

has_changed <- function(variable, data, rows, fit) {
  value <- eval_or_null(variable, data, environment(fit$formula))
  fitted <- fit$frame[[deparse_one(variable)]]
  !same_values(value, rows, nrow(data), fitted)
}

same_values <- function(value, rows, n, fitted) {
  if (NROW(value) != n) {
    return(FALSE)
  }
  is_matrix <- is.matrix(value)
  now <- if (is_matrix) value[rows, , drop = FALSE] else value[rows]
  if (is.factor(fitted) || is.factor(now)) {
    return(identical(as.character(now), as.character(fitted)))
  }
  isTRUE(all.equal(c(now), c(fitted), tolerance = 0, check.attributes = FALSE))
}

# Gives a message about changed data: an update without other changes may have been called because
# of them.
report_changed_data <- function(fit, args, change) {
  if (length(change$changed) > 0) {
    return(invisible())
  }
  found <- data_candidates(args$data, change)
  is_same <- \(data) length(changed_variables(data, fit)) == 0
  if (length(found) > 0 && !any(vapply(found, is_same, NA))) {
    inform_changed_data(short_deparse(args$data))
  }
}

inform_changed_data <- function(name) {
  text <- "The model is fitted again to its own data; %s has changed."
  hint <- "Use `update(fit, data = %s)` to fit it to what that is now."
  inform_rlmm(
    c(sprintf(text, tick(name)), i = sprintf(hint, name)),
    "rlmm_message_changed_data"
  )
}

warn_changed_data <- function(expr, variables) {
  name <- short_deparse(expr)
  found <- if (identical(variables, "rows")) {
    "Rows of the fit aren't in it."
  } else {
    verb <- if (length(variables) == 1) {
      "has other values"
    } else {
      "have other values"
    }
    paste0(enumerate(tick(variables)), " ", verb, ".")
  }
  warn_rlmm(
    c(
      paste0(
        tick(name),
        " isn't the data that the model was fitted to any more."
      ),
      x = found,
      i = "The new model is fitted to what it is now; give `data` to say what is meant."
    ),
    "rlmm_warning_changed_data",
    variables = variables
  )
}

abort_no_data <- function(expr, fit, change) {
  stored <- if (!is.null(fit$frame)) names(frame_data(fit))
  missing <- setdiff(all.vars(change$formula), c(".", stored))
  candidates <- data_candidates(expr, change)
  unheld <- if (length(candidates) > 0) setdiff(missing, names(candidates[[1]]))
  if (length(unheld) > 0) {
    abort_unheld(expr, unheld)
  }
  abort_lost_data(expr, missing)
}

abort_lost_data <- function(expr, missing) {
  gone <- "%s doesn't exist any more."
  lacking <- "The frame stored in the fit doesn't hold %s."
  abort_rlmm(
    c(
      "Can't find the data of the model.",
      x = if (!is.null(expr)) sprintf(gone, tick(deparse_one(expr))),
      i = if (length(missing) > 0) sprintf(lacking, enumerate(tick(missing))),
      i = "Give the data: `update(fit, ..., data = )`."
    ),
    "rlmm_error_variable"
  )
}

abort_unheld <- function(expr, variables) {
  abort_rlmm(
    c(
      paste0("Can't find ", enumerate(tick(variables)), "."),
      x = paste0(
        tick(short_deparse(expr)),
        ", the data of the model, doesn't hold ",
        if (length(variables) == 1L) "it" else "them",
        "."
      )
    ),
    "rlmm_error_variable",
    variable = variables
  )
}

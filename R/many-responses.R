# Many responses: the left-hand side of the formula, and weights for each response.

# The value of the left-hand side, evaluated in the data and then in the formula's environment.
left_side <- function(formula, data) {
  if (length(formula) < 3L) {
    abort_formula(
      "`formula` must have the responses on its left.",
      x = paste(tick(deparse_one(formula)), "has only one side.")
    )
  }
  env <- environment(formula)
  columns <- if (is.environment(data)) as.list(data) else data
  written <- formula[[2L]]
  tryCatch(
    eval(written, columns, env),
    error = \(cnd) abort_no_responses(cnd, written)
  )
}

abort_no_responses <- function(cnd, written) {
  left <- tick(deparse_one(written))
  abort_rlmm(
    c(
      sprintf("Can't evaluate %s, the responses.", left),
      x = conditionMessage(cnd)
    ),
    "rlmm_error_variable"
  )
}

#' The weights of each response
#' @param weights The user's expression; `NULL` without weights.
#' @return A list: `weights`, a matrix with a column for each response, or `NULL`; and `typical`, an
#'   expression of weights for the rows.
#' @noRd
own_weights <- function(weights, data) {
  columns <- if (is.data.frame(data)) data
  value <- tryCatch(rlang::eval_tidy(weights, columns), error = \(cnd) NULL)
  if (!has_columns_of_numbers(value)) {
    return(list(typical = weights))
  }
  if (!all(is.finite(value) & value >= 0)) {
    abort_argument(
      "`weights` must be finite, and not negative.",
      x = "An element of the matrix isn't.",
      arg = "weights"
    )
  }
  list(weights = value, typical = rlang::new_quosure(rowMeans(value)))
}

has_columns_of_numbers <- function(x) {
  is.matrix(x) && is.numeric(x) && ncol(x) >= 2L
}

# The design with weights of each response, for the rows of the model.
with_own_weights <- function(design, weights) {
  omitted <- attr(design$frame, "na.action")
  if (!is.null(weights) && length(omitted) > 0L) {
    weights <- weights[-omitted, , drop = FALSE]
  }
  design$weights <- weights
  design
}

check_own_weights <- function(weights, responses, n) {
  found <- if (is.function(responses)) {
    "There is a function on the left of `formula`."
  } else if (!is.null(weights) && ncol(weights) != n) {
    sprintf(
      "It has %s, for %s.",
      plural(ncol(weights), "column"),
      plural(n, "response")
    )
  }
  if (!is.null(weights) && !is.null(found)) {
    abort_argument(
      "A matrix of `weights` must have a column for each response.",
      x = found,
      arg = "weights"
    )
  }
}

placeholder <- ".responses"

#' The formula with a response on its left that is valid for the family and has a value for each row
#' @param family `NULL` for linear models.
#' @noRd
with_placeholder <- function(formula, data, responses, family = NULL) {
  # Errors about the formula should quote it as it is.
  parsed <- parse_formula(formula, data)
  check_sides(frame_terms(parsed, environment(formula), data))
  n <- if (is.data.frame(data)) nrow(data) else n_response_rows(responses)
  env <- new.env(parent = environment(formula))
  env[[placeholder]] <- least_response(family) + seq_len(n) %% 2
  formula[[2L]] <- as.name(placeholder)
  environment(formula) <- env
  formula
}

least_response <- function(family) {
  row <- if (!is.null(family)) family_row(core_family(family))
  as.double(identical(row$range, "positive"))
}

n_response_rows <- function(responses) {
  if (is.function(responses)) {
    return(NROW(responses(1L)))
  }
  NROW(if (is.list(responses)) responses[[1L]] else responses)
}

# The rows of the responses that are in the model.
fitted_responses <- function(responses, design) {
  omitted <- attr(design$frame, "na.action")
  n <- nrow(design$frame) + length(omitted)
  y <- response_matrix(responses, n, "formula")
  check_family_responses(y, design)
  if (length(omitted) > 0L) y[-omitted, , drop = FALSE] else y
}

check_family_responses <- function(y, design) {
  if (is.null(design$family)) {
    return(invisible())
  }
  row <- family_row(core_family(design$family))
  range <- response_ranges[[row$range]]
  wrong <- colSums(!is.na(y) & !range$holds(y)) > 0
  if (any(wrong)) {
    abort_family_range(colnames(y)[wrong], range)
  }
  if (identical(row$whole, "counts")) {
    check_whole_counts(y[!is.na(y)], "responses")
  }
}

abort_family_range <- function(names, range) {
  n <- plural(length(names), "response")
  abort_rlmm(
    c(
      sprintf("The responses must %s.", range$must),
      x = sprintf(
        "%s with values that are %s: %s.",
        n,
        range$wrong,
        enumerate(names)
      )
    ),
    "rlmm_error_response"
  )
}

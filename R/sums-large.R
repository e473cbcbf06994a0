# Large fixed factors in sums: rows are summed by the levels of the factor as if it were one more
# grouping factor, and the fit estimates its levels without a penalty.

#' Finds the factor of the fixed part by whose levels rows are summed
#' @param rows Some rows of the data.
#' @param has_many A function of the name of a variable: has it too many levels for dummy columns?
#' @return The label of its term; `NULL` if there is none.
#' @noRd
find_summed_factor <- function(formula, rows, extras, contrasts, has_many) {
  env <- formula_env(formula)
  parsed <- parse_formula(formula, rows)
  frame <- whole_frame(parsed, env, rows, extras)
  fixed <- rlang::new_formula(parsed$response, parsed$fixed, env = env)
  terms <- part_terms(fixed, frame, rows)
  if (attr(terms, "intercept") == 0L) {
    return(NULL)
  }
  groups <- unlist(lapply(parsed$bars, \(bar) lapply(bar$groups, `[[`, "name")))
  is_possible <- \(label) {
    !unquoted(label) %in% groups &&
      can_be_large(label, terms) &&
      is_one_category(label, terms, frame) &&
      has_default_contrasts(label, frame, contrasts)
  }
  labels <- Filter(is_possible, attr(terms, "term.labels"))
  Find(\(label) has_many(unquoted(label)), labels)
}

# Whether a term is a single unordered factor or text variable.
is_one_category <- function(label, terms, frame) {
  levels <- levels_of_variables(term_variables(label, terms), frame)
  length(levels) == 1L && !is.null(levels[[1L]])
}

# The largest number of levels of a factor with dummy columns.
max_dummy_levels <- 1000L

#' Raises an error about a factor with too many levels, before its dummy columns are computed
#' @noRd
check_number_of_levels <- function(n, name) {
  if (n <= max_dummy_levels) {
    return(invisible())
  }
  apart <- paste(
    "By itself, beside an intercept and with treatment contrasts, one factor has no columns;",
    "beside slopes by its levels collect the rows first."
  )
  abort_rlmm(
    c(
      sprintf("%s has too many levels to be an effect.", tick(name)),
      x = sprintf(
        "It has more than %s, a column each.",
        format_count(max_dummy_levels)
      ),
      i = sprintf("Is it a grouping factor, `(1 | %s)`?", name),
      i = apart
    ),
    "rlmm_error_sums",
    variable = name
  )
}

# Whether a factor of the fixed part has too many levels for dummy columns.
has_many_levels <- function(n_levels) {
  n_levels > (getOption("rlmm.large_factor") %||% max_dummy_levels)
}

#' Turns a factor of the fixed part into a grouping factor, `(1 | f)`
#' @return A formula; `NULL` if the factor is not a summand of its own.
#' @noRd
formula_with_factor_as_group <- function(formula, label) {
  rest <- without_summand(formula[[3L]], label)
  if (identical(rest, formula[[3L]])) {
    return(NULL)
  }
  group <- call("(", call("|", 1, str2lang(label)))
  formula[[3L]] <- if (is.null(rest)) group else call("+", rest, group)
  formula
}

# Removes a summand from a sum; `NULL` if nothing is left.
without_summand <- function(expr, label) {
  is_enclosed <- identical(call_name(expr), "(")
  inner <- if (is_enclosed) expr[[2L]] else expr
  if (deparse_one(inner) %in% c(label, unquoted(label))) {
    return(NULL)
  }
  if (!identical(call_name(expr), "+") || length(expr) != 3L) {
    return(expr)
  }
  left <- without_summand(expr[[2L]], label)
  right <- without_summand(expr[[3L]], label)
  if (is.null(left) || is.null(right)) {
    left %||% right
  } else {
    call("+", left, right)
  }
}

#' Sums of a formula, with a fixed factor turned into a grouping factor
#' @param sums A function that computes the sums of a formula.
#' @noRd
sums_with_factor_as_group <- function(formula, label, sums) {
  inner <- if (!is.null(label)) formula_with_factor_as_group(formula, label)
  if (is.null(inner)) {
    return(sums(formula))
  }
  with_summed_factor(sums(inner), formula, label)
}

with_summed_factor <- function(sums, formula, label) {
  sums$plan$formula <- formula
  sums$plan$apart <- label
  sums
}

# Fixed factors with many levels in sums: rows are summed up by their levels as by those of one more
# grouping factor, and the fit takes these without a penalty.

#' The factor of the fixed part by whose levels rows are summed up
#' @param rows Some rows of the data.
#' @param has_many A function that says whether a variable, by its name, has too many levels for a
#'   column each.
#' @return The label of its term; `NULL` without one.
#' @noRd
label_apart <- function(formula, rows, extras, contrasts, has_many) {
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
      can_stand_apart(label, terms) &&
      is_one_category(label, terms, frame) &&
      has_usual_contrasts(label, frame, contrasts)
  }
  labels <- Filter(is_possible, attr(terms, "term.labels"))
  Find(\(label) has_many(unquoted(label)), labels)
}

# Whether a term is one unordered factor, or text.
is_one_category <- function(label, terms, frame) {
  levels <- levels_of_variables(term_variables(label, terms), frame)
  length(levels) == 1L && !is.null(levels[[1L]])
}

# A level of a factor among the effects is a column, of so many at most.
most_levels <- 1000L

#' Refuse columns for the levels of a variable among the effects before they are made
#' @noRd
check_number_of_levels <- function(n, name) {
  if (n <= most_levels) {
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
        format_count(most_levels)
      ),
      i = sprintf("Is it a grouping factor, `(1 | %s)`?", name),
      i = apart
    ),
    "rlmm_error_sums",
    variable = name
  )
}

# From so many levels on a factor of the fixed part has no column of each.
is_many_to_sum <- function(n_levels) {
  n_levels > (getOption("rlmm.large_factor") %||% most_levels)
}

#' The formula with a factor of its fixed part as a grouping factor
#' @return `NULL` where the factor is no summand of its own.
#' @noRd
formula_apart <- function(formula, label) {
  rest <- without_summand(formula[[3L]], label)
  if (identical(rest, formula[[3L]])) {
    return(NULL)
  }
  group <- call("(", call("|", 1, str2lang(label)))
  formula[[3L]] <- if (is.null(rest)) group else call("+", rest, group)
  formula
}

# A sum without one of its summands; `NULL` where nothing is left.
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

#' Sums of a formula of which a factor was taken for a grouping factor
#' @param sums A function of the formula that is summed up, which makes them.
#' @noRd
sums_with_apart <- function(formula, label, sums) {
  inner <- if (!is.null(label)) formula_apart(formula, label)
  if (is.null(inner)) {
    return(sums(formula))
  }
  with_apart(sums(inner), formula, label)
}

with_apart <- function(sums, formula, label) {
  sums$plan$formula <- formula
  sums$plan$apart <- label
  sums
}

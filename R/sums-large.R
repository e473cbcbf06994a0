# Large fixed factors in sums: rows are summed by the levels of the factor as if it were one more
# grouping factor, with its slopes as the effects, and the fit estimates these without a penalty.

#' Finds the factor of the fixed part by whose levels rows are summed, and its slopes
#' @param rows Some rows of the data.
#' @param has_many A function of the name of a variable: has it too many levels for dummy columns?
#' @return A list: `labels`, the terms of the factor; `group`, its name as the terms object has it;
#'   and `inner`, the formula with these terms as `(effects | group)`. `NULL` if there is none.
#' @noRd
find_summed_terms <- function(formula, rows, extras, contrasts, has_many) {
  parsed <- parse_formula(formula, rows)
  frame <- whole_frame(parsed, formula_env(formula), rows, extras)
  summed_terms_in_frame(formula, parsed, frame, rows, contrasts, has_many)
}

#' The summed terms of a formula, from its model frame, which may have no rows
#' @noRd
summed_terms_in_frame <- function(
  formula,
  parsed,
  frame,
  rows,
  contrasts,
  has_many
) {
  env <- formula_env(formula)
  fixed <- rlang::new_formula(parsed$response, parsed$fixed, env = env)
  terms <- part_terms(fixed, frame, rows)
  if (attr(terms, "intercept") == 0L) {
    return(NULL)
  }
  sets <- c(
    factors_alone(terms, frame),
    sets_with_slopes(terms, frame, contrasts)
  )
  groups <- unlist(lapply(parsed$bars, \(bar) lapply(bar$groups, `[[`, "name")))
  is_possible <- \(set) {
    !unquoted(set$group) %in% groups &&
      has_default_contrasts(set$group, frame, contrasts) &&
      have_plain_columns(set, terms) &&
      has_many(unquoted(set$group))
  }
  set <- Find(is_possible, sets)
  if (!is.null(set)) {
    check_origin_in_rows(set, terms, frame)
    inner <- formula_with_factor_as_group(formula, set, terms)
    c(set[c("labels", "group")], list(inner = inner))
  }
}

# As check_origin_of_slopes(), from the first rows.
check_origin_in_rows <- function(set, terms, frame) {
  levels <- category_levels(frame_variable(set$group, frame))
  set$xlevels <- rlang::set_names(list(levels), set$group)
  set$coding <- core_coding
  set$codes <- list()
  if (nrow(frame) > 0L) {
    check_origin_of_slopes(large_factors(list(set), terms, frame)$factors)
  }
}

# The terms that are a single unordered factor or text variable without interactions, each as a set
# of terms like those of sets_with_slopes().
factors_alone <- function(terms, frame) {
  labels <- attr(terms, "term.labels")
  labels <- Filter(\(label) can_be_large(label, terms), labels)
  sets <- lapply(labels, \(label) {
    group <- term_variables(label, terms)
    levels <- if (length(group) == 1L) levels_of_variables(group, frame)[[1L]]
    if (!is.null(levels)) list(labels = label, group = group)
  })
  Filter(Negate(is.null), sets)
}

# Whether all slopes are those of numeric vectors and of factors with treatment contrasts.
have_plain_columns <- function(set, terms) {
  variables <- unlist(lapply(set$labels, other_variables, set$group, terms))
  is_matrix <- grepl("^nmatrix", variable_classes(variables, terms))
  !any(is_matrix) && all(vapply(set$codes, is.null, NA))
}

#' Turns the terms of a factor of the fixed part into `(effects | group)`, the last summand
#' @noRd
formula_with_factor_as_group <- function(formula, set, terms) {
  labels <- setdiff(attr(terms, "term.labels"), set$labels)
  variables <- as.list(attr(terms, "variables"))[-1L]
  bars <- split_bars(formula[[3L]])$bars
  own <- call("|", effects_of_levels(set, terms), str2lang(set$group))
  formula[[3L]] <- sum_of(c(
    lapply(labels, str2lang),
    variables[attr(terms, "offset")],
    lapply(c(bars, list(own)), \(bar) call("(", bar))
  ))
  formula
}

# The effects of a large factor as those of a grouping factor: `1 + x` for `firm` and `firm:x`.
effects_of_levels <- function(set, terms) {
  others <- lapply(set$labels, other_variables, set$group, terms)
  interact <- \(left, right) call(":", left, right)
  slopes <- lapply(Filter(length, others), \(variables) {
    Reduce(interact, lapply(variables, str2lang))
  })
  has_levels <- any(lengths(others) == 0L)
  sum_of(c(list(as.numeric(has_levels)), slopes))
}

# Whether a factor of the fixed part has too many levels for dummy columns.
has_many_levels <- function(n_levels) {
  n_levels > (option_large_factor() %||% max_dummy_levels)
}

#' Sums of a formula, with a fixed factor turned into a grouping factor
#' @param set The list that [find_summed_terms()] returns.
#' @param sums A function that computes the sums of a formula.
#' @noRd
sums_with_factor_as_group <- function(formula, set, sums) {
  if (is.null(set)) {
    return(sums(formula))
  }
  with_summed_factor(sums(set$inner), formula, set)
}

with_summed_factor <- function(sums, formula, set) {
  sums$plan$formula <- formula
  sums$plan$apart <- set[c("labels", "group")]
  sums
}

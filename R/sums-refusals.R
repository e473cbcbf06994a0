# Errors about factors and interactions with too many dummy columns for sums, raised before any of
# these is computed.

# The largest number of levels of a factor, or of dummy columns of an interaction.
max_dummy_levels <- 1000L

#' Raises an error about a factor with too many levels, but for the one by whose levels rows are
#' summed
#' @param sizes The numbers of levels of the variables among the effects, named.
#' @param set What [find_summed_terms()] returns.
#' @noRd
check_numbers_of_levels <- function(sizes, set) {
  for (name in setdiff(names(sizes), unquoted(set$group))) {
    check_number_of_levels(sizes[[name]], name)
  }
}

#' Raises an error about a factor with too many levels, before its dummy columns are computed
#' @noRd
check_number_of_levels <- function(n, name) {
  if (n <= max_dummy_levels) {
    return(invisible())
  }
  apart <- paste(
    "By itself, or with slopes by its levels, beside an intercept and with treatment contrasts,",
    "one factor has no columns."
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

#' Raises an error about an interaction with too many dummy columns, before these are computed
#' @noRd
check_interactions <- function(parsed, frame, env, rows) {
  of_bars <- lapply(parsed$bars, \(bar) unwrap_fulldummy(bar$effects)$expr)
  for (effects in c(list(parsed$fixed), of_bars)) {
    formula <- rlang::new_formula(parsed$response, effects, env = env)
    terms <- part_terms(formula, frame, rows)
    if (length(attr(terms, "term.labels")) > 0L) {
      columns <- columns_of_terms(terms, frame)
      check_combinations(columns[which.max(columns)])
    }
  }
}

# `columns` is the number of columns of a term, named by its label.
check_combinations <- function(columns) {
  if (columns <= max_dummy_levels) {
    return(invisible())
  }
  abort_rlmm(
    c(
      sprintf("%s has too many columns to be summed up.", tick(names(columns))),
      x = sprintf(
        "It has %s, of at most %s.",
        format_count(columns[[1L]]),
        format_count(max_dummy_levels)
      ),
      i = sprintf("Is it a grouping factor, `(1 | %s)`?", names(columns))
    ),
    "rlmm_error_sums",
    variable = names(columns)
  )
}

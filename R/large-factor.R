# Large factors: fixed factors whose dummy columns would be too many for a dense X. Each factor is a
# term of the spec with a part of kind "fixed", whose levels the core eliminates like the levels of
# random effects, but without a penalty. "Ordinary" columns are the remaining columns of X.

# The list that [find_large_factors()] returns, from its entries `factors`.
combine_factors <- function(factors, drops_intercept) {
  factors <- with_level_positions(factors)
  of_all <- \(field) unlist(lapply(factors, `[[`, field))
  has_column <- lapply(factors, \(own) seq_along(own$levels) > own$has_base)
  list(
    drops_intercept = drops_intercept,
    factors = factors,
    levels = of_all("levels"),
    names = of_all("names"),
    is_column = unlist(has_column)
  )
}

# Adds `at`, the positions of a factor's levels among the levels of all factors.
with_level_positions <- function(factors) {
  before <- 0L
  for (i in seq_along(factors)) {
    own <- seq_along(factors[[i]]$levels)
    factors[[i]]$at <- before + own
    before <- before + length(own)
  }
  factors
}

can_be_large <- function(label, terms) {
  shares_no_variable(label, terms) && has_indicators(label, terms)
}

count_combinations <- function(xlevels) prod(lengths(xlevels))

# The levels of each variable. A single variable must be an unordered factor or text, as otherwise
# its columns are not indicators of levels.
levels_of_variables <- function(variables, frame) {
  is_alone <- length(variables) == 1L
  lapply(rlang::set_names(variables), \(name) {
    x <- frame_variable(name, frame)
    if (!(is_alone && is.ordered(x))) category_levels(x)
  })
}

# A variable of the model frame by its name in the terms object, which quotes names that are not
# syntactic.
frame_variable <- function(name, frame) {
  .subset2(frame, name) %||% .subset2(frame, unquoted(name))
}

# The levels of a factor or of text.
category_levels <- function(x) {
  if (is.character(x)) {
    sort(unique(x))
  } else if (is.factor(x)) {
    levels(x)
  }
}

large_factor <- function(label, xlevels, has_base, terms, frame) {
  variables <- names(xlevels)
  list(
    label = label,
    position = match(label, attr(terms, "term.labels")),
    xlevels = xlevels,
    levels = combined_labels(xlevels),
    refs = combined_refs(lapply(variables, frame_variable, frame), xlevels),
    has_base = has_base,
    names = combined_labels(Map(paste0, variables, xlevels))
  )
}

# The labels of all combinations of levels; the first variable varies fastest.
combined_labels <- function(labels) {
  Reduce(
    \(left, right) {
      paste(left, rep(right, each = length(left)), sep = ":")
    },
    labels
  )
}

# The number of the combination of levels in each row; `NA` where a level is missing.
combined_refs <- function(columns, xlevels) {
  refs <- 1L
  step <- 1L
  for (i in seq_along(columns)) {
    own <- match(as.character(columns[[i]]), xlevels[[i]])
    refs <- refs + step * (own - 1L)
    step <- step * length(xlevels[[i]])
  }
  as.integer(refs)
}

# Whether the dummy columns of a factor are too expensive: 5e9 multiplications take about a second.
is_large <- function(n_levels, n, passes = 1) {
  limit <- option_large_factor()
  if (is.null(limit)) {
    return(n_levels >= 100L && passes * n * n_levels^2 > 5e9)
  }
  n_levels >= max(limit, 2)
}

# The number of levels in the option `rlmm.large_factor`; `NULL` without the option.
option_large_factor <- function() {
  limit <- getOption("rlmm.large_factor")
  if (!is.null(limit) && !is_number(limit)) {
    abort_argument(
      "`options(rlmm.large_factor = )` must be one number of levels.",
      x = it_is(limit),
      arg = "rlmm.large_factor"
    )
  }
  limit
}

# How often a fit is expected to form X'WX. A generalized model has new weights in each PIRLS step,
# and its standard errors take about as long as the fit.
expected_passes <- function(is_generalized) if (is_generalized) 50 else 1

# Whether none of the variables of a term is in another term.
shares_no_variable <- function(label, terms) {
  factors <- attr(terms, "factors")
  rows <- factors[factors[, label] > 0, , drop = FALSE]
  all(rowSums(rows > 0) == 1L)
}

# Whether the columns of a term are indicators: those of an interaction without its main effects are
# (code 2 in the terms object); those of a single factor are, up to its contrasts.
has_indicators <- function(label, terms) {
  variables <- term_variables(label, terms)
  length(variables) == 1L ||
    all(attr(terms, "factors")[variables, label] == 2L)
}

# Whether a factor has R's default treatment contrasts, which no argument or attribute overrides.
has_default_contrasts <- function(variable, frame, contrasts) {
  usual <- getOption("contrasts")[[1L]]
  is_given <- unquoted(variable) %in%
    names(contrasts) ||
    !is.null(attr(frame_variable(variable, frame), "contrasts"))
  identical(usual, "contr.treatment") && !is_given
}

#' The formula of the fixed part without the large factors
#'
#' If the whole formula has no intercept, the other factors still have contrasts, since the large
#' factor spans the constant: this formula has an intercept, which [ordinary_columns()] drops again.
#' The variables are added and removed before the terms, so that interactions have their variables
#' in the order of the whole formula.
#' @noRd
ordinary_formula <- function(formula, large, terms) {
  factors <- attr(terms, "factors")
  labels <- setdiff(colnames(factors), large_labels(large))
  right <- 1
  if (length(labels) > 0L) {
    is_used <- rowSums(factors[, labels, drop = FALSE] > 0) > 0
    variables <- call("(", sum_of_terms(rownames(factors)[is_used]))
    none <- call("-", call("+", 1, variables), variables)
    right <- call("+", none, sum_of_terms(labels))
  }
  rlang::new_formula(formula[[2L]], right, env = environment(formula))
}

sum_of_terms <- function(labels) {
  Reduce(\(left, right) call("+", left, right), lapply(labels, str2lang))
}

ordinary_columns <- function(columns, large) {
  if (is.null(large) || !large$drops_intercept) {
    return(columns)
  }
  select_columns(columns, which(column_names(columns) != "(Intercept)"))
}

# The large factors as a fit stores them, without vectors of the length of the data.
kept_large <- function(large) {
  kept <- \(own) own[!names(own) %in% c("refs", "values")]
  large$factors <- lapply(large$factors, kept)
  large
}

#' One text field of each large factor
#' @noRd
each_large <- function(large, field) {
  vapply(large$factors, `[[`, "", field)
}

#' The labels of the factors' terms
#' @noRd
large_labels <- function(large) unique(each_large(large, "label"))

#' The entries of the large factors (one for each column of slopes) that belong to a term
#' @noRd
factors_of_label <- function(large, label) {
  Filter(\(own) own$label == label, large$factors)
}

#' The number of coefficients of levels
#' @noRd
n_levels_fixed <- function(fixed) sum(fixed$large$is_column)

# Fixed factors with so many levels that their dummy columns would fill the memory: they are no part
# of X. The levels of each are a term of the spec with a part of kind "fixed", which the core
# eliminates like random effects, without a penalty. All else of the fixed part is "ordinary".

# All factors, and what there is of the levels of all.
beside_each_other <- function(factors, drops_intercept) {
  factors <- with_column_places(factors)
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

# Factors with the places of their levels among those of all.
with_column_places <- function(factors) {
  before <- 0L
  for (i in seq_along(factors)) {
    own <- seq_along(factors[[i]]$levels)
    factors[[i]]$at <- before + own
    before <- before + length(own)
  }
  factors
}

can_stand_apart <- function(label, terms) {
  stands_alone(label, terms) && has_indicators(label, terms)
}

count_combinations <- function(xlevels) prod(lengths(xlevels))

# The levels of some variables. One alone must be an unordered factor or text.
levels_of_variables <- function(variables, frame) {
  is_alone <- length(variables) == 1L
  lapply(rlang::set_names(variables), \(name) {
    x <- frame_variable(name, frame)
    if (!(is_alone && is.ordered(x))) category_levels(x)
  })
}

# A variable of the frame; the terms object quotes names that aren't syntactic.
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

# The combinations of labels, the first varying fastest.
combined_labels <- function(labels) {
  Reduce(
    \(left, right) {
      paste(left, rep(right, each = length(left)), sep = ":")
    },
    labels
  )
}

# The number of each row's combination of levels; `NA` where one is missing.
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

# Whether the dummy columns cost too much: 5e9 multiplications take about a second.
is_large <- function(n_levels, n, passes = 1) {
  limit <- getOption("rlmm.large_factor")
  if (is.null(limit)) {
    n_levels >= 100L && passes * n * n_levels^2 > 5e9
  } else {
    n_levels >= max(limit, 2)
  }
}

# So often the columns are multiplied: a generalized model has other weights in each step of a
# search for the modes, and its standard errors take as long as the fit.
passes_of <- function(is_generalized) if (is_generalized) 50 else 1

# Whether the variables of a term are in no other.
stands_alone <- function(label, terms) {
  factors <- attr(terms, "factors")
  rows <- factors[factors[, label] > 0, , drop = FALSE]
  all(rowSums(rows > 0) == 1L)
}

# Whether the columns of a term of several variables are the indicators of their combinations.
has_indicators <- function(label, terms) {
  variables <- term_variables(label, terms)
  length(variables) == 1L ||
    all(attr(terms, "factors")[variables, label] == 2L)
}

# Whether a factor is coded by treatment contrasts, whatever its levels.
has_usual_contrasts <- function(variable, frame, contrasts) {
  usual <- getOption("contrasts")[[1L]]
  is_given <- unquoted(variable) %in%
    names(contrasts) ||
    !is.null(attr(frame_variable(variable, frame), "contrasts"))
  identical(usual, "contr.treatment") && !is_given
}

#' The formula of the fixed part without the large factors
#'
#' Without an intercept the others have the contrasts that they have beside it: they are made with
#' one, which [ordinary_columns()] takes away. Variables come and go before the terms, so that
#' interactions name them in the order that they have in the whole formula.
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

# What a fit keeps of them: nothing of the length of the data.
kept_large <- function(large) {
  kept <- \(own) own[!names(own) %in% c("refs", "values")]
  large$factors <- lapply(large$factors, kept)
  large
}

#' A property of each large factor: a vector of texts
#' @noRd
each_large <- function(large, field) {
  vapply(large$factors, `[[`, "", field)
}

#' The labels of the factors' terms
#' @noRd
large_labels <- function(large) unique(each_large(large, "label"))

#' The factors, one for each column of slopes, that are a term of the formula
#' @noRd
factors_of_label <- function(large, label) {
  Filter(\(own) own$label == label, large$factors)
}

#' Number of coefficients that the levels have
#' @noRd
n_levels_fixed <- function(fixed) sum(fixed$large$is_column)

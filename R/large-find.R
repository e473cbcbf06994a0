# Which terms of the fixed part stand apart from X: large factors, and those with their slopes.

# So many factors have levels apart from X at most.
most_large <- 2L

#' The factors of the fixed part whose levels are no columns of X
#'
#' A large factor stands on its own, with any contrasts that span its levels, or is the combinations
#' of several whose other terms aren't in the formula, and has so many levels that its dummy columns
#' cost more than a second, or the number that the option `rlmm.large_factor` says. Its interactions
#' with covariates, its slopes, stand apart with it. Of several the largest are taken.
#' @param terms The terms of the fixed part.
#' @param most So many factors at most.
#' @param passes What [passes_of()] says.
#' @return `NULL`, or a list: `drops_intercept` (has the formula none?); `factors`, in the order of
#'   the formula, the factors and each column of their slopes: a list of `label` (of its term),
#'   `position` (the number of its term), `xlevels` (of its variables), `levels`, `refs` (the level
#'   of each row), `has_base` (is the first level without a column?), `names` (of the levels'
#'   columns), `margin` (the name of the coefficient that they are beside), `coding` (of contrasts
#'   that the core doesn't have, see [level_coding_of()]), `block` and `column` (its place in a term
#'   of the spec, which a factor shares with its slopes) and `at` (where its levels are among those
#'   of all factors); those of slopes have `covariate` and `columns`, the other variables and which
#'   column of each is meant (see [term_columns()]), `codes`, how each is coded (see
#'   [codes_of_categories()]), `beside`, the levels of these variables, `values`, the product of the
#'   columns in each row, and `inner`, the number of the column among those that change faster than
#'   the levels; and of all factors `levels`, `names` and `is_column` (has each level a column?).
#' @noRd
find_large_factors <- function(
  terms,
  frame,
  contrasts,
  most = most_large,
  passes = 1
) {
  labels <- attr(terms, "term.labels")
  n <- count_rows(frame)
  if (!any(are_categories(terms)) || !is_large(n, n, passes)) {
    return(NULL)
  }
  is_possible <- vapply(labels, can_stand_apart, NA, terms)
  sets <- lapply(labels[is_possible], \(label) list(labels = label, size = 1L))
  sets <- c(sets, sets_with_slopes(terms, frame, contrasts))
  sets <- lapply(sets, \(set) {
    variables <- set$group %||% term_variables(set$labels, terms)
    set$xlevels <- levels_of_variables(variables, frame)
    set$n_levels <- count_combinations(set$xlevels)
    set
  })
  is_taken <- \(set) {
    set$n_levels < 1e8 && is_large(set$n_levels, n, passes)
  }
  sets <- lapply(
    Filter(is_taken, sets),
    set_with_coding,
    terms,
    frame,
    contrasts
  )
  is_told <- \(set) !is.null(set$coding)
  chosen <- largest_sets(Filter(is_told, sets), terms, most)
  if (length(chosen) > 0L) {
    large_factors(chosen, terms, frame)
  }
}

# A set of terms with the coding of their factor. Without an intercept the levels of the first
# factor have a column each; what another one differs by from these has no coefficient of its own.
set_with_coding <- function(set, terms, frame, contrasts) {
  has_intercept <- attr(terms, "intercept") == 1L
  is_first <- !has_intercept && any_first_category(set$labels, terms)
  has_slopes <- length(set$labels) > 1L || !is.null(set$group)
  name <- names(set$xlevels)
  if (length(name) > 1L || is_first && !has_slopes) {
    set$coding <- usual_coding
    return(set)
  }
  coding <- level_coding_of(name, frame, contrasts, set$xlevels[[1L]])
  is_told <- has_intercept || is_first || isTRUE(is_usual_coding(coding))
  set$coding <- if (is_told) coding
  set
}

# The sets of terms with most columns, none with a term of another. Without an intercept the first
# factor of the formula, which has a column for each level, is among them, or none is.
largest_sets <- function(sets, terms, most) {
  n_levels <- vapply(sets, `[[`, 1, "n_levels")
  sizes <- vapply(sets, `[[`, 1L, "size")
  sets <- sets[order(-n_levels * sizes, -n_levels)]
  if (attr(terms, "intercept") == 0L) {
    is_first <- vapply(sets, \(set) any_first_category(set$labels, terms), NA)
    sets <- if (any(is_first)) sets[order(!is_first)]
  }
  utils::head(disjoint_sets(sets), most)
}

# The sets but those that have a term of one before them.
disjoint_sets <- function(sets) {
  chosen <- list()
  for (set in sets) {
    taken <- unlist(lapply(chosen, `[[`, "labels"))
    if (!any(set$labels %in% taken)) {
      chosen <- c(chosen, list(set))
    }
  }
  chosen
}

#' The large factors that some sets of terms are
#' @param sets Lists of `labels`, `group` (of slopes), `xlevels` and `coding`.
#' @noRd
large_factors <- function(sets, terms, frame) {
  has_intercept <- attr(terms, "intercept") == 1L
  labels <- unlist(lapply(sets, `[[`, "labels"))
  labels <- intersect(attr(terms, "term.labels"), labels)
  factors <- lapply(labels, \(label) {
    set <- Find(\(set) label %in% set$labels, sets)
    is_coded <- has_intercept || label != labels[1L]
    factors_of_term(label, set, is_coded, terms, frame)
  })
  factors <- unlist(factors, recursive = FALSE)
  beside_each_other(in_blocks(factors), !has_intercept)
}

# The factor that a term is, or its slopes.
factors_of_term <- function(label, set, is_coded, terms, frame) {
  has_base <- is_coded && length(set$xlevels) == 1L
  own <- large_factor(label, set$xlevels, has_base, terms, frame)
  own$margin <- "(Intercept)"
  own$coded <- paste0(names(set$xlevels), set$coding$names)
  is_slopes <- !is.null(set$group) && length(term_variables(label, terms)) > 1L
  found <- if (is_slopes) {
    slopes_of_term(label, own, terms, frame, set$codes)
  } else {
    list(own)
  }
  lapply(found, with_coding, set$coding)
}

# Without an intercept the first factor, text or logical has a column for each level: is it among
# these terms?
any_first_category <- function(set, terms) {
  factors <- attr(terms, "factors")
  labels <- attr(terms, "term.labels")
  of_categories <- factors[are_categories(terms), , drop = FALSE]
  has_category <- colSums(of_categories > 0) > 0
  which(has_category)[1L] %in% match(set, labels)
}

# Whether each variable, the response among them, is a factor, text or logical.
are_categories <- function(terms) {
  variables <- rownames(attr(terms, "factors"))
  is_category_class(variable_classes(variables, terms))
}

# Finds the large fixed factors of a formula: terms whose dummy columns, and those of their
# interactions with covariates, are too many to be columns of X.

# The largest number of factors that are kept out of X in one model.
max_large_factors <- 2L

#' Finds the fixed factors whose levels are to be kept out of X
#'
#' A large factor is a single factor with any contrasts that span the differences of its levels, or
#' the interaction of several factors of which the formula has no other term. It is large if
#' computing with its dummy columns would cost more than a second, or if it has at least as many
#' levels as the option `rlmm.large_factor`. Its interactions with covariates (slopes by level) are
#' kept out of X with it. If several factors qualify, those with most columns are taken.
#' @param terms The terms of the fixed part.
#' @param most The largest number of factors.
#' @param passes The expected number of products X'X, see [expected_passes()].
#' @return `NULL`, or a list of
#'   * `drops_intercept`: whether the formula has no intercept;
#'   * `factors`: a list, in the order of the formula, with one entry for each factor and for each
#'     column of its slopes (see below);
#'   * `levels`, `names`, `is_column`: the levels of all factors, the names of their columns, and
#'     whether each level has a column (a coefficient).
#'
#'   An entry of `factors` is a list of
#'   * `label`, `position`: label and number of its term;
#'   * `xlevels`: the levels of each of its variables; `levels`: their combinations;
#'   * `refs`: the level of each row;
#'   * `has_base`: whether the first level has no column (treatment contrasts);
#'   * `names`: the names of the levels' columns;
#'   * `margin`: the name of the coefficient that the levels' coefficients are differences from;
#'   * `coding`: contrasts other than those of the core, see [level_coding_of()];
#'   * `block`, `column`: the term of the spec that holds the factor together with its slopes, and
#'     its column there;
#'   * `at`: the positions of its levels among the levels of all factors;
#'   * for slopes only: `covariate` and `columns`, the other variables and which column of each is
#'     meant (see [term_columns()]); `codes`, their contrasts (see [codes_of_categories()]);
#'     `beside`, their levels; `values`, the product of their columns in each row; and `inner`, the
#'     number of the column among those that vary faster than the levels.
#' @noRd
find_large_factors <- function(
  terms,
  frame,
  contrasts,
  most = max_large_factors,
  passes = 1
) {
  labels <- attr(terms, "term.labels")
  n <- count_rows(frame)
  can_be_many <- is_large(n, n, passes) &&
    is_large(most_combinations(terms, frame), n, passes)
  if (!can_be_many) {
    return(NULL)
  }
  is_possible <- vapply(labels, can_be_large, NA, terms)
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
  is_estimable <- \(set) !is.null(set$coding)
  chosen <- largest_sets(Filter(is_estimable, sets), terms, most)
  if (length(chosen) > 0L) {
    large <- large_factors(chosen, terms, frame)
    check_origin_of_slopes(large$factors)
    large
  }
}

# An upper bound of the number of levels of any set of terms. The distinct values of text are not
# counted, as that takes long in large data.
most_combinations <- function(terms, frame) {
  categories <- rownames(attr(terms, "factors"))[are_categories(terms)]
  sizes <- vapply(
    categories,
    \(name) {
      x <- frame_variable(name, frame)
      if (is.factor(x)) nlevels(x) else length(x)
    },
    1L
  )
  prod(sizes)
}

# Adds the coding of the factor to a set of terms; `coding` stays `NULL` where the coefficients
# under these contrasts can't be computed from those of the core. Without an intercept only the
# first factor has a column for each level, and a second factor must have treatment contrasts.
set_with_coding <- function(set, terms, frame, contrasts) {
  has_intercept <- attr(terms, "intercept") == 1L
  is_first <- !has_intercept && any_first_category(set$labels, terms)
  has_slopes <- length(set$labels) > 1L || !is.null(set$group)
  name <- names(set$xlevels)
  if (length(name) > 1L || is_first && !has_slopes) {
    set$coding <- core_coding
    return(set)
  }
  coding <- level_coding_of(name, frame, contrasts, set$xlevels[[1L]])
  is_estimable <- has_intercept || is_first || isTRUE(is_core_coding(coding))
  set$coding <- if (is_estimable) coding
  set
}

# The `most` sets of terms with the largest numbers of columns, without overlaps. Without an
# intercept, the first factor of the formula has a column for each level; it must be among the sets,
# or no factor is kept out of X.
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

# Drops each set that shares a term with an earlier one.
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

#' The large factors that are made of sets of terms
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
  combine_factors(assign_blocks(factors), !has_intercept)
}

# The entries of `factors` for one term: the factor itself, or one entry for each column of slopes.
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

# Whether a set holds the first term with a factor, text or logical variable: without an intercept
# that term has a column for each level.
any_first_category <- function(set, terms) {
  factors <- attr(terms, "factors")
  labels <- attr(terms, "term.labels")
  of_categories <- factors[are_categories(terms), , drop = FALSE]
  has_category <- colSums(of_categories > 0) > 0
  which(has_category)[1L] %in% match(set, labels)
}

# Whether each variable of the terms, including the response, is a factor, text or logical.
are_categories <- function(terms) {
  variables <- rownames(attr(terms, "factors"))
  is_category_class(variable_classes(variables, terms))
}

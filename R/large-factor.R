# Fixed factors with so many levels that their dummy columns would fill the memory: they are no part
# of X. The levels of each are a term of the spec with a part of kind "fixed", which the core
# eliminates like random effects, without a penalty. All else of the fixed part is "ordinary".

# So many factors have levels apart from X at most.
most_large <- 2L

#' The factors of the fixed part whose levels are no columns of X
#'
#' A large factor stands on its own, with treatment contrasts, or is the combinations of several
#' whose other terms aren't in the formula, and has so many levels that its dummy columns cost more
#' than a second, or the number that the option `rlmm.large_factor` says. Its interactions with
#' covariates, its slopes, stand apart with it. Of several the largest are taken.
#' @param terms The terms of the fixed part.
#' @param most So many factors at most; one with slopes stands apart alone.
#' @param with_slopes May slopes stand apart?
#' @return `NULL`, or a list: `drops_intercept` (has the formula none?); `factors`, in the order of
#'   the formula, the factors and each of their slopes: a list of `label` (of its term), `position`
#'   (the number of its term), `covariate` (of slopes), `xlevels` (of its other variables),
#'   `levels`, `refs` and `values` (of each row; the covariate's), `has_base` (is the first level
#'   without a column?), `names` (of the levels' columns), `block` and `column` (its place in a
#'   term of the spec, which a factor shares with its slopes) and `at` (where its levels are among
#'   those of all factors); and of these all `levels`, `names` and `is_column` (has each level a
#'   column?).
#' @noRd
find_large_factors <- function(
  terms,
  frame,
  contrasts,
  most = most_large,
  with_slopes = FALSE
) {
  labels <- attr(terms, "term.labels")
  n <- count_rows(frame)
  if (length(labels) == 0L || !is_large(n, n)) {
    return(NULL)
  }
  is_possible <- vapply(labels, can_stand_apart, NA, terms, contrasts)
  sets <- c(
    as.list(labels[is_possible]),
    if (with_slopes) sets_with_slopes(terms, contrasts)
  )
  xlevels <- lapply(sets, \(set) term_levels(set[1L], terms, frame))
  sizes <- vapply(xlevels, count_combinations, 1)
  is_taken <- vapply(sizes, \(size) size < 1e8 && is_large(size, n), NA)
  chosen <- largest_sets(sets[is_taken], sizes[is_taken], terms, most)
  if (length(chosen) == 0L) {
    return(NULL)
  }
  of_terms <- rep(xlevels[match(chosen, sets)], lengths(chosen))
  names(of_terms) <- unlist(chosen)
  large_factors(of_terms[intersect(labels, names(of_terms))], terms, frame)
}

# The sets of terms with most columns, one with slopes alone. Without an intercept the first factor
# of the formula, which has a column for each level, is among them, or none is.
largest_sets <- function(sets, sizes, terms, most) {
  sets <- sets[order(-sizes * lengths(sets))]
  if (attr(terms, "intercept") == 0L) {
    is_first <- vapply(sets, \(set) any_first_category(set, terms), NA)
    sets <- if (any(is_first)) sets[order(!is_first)]
  }
  has_slopes <- vapply(sets, \(set) any(is_slope(set, terms)), NA)
  if (length(sets) > 0L && !has_slopes[1L]) {
    sets <- sets[!has_slopes]
  } else {
    most <- min(most, 1L)
  }
  utils::head(sets, most)
}

large_factors <- function(xlevels, terms, frame) {
  has_intercept <- attr(terms, "intercept") == 1L
  labels <- names(xlevels)
  slopes <- is_slope(labels, terms)
  is_coded <- lengths(xlevels) == 1L &
    (has_intercept | seq_along(labels) > 1L)
  is_coded[slopes] <- vapply(labels[slopes], is_slope_coded, NA, terms)
  factors <- Map(
    \(label, xlevels, has_base) {
      large_factor(label, xlevels, has_base, terms, frame)
    },
    labels,
    xlevels,
    is_coded
  )
  beside_each_other(in_blocks(unname(factors)), !has_intercept)
}

# All factors, and what there is of the levels of all.
beside_each_other <- function(factors, drops_intercept) {
  of_all <- \(field) unlist(lapply(factors, `[[`, field))
  before <- 0L
  for (i in seq_along(factors)) {
    own <- seq_along(factors[[i]]$levels)
    factors[[i]]$at <- before + own
    before <- before + length(own)
  }
  has_column <- lapply(factors, \(own) seq_along(own$levels) > own$has_base)
  list(
    drops_intercept = drops_intercept,
    factors = factors,
    levels = of_all("levels"),
    names = of_all("names"),
    is_column = unlist(has_column)
  )
}

can_stand_apart <- function(label, terms, contrasts) {
  !is_slope(label, terms) &&
    stands_alone(label, terms) &&
    has_indicators(label, terms, contrasts)
}

count_combinations <- function(xlevels) prod(lengths(xlevels))

# The levels of each variable of a term but of the covariate of slopes. Alone it must be an
# unordered factor or text, with no contrasts of its own.
term_levels <- function(label, terms, frame) {
  variables <- setdiff(
    term_variables(label, terms),
    slope_covariate(label, terms)
  )
  is_alone <- length(variables) == 1L
  lapply(rlang::set_names(variables), \(name) {
    x <- frame_variable(name, frame)
    is_special <- is.ordered(x) || !is.null(attr(x, "contrasts"))
    if (!(is_alone && is_special)) category_levels(x)
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
  variables <- term_variables(label, terms)
  covariate <- slope_covariate(label, terms)
  named <- lapply(rlang::set_names(variables), \(name) {
    if (name %in% covariate) name else paste0(name, xlevels[[name]])
  })
  own <- list(
    label = label,
    position = match(label, attr(terms, "term.labels")),
    xlevels = xlevels,
    levels = combined_labels(xlevels),
    refs = combined_refs(
      lapply(names(xlevels), frame_variable, frame),
      xlevels
    ),
    has_base = has_base,
    names = combined_labels(named)
  )
  if (length(covariate) > 0L) {
    own$covariate <- covariate
    own$values <- as.double(frame_variable(covariate, frame))
  }
  own
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
is_large <- function(n_levels, n) {
  limit <- getOption("rlmm.large_factor")
  if (is.null(limit)) {
    n_levels >= 100L && as.double(n) * n_levels^2 > 5e9
  } else {
    n_levels >= max(limit, 2)
  }
}

# Whether the variables of a term are in no other.
stands_alone <- function(label, terms) {
  factors <- attr(terms, "factors")
  rows <- factors[factors[, label] > 0, , drop = FALSE]
  all(rowSums(rows > 0) == 1L)
}

# Whether the columns of a term are the indicators of its levels, but perhaps for the first.
has_indicators <- function(label, terms, contrasts) {
  variables <- term_variables(label, terms)
  if (length(variables) > 1L) {
    return(all(attr(terms, "factors")[variables, label] == 2L))
  }
  has_usual_contrasts(variables, contrasts)
}

# Without an intercept the first factor, text or logical has a column for each level: is it among
# these terms?
any_first_category <- function(set, terms) {
  factors <- attr(terms, "factors")
  labels <- attr(terms, "term.labels")
  is_category <- variable_classes(rownames(factors), terms) %in%
    c("factor", "ordered", "character", "logical")
  has_category <- colSums(factors[is_category, , drop = FALSE] > 0) > 0
  which(has_category)[1L] %in% match(set, labels)
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
large_labels <- function(large) each_large(large, "label")

#' Number of coefficients that the levels have
#' @noRd
n_levels_fixed <- function(fixed) sum(fixed$large$is_column)

# A fixed factor with so many levels that its dummy columns would fill the memory: it is no part of
# X. Its levels are a term of the spec with a part of kind "fixed", which the core eliminates like
# random effects, without a penalty. Everything else of the fixed part is "ordinary".

#' The factor of the fixed part whose levels are no columns of X
#'
#' A large factor stands on its own, with treatment contrasts, or is the combinations of several
#' whose other terms aren't in the formula, and has so many levels that its dummy columns cost more
#' than a second, or the number that the option `rlmm.large_factor` says.
#' @param terms The terms of the fixed part.
#' @return `NULL`, or a list: `label` (of its term), `position` (the number of its term), `xlevels`
#'   (of its variables), `levels`, `refs` (of each row), `drops_intercept` (has the formula none?),
#'   `has_base` (is the first level without a column?), `is_column` (has each level a column?),
#'   `names` (of the levels' columns).
#' @noRd
find_large_factor <- function(terms, frame, contrasts) {
  labels <- attr(terms, "term.labels")
  n <- count_rows(frame)
  if (length(labels) == 0L || !is_large(n, n)) {
    return(NULL)
  }
  is_possible <- vapply(labels, can_stand_apart, NA, terms, contrasts)
  possible <- labels[is_possible]
  xlevels <- lapply(possible, term_levels, terms = terms, frame = frame)
  largest <- which.max(vapply(xlevels, count_combinations, 1))
  if (length(largest) == 0L) {
    return(NULL)
  }
  size <- count_combinations(xlevels[[largest]])
  if (size < 1e8 && is_large(size, n)) {
    large_factor(possible[largest], xlevels[[largest]], terms, frame)
  }
}

can_stand_apart <- function(label, terms, contrasts) {
  stands_alone(label, terms) && has_indicators(label, terms, contrasts)
}

count_combinations <- function(xlevels) prod(lengths(xlevels))

# The variables of a term, as the terms object names them.
term_variables <- function(label, terms) {
  factors <- attr(terms, "factors")
  rownames(factors)[factors[, label] > 0]
}

# The levels of each variable of a term. Alone it must be an unordered factor or text, with no
# contrasts of its own.
term_levels <- function(label, terms, frame) {
  variables <- term_variables(label, terms)
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

unquoted <- function(name) gsub("^`|`$", "", name)

# The levels of a factor or of text.
category_levels <- function(x) {
  if (is.character(x)) {
    sort(unique(x))
  } else if (is.factor(x)) {
    levels(x)
  }
}

large_factor <- function(label, xlevels, terms, frame) {
  has_intercept <- attr(terms, "intercept") == 1L
  has_base <- has_intercept && length(xlevels) == 1L
  named <- Map(paste0, names(xlevels), xlevels)
  levels <- combined_labels(xlevels)
  list(
    label = label,
    position = match(label, attr(terms, "term.labels")),
    xlevels = xlevels,
    levels = levels,
    refs = combined_refs(
      lapply(names(xlevels), frame_variable, frame),
      xlevels
    ),
    drops_intercept = !has_intercept,
    has_base = has_base,
    is_column = seq_along(levels) > has_base,
    names = combined_labels(named)
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
  has_intercept <- attr(terms, "intercept") == 1L
  if (!has_intercept && !is_first_category(label, terms)) {
    return(FALSE)
  }
  if (length(variables) > 1L) {
    return(all(attr(terms, "factors")[variables, label] == 2L))
  }
  usual <- getOption("contrasts")[[1L]]
  is_given <- unquoted(variables) %in% names(contrasts)
  identical(usual, "contr.treatment") && !is_given
}

# Without an intercept the first factor, text or logical has a column for each level.
is_first_category <- function(label, terms) {
  classes <- attr(terms, "dataClasses")
  factors <- attr(terms, "factors")
  labels <- attr(terms, "term.labels")
  is_category <- classes[rownames(factors)] %in%
    c("factor", "ordered", "character", "logical")
  has_category <- colSums(factors[is_category, , drop = FALSE] > 0) > 0
  match(label, labels) == which(has_category)[1L]
}

#' The formula of the fixed part without the factor
#'
#' Without an intercept the others have the contrasts that they have beside it: they are made with
#' one, which [ordinary_columns()] takes away.
#' @noRd
ordinary_formula <- function(formula, large, terms) {
  labels <- setdiff(attr(terms, "term.labels"), large$label)
  right <- Reduce(
    \(left, label) call("+", left, str2lang(label)),
    labels,
    1
  )
  rlang::new_formula(formula[[2L]], right, env = environment(formula))
}

ordinary_columns <- function(columns, large) {
  if (is.null(large) || !large$drops_intercept) {
    return(columns)
  }
  select_columns(columns, which(column_names(columns) != "(Intercept)"))
}

#' The factor as a term of the spec
#' @noRd
large_core_term <- function(large) {
  has_column <- as.double(large$is_column)
  list(
    refs = large$refs,
    n_levels = length(large$levels),
    z = list(if (all(has_column == 1)) 1 else has_column[large$refs]),
    columns = large$label,
    part_kind = "fixed",
    part_size = 1L,
    part_theta = 0L
  )
}

#' Whether a term of a spec stands for the levels of a fixed factor
#' @noRd
is_fixed_term <- function(core_term) identical(core_term$part_kind, "fixed")

# What a fit keeps of it: nothing of the length of the data.
kept_large <- function(large) large[names(large) != "refs"]

#' Number of coefficients that its levels have
#' @noRd
n_levels_fixed <- function(fixed) sum(fixed$large$is_column)

# Rank --------------------------------------------------------------------------

#' Which columns to keep beside the factor, and which levels have a column
#'
#' As in `lm()`, what is dropped depends on what stands before it in the formula: of columns before
#' the factor that don't change within its levels all are kept, and as many of the last levels have
#' no coefficient.
#' @param x The ordinary columns, of full rank.
#' @param after For each of them, whether it stands after the factor.
#' @return A list: `keep` (columns) and `is_column` (levels).
#' @noRd
beside_large <- function(x, after, large, counts) {
  used <- if (is.null(counts)) {
    rep(TRUE, nrow(x))
  } else {
    counts > 0
  }
  refs <- large$refs[used]
  x <- x[used, , drop = FALSE]
  within <- within_levels(x, refs, length(large$levels))
  occurs <- tabulate(refs, length(large$levels)) > 0L
  is_column <- large$is_column & occurs
  # The intercept depends on the indicators of all levels that occur.
  has_base <- large$has_base && occurs[1L]
  intercept <- has_base & colnames(x) == "(Intercept)"
  dependent <- !intercept & depends_on_earlier(within, x)
  before <- which(dependent & !after)
  if (length(before) > 0L) {
    others <- which(!dependent & !intercept)
    rest <- beside_others(x, within, before, others)
    means <- level_means(rest, refs, length(occurs))
    is_column <- without_last(is_column, from_base(means, has_base))
  }
  list(keep = which(!(dependent & after)), is_column = is_column)
}

# The levels' means as differences from that of the base, if there is one.
from_base <- function(means, has_base) {
  if (has_base) sweep(means, 2L, means[1L, ]) else means
}

within_levels <- function(x, refs, n_levels) {
  x - level_means(x, refs, n_levels)[refs, , drop = FALSE]
}

level_means <- function(x, refs, n_levels) {
  sums <- rowsum(x, factor(refs, seq_len(n_levels)), reorder = TRUE)
  means <- matrix(0, n_levels, ncol(x))
  counts <- tabulate(refs, n_levels)
  seen <- which(counts > 0L)
  means[seen, ] <- sums[as.character(seen), , drop = FALSE] / counts[seen]
  means
}

# Whether what varies of each column within levels is a combination of those before it.
depends_on_earlier <- function(within, x) {
  whole <- sqrt(colSums(sweep(x, 2L, colMeans(x))^2))
  left <- sqrt(colSums(within^2))
  constant <- left <= 1e-7 * whole
  varying <- which(!constant)
  kept <- if (length(varying) > 0L) {
    varying[pivot_columns(within[, varying, drop = FALSE])]
  }
  !seq_len(ncol(x)) %in% kept
}

# Dependent columns less what the others explain of them within levels: combinations of levels.
beside_others <- function(x, within, dependent, others) {
  rest <- x[, dependent, drop = FALSE]
  if (length(others) == 0L) {
    return(rest)
  }
  basis <- qr(within[, others, drop = FALSE])
  slopes <- qr.coef(basis, within[, dependent, drop = FALSE])
  rest - x[, others, drop = FALSE] %*% slopes
}

# The last levels that have to go so that no combination is left.
without_last <- function(is_column, means) {
  for (i in seq_len(ncol(means))) {
    size <- sqrt(rowSums(means^2))
    last <- max(which(is_column & size > 1e-9 * max(size)))
    is_column[last] <- FALSE
    pivot <- which.max(abs(means[last, ]))
    factor <- means[last, ] / means[last, pivot]
    means <- means - outer(means[, pivot], factor)
    means <- means[, -pivot, drop = FALSE]
  }
  is_column
}

#' Whether the levels of the factor, beside X, contain the random effects of a term
#'
#' A combination of all of its levels with irregular weights then leaves nothing.
#' @param z The columns of the core term, a matrix.
#' @noRd
contains_effects <- function(x, large, z, core_term) {
  weights <- 0.5 + (seq_len(core_term$n_levels) * 0.6180339887498949) %% 1
  combined <- weights[core_term$refs] * z
  n <- length(large$levels)
  left <- within_levels(combined, large$refs, n)
  if (ncol(x) > 0L) {
    basis <- qr(within_levels(x, large$refs, n))
    left <- qr.resid(basis, left)
  }
  any(colSums(left^2) <= 1e-14 * colSums(combined^2))
}

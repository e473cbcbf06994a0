# The rank of X: finds the columns that are linear combinations of those before them.

#' The columns of X to keep
#'
#' A column is dropped if its residual from the columns before it is below 1e-7 of its norm, the
#' rule of `qr()` in `lm()`. A cross-product of the scaled columns that is far from singular proves
#' full rank at a fraction of the cost, but can't resolve smaller residuals.
#' @param moved A function that returns columns with the same span whose covariates are near zero.
#' @noRd
independent_columns <- function(x, frame, policy, moved) {
  p <- count_columns(x)
  if (policy == "ignore" || p == 0L || has_full_rank(x, frame)) {
    return(seq_len(p))
  }
  x <- counted_matrix(x, frame)
  near <- counted_matrix(moved(), frame)
  is_lost <- has_lost_digits(near, x)
  near[, is_lost] <- 0
  keep <- pivot_columns(centred(near))
  if (length(keep) < p) {
    dropped <- setdiff(seq_len(p), keep)
    report_dropped_columns(x, dropped, is_lost, policy)
  }
  keep
}

report_dropped_columns <- function(x, dropped, is_lost, policy) {
  is_far <- is_lost[dropped] | is_far_column(x[, dropped, drop = FALSE])
  names <- colnames(x)[dropped]
  report_dropped(names, ncol(x), policy, far = names[is_far])
}

# Columns of a smaller standard deviation, relative to their mean, may differ from combinations of
# others by less than a rounding error: the square of a covariate is then almost a line.
least_spread <- 1e-5

# Whether each column varies, but much less than its distance from zero.
is_far_column <- function(x) {
  spread <- sqrt(colMeans(sweep(x, 2L, colMeans(x))^2))
  spread > 0 & spread < least_spread * abs(colMeans(x))
}

# The columns as a matrix, without rows of weight zero.
counted_matrix <- function(x, frame) {
  counts <- counted_rows(frame)
  x <- column_matrix(x, count_rows(frame))
  if (is.null(counts)) {
    x
  } else {
    x[counts > 0, , drop = FALSE]
  }
}

# Whether the cheap test proves that the columns are independent, as it does for most models.
has_full_rank <- function(x, frame) {
  counts <- counted_rows(frame)
  n_rows <- count_rows(frame)
  n <- if (is.null(counts)) n_rows else sum(counts)
  n >= count_columns(x) &&
    core_smallest_pivot(x, counts, n_rows) > 1e-4
}

# Weights of the rows for the rank of X: one, or zero for a row with prior weight zero, which has no
# information about the effects; `NULL` if all are one.
counted_rows <- function(frame) {
  weights <- .subset2(frame, "(weights)")
  if (!is.null(weights) && any(weights == 0)) as.double(weights > 0)
}

#' Centres columns if the first one is constant
#'
#' The origin of a covariate is then only a parameterization: a year varies as much as a year since
#' 2000. A column that is constant up to rounding becomes a copy of the first.
#' @noRd
centred <- function(x) {
  if (ncol(x) < 2L || !is_constant_column(x[, 1L])) {
    return(x)
  }
  for (j in 2:ncol(x)) {
    column <- x[, j] - x[1L, j]
    column <- column - mean(column)
    size <- max(abs(x[, j]))
    is_rounding <- max(abs(column)) <= 1e-13 * size
    x[, j] <- if (is_rounding) x[1L, 1L] else column
  }
  x
}

#' A model frame in which covariates are shifted by their first value, if this keeps the span of X
#'
#' `x * f` and `(x - c) * f` have the same span because `f` is a term too; without `f` they differ.
#' A covariate far from zero would hide its interactions from a test of rank: minutes since 1970 are
#' constant to eight digits.
#' @noRd
frame_near_zero <- function(terms, frame) {
  for (variable in free_origins(terms)) {
    values <- .subset2(frame, variable)
    if (is.numeric(values) && is.null(dim(values))) {
      values <- as.double(values)
      frame[[variable]] <- values - values[1L]
    }
  }
  frame
}

# Whether shifted columns vary by less than 1e5 rounding errors of the unshifted ones, as products
# of two covariates far from zero may. A shifted column of zeros has no digits to lose: it is that
# of an empty cell or of a constant, or the combination of others.
has_lost_digits <- function(near, far) {
  largest <- \(x) apply(abs(x), 2L, max, 0)
  size <- largest(near)
  size > 0 & size <= 1e-11 * largest(far)
}

# The variables whose origin is free: each term that contains the variable is also a term without
# it.
free_origins <- function(terms) {
  factors <- attr(terms, "factors") > 0
  known <- apply(factors, 2L, which, simplify = FALSE)
  if (spans_constant(terms)) {
    known <- c(known, list(integer()))
  }
  variables <- rownames(factors)
  is_free <- vapply(seq_along(variables), may_move_origin, NA, known = known)
  variables[is_free]
}

# Whether each term of a variable, with the variable removed, is one of the `known` terms.
may_move_origin <- function(at, known) {
  own <- Filter(\(term) at %in% term, known)
  rest <- lapply(own, setdiff, at)
  all(lapply(rest, sort) %in% lapply(known, unname))
}

# Whether the span of X has the constant: X has an intercept, or indicators of all levels of a
# factor or of an interaction of factors.
spans_constant <- function(terms) {
  factors <- attr(terms, "factors") > 0
  classes <- variable_classes(rownames(factors), terms)
  is_category <- is_category_class(classes)
  has_category <- colSums(factors[is_category, , drop = FALSE]) > 0
  first <- which(has_category)[1L]
  attr(terms, "intercept") == 1L ||
    (!is.na(first) && !any(factors[!is_category, first]))
}

# Whether a column is constant and not zero.
is_constant_column <- function(column) {
  first <- column[1L]
  length(column) > 0L && all(column == first) && first != 0
}

#' Reports the columns of X that are dropped
#' @param far Those of them that are far from zero: their digits may not suffice.
#' @noRd
report_dropped <- function(dropped, p, policy, far = character()) {
  n <- length(dropped)
  verb <- if (n == 1L) "is a linear combination" else "are linear combinations"
  head <- sprintf(
    "%s of the %s columns of the fixed effects %s of the others",
    n,
    p,
    verb
  )
  names <- enumerate(tick(dropped), max = 10L)
  if (policy == "stop.deficient") {
    abort_dependent(head, names, dropped, far)
  }
  kind <- switch(
    policy,
    `message+drop.cols` = "message",
    `warn+drop.cols` = "warning",
    "ignore"
  )
  text <- sprintf(
    "%s and %s dropped: %s.",
    head,
    if (n == 1L) "is" else "are",
    names
  )
  signal(kind, c(text, hint_to_centre(far)), "rankx", dropped = dropped)
}

hint_to_centre <- function(far) {
  if (length(far) == 0L) {
    return(NULL)
  }
  names <- enumerate(tick(far), max = 10L)
  verb <- if (length(far) == 1L) "is" else "are"
  c(
    x = paste(
      names,
      verb,
      "far from zero: the digits beside the other columns may be lost."
    ),
    i = paste(
      "Centre covariates first: take their mean, or a round number near it, off,",
      "before a power or a product is computed."
    )
  )
}

abort_dependent <- function(head, names, dropped, far) {
  abort_rlmm(
    c(
      "The fixed effects must be linearly independent.",
      x = paste0(head, ": ", names, "."),
      hint_to_centre(far)
    ),
    "rlmm_error_rankx",
    dropped = dropped
  )
}

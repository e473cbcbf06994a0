# The fixed part of a model: the response, X with its contrasts, and the detection of aliased
# columns.

#' The terms of a part of the formula, with the classes and `predvars` of the frame
#'
#' The `predvars` of the whole formula contain the parameters of bases that depend on the data
#' (`poly()`, `ns()`, `scale()`).
#' @noRd
part_terms <- function(formula, frame, data = NULL) {
  terms <- stats::terms.formula(formula, data = dot_data(data))
  all <- attr(frame, "terms")
  names <- variable_names(terms)
  attr(terms, "predvars") <- part_predvars(terms, all, names)
  attr(terms, "dataClasses") <- attr(all, "dataClasses")[names]
  # Dates and times are kept as vectors of length zero, to interpret new data.
  times <- list()
  for (name in names) {
    column <- .subset2(frame, name)
    if (is_time(column)) times[[name]] <- column[0L]
  }
  if (length(times) > 0L) {
    attr(terms, "times") <- times
  }
  terms
}

# The `predvars` of the variables of a part, from those of the whole formula.
part_predvars <- function(terms, all, names) {
  predvars <- attr(all, "predvars")
  if (identical(predvars, attr(all, "variables"))) {
    return(attr(terms, "variables"))
  }
  at <- match(names, names(attr(all, "dataClasses")))
  predvars[c(1L, at + 1L)]
}

is_time <- function(x) {
  is.object(x) && inherits(x, c("difftime", "Date", "POSIXct"))
}

#' The fixed part of the model
#' @return A list: `x`, columns of full rank, and `fixed`, the field of the fit.
#' @noRd
fixed_design <- function(
  parsed,
  frame,
  env,
  data,
  contrasts,
  control,
  max_large_factors = 0L,
  passes = 1
) {
  formula <- rlang::new_formula(parsed$response, parsed$fixed, env = env)
  terms <- part_terms(formula, frame, data)
  check_contrasts(contrasts, frame)
  report_text_columns(terms, frame)
  large <- if (max_large_factors > 0L) {
    find_large_factors(terms, frame, contrasts, max_large_factors, passes)
  }
  if (is.null(large)) {
    return(ordinary_design(terms, frame, contrasts, control))
  }
  ordinary <- part_terms(ordinary_formula(formula, large, terms), frame)
  is_ordinary <- names(contrasts) %in% unquoted(variable_names(ordinary))
  own <- if (any(is_ordinary)) contrasts[is_ordinary]
  found <- ordinary_design(ordinary, frame, own, control, large)
  # Contrasts that can't be estimated when some levels are aliased are fitted with dummy columns.
  with_large(found, terms, large, frame, control) %||%
    ordinary_design(terms, frame, contrasts, control)
}

# The fixed part without the levels of large factors.
ordinary_design <- function(terms, frame, contrasts, control, large = NULL) {
  check_columns_fit(terms, frame)
  x <- call_design_step(design_columns(terms, frame, contrasts), frame)
  used <- attr(x, "contrasts")
  x <- ordinary_columns(without_contrasts(x), large)
  check_columns_finite(x)
  levels <- used_levels(terms, frame, used)
  fixed <- list(terms = terms, contrasts = used, xlevels = levels)
  moved <- function() {
    near <- frame_near_zero(terms, frame)
    without_contrasts(design_columns(terms, near, contrasts))
  }
  moved_x <- \() ordinary_columns(moved(), large)
  keep <- independent_columns(x, frame, control$checks$rankx, moved_x)
  kept_columns(x, keep, fixed)
}

# The kept columns, and the field `fixed` with the names of dropped ones.
kept_columns <- function(x, keep, fixed) {
  names <- column_names(x)
  fixed["names"] <- list(if (length(keep) > 0L) names[keep])
  fixed$dropped <- names[!seq_along(names) %in% keep] %||% character()
  if (length(keep) < length(names)) {
    x <- select_columns(x, keep)
  }
  list(x = x, fixed = fixed)
}

#' Adds the large factors to the fixed part and drops aliased columns and levels
#' @param found The result of [ordinary_design()].
#' @param terms The terms of the whole fixed part.
#' @noRd
with_large <- function(found, terms, large, frame, control) {
  found$fixed <- with_places(found$fixed, terms, large, frame)
  x <- column_matrix(found$x, count_rows(frame))
  colnames(x) <- found$fixed$names
  beside <- aliased_with_large(
    x,
    found$fixed$assign,
    large,
    counted_rows(frame)
  )
  names <- found$fixed$names[beside$keep]
  large <- found$fixed$large
  if (
    is.null(beside) || !are_codings_estimable(large, names, beside$is_column)
  ) {
    return(NULL)
  }
  report_aliased(found$fixed, beside, control$checks$rankx)
  without_aliased(found, beside)
}

# The field `fixed` with the large factors, and with the term of each ordinary column (0 for the
# intercept).
with_places <- function(fixed, terms, large, frame) {
  known <- c(fixed$names, fixed$dropped)
  places <- term_places(known, fixed, terms, frame)
  large$factors <- lapply(large$factors, \(own) {
    own$before <- known[places < own$position]
    with_variables(own, terms, frame)
  })
  large$had_column <- large$is_column
  fixed$assign <- places[seq_along(fixed$names)]
  fixed$ordinary <- fixed$terms
  fixed$terms <- terms
  fixed$large <- large
  fixed
}

# A large factor with the terms that evaluate its variables in new data.
with_variables <- function(own, terms, frame) {
  label <- str2lang(own$label)
  alone <- rlang::new_formula(NULL, label, environment(terms))
  own$terms <- part_terms(alone, frame)
  variables <- variable_names(own$terms)
  own$variable <- paste(variables, collapse = ":")
  if (is_slope(own)) {
    at <- match(own$covariate, term_variables(own$label, own$terms))
    own$covariate <- variables[at]
    own$variable <- text_of_slopes(own, variables, frame)
    names(own$beside) <- unquoted(names(own$beside))
    variables <- variables[-at]
  }
  names(own$xlevels) <- variables
  own
}

# The number, in the whole fixed part, of the term of each ordinary column.
term_places <- function(names, fixed, terms, frame) {
  ordinary <- fixed$terms
  attr(frame, "terms") <- ordinary
  made <- stats::model.matrix.default(
    ordinary,
    frame,
    contrasts.arg = fixed$contrasts
  )
  assign <- attr(made, "assign")[match(names, colnames(made))]
  labels <- attr(ordinary, "term.labels")
  c(0L, match(labels, attr(terms, "term.labels")))[assign + 1L]
}

# The names of the columns and levels that are aliased.
aliased_names <- function(fixed, beside) {
  large <- fixed$large
  columns <- fixed$names[!seq_along(fixed$names) %in% beside$keep]
  c(columns, large$names[large$had_column & !beside$is_column])
}

report_aliased <- function(fixed, beside, policy) {
  lost <- aliased_names(fixed, beside)
  if (length(lost) > 0L && policy != "ignore") {
    p <- length(fixed$names) + sum(fixed$large$had_column)
    report_dropped(lost, p, policy)
  }
}

without_aliased <- function(found, beside) {
  x <- select_columns(found$x, beside$keep)
  list(x = x, fixed = fixed_without_aliased(found$fixed, beside))
}

fixed_without_aliased <- function(fixed, beside) {
  fixed$dropped <- c(fixed$dropped, aliased_names(fixed, beside))
  fixed$names <- fixed$names[beside$keep]
  fixed$assign <- fixed$assign[beside$keep]
  fixed$large[c("is_column", "has_moved")] <- beside[c(
    "is_column",
    "has_moved"
  )]
  fixed
}

# The levels of the factors, if any variable has contrasts.
used_levels <- function(terms, frame, contrasts) {
  if (!is.null(contrasts)) stats::.getXlevels(terms, frame)
}

without_contrasts <- function(columns) {
  attr(columns, "contrasts") <- NULL
  columns
}

# Rank ----------------------------------------------------------------------

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
  near <- zero_lost_digits(counted_matrix(moved(), frame), x)
  keep <- pivot_columns(centred(near))
  if (length(keep) < p) {
    dropped <- setdiff(seq_len(p), keep)
    report_dropped(colnames(x)[dropped], p, policy)
  }
  keep
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
  n <- if (is.null(counts)) count_rows(frame) else sum(counts)
  n >= count_columns(x) &&
    core_smallest_pivot(x, counts, count_rows(frame)) > 1e-4
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

# Shifted columns; those that are below rounding error of the unshifted ones become zero.
zero_lost_digits <- function(near, far) {
  # Without rows, as where parts are added, all columns are zero.
  largest <- \(x) apply(abs(x), 2L, max, 0)
  is_rounding <- largest(near) <= 1e-13 * largest(far)
  near[, is_rounding] <- 0
  near
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

report_dropped <- function(dropped, p, policy) {
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
    abort_dependent(head, names, dropped)
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
  signal(kind, text, "rankx", dropped = dropped)
}

abort_dependent <- function(head, names, dropped) {
  abort_rlmm(
    c(
      "The fixed effects must be linearly independent.",
      x = paste0(head, ": ", names, ".")
    ),
    "rlmm_error_rankx",
    dropped = dropped
  )
}

# Response ------------------------------------------------------------------

#' The response of a linear model as numbers
#' @noRd
response <- function(frame) {
  y <- .subset2(frame, 1L)
  name <- names(frame)[1L]
  if (is.matrix(y) && ncol(y) > 1L) {
    found <- paste("a matrix with", ncol(y), "columns")
    abort_response(name, found, matrix_hint(y))
  }
  is_number <- is.numeric(y) || is.logical(y) || is_time(y)
  if (is.factor(y) || !is_number) {
    abort_no_numbers(y, name)
  }
  as.double(y)
}

abort_no_numbers <- function(y, name) {
  if (is.factor(y)) {
    abort_response(name, "a factor", factor_hint(y))
  }
  is_text <- is.character(y)
  found <- if (is_text) "a character vector" else describe_type(y)
  abort_response(name, found, text_hint(y))
}

# The hint for a factor as the response: numbers that were read as text, or categories.
factor_hint <- function(y) {
  if (identical(text_kind(levels(y), more_than = 5L), "numbers")) {
    return("Its levels are numbers: use `as.numeric(as.character())`?")
  }
  if (nlevels(droplevels(y)) != 2L) {
    return(
      "For an ordered response see the package ordinal, with its `clmm()`."
    )
  }
  "For a binary response use `rglmm(family = binomial)`?"
}

# The hint for a response of two columns of counts, which are successes and failures.
matrix_hint <- function(y) {
  if (is_survival(y)) {
    return(survival_hint)
  }
  has_counts <- is.numeric(y) && all(y >= 0 & y == round(y))
  is_counts <- ncol(y) == 2L && has_counts
  if (is_counts) {
    "For successes and failures use `rglmm(family = binomial)`."
  } else {
    "Fit one model for each column?"
  }
}

# Whether a response consists of survival times, as package survival makes them: a matrix of times
# and states, which must not be taken for several responses or for counts.
is_survival <- function(y) inherits(y, "Surv")

survival_hint <- "For survival times see the package coxme."

abort_response <- function(name, found, hint) {
  abort_rlmm(
    c(
      "The response must be a numeric vector.",
      x = paste0(tick(name), " is ", found, "."),
      i = hint
    ),
    "rlmm_error_response"
  )
}

check_contrasts <- function(contrasts, frame) {
  if (is.null(contrasts)) {
    return(invisible())
  }
  if (!is.list(contrasts) || is.null(names(contrasts))) {
    abort_unnamed_contrasts(contrasts)
  }
  unknown <- setdiff(names(contrasts), names(frame))
  if (length(unknown) > 0L) {
    abort_unknown_contrasts(unknown, names(frame))
  }
  for (name in names(contrasts)) {
    check_has_levels(frame[[name]], name)
    check_contrast_function(contrasts[[name]], name)
    check_contrast_rows(contrasts[[name]], name, frame[[name]])
  }
}

check_has_levels <- function(x, name) {
  if (is.factor(x) || is.character(x) || is.logical(x)) {
    return(invisible())
  }
  abort_argument(
    sprintf("`contrasts` names %s, which isn't a factor.", tick(name)),
    x = it_is(x),
    arg = "contrasts"
  )
}

# Checks contrasts that are given by a function or its name.
check_contrast_function <- function(contrast, name) {
  is_name <- is.character(contrast) && length(contrast) == 1L
  if (!is_name || exists(contrast, mode = "function")) {
    return(invisible())
  }
  known <- c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly")
  abort_argument(
    sprintf("Can't find the contrasts of %s.", tick(name)),
    x = sprintf("There is no function `%s()`.", contrast),
    coding_hint(contrast) %||% did_you_mean(contrast, c(known, "contr.SAS")),
    arg = "contrasts"
  )
}

# The hint for the names of contrasts in MixedModels.jl and statsmodels.
coding_hint <- function(name) {
  ours <- switch(
    sub("Coding$", "", name),
    Dummy = ,
    Treatment = "contr.treatment",
    Effects = ,
    Sum = "contr.sum",
    Helmert = "contr.helmert",
    Poly = "contr.poly"
  )
  if (!is.null(ours)) c(i = sprintf("Here it is `%s`.", ours))
}

abort_unnamed_contrasts <- function(contrasts) {
  abort_argument(
    "`contrasts` must be a named list.",
    x = it_is(contrasts),
    i = "For example `list(f = contr.sum)`.",
    arg = "contrasts"
  )
}

abort_unknown_contrasts <- function(unknown, known) {
  problem <- sprintf(
    "`contrasts` names %s, which isn't a variable of `formula`.",
    enumerate(tick(unknown))
  )
  abort_argument(problem, did_you_mean(unknown[1], known), arg = "contrasts")
}

check_contrast_rows <- function(contrast, name, x) {
  n_levels <- if (is.factor(x)) {
    nlevels(x)
  } else {
    length(unique(x))
  }
  if (!is.matrix(contrast) || nrow(contrast) == n_levels) {
    return(invisible())
  }
  problem <- sprintf(
    "The contrasts of %s must have a row for each of its %s.",
    tick(name),
    plural(n_levels, "level")
  )
  abort_argument(
    problem,
    x = paste0("They have ", plural(nrow(contrast), "row"), "."),
    i = "Levels that don't occur in the data don't count.",
    arg = "contrasts"
  )
}

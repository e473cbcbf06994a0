# The fixed part of a model: its terms, and X without aliased columns.

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
    if (is.object(column) && is_time(column)) times[[name]] <- column[0L]
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

is_time <- function(x) inherits(x, c("difftime", "Date", "POSIXct"))

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
  x <- plain_columns(terms, frame) %||%
    call_design_step(design_columns(terms, frame, contrasts), frame)
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
  fixed$dropped <- character()
  if (length(keep) < length(names)) {
    fixed$dropped <- names[!seq_along(names) %in% keep]
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

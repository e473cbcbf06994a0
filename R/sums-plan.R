# The plan of sums: the columns of X and of each term's Z, and the grouping factors, as they are
# computed from every chunk of the data.

#' The plan of sums, made from the first rows
#' @param rows A data frame with the first rows.
#' @param options A list: `contrasts`, and `frequency`, whether weights are frequencies.
#' @param known The levels of categorical variables, by name; by default those in `rows`.
#' @return A list: `formula`, `parsed`, `fixed` and `random` (as in a fit, but with all columns of
#'   X, terms in the order of the formula and no levels), `xlevels`, the variables, arguments and
#'   template of the model frame, `declared`, the levels of factors before those without rows were
#'   dropped, and `alone`, the only level with rows of some factors.
#' @noRd
sums_plan <- function(formula, rows, extras, options, known = NULL) {
  parsed <- parse_formula(formula, rows)
  env <- formula_env(formula)
  whole <- whole_frame(parsed, env, rows, extras)
  found <- with_second_levels(planned_frame(whole, known), whole, parsed, rows)
  frame <- found$frame
  check_interactions(parsed, frame, env, rows)
  fixed <- planned_fixed(parsed, frame, env, rows, options$contrasts)
  random <- planned_terms(parsed, frame, env, rows)
  xlevels <- all_xlevels(fixed, random)
  variables <- attr(frame, "terms")
  list(
    formula = formula,
    parsed = parsed,
    fixed = fixed,
    random = random,
    xlevels = xlevels,
    predvars = attr(variables, "predvars"),
    variables = attr(variables, "variables"),
    frequency = isTRUE(options$frequency),
    arguments = lapply(extras, rlang::quo_get_expr),
    template = frame_without_rows(with_known_levels(frame, xlevels)),
    declared = lapply(Filter(is.factor, as.list(whole)), levels),
    alone = found$alone
  )
}

# Keeps a second level of the factors in the effects that have rows of one level only, as other
# parts of the data may have rows of other levels.
with_second_levels <- function(frame, whole, parsed, rows) {
  is_alone <- \(name) {
    x <- whole[[name]]
    is.factor(x) &&
      nlevels(x) > 1L &&
      nlevels(frame[[name]]) == 1L &&
      is.null(attr(x, "contrasts"))
  }
  names <- intersect(summed_variables(parsed, rows), names(frame))
  names <- Filter(is_alone, names)
  alone <- lapply(rlang::set_names(names), \(name) levels(frame[[name]]))
  for (name in names) {
    all <- levels(whole[[name]])
    two <- all %in% c(alone[[name]], setdiff(all, alone[[name]])[1L])
    levels <- rlang::set_names(list(all[two]), name)
    frame[name] <- with_known_levels(frame[name], levels)
  }
  list(frame = frame, alone = alone)
}

# The model frame of the first rows, whose factors have the known levels and contrasts for them.
planned_frame <- function(whole, known) {
  if (is.null(known)) {
    return(drop_unused(whole))
  }
  frame <- drop_unused(without_own_contrasts(whole))
  with_contrasts_of(with_known_levels(frame, known), whole, names(known))
}

#' The model frame of some rows, without dropping levels that don't occur in them
#' @noRd
whole_frame <- function(parsed, env, rows, extras) {
  build_frame(parsed, env, rows, extras, stats::na.omit, drop = FALSE)
}

#' A frame without the contrasts of its factors, which a plan stores instead
#' @noRd
without_own_contrasts <- function(frame) {
  for (name in names(frame)[vapply(frame, is.factor, NA)]) {
    attr(frame[[name]], "contrasts") <- NULL
  }
  frame
}

# A frame with the contrasts that its factors have in another frame, possibly with other levels.
with_contrasts_of <- function(frame, whole, names) {
  for (name in names) {
    own <- attr(whole[[name]], "contrasts")
    if (is.matrix(own)) {
      own <- contrasts_of_levels(
        own,
        whole[[name]],
        levels(frame[[name]]),
        name
      )
    }
    attr(frame[[name]], "contrasts") <- own
  }
  frame
}

# The rows of the contrast matrix `own` of the factor `x` for the given levels, in their order;
# `NULL` if some of its levels are not among them.
contrasts_of_levels <- function(own, x, levels, name) {
  missing <- setdiff(levels, levels(x))
  if (length(missing) > 0L) {
    abort_contrasts_of_some(name, missing)
  }
  unused <- setdiff(levels(x), levels)
  if (length(unused) > 0L) {
    inform_contrasts(name, unused)
    return(NULL)
  }
  own[match(levels, levels(x)), , drop = FALSE]
}

abort_contrasts_of_some <- function(name, missing) {
  abort_rlmm(
    c(
      sprintf(
        "Can't take the contrasts of %s from the first rows.",
        tick(name)
      ),
      x = sprintf(
        "They are a matrix without rows for levels that come later: %s.",
        enumerate(in_quotes(missing))
      ),
      i = "Make it a factor with all levels in each chunk, or give `contrasts`?"
    ),
    "rlmm_error_sums",
    variable = name
  )
}

# The fixed part with all columns; aliased ones are only found from the sums.
planned_fixed <- function(parsed, frame, env, rows, contrasts) {
  control <- rlmm_control(check_rankx = "ignore")
  fixed <- tryCatch(
    fixed_design(parsed, frame, env, rows, contrasts, control)$fixed,
    rlmm_error_one_value = \(cnd) abort_one_level(cnd$variable, frame)
  )
  fixed$assign <- column_terms(fixed, frame)
  c(fixed, known_in_rows(parsed, frame, env, rows, contrasts))
}

# What the first rows tell of the columns of X, and sums may not if a covariate is far from zero:
# the names of those that are `independent`, no combinations of the columns before them, and of
# those that are `far`. Both are `NULL` where the first rows have no variation.
known_in_rows <- function(parsed, frame, env, rows, contrasts) {
  n <- min(nrow(frame), 1000L)
  first <- frame[seq_len(n), , drop = FALSE]
  attr(first, "terms") <- attr(frame, "terms")
  design <- function(policy) {
    control <- rlmm_control(check_rankx = policy)
    of <- \() fixed_design(parsed, first, env, rows, contrasts, control)
    tryCatch(of(), rlmm_error = \(cnd) NULL)
  }
  list(
    independent = design("silent.drop.cols")$fixed$names,
    far = far_columns(design("ignore"), n)
  )
}

abort_one_level <- function(name, frame) {
  hint <- paste(
    "Leave it out of the formula?",
    "If other parts of the data have other levels, make it a factor with all of them."
  )
  abort_one_value(name, as.character(frame[[name]]), hint)
}

# The values of a column of X that aren't zero vary little if their standard deviation is a smaller
# share of their mean: sums can't tell them from a constant.
min_spread_of_columns <- 1e-6

# The names of the columns of X that are zero in some rows, and whose other values vary, but little:
# such as the columns of a covariate by level.
far_columns <- function(design, n) {
  is_far <- function(x) {
    if (all(x != 0)) {
      return(FALSE)
    }
    x <- x[x != 0]
    spread <- x - x[1L]
    spread <- mean((spread - mean(spread))^2)
    isTRUE(spread > 0 && spread < min_spread_of_columns^2 * mean(x)^2)
  }
  if (!is.null(design$x)) {
    x <- column_matrix(design$x, n)
    design$fixed$names[apply(x, 2L, is_far)]
  }
}

planned_terms <- function(parsed, frame, env, rows) {
  found <- lapply(parsed$bars, bar_terms, frame, env, rows)
  terms <- lapply(unlist(found, recursive = FALSE), `[[`, "term")
  check_duplicates(terms)
  place_terms(terms)
}

#' A model frame without rows, which still has the variables, their levels and the terms
#' @noRd
frame_without_rows <- function(frame) {
  structure(frame[integer(), , drop = FALSE], terms = attr(frame, "terms"))
}

#' The options of a plan, from the arguments of a call
#' @noRd
summing_options <- function(contrasts, weights_type, extras, limit = NULL) {
  type <- read_weights_type(weights_type)
  is_frequency <- type == "frequency" && !is.null(extras$weights)
  list(
    contrasts = contrasts,
    frequency = is_frequency,
    memory = if (!is.null(limit)) limit * 2^30
  )
}

#' The names of the variables in the fixed and random effects
#' @noRd
summed_variables <- function(parsed, rows) {
  effects <- lapply(parsed$bars, \(bar) unwrap_fulldummy(bar$effects)$expr)
  variables <- \(effects) {
    formula <- rlang::new_formula(parsed$response, effects)
    terms <- stats::terms.formula(formula, data = dot_data(rows))
    variable_names(stats::delete.response(terms))
  }
  unique(unlist(lapply(c(list(parsed$fixed), effects), variables)))
}

# The number of the term of each column of X, zero for the intercept.
column_terms <- function(fixed, frame) {
  terms <- stats::delete.response(fixed$terms)
  frame <- with_known_levels(frame, fixed$xlevels)
  attr(frame, "terms") <- terms
  rows <- frame[integer(), , drop = FALSE]
  x <- stats::model.matrix.default(
    terms,
    rows,
    contrasts.arg = fixed$contrasts
  )
  attr(x, "assign")
}

# The levels of the categorical variables in all effects.
all_xlevels <- function(fixed, random) {
  levels <- c(list(fixed$xlevels), lapply(random, `[[`, "xlevels"))
  levels <- do.call(c, levels)
  levels[!duplicated(names(levels))]
}

with_known_levels <- function(frame, known) {
  for (name in intersect(names(known), names(frame))) {
    x <- frame[[name]]
    values <- as_known_factor(x, known[[name]], name)
    if (is.ordered(x)) {
      class(values) <- class(x)
    }
    frame[[name]] <- values
  }
  frame
}

# Builds the model frame: every variable of the formula, evaluated once, with `(weights)` and
# `(offset)`, and with missing and infinite values treated.

#' Builds the model frame
#' @param parsed The result of [parse_formula()].
#' @param env The formula's environment.
#' @param extras A named list of quosures `subset`, `weights` and `offset`, of those that are given.
#' @param na_action A function, its name, or `NULL`.
#' @return A data frame without the rows that `na_action` drops, with the attributes `terms` (of all
#'   variables, with `predvars`) and `na.action`.
#' @noRd
build_frame <- function(parsed, env, data, extras, na_action, drop = TRUE) {
  terms <- frame_terms(parsed, env, data)
  check_sides(terms)
  extras <- eval_extras(extras, data, env)
  check_names(terms, data)
  full <- eval_frame(terms, data, extras, parsed$bars)
  check_rows(full, data, extras$subset)
  action <- find_na_action(na_action)
  if (is_complete(full)) {
    return(full)
  }
  check_variables(full)
  frame <- apply_na_action(full, action, data)
  if (count_rows(frame) == 0L) {
    abort_all_missing(full)
  }
  check_complete(frame)
  if (drop) {
    frame <- drop_unused(frame)
  }
  attr(frame, "terms") <- attr(full, "terms")
  frame
}

# Raises an error about a response on the right side: `y ~ y + x` would fit exactly.
check_sides <- function(terms) {
  factors <- attr(terms, "factors")
  if (length(factors) == 0L || all(factors[1L, ] == 0L)) {
    return(invisible())
  }
  response <- tick(deparse_one(terms[[2L]]))
  abort_formula(
    "The response must not stand among the effects too.",
    x = paste(response, "stands on both sides of `formula`."),
    class = "rlmm_error_both_sides"
  )
}

#' The expressions of all variables of a formula
#' @noRd
formula_variables <- function(formula) {
  terms <- frame_terms(parse_formula(formula), environment(formula), NULL)
  terms_variables(terms)
}

terms_variables <- function(terms) {
  as.list(attr(terms, "variables"))[-1]
}

# The terms of one formula with the variables of the fixed part, the effects and the grouping
# factors.
frame_terms <- function(parsed, env, data) {
  rhs <- parsed$fixed
  for (bar in parsed$bars) {
    if (is.language(bar$effects)) {
      rhs <- call("+", rhs, frame_effects(bar$effects))
    }
    for (group in bar$groups) {
      for (atom in group$atoms) {
        rhs <- call("+", rhs, atom)
      }
    }
  }
  formula <- rlang::new_formula(
    parsed$response,
    rhs,
    env = env
  )
  call_frame_step(stats::terms.formula(formula, data = dot_data(data)))
}

# The effects of a bar as a summand of the frame's formula, in parentheses, so that `- 1` in them
# doesn't remove anything else.
frame_effects <- function(effects) call("(", unwrap_fulldummy(effects)$expr)

#' Evaluates the variables, before missing values are treated
#'
#' The extra vectors are put into the call as values, since `model.frame()` would look up their
#' names in the formula's environment, which need not be the caller's.
#' @noRd
eval_frame <- function(terms, data, extras, bars) {
  if (is_fitted_data(data)) {
    return(call_frame_step(
      frame_from_fit(terms, data, extras),
      terms,
      data,
      bars
    ))
  }
  if (is.null(extras)) {
    frame <- plain_frame(terms, data)
    if (!is.null(frame)) return(frame)
  }
  arguments <- list(
    formula = terms,
    data = data %||% environment(terms),
    na.action = stats::na.pass
  )
  frame <- call_frame_step(
    do.call(stats::model.frame.default, c(arguments, extras)),
    terms,
    data,
    bars
  )
  with_frozen_variables(frame, data)
}

#' The model frame of plain variables
#'
#' If all variables are numeric columns or factors of a data frame, the model frame consists of
#' these columns, and model.frame() would take ten times as long.
#' @return A model frame; `NULL` if there are other variables.
#' @noRd
plain_frame <- function(terms, data) {
  variables <- attr(terms, "variables")
  names <- symbol_names(as.list(variables)[-1L])
  if (!is.data.frame(data) || is.null(names)) {
    return(NULL)
  }
  columns <- unclass(data)[names]
  classes <- character(length(columns))
  for (i in seq_along(columns)) {
    classes[i] <- plain_class(columns[[i]])
  }
  if (anyNA(classes)) {
    return(NULL)
  }
  names(classes) <- names
  attr(terms, "predvars") <- variables
  attr(terms, "dataClasses") <- classes
  attr(columns, "terms") <- terms
  as_frame(columns, .row_names_info(data, 0L))
}

# Makes a data frame of columns without the checks and conversions of data.frame().
as_frame <- function(columns, row_names) {
  attr(columns, "row.names") <- row_names
  class(columns) <- "data.frame"
  columns
}

# The class of a plain numeric vector or a factor in the attribute "dataClasses" of terms; `NA` for
# all other variables.
plain_class <- function(x) {
  is_plain <- is.null(dim(x))
  if (is_plain && is.numeric(x) && !is.object(x)) {
    "numeric"
  } else if (is_plain && is.factor(x)) {
    stats::.MFclass(x)
  } else {
    NA_character_
  }
}

# The names of the columns of a model frame that hold arguments rather than variables.
argument_columns <- c(
  "(weights)",
  "(offset)",
  "(counts)",
  "(dispersion)",
  "(mustart)",
  "(etastart)",
  "(subset)"
)

check_names <- function(terms, data) {
  variables <- variable_names(terms)
  reserved <- variables[variables %in% argument_columns]
  if (length(reserved) > 0L) {
    abort_reserved(reserved)
  }
  if (is.environment(data) || !anyDuplicated(names(data))) {
    return(invisible())
  }
  twice <- intersect(
    names(data)[duplicated(names(data))],
    all.vars(attr(terms, "variables"))
  )
  if (length(twice) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The variables of `formula` must have names that are unique in `data`.",
      x = paste0(
        "More than one column is called ",
        enumerate(tick(twice), last = "or"),
        "."
      )
    ),
    "rlmm_error_variable",
    variable = twice
  )
}

abort_reserved <- function(names) {
  abort_rlmm(
    c(
      "A variable of `formula` has a name that model frames have for an argument.",
      x = sprintf("It is %s.", enumerate(tick(names))),
      i = "Give the column another name."
    ),
    "rlmm_error_variable",
    variable = names
  )
}

# Missing and infinite values -----------------------------------------------

# Whether a frame needs no further look, as most do: its variables are finite numbers, and factors
# whose levels all occur.
is_complete <- function(frame) {
  for (x in unclass(frame)) {
    if (!is_complete_variable(x)) return(FALSE)
  }
  TRUE
}

is_complete_variable <- function(x) {
  if (!is.object(x)) {
    return(if (is.double(x)) is.finite(sum(x)) else is.integer(x) && !anyNA(x))
  }
  if (!is.factor(x)) {
    return(FALSE)
  }
  counts <- tabulate(x, length(attr(x, "levels")))
  all(counts > 0L) && sum(counts) == length(x)
}

apply_na_action <- function(frame, action, data) {
  if (is.null(action) || !has_missing(frame)) {
    return(frame)
  }
  if (identical(action, stats::na.fail)) {
    abort_missing(frame)
  }
  kept <- action(frame)
  if (nrow(kept) < count_rows(frame)) {
    inform_nan(frame, data)
  }
  kept
}

has_missing <- function(frame) {
  for (x in unclass(frame)) {
    if (has_na(x)) return(TRUE)
  }
  FALSE
}

# anyNA() of the integer codes avoids the logical vector that is.na() makes for a factor.
has_na <- function(x) anyNA(if (is.factor(x)) unclass(x) else x)

#' The function for `na.action`, which may be a function, its name, or part of the name of one in R
#' @noRd
find_na_action <- function(x) {
  if (is.null(x) || is.function(x)) {
    return(x)
  }
  found <- if (is.character(x) && length(x) == 1L) named_na_action(x)
  if (!is.null(found)) {
    return(found)
  }
  problem <- "`na.action` must be a function such as `na.omit`, or its name."
  abort_argument(
    problem,
    x = it_is(x),
    arg = "na.action"
  )
}

named_na_action <- function(name) {
  switch(
    name,
    omit = ,
    na.omit = stats::na.omit,
    exclude = ,
    na.exclude = stats::na.exclude,
    pass = ,
    na.pass = stats::na.pass,
    fail = ,
    na.fail = stats::na.fail,
    get0(
      name,
      mode = "function",
      envir = globalenv()
    )
  )
}

# Checks the variables before `na.action` is applied.
check_variables <- function(frame) {
  columns <- unclass(frame)
  for (name in names(columns)) {
    if (inherits(columns[[name]], "integer64")) check_bit64(name)
  }
}

# Raises an error about integer64 if bit64 isn't loaded: the bits would be read as other numbers.
check_bit64 <- function(name) {
  if (isNamespaceLoaded("bit64")) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0("Can't read ", tick(name), "."),
      x = "It is of class \"integer64\", which needs the package bit64.",
      i = "Call `library(bit64)` first, or make it a double?"
    ),
    "rlmm_error_variable",
    variable = name
  )
}

# Checks the frame after `na.action`: no values are missing (with `na.pass` they may be), and all
# numbers are finite.
check_complete <- function(frame) {
  columns <- unclass(frame)
  for (name in names(columns)) {
    x <- columns[[name]]
    if (is.double(x) && is.finite(sum(unclass(x)))) {
      next
    }
    if (has_na(x)) {
      abort_still_missing(name, original_rows(frame)[missing_rows(x)])
    }
    if (is.double(x)) {
      abort_if_any(is.infinite(unclass(x)), name, "infinite", frame)
    }
    if (is.complex(x) || is.raw(x)) {
      abort_complex(x, name)
    }
  }
}

abort_complex <- function(x, name) {
  abort_rlmm(
    c(
      sprintf("%s must be numeric or a factor.", tick(name)),
      x = it_is(x)
    ),
    "rlmm_error_variable",
    variable = name
  )
}

missing_rows <- function(x) {
  if (is.matrix(x)) rowSums(is.na(x)) > 0 else is.na(x)
}

drop_unused <- function(frame) {
  columns <- unclass(frame)
  for (name in names(columns)) {
    x <- columns[[name]]
    if (is.factor(x) && has_unused_level(x)) {
      frame[[name]] <- drop_levels(x, name)
    }
  }
  frame
}

has_unused_level <- function(x) {
  counts <- tabulate(x, length(attr(x, "levels")))
  any(counts == 0L)
}

drop_levels <- function(x, name) {
  own <- attr(x, "contrasts")
  kept <- droplevels(x)
  if (is.null(own)) {
    return(kept)
  }
  if (is.character(own) || is.function(own)) {
    attr(kept, "contrasts") <- own
  } else {
    inform_contrasts(name, setdiff(levels(x), levels(kept)))
  }
  kept
}

inform_contrasts <- function(name, unused) {
  inform_rlmm(
    c(
      sprintf("The contrasts of %s aren't used.", tick(name)),
      x = sprintf(
        "They are a matrix with rows for levels that don't occur: %s.",
        enumerate(in_quotes(unused))
      ),
      i = "Use `droplevels()` before setting contrasts?"
    ),
    "rlmm_message_contrasts",
    variable = name
  )
}

# Errors --------------------------------------------------------------------

check_rows <- function(frame, data, subset) {
  if (count_rows(frame) > 0L) {
    return(invisible())
  }
  what <- if (is.null(subset)) {
    "`data` must have at least one row."
  } else {
    "`subset` must leave at least one row."
  }
  abort_rlmm(what, "rlmm_error_no_rows")
}

abort_all_missing <- function(frame) {
  abort_rlmm(
    c(
      "No row without missing values is left.",
      x = paste0(describe_missing(frame), ".")
    ),
    "rlmm_error_no_rows"
  )
}

abort_missing <- function(frame) {
  abort_rlmm(
    c(
      "The data must have no missing values, because `na.action` is `na.fail`.",
      x = paste0(describe_missing(frame), ".")
    ),
    "rlmm_error_missing"
  )
}

describe_missing <- function(frame) {
  count <- vapply(frame, function(x) sum(missing_rows(x)), 0L)
  count <- count[count > 0]
  if (length(count) == 0L) {
    return("The rows are all dropped by `na.action`")
  }
  enumerate(paste0(
    tick(names(count)),
    " is missing in ",
    count,
    " of ",
    count_rows(frame),
    " rows"
  ))
}

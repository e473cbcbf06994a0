# Translates R's errors in the evaluation of a formula's variables into the terms of the formula.

#' Evaluates a step of building the frame and translates R's error if it fails
#' @noRd
call_frame_step <- function(expr, terms = NULL, data = NULL, bars = NULL) {
  translate <- \(cnd) abort_frame(cnd, terms, data, bars)
  # A calling handler has no room on a stack that overflows.
  tryCatch(
    withCallingHandlers(expr, error = translate),
    stackOverflowError = translate
  )
}

abort_frame <- function(cnd, terms, data, bars) {
  if (inherits(cnd, "rlmm_error")) {
    rlang::cnd_signal(cnd)
  }
  if (!is.null(terms)) {
    abort_if_unknown(terms, data, bars)
    abort_if_structure(terms)
    abort_if_lengths_differ(terms, data)
  }
  hint <- foreign_call_hint(terms) %||%
    bar_response_hint(terms) %||%
    list_column_hint(terms, data) %||%
    overflow_hint(cnd, terms, data) %||%
    table_column_hint(cnd)
  abort_rlmm(
    c("Can't evaluate the variables of `formula`.", hint),
    "rlmm_error_variable",
    parent = cnd
  )
}

# The hint for columns that are lists, as in nested tables of tibble and data.table, times by their
# parts, or whole tables.
list_column_hint <- function(terms, data) {
  is_nested <- \(name) is.list(data[[name]])
  nested <- Filter(is_nested, intersect(all.vars(terms), names(data)))
  if (length(nested) == 0L) {
    return(NULL)
  }
  column <- data[[nested[1L]]]
  text <- if (inherits(column, "POSIXlt")) {
    "The column %s holds times by their parts: use `as.POSIXct()`."
  } else if (is.data.frame(column)) {
    "The column %s is a data frame: name one of its columns, or use `as.matrix()`."
  } else {
    "The column %s is a list: use `unlist()`?"
  }
  c(i = sprintf(text, tick(nested[1L])))
}

# The hint for `data[, "x"]` with a tibble, which is still a table. The message is matched to R's.
table_column_hint <- function(cnd) {
  if (grepl("[(]list[)].*\\[", conditionMessage(cnd))) {
    c(i = "Take a column of a table by two brackets: `x[[\"column\"]]`.")
  }
}

# The hint for a function that calls itself without an end, as `poly()` does for a matrix in `I()`.
overflow_hint <- function(cnd, terms, data) {
  if (!inherits(cnd, "stackOverflowError")) {
    return(NULL)
  }
  is_matrix <- \(name) is.matrix(data[[name]])
  found <- Filter(is_matrix, intersect(all.vars(terms), names(data)))
  if (length(found) > 0L) {
    text <- "The column %s is a matrix: use `as.vector()`?"
    return(c(i = sprintf(text, tick(found[1L]))))
  }
  c(i = "A function calls itself without an end.")
}

# The replacement of a function of another package's formulas that the session doesn't have.
foreign_call_hint <- function(terms) {
  env <- environment(terms)
  for (name in intersect(all.names(terms), names(foreign_calls))) {
    if (!exists(name, env, mode = "function")) {
      return(c(i = foreign_calls[[name]]))
    }
  }
}

# The hint for a bar on the left side, as in brms.
bar_response_hint <- function(terms) {
  if (length(terms) == 3L && call_name(terms[[2L]]) == "|") {
    c(
      i = "Weights are an argument, `weights = w`; the left side is the response alone."
    )
  }
}

smooth_hint <- paste(
  "Smooths are fitted by gamm4 and mgcv;",
  "`splines::ns(x, 3)` is a curve with given degrees of freedom."
)

foreign_calls <- c(
  s = smooth_hint,
  te = smooth_hint,
  ti = smooth_hint,
  t2 = smooth_hint,
  gr = "A grouping factor stands by itself: `(1 | group)`.",
  trials = "Counts out of trials are `cbind(successes, trials - successes)`, in `rglmm()`.",
  mvbind = "Many responses, one by one, are fitted by `rlmm_many()`; together, by brms.",
  mm = "Memberships of several levels at once are fitted by brms.",
  me = "Errors of covariates are modelled by brms.",
  gp = "Gaussian processes are fitted by brms.",
  Surv = "Survival times are fitted by `coxme::coxme()`.",
  mo = "Monotonic effects are fitted by brms; `contr.poly()` has trends of an ordered factor.",
  ns = "Write `splines::ns()`.",
  bs = "Write `splines::bs()`."
)

abort_if_unknown <- function(terms, data, bars) {
  env <- environment(terms)
  for (variable in as.list(attr(terms, "variables"))[-1L]) {
    for (name in all.vars(variable)) {
      if (!is_known(name, data, env)) abort_unknown(name, data, bars)
    }
  }
}

# Raises an error about an unknown function around a bar: `foo(x | g)` may be read as a variable, as
# `|` can mean "or".
abort_if_structure <- function(terms) {
  for (variable in as.list(attr(terms, "variables"))[-1L]) {
    name <- unknown_structure(variable)
    if (
      !is.null(name) && !exists(name, environment(terms), mode = "function")
    ) {
      abort_structure(name)
    }
  }
}

is_known <- function(name, data, env) {
  if (is.environment(data)) {
    env <- data
  }
  if (!is.environment(data) && name %in% names(data)) {
    return(!is.null(data[[name]]))
  }
  value <- get0(name, envir = env)
  !is.null(value) && !is.function(value)
}

abort_unknown <- function(name, data, bars = NULL) {
  known <- if (is.environment(data)) ls(data) else names(data)
  in_data <- length(known) > 0L
  abort_rlmm(
    c(
      paste0(
        "Can't find ",
        unknown_role(name, bars),
        if (in_data) " in `data`." else " where it was written."
      ),
      x = paste0(
        if (in_data) "Column " else "Variable ",
        tick(name),
        " doesn't exist."
      ),
      unknown_hint(name, data, known)
    ),
    "rlmm_error_variable",
    variable = name
  )
}

unknown_hint <- function(name, data, known) {
  if (length(known) == 0L) {
    return(c(i = "Is the argument `data` missing?"))
  }
  holds_frames <- all(vapply(as.list(data), is.data.frame, NA))
  if (!is.data.frame(data) && holds_frames) {
    fits <- "`data` is a list of data frames: write `lapply(data, \\(d) rlmm(formula, d))`?"
    return(c(i = fits))
  }
  if (name %in% c(".data", ".env")) {
    return(c(i = tidy_hint(as.name(name))))
  }
  foreign_name_hint(name, known) %||% did_you_mean(name, known)
}

# The hint for names of other programs: brms has "Intercept" for a column of ones, Stata `i.f` for a
# factor.
foreign_name_hint <- function(name, known) {
  factor <- sub("^i[.]", "", name)
  if (name == "Intercept") {
    c(i = "The intercept is written `1`.")
  } else if (factor != name && factor %in% known) {
    c(i = sprintf("A factor is written `factor(%s)`.", factor))
  }
}

unknown_role <- function(name, bars) {
  for (bar in bars) {
    for (group in bar$groups) {
      if (name %in% unlist(lapply(group$atoms, all.vars))) {
        return(paste0(
          "the grouping factor of ",
          tick(paste0("(", bar_label(bar, group), ")"))
        ))
      }
    }
  }
  "a variable of `formula`"
}

abort_if_lengths_differ <- function(terms, data) {
  variables <- as.list(attr(terms, "variables"))[-1L]
  env <- environment(terms)
  sizes <- vapply(variables, variable_size, 1L, data = data, env = env)
  if (anyNA(sizes) || length(unique(sizes)) <= 1L) {
    return(invisible())
  }
  names <- vapply(variables, deparse_one, "")
  abort_rlmm(
    c(
      "The variables of `formula` must all have the same length.",
      x = paste0(enumerate(paste(tick(names), "has", sizes)), "."),
      i = name_in_variable_hint(variables, data, env)
    ),
    "rlmm_error_variable"
  )
}

# The hint for a variable that contains the name of a column, as in a loop over names.
name_in_variable_hint <- function(variables, data, env) {
  for (variable in Filter(is.symbol, variables)) {
    name <- as.character(variable)
    value <- get0(name, env)
    if (is.character(value) && length(value) == 1L && value %in% names(data)) {
      text <- "`%s` holds the name of a column: write `reformulate(c(%s, \"(1 | group)\"), \"y\")`."
      return(sprintf(text, name, name))
    }
  }
  tidy_hint(as.call(c(quote(list), variables)))
}

variable_size <- function(expr, data, env) {
  tryCatch(NROW(eval(expr, data, env)), error = \(cnd) NA_integer_)
}

#' Evaluates a step of building design columns and translates R's error if it fails
#' @noRd
call_design_step <- function(expr, frame) {
  withCallingHandlers(expr, error = function(cnd) {
    for (name in names(frame)) {
      x <- frame[[name]]
      is_factor <- is.factor(x) || is.character(x)
      if (is_factor && length(unique(x)) < 2L) {
        abort_one_value(name, x)
      }
    }
    abort_rlmm(
      "Can't build the columns of the model.",
      "rlmm_error_design",
      parent = cnd
    )
  })
}

abort_one_value <- function(name, x, hint = "Leave it out of the formula?") {
  abort_rlmm(
    c(
      paste0("The factor ", tick(name), " must have at least 2 levels."),
      x = paste0("Its one level is \"", x[1L], "\"."),
      i = hint
    ),
    "rlmm_error_one_value",
    variable = name
  )
}

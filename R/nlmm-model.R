# The model of a nonlinear mixed model: its three-part formula, the design of its parameters, and
# its mean function.

#' The parts of `y ~ f(x, a, b) ~ fixed + (random | group)`
#' @return A list: `response`, `mean` (an expression), `linear` (the third part) and `env`.
#' @noRd
nonlinear_parts <- function(formula) {
  check_three_parts(formula)
  left <- formula[[2L]]
  list(
    response = left[[2L]],
    mean = left[[3L]],
    linear = formula[[3L]],
    env = environment(formula) %||% globalenv()
  )
}

check_three_parts <- function(formula) {
  is_formula <- inherits(formula, "formula")
  is_three <- is_formula &&
    length(formula) == 3L &&
    call_name(formula[[2L]]) == "~" &&
    length(formula[[2L]]) == 3L
  if (!is_three) {
    it <- if (is_formula) tick(short_deparse(formula))
    abort_formula(
      "`formula` must have three parts, `y ~ f(x, a, b) ~ a | group`.",
      x = if (is_formula) sprintf("It is %s.", it) else it_is(formula)
    )
  }
}

#' The names and starting values of the parameters, by default from a self-starting function
#' @noRd
nonlinear_start <- function(parts, start, data) {
  if (is.list(start)) {
    start <- unlist(start$nlpars %||% start)
  }
  if (is.null(start) && is_self_starting(parts)) {
    return(self_start(parts, data))
  }
  used <- all.vars(parts$mean)
  if (has_named_numbers(start) && any(names(start) %in% used)) {
    return(start)
  }
  abort_rlmm(
    c(
      "`start` must be named numbers, one for each parameter of the mean.",
      x = it_is(start),
      i = sprintf("The mean is `%s`.", short_deparse(parts$mean))
    ),
    "rlmm_error_start"
  )
}

has_named_numbers <- function(x) {
  is_named <- is.numeric(x) && !is.null(names(x))
  is_named && length(x) > 0L && all(is.finite(x))
}

is_self_starting <- function(parts) {
  found <- get0(call_name(parts$mean), parts$env, mode = "function")
  inherits(found, "selfStart")
}

# The starting values that a self-starting function finds in the data.
self_start <- function(parts, data) {
  plain <- stats::as.formula(call("~", parts$response, parts$mean), parts$env)
  tryCatch(
    unlist(stats::getInitial(plain, data)),
    error = \(cnd) abort_self_start(cnd, parts)
  )
}

abort_self_start <- function(cnd, parts) {
  abort_rlmm(
    c(
      sprintf("`%s()` finds no starting values.", call_name(parts$mean)),
      x = paste0("R says: ", conditionMessage(cnd), "."),
      i = "Are the response and all variables finite numbers?",
      i = "Otherwise give `start`, a named number for each parameter of the mean."
    ),
    "rlmm_error_start"
  )
}

#' The model frame of the variables, and the design of the parameters on rows times parameters
#' @param rows The arguments `extras` and `na_action` of [build_frame()].
#' @return A list: `frame`; `parameters`, their names; `y`; `weights`; and `design`, the result of
#'   [model_design()] for the stacked rows of all parameters.
#' @noRd
nonlinear_design <- function(parts, start, data, rows) {
  parameters <- intersect(names(start), all.vars(parts$mean))
  check_start_complete(parts, parameters, data)
  linear <- linear_part(parts, parameters)
  frame <- nonlinear_frame(
    parts,
    parameters,
    data,
    rows
  )
  check_mean(parts, start[parameters], frame)
  stacked <- stacked_rows(frame, parameters)
  design <- model_design(
    linear,
    stacked,
    REML = FALSE,
    control = stacked_control()
  )
  check_effect_count(design, nrow(frame))
  list(
    frame = frame,
    parameters = parameters,
    y = as.double(frame[[1L]]),
    weights = as.double(frame[["(weights)"]] %||% rep(1, nrow(frame))),
    design = design
  )
}

# Raises an error about names that are neither columns nor constants: parameters without a starting
# value.
check_start_complete <- function(parts, parameters, data) {
  names <- setdiff(all.vars(parts$mean), c(parameters, names(data)))
  is_known <- vapply(
    names,
    exists,
    NA,
    envir = parts$env
  )
  if (all(is_known)) {
    return(invisible())
  }
  unknown <- names[!is_known]
  abort_rlmm(
    c(
      paste0("Can't find ", enumerate(tick(unknown), last = "or"), "."),
      x = "The mean uses it, and neither `data` nor `start` has it.",
      i = sprintf("The mean is `%s`.", short_deparse(parts$mean))
    ),
    "rlmm_error_start"
  )
}

#' The third part of the formula as that of a linear model in indicators of the parameters
#' @noRd
linear_part <- function(parts, parameters) {
  linear <- parts$linear
  if (call_name(linear) == "|") {
    linear <- call("(", linear)
  }
  split <- split_bars(linear)
  if (length(split$bars) == 0L) {
    abort_formula(
      "The third part of `formula` must have random effects, as in `~ a | group`."
    )
  }
  fixed <- split$fixed %||% sum_of(lapply(parameters, as.name))
  bars <- lapply(split$bars, without_intercept, parameters = parameters)
  bars <- lapply(bars, \(bar) call("(", bar))
  right <- sum_of(c(list(0, fixed), bars))
  stats::as.formula(call("~", quote(.response), right), parts$env)
}

# The effects of parameters, without the implicit intercept of a formula.
without_intercept <- function(bar, parameters) {
  if (!is_bar(bar)) {
    bar[[2L]] <- without_intercept(bar[[2L]], parameters)
    return(bar)
  }
  if (!any(all.vars(bar[[2L]]) %in% parameters)) {
    abort_formula(
      "Random effects must be those of parameters of the mean.",
      x = sprintf("There is `(%s)`.", short_deparse(bar)),
      i = paste0("The parameters are ", enumerate(tick(parameters)), ".")
    )
  }
  bar[[2L]] <- call("+", 0, bar[[2L]])
  bar
}

nonlinear_frame <- function(parts, parameters, data, rows) {
  variables <- variables_of_parts(parts, parameters, data)
  parsed <- list(response = parts$response, fixed = variables, bars = list())
  frame <- build_frame(
    parsed,
    parts$env,
    data,
    rows$extras,
    rows$na_action
  )
  if (!is.numeric(frame[[1L]])) {
    abort_rlmm(
      c("The response must be numeric.", x = it_is(frame[[1L]])),
      "rlmm_error_response"
    )
  }
  frame
}

# The sum of the variables of all parts but the response.
variables_of_parts <- function(parts, parameters, data) {
  names <- union(all.vars(parts$mean), all.vars(parts$linear))
  names <- setdiff(names, c(parameters, "pi"))
  known <- vapply(names, \(name) is_variable(name, data, parts$env), NA)
  sum_of(c(1, lapply(names[known], as.name)))
}

# Whether a name is a column of the data or an object with a value for each row; constants are
# looked up by the mean function.
is_variable <- function(name, data, env) {
  if (name %in% names(data)) {
    return(TRUE)
  }
  found <- get0(name, env, mode = "numeric") %||% get0(name, env)
  !is.null(found) && length(found) > 1L
}

#' Stacks the frame once for each parameter, with an indicator of each
#' @noRd
stacked_rows <- function(frame, parameters) {
  n <- nrow(frame)
  s <- length(parameters)
  rows <- frame[rep(seq_len(n), s), , drop = FALSE]
  attr(rows, "terms") <- NULL
  names(rows)[1L] <- ".of_response"
  rows$`(weights)` <- NULL
  row.names(rows) <- NULL
  for (k in seq_len(s)) {
    rows[[parameters[k]]] <- as.double(rep(seq_len(s) == k, each = n))
  }
  rows$.response <- as.double(seq_len(n * s))
  rows
}

# A control without checks that compare numbers of levels with numbers of rows, since rows are
# stacked.
stacked_control <- function() {
  control <- default_control
  is_policy <- names(control$checks) != "rankx"
  control$checks[is_policy] <- "ignore"
  control
}

check_effect_count <- function(design, n) {
  for (term in design$random) {
    if (length(term$levels) >= n) {
      abort_rlmm(
        c(
          "Each grouping factor must have fewer levels than there are observations.",
          x = sprintf(
            "%s has %s for %s.",
            tick(term$group),
            plural(length(term$levels), "level"),
            plural(n, "observation")
          )
        ),
        "rlmm_error_nobs_vs_nlev"
      )
    }
  }
}

# The mean ----------------------------------------------------------------

#' A function of a matrix of parameters, with a row for each observation, that returns the mean with
#' its `gradient`
#' @noRd
mean_function <- function(parts, parameters, frame) {
  evaluate <- \(phi, what = parts$mean) {
    values <- lapply(seq_along(parameters), \(k) phi[, k])
    names(values) <- parameters
    eval(
      what,
      c(values, as.list(frame)),
      parts$env
    )
  }
  derivative <- symbolic_gradient(parts, parameters)
  \(phi) with_gradient(evaluate, phi, parameters, derivative)
}

#' The expression of the mean with its gradient as an attribute; `NULL` if [deriv()] doesn't know a
#' function in it, or the formula's environment has another function of this name
#' @noRd
symbolic_gradient <- function(parts, parameters) {
  calls <- setdiff(all.names(parts$mean), all.vars(parts$mean))
  is_own <- vapply(calls, \(name) is_base_function(name, parts$env), NA)
  if (all(is_own)) {
    tryCatch(
      stats::deriv(parts$mean, parameters)[[1L]],
      error = \(cnd) NULL
    )
  }
}

is_base_function <- function(name, env) {
  found <- get0(name, env, mode = "function")
  identical(found, get0(name, asNamespace("stats"), mode = "function"))
}

# Evaluates the mean with the starting values in all rows, whose errors would otherwise be R's own.
check_mean <- function(parts, start, frame) {
  phi <- matrix(start, nrow(frame), length(start), byrow = TRUE)
  tryCatch(
    mean_function(parts, names(start), frame)(phi),
    rlmm_error = rlang::cnd_signal,
    error = abort_mean
  )
}

abort_mean <- function(cnd) {
  abort_rlmm(
    c(
      "Can't evaluate the mean at `start`.",
      x = paste0("R says: ", conditionMessage(cnd), ".")
    ),
    "rlmm_error_variable"
  )
}

#' The mean with its gradient, from its attribute, from its derivatives or by central differences
#' @noRd
with_gradient <- function(evaluate, phi, parameters, derivative) {
  mu <- evaluate(phi)
  gradient <- attr(mu, "gradient")
  value <- as.double(mu)
  if (length(value) != nrow(phi)) {
    abort_mean_length(length(value), nrow(phi))
  }
  columns <- colnames(gradient)
  if (!is.null(gradient) && all(parameters %in% columns)) {
    return(list(value = value, gradient = gradient[, parameters, drop = FALSE]))
  }
  if (!is.null(derivative)) {
    gradient <- unname(attr(evaluate(phi, derivative), "gradient"))
  }
  # At the end of their range, derivatives like a^x log(a) are NaN where the mean is finite.
  if (is.null(gradient) || any(is.finite(value) & !is.finite(gradient))) {
    gradient <- difference_gradient(evaluate, phi)
  }
  list(value = value, gradient = gradient)
}

difference_gradient <- function(evaluate, phi) {
  columns <- lapply(seq_len(ncol(phi)), \(k) {
    step <- difference_step(phi[, k])
    up <- down <- phi
    up[, k] <- phi[, k] + step
    down[, k] <- phi[, k] - step
    change <- as.double(evaluate(up)) - as.double(evaluate(down))
    change / (up[, k] - down[, k])
  })
  do.call(cbind, columns)
}

# The steps of the values of one parameter, which don't depend on its units.
difference_step <- function(values) {
  largest <- max(abs(values))
  least <- if (largest > 0) largest else 1
  6e-6 * pmax(abs(values), 1e-2 * least)
}

abort_mean_length <- function(found, n) {
  abort_rlmm(
    c(
      "The mean must have a value for each observation.",
      x = sprintf("It has %s for %s.", found, plural(n, "observation"))
    ),
    "rlmm_error_formula"
  )
}

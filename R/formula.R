# Parses model formulas: splits `y ~ x + (x | g)` into the response, the fixed part, and
# random-effects terms with one grouping factor each. Data are only used to expand `.`.

#' Parses a mixed-model formula
#' @return A list: `response` and `fixed` (expressions; `fixed` without bars) and `bars`, each a
#'   list with `effects` (expression), `structure`, and `groups` (a list of groupings, see
#'   [expand_group()]).
#' @noRd
parse_formula <- function(formula, data = NULL) {
  rhs <- formula[[3L]]
  names <- all.names(rhs)
  if ("&" %in% names) {
    rhs <- read_ampersand(rhs)
  }
  parts <- split_bars(rhs)
  check_parts(parts, formula)
  bars <- parts$bars
  if ("." %in% names) {
    bars <- lapply(bars, expand_dot, response = formula[[2L]], data = data)
  }
  list(
    response = formula[[2L]],
    fixed = parts$fixed %||% 1,
    bars = unlist(lapply(bars, read_bar), recursive = FALSE)
  )
}

check_parts <- function(parts, formula) {
  if (length(parts$bars) == 0L) {
    abort_no_bars(formula)
  }
  if (mentions(parts$fixed, "fulldummy")) {
    abort_fixed_fulldummy()
  }
}

# Expands `.` in the effects of a bar: all columns except the response and the bar's own group.
expand_dot <- function(bar, response, data) {
  effects <- bar[[2L]]
  group <- bar[[length(bar)]]
  if (is_structured_bar(bar)) {
    bar[[2L]] <- expand_dot(strip_parens(effects), response, data)
    return(bar)
  }
  if (mentions(group, ".")) {
    abort_formula("`.` can't stand for a grouping factor.")
  }
  if (mentions(effects, ".")) {
    used <- c(all.vars(response), all.vars(group))
    bar[[2L]] <- replace_dot(effects, setdiff(names(data), used))
  }
  bar
}

replace_dot <- function(effects, columns) {
  if (length(columns) == 0L) {
    abort_formula("`.` stands for no column of `data`.")
  }
  plus <- \(left, right) call("+", left, right)
  sum <- Reduce(plus, lapply(columns, as.name))
  do.call(substitute, list(effects, list(. = call("(", sum))))
}

#' Separates the bars of a sum from its other summands
#' @return A list: `fixed` (expression or `NULL`) and `bars` (calls).
#' @noRd
split_bars <- function(expr) {
  if (!is.call(expr)) {
    return(list(fixed = expr))
  }
  op <- call_name(expr)
  if (op == "+" || op == "-") {
    return(split_sum(expr, op))
  }
  if (op == "(") {
    inner <- split_bars(expr[[2L]])
    return(if (is.null(inner$bars)) list(fixed = expr) else inner)
  }
  if (is_bar(expr) || is_structured_bar(expr)) {
    return(list(bars = list(expr)))
  }
  if (has_bar(expr)) {
    abort_bar_inside(expr, op)
  }
  list(fixed = expr)
}

# Splits a sum, a difference or a signed term; an expression without bars is left unchanged.
split_sum <- function(expr, op) {
  is_sign <- length(expr) == 2L
  left <- if (!is_sign) split_bars(expr[[2L]])
  right <- split_bars(expr[[length(expr)]])
  if (op == "-" && length(right$bars) > 0L) {
    abort_bar_inside(expr, op)
  }
  bars <- c(left$bars, right$bars)
  if (length(bars) == 0L) {
    return(list(fixed = expr))
  }
  fixed <- if (is_sign) right$fixed else join(op, left$fixed, right$fixed)
  list(fixed = fixed, bars = bars)
}

# Joins two summands again, each of which is `NULL` if it consisted of bars only.
join <- function(op, left, right) {
  if (is.null(right)) {
    return(left)
  }
  if (!is.null(left)) {
    return(call(op, left, right))
  }
  if (op == "-") call("-", right) else right
}

# Errors --------------------------------------------------------------------

#' The formula from the argument: text is parsed and a quoted formula is evaluated, both in the
#' caller's environment
#' @noRd
read_formula <- function(formula, env) {
  if (!inherits(force_formula(formula), "formula")) {
    formula <- evaluated_formula(formula, env)
  }
  sides <- unclass(formula)
  if (length(sides) == 3L && !is.null(sides[[2L]])) {
    inform_of_bare_bar(sides[[3L]])
    return(formula)
  }
  abort_formula(
    "`formula` must have a response on its left side.",
    x = paste0("It is ", tick(deparse_one(formula)), ".")
  )
}

# Evaluates the argument `formula`, with an error of this package about a function of brms around
# it, which R can't find.
force_formula <- function(formula) {
  withCallingHandlers(formula, error = abort_if_brms_formula)
}

abort_if_brms_formula <- function(cnd) {
  name <- call_name(conditionCall(cnd))
  is_missing <- name %in%
    c("bf", "brmsformula") &&
    !exists(name, mode = "function")
  if (is_missing) {
    abort_formula(
      "`formula` must stand by itself.",
      x = sprintf("It is within `%s()`, a function of brms.", name),
      i = "For example `y ~ x + (1 | group)`."
    )
  }
}

# The formula that text or a quoted formula stands for.
evaluated_formula <- function(formula, env) {
  is_quoted <- is.call(formula) && identical(formula[[1L]], quote(`~`))
  is_text <- is.character(formula) && length(formula) == 1L
  if (is_text || is_quoted) {
    formula <- tryCatch(
      stats::as.formula(formula, env = env),
      error = \(cnd) formula
    )
  }
  if (!inherits(formula, "formula")) {
    abort_no_formula(formula)
  }
  formula
}

sums_hint <- "Sums hold a linear model: `rlmm(sums)` fits it, `update()` of the fit a smaller one."

abort_no_formula <- function(formula) {
  hint <- if (is.data.frame(formula)) {
    "It comes before `data`; behind a pipe name it, `formula = `."
  } else if (inherits(formula, "rlmm_sums")) {
    sums_hint
  } else if (is.character(formula) && length(formula) > 1L) {
    "Put the pieces together: `paste(formula, collapse = \" \")`."
  } else {
    "For example `y ~ x + (1 | group)`."
  }
  abort_argument(
    "`formula` must be a formula.",
    x = it_is(formula),
    i = hint,
    arg = "formula"
  )
}

# Without parentheses the effects of a bar are the whole right side, which is unlikely to be meant
# unless both sides of the bar are single variables.
inform_of_bare_bar <- function(effects) {
  if (!is_bar(effects)) {
    return(invisible())
  }
  is_sum <- \(side) call_name(side) == "+"
  if (!is_sum(effects[[2L]]) && !is_sum(effects[[3L]])) {
    return(invisible())
  }
  bar <- deparse_one(effects)
  inform_rlmm(
    c(
      paste0("All of ", tick(bar), " is a random-effects term."),
      i = "The only fixed effect is the intercept.",
      i = "For fixed effects put the term in parentheses: `y ~ x + (1 | group)`."
    ),
    "rlmm_message_bare_bar"
  )
}

abort_no_bars <- function(formula) {
  unknown <- unknown_structure(formula[[length(formula)]])
  if (!is.null(unknown)) {
    abort_structure(unknown)
  }
  abort_formula(
    "`formula` must have at least one random-effects term.",
    x = paste(
      tick(deparse_one(formula)),
      "has no term of the form `(expr | group)`."
    ),
    i = tidy_hint(formula) %||%
      other_bar_hint(formula) %||%
      "Did you mean `lm()` or `glm()`, or is a term such as `(1 | group)` missing?",
    class = "rlmm_error_no_bars"
  )
}

# Calls that define a grouping factor in other functions: `Error(g)` of aov(), `random(g)` of gam().
other_bar_hint <- function(expr) {
  if (!is.call(expr)) {
    return(NULL)
  }
  is_known <- call_name(expr) %in% c("Error", "random", "re")
  if (is_known && length(expr) == 2L) {
    group <- deparse_one(expr[[2L]])
    return(sprintf("For `%s` write `(1 | %s)`.", deparse_one(expr), group))
  }
  hints <- lapply(as.list(expr)[-1L], other_bar_hint)
  drop_null(hints)[1L][[1L]]
}

# Operators of tidy evaluation, which formulas don't support.
tidy_hint <- function(formula) {
  names <- all.names(formula)
  has_pronoun <- any(c("{", ".data", ".env") %in% names)
  if (sum(names == "!") > 1L || has_pronoun) {
    paste(
      "A formula knows no `!!`, `{{` and `.data`: make it from names by",
      "`reformulate(c(name, \"(1 | group)\"), response)`."
    )
  }
}

abort_bar_inside <- function(expr, op) {
  abort_formula(
    "A random-effects term can only be added to a formula.",
    x = paste0(
      "It stands inside ",
      tick(op),
      " in ",
      tick(deparse_one(expr)),
      "."
    ),
    i = "Put it in parentheses after a `+`, and a slope inside it: `(x | group)`."
  )
}

abort_fixed_fulldummy <- function() {
  abort_formula(
    "`fulldummy()` can only stand in a random-effects term.",
    x = "Among the fixed effects its columns would be linearly dependent."
  )
}

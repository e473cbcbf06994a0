#' Formula and terms
#'
#' The formula and the terms of a fit, of the whole model or of its fixed or random part.
#'
#' @param x A fitted model.
#' @param fixed.only,random.only Whether to return only the fixed part, or only the random effects.
#' @param ... Not used; any argument here gives a warning.
#' @return `formula()`: the formula as it was written, with `.` expanded; with `random.only` only
#'   its random-effects terms, in which nested factors and double bars are expanded. `terms()`: a
#'   terms object. For the random effects or the whole model it has their effects and grouping
#'   factors as summands, without bars. As in lme4, the terms of the whole model have the attributes
#'   `predvars.fixed`, `predvars.random` and `varnames.fixed`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' formula(fit)
#' formula(fit, fixed.only = TRUE)
#' formula(fit, random.only = TRUE)
#' attr(terms(fit), "term.labels")
#' attr(terms(fit, fixed.only = FALSE), "term.labels")
#' @importFrom stats formula
#' @export
formula.rlmm <- function(x, fixed.only = FALSE, random.only = FALSE, ...) {
  # stats::as.formula() passes an environment.
  warn_of_dots(..., also = "env")
  check_one_part(fixed.only, random.only)
  if (fixed.only) {
    return(stats::formula(x$fixed$terms))
  }
  if (random.only) {
    return(rebuild_formula(x, sum_of(random_bars(x))))
  }
  written <- written_formula(x)
  if ("." %in% all.vars(written)) expanded_formula(x) else written
}

# The formula with `.` expanded.
expanded_formula <- function(fit) {
  fixed <- stats::formula(fit$fixed$terms)[[3]]
  rebuild_formula(fit, sum_of(c(fixed, random_bars(fit))))
}

#' @rdname formula.rlmm
#' @importFrom stats terms
#' @export
terms.rlmm <- function(x, fixed.only = TRUE, random.only = FALSE, ...) {
  warn_of_dots(...)
  if (missing(fixed.only) && isTRUE(random.only)) {
    fixed.only <- FALSE
  }
  check_one_part(fixed.only, random.only)
  if (fixed.only) {
    return(x$fixed$terms)
  }
  if (random.only) random_terms(x) else all_terms(x)
}

random_terms <- function(fit) {
  summands <- random_summands(fit, \(group) group$atoms)
  stats::terms(rebuild_formula(fit, sum_of(summands)))
}

#' The terms object of the fixed part and random effects, with the attributes of the model frame
#' @noRd
all_terms <- function(fit) {
  fixed <- fit$fixed$terms
  terms <- terms_as_written(fit)
  frame <- fit_frame(fit)
  random <- attr(random_terms(fit), "variables")
  structure(
    without_repeats(terms),
    predvars = frame_variables(frame, attr(terms, "variables")),
    dataClasses = attr(attr(frame, "terms"), "dataClasses"),
    predvars.fixed = attr(fixed, "predvars"),
    varnames.fixed = names(fixed_frame(fit)),
    predvars.random = frame_variables(frame, random)
  )
}

terms_as_written <- function(fit) {
  fixed <- fit$fixed$terms
  summands <- c(stats::formula(fixed)[[3]], random_summands(fit, as_written))
  terms <- stats::terms(rebuild_formula(fit, sum_of(summands)))
  attr(terms, "intercept") <- attr(fixed, "intercept")
  terms
}

#' The evaluated variables of the fixed effects, weights and offset
#' @noRd
fixed_frame <- function(fit) {
  frame <- fit_frame(fit)
  fixed <- fit$fixed$terms
  kept <- c(variable_names(fixed), "(weights)", "(offset)")
  frame <- frame[names(frame) %in% kept]
  attr(frame, "terms") <- fixed
  frame
}

#' The expressions with which the model frame evaluates variables in new data: `poly()`, for
#' example, with its coefficients
#' @noRd
frame_variables <- function(frame, variables) {
  terms <- attr(frame, "terms")
  all <- attr(terms, "variables")
  known <- as.list(attr(terms, "predvars") %||% all)[-1]
  all <- as.list(all)[-1]
  at <- match(as.list(variables)[-1], all)
  is_known <- !is.na(at)
  variables[-1][is_known] <- known[at[is_known]]
  variables
}

#' A terms object whose right side has each summand once, also if it is fixed and random
#' @noRd
without_repeats <- function(terms) {
  variables <- as.list(attr(terms, "variables"))[-1]
  offsets <- variables[attr(terms, "offset")]
  parts <- c(lapply(attr(terms, "term.labels"), str2lang), offsets)
  if (attr(terms, "intercept") == 0L) {
    parts <- c(list(0), parts)
  }
  if (length(parts) == 0L) {
    parts <- list(1)
  }
  terms[[length(terms)]] <- sum_of(parts)
  terms
}

check_one_part <- function(fixed.only, random.only) {
  check_flag(fixed.only, "fixed.only")
  check_flag(random.only, "random.only")
  if (!(fixed.only && random.only)) {
    return(invisible())
  }
  abort_argument(
    "Only one of `fixed.only` and `random.only` can be `TRUE`.",
    arg = "random.only"
  )
}

rebuild_formula <- function(fit, rhs) {
  stats::as.formula(
    call("~", fit$formula[[2]], rhs),
    env = environment(fit$formula)
  )
}

sum_of <- function(summands) {
  Reduce(\(left, right) call("+", left, right), summands)
}

#' The formula as the user wrote it, with `.`
#'
#' stats::step() replaces the formula by the terms of the fixed part; the random part is then that
#' of the fit.
#' @noRd
written_formula <- function(fit) {
  if (!inherits(fit$formula, "terms")) {
    return(fit$formula)
  }
  bars <- lapply(fit$random, term_call, fit = fit)
  fixed <- stats::formula(fit$formula)[[3L]]
  rebuild_formula(fit, sum_of(c(fixed, bars)))
}

#' One bar in parentheses for each term and grouping factor, in the order of the formula
#' @noRd
random_bars <- function(fit) {
  bars <- parse_formula(written_formula(fit), fit$frame)$bars
  written <- \(bar) lapply(bar$groups, written_bar, bar = bar)
  unlist(lapply(bars, written))
}

written_bar <- function(group, bar) {
  term <- call("|", bar$effects, str2lang(group_text(group)))
  structured_call(bar$structure, term, bar$called)
}

# The text of a grouping, with backticks where names of variables need them.
group_text <- function(group) {
  paste(
    vapply(
      group$atoms,
      \(atom) {
        lines <- deparse(atom, 500L, backtick = TRUE)
        paste(lines, collapse = " ")
      },
      ""
    ),
    collapse = ":"
  )
}

#' The left sides of the bars, with their right sides as interactions
#' @param atoms A function that returns the variables of a grouping in the wanted order.
#' @noRd
random_summands <- function(fit, atoms) {
  bars <- parse_formula(written_formula(fit), fit$frame)$bars
  parts <- lapply(bars, \(bar) {
    groups <- lapply(bar$groups, \(group) interaction_of(atoms(group)))
    c(unwrap_fulldummy(bar$effects)$expr, groups)
  })
  unique(unlist(parts))
}

interaction_of <- function(atoms) {
  Reduce(\(left, right) call(":", left, right), atoms)
}

# Terms of a fit as expressions ----------------------------------------------

#' A term of a fit as an expression for a formula
#' @noRd
term_call <- function(term, fit) {
  bar <- call("|", effects_expression(term), written_group(fit, term))
  structured_call(term$structure, bar, term$called)
}

effects_expression <- function(term) {
  labels <- attr(term$effects, "term.labels")
  sum_of_labels(labels, attr(term$effects, "intercept") == 1L)
}

sum_of_labels <- function(labels, has_intercept) {
  parts <- c(if (!has_intercept) "0", labels)
  if (length(parts) == 0L) {
    1
  } else {
    str2lang(paste(parts, collapse = " + "))
  }
}


# The grouping of a term as in its formula.
written_group <- function(fit, term) {
  atoms <- lapply(term$group_vars, variable_call, known = names(fit$frame))
  Reduce(\(a, b) call(":", a, b), atoms)
}

#' The expression of a text: a variable whose name has blanks or operators is a name
#' @param known The names of variables.
#' @noRd
variable_call <- function(text, known) {
  parsed <- tryCatch(str2lang(text), error = \(cnd) as.name(text))
  is_name <- text %in% known && !all(all.vars(parsed) %in% known)
  if (is_name) as.name(text) else parsed
}

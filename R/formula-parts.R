#' Formula and terms
#'
#' The formula of a fit and its terms, whole or of the fixed part or the random effects alone.
#'
#' @param x A fitted model.
#' @param fixed.only,random.only Only the fixed part, or only the random effects?
#' @param ... Ignored.
#' @return `formula()`: the formula as it was written, with a `.` spelled out; with `random.only`,
#'   one term for each grouping factor. `terms()`: a terms object. That of the random effects or of
#'   the whole model adds up their effects and grouping factors, without bars. As lme4's, that of
#'   the whole model has the attributes `predvars.fixed`, `predvars.random` and `varnames.fixed`.
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
  # stats::as.formula() hands on an environment, for what has none.
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

# The formula with what `.` stood for.
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

#' The terms object of fixed part and random effects, and what the model frame knows of its
#' variables
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

#' The variables of the fixed effects as they were used, weights and offset
#' @noRd
fixed_frame <- function(fit) {
  frame <- fit_frame(fit)
  fixed <- fit$fixed$terms
  kept <- c(variable_names(fixed), "(weights)", "(offset)")
  frame <- frame[names(frame) %in% kept]
  attr(frame, "terms") <- fixed
  frame
}

#' Variables as the model frame makes them from new data: `poly()`, for example, with its
#' coefficients
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

#' A terms object with its right side as a sum in which what is fixed and random stands once
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

#' The formula as the user wrote it, with its dots
#'
#' stats::step() puts the terms of the fixed part in the place of the formula: the random part is
#' that of the fit then.
#' @noRd
written_formula <- function(fit) {
  if (!inherits(fit$formula, "terms")) {
    return(fit$formula)
  }
  bars <- lapply(fit$random, term_call, fit = fit)
  fixed <- stats::formula(fit$formula)[[3L]]
  rebuild_formula(fit, sum_of(c(fixed, bars)))
}

#' One bar in parentheses for each of the user's terms and grouping factors, in the formula's order
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

# The text of a grouping, with the backticks that names of variables may need and the group's name
# doesn't show.
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

#' The left sides of the bars, and their right sides as interactions
#' @param atoms The variables of a grouping, in the order wanted, as a function of it.
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

# Terms of a fit, written again ----------------------------------------------

#' A term of a fit as an expression that a formula may hold
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


# The grouping of a term, as its formula has it.
written_group <- function(fit, term) {
  atoms <- lapply(term$group_vars, variable_call, known = names(fit$frame))
  Reduce(\(a, b) call(":", a, b), atoms)
}

#' The expression that a text stands for: that of a variable whose name holds
#' blanks or operators is its name
#' @param known Names of variables.
#' @noRd
variable_call <- function(text, known) {
  parsed <- tryCatch(str2lang(text), error = \(cnd) as.name(text))
  is_name <- text %in% known && !all(all.vars(parsed) %in% known)
  if (is_name) as.name(text) else parsed
}

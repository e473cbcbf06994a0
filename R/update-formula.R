# Changes of a formula that has random-effects terms.

#' Changes the formula of a fit as [stats::update.formula()] does
#'
#' A term to remove is found in any equivalent form: `(Days | g)` as `(1 + Days | g)`, and as part
#' of a `||` term or a nesting, which are then expanded. A removal without effect gives a warning.
#' @noRd
changed_formula <- function(fit, change) {
  old <- stats::formula(fit)
  change <- read_change(change)
  rhs <- change[[length(change)]]
  if (!mentions(rhs, ".")) {
    return(stats::update.formula(old, change))
  }
  for (bar in removed_bars(rhs)) {
    found <- find_bar(bar, old)
    old[[3L]] <- found$rhs
    written <- list(from = bar, to = found$written)
    rhs <- replace_bars(rhs, list(written))
  }
  change[[length(change)]] <- rhs
  report_nothing_removed(removed_parts(rhs), fit)
  stats::update.formula(old, change)
}

#' The change of a formula, which may be text
#' @noRd
read_change <- function(change) {
  found <- tryCatch(stats::as.formula(change), error = \(cnd) NULL)
  if (length(found) < 2L) {
    abort_argument(
      "`formula.` must be a formula.",
      x = it_is(change),
      i = "For example `. ~ . - x` removes the effect of x.",
      arg = "formula."
    )
  }
  found
}

removed_bars <- function(rhs) {
  bars <- \(part) split_bars(part)$bars
  do.call(c, lapply(removed_parts(rhs), bars))
}

#' The expressions after a minus sign
#' @return A list of expressions.
#' @noRd
removed_parts <- function(expr) {
  op <- call_name(expr)
  if (op == "-") {
    kept <- if (length(expr) == 3L) removed_parts(expr[[2L]])
    return(c(kept, list(expr[[length(expr)]])))
  }
  is_sum <- op == "+" || (op == "(" && !is_bar(expr[[2L]]))
  if (is_sum) {
    return(do.call(c, lapply(as.list(expr)[-1L], removed_parts)))
  }
  NULL
}

#' A term of the formula `old` that is equivalent to `bar`
#' @return A list: `written`, the term as it is written there (`bar` itself if there is none), and
#'   `rhs`, the right side of `old`, in which a `||` term or a nesting that contains `bar` is
#'   expanded.
#' @noRd
find_bar <- function(bar, old) {
  rhs <- old[[3L]]
  wanted <- names(bar_parts(bar))
  bars <- split_bars(rhs)$bars
  parts <- lapply(bars, bar_parts)
  same <- Position(\(part) setequal(names(part), wanted), parts)
  if (!is.na(same)) {
    return(list(written = bars[[same]], rhs = rhs))
  }
  has_wanted <- \(part) any(wanted %in% names(part))
  is_holder <- vapply(parts, has_wanted, NA)
  known <- do.call(c, unname(parts[is_holder]))
  if (!all(wanted %in% names(known))) {
    report_no_bar(bar, bars)
    return(list(written = bar, rhs = rhs))
  }
  list(
    written = sum_of(unname(known[wanted])),
    rhs = expand_bars(rhs, bars[is_holder], parts[is_holder])
  )
}

# The right side with bars that stand for several terms expanded.
expand_bars <- function(rhs, bars, parts) {
  expansions <- Map(
    \(bar, part) list(from = bar, to = sum_of(unname(part))),
    bars,
    parts
  )
  replace_bars(rhs, expansions)
}

#' The terms of a bar, each with one effect structure and one grouping, named by their meaning
#' @noRd
bar_parts <- function(bar) {
  parts <- list()
  for (part in read_bar(bar)) {
    for (group in part$groups) {
      parts[[bar_meaning(part, group)]] <- written_bar(group, part)
    }
  }
  parts
}

bar_meaning <- function(part, group) {
  terms <- stats::terms.formula(rlang::new_formula(NULL, part$effects))
  labels <- sort(sorted_factors(attr(terms, "term.labels")))
  atoms <- sort(vapply(group$atoms, deparse_one, ""))
  paste(
    part$structure,
    paste(c(attr(terms, "intercept"), labels), collapse = " + "),
    paste(atoms, collapse = ":"),
    sep = " | "
  )
}

#' An expression with some of its bars replaced
#' @param changes A list of lists, `from` and `to`.
#' @noRd
replace_bars <- function(expr, changes) {
  if (is_bar(expr) || is_structured_bar(expr)) {
    for (change in changes) {
      if (identical(expr, change$from)) return(change$to)
    }
    return(expr)
  }
  if (call_name(expr) %in% c("(", "+", "-")) {
    expr[-1L] <- lapply(expr[-1L], replace_bars, changes)
  }
  expr
}

# Removals without effect ----------------------------------------------------

report_no_bar <- function(bar, bars) {
  text <- if (is_bar(bar)) {
    paste0("(", deparse_one(bar), ")")
  } else {
    deparse_one(bar)
  }
  with_brackets <- \(x) {
    text <- deparse_one(x)
    if (is_bar(x)) paste0("(", text, ")") else text
  }
  known <- vapply(
    bars,
    with_brackets,
    ""
  )
  warn_not_removed(text, paste0("The model has ", enumerate(tick(known)), "."))
}

report_nothing_removed <- function(parts, fit) {
  for (part in parts) {
    fixed <- split_bars(part)$fixed
    if (!is.null(fixed) && !mentions(fixed, ".")) {
      report_no_effect(fixed, fit)
    }
  }
}

report_no_effect <- function(expr, fit) {
  own <- fit$fixed$terms
  if (identical(expr, 1) || identical(expr, 0)) {
    return(report_no_intercept(expr, own))
  }
  terms <- stats::terms.formula(rlang::new_formula(NULL, expr))
  labels <- sorted_factors(attr(terms, "term.labels"))
  known <- attr(own, "term.labels")
  if (length(labels) > 0L && !any(labels %in% sorted_factors(known))) {
    warn_not_removed(deparse_one(expr), known_effects(known))
  }
}

known_effects <- function(labels) {
  if (length(labels) == 0L) {
    return("The model has no fixed effect but the intercept.")
  }
  paste0("The fixed effects are ", enumerate(tick(labels), max = 10L), ".")
}

report_no_intercept <- function(expr, terms) {
  if (attr(terms, "intercept") != expr) {
    warn_not_removed(deparse_one(expr), "The model has no intercept.")
  }
}

warn_not_removed <- function(text, hint) {
  warn_rlmm(
    c(
      paste0(tick(text), " isn't removed, as the model doesn't have it."),
      i = hint
    ),
    "rlmm_warning_not_removed",
    term = text
  )
}

# The argument `re.form`: the columns of random-effects terms that a prediction or simulation uses.

#' The columns of each term that `re.form` selects
#' @param re_form `NULL` for all, `NA` or `~0` for none, or a formula with some terms.
#' @return A list with the indices of the columns in use for each term.
#' @noRd
selected_effects <- function(fit, re_form) {
  if (is.null(re_form)) {
    return(lapply(n_columns(fit), seq_len))
  }
  none <- rep(list(integer()), length(fit$random))
  if (is_none(re_form)) {
    return(none)
  }
  bars <- re_form_bars(re_form, fit)
  Reduce(
    \(use, bar) add_bar(use, bar, fit),
    bars,
    none
  )
}

re_form_bars <- function(re_form, fit) {
  if (!inherits(re_form, "formula")) {
    abort_re_form(re_form)
  }
  parts <- split_bars(without_tildes(re_form[[length(re_form)]]))
  # `0` and `1` have no meaning here; any other fixed part is an error.
  if (length(parts$bars) == 0 || is.language(parts$fixed)) {
    abort_re_form_term(parts$fixed, fit)
  }
  parts$bars
}

# Removes inner tildes, as in `~ (1 | a) + (~1 | b)`.
without_tildes <- function(expr) {
  op <- call_name(expr)
  if (op == "~" && length(expr) == 2L) {
    return(without_tildes(expr[[2L]]))
  }
  if (op %in% c("(", "+", "-")) {
    expr[-1L] <- lapply(expr[-1L], without_tildes)
  }
  expr
}

is_none <- function(re_form) {
  if (inherits(re_form, "formula")) {
    return(identical(re_form[[length(re_form)]], 0))
  }
  is.atomic(re_form) && length(re_form) == 1 && is.na(re_form)
}

add_bar <- function(use, bar, fit) {
  for (part in read_bar(bar)) {
    for (group in part$groups) {
      use <- add_columns(use, part$effects, group, bar, fit)
    }
  }
  use
}

add_columns <- function(use, effects, group, bar, fit) {
  mine <- which(vapply(fit$random, is_grouped_by, NA, group = group))
  terms <- fit$random[mine]
  wanted <- wanted_columns(effects, group, terms, fit)
  columns <- lapply(terms, `[[`, "columns")
  if (length(wanted) == 0 || !all(wanted %in% unlist(columns))) {
    abort_re_form_term(bar, fit)
  }
  chosen <- lapply(columns, positions, wanted)
  use[mine] <- Map(union, use[mine], chosen)
  use
}

positions <- function(x, of) which(x %in% of)

# Whether a term has this grouping factor; `a:b` and `b:a` are the same.
is_grouped_by <- function(term, group) {
  setequal(term$group_vars, vapply(group$atoms, deparse_one, ""))
}

#' The names of the columns for the left side of a bar in this model; none if it has variables that
#' the model lacks
#' @noRd
wanted_columns <- function(effects, group, terms, fit) {
  label <- paste(deparse_one(effects), "|", group$name)
  same <- Find(\(term) identical(term$label, label), terms)
  if (!is.null(same)) {
    return(same$columns)
  }
  if (identical(effects, 1)) {
    return("(Intercept)")
  }
  if (identical(effects, 0)) {
    return(character())
  }
  columns_in_frame(effects, fit)
}

columns_in_frame <- function(effects, fit) {
  frame <- fit_frame(fit)
  variables <- variable_names(stats::terms(rlang::new_formula(NULL, effects)))
  if (!all(variables %in% names(frame))) {
    return(character())
  }
  bar <- list(effects = effects)
  bar_effects(bar, frame, environment(fit$formula), NULL)$columns
}

abort_re_form <- function(re_form) {
  abort_rlmm(
    c(
      "`re.form` must be `NULL`, `NA`, or a one-sided formula of random-effects terms.",
      x = it_is(re_form),
      if (isFALSE(re_form)) {
        c(i = "Use `re.form = NA` to leave the random effects out.")
      }
    ),
    "rlmm_error_re_form"
  )
}

abort_re_form_term <- function(expr, fit) {
  known <- paste0("(", vapply(fit$random, `[[`, "", "label"), ")")
  expr <- strip_parens(expr)
  found <- if (is_bar(expr)) {
    paste0("(", deparse_one(expr), ")")
  } else {
    deparse_one(expr)
  }
  abort_rlmm(
    c(
      "`re.form` must name random-effects terms of the model, or columns of them.",
      x = paste0("It has ", tick(found), "."),
      i = paste0("The model has ", enumerate(tick(known)), ".")
    ),
    "rlmm_error_re_form"
  )
}

# Random-effects terms: the columns, the grouping factor, and the positions in theta and in the spec
# of each bar.

#' The random-effects terms of the model
#' @return A list: `random` (the field of the fit: one element per term, in order) and `terms` (of
#'   the spec).
#' @noRd
random_design <- function(parsed, frame, env, data) {
  found <- lapply(parsed$bars, bar_terms, frame = frame, env = env, data = data)
  found <- unlist(found, recursive = FALSE)
  terms <- lapply(found, `[[`, "term")
  check_duplicates(terms)
  groups <- term_codes(terms, frame)
  terms <- with_levels(terms, lapply(groups, `[[`, "levels"))
  order <- term_order(n_levels_of(terms))
  random <- place_terms(terms[order])
  z <- lapply(found[order], `[[`, "z")
  list(random = random, terms = core_terms(random, z, groups))
}

with_levels <- function(terms, levels) {
  for (i in seq_along(terms)) {
    terms[[i]]$levels <- levels[[terms[[i]]$group]]
  }
  terms
}

n_levels_of <- function(random) {
  vapply(random, \(term) length(term$levels), 1L)
}

# The level numbers and levels of each grouping factor, by name.
term_codes <- function(terms, frame) {
  groups <- list()
  for (term in terms) {
    name <- term$group
    if (is.null(groups[[name]])) {
      groups[[name]] <- group_codes(term$group_vars, frame, name)
    }
  }
  groups
}

#' The terms of a bar, one for each grouping, which share their columns
#' @return A list of lists: `term`, an element of `random`, and `z`, its columns.
#' @noRd
bar_terms <- function(bar, frame, env, data) {
  effects <- bar_effects(bar, frame, env, data)
  check_structure(bar, effects, frame)
  lapply(bar$groups, \(group) {
    term <- bar_term(bar, group, effects, data, env)
    check_group_vars(term$group_vars, frame)
    list(term = term, z = effects$z)
  })
}

bar_term <- function(bar, group, effects, data, env) {
  expression <- group_expression(group$atoms, data, env)
  list(
    label = bar_label(bar, group),
    group = group$name,
    group_expr = expression$expr,
    row_wise = expression$row_wise,
    group_vars = vapply(group$atoms, deparse_one, ""),
    effects = effects$terms,
    contrasts = effects$contrasts,
    xlevels = effects$xlevels,
    columns = effects$columns,
    structure = bar$structure,
    called = bar$called
  )
}

# Checks that the grouping variables are in the frame: `(1 | x^2)` and `(1 | a - b)` have another
# meaning in formulas, and are not.
check_group_vars <- function(vars, frame) {
  absent <- vars[!vars %in% names(frame)]
  if (length(absent) == 0L) {
    return(invisible())
  }
  abort_formula(
    paste0("Can't use ", tick(absent[1L]), " as a grouping factor."),
    x = "Its operator has a meaning of its own in formulas.",
    i = paste0("For the value write `I(", absent[1L], ")`.")
  )
}

# Columns -------------------------------------------------------------------

#' The columns of a bar's effects, with the terms and contrasts to compute them from new data
#' @noRd
bar_effects <- function(bar, frame, env, data) {
  unwrapped <- unwrap_fulldummy(bar$effects)
  formula <- rlang::new_formula(
    NULL,
    unwrapped$expr,
    env = env
  )
  terms <- part_terms(formula, frame, data)
  check_no_offset(terms, bar)
  if (identical(bar$effects, 1)) {
    return(list(terms = terms, z = intercept_column, columns = "(Intercept)"))
  }
  report_text_columns(terms, frame)
  contrasts <- full_contrasts(unwrapped$variables, frame)
  z <- bar_columns(bar, terms, frame, contrasts)
  used <- attr(z, "contrasts")
  used[names(contrasts)] <- contrasts
  list(
    terms = terms,
    contrasts = used,
    xlevels = used_levels(terms, frame, used),
    z = without_contrasts(z),
    columns = column_names(z)
  )
}

bar_columns <- function(bar, terms, frame, contrasts) {
  z <- plain_columns(terms, frame)
  if (is.null(z)) {
    check_effect_columns_fit(bar, terms, frame)
    z <- call_design_step(design_columns(terms, frame, contrasts), frame)
  }
  effects <- count_columns(z)
  if (effects == 0L) {
    abort_effects(bar, "must have a column")
  }
  if (effects > unchecked_effects) {
    check_derivatives_fit(bar, effects)
  }
  check_columns_finite(z)
  z
}

check_no_offset <- function(terms, bar) {
  if (!is.null(attr(terms, "offset"))) {
    abort_effects(bar, "can't hold an `offset()`")
  }
}

abort_effects <- function(bar, problem) {
  written <- bar_label(bar, bar$groups[[1L]])
  label <- tick(paste0("(", written, ")"))
  abort_formula(paste0("The effects of the term ", label, " ", problem, "."))
}

full_contrasts <- function(variables, frame) {
  if (is.null(variables)) {
    return(NULL)
  }
  contrasts <- lapply(unclass(frame)[variables], function(f) {
    levels <- if (is.factor(f)) levels(f) else levels(factor(f))
    diag(1, length(levels), names = FALSE) |> `dimnames<-`(list(levels, levels))
  })
  names(contrasts) <- variables
  contrasts
}

# Groups --------------------------------------------------------------------

#' The level number of each row and the levels that occur
#' @return A list: `refs` (integer) and `levels` (character).
#' @noRd
group_codes <- function(vars, frame, name) {
  codes <- atom_codes(.subset2(frame, vars[1L]), vars[1L])
  for (var in vars[-1L]) {
    codes <- combine_codes(codes, atom_codes(.subset2(frame, var), var))
  }
  if (anyNA(codes$refs)) {
    abort_still_missing(name, which(is.na(codes$refs)))
  }
  codes
}

atom_codes <- function(x, name) {
  if (is.list(x) || length(dim(x)) > 1L) {
    abort_no_vector(x, name)
  }
  if (is.factor(x)) {
    return(used_codes(as.integer(x), as.character(levels(x))))
  }
  check_levels_fit(x, name)
  values <- sort(unique(x))
  labels <- as.character(values)
  # Numbers with equal labels are one level.
  levels <- unique(labels)
  refs <- match(labels, levels)[match(x, values)]
  list(refs = refs, levels = levels)
}

abort_no_vector <- function(x, name) {
  abort_rlmm(
    c(
      sprintf("The grouping factor %s must be a vector.", tick(name)),
      x = it_is(x)
    ),
    "rlmm_error_group"
  )
}

used_codes <- function(refs, levels) {
  used <- tabulate(refs, length(levels)) > 0L
  if (all(used)) {
    return(list(refs = refs, levels = levels))
  }
  list(refs = cumsum(used)[refs], levels = levels[used])
}

# The levels of an interaction: the pairs that occur, with the second factor varying fastest, as in
# `a:b`.
combine_codes <- function(a, b) {
  nested_codes(a, b) %||% crossed_codes(a, b)
}

# The levels of an interaction of two factors if one is nested in the other: those of the inner
# factor, each with its outer level; `NULL` for other factors.
nested_codes <- function(a, b) {
  of_a <- levels_around(a, b)
  if (!is.null(of_a)) {
    levels <- pair_labels(a, b, seq_along(of_a), of_a)
    return(list(refs = a$refs, levels = levels))
  }
  of_b <- levels_around(b, a)
  if (is.null(of_b)) {
    return(NULL)
  }
  by_a <- order(of_b)
  list(
    refs = order(by_a)[b$refs],
    levels = pair_labels(a, b, of_b[by_a], by_a)
  )
}

# The outer level of each inner level; `NULL` if one occurs with several, or values are missing.
levels_around <- function(inner, outer) {
  if (length(inner$levels) < length(outer$levels) || anyNA(inner$refs)) {
    return(NULL)
  }
  around <- integer(length(inner$levels))
  around[inner$refs] <- outer$refs
  if (!anyNA(around) && identical(around[inner$refs], outer$refs)) around
}

pair_labels <- function(a, b, of_a, of_b) {
  paste(a$levels[of_a], b$levels[of_b], sep = ":")
}

crossed_codes <- function(a, b) {
  pair <- (a$refs - 1) * length(b$levels) + b$refs
  pairs <- sort(unique(pair))
  first <- (pairs - 1) %/% length(b$levels) + 1
  second <- (pairs - 1) %% length(b$levels) + 1
  list(
    refs = match(pair, pairs),
    levels = pair_labels(a, b, first, second)
  )
}

# Order and positions -------------------------------------------------------

# The order of terms, as in lme4: unchanged if the numbers of levels never increase, else by
# decreasing number of levels, with ties reversed.
term_order <- function(n_levels) {
  is_sorted <- length(n_levels) == 1L || !is.unsorted(-n_levels)
  if (is_sorted) seq_along(n_levels) else rev(order(n_levels))
}

#' Adds the positions in theta and the columns of the core term to each term
#' @noRd
place_terms <- function(random) {
  groups <- vapply(random, `[[`, "", "group")
  core <- match(groups, unique(groups))
  taken <- integer(length(groups))
  at <- 0L
  for (i in seq_along(random)) {
    term <- random[[i]]
    size <- length(term$columns)
    n <- as.integer(n_theta(term$structure, size))
    places <- list(
      theta = at + seq_len(n),
      core_term = core[i],
      core_cols = taken[core[i]] + seq_len(size)
    )
    term[names(places)] <- places
    random[[i]] <- term
    taken[core[i]] <- taken[core[i]] + size
    at <- at + n
  }
  random
}

#' The terms of the spec: terms with the same grouping factor form one core term
#' @noRd
core_terms <- function(random, z, groups) {
  owner <- vapply(random, `[[`, 1L, "core_term")
  found <- vector("list", max(owner))
  for (core in seq_along(found)) {
    is_own <- owner == core
    own <- random[is_own]
    found[[core]] <- core_term(own, z[is_own], groups[[own[[1L]]$group]])
  }
  found
}

core_term <- function(terms, z, group) {
  columns <- lapply(terms, `[[`, "columns")
  list(
    refs = group$refs,
    n_levels = length(group$levels),
    z = unlist(z, recursive = FALSE, use.names = FALSE),
    columns = unlist(columns),
    part_kind = vapply(terms, `[[`, "", "structure"),
    part_size = lengths(columns),
    part_theta = vapply(terms, \(term) term$theta[1L] - 1L, 1L)
  )
}

check_duplicates <- function(terms) {
  if (length(terms) < 2L) {
    return(invisible())
  }
  labels <- vapply(terms, `[[`, "", "label")
  twice <- labels[duplicated(labels)]
  if (length(twice) == 0L) {
    return(invisible())
  }
  abort_formula(
    sprintf("The term `(%s)` must not stand in `formula` twice.", twice[1L]),
    class = "rlmm_error_duplicate_term"
  )
}

# The labels of the effects of a term, with the intercept if indicators of levels add up to it.
effects_and_intercept <- function(term) {
  indicators <- Map(paste0, names(term$xlevels), term$xlevels)
  is_whole <- \(all) all(all %in% term$columns)
  adds_up <- any(vapply(indicators, is_whole, NA))
  unique(c(term$columns, if (adds_up) "(Intercept)"))
}

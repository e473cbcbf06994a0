# Random-effects terms: for each bar its columns, its grouping factor, its place in theta and in the spec.

#' All random-effects terms of the model
#' @return A list: `random` (the field of the fit: one element per term, in order) and `terms` (of the spec).
#' @noRd
random_design <- function(parsed, frame, env, data) {
  found <- unlist(
    lapply(parsed$bars, bar_terms, frame = frame, env = env, data = data),
    recursive = FALSE
  )
  groups <- list()
  for (i in seq_along(found)) {
    name <- found[[i]]$term$group
    if (is.null(groups[[name]])) {
      groups[[name]] <- group_codes(found[[i]]$term$group_vars, frame, name)
    }
    found[[i]]$term$levels <- groups[[name]]$levels
  }
  check_duplicates(found)
  found <- found[term_order(vapply(
    found,
    \(one) length(one$term$levels),
    1L
  ))]
  random <- place_terms(lapply(found, `[[`, "term"))
  list(
    random = random,
    terms = core_terms(random, lapply(found, `[[`, "z"), groups)
  )
}

#' One term for each grouping of a bar, with the columns they share
#' @return A list of lists: `term`, an element of `random`, and `z`, its columns.
#' @noRd
bar_terms <- function(bar, frame, env, data) {
  effects <- bar_effects(bar, frame, env, data)
  check_structure(bar, effects, frame)
  lapply(bar$groups, function(group) {
    expression <- group_expression(group$atoms, data, env)
    vars <- vapply(group$atoms, deparse_one, "")
    check_group_vars(vars, frame)
    term <- list(
      label = bar_label(bar, group),
      group = group$name,
      group_expr = expression$expr,
      row_wise = expression$row_wise,
      group_vars = vars,
      effects = effects$terms,
      contrasts = effects$contrasts,
      xlevels = effects$xlevels,
      columns = effects$columns,
      structure = bar$structure
    )
    list(term = term, z = effects$z)
  })
}

# `(1 | x^2)` and `(1 | a - b)` mean something else as parts of a formula, and then aren't in the frame.
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

bar_effects <- function(bar, frame, env, data) {
  expr <- bar$effects
  unwrapped <- unwrap_fulldummy(expr)
  terms <- part_terms(
    rlang::new_formula(NULL, unwrapped$expr, env = env),
    frame,
    data
  )
  if (!is.null(attr(terms, "offset"))) {
    abort_effects(bar, "can't hold an `offset()`")
  }
  if (identical(expr, 1)) {
    return(list(terms = terms, z = intercept_column, columns = "(Intercept)"))
  }
  contrasts <- full_contrasts(unwrapped$variables, frame)
  z <- call_design_step(design_columns(terms, frame, contrasts), frame)
  if (count_columns(z) == 0L) {
    abort_effects(bar, "must have a column")
  }
  check_columns_finite(z)
  used <- attr(z, "contrasts")
  if (!is.null(contrasts)) {
    used[names(contrasts)] <- contrasts
  }
  xlevels <- if (!is.null(used)) stats::.getXlevels(terms, frame)
  attr(z, "contrasts") <- NULL
  list(
    terms = terms,
    contrasts = used,
    xlevels = xlevels,
    z = z,
    columns = column_names(z)
  )
}

abort_effects <- function(bar, problem) {
  label <- tick(paste0("(", bar_label(bar, bar$groups[[1L]]), ")"))
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

#' Level of each row, and the levels in use
#' @return A list: `refs` (integer) and `levels` (character).
#' @noRd
group_codes <- function(vars, frame, name) {
  codes <- atom_codes(frame[[vars[1L]]], vars[1L])
  for (var in vars[-1L]) {
    codes <- combine_codes(codes, atom_codes(frame[[var]], var))
  }
  if (anyNA(codes$refs)) {
    abort_still_missing(name, which(is.na(codes$refs)))
  }
  codes
}

atom_codes <- function(x, name) {
  if (is.list(x) || length(dim(x)) > 1L) {
    abort_rlmm(
      c(
        paste0("The grouping factor ", tick(name), " must be a vector."),
        x = paste0("It is ", describe_type(x), ".")
      ),
      "rlmm_error_group"
    )
  }
  if (is.factor(x)) {
    return(used_codes(as.integer(x), unname(levels(x))))
  }
  values <- sort(unique(x))
  labels <- as.character(values)
  refs <- match(x, values)
  if (anyDuplicated(labels)) {
    refs <- match(labels, unique(labels))[refs]
    labels <- unique(labels)
  }
  list(refs = refs, levels = labels)
}

used_codes <- function(refs, levels) {
  used <- tabulate(refs, length(levels)) > 0L
  if (all(used)) {
    return(list(refs = refs, levels = levels))
  }
  list(refs = cumsum(used)[refs], levels = levels[used])
}

# Pairs in use, the second factor running fastest, as in `a:b`.
combine_codes <- function(a, b) {
  pair <- (a$refs - 1) * length(b$levels) + b$refs
  pairs <- sort(unique(pair))
  first <- (pairs - 1) %/% length(b$levels) + 1
  second <- (pairs - 1) %% length(b$levels) + 1
  list(
    refs = match(pair, pairs),
    levels = paste(a$levels[first], b$levels[second], sep = ":")
  )
}

# Order and place -----------------------------------------------------------

# As lme4: untouched if the numbers of levels never increase, else by them, and in reverse among equals.
term_order <- function(n_levels) {
  if (any(diff(n_levels) > 0L)) rev(order(n_levels)) else seq_along(n_levels)
}

#' Give each term its indices into theta and its columns of a core term
#' @noRd
place_terms <- function(random) {
  groups <- unique(vapply(random, `[[`, "", "group"))
  taken <- integer(length(groups))
  at <- 0L
  for (i in seq_along(random)) {
    size <- length(random[[i]]$columns)
    count <- as.integer(n_theta(random[[i]]$structure, size))
    core <- match(random[[i]]$group, groups)
    random[[i]]$theta <- at + seq_len(count)
    random[[i]]$core_term <- core
    random[[i]]$core_cols <- taken[core] + seq_len(size)
    taken[core] <- taken[core] + size
    at <- at + count
  }
  random
}

#' The terms of the spec: terms with the same grouping side by side
#' @noRd
core_terms <- function(random, z, groups) {
  owner <- vapply(random, `[[`, 1L, "core_term")
  lapply(seq_len(max(owner)), function(core) {
    mine <- which(owner == core)
    parts <- random[mine]
    group <- groups[[parts[[1L]]$group]]
    list(
      refs = group$refs,
      n_levels = length(group$levels),
      z = unname(unlist(z[mine], recursive = FALSE)),
      part_kind = vapply(parts, `[[`, "", "structure"),
      part_size = lengths(lapply(parts, `[[`, "columns")),
      part_theta = vapply(parts, function(p) p$theta[1L] - 1L, 1L)
    )
  })
}

check_duplicates <- function(found) {
  labels <- vapply(found, \(one) one$term$label, "")
  twice <- labels[duplicated(labels)]
  if (length(twice) == 0L) {
    return(invisible())
  }
  abort_formula(
    paste0(
      "The term ",
      tick(paste0("(", twice[1L], ")")),
      " must not stand in `formula` twice."
    ),
    class = "rlmm_error_duplicate_term"
  )
}

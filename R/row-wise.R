# Variables of a model whose value in a row depends on other rows, such as `x - mean(x)`, or on the
# order of a factor's levels. In one chunk of the data they would have other values than in all.

#' Raises an error about variables that depend on other rows, for data that are a table
#' @noRd
check_row_wise <- function(plan, rows, extras) {
  odd <- setdiff(bases(plan), plan$bases)
  if (length(odd) == 0L) {
    odd <- setdiff(depending_on_other_rows(plan, rows, extras), plan$bases)
  }
  refuse_dependent(odd)
}

refuse_dependent <- function(odd) {
  if (length(odd) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      sprintf("Can't sum up %s piece by piece.", tick(odd[1L])),
      x = "Its value in one row depends on other rows.",
      i = "Compute it as a column of the data first?"
    ),
    "rlmm_error_sums",
    variable = odd[1L]
  )
}

#' Variables, weights and offsets that differ between some of the rows and all rows
#'
#' Every second row reveals `x - mean(x)` and `cumsum(x)`; the rows with the smaller, or the larger,
#' values of a column reveal `as.integer(factor(x))`. A basis, such as `poly(x, 2)`, that can't be
#' evaluated in any of the parts counts as well.
#' @return The expressions of these variables, as text.
#' @noRd
depending_on_other_rows <- function(plan, rows, extras) {
  rows <- sample_rows(rows)
  if (is.null(rows)) {
    return(character())
  }
  all <- values_in(rows, plan, extras)
  parts <- parts_of_rows(rows, plan, extras)
  of_parts <- lapply(parts, \(part) {
    values_in(rows[part, , drop = FALSE], plan, extras)
  })
  is_unlike <- \(name) {
    own <- lapply(of_parts, `[[`, name)
    like <- Map(\(part, at) is_same_part(all[[name]], part, at), own, parts)
    if (any(lengths(like) > 0L)) {
      !all(unlist(like))
    } else {
      name %in% bases(plan)
    }
  }
  Filter(is_unlike, names(all))
}

#' Raises an error about variables that differ between the first chunk, or another one, and both
#' together
#' @noRd
check_against_first <- function(plan, first, chunk, extras) {
  columns <- columns_of_model(chunk, plan, extras)
  parts <- lapply(list(first, chunk), \(rows) {
    sample_rows(rows)[intersect(columns, names(rows))]
  })
  both <- tryCatch(do.call(rbind, parts), error = \(cnd) NULL)
  if (is.null(both)) {
    return(invisible())
  }
  is_first <- seq_len(nrow(both)) <= nrow(parts[[1L]])
  beside <- values_in(both, plan, extras)
  # A column may be a factor in one chunk and text in another.
  beside <- beside[!unquoted(names(beside)) %in% columns]
  odd <- Map(
    \(part, at) changed_values(beside, values_in(part, plan, extras), at),
    parts,
    list(is_first, !is_first)
  )
  refuse_dependent(unlist(odd))
}

# The names of variables whose values in some rows differ from those in the same rows among all.
changed_values <- function(all, own, rows) {
  names <- intersect(names(all), names(own))
  is_like <- \(name) is_same_part(all[[name]], own[[name]], rows, FALSE)
  Filter(\(name) !is_like(name), names)
}

#' The levels of factors whose integer codes a variable uses, such as `as.integer(f)`: each part of
#' the data must have the same levels
#' @return A named list, empty if there is no such factor.
#' @noRd
coded_levels <- function(plan, rows, extras) {
  rows <- sample_rows(rows)
  used <- columns_of_model(rows, plan, extras)
  factors <- Filter(\(name) is.factor(rows[[name]]), used)
  values <- \(rows) lapply(values_in(rows, plan, extras), bare_values)
  all <- if (length(factors) > 0L) values(rows)
  is_coded <- \(name) {
    x <- rows[[name]]
    other <- make.unique(c(levels(x), "other"))[nlevels(x) + 1L]
    levels <- c(other, rev(levels(x)))
    rows[[name]] <- factor(x, levels, ordered = is.ordered(x))
    !identical(values(rows), all)
  }
  coded <- rlang::set_names(Filter(is_coded, factors))
  lapply(coded, \(name) levels(rows[[name]]))
}

# The values of a model's variables, weights and offset in some rows, named by their expressions.
# Expressions that fail, or have another length than the rows, are left out.
values_in <- function(rows, plan, extras) {
  env <- formula_env(plan$formula)
  variables <- as.list(plan$variables)[-1L]
  names(variables) <- vapply(variables, deparse_one, "")
  values <- lapply(variables, \(expr) {
    suppressWarnings(eval_or_null(expr, rows, env))
  })
  given <- Map(
    \(quo, arg) {
      tryCatch(
        eval_extra(quo, rows, env, arg),
        error = \(cnd) NULL
      )
    },
    extras,
    names(extras)
  )
  written <- vapply(extras, \(quo) deparse_one(rlang::quo_get_expr(quo)), "")
  names(given) <- sprintf("%s = %s", names(extras), written)
  Filter(\(x) NROW(x) == nrow(rows), c(values, given))
}

# Equally spaced rows of a data frame, enough to reveal dependence on other rows.
sample_rows <- function(rows) {
  if (is.data.frame(rows)) {
    n <- nrow(rows)
    at <- unique(round(seq(1, n, length.out = min(n, n_sampled_rows))))
    as.data.frame(rows)[at, , drop = FALSE]
  }
}

columns_of_model <- function(rows, plan, extras) {
  exprs <- c(list(plan$variables), lapply(extras, rlang::quo_get_expr))
  intersect(unlist(lapply(exprs, all.vars)), names(rows))
}

parts_of_rows <- function(rows, plan, extras) {
  n <- nrow(rows)
  columns <- unclass(rows)[columns_of_model(rows, plan, extras)]
  in_turns <- split(seq_len(n), seq_len(n) %% 2L)
  c(in_turns, unlist(lapply(columns, parts_by_value), recursive = FALSE))
}

# The rows with the smaller values of a column and those with the larger ones.
parts_by_value <- function(x) {
  values <- if (is.atomic(x) && is.null(dim(x))) sort(unique(x))
  if (length(values) < 2L) {
    return(NULL)
  }
  split(seq_along(x), match(x, values) > length(values) %/% 2L)
}

#' Whether the values in a part of the rows equal those among all rows; `NULL` if there are none
#' @param ordered Whether levels must have the same order.
#' @noRd
is_same_part <- function(whole, part, rows, ordered = TRUE) {
  if (is.null(part)) {
    return(NULL)
  }
  first <- if (is.matrix(whole)) whole[rows, ] else whole[rows]
  at <- if (ordered && is.factor(part)) match(levels(part), levels(whole))
  !is.unsorted(at, na.rm = TRUE) &&
    identical(bare_values(first), bare_values(part))
}

bare_values <- function(x) {
  if (is.factor(x)) {
    as.character(x)
  } else if (is.numeric(x) || is.logical(x)) {
    as.double(x)
  } else {
    as.vector(unclass(x))
  }
}

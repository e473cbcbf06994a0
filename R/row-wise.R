# What of a model's variables depends on more than its own row: in a piece of the data it would be
# another, or it goes by the order of a factor's levels there.

#' Refuse variables whose rows depend on other rows: what sums up a table doesn't have these
#' @noRd
check_row_wise <- function(plan, rows, extras) {
  odd <- setdiff(bases(plan), plan$bases)
  if (length(odd) == 0L) {
    odd <- setdiff(unlike_their_part(plan, rows, extras), plan$bases)
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

#' Variables, weights and offsets that are others in some of the rows than in all
#'
#' One row in two tells `x - mean(x)` and `cumsum(x)`; the rows with the smaller, or the larger,
#' values of a column tell `as.integer(factor(x))`. A basis that no part can have alone is one too.
#' @return Their expressions as text.
#' @noRd
unlike_their_part <- function(plan, rows, extras) {
  rows <- rows_to_try(rows)
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

#' Refuse variables that are others in the first chunk, or in another one, than in both together
#' @noRd
check_beside_first <- function(plan, first, chunk, extras) {
  columns <- columns_of_model(chunk, plan, extras)
  parts <- lapply(list(first, chunk), \(rows) {
    rows_to_try(rows)[intersect(columns, names(rows))]
  })
  both <- tryCatch(do.call(rbind, parts), error = \(cnd) NULL)
  if (is.null(both)) {
    return(invisible())
  }
  is_first <- seq_len(nrow(both)) <= nrow(parts[[1L]])
  beside <- values_in(both, plan, extras)
  # A column may be a factor here and text there.
  beside <- beside[!unquoted(names(beside)) %in% columns]
  odd <- Map(
    \(part, at) unlike_values(beside, values_in(part, plan, extras), at),
    parts,
    list(is_first, !is_first)
  )
  refuse_dependent(unlist(odd))
}

# The names of values of some rows that are others among all.
unlike_values <- function(all, own, rows) {
  names <- intersect(names(all), names(own))
  is_like <- \(name) is_same_part(all[[name]], own[[name]], rows, FALSE)
  Filter(\(name) !is_like(name), names)
}

#' The levels of the factors on whose codes a variable depends, such as `as.integer(f)`: each part
#' of the data must have the same ones
#' @return A named list; empty if there is none.
#' @noRd
coded_levels <- function(plan, rows, extras) {
  rows <- rows_to_try(rows)
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

# The values of a model's variables, of its weights and of its offset in some rows, by their
# expressions; those that can't be evaluated there, or are as long as other rows, are left out.
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

# Rows from all over a data frame, so many that what depends on others is seen.
rows_to_try <- function(rows) {
  if (is.data.frame(rows)) {
    n <- nrow(rows)
    at <- unique(round(seq(1, n, length.out = min(n, rows_looked_at))))
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

# Where a column has its smaller values, and where it has the larger ones.
parts_by_value <- function(x) {
  values <- if (is.atomic(x) && is.null(dim(x))) sort(unique(x))
  if (length(values) < 2L) {
    return(NULL)
  }
  split(seq_along(x), match(x, values) > length(values) %/% 2L)
}

#' Whether values in a part of the rows are those that they have among all; `NULL` if they have none
#' @param ordered Must levels have the same order?
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

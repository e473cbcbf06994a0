# Grouping by an expression, which must give the same levels in new data.

#' The expression of a grouping, for use with new data
#'
#' Summaries of the data and values from the environment are inserted as constants: the breaks of
#' `cut(x, 4)`, the mean in `x > mean(x)`, and the levels of `a` in `as.integer(a)` are those of the
#' fit.
#' @return A list: `expr`, and `row_wise`, `FALSE` if the level of a row still depends on other
#'   rows.
#' @noRd
group_expression <- function(atoms, data, env) {
  if (length(atoms) == 1L && is.symbol(atoms[[1L]])) {
    return(list(expr = atoms[[1L]], row_wise = TRUE))
  }
  frozen <- lapply(atoms, freeze_atom, data = data, env = env)
  expressions <- lapply(frozen, `[[`, "expr")
  list(
    expr = Reduce(\(a, b) call(":", a, b), expressions),
    row_wise = all(vapply(frozen, `[[`, NA, "row_wise"))
  )
}

freeze_atom <- function(atom, data, env) {
  if (is.symbol(atom)) {
    return(list(expr = atom, row_wise = TRUE))
  }
  known <- attr(data, "fitted_atoms")[[deparse_one(atom)]]
  if (!is.null(known)) {
    return(known)
  }
  value <- eval(atom, data, env)
  frozen <- freeze(atom, NROW(value), data, env)
  expr <- stats::makepredictcall(value, frozen)
  list(
    expr = expr,
    row_wise = is_row_wise(expr, value, data, env)
  )
}

#' Replaces summaries of the data in an expression by constants
#'
#' Arguments that don't have one value for each row are constants of the fit.
#' @param n The number of rows.
#' @noRd
freeze <- function(expr, n, data, env) {
  if (call_name(expr) %in% c("$", "@", "::", ":::", "~", "function")) {
    return(expr)
  }
  for (i in seq_along(expr)[-1L]) {
    # An argument of a call may be empty.
    if (is.language(expr[[i]]) && !rlang::is_missing(expr[[i]])) {
      expr[[i]] <- freeze_argument(expr[[i]], n, data, env)
    }
  }
  if (is_cut(expr)) freeze_cut(expr, data, env) else expr
}

freeze_argument <- function(argument, n, data, env) {
  value <- eval_or_null(argument, data, env)
  if (is.atomic(value) && !is.null(value) && NROW(value) != n) {
    return(value)
  }
  if (is.call(argument)) {
    return(stats::makepredictcall(value, freeze(argument, n, data, env)))
  }
  if (is.factor(value)) freeze_levels(argument, value) else argument
}

eval_or_null <- function(expr, data, env) {
  tryCatch(eval(expr, data, env), error = \(cnd) NULL)
}

# A factor with the levels of the fit, since new data may have fewer levels, or text. New levels
# come after those of the fit.
freeze_levels <- function(name, value) {
  if (anyNA(levels(value))) {
    return(name)
  }
  call(
    "factor",
    name,
    levels = call("union", levels(value), name),
    ordered = is.ordered(value)
  )
}

#' Whether a single row gets the same level as among all rows, tested for ten rows
#' @noRd
is_row_wise <- function(expr, value, data, env) {
  n <- NROW(value)
  if (length(dim(value)) > 1L) {
    return(TRUE)
  }
  names <- lapply(rlang::set_names(all.vars(expr)), as.name)
  variables <- lapply(names, eval_or_null, data = data, env = env)
  rows <- unique(round(seq(1, n, length.out = 10)))
  alone <- \(row) level_of_row(expr, variables, row, n, env)
  levels <- lapply(rows, alone)
  identical(levels, lapply(rows, \(row) as.character(value[row])))
}

level_of_row <- function(expr, variables, row, n, env) {
  alone <- lapply(variables, row_of, row = row, n = n)
  as.character(eval_or_null(expr, alone, env))
}

# One row of a variable; a constant is unchanged.
row_of <- function(x, row, n) {
  if (NROW(x) != n) {
    x
  } else if (is.null(dim(x))) {
    x[row]
  } else {
    x[row, , drop = FALSE]
  }
}

is_cut <- function(expr) {
  name <- expr[[1L]]
  identical(name, quote(cut)) || identical(name, quote(base::cut))
}

# Inserts the breaks into a call of `cut()` with a number of breaks, which depend on the range of x.
freeze_cut <- function(expr, data, env) {
  matched <- match.call(cut.default, expr)
  breaks <- matched$breaks
  if (!is.numeric(breaks) || length(breaks) != 1L) {
    return(expr)
  }
  x <- eval(matched$x, data, env)
  if (!is.numeric(x) || is.object(x)) {
    return(expr)
  }
  matched$breaks <- equal_breaks(range(x, na.rm = TRUE), as.integer(breaks))
  matched
}

# Breaks as documented in ?cut: of equal widths, with the outer limits extended by 0.1% of the
# range.
equal_breaks <- function(range, n) {
  width <- diff(range)
  if (width == 0) {
    width <- abs(range[1L])
    return(seq(
      range[1L] - width / 1000,
      range[2L] + width / 1000,
      length.out = n + 1L
    ))
  }
  breaks <- seq(range[1L], range[2L], length.out = n + 1L)
  margin <- c(-width, width) / 1000
  breaks[c(1L, n + 1L)] <- range + margin
  breaks
}

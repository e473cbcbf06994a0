# Evaluates new data like the data of the fit, with the same bases, contrasts and levels. The data
# of the fit themselves are treated alike, as variables in the columns of the stored frame.

#' The data to predict for
#' @param newdata A data frame or list; `NULL` for the data of the fit.
#' @return A list: `data`; `stored`, whether it is the frame of the fit; `n`; `row_names`;
#'   `frame_n`, the number of rows of the fit without and with those that `na.action` omitted; and
#'   `hints` for a missing group or level.
#' @noRd
new_data <- function(fit, newdata) {
  data <- newdata %||% fit_frame(fit)
  if (!is.list(data) || is_summed_up(data)) {
    abort_newdata_type(newdata)
  }
  is_frame <- is.data.frame(data)
  n <- if (is_frame) nrow(data) else max(0L, lengths(data))
  list(
    data = data,
    stored = is.null(newdata),
    n = n,
    row_names = if (is_frame) row.names(data) else as.character(seq_len(n)),
    frame_n = length(fit$fitted) + c(0L, length(fit$na_action)),
    hints = prediction_hints
  )
}

prediction_hints <- c(
  no_group = "Use `re.form = NA` to predict from the fixed effects alone.",
  no_level = "Use `allow.new.levels = TRUE` to predict from the fixed effects alone."
)

#' The variables of a terms object, as the columns of a model frame
#' @noRd
part_frame <- function(terms, xlevels, new) {
  if (new$stored) {
    return(new$data)
  }
  values <- eval_variables(
    attr(terms, "predvars"),
    new,
    environment(terms),
    shown = attr(terms, "variables")
  )
  names(values) <- variable_names(terms)
  values[] <- Map(
    new_variable,
    values,
    names(values),
    MoreArgs = list(terms = terms, xlevels = xlevels)
  )
  structure(
    values,
    class = "data.frame",
    row.names = .set_row_names(new$n)
  )
}

# A variable of new data with the levels, class and time units of the fit.
new_variable <- function(value, name, terms, xlevels) {
  class <- attr(terms, "dataClasses")[name]
  x <- as_fitted(value, name, xlevels[[name]], class)
  seen <- attr(terms, "times")[[name]]
  if (is.null(seen)) x else as_time(x, seen, name)
}

#' The variables in a call to `list()`, evaluated in new data
#' @param expr The call.
#' @param shown The call for messages, as in the formula.
#' @noRd
eval_variables <- function(expr, new, env, hint = NULL, shown = expr) {
  check_columns(expr, new, env, hint, shown)
  # A plain list avoids methods such as `[` of data.table.
  columns <- lapply(as.list(new$data), drop_matrix)
  values <- tryCatch(
    eval(expr, columns, env),
    error = \(cnd) abort_newdata_variable(cnd, expr, new)
  )
  check_new_lengths(vapply(values, NROW, 1L), expr, new$n)
  values
}

check_new_lengths <- function(sizes, expr, n) {
  wrong <- match(TRUE, sizes != n)
  if (!is.na(wrong)) {
    abort_newdata_length(
      expr[[wrong + 1]],
      sizes[[wrong]],
      n
    )
  }
}

# Converts a matrix with one column to a vector, as `poly()` treats it as several variables in
# prediction.
drop_matrix <- function(x) {
  is_column <- is.matrix(x) && ncol(x) == 1L
  if (is_column) x[, 1L] else x
}

#' Checks that every variable is a column. Inside a call, a variable in the formula's environment is
#' a constant, such as the degree of a polynomial, or a function, unless it is as long as the data
#' of the fit.
#' @noRd
check_columns <- function(expr, new, env, hint, shown) {
  missing <- setdiff(all.vars(expr), names(new$data))
  symbols <- Filter(is.symbol, as.list(expr)[-1])
  bare <- vapply(symbols, as.character, "")
  for (name in missing) {
    value <- get0(name, envir = env)
    if (name %in% bare || is.null(value) || NROW(value) %in% new$frame_n) {
      abort_missing_column(name, shown, new, hint)
    }
  }
}

#' Converts a variable to the levels or the type in the fit
#' @noRd
as_fitted <- function(value, name, levels, class) {
  if (!is.null(levels)) {
    return(as_known_factor(value, levels, name))
  }
  was_number <- class == "numeric" || startsWith(class, "nmatrix")
  if (was_number && !is.numeric(value)) {
    if (!all(is.na(value))) {
      abort_newdata_class(name, "numeric", value)
    }
    value <- as.double(value)
  }
  if (startsWith(class, "nmatrix.")) {
    check_n_columns(value, name, as.integer(sub("nmatrix.", "", class)))
  }
  if (class == "logical" && !is.logical(value)) {
    abort_newdata_class(name, "logical", value)
  }
  value
}

check_n_columns <- function(value, name, n) {
  if (NCOL(value) != n) {
    abort_newdata_columns(name, n, NCOL(value))
  }
}

#' Converts a date or time to the class, and a duration to the units, in the fit
#' @noRd
as_time <- function(value, seen, name) {
  if (inherits(value, "POSIXlt") && inherits(seen, "POSIXct")) {
    value <- as.POSIXct(value)
  }
  kind <- class(seen)[length(class(seen))]
  if (!inherits(value, kind) && !all(is.na(value))) {
    abort_newdata_class(name, describe_type(seen), value)
  }
  if (inherits(value, "difftime")) {
    units(value) <- units(seen)
  }
  value
}

as_known_factor <- function(value, levels, name) {
  labels <- if (is.factor(value)) levels(value)[value] else as.character(value)
  refs <- match(labels, levels)
  new <- unique(labels[is.na(refs) & !is.na(labels)])
  if (length(new) > 0) {
    abort_unknown_level(name, new, levels)
  }
  structure(refs, levels = levels, class = "factor")
}

# Grouping factors ----------------------------------------------------------

#' The level numbers of one term in new data, `NA` for new levels
#' @noRd
term_refs <- function(term, new) {
  if (new$stored) {
    return(group_codes(term$group_vars, new$data, term$group)$refs)
  }
  labels <- row_labels(term, new)
  if (length(term$group_vars) > 1) {
    check_ambiguous(term, labels)
  }
  refs <- match(labels, term$levels)
  unknown <- is.na(refs)
  if (any(unknown)) {
    plain <- plain_numbers(labels[unknown])
    refs[unknown] <- match(plain, plain_numbers(term$levels))
  }
  refs
}

# Checks labels of several factors joined by colons, which may be ambiguous.
check_ambiguous <- function(term, labels) {
  twice <- term$levels[duplicated(term$levels)]
  if (length(twice) > 0) {
    abort_ambiguous(term$group, intersect(labels, twice))
  }
}

#' The label of each row's level
#' @noRd
row_labels <- function(term, new) {
  if (new$stored) {
    return(term$levels[term_refs(term, new)])
  }
  if (isFALSE(term$row_wise)) {
    abort_not_row_wise(term$group)
  }
  atoms <- as.call(c(quote(list), group_atoms(term$group_expr)))
  values <- eval_variables(
    atoms,
    new,
    environment(term$effects),
    new$hints[["no_group"]]
  )
  joined_labels(lapply(values, atom_labels))
}

joined_labels <- function(labels) {
  joined <- do.call(paste, c(labels, sep = ":"))
  joined[Reduce(`|`, lapply(labels, is.na))] <- NA
  joined
}

group_atoms <- function(expr) {
  if (call_name(expr) == ":") {
    c(group_atoms(expr[[2]]), group_atoms(expr[[3]]))
  } else {
    list(expr)
  }
}

# Labels are formatted from the distinct values, since formatting numbers is slow. The number NaN is
# missing, as `is.na()` says.
atom_labels <- function(x) {
  if (is.character(x)) {
    return(x)
  }
  if (is.factor(x)) {
    return(levels(x)[x])
  }
  values <- unique(x)
  labels <- as.character(values)
  labels[is.na(values)] <- NA
  labels[match(x, values)]
}

# The integer 100000 and the double, which is formatted as "1e+05", are the same level.
plain_numbers <- function(labels) {
  powers <- grep("^-?[0-9.]+e[+][0-9]+$", labels)
  labels[powers] <- format(
    as.double(labels[powers]),
    scientific = FALSE,
    trim = TRUE
  )
  labels
}

checked_refs <- function(term, new, allow_new_levels) {
  refs <- term_refs(term, new)
  if (allow_new_levels || !anyNA(refs)) {
    return(refs)
  }
  labels <- row_labels(term, new)
  unseen <- unique(labels[is.na(refs) & !is.na(labels)])
  if (length(unseen) == 0) {
    abort_missing_level(term$group, which(is.na(labels)), new$hints)
  }
  abort_new_levels(term$group, unseen, new$hints)
}

# Arguments of the fitting call ---------------------------------------------

#' The offset of new data, from the formula and the argument `offset`
#' @noRd
new_offset <- function(fit, new) {
  if (new$stored) {
    return(fit_offset(fit) %||% 0)
  }
  terms <- stats::delete.response(fit$fixed$terms)
  offset <- new_argument(fit, "offset", new) %||% 0
  if (is.null(attr(terms, "offset"))) {
    return(offset)
  }
  columns <- unclass(part_frame(terms, fit$fixed$xlevels, new))[attr(
    terms,
    "offset"
  )]
  Reduce(`+`, columns, offset)
}

#' The value in new data of an argument of the call, such as `weights`
#' @noRd
new_argument <- function(fit, name, new) {
  expr <- fit$call[[name]] %||% fit$sums$arguments[[name]]
  # For a fit without its data, it is unknown whether an argument in the call was `NULL`.
  is_absent <- !is.null(fit$frame) &&
    is.null(fit$frame[[paste0("(", name, ")")]])
  if (is.null(expr) || is_absent) {
    return(NULL)
  }
  if (!is.language(expr)) {
    abort_argument_value(name)
  }
  env <- environment(fit$formula)
  eval_variables(call("list", expr), new, env)[[1]]
}

# The names of the variables that are evaluated in new data.
variables_of_fit <- function(fit) {
  arguments <- lapply(c("weights", "offset"), \(name) {
    fit$call[[name]] %||% fit$sums$arguments[[name]]
  })
  exprs <- c(list(stats::formula(fit)), arguments)
  unique(unlist(lapply(exprs, all.vars)))
}

# New data, evaluated as the data of the fit were: the same bases, contrasts and levels. The data of
# the fit themselves go the same way, their variables being columns of the stored frame.

#' What predictions are made for
#' @param newdata A data frame or list; `NULL` for the data of the fit.
#' @return A list: `data`, `stored` (is it the frame of the fit?), `n`, `row_names`, `frame_n`,
#'   the number of rows of the fit, without and with those that `na.action` left out, and `hints`,
#'   what to do where a group or a level is missing.
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

# A variable of new data as the fit knows it, with its levels, its class and its times.
new_variable <- function(value, name, terms, xlevels) {
  class <- attr(terms, "dataClasses")[name]
  x <- as_fitted(value, name, xlevels[[name]], class)
  seen <- attr(terms, "times")[[name]]
  if (is.null(seen)) x else as_time(x, seen, name)
}

#' The variables in a call to `list()`, evaluated in new data
#' @param expr The call.
#' @param shown The call as messages show it: as the formula has it.
#' @noRd
eval_variables <- function(expr, new, env, hint = NULL, shown = expr) {
  check_columns(expr, new, env, hint, shown)
  # data.table's own `[` and the like must not see the columns: a bare list is all that is needed.
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

# A matrix of one column is a vector: `poly()` takes it for several variables when it predicts.
drop_matrix <- function(x) {
  is_column <- is.matrix(x) && ncol(x) == 1L
  if (is_column) x[, 1L] else x
}

#' Every variable must be a column. Inside a call, a variable of the formula's environment is taken
#' for a constant, such as the degree of a polynomial or a function, unless it is as long as the
#' data of the fit.
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

#' A variable with the levels, or of the type, that the fit saw
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

#' A date or time of the class, a duration in the units, that the fit saw
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

#' Row numbers of the levels of one term, `NA` for levels that the fit didn't see
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

# Levels of several factors, joined by colons, may be written alike.
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

# Through the distinct values, because to write a number is slow.
atom_labels <- function(x) {
  if (is.character(x)) {
    return(x)
  }
  if (is.factor(x)) {
    return(levels(x)[x])
  }
  values <- unique(x)
  as.character(values)[match(x, values)]
}

# The integer 100000 and the double, which is written "1e+05", are the same level.
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

#' Offset of the formula, and of the argument `offset` of the call
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

#' The value for new data of an argument that was evaluated in the data of the fit
#' @noRd
new_argument <- function(fit, name, new) {
  expr <- fit$call[[name]] %||% fit$sums$arguments[[name]]
  # A fit without its data can't tell whether a call that names one had any.
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

# The names of what is evaluated in new data.
variables_of_fit <- function(fit) {
  arguments <- lapply(c("weights", "offset"), \(name) {
    fit$call[[name]] %||% fit$sums$arguments[[name]]
  })
  exprs <- c(list(stats::formula(fit)), arguments)
  unique(unlist(lapply(exprs, all.vars)))
}

# Columns of X and Z as expressions in the columns of a table, for engines that can't call R's
# model.matrix().

#' The expressions of a plan
#' @param rows Some rows of the table, for the types of its columns.
#' @param engine The result of [engine_of()].
#' @return A list of expressions: `x`; `z`, a list for each grouping factor; `y`; `w`, `NULL` for
#'   unit weights; `atoms`, the variables of each grouping factor; `groups`, the expressions of all
#'   these variables, by name; and `variables`, the columns of the table that are used.
#' @noRd
sums_expressions <- function(plan, rows, extras, engine) {
  env <- formula_env(plan$formula)
  scope <- list(
    rows = rows,
    env = env,
    engine = engine
  )
  own <- terms_by_group(plan$random)
  atoms <- lapply(own, \(terms) terms[[1L]]$group_vars)
  terms <- stats::delete.response(plan$fixed$terms)
  found <- list(
    x = column_expressions(terms, plan$fixed, scope),
    z = lapply(own, \(terms) unlist(lapply(terms, term_expressions, scope))),
    y = response_expression(plan, extras, scope),
    w = extra_expression(extras$weights, scope),
    atoms = atoms,
    groups = group_expressions(unique(unlist(atoms)), scope),
    frequency = plan$frequency
  )
  found$variables <- used_variables(found)
  check_table_columns(found$variables, names(rows))
  found
}

# The terms of each grouping factor, by name.
terms_by_group <- function(random) {
  groups <- vapply(random, `[[`, "", "group")
  split(random, factor(groups, unique(groups)))
}

used_variables <- function(found) {
  expressions <- unlist(found[c("x", "z", "y", "w", "groups")])
  unique(unlist(lapply(expressions, all.vars)))
}

# The response minus all offsets.
response_expression <- function(plan, extras, scope) {
  y <- number_expression(plan$parsed$response, scope)
  for (offset in formula_offsets(plan)) {
    y <- call("-", y, in_parentheses(number_expression(offset, scope)))
  }
  offset <- extra_expression(extras$offset, scope)
  if (is.null(offset)) y else call("-", y, in_parentheses(offset))
}

extra_expression <- function(extra, scope) {
  if (is.null(extra)) {
    return(NULL)
  }
  scope$env <- rlang::quo_get_env(extra)
  number_expression(rlang::quo_get_expr(extra), scope)
}

# Converts logical values, dates and times to numbers.
number_expression <- function(expr, scope) {
  plain <- plain_expression(expr, scope)
  value <- value_in_rows(expr, scope)
  if (is.logical(value)) {
    indicator(plain, TRUE)
  } else if (inherits(value, "Date")) {
    scope$engine$days(plain)
  } else if (inherits(value, "POSIXct")) {
    scope$engine$seconds(plain)
  } else {
    plain
  }
}

formula_offsets <- function(plan) {
  terms <- plan$fixed$terms
  as.list(attr(terms, "variables"))[-1L][attr(terms, "offset")] |>
    lapply(\(offset) offset[[2L]])
}

term_expressions <- function(term, scope) {
  if (identical(term$columns, "(Intercept)")) {
    return(list(1))
  }
  column_expressions(term$effects, term, scope)
}

# The expression of a variable from its name: names of columns need not be syntactic.
named_variable <- function(name, scope) {
  if (name %in% names(scope$rows)) as.name(name) else str2lang(name)
}

# The expressions of grouping variables. Logical values become text, as engines print them
# differently.
group_expressions <- function(atoms, scope) {
  lapply(rlang::set_names(atoms), \(atom) {
    expr <- plain_expression(named_variable(atom, scope), scope)
    if (is.call(expr) && is.logical(value_in_rows(expr, scope))) {
      call("if_else", expr, "TRUE", "FALSE")
    } else {
      expr
    }
  })
}

check_table_columns <- function(variables, known) {
  unknown <- setdiff(variables, known)
  if (length(unknown) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      sprintf("Can't find %s in the table.", tick(unknown[1L])),
      did_you_mean(unknown[1L], known)
    ),
    "rlmm_error_variable",
    variable = unknown[1L]
  )
}

# Expressions -----------------------------------------------------------------

#' An expression in the columns of a table, without functions that only R's formulas have
#'
#' Names of single values in the formula's environment are replaced by these values.
#' @param scope A list: `rows`, a data frame with the columns; `env`, the environment of the
#'   formula; and `engine`, see [engine_of()].
#' @noRd
plain_expression <- function(expr, scope) {
  if (is.symbol(expr)) {
    return(column_or_value(expr, scope))
  }
  if (!is.call(expr)) {
    return(expr)
  }
  wrappers <- c("I", "factor", "as.factor", "(")
  if (deparse_one(expr[[1L]]) %in% wrappers && length(expr) == 2L) {
    return(in_parentheses(plain_expression(expr[[2L]], scope)))
  }
  number <- scope$engine$moment(expr, scope)
  if (!is.null(number)) {
    return(number)
  }
  expr[-1L] <- lapply(as.list(expr)[-1L], plain_expression, scope)
  as_division(expr, scope$engine$double)
}

# Engines divide integers without remainder, and `%%` has the sign of the dividend; R's definitions
# are written out.
as_division <- function(expr, as_double) {
  name <- call_name(expr)
  if (length(expr) != 3L || !name %in% c("/", "%/%", "%%")) {
    return(expr)
  }
  a <- in_parentheses(expr[[2L]])
  b <- in_parentheses(expr[[3L]])
  ratio <- call("/", as_double(a), b)
  whole <- call("floor", ratio)
  switch(
    name,
    `/` = ratio,
    `%/%` = whole,
    `%%` = call("(", call("-", a, call("*", b, whole)))
  )
}

column_or_value <- function(symbol, scope) {
  name <- as.character(symbol)
  if (!nzchar(name) || name %in% names(scope$rows)) {
    return(symbol)
  }
  value <- get0(name, envir = scope$env)
  is_value <- is.atomic(value) && length(value) == 1L && !is.object(value)
  if (is_value) value else symbol
}

value_in_rows <- function(expr, scope) {
  eval_or_null(expr, scope$rows, scope$env)
}

in_parentheses <- function(expr) {
  is_open <- is.call(expr) && !identical(expr[[1L]], quote(`(`))
  if (is_open) call("(", expr) else expr
}

indicator <- function(variable, value, weight = 1) {
  call("if_else", call("==", variable, value), weight, 0)
}

# The variable and the level that an expression indicates, as text; "" if it is no indicator.
indicated_level <- function(expr) {
  is_indicator <- is.call(expr) &&
    call_name(expr) == "if_else" &&
    call_name(expr[[2L]]) == "==" &&
    is.atomic(expr[[2L]][[3L]]) &&
    identical(as.list(expr)[3:4], list(1, 0))
  if (!is_indicator) {
    return(c(variable = "", level = ""))
  }
  condition <- expr[[2L]]
  c(
    variable = deparse_one(condition[[2L]]),
    level = as.character(condition[[3L]])
  )
}

# Columns of a model matrix ---------------------------------------------------

#' The columns of a model matrix in the order of `model.matrix()`
#' @param part A list with the `contrasts` and `xlevels` of the variables.
#' @noRd
column_expressions <- function(terms, part, scope) {
  factors <- full_first_factor(terms)
  columns <- if (attr(terms, "intercept") == 1L) list(1)
  for (label in attr(terms, "term.labels")) {
    codes <- rlang::set_names(factors[, label], rownames(factors))
    own <- interaction_columns(codes[codes > 0L], terms, part, scope)
    columns <- c(columns, own)
  }
  columns
}

interaction_columns <- function(codes, terms, part, scope) {
  coded <- \(written, code) coded_variable(written, code, terms, part, scope)
  columns <- Map(coded, names(codes), codes)
  if (length(columns) > 1L) {
    columns <- lapply(columns, lapply, as_factor_of_product, scope)
  }
  Reduce(products_of, columns)
}

# Products of integers may overflow.
as_factor_of_product <- function(column, scope) {
  is_whole <- is.integer(value_in_rows(column, scope))
  if (is_whole) scope$engine$double(column) else column
}

products_of <- function(a, b) {
  pairs <- expand.grid(seq_along(a), seq_along(b))
  Map(
    \(i, j) call("*", a[[i]], b[[j]]),
    pairs[[1L]],
    pairs[[2L]]
  )
}

#' The attribute "factors" of terms, corrected for a missing intercept: `model.matrix()` then codes
#' the first factor of the first term with a factor by indicators of all levels
#' @noRd
full_first_factor <- function(terms) {
  factors <- attr(terms, "factors")
  if (attr(terms, "intercept") == 1L || length(factors) == 0L) {
    return(factors)
  }
  classes <- attr(terms, "dataClasses")[variable_names(terms)]
  is_factor <- is_category_class(classes)
  first <- which(factors > 0L & is_factor, arr.ind = TRUE)
  factors[first[seq_len(min(1L, nrow(first))), , drop = FALSE]] <- 2L
  factors
}

# The columns of one variable of a term. As in the attribute "factors" of terms, `code` is 1 for
# contrasts and 2 for indicators of all levels, and names are quoted if they are not syntactic.
coded_variable <- function(written, code, terms, part, scope) {
  at <- match(written, rownames(attr(terms, "factors")))
  name <- variable_names(terms)[at]
  class <- attr(terms, "dataClasses")[[name]]
  if (startsWith(class, "nmatrix")) {
    return(basis_columns(variable_as_used(name, terms), scope))
  }
  expr <- str2lang(written)
  is_logical <- class == "logical"
  levels <- if (is_logical) c("FALSE", "TRUE") else part$xlevels[[name]]
  if (is.null(levels)) {
    return(list(number_expression(expr, scope)))
  }
  coding <- level_coding(levels, code, part$contrasts[[name]])
  level_columns(plain_expression(expr, scope), levels, coding, scope)
}

level_coding <- function(levels, code, contrasts) {
  if (code == 1L) {
    coding_matrix(levels, contrasts %||% "contr.treatment")
  } else {
    diag(length(levels))
  }
}

level_columns <- function(variable, levels, coding, scope) {
  values <- level_values(levels, value_in_rows(variable, scope))
  apply(
    coding,
    2L,
    \(weights) level_sum(variable, values, weights)
  )
}

coding_matrix <- function(levels, contrasts) {
  if (is.matrix(contrasts)) {
    return(contrasts[levels, , drop = FALSE])
  }
  f <- factor(levels, levels)
  stats::contrasts(stats::`contrasts<-`(f, value = contrasts))
}

# The levels in the type of the table's column.
level_values <- function(levels, values) {
  if (is.logical(values)) {
    as.logical(levels)
  } else if (is.numeric(values)) {
    as.numeric(levels)
  } else {
    levels
  }
}

# The expression sum_l weights[l] (variable == values[l]).
level_sum <- function(variable, values, weights) {
  used <- which(weights != 0)
  parts <- lapply(used, \(l) {
    indicator(variable, values[[l]], weights[[l]])
  })
  if (length(parts) > 0L) balanced_sum(parts) else 0
}

# The sum of expressions as a balanced tree, since dbplyr can't translate fifty nested calls.
balanced_sum <- function(parts) {
  n <- length(parts)
  if (n == 1L) {
    return(parts[[1L]])
  }
  half <- seq_len(n %/% 2L)
  left <- in_parentheses(balanced_sum(parts[half]))
  call(
    "+",
    left,
    in_parentheses(balanced_sum(parts[-half]))
  )
}

# Bases -----------------------------------------------------------------------

# The call of a variable with the parameters that it took from the data, from `predvars`.
variable_as_used <- function(name, terms) {
  at <- match(name, variable_names(terms))
  attr(terms, "predvars")[[at + 1L]]
}

#' The columns of a matrix variable: `poly()`, raw or with coefficients, and `scale()` with values
#' @noRd
basis_columns <- function(expr, scope) {
  name <- call_name(expr)
  if (name == "scale") {
    return(scaled_column(expr, scope))
  }
  found <- if (name == "poly") polynomial(expr, scope)
  found %||% abort_no_expression(deparse_one(expr), "It is a matrix.")
}

# The arguments of a call of `poly()` with one variable; `NULL` if it has several.
poly_arguments <- function(expr, env) {
  matched <- match.call(stats::poly, expr, expand.dots = FALSE)
  others <- matched$...
  degree <- matched$degree %||% if (length(others) > 0L) others[[1L]] else 1
  degree <- eval_or_null(degree, NULL, env)
  if (length(others) > 1L || !is_number(degree)) {
    return(NULL)
  }
  raw <- isTRUE(eval_or_null(matched$raw, NULL, env))
  list(
    x = matched$x,
    degree = degree,
    raw = raw,
    coefs = matched$coefs
  )
}

polynomial <- function(expr, scope) {
  arguments <- poly_arguments(expr, scope$env)
  x <- plain_expression(arguments$x, scope)
  if (isTRUE(arguments$raw)) {
    lapply(seq_len(arguments$degree), \(power) call("^", x, power))
  } else if (!is.null(arguments$coefs)) {
    polynomials(x, eval(arguments$coefs), arguments$degree)
  }
}

scaled_column <- function(expr, scope) {
  matched <- match.call(scale.default, expr)
  column <- plain_expression(matched$x, scope)
  if (is.numeric(matched$center)) {
    column <- call("(", call("-", column, matched$center))
  }
  if (is.numeric(matched$scale)) {
    column <- call("/", column, matched$scale)
  }
  list(column)
}

#' Orthogonal polynomials of degrees 1, 2, ..., normalized, by the three-term recurrence
#' @param coefs The attribute "coefs" of `poly()`.
#' @noRd
polynomials <- function(x, coefs, degree) {
  found <- orthogonal(x, coefs, degree)
  norms <- sqrt(coefs$norm2[-(1:2)])
  Map(
    \(p, norm) call("/", in_parentheses(p), norm),
    found[-1L],
    norms
  )
}

# p_0 = 1 and p_(j+1) = (x - alpha_j) p_j - (norm2_j / norm2_(j-1)) p_(j-1).
orthogonal <- function(x, coefs, degree) {
  p <- list(1)
  for (j in seq_len(degree)) {
    step <- call(
      "*",
      in_parentheses(call("-", x, coefs$alpha[j])),
      p[[j]]
    )
    if (j > 1L) {
      ratio <- coefs$norm2[j + 1L] / coefs$norm2[j]
      step <- call(
        "-",
        step,
        call("*", ratio, p[[j - 1L]])
      )
    }
    p[[j + 1L]] <- in_parentheses(step)
  }
  p
}

abort_no_expression <- function(variable, why) {
  abort_rlmm(
    c(
      sprintf("Can't write %s for a database.", tick(variable)),
      x = why,
      i = "Compute it as a column of the table first?"
    ),
    "rlmm_error_sums",
    variable = variable
  )
}

# Basis functions with parameters that depend on all rows, `poly()` and `scale()`, computed from
# sums over a table.

#' Adds the parameters of bases, computed from the whole table, to a plan
#' @return The plan, with the names of these bases in `bases`.
#' @noRd
with_table_bases <- function(plan, table, rows) {
  made <- table_bases(plan, table, rows)
  plan$fixed$terms <- set_predvars(plan$fixed$terms, made)
  plan$random <- lapply(plan$random, \(term) {
    term$effects <- set_predvars(term$effects, made)
    term
  })
  plan$bases <- names(made)
  plan
}

table_bases <- function(plan, table, rows) {
  env <- formula_env(plan$formula)
  scope <- list(
    rows = rows,
    env = env,
    engine = engine_of(table)
  )
  made <- lapply(rlang::set_names(bases(plan)), \(name) {
    expr <- str2lang(name)
    table_basis(expr, rows_with(table, all.vars(expr)), scope)
  })
  drop_null(made)
}

# Variables such as `poly(x, 2)`, whose parameters R stores in the `predvars` of the terms.
bases <- function(plan) {
  written <- as.list(plan$variables)[-1L]
  evaluated <- as.list(plan$predvars)[-1L]
  changed <- !mapply(identical, written, evaluated)
  vapply(written[changed], deparse_one, "")
}

set_predvars <- function(terms, made) {
  at <- match(names(made), variable_names(terms))
  for (i in which(!is.na(at))) {
    attr(terms, "predvars")[[at[i] + 1L]] <- made[[i]]
  }
  terms
}

#' The call of a basis with its parameters; `NULL` for a basis that can't be computed from sums
#' @noRd
table_basis <- function(expr, table, scope) {
  switch(
    call_name(expr),
    poly = table_poly(expr, table, scope),
    scale = table_scale(expr, table, scope)
  )
}

#' The coefficients of orthogonal polynomials, degree by degree: alpha_j is the mean of x weighted
#' by p_j^2, and norm2_j is the sum of p_j^2
#' @noRd
table_poly <- function(expr, table, scope) {
  arguments <- poly_arguments(expr, scope$env)
  if (is.null(arguments) || arguments$raw) {
    return(NULL)
  }
  x <- plain_expression(arguments$x, scope)
  expr$coefs <- poly_coefficients(x, arguments$degree, table)
  expr
}

poly_coefficients <- function(x, degree, table) {
  coefs <- list(alpha = numeric(), norm2 = 1)
  for (j in 0:degree) {
    p <- orthogonal(x, coefs, j)[[j + 1L]]
    sums <- basis_sums(table, x, p)
    coefs$norm2[j + 2L] <- sums$norm2
    coefs$alpha[j + 1L] <- sums$alpha / sums$norm2
  }
  coefs$alpha <- coefs$alpha[seq_len(degree)]
  coefs
}

# sum(p^2) and sum(x p^2).
basis_sums <- function(table, x, p) {
  as_double <- engine_of(table)$double
  columns <- list(x = as_double(x), p = as_double(p))
  rows <- dplyr::transmute(table, !!!columns)
  squares <- list(
    norm2 = quote(sum(p * p, na.rm = TRUE)),
    alpha = quote(sum(x * p * p, na.rm = TRUE))
  )
  found <- collect_first(dplyr::summarise(rows, !!!squares), 1L)
  lapply(found, as.numeric)
}

table_scale <- function(expr, table, scope) {
  matched <- match.call(scale.default, expr)
  x <- plain_expression(matched$x, scope)
  mean <- basis_sums(table, x, 1)
  center <- 0
  if (is_wanted(matched$center, scope)) {
    center <- expr$center <- mean$alpha / mean$norm2
  }
  if (is_wanted(matched$scale, scope)) {
    spread <- basis_sums(table, x, call("-", x, center))$norm2
    expr$scale <- sqrt(spread / (mean$norm2 - 1))
  }
  expr
}

# Whether an argument of `scale()` is missing or `TRUE`.
is_wanted <- function(argument, scope) {
  is.null(argument) || isTRUE(eval_or_null(argument, NULL, scope$env))
}

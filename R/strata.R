# Strata of the residual variance, rlmm(dispersion = ~ group): the argument, and the strata in a
# frame.

# Replaces the quosure of `dispersion` by the expression of its strata.
with_strata_expression <- function(extras) {
  if (!is.null(extras$dispersion)) {
    extras$dispersion <- strata_quosure(extras$dispersion)
  }
  extras
}

#' The argument `dispersion` as an expression for evaluation in the data
#' @param quo A quosure.
#' @noRd
strata_quosure <- function(quo) {
  env <- rlang::quo_get_env(quo)
  expr <- rlang::quo_get_expr(quo)
  value <- if (is.symbol(expr)) get0(as.character(expr), env) else expr
  is_formula <- inherits(value, "formula") || call_name(value) == "~"
  if (is.character(expr)) {
    abort_strata(
      not_strata,
      it_is(expr),
      c(i = sprintf("Write `dispersion = ~%s`.", expr))
    )
  }
  if (!is_formula) {
    return(quo)
  }
  if (inherits(value, "formula")) {
    env <- environment(value) %||% env
  }
  rlang::new_quosure(strata_expression(value), env)
}

#' The expression of the strata of a formula: `~ g`, `~ a:b`, `~ a * b`, or `~ 1 | g` of nlme
#' @noRd
strata_expression <- function(formula) {
  expr <- strip_parens(formula[[length(formula)]])
  if (call_name(expr) == "|") {
    expr <- expr[[3L]]
  }
  atoms <- strata_atoms(expr)
  if (length(formula) != 2L || is.null(atoms)) {
    abort_strata(
      "`dispersion` must be a one-sided formula of factors, as `~ g` or `~ a:b`.",
      paste0("It is ", tick(deparse_one(formula)), ".")
    )
  }
  as.call(c(crossed_strata, atoms))
}

# The interaction of the factors of a formula. Numeric covariates are an error: each of their values
# would have its own variance here, while in glmmTMB they define a variance function.
crossed_strata <- function(...) {
  factors <- list(...)
  is_number <- vapply(factors, is.numeric, NA)
  if (any(is_number)) {
    written <- as.list(substitute(list(...)))[-1L]
    abort_numeric_stratum(short_deparse(written[[which(is_number)[1L]]]))
  }
  factors <- lapply(factors, factor)
  if (length(factors) == 1L) {
    factors[[1L]]
  } else {
    interaction(factors, drop = TRUE, sep = ":")
  }
}

abort_numeric_stratum <- function(name) {
  abort_argument(
    "`dispersion` must name factors.",
    x = sprintf("%s is numeric.", tick(name)),
    i = sprintf("`factor(%s)` has a variance for each value.", name),
    arg = "dispersion",
    class = "rlmm_error_dispersion"
  )
}

# The factors of an interaction; `NULL` for other expressions.
strata_atoms <- function(expr) {
  if (call_name(expr) %in% c(":", "*", "&")) {
    parts <- lapply(as.list(expr)[-1L], strata_atoms)
    return(if (!any(vapply(parts, is.null, NA))) unlist(parts))
  }
  is_other <- is.numeric(expr) ||
    call_name(expr) %in% c("+", "-", "/", "^", "|")
  if (!is_other) list(expr)
}

not_strata <- "`dispersion` must be a formula of factors, or a factor."

abort_strata <- function(problem, found, hint = NULL) {
  abort_argument(
    problem,
    hint,
    x = found,
    arg = "dispersion",
    class = "rlmm_error_dispersion"
  )
}

#' Checks the evaluated strata
#' @noRd
check_strata <- function(x) {
  is_labels <- is.factor(x) || is.character(x) || is.logical(x)
  if (is_labels && is.null(dim(x))) {
    return(invisible())
  }
  abort_strata(not_strata, it_is(x))
}

has_strata <- function(frame) !is.null(.subset2(frame, "(dispersion)"))

strata_of <- function(frame) factor(.subset2(frame, "(dispersion)"))

abort_with_strata <- function(what) {
  abort_rlmm(
    c(
      paste(what, "isn't available with `dispersion`."),
      i = "The residual variances of the strata would be held at their estimates."
    ),
    "rlmm_error_not_available"
  )
}

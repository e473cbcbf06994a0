#' Fixed effects and coefficients by group
#'
#' `fixef()` returns the estimates of the fixed effects, beta. `coef()` returns, as in lme4, the
#' sums of fixed and random effects for each level of each grouping factor, with `se = TRUE` also
#' their standard errors; `as.data.frame()` of the result combines all in one table, with confidence
#' limits.
#'
#' Standard errors are those of the prediction error of the sum, from the joint covariance of beta
#' and b at the estimated theta, as in [predict.rlmm()]. A coefficient without a random effect has
#' the standard error of beta.
#' @param object A fitted model.
#' @param add.dropped Whether to include the coefficients of aliased columns, as `NA`.
#' @param se Whether to attach standard errors as the attribute `"std.error"`, a list of the same
#'   form. This needs a fit with its data.
#' @param x The result of `coef()`.
#' @param level The confidence level of normal limits.
#' @param ... Not used.
#' @return `fixef()`: a named vector. `coef()`: a list of data frames, one for each grouping factor,
#'   with a row for each level. `as.data.frame()`: a data frame with the columns `grpvar`, `term`,
#'   `grp`, `estimate` and, with standard errors, `std.error`, `lwr` and `upr`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' fixef(fit)
#' head(coef(fit)$Subject)
#' head(as.data.frame(coef(fit, se = TRUE)))
#' @importFrom nlme fixef
#' @export
fixef.rlmm <- function(object, add.dropped = FALSE, ...) {
  refuse_dots(...)
  check_flag(add.dropped, "add.dropped")
  dropped <- object$fixed$dropped
  if (has_large(object)) {
    return(all_coefficients_of(object, add.dropped))
  }
  if (!add.dropped || length(dropped) == 0) {
    return(object$beta)
  }
  all_names <- full_column_names(object)
  stats::setNames(object$beta[all_names], all_names)
}

# All fixed effects, including those of levels of large factors, in the order of the formula.
all_coefficients_of <- function(fit, add.dropped) {
  names <- fit$fixed$columns %||% full_column_names(fit)
  parts <- list(stats::setNames(fit$beta[names], names))
  large <- fit$fixed$large
  for (label in large_labels(large)) {
    of_term <- factors_of_label(large, label)
    ordinary <- parts[[length(parts)]]
    is_before <- names(ordinary) %in% of_term[[1L]]$before
    parts[[length(parts)]] <- ordinary[is_before]
    of_levels <- coefficients_of_term(fit, of_term)
    parts <- c(parts, list(of_levels, ordinary[!is_before]))
  }
  all <- unlist(parts)
  if (add.dropped) all else all[!is.na(all)]
}

# The coefficients of the factor or slopes of a term: columns of variables before the factor in the
# term vary faster than its levels.
coefficients_of_term <- function(fit, of_term) {
  coefficients <- lapply(of_term, level_coefficients, fit = fit)
  all <- unlist(coefficients)
  inner <- unlist(lapply(of_term, \(own) own$inner %||% 0L))
  outer <- cumsum(inner == 0L)
  each <- lengths(coefficients)
  position <- order(rep(outer, each), sequence(each), rep(inner, each))
  all[position]
}

# The named coefficients of one large factor: of its levels except the base, or of its contrasts.
level_coefficients <- function(fit, own) {
  large <- fit$fixed$large
  if (!is.null(own$coding)) {
    values <- contrast_coefficients(own$coding, fit$levels[own$at])
    return(stats::setNames(values, own$coding$names))
  }
  at <- own$at[large$had_column[own$at]]
  stats::setNames(fit$levels[at], large$names[at])
}

#' The names of all columns of the model matrix, kept and dropped, in the order of the formula
#' @noRd
full_column_names <- function(fit) {
  if (length(fit$fixed$dropped) == 0) {
    return(fit$fixed$names)
  }
  fit$fixed$combinations$names %||% column_names(full_fixed_columns(fit))
}

#' @rdname fixef.rlmm
#' @importFrom stats coef
#' @export
coef.rlmm <- function(object, se = FALSE, ...) {
  refuse_dots(...)
  check_flag(se, "se")
  beta <- object$beta
  effects <- lapply(ranef(object, condVar = FALSE), name_as, names(beta))
  # As in lme4, random effects without a fixed counterpart come first.
  only_random <- setdiff(unlist(lapply(effects, names)), names(beta))
  centre <- c(zeros_named(only_random), beta)
  structure(
    lapply(effects, add_centre, centre = centre),
    class = c("coef.rlmm", "coef.mer"),
    std.error = if (se) coefficient_errors(object, names(centre))
  )
}

zeros_named <- function(names) {
  stats::setNames(numeric(length(names)), names)
}

#' The standard errors of coefficients by group, in the form of `coef()`
#' @noRd
coefficient_errors <- function(fit, names) {
  parts <- prediction_parts(fit, fit$random)
  groups <- unique(term_groups(fit))
  lapply(rlang::set_names(groups), \(group) {
    levels <- Find(\(term) term$group == group, fit$random)$levels
    errors <- lapply(rlang::set_names(names), \(name) {
      rows <- coefficient_rows(fit, group, name, length(levels))
      effects_sigma(fit) * sqrt(prediction_variance(rows, parts))
    })
    as_table(errors, levels)
  })
}


# One coefficient at each level of a factor, as prediction rows.
coefficient_rows <- function(fit, group, name, n) {
  x <- matrix(0, n, length(fit$beta))
  x[, names(fit$beta) == name] <- 1
  coded <- Filter(\(own) own$margin == name, coded_factors(fit$fixed$large))
  own <- which(term_groups(fit) == group)
  effects_of <- \(i) level_effects(i, fit$random[[i]], name, n)
  effects <- lapply(own, effects_of)
  columns <- lapply(effects, `[[`, "columns")
  has_name <- lengths(columns) > 0L
  list(
    n = n,
    x = x,
    effects = effects[has_name],
    means = coded
  )
}

# The effects of a term with the name of a coefficient, once for each level.
level_effects <- function(i, term, name, n) {
  named <- which(sorted_factors(term$columns) == sorted_factors(name))
  list(
    i = i,
    term = term,
    columns = named,
    refs = seq_len(n),
    z = matrix(1, n, length(named))
  )
}

#' Renames columns of random effects to their fixed effects: `b:a` is the same product as `a:b`
#' @noRd
name_as <- function(effects, fixed) {
  own <- names(effects)
  at <- match(sorted_factors(own), sorted_factors(fixed))
  other <- !own %in% fixed & !is.na(at)
  names(effects)[other] <- fixed[at[other]]
  effects
}

# Adds the fixed effects; terms with the same grouping factor may share an effect: `(1 | g) + (x |
# g)`.
add_centre <- function(effects, centre) {
  out <- lapply(names(centre), \(name) {
    own <- unclass(effects)[names(effects) == name]
    Reduce(`+`, own, numeric(nrow(effects)) + centre[[name]])
  })
  as_table(stats::setNames(out, names(centre)), rownames(effects))
}

#' A data frame with the given columns and row names, without changing names
#' @noRd
as_table <- function(columns, row_names) {
  structure(columns, row.names = row_names, class = "data.frame")
}

#' @export
print.coef.rlmm <- function(x, ...) {
  has_errors <- !is.null(attr(x, "std.error"))
  print(
    structure(
      unclass(x),
      names = names(x),
      std.error = NULL
    ),
    ...
  )
  if (has_errors) {
    cat("with standard errors: see `as.data.frame()`\n")
  }
  invisible(x)
}

#' @rdname fixef.rlmm
#' @export
as.data.frame.coef.rlmm <- function(x, ..., level = 0.95) {
  warn_of_dots(..., also = data_frame_arguments)
  check_confidence(level)
  out <- stack_tables(unclass(x))
  errors <- attr(x, "std.error")
  if (is.null(errors)) {
    return(out)
  }
  out$std.error <- stack_tables(errors)$estimate
  limits <- wald_limits(out$estimate, out$std.error, level)
  out$lwr <- limits[, 1L]
  out$upr <- limits[, 2L]
  out
}

# Stacks tables of groups, with a row for each level and column.
stack_tables <- function(tables) {
  parts <- Map(table_rows, names(tables), tables)
  out <- do.call(rbind, unname(parts))
  out$term <- factor(out$term, unique(out$term))
  out$grp <- factor(out$grp, unique(out$grp))
  out
}

table_rows <- function(group, table) {
  data.frame(
    grpvar = group,
    term = rep(names(table), each = nrow(table)),
    grp = rep(rownames(table), length(table)),
    estimate = unlist(table, use.names = FALSE)
  )
}

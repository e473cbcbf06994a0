# Denominator degrees of freedom from the design alone: the inner-outer rule of nlme and the
# containment rule of SAS.

#' The degrees of freedom of each coefficient by one of the rules
#' @noRd
rule_df <- function(fit, rule) {
  df <- switch(
    rule,
    residual = rep(rows_left(fit), length(fit$beta)),
    `between-within` = between_within_df(fit),
    containment = containment_df(fit)
  )
  # There are no degrees of freedom if an effect of each row accounts for all observations.
  df[!free_beta(fit) | df <= 0] <- NA
  df
}

rows_left <- function(fit) nobs.rlmm(fit) - n_coefficients(fit)

# The number of the term of each coefficient, 0 for the intercept.
coefficient_terms <- function(fit) attr(stats::model.matrix(fit), "assign")

# Between and within -------------------------------------------------------------

#' The inner-outer rule of nlme
#'
#' A term is estimated at the coarsest of the nested grouping factors within whose levels it is
#' constant, or else at the level of the observations. With m_i groups at level i and p_i
#' coefficients estimated there (the intercept counts as m_0), level i has m_i - m_(i-1) - p_i
#' degrees of freedom. The intercept has those of the observations.
#' @noRd
between_within_df <- function(fit) {
  groups <- nested_groups(fit)
  x <- fixed_matrix(fit)
  term <- coefficient_terms(fit)
  level <- coefficient_levels(x, term, groups)
  sizes <- c(vapply(groups, nlevels, 1L), nobs.rlmm(fit))
  m0 <- as.integer(any(term == 0L))
  used <- tabulate(level[term > 0L], length(sizes))
  df <- sizes - c(m0, sizes[-length(sizes)]) - used
  unname(df[level])
}

#' The level at which each coefficient, that is its term, is estimated; the last level is that of
#' the observations
#' @noRd
coefficient_levels <- function(x, term, groups) {
  last <- length(groups) + 1L
  of_column <- apply(x, 2L, \(column) {
    match(TRUE, vapply(groups, is_constant_within, NA, x = column), last)
  })
  level <- stats::ave(as.double(of_column), term, FUN = max)
  level[term == 0L] <- last
  as.integer(level)
}

is_constant_within <- function(x, group) {
  first <- match(levels(group), group)
  of_group <- x[first[as.integer(group)]]
  max(abs(x - of_group)) <= 1e-10 * max(abs(x))
}

#' The grouping factors from the coarsest to the finest, each nested in those before it
#' @noRd
nested_groups <- function(fit) {
  groups <- lapply(grouping_factors(fit), plain_factor)
  groups <- groups[order(vapply(groups, nlevels, 1L))]
  for (i in seq_along(groups)[-1L]) {
    if (!is_nested(groups[[i]], groups[[i - 1L]])) {
      abort_crossed(names(groups)[c(i - 1L, i)])
    }
  }
  groups
}

abort_crossed <- function(names) {
  abort_argument(
    "`ddf = \"between-within\"` needs nested grouping factors.",
    x = sprintf("%s and %s are crossed.", tick(names[1L]), tick(names[2L])),
    i = "Use \"containment\", \"Satterthwaite\" or \"Kenward-Roger\".",
    arg = "ddf",
    class = "rlmm_error_not_available"
  )
}

# Containment -------------------------------------------------------------------

#' The containment rule of SAS
#'
#' A random effect contains a fixed term if it has all variables of the term and in addition only
#' factors: `Subject:Days`, the slopes of `(Days | Subject)`, contains `Days`. A term has the
#' smallest of the contributions to the rank of [X Z] of the effects that contain it, each added
#' after effects with fewer columns; a term without such effects has the residual degrees of
#' freedom, n minus that rank.
#' @noRd
containment_df <- function(fit) {
  effects <- random_effects(fit)
  ranks <- added_ranks(fit, effects)
  term <- coefficient_terms(fit)
  df <- vapply(
    unique(term),
    \(one) contained_df(fixed_variables(fit, one), effects, ranks),
    0
  )
  df[match(term, unique(term))]
}

contained_df <- function(variables, effects, ranks) {
  contains <- vapply(
    effects,
    \(effect) {
      all(variables %in% effect$variables) &&
        all(setdiff(effect$variables, variables) %in% effect$factors)
    },
    NA
  )
  if (any(contains)) {
    min(ranks$added[contains])
  } else {
    ranks$left
  }
}

fixed_variables <- function(fit, term) {
  if (term == 0L) {
    return(character())
  }
  involved_variables(fit$fixed$terms, term)
}

involved_variables <- function(terms, label) {
  table <- attr(terms, "factors")
  rownames(table)[table[, label] > 0]
}

#' The random effects of all terms: their variables, which of them are factors, and the columns of Z
#' @noRd
random_effects <- function(fit) {
  new <- new_data(fit, NULL)
  found <- lapply(fit$random, effects_of_term, new)
  found <- do.call(c, found)
  size <- vapply(found, \(effect) nrow(effect$zt), 1L)
  found[order(size)]
}

# The effects of a term, with the variables and factors of each and its rows of Z'.
effects_of_term <- function(term, new) {
  z <- effects_matrix(term, new)
  owner <- effect_owners(term, new)
  refs <- term_refs(term, new)
  lapply(unique(owner), \(one) {
    own <- effect_variables(term, one)
    columns <- z[, owner == one, drop = FALSE]
    design <- list(z = columns, refs = refs)
    list(
      variables = c(own$variables, term$group_vars),
      factors = c(own$factors, term$group_vars),
      zt = zt_block(design, term, seq_len(ncol(columns)))
    )
  })
}

#' The number of the effect label of each column of a term, 0 for the intercept
#' @noRd
effect_owners <- function(term, new) {
  if (identical(term$columns, "(Intercept)")) {
    return(0L)
  }
  frame <- part_frame(term$effects, term$xlevels, new)
  x <- stats::model.matrix(
    term$effects,
    frame,
    contrasts.arg = term$contrasts
  )
  attr(x, "assign")[match(term$columns, colnames(x))]
}

effect_variables <- function(term, label) {
  if (label == 0L) {
    return(list(variables = character(), factors = character()))
  }
  variables <- involved_variables(term$effects, label)
  classes <- attr(term$effects, "dataClasses")[variables]
  is_factor <- is_category_class(classes)
  list(variables = variables, factors = variables[is_factor])
}

#' The contribution of each effect to the rank of X and the effects before it
#' @return A list: `added`, the contributions, and `left`, the residual degrees of freedom.
#' @noRd
added_ranks <- function(fit, effects, limit = 5000) {
  zt <- lapply(effects, `[[`, "zt")
  sizes <- c(sum(free_beta(fit)), vapply(zt, nrow, 1L))
  if (sum(sizes) > limit) {
    abort_containment_size(sum(sizes), limit)
  }
  ranks <- leading_ranks(used_columns(fit, zt), cumsum(sizes))
  left <- nobs.rlmm(fit) - ranks[length(ranks)]
  list(added = diff(ranks), left = left)
}

# The columns of X and Z in the rows of positive weight.
used_columns <- function(fit, zt) {
  x <- methods::as(free_matrix(fit), "CsparseMatrix")
  all <- cbind(x, Matrix::t(do.call(rbind, zt)))
  all[working_weights(fit) > 0, , drop = FALSE]
}

# The ranks of the first `numbers` columns, each scaled to length one.
leading_ranks <- function(columns, numbers) {
  products <- as.matrix(Matrix::crossprod(columns))
  unit <- 1 / sqrt(pmax(diag(products), .Machine$double.xmin))
  products <- products * outer(unit, unit)
  rank_of <- \(n) {
    own <- seq_len(n)
    covariance_rank(products[own, own, drop = FALSE])
  }
  vapply(numbers, rank_of, 1)
}

abort_containment_size <- function(n, limit) {
  abort_argument(
    "`ddf = \"containment\"` takes the rank of all columns of X and Z, which are too many.",
    x = sprintf(
      "There are %s; the limit is %s.",
      format_count(n),
      format_count(limit)
    ),
    i = "Use \"Satterthwaite\" or \"Kenward-Roger\".",
    arg = "ddf",
    class = "rlmm_error_size"
  )
}

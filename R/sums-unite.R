# Brings the sums of two parts of the data to the same levels of the factors in the fixed part. The
# columns of X for the levels of both parts are linear combinations of the columns of one part,
# wherever only the levels of that part occur.

#' Adds the sums of two parts of the data, which may have rows of different levels
#' @noRd
unite_sums <- function(a, b) {
  parts <- with_common_levels(a, b)
  total <- add_sums(parts[[1L]], parts[[2L]])
  plans <- list(a$plan, b$plan)
  total$plan$declared <- declared_of_both(plans)
  total$plan$alone <- alone_in_both(names(total$plan$alone), plans)
  total
}

#' Two sums with the same levels of the factors in their fixed parts, if these are all that differs
#' @return A list of the two sums.
#' @noRd
with_common_levels <- function(a, b) {
  plans <- list(a$plan, b$plan)
  names <- names_of_other_levels(plans)
  if (length(names) == 0L || !all(can_be_recoded(names, plans))) {
    return(list(a, b))
  }
  levels <- lapply(rlang::set_names(names), common_levels, plans)
  lapply(list(a, b), with_levels_of_factors, levels)
}

# The factors of the fixed part that have other levels in one of two plans; none if the plans have
# other factors.
names_of_other_levels <- function(plans) {
  levels <- lapply(plans, `[[`, "xlevels")
  if (!identical(names(levels[[1L]]), names(levels[[2L]]))) {
    return(character())
  }
  is_same <- mapply(identical, levels[[1L]], levels[[2L]])
  names(levels[[1L]])[!as.logical(is_same)]
}

# Columns are known for other levels unless the factor has effects by group or a contrast matrix.
can_be_recoded <- function(names, plans) {
  of_groups <- lapply(plans, \(plan) {
    unlist(lapply(plan$random, \(term) names(term$xlevels)))
  })
  has_function <- \(name) {
    own <- lapply(plans, \(plan) plan$fixed$contrasts[[name]])
    all(vapply(own, \(contrasts) is.character(contrasts), NA))
  }
  !names %in% unlist(of_groups) & vapply(names, has_function, NA)
}

# The levels that occur in one of the parts, in the order of the factors that were given.
common_levels <- function(name, plans) {
  used <- lapply(plans, levels_with_rows, name)
  orders <- lapply(plans, \(plan) {
    plan$declared[[name]] %||% plan$xlevels[[name]]
  })
  intersect(common_order(orders), unlist(used))
}

# The levels of the factors of both parts before those without rows were dropped.
declared_of_both <- function(plans) {
  declared <- lapply(plans, `[[`, "declared")
  names <- rlang::set_names(unique(unlist(lapply(declared, names))))
  lapply(names, \(name) common_order(drop_null(lapply(declared, `[[`, name))))
}

# The factors of which both parts have rows of the same single level.
alone_in_both <- function(names, plans) {
  used <- lapply(rlang::set_names(names), \(name) {
    unique(unlist(lapply(plans, levels_with_rows, name)))
  })
  used[lengths(used) == 1L]
}

levels_with_rows <- function(plan, name) {
  plan$alone[[name]] %||% plan$xlevels[[name]]
}

#' Sums with columns for more levels of some factors
#' @param levels The levels of each factor.
#' @noRd
with_levels_of_factors <- function(sums, levels) {
  plan <- plan_with_levels(sums$plan, levels)
  rows <- rows_of_all_cells(sums$plan)
  old <- columns_of_plan(sums$plan, rows)
  new <- columns_of_plan(plan, rows)
  map <- list(to = combine_columns(old, new), back = combine_columns(new, old))
  sums$sums <- sums_of_combinations(sums$sums, map, sums$plan$fixed$names)
  sums$plan <- plan
  sums
}

plan_with_levels <- function(plan, levels) {
  known <- known_beside(plan$fixed, names(levels))
  plan$template <- with_known_levels(plan$template, levels)
  plan$xlevels[names(levels)] <- levels
  plan$alone[names(levels)] <- NULL
  plan$fixed <- planned_fixed(
    plan$parsed,
    plan$template,
    formula_env(plan$formula),
    plan$template,
    plan$fixed$contrasts
  )
  plan$fixed[names(known)] <- known
  plan
}

# What [known_in_rows()] found of the columns of X without any of some variables.
known_beside <- function(fixed, variables) {
  beside <- columns_beside(fixed, variables)
  list(
    independent = intersect(fixed$independent, beside),
    far = intersect(fixed$far, beside)
  )
}

# The names of the columns of X without any of some variables.
columns_beside <- function(fixed, variables) {
  factors <- attr(fixed$terms, "factors") > 0
  is_own <- unquoted(rownames(factors)) %in% variables
  has_own <- which(colSums(factors[is_own, , drop = FALSE]) > 0)
  fixed$names[!fixed$assign %in% has_own]
}

columns_of_plan <- function(plan, rows) {
  fixed <- plan$fixed
  terms <- stats::delete.response(fixed$terms)
  new <- list(
    data = with_known_levels(rows, plan$xlevels),
    stored = TRUE,
    n = nrow(rows)
  )
  columns <- part_columns(terms, fixed$contrasts, fixed$xlevels, new)
  unname(column_matrix(columns, new$n))
}

# The coefficients of the columns of `x` in those of `y`, which are combinations of them.
combine_columns <- function(x, y) {
  coefficients <- qr.coef(qr(x), y)
  coefficients[is.na(coefficients)] <- 0
  # The coefficients of codings are integers or far from them: these are rounding errors. The
  # constant remains exactly constant.
  is_integer <- abs(coefficients - round(coefficients)) < 1e-10
  coefficients[is_integer] <- round(coefficients[is_integer])
  matrix(coefficients, ncol(x), ncol(y))
}

# Rows of the model frame that tell all columns of the fixed part apart: each combination of the
# levels of a term occurs with several values of the covariates.
rows_of_all_cells <- function(plan) {
  terms <- stats::delete.response(plan$fixed$terms)
  levels <- lapply(plan$fixed$xlevels, as.character)
  alone <- intersect(names(plan$alone), names(levels))
  levels[alone] <- plan$alone[alone]
  labels <- attr(terms, "term.labels")
  of_term <- \(label) {
    variables <- unquoted(term_variables(label, terms))
    levels[intersect(names(levels), variables)]
  }
  cells <- unique(lapply(labels, of_term))
  blocks <- lapply(cells, rows_of_cells, levels, length(labels) + 2L)
  rows <- as.data.frame(do.call(rbind, blocks), stringsAsFactors = FALSE)
  classes <- attr(terms, "dataClasses")
  for (name in setdiff(names(classes), names(levels))) {
    seed <- match(name, names(classes))
    values <- synthetic_covariates(nrow(rows), seed, classes[[name]])
    rows[[name]] <- if (classes[[name]] == "logical") values > 0 else values
  }
  rows
}

# A matrix of levels in which each combination of those in `own` occurs `n_values` times.
rows_of_cells <- function(own, levels, n_values) {
  n <- prod(lengths(own)) * n_values
  grid <- expand.grid(c(list(seq_len(n_values)), own), stringsAsFactors = FALSE)
  all <- lapply(levels, rep_len, n)
  all[names(own)] <- lapply(grid[-1L], as.character)
  matrix(unlist(all), n, length(all), dimnames = list(NULL, names(all)))
}

#' Sums of combinations of the columns of X; the fitted values that were subtracted stay the same
#' @param map `to`, the coefficients of the old columns in the new ones, and `back`, those of the
#'   new columns in the old ones.
#' @param names The names of the old columns.
#' @noRd
sums_of_combinations <- function(sums, map, names) {
  to <- map$to
  if (identical(names[1L], "(Intercept)")) {
    shift <- c(0, drop(sums$shift %*% to)[-1L] + to[1L, -1L])
    moved <- drop(shift %*% map$back) + map$back[1L, ] - sums$shift
    slopes <- sums$beta0[-1L]
    beta0 <- drop(map$back[, -1L, drop = FALSE] %*% slopes)
    # The coefficient of the constant refers to columns that are centred.
    beta0[1L] <- sums$beta0[1L] + sum(moved[-1L] * slopes)
    to[1L, -1L] <- 0
  } else {
    sums <- reshift(sums, numeric(length(names)))
    shift <- numeric(ncol(to))
    beta0 <- drop(map$back %*% sums$beta0)
  }
  sums$shift <- shift
  sums$beta0 <- beta0
  sums$xr <- drop(crossprod(to, sums$xr))
  sums$xx <- crossprod(to, sums$xx %*% to)
  sums$terms <- lapply(sums$terms, \(term) {
    sizes <- dim(term$xz)
    xz <- crossprod(to, matrix(term$xz, sizes[1L]))
    term$xz <- array(xz, c(ncol(to), sizes[-1L]))
    term
  })
  sums
}

# Slopes by level: interactions of a large factor with numeric covariates or with factors of few
# levels. Their columns are kept out of X together with those of the factor; a factor of few levels
# contributes one covariate for each of its contrasts.

# The largest number of slopes of a level.
max_slopes <- 20L

#' The sets of terms that can be a large factor with slopes: all terms that contain one factor or
#' text variable (the group), if the other variables in them are covariates or categories
#' @return A list of sets: `labels`, `group`, and `size`, the number of columns of each level.
#' @noRd
sets_with_slopes <- function(terms, frame, contrasts) {
  factors <- attr(terms, "factors")
  classes <- variable_classes(rownames(factors), terms)
  groups <- rownames(factors)[classes %in% c("factor", "character")]
  sets <- lapply(groups, \(group) {
    labels <- colnames(factors)[factors[group, ] > 0]
    others <- lapply(labels, other_variables, group, terms)
    others <- unique(unlist(others))
    is_possible <- has_slopes_of(variable_classes(others, terms))
    if (length(others) == 0L || !all(is_possible)) {
      return(NULL)
    }
    sizes <- vapply(labels, count_slopes, 1L, group, terms, frame)
    list(
      labels = labels,
      group = group,
      size = sum(sizes),
      codes = codes_of_categories(others, frame, contrasts)
    )
  })
  Filter(\(set) !is.null(set) && set$size <= max_slopes, sets)
}

# The variables of a term except the grouping variable.
other_variables <- function(label, group, terms) {
  setdiff(term_variables(label, terms), group)
}

# Whether variables of a class are covariates or categories.
has_slopes_of <- function(class) {
  is_category_class(class) | class %in% "numeric" | grepl("^nmatrix", class)
}

#' The contrasts of the categories in the slopes of a group
#' @return For each variable its contrast matrix, with a row for each level; `NULL` for default
#'   treatment contrasts and for numeric covariates.
#' @noRd
codes_of_categories <- function(variables, frame, contrasts) {
  lapply(rlang::set_names(variables), \(name) {
    x <- frame_variable(name, frame)
    n <- length(few_levels(x))
    is_usual <- !is.ordered(x) && has_default_contrasts(name, frame, contrasts)
    if (n > 0L && n <= max_slopes + 1L && !is_usual) {
      contrasts_of_category(x, contrasts[[unquoted(name)]])
    }
  })
}

# The contrast matrix of a category that `model.matrix()` would use.
contrasts_of_category <- function(x, given) {
  levels <- few_levels(x)
  coded <- factor(levels, levels, ordered = is.ordered(x))
  if (is.null(given)) {
    attr(coded, "contrasts") <- attr(x, "contrasts")
  } else {
    stats::contrasts(coded) <- given
  }
  code <- as.matrix(stats::contrasts(coded))
  rownames(code) <- levels
  code
}

# The levels of a category; a logical variable has two.
few_levels <- function(x) {
  if (is.logical(x)) c("FALSE", "TRUE") else category_levels(x)
}

# The number of columns that a term of slopes has for each level.
count_slopes <- function(label, group, terms, frame) {
  columns <- term_columns(label, group, terms, frame)
  as.integer(prod(lengths(columns)))
}

# The columns of each variable of a term except the grouping variable: the levels of a category,
# column numbers of a matrix variable or of contrasts, or `NA` for a numeric variable itself.
term_columns <- function(label, group, terms, frame, codes = NULL) {
  variables <- other_variables(label, group, terms)
  coding <- attr(terms, "factors")[, label]
  lapply(rlang::set_names(variables), \(name) {
    x <- frame_variable(name, frame)
    levels <- few_levels(x)
    if (is.matrix(x)) {
      seq_len(ncol(x))
    } else if (is.null(levels)) {
      NA
    } else if (coding[[name]] == 2L) {
      levels
    } else if (is.null(codes[[name]])) {
      levels[-1L]
    } else {
      seq_len(ncol(codes[[name]]))
    }
  })
}

#' The slopes of a term: one entry for each column that multiplies the indicators of the levels
#' @param group The grouping factor, as [large_factor()] makes it.
#' @param codes What [codes_of_categories()] returns.
#' @return A list of factors as in [find_large_factors()].
#' @noRd
slopes_of_term <- function(label, group, terms, frame, codes) {
  name <- names(group$xlevels)
  columns <- term_columns(label, name, terms, frame, codes)
  variables <- rlang::set_names(names(columns))
  codes <- unname(codes[variables])
  values <- lapply(variables, frame_variable, frame)
  n_before <- match(name, term_variables(label, terms)) - 1L
  n_inner <- prod(lengths(columns[seq_len(n_before)]))
  group$has_base <- attr(terms, "factors")[name, label] == 1L
  group$covariate <- names(columns)
  group$codes <- codes
  group$beside <- Filter(Negate(is.null), lapply(values, category_levels))
  combinations <- do.call(expand.grid, c(columns, stringsAsFactors = FALSE))
  lapply(seq_len(nrow(combinations)), \(i) {
    group$columns <- as.list(combinations[i, , drop = FALSE])
    named <- Map(column_name, variables, group$columns, values, codes)
    by_level <- \(names) combined_labels(append(named, list(names), n_before))
    group$names <- by_level(group$names)
    group$coded <- by_level(group$coded)
    group$margin <- combined_labels(named)
    group$inner <- (i - 1L) %% n_inner
    group$values <- slope_values(values, group$columns, codes)
    group
  })
}

# The smallest standard deviation of a covariate within levels, as a share of its size, with which
# slopes by level keep enough digits beside the levels or the intercept.
min_spread_of_slopes <- 1e-5

#' Raises an error about slopes of a covariate that is so far from zero that its digits are lost
#'
#' Covariates that are constant within each level have no slopes beside these; they are dropped.
#' @param factors The entries of large factors and their slopes, with `refs` and `values` of rows.
#' @noRd
check_origin_of_slopes <- function(factors) {
  blocks <- vapply(factors, `[[`, 1L, "block")
  for (own in Filter(is_slope, factors)) {
    beside_levels <- has_indicator(factors[blocks == own$block])
    at <- if (beside_levels) match(own$refs, own$refs) else 1L
    first <- own$values[at]
    spread <- mean((own$values - first)^2, na.rm = TRUE)
    size <- mean(own$values^2, na.rm = TRUE)
    if (isTRUE(spread > 0 && spread < min_spread_of_slopes^2 * size)) {
      abort_far_slopes(own)
    }
  }
}

abort_far_slopes <- function(own) {
  abort_rlmm(
    c(
      sprintf(
        "A covariate with slopes by level of %s is too far from zero.",
        tick(unquoted(large_group(own)))
      ),
      x = sprintf(
        "The standard deviation of %s is less than 1e-5 of its size.",
        tick(own$margin)
      ),
      i = "Centre it: take its mean, or a round number near it, off."
    ),
    "rlmm_error_origin",
    variable = own$margin
  )
}

# The name of one column of a variable. A numeric variable and a matrix with a single column keep
# their own name.
column_name <- function(name, column, x, code) {
  if (is.matrix(x) && ncol(x) == 1L) {
    name
  } else if (is.integer(column)) {
    from <- if (is.matrix(x)) x else code
    paste0(name, colnames(from)[column] %||% column)
  } else if (is.na(column)) {
    name
  } else {
    paste0(name, column)
  }
}

#' The product of one column of each variable, in every row
#' @param x The variables, in any rows of data.
#' @param columns The column of each variable, see [term_columns()].
#' @param codes The contrasts of each variable, see [codes_of_categories()].
#' @noRd
slope_values <- function(x, columns, codes) {
  Reduce(`*`, Map(values_of_column, x, columns, codes %||% list(NULL)))
}

values_of_column <- function(x, column, code) {
  if (is.matrix(x)) {
    as.double(x[, column])
  } else if (is.integer(column)) {
    unname(code[match(as.character(x), rownames(code)), column])
  } else if (is.na(column)) {
    as.double(x)
  } else {
    as.double(as.character(x) == column)
  }
}

#' The name of the slopes of a level without the level, for example `f:x` for the coefficient `fa:x`
#' @param variables The names of all variables of the term.
#' @noRd
text_of_slopes <- function(own, variables, frame) {
  of_column <- \(name) {
    at <- match(name, own$covariate)
    if (is.na(at)) {
      name
    } else {
      x <- frame_variable(name, frame)
      column_name(name, own$columns[[at]], x, own$codes[[at]])
    }
  }
  paste(vapply(variables, of_column, ""), collapse = ":")
}

# Whether some variable of the slopes is a category or a matrix rather than a numeric covariate.
are_of_categories <- function(own) !all(is.na(unlist(own$columns)))

# Slopes by level: the interactions of a large factor with covariates and with categories of few
# levels, whose columns stand apart as those of its levels do. A category is a covariate for each
# of its columns.

# A level has so many slopes at most.
most_slopes <- 20L

#' The sets of terms that can stand apart with slopes: all those of one factor or text, its group
#' @return A list of sets: `labels`, `group`, and `size`, the number of columns of each level.
#' @noRd
sets_with_slopes <- function(terms, frame, contrasts) {
  factors <- attr(terms, "factors")
  classes <- variable_classes(rownames(factors), terms)
  groups <- rownames(factors)[classes %in% c("factor", "character")]
  sets <- lapply(groups, \(group) {
    labels <- colnames(factors)[factors[group, ] > 0]
    others <- lapply(labels, other_variables, group, terms)
    known <- vapply(
      unique(unlist(others)),
      has_slopes_of,
      NA,
      terms,
      frame,
      contrasts
    )
    if (length(known) == 0L || !all(known)) {
      return(NULL)
    }
    sizes <- vapply(labels, count_slopes, 1L, group, terms, frame)
    list(labels = labels, group = group, size = sum(sizes))
  })
  Filter(\(set) !is.null(set) && set$size <= most_slopes, sets)
}

# The variables of a term but for the group.
other_variables <- function(label, group, terms) {
  setdiff(term_variables(label, terms), group)
}

# Whether a variable is a covariate, or a category with the usual contrasts.
has_slopes_of <- function(name, terms, frame, contrasts) {
  class <- variable_classes(name, terms)
  is_covariate_class(class) ||
    class %in%
      c("factor", "character", "logical") &&
      has_usual_contrasts(name, frame, contrasts)
}

is_covariate_class <- function(class) {
  class %in% "numeric" || grepl("^nmatrix", class)
}

# The levels of a category; a logical variable has two.
few_levels <- function(x) {
  if (is.logical(x)) c("FALSE", "TRUE") else category_levels(x)
}

# Number of columns that a term of slopes has for each level.
count_slopes <- function(label, group, terms, frame) {
  columns <- term_columns(label, group, terms, frame)
  as.integer(prod(lengths(columns)))
}

# For each variable of a term but the group the columns that stand for it: levels of a category,
# numbers of the columns of a matrix, or `NA`, the variable itself.
term_columns <- function(label, group, terms, frame) {
  variables <- other_variables(label, group, terms)
  coding <- attr(terms, "factors")[, label]
  lapply(rlang::set_names(variables), \(name) {
    x <- frame_variable(name, frame)
    levels <- few_levels(x)
    if (is.matrix(x)) {
      seq_len(ncol(x))
    } else if (is.null(levels)) {
      NA
    } else if (coding[[name]] == 1L) {
      levels[-1L]
    } else {
      levels
    }
  })
}

#' The slopes of a term, one for each column beside the group's levels
#' @param group The factor alone, as [large_factor()] makes it.
#' @return A list of factors as in [find_large_factors()].
#' @noRd
slopes_of_term <- function(label, group, terms, frame) {
  name <- names(group$xlevels)
  columns <- term_columns(label, name, terms, frame)
  variables <- rlang::set_names(names(columns))
  values <- lapply(variables, frame_variable, frame)
  n_before <- match(name, term_variables(label, terms)) - 1L
  n_inner <- prod(lengths(columns[seq_len(n_before)]))
  group$has_base <- attr(terms, "factors")[name, label] == 1L
  group$covariate <- names(columns)
  group$beside <- Filter(Negate(is.null), lapply(values, category_levels))
  combinations <- do.call(expand.grid, c(columns, stringsAsFactors = FALSE))
  lapply(seq_len(nrow(combinations)), \(i) {
    group$columns <- as.list(combinations[i, , drop = FALSE])
    named <- Map(column_name, variables, group$columns, values)
    by_level <- \(names) combined_labels(append(named, list(names), n_before))
    group$names <- by_level(group$names)
    group$coded <- by_level(group$coded)
    group$margin <- combined_labels(named)
    group$inner <- (i - 1L) %% n_inner
    group$values <- slope_values(values, group$columns)
    group
  })
}

# The name of a variable's column: that of a covariate is its own.
column_name <- function(name, column, x) {
  if (is.matrix(x)) {
    paste0(name, colnames(x)[column] %||% column)
  } else if (is.na(column)) {
    name
  } else {
    paste0(name, column)
  }
}

#' The product of the columns of some variables
#' @param x The variables, in any rows.
#' @param columns Of each the one that is meant, see [term_columns()].
#' @noRd
slope_values <- function(x, columns) {
  Reduce(`*`, Map(values_of_column, x, columns))
}

values_of_column <- function(x, column) {
  if (is.matrix(x)) {
    as.double(x[, column])
  } else if (is.na(column)) {
    as.double(x)
  } else {
    as.double(as.character(x) == column)
  }
}

#' The text of slopes: that of their coefficients without levels
#' @param variables The names of all variables of the term.
#' @noRd
text_of_slopes <- function(own, variables, frame) {
  of_column <- \(name) {
    at <- match(name, own$covariate)
    if (is.na(at)) {
      name
    } else {
      column_name(name, own$columns[[at]], frame_variable(name, frame))
    }
  }
  paste(vapply(variables, of_column, ""), collapse = ":")
}

# Whether slopes are by something else than covariates, each in one column.
are_of_categories <- function(own) !all(is.na(unlist(own$columns)))

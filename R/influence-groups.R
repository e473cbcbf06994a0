# The sets of rows that influence() deletes.

#' The sets of rows that are deleted
#' @return A list: `name` of the groups; `deleted`, their labels; and `rows`, a list of row numbers.
#' @noRd
deletion_sets <- function(fit, groups) {
  frame <- fit_frame(fit)
  n <- nrow(frame)
  if (is.null(groups)) {
    return(list(
      name = "case",
      deleted = row.names(frame),
      rows = as.list(seq_len(n))
    ))
  }
  if (is.character(groups) && length(groups) %in% seq_len(n - 1L)) {
    factor <- combined_factor(lapply(groups, deletion_factor, fit = fit))
    sets_of_levels(factor, paste(groups, collapse = "."))
  } else {
    sets_of_levels(droplevels(given_groups(groups, n)), "group")
  }
}

sets_of_levels <- function(factor, name) {
  levels <- levels(factor)
  list(
    name = name,
    deleted = factor(levels, levels),
    rows = unname(split(seq_along(factor), factor))
  )
}

combined_factor <- function(factors) {
  if (length(factors) == 1L) {
    return(droplevels(factors[[1L]]))
  }
  interaction(factors, drop = TRUE, lex.order = TRUE)
}

given_groups <- function(groups, n) {
  if (is.atomic(groups) && length(groups) == n && !anyNA(groups)) {
    return(as.factor(groups))
  }
  abort_argument(
    "`groups` must be names of grouping factors or variables, or a value for each row.",
    x = it_is(groups),
    arg = "groups"
  )
}

#' A grouping factor of the fit, or a variable of its frame or data
#' @noRd
deletion_factor <- function(name, fit) {
  factors <- grouping_factors(fit)
  frame <- fit_frame(fit)
  values <- factors[[name]] %||% frame[[name]]
  if (is.null(values)) {
    data <- nlme::getData(fit)
    values <- data[[name]][match(row.names(frame), row.names(data))]
  }
  if (is.null(values)) {
    abort_deletion_factor(name, "is neither", factors)
  }
  if (anyNA(values)) {
    abort_deletion_factor(name, "has missing values", factors)
  }
  as.factor(values)
}

abort_deletion_factor <- function(name, found, factors) {
  known <- enumerate(tick(names(factors)))
  abort_argument(
    "`groups` must name grouping factors of the model, or variables of its data.",
    x = sprintf("%s %s.", in_quotes(name), found),
    i = paste0("The grouping factors are ", known, "."),
    arg = "groups"
  )
}

# Clusters for robust covariance matrices: factors with a value for each row of the fit.

#' Evaluates the argument `cluster`
#' @param cluster A one-sided formula, names of variables, a vector or factor, or a list of these;
#'   by default the grouping factors of the model that are nested in no other one.
#' @return A named list of factors with a value for each row of the fit.
#' @noRd
read_clusters <- function(fit, cluster = NULL) {
  found <- if (is.null(cluster)) {
    outer_groups(fit)
  } else if (rlang::is_formula(cluster)) {
    formula_clusters(fit, cluster)
  } else if (is.list(cluster)) {
    lapply(name_clusters(cluster), fitted_cluster, fit = fit)
  } else if (is_names_of_variables(cluster, fit)) {
    named_clusters(fit, cluster)
  } else {
    list(cluster = fitted_cluster(cluster, fit))
  }
  Map(check_cluster, found, names(found))
}

#' The grouping factors that are nested in no other one
#' @noRd
outer_groups <- function(fit) {
  groups <- lapply(grouping_factors(fit), plain_factor)
  groups <- groups[order(vapply(groups, nlevels, 1L))]
  is_inner <- vapply(
    seq_along(groups),
    \(i) {
      any(vapply(
        groups[seq_len(i - 1L)],
        \(outer) is_nested(groups[[i]], outer),
        NA
      ))
    },
    NA
  )
  groups[!is_inner]
}

plain_factor <- function(x) factor(as.integer(x))

is_nested <- function(inner, outer) {
  first <- match(levels(inner), inner)
  all(outer == outer[first[as.integer(inner)]])
}

is_names_of_variables <- function(x, fit) {
  n <- length(x)
  is.character(x) && n <= 5L && n < length(fit$fitted)
}

formula_clusters <- function(fit, formula) {
  if (length(formula) != 2L) {
    abort_cluster(
      "It is the formula %s, which has a left side.",
      tick(deparse1(formula))
    )
  }
  labels <- attr(stats::terms(formula), "term.labels")
  if (length(labels) == 0L) {
    abort_cluster("The formula %s names no variable.", tick(deparse1(formula)))
  }
  named_clusters(fit, labels, environment(formula))
}

#' Clusters from names
#' @param labels Names of variables, or several names joined by ":".
#' @noRd
named_clusters <- function(fit, labels, env = environment(fit$formula)) {
  known <- c(names(fit$frame), names(original_data(fit)))
  lapply(rlang::set_names(labels, plain_name), \(label) {
    names <- if (label %in% known) {
      label
    } else {
      strsplit(label, ":", TRUE)[[1L]]
    }
    variables <- lapply(names, \(name) named_cluster(fit, name, known, env))
    interaction(variables, drop = TRUE)
  })
}

named_cluster <- function(fit, name, known, env) {
  values <- cluster_variable(fit, variable_call(name, known), env)
  fitted_cluster(values, fit, plain_name(name))
}

#' A variable, from the frame of the fit, its grouping factors, or the original data
#' @noRd
cluster_variable <- function(fit, expr, env) {
  name <- deparse_one(expr)
  frame <- fit_frame(fit)
  if (name %in% names(frame)) {
    return(frame[[name]])
  }
  groups <- grouping_factors(fit)
  if (name %in% names(groups)) {
    return(groups[[name]])
  }
  tryCatch(
    eval(expr, as.list(original_data(fit)), env),
    error = \(cnd) abort_no_cluster(name, c(names(groups), names(frame)))
  )
}

name_clusters <- function(cluster) {
  names <- names(cluster) %||% character(length(cluster))
  unnamed <- !nzchar(names)
  names[unnamed] <- paste0("cluster", which(unnamed))
  rlang::set_names(as.list(cluster), names)
}

#' Converts a vector to a factor for the rows of the fit
#' @noRd
fitted_cluster <- function(x, fit, name = "cluster") {
  check_cluster_values(x, fit, name)
  x <- fitted_rows(x, fit, "cluster")
  if (anyNA(x)) {
    abort_cluster_missing(name, which(is.na(x)))
  }
  labels <- as.character(x)
  factor(labels, unique(labels))
}

# Checks that there is a value for each row of the fit or of its data.
check_cluster_values <- function(x, fit, name) {
  if (!is.atomic(x) || !is.null(dim(x))) {
    abort_cluster("%s", it_is(x))
  }
  n <- length(fit$fitted)
  omitted <- length(fit$na_action)
  if (!length(x) %in% c(n, n + omitted)) {
    abort_cluster_length(name, length(x), n, omitted)
  }
}

abort_cluster_missing <- function(name, rows) {
  text <- "Values of %s are missing at %s."
  abort_cluster("%s", sprintf(text, tick(name), describe_rows(rows)))
}

check_cluster <- function(x, name) {
  if (nlevels(x) > 1L) {
    return(x)
  }
  abort_cluster("%s has one value only.", tick(name))
}

abort_cluster <- function(text, ...) {
  abort_argument(
    "`cluster` must say for each row of the fit which cluster it belongs to.",
    x = sprintf(text, ...),
    i = "For example `cluster = ~ Subject`, or a factor.",
    arg = "cluster",
    class = "rlmm_error_cluster"
  )
}

abort_cluster_length <- function(name, found, n, omitted) {
  wanted <- paste0(
    plural(n, "row"),
    if (omitted > 0L) {
      paste0(
        " (or ",
        format_count(n + omitted),
        " with those left out for missing values)"
      )
    }
  )
  abort_argument(
    sprintf(
      "`cluster` must have one value for each of the %s of the fit.",
      wanted
    ),
    x = sprintf("%s has %s.", tick(name), plural(found, "value")),
    arg = "cluster",
    class = "rlmm_error_cluster"
  )
}

abort_no_cluster <- function(name, known) {
  abort_argument(
    "`cluster` must name variables of the model or of its data.",
    x = sprintf("Can't find %s.", tick(name)),
    hint = did_you_mean(name, known),
    arg = "cluster",
    class = "rlmm_error_cluster"
  )
}

#' Raises an error about clusters without a type of robust standard errors
#' @param arg The name of the argument for the type.
#' @noRd
abort_cluster_alone <- function(arg) {
  abort_argument(
    "`cluster` is for robust standard errors.",
    i = sprintf("Give their type as well: `%s = \"CR2\"`.", arg),
    arg = "cluster"
  )
}

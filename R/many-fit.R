# Fits many responses with one design: the core fits them together, and those with missing values in
# groups with the same rows.

#' Fits each column of a matrix of responses
#'
#' @param design A list with the `spec`, `random`, `fixed` and `held` of [model_design()], or of a
#'   fit.
#' @param y A matrix with a row for each row of the spec; missing values are left out.
#' @param control The result of [core_control()], and `df`, whether to compute degrees of freedom.
#' @param start Starting values: a list that may have `theta` and `beta`.
#' @return A list of matrices with a row, and vectors with an element, for each response: `beta`,
#'   `std_error`, `df` (for a linear model), `theta`, `sigma`, `shape`, `objective`, `verdict`,
#'   `error`, `nobs`, and `done` (`FALSE` if the user interrupted before).
#' @noRd
fit_responses <- function(design, y, control, start = list()) {
  is_missing <- is.na(y)
  weights <- design$weights
  each <- as.list(seq_len(ncol(y)))
  groups <- if (is.null(weights)) missing_patterns(is_missing) else each
  spec <- design$spec
  parts <- until_interrupted(groups, \(columns, is_ended) {
    keep <- !is_missing[, columns[1L]]
    spec$weights <- if (is.null(weights)) spec$weights else weights[, columns]
    own <- y[, columns, drop = FALSE]
    if (is_ended) {
      not_begun(spec, ncol(own), control)
    } else {
      fit_pattern(spec, own, keep, control, start)
    }
  })
  order <- order(unlist(groups))
  lapply(bind_parts(parts), chosen_rows, order)
}

# Applies a function to each group, telling it whether the user has interrupted.
until_interrupted <- function(groups, fit_group) {
  parts <- list()
  is_ended <- FALSE
  for (columns in groups) {
    part <- fit_group(columns, is_ended)
    parts <- c(parts, list(part))
    is_ended <- is_ended || !all(part$done)
  }
  parts
}

# Columns with the same missing values, group by group.
missing_patterns <- function(is_missing) {
  has_missing <- colSums(is_missing) > 0
  key <- character(ncol(is_missing))
  key[has_missing] <- apply(
    is_missing[, has_missing, drop = FALSE],
    2L,
    \(column) paste(which(column), collapse = " ")
  )
  groups <- split(seq_along(key), factor(key, unique(key)))
  unname(groups)
}

fit_pattern <- function(spec, y, keep, control, start) {
  if (!all(keep)) {
    spec <- spec_rows(spec, keep)
    y <- y[keep, , drop = FALSE]
  }
  found <- if (any(keep)) {
    tryCatch(
      core_fit_columns(spec, y, start, control),
      rlmm_error = \(cnd) no_fits(spec, ncol(y), core_reason(cnd))
    )
  } else {
    no_fits(spec, ncol(y), "All its values are missing.")
  }
  found$done <- whole_fits(found)
  in_rows(found, spec, control)
}

# The result of fit_pattern() for responses that were not fitted because of an interrupt.
not_begun <- function(spec, n, control) {
  found <- no_fits(spec, n, "Interrupted before it was begun.")
  found$done <- rep(FALSE, n)
  in_rows(found, spec, control)
}

# The results of the core, with a row for each response instead of a column.
in_rows <- function(found, spec, control) {
  has_df <- is.null(spec$glmm) && control$df
  rows <- c("beta", "std_error", "theta", if (has_df) "df")
  found[rows] <- lapply(found[rows], t)
  found$nobs <- rep(spec_nobs(spec), length(found$error))
  kept <- c(rows, kept_of_responses)
  found[intersect(kept, names(found))]
}

kept_of_responses <- c(
  "sigma",
  "shape",
  "objective",
  "verdict",
  "error",
  "done",
  "nobs"
)

# The reason of a failure in one line.
core_reason <- function(cnd) {
  strsplit(conditionMessage(cnd), "\n", fixed = TRUE)[[1L]][1L]
}

spec_nobs <- function(spec) {
  if (is.null(spec$weights)) length(spec$y) else sum(spec$weights > 0)
}

# The result of fit_pattern() for responses that can't be fitted.
no_fits <- function(spec, n, reason) {
  n_theta <- n_arguments(replace(spec, "glmm", list(NULL)))
  missing <- rep(NA_real_, n)
  of_beta <- matrix(NA_real_, count_columns(spec$x), n)
  # Elements that are `NULL` would have names that other patterns of missing values lack.
  drop_null(list(
    beta = of_beta,
    std_error = of_beta,
    df = of_beta,
    theta = matrix(NA_real_, n_theta, n),
    sigma = missing,
    shape = if (!is.null(spec$glmm)) missing,
    objective = missing,
    verdict = rep(NA_character_, n),
    error = rep(reason, n),
    done = rep(TRUE, n)
  ))
}

#' Binds parts by rows
#' @noRd
bind_parts <- function(parts) {
  if (length(parts) == 1L) {
    return(parts[[1L]])
  }
  names <- names(parts[[1L]])
  bound <- lapply(names, \(name) {
    values <- lapply(parts, `[[`, name)
    if (is.matrix(values[[1L]])) do.call(rbind, values) else unlist(values)
  })
  stats::setNames(bound, names)
}

#' Adds names and held coefficients to the result of [fit_responses()]
#' @noRd
named_responses <- function(found, design, names) {
  all_names <- design$fixed$names
  held <- design$held
  free <- !all_names %in% names(held)
  whole <- \(values, rest) with_held_columns(values, free, rest, all_names)
  constants <- replace(
    rep(NA_real_, length(all_names)),
    !free,
    as.double(held)
  )
  found$beta <- whole(found$beta, constants)
  found$std_error <- whole(found$std_error, ifelse(free, NA_real_, 0))
  if (!is.null(found$df)) {
    found$df <- whole(found$df, NA_real_)
  }
  colnames(found$theta) <- theta_names(design$random)
  rename_responses(found, names)
}

# A column for each coefficient: the free ones, and the constant values of the held ones.
with_held_columns <- function(values, free, rest, names) {
  n <- nrow(values)
  all <- matrix(
    rest,
    n,
    length(names),
    byrow = TRUE
  )
  all[, free] <- values
  colnames(all) <- names
  all
}

rename_responses <- function(found, names) {
  lapply(found, \(value) {
    if (is.matrix(value)) {
      rownames(value) <- names
      value
    } else {
      stats::setNames(value, names)
    }
  })
}

#' Checks responses and converts them to a double matrix
#' @param y A matrix, or a data frame or list of columns.
#' @noRd
response_matrix <- function(y, n, arg) {
  if (is_survival(y)) {
    abort_responses(arg, "It holds survival times.", survival_hint)
  }
  if (is.list(y)) {
    y <- response_columns(y, n, arg)
  }
  if (!is.numeric(y) && !is.logical(y)) {
    abort_responses(arg, it_is(y))
  }
  y <- as.matrix(y)
  check_response_size(y, n, arg)
  storage.mode(y) <- "double"
  check_no_infinite(y, arg)
  colnames(y) <- response_labels(y)
  y
}

# One name for each response, as results are found by it: "y2" for a second one without a name,
# as in `cbind(a, sqrt(b))`, and "a.1" for a second "a".
response_labels <- function(y) {
  labels <- colnames(y) %||% character(ncol(y))
  places <- paste0("y", seq_len(ncol(y)))
  is_unnamed <- is.na(labels) | labels == ""
  make.unique(ifelse(is_unnamed, places, labels))
}

check_response_size <- function(y, n, arg) {
  if (nrow(y) != n) {
    rows <- plural(nrow(y), "row")
    found <- sprintf("It has %s, the model %s.", rows, format_count(n))
    abort_responses(arg, found)
  }
  if (ncol(y) == 0L) {
    abort_responses(arg, "It has no columns.")
  }
}

check_no_infinite <- function(y, arg) {
  infinite <- which(colSums(is.infinite(y)) > 0)
  if (length(infinite) > 0L) {
    labels <- colnames(y)[infinite] %||% as.character(infinite)
    found <- sprintf("Infinite values stand in %s.", enumerate(labels))
    abort_responses(arg, found)
  }
}

response_columns <- function(y, n, arg) {
  check_columns_numeric(y, arg)
  check_column_lengths(y, n, arg)
  names <- names(y)
  y <- vapply(y, as.double, double(n))
  y <- matrix(y, n)
  colnames(y) <- names
  y
}

check_columns_numeric <- function(y, arg) {
  is_fine <- \(x) {
    is_number <- is.numeric(x) || is.logical(x)
    is_number && NCOL(x) == 1L
  }
  fine <- vapply(y, is_fine, NA)
  if (!all(fine)) {
    bad <- names(y)[!fine] %||% as.character(which(!fine))
    abort_responses(arg, sprintf("Not numeric: %s.", enumerate(bad)))
  }
}

check_column_lengths <- function(y, n, arg) {
  lengths <- vapply(y, NROW, 1L)
  bad <- which(lengths != n)
  if (length(bad) > 0L) {
    found <- "Response %s has %s, the model %s."
    values <- plural(lengths[[bad[1L]]], "value")
    found <- sprintf(found, bad[1L], values, format_count(n))
    abort_responses(arg, found)
  }
}

abort_responses <- function(arg, found, hint = NULL) {
  subject <- if (arg == "formula") "The left side of `formula`" else tick(arg)
  abort_argument(
    paste(
      subject,
      "must be a numeric matrix with a column for each response,",
      "or a data frame or list of columns."
    ),
    x = found,
    i = hint,
    arg = arg
  )
}

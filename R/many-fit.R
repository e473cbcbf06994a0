# Many responses of one design: fitted by the core together, those with missing values in groups of
# the same rows.

#' Fits each column of a matrix of responses
#'
#' @param design A list with the `spec`, `random`, `fixed` and `held` of [model_design()], or of a
#'   fit.
#' @param y A matrix with a row for each row of the spec; missing values are left out.
#' @param control What [core_control()] returns, and `df`: are degrees of freedom wanted?
#' @param start Where the searches start: a list that may hold `theta` and `beta`.
#' @return A list of matrices with a row, and vectors with an element, for each response: `beta`,
#'   `std_error`, `df` (of a linear model), `theta`, `sigma`, `shape`, `objective`, `verdict`,
#'   `error`, `nobs`.
#' @noRd
fit_responses <- function(design, y, control, start = list()) {
  is_missing <- is.na(y)
  weights <- design$weights
  patterns <- if (is.null(weights)) {
    missing_patterns(is_missing)
  } else {
    list(groups = as.list(seq_len(ncol(y))))
  }
  spec <- design$spec
  parts <- lapply(patterns$groups, \(columns) {
    keep <- !is_missing[, columns[1L]]
    spec$weights <- if (is.null(weights)) spec$weights else weights[, columns]
    fit_pattern(spec, y[, columns, drop = FALSE], keep, control, start)
  })
  found <- bind_parts(parts)
  order <- order(unlist(patterns$groups))
  lapply(found, \(value) {
    if (is.matrix(value)) value[order, , drop = FALSE] else value[order]
  })
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
  list(groups = unname(groups))
}

fit_pattern <- function(spec, y, keep, control, start) {
  if (!all(keep)) {
    spec <- spec_rows(spec, keep)
    y <- y[keep, , drop = FALSE]
  }
  found <- tryCatch(
    core_fit_columns(spec, y, start, control),
    rlmm_error = \(cnd) no_fits(spec, ncol(y), core_reason(cnd))
  )
  has_df <- is.null(spec$glmm) && control$df
  rows <- c("beta", "std_error", "theta", if (has_df) "df")
  found[rows] <- lapply(found[rows], t)
  kept <- c(rows, "sigma", "shape", "objective", "verdict", "error")
  found <- found[intersect(kept, names(found))]
  found$nobs <- rep(spec_nobs(spec), ncol(y))
  found
}

# The reason of a failure, in a line.
core_reason <- function(cnd) {
  strsplit(conditionMessage(cnd), "\n", fixed = TRUE)[[1L]][1L]
}

spec_nobs <- function(spec) {
  if (is.null(spec$weights)) length(spec$y) else sum(spec$weights > 0)
}

# What fit_pattern() makes of responses that can't be fitted at all.
no_fits <- function(spec, n, reason) {
  p <- count_columns(spec$x)
  n_theta <- n_arguments(replace(spec, "glmm", list(NULL)))
  missing <- rep(NA_real_, n)
  list(
    beta = matrix(NA_real_, p, n),
    std_error = matrix(NA_real_, p, n),
    df = matrix(NA_real_, p, n),
    theta = matrix(NA_real_, n_theta, n),
    sigma = missing,
    shape = if (!is.null(spec$glmm)) missing,
    objective = missing,
    verdict = rep(NA_character_, n),
    error = rep(reason, n)
  )
}

#' The part of a spec that belongs to some rows
#' @noRd
spec_rows <- function(spec, keep) {
  n <- length(spec$y)
  spec$x <- column_rows(spec$x, keep, n)
  for (name in c("y", "weights", "offset")) {
    if (!is.null(spec[[name]])) spec[[name]] <- spec[[name]][keep]
  }
  spec$terms <- lapply(spec$terms, \(term) {
    term$refs <- term$refs[keep]
    term$z <- column_rows(term$z, keep, n)
    term
  })
  spec
}

column_rows <- function(columns, keep, n) {
  lapply(columns, \(column) {
    if (is.matrix(column)) {
      column[keep, , drop = FALSE]
    } else if (length(column) == n && n > 1L) {
      column[keep]
    } else {
      column
    }
  })
}

#' Puts parts together, row by row
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

#' Names for the rows and columns of what [fit_responses()] found, with the held coefficients
#' @noRd
named_responses <- function(found, design, names) {
  all_names <- design$fixed$names
  held <- design$held
  free <- !all_names %in% names(held)
  whole <- \(values, constant) {
    all <- matrix(
      constant,
      nrow(values),
      length(all_names),
      byrow = TRUE,
      dimnames = list(names, all_names)
    )
    all[, free] <- values
    all
  }
  constants <- replace(rep(NA_real_, length(all_names)), !free, as.double(held))
  found$beta <- whole(found$beta, constants)
  found$std_error <- whole(found$std_error, ifelse(free, NA_real_, 0))
  if (!is.null(found$df)) {
    found$df <- whole(found$df, NA_real_)
  }
  dimnames(found$theta) <- list(names, theta_names(design$random))
  vectors <- setdiff(names(found), c("beta", "std_error", "df", "theta"))
  found[vectors] <- lapply(found[vectors], stats::setNames, names)
  found
}

#' Checks responses, and makes a double matrix of them
#' @param y A matrix, or a data frame or list of columns.
#' @noRd
response_matrix <- function(y, n, arg) {
  if (is.data.frame(y) || is.list(y)) {
    y <- response_columns(y, n, arg)
  }
  if (!is.numeric(y) && !is.logical(y)) {
    abort_responses(arg, it_is(y))
  }
  y <- as.matrix(y)
  if (nrow(y) != n) {
    abort_responses(
      arg,
      sprintf(
        "It has %s, the model %s.",
        plural(nrow(y), "row"),
        format_count(n)
      )
    )
  }
  if (ncol(y) == 0L) {
    abort_responses(arg, "It has no columns.")
  }
  storage.mode(y) <- "double"
  infinite <- which(colSums(is.infinite(y)) > 0)
  if (length(infinite) > 0L) {
    labels <- colnames(y)[infinite] %||% as.character(infinite)
    abort_responses(
      arg,
      sprintf("Infinite values stand in %s.", enumerate(labels))
    )
  }
  colnames(y) <- colnames(y) %||% paste0("y", seq_len(ncol(y)))
  y
}

response_columns <- function(y, n, arg) {
  is_fine <- vapply(
    y,
    \(column) (is.numeric(column) || is.logical(column)) && NCOL(column) == 1L,
    NA
  )
  lengths <- vapply(y, NROW, 1L)
  if (!all(is_fine)) {
    bad <- names(y)[!is_fine] %||% as.character(which(!is_fine))
    abort_responses(arg, sprintf("Not numeric: %s.", enumerate(bad)))
  }
  if (any(lengths != n)) {
    bad <- which(lengths != n)[1L]
    found <- "Response %s has %s, the model %s."
    abort_responses(
      arg,
      sprintf(found, bad, plural(lengths[[bad]], "value"), format_count(n))
    )
  }
  names <- names(y)
  y <- vapply(y, as.double, double(n))
  y <- matrix(y, n)
  colnames(y) <- names
  y
}

abort_responses <- function(arg, found) {
  subject <- if (arg == "formula") "The left side of `formula`" else tick(arg)
  abort_rlmm(
    c(
      paste(
        subject,
        "must be a numeric matrix with a column for each response,",
        "or a data frame or list of columns."
      ),
      x = found
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

# Model-matrix columns as Rust reads them: a list of vectors of length n, single numbers for
# constant columns, and matrices. Plain numeric variables are columns without being copied.

#' Columns of a one- or two-sided terms object
#'
#' As `model.matrix()`, but a plain number is not copied, and the intercept is the number 1.
#' @return A list of columns, named but for a matrix; the attribute `contrasts` if there are
#'   factors.
#' @noRd
design_columns <- function(terms, frame, contrasts = NULL) {
  frame <- without_integer64(frame)
  plain_columns(terms, frame) %||% coded_columns(terms, frame, contrasts)
}

coded_columns <- function(terms, frame, contrasts) {
  attr(frame, "terms") <- terms
  # Making row names is slow if there are many rows.
  attr(frame, "row.names") <- character(nrow(frame))
  x <- stats::model.matrix.default(terms, frame, contrasts.arg = contrasts)
  used <- attr(x, "contrasts")
  attributes(x) <- list(
    dim = dim(x),
    dimnames = list(NULL, colnames(x))
  )
  structure(list(x), contrasts = used)
}

without_integer64 <- function(frame) {
  for (i in seq_along(frame)) {
    if (inherits(.subset2(frame, i), "integer64")) {
      frame[[i]] <- as.double(frame[[i]])
    }
  }
  frame
}

plain_columns <- function(terms, frame) {
  if (any(attr(terms, "order") != 1L)) {
    return(NULL)
  }
  columns <- unclass(frame)[attr(terms, "term.labels")]
  for (column in columns) {
    if (!is_plain_number(column)) return(NULL)
  }
  if (attr(terms, "intercept") == 1L) c(intercept_column, columns) else columns
}

intercept_column <- list("(Intercept)" = 1)

count_columns <- function(columns) {
  count <- length(columns)
  for (column in columns) {
    if (is.matrix(column)) count <- count + ncol(column) - 1L
  }
  count
}

# The number of random effects of a term.
count_effects <- function(term) ncol(term$z) * term$n_levels

column_names <- function(columns) {
  if (is_matrix_only(columns)) {
    colnames(columns[[1L]])
  } else {
    names(columns)
  }
}

is_matrix_only <- function(columns) {
  length(columns) == 1L && is.matrix(columns[[1L]])
}

# Selects columns of a design, which is one matrix or a list of vectors.
select_columns <- function(columns, keep) {
  if (is_matrix_only(columns)) {
    list(columns[[1L]][, keep, drop = FALSE])
  } else {
    columns[keep]
  }
}

# Splits a matrix into a list of its columns.
split_columns <- function(x) {
  lapply(seq_len(ncol(x)), \(j) x[, j])
}

#' The columns of a design as one double matrix with `n` rows
#' @noRd
column_matrix <- function(columns, n) {
  if (is_matrix_only(columns)) {
    return(columns[[1L]])
  }
  if (length(columns) == 0L) {
    return(matrix(0, n, 0L))
  }
  do.call(
    cbind,
    lapply(columns, function(column) {
      if (is.matrix(column)) {
        column
      } else if (length(column) == 1L) {
        rep(column, n)
      } else {
        as.double(column)
      }
    })
  )
}

# Checks that columns are finite: plain variables have been checked in the frame, but products and
# bases may overflow.
check_columns_finite <- function(columns) {
  if (!is_matrix_only(columns) || is.finite(sum(columns[[1L]]))) {
    return(invisible())
  }
  x <- columns[[1L]]
  for (name in colnames(x)) {
    abort_if_any(!is.finite(x[, name]), name, "infinite")
  }
}

# Selects rows of columns; the single number of a constant column is kept.
rows_of_columns <- function(columns, rows, n) {
  lapply(columns, \(column) {
    if (is.matrix(column)) {
      column[rows, , drop = FALSE]
    } else if (length(column) == n && n > 1L) {
      column[rows]
    } else {
      column
    }
  })
}

#' Selects rows of a spec and keeps all levels of its terms
#' @noRd
spec_rows <- function(spec, rows) {
  n <- length(spec$y)
  for (name in c("y", "weights", "offset", "eta")) {
    spec[[name]] <- spec[[name]][rows]
  }
  spec$x <- rows_of_columns(spec$x, rows, n)
  spec$terms <- lapply(spec$terms, \(term) {
    term$refs <- term$refs[rows]
    term$z <- rows_of_columns(term$z, rows, n)
    term
  })
  spec
}

#' The columns of a design times R^-1, as one matrix
#' @param root R, or `NULL` for the columns themselves, see [in_orthogonal_columns()].
#' @param own The columns that R refers to; the others are unchanged.
#' @noRd
columns_in_basis <- function(columns, root, n, own = TRUE) {
  if (is.null(root)) {
    return(columns)
  }
  x <- column_matrix(columns, n)
  x[, own] <- x[, own] %*% backsolve(root, diag(nrow(root)))
  list(x)
}

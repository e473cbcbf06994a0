# Merges equal rows of a generalized model: the core computes with the distinct rows and their
# counts if they are at most half of the rows. Results for single rows are expanded again.

# With fewer rows, comparing them takes longer than computing with all of them.
min_merged_rows <- 5000L

# The number of equal rows expected in a sample if half of the rows are distinct: enough to tell
# the two apart, few enough for a sample of 1 % of a million rows.
expected_equal_rows <- 100L

#' A spec with the distinct rows of a generalized model
#' @return A list: `spec`, and, if rows were merged, `at`, the number of the distinct row of each
#'   row.
#' @noRd
merge_equal_rows <- function(spec) {
  n <- length(spec$y)
  if (n < min_merged_rows || !is.null(spec$counts)) {
    return(list(spec = spec))
  }
  values <- row_values(spec, n)
  if (!has_many_equal(values, n)) {
    return(list(spec = spec))
  }
  at <- code_of_rows(values, n)
  counts <- tabulate(at)
  if (length(counts) > n / 2) {
    return(list(spec = spec))
  }
  merged <- spec_rows(spec, match(seq_along(counts), at))
  merged$counts <- as.double(counts)
  list(spec = merged, at = at)
}

# The variables that distinguish rows of a spec, as vectors of length n.
row_values <- function(spec, n) {
  of_term <- \(term) c(list(term$refs), term$z)
  of_terms <- lapply(spec$terms, of_term)
  columns <- c(
    spec[c("y", "weights", "offset")],
    spec$x,
    unlist(of_terms, recursive = FALSE)
  )
  vectors <- lapply(unname(columns), vectors_of_rows, n)
  unlist(vectors, recursive = FALSE)
}

# The vectors of length n of a column; none for a constant column.
vectors_of_rows <- function(column, n) {
  if (is.matrix(column)) {
    split_columns(column)
  } else if (length(column) == n) {
    list(column)
  }
}

#' Whether at most about half of the rows are distinct
#'
#' Of m rows drawn from D equally frequent kinds, about m^2 / 2D equal an earlier one.
#' @noRd
has_many_equal <- function(values, n) {
  rows <- pseudorandom_rows(sqrt(expected_equal_rows * n), n)
  code <- code_of_rows(lapply(values, `[`, rows), length(rows))
  length(rows) - max(code) > length(rows)^2 / n
}

# Pseudorandom rows, always the same ones, without changing the state of R's generator.
pseudorandom_rows <- function(m, n) {
  share <- (sin(seq_len(m)) * 43758.5453) %% 1
  unique(floor(share * n) + 1)
}

#' A code for each row, equal for equal rows, numbered by first occurrence
#' @param columns A list of vectors of length n.
#' @noRd
code_of_rows <- function(columns, n) {
  code <- rep(1, n)
  for (x in columns) {
    own <- match(x, unique(x))
    code <- code + (own - 1) * max(code, 0)
    code <- match(code, unique(code))
  }
  code
}

#' Expands the estimates of a spec of distinct rows to all rows
#' @param merged The result of [merge_equal_rows()].
#' @noRd
for_all_rows <- function(est, merged) {
  at <- merged$at
  if (is.null(at)) {
    return(est)
  }
  est$working_weights <- est$working_weights / merged$spec$counts
  for (name in c("eta", "fitted", "working_weights")) {
    est[[name]] <- est[[name]][at]
  }
  est
}

# Equal rows of a generalized model: the core works through the distinct ones, each with the number
# of its equals, where they are at most half as many. All that it says of single rows is handed back
# for every row.

# Fewer rows are worked through faster than compared.
least_rows_merged <- 5000L

# Rows of the sample that tells about how many are equal.
rows_sampled <- 20000L

#' A spec with the distinct rows of a generalized model
#' @return A list: `spec`, and, if that has other rows than the one given, `at`: for each row the
#'   number of its equal; without it the spec is the given one.
#' @noRd
merge_equal_rows <- function(spec) {
  n <- length(spec$y)
  if (n < least_rows_merged || !is.null(spec$counts)) {
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

# All that makes one row of a spec unlike another, as vectors of n values.
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

# The vectors of n values that a column stands for: none, if all of its rows are alike.
vectors_of_rows <- function(column, n) {
  if (is.matrix(column)) {
    split_columns(column)
  } else if (length(column) == n) {
    list(column)
  }
}

#' Whether at most about half of the rows are distinct
#'
#' About m^2 / 2D of m rows drawn out of D equally frequent kinds are the equals of earlier ones.
#' @noRd
has_many_equal <- function(values, n) {
  m <- min(n, rows_sampled)
  rows <- if (m < n) scattered_rows(m, n) else seq_len(n)
  code <- code_of_rows(lapply(values, `[`, rows), length(rows))
  equals <- length(rows) - max(code)
  expected <- length(rows)^2 / n
  equals > if (m < n) expected else n / 2
}

# Rows that look drawn at random, always the same ones, and the state of the generator stays.
scattered_rows <- function(m, n) {
  share <- (sin(seq_len(m)) * 43758.5453) %% 1
  unique(floor(share * n) + 1)
}

#' A number for each row, the same of equal rows, counted in the order of their first
#' @param columns Vectors of n values.
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

#' Estimates of a spec of distinct rows, for all rows
#' @param merged What [merge_equal_rows()] returns.
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

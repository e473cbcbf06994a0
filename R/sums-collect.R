# Collects results from a table's engine, with errors for variables that the engine can't compute
# and for results that don't fit into memory.

#' Collects the result of a statement of sums
#' @noRd
collect_sums <- function(statement, table, job) {
  columns <- length(names_of_table(statement))
  memory <- min(free_memory(), job$memory)
  limit <- floor(memory / bytes_of_rows(columns))
  first <- utils::head(statement, limit + 1)
  found <- with_engine_errors(as.data.frame(dplyr::collect(first)), table, job)
  if (nrow(found) > limit) {
    abort_too_many_levels(statement, columns, memory)
  }
  found
}

collect_first <- function(table, n) {
  tryCatch(
    as.data.frame(dplyr::collect(utils::head(table, n))),
    error = abort_unreadable
  )
}

#' The rows of a table without missing values in the given columns
#' @noRd
rows_with <- function(table, columns) {
  columns <- intersect(columns, names_of_table(table))
  present <- lapply(columns, \(name) call("!", call("is.na", as.name(name))))
  dplyr::filter(table, !!!present)
}

# The memory that a row of a result needs, with three copies of 8 bytes for each number.
bytes_of_rows <- function(columns) 3 * 8 * columns

abort_too_many_levels <- function(statement, columns, memory) {
  n <- as.numeric(dplyr::collect(dplyr::count(statement))$n)
  abort_rlmm(
    c(
      "The sums of the grouping factors don't fit into R's memory.",
      x = sprintf(
        "%s, or pairs of levels, need %s GiB, and %s may be taken.",
        plural(n, "level"),
        format(bytes_of_rows(columns) * n / 2^30, digits = 2L),
        format(memory / 2^30, digits = 2L)
      )
    ),
    c("rlmm_error_too_large", "rlmm_error_sums"),
    levels = n
  )
}

# Errors of engines -----------------------------------------------------------

#' Evaluates an expression; an error of the engine becomes one about the variable that causes it
#' @noRd
with_engine_errors <- function(expr, table, job) {
  tryCatch(expr, error = \(cnd) abort_engine(cnd, table, job))
}

abort_engine <- function(cnd, table, job) {
  if (!can_be_read(table)) {
    abort_unreadable(cnd)
  }
  culprit <- first_culprit(table, job)
  if (!is.null(culprit)) {
    abort_variable(culprit$name, culprit$message)
  }
  abort_rlmm(
    c("The table's engine can't compute the sums.", x = deepest_message(cnd)),
    "rlmm_error_sums"
  )
}

abort_variable <- function(name, message) {
  abort_rlmm(
    c(
      sprintf("The table's engine can't compute %s.", tick(name)),
      x = message,
      i = "Compute it as a column of the table first?"
    ),
    "rlmm_error_sums",
    variable = name
  )
}

can_be_read <- function(table) {
  tryCatch(
    {
      dplyr::collect(utils::head(table, 1L))
      TRUE
    },
    error = \(cnd) FALSE
  )
}

#' The first variable of the formula that the engine can't compute, in the first row or in any row
#' @return A list of `name` and `message`; `NULL` if the engine can compute every variable.
#' @noRd
first_culprit <- function(table, job) {
  groups <- job$expressions$groups
  numbers <- number_variables(job)
  of_one <- \(rows) utils::head(rows, 1L)
  total <- quote(sum(value, na.rm = TRUE))
  of_all <- \(rows) dplyr::summarise(rows, total = !!total)
  culprit_among(c(numbers, groups), table, of_one) %||%
    culprit_among(numbers, table, of_all)
}

culprit_among <- function(variables, table, wanted) {
  for (name in names(variables)) {
    message <- tryCatch(
      {
        rows <- dplyr::transmute(table, value = !!variables[[name]])
        dplyr::collect(wanted(rows))
        NULL
      },
      error = deepest_message
    )
    if (!is.null(message)) {
      return(list(name = name, message = message))
    }
  }
}

# The expressions of numeric columns, by their names in the formula and in the fit.
number_variables <- function(job) {
  x <- job$expressions$x
  names(x) <- job$plan$fixed$names
  z <- unlist(unname(job$expressions$z), recursive = FALSE)
  names(z) <- unlist(lapply(job$plan$random, `[[`, "columns"))
  y <- list(job$expressions$y)
  names(y) <- deparse_one(job$plan$parsed$response)
  w <- job$expressions$w
  c(
    y,
    x[names(x) != "(Intercept)"],
    z[!names(z) %in% c("(Intercept)", names(x))],
    if (!is.null(w)) list(weights = w)
  )
}

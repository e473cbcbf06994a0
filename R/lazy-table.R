# Data that aren't in R's memory: tables in databases, Arrow's data sets, readers.

#' Whether data are of a kind that is summed up and not held
#' @noRd
is_summed_up <- function(data) {
  if (is.null(data) || is.data.frame(data)) {
    return(FALSE)
  }
  is_lazy_table(data) || is.function(data) || is_batch_reader(data)
}

# Tables for which dplyr's verbs are carried out where the rows are.
is_lazy_table <- function(data) {
  is_database <- inherits(data, c("tbl_lazy", "tbl_sql", "tbl_spark"))
  is_database || is_arrow(data)
}

# Arrow's tables, data sets, and queries of them.
is_arrow <- function(data) {
  classes <- c("ArrowObject", "ArrowTabular", "arrow_dplyr_query")
  inherits(data, classes) && !is_batch_reader(data)
}

is_batch_reader <- function(data) inherits(data, "RecordBatchReader")

# Groups of a table are none of a model's.
ungrouped <- function(table) {
  tryCatch(dplyr::ungroup(table), error = \(cnd) table)
}

names_of_table <- function(table) {
  colnames(table) %||% as.character(dplyr::tbl_vars(table))
}

# Columns of the data among the variables; all of them where the formula has a dot.
asked_columns <- function(variables, columns) {
  if ("." %in% variables) columns else intersect(columns, variables)
}

# Whole numbers of 64 bits as R's numbers, or as text where these have too few digits.
without_long_integers <- function(x) {
  if (!inherits(x, "integer64")) {
    return(x)
  }
  numbers <- suppressWarnings(as.double(x))
  if (all(abs(numbers) < 2^53)) numbers else as.character(x)
}

check_table_packages <- function(table) {
  rlang::check_installed(
    c("dplyr", if (inherits(table, "tbl_lazy")) "dbplyr"),
    "to sum up a table that isn't in R's memory."
  )
}

abort_unreadable <- function(cnd) {
  abort_rlmm(
    c(
      "The table can't be read.",
      x = deepest_message(cnd),
      i = "Is the connection to the database still there?"
    ),
    c("rlmm_error_connection", "rlmm_error_sums")
  )
}

# What the engine itself said, below what others said of it: the first line, as drivers go on with
# the statement.
deepest_message <- function(cnd) {
  while (!is.null(cnd$parent)) {
    cnd <- cnd$parent
  }
  sub("[[:space:]]*\n.*$", "", conditionMessage(cnd))
}

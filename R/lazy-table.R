# Data outside R's memory: tables in databases, Arrow data sets, readers.

#' Whether data are of a kind that is summed instead of held in memory
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

#' Arrow's tables in R's memory as data sets, for which an expression that Arrow can't compute is an
#' error instead of being evaluated in R
#' @noRd
as_dataset <- function(table) {
  if (inherits(table, "arrow_dplyr_query")) {
    table$.data <- as_dataset(table$.data)
    return(table)
  }
  if (!inherits(table, "ArrowTabular")) {
    return(table)
  }
  getExportedValue("arrow", "InMemoryDataset")$create(table)
}

# Drops the groups of a table, which a model ignores.
ungrouped <- function(table) {
  tryCatch(dplyr::ungroup(table), error = \(cnd) table)
}

names_of_table <- function(table) {
  colnames(table) %||% as.character(dplyr::tbl_vars(table))
}

# The columns of the data among the variables; all of them if the formula has a dot.
requested_columns <- function(variables, columns) {
  if ("." %in% variables) columns else intersect(columns, variables)
}

# Converts 64-bit integers to double, or to text where double has too few digits.
without_long_integers <- function(x) {
  if (!inherits(x, "integer64")) {
    return(x)
  }
  numbers <- suppressWarnings(as.double(x))
  if (all(abs(numbers) < 2^53)) numbers else as.character(x)
}

check_table_packages <- function(table) {
  what <- "rlmm() of a table outside R's memory"
  need_package("dplyr", what)
  if (inherits(table, "tbl_lazy")) {
    need_package("dbplyr", what)
  }
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

# The first line of the engine's own message, from the innermost parent of a condition. Drivers
# append the statement to it.
deepest_message <- function(cnd) {
  while (!is.null(cnd$parent)) {
    cnd <- cnd$parent
  }
  sub("[[:space:]]*\n.*$", "", conditionMessage(cnd))
}

# Data that aren't in R's memory: tables in databases, Arrow's data sets, readers.

#' Whether data are of a kind that is summed up and not held
#' @noRd
is_summed_up <- function(data) {
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

names_of_table <- function(table) {
  colnames(table) %||% as.character(dplyr::tbl_vars(table))
}

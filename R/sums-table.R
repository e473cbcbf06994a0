# Sums of tables that stay where they are: in a database, in files, or behind an engine that R
# doesn't reach.

# Rows that are looked at first, for the types of columns and about where their values are.
rows_looked_at <- 1000L

#' @noRd
sums_of_table <- function(formula, table, extras, contrasts) {
  rlang::check_installed(
    c("dplyr", if (inherits(table, "tbl_lazy")) "dbplyr"),
    "to sum up a table that isn't in R's memory."
  )
  rows <- as.data.frame(dplyr::collect(utils::head(table, rows_looked_at)))
  if (nrow(rows) == 0L) {
    abort_rlmm("`data` must have at least one row.", "rlmm_error_no_rows")
  }
  known <- table_levels(formula, table, rows, extras)
  made <- table_plan(formula, rows, extras, contrasts, known)
  statements <- sums_statements(table, made$expressions, made$centre)
  results <- lapply(statements, collect_statement)
  sums_from_results(made$plan, made$expressions, made$centre, results)
}

# An engine's error in the user's words.
collect_statement <- function(statement) {
  tryCatch(
    as.data.frame(dplyr::collect(statement)),
    error = function(cnd) {
      abort_rlmm(
        c(
          "The table's engine can't compute the sums.",
          x = deepest_message(cnd),
          i = "Can it compute each variable of `formula`?"
        ),
        "rlmm_error_sums"
      )
    }
  )
}

# What the engine itself said, below what others said of it.
deepest_message <- function(cnd) {
  while (!is.null(cnd$parent)) {
    cnd <- cnd$parent
  }
  conditionMessage(cnd)
}

#' What is to be summed up, with its expressions and the centre
#' @noRd
table_plan <- function(formula, rows, extras, contrasts, known = NULL) {
  plan <- sums_plan(formula, rows, extras, contrasts, known)
  check_row_wise(plan, rows, extras)
  plan <- with_types(plan, rows)
  list(
    plan = plan,
    expressions = sums_expressions(plan, rows, extras),
    centre = rough_centre(plan, rows, extras)
  )
}

# How the levels of categorical variables are written in the table.
with_types <- function(plan, rows) {
  type <- function(name) {
    column <- all.vars(str2lang(name))[1L]
    if (is.numeric(rows[[column]])) "numeric" else "text"
  }
  add <- function(part, terms) {
    part$level_types <- lapply(
      rlang::set_names(names(part$xlevels) %||% character()),
      type
    )
    part$terms_classes <- as.list(attr(terms, "dataClasses"))
    part
  }
  plan$fixed <- add(plan$fixed, plan$fixed$terms)
  plan$random <- lapply(plan$random, \(term) add(term, term$effects))
  plan
}

# Levels of the categorical variables, from the whole table.
table_levels <- function(formula, table, rows, extras) {
  parsed <- parse_formula(formula, rows)
  names <- names(categories(formula, parsed, rows, extras))
  found <- lapply(names, \(name) {
    expr <- plain_expression(str2lang(name))
    if (!is.symbol(expr)) {
      abort_no_expression(name, "A factor must be a column.")
    }
    values <- dplyr::distinct(dplyr::transmute(table, level = !!expr))
    levels <- as.data.frame(dplyr::collect(values))$level
    levels(droplevels(factor(levels)))
  })
  rlang::set_names(found, names)
}

#' About where the columns and the response are, from some rows, as numbers that a database reads
#' as they are
#' @noRd
rough_centre <- function(plan, rows, extras) {
  sums <- chunk_sums(plan, rows, extras)$sums
  p <- length(sums$shift)
  beta0 <- sums$beta0
  if (nrow(rows) < 10L * p) {
    beta0 <- if (p > 0L) c(beta0[1L], numeric(p - 1L))
  }
  list(shift = signif(sums$shift, 10L), beta0 = signif(beta0, 10L))
}

# Statements to take along ----------------------------------------------------

#' The statements that sum up a table, as text
#'
#' For data behind an engine that R doesn't reach: the `SELECT` statements of [rlmm_sums()], to be
#' run by whatever means there are. Their results, as data frames, go to [rlmm_sums()].
#'
#' @param formula As in [rlmm()].
#' @param columns A data frame with the columns of the table and some of its rows (ten or more for
#'   each coefficient): they tell the types, the levels of factors, which must all be among those of
#'   the column, and about where the values lie, which saves digits.
#' @param table The table's name, or `c(schema, name)`.
#' @param dialect `"ansi"`, or the name of an engine that dbplyr knows: `"sqlite"`, `"postgres"`,
#'   `"spark_sql"`, `"mysql"`, `"mssql"`, `"oracle"`, `"snowflake"`, `"redshift"`, `"hive"`.
#' @param weights,offset,contrasts As in [rlmm_sums()].
#'
#' @details Names of columns and tables are quoted by dbplyr; nothing but `SELECT` is written.
#'
#' @return A named character vector of class `rlmm_sums_sql`: the sums over all rows, those by each
#'   grouping factor, and those by each pair of them.
#' @examplesIf rlang::is_installed(c("dplyr", "dbplyr (>= 2.5.0)"))
#' queries <- rlmm_sums_sql(
#'   Reaction ~ Days + (1 | Subject),
#'   sleepstudy[1:50, ],
#'   "sleep",
#'   dialect = "postgres"
#' )
#' queries
#' @export
rlmm_sums_sql <- function(
  formula,
  columns,
  table = "data",
  dialect = "ansi",
  weights,
  offset,
  contrasts = NULL
) {
  # Older versions quote names for all engines alike.
  rlang::check_installed(
    c("dplyr", "dbplyr (>= 2.5.0)"),
    "to write statements."
  )
  formula <- read_formula(formula, parent.frame())
  check_chunk(columns)
  extras <- c(
    if (!missing(weights)) list(weights = rlang::enquo(weights)),
    if (!missing(offset)) list(offset = rlang::enquo(offset))
  )
  levels <- lapply(Filter(is.factor, columns), levels)
  made <- table_plan(formula, columns, extras, contrasts, levels)
  lazy <- dbplyr::lazy_frame(
    columns,
    con = simulated_engine(dialect),
    .name = table_name(table)
  )
  statements <- sums_statements(lazy, made$expressions, made$centre)
  text <- vapply(statements, \(one) as.character(dbplyr::sql_render(one)), "")
  structure(text, class = "rlmm_sums_sql", made = made)
}

table_name <- function(table) {
  switch(
    length(table),
    table,
    dbplyr::in_schema(table[1L], table[2L])
  )
}

simulated_engine <- function(dialect) {
  engines <- c(
    ansi = "simulate_dbi",
    sqlite = "simulate_sqlite",
    postgres = "simulate_postgres",
    spark_sql = "simulate_spark_sql",
    mysql = "simulate_mysql",
    mssql = "simulate_mssql",
    oracle = "simulate_oracle",
    snowflake = "simulate_snowflake",
    redshift = "simulate_redshift",
    hive = "simulate_hive"
  )
  dialect <- one_of(dialect, names(engines), "dialect")
  getExportedValue("dbplyr", engines[[dialect]])()
}

#' Sums from the results of statements that were taken along
#' @noRd
sums_of_results <- function(queries, results) {
  made <- attr(queries, "made")
  n <- length(unclass(queries))
  is_right <- is.list(results) &&
    length(results) == n &&
    all(vapply(results, is.data.frame, NA))
  if (!is_right) {
    abort_argument(
      sprintf(
        "`data` must be a list of %s, the results of the statements in their order.",
        plural(n, "data frame")
      ),
      x = it_is(results),
      arg = "data"
    )
  }
  results <- lapply(results, as_result)
  sums_from_results(made$plan, made$expressions, made$centre, results)
}

# Engines write names as they like.
as_result <- function(result) {
  names(result) <- tolower(names(result))
  result
}

#' @export
print.rlmm_sums_sql <- function(x, ...) {
  text <- unclass(x)
  attributes(text) <- NULL
  writeLines(paste0("-- ", names(x), "\n", text, "\n"))
  invisible(x)
}

# Sums of tables outside R: in a database, in files, or behind an engine that R has no connection
# to.

#' @noRd
sums_of_table <- function(formula, table, extras, options) {
  table <- as_dataset(table)
  complete <- complete_table(table, formula, extras)
  rows <- first_rows_of(complete, table)
  has_many <- \(name) has_many_in_table(name, complete, rows, formula)
  found <- without_undefined(find_summed_terms(
    formula,
    rows,
    extras,
    options$contrasts,
    has_many
  ))
  sums_with_factor_as_group(formula, found, \(formula) {
    sums_of_formula(formula, table, complete, rows, extras, options)
  })
}

#' Evaluates an expression without the warnings and messages about undefined values, such as
#' `log(-1)`, in the first rows: which values are undefined is the engine's decision
#' @noRd
without_undefined <- function(expr) {
  withCallingHandlers(
    expr,
    warning = \(cnd) {
      if (!inherits(cnd, "rlmm_warning")) rlang::cnd_muffle(cnd)
    },
    rlmm_message_nan = rlang::cnd_muffle
  )
}

sums_of_formula <- function(formula, table, complete, rows, extras, options) {
  job <- without_undefined({
    known <- table_levels(formula, complete, rows, extras)
    table_plan(formula, rows, extras, options, known, table)
  })
  job$centre <- centre_of_table(table, job)
  statements <- with_engine_errors(
    sums_statements(table, job$expressions, job$centre),
    table,
    job
  )
  collect_one <- \(statement) collect_sums(statement, table, job)
  results <- lapply(statements, collect_one)
  sums_from_statements(results, attr(statements, "of"), job)
}

#' The rows of a table without missing values in the variables of the model
#' @noRd
complete_table <- function(table, formula, extras) {
  exprs <- c(list(formula), lapply(extras, rlang::quo_get_expr))
  rows_with(table, unlist(lapply(exprs, all.vars)))
}

first_rows_of <- function(complete, table) {
  rows <- collect_first(complete, n_sampled_rows)
  if (nrow(rows) > 0L) {
    return(rows)
  }
  is_empty <- nrow(collect_first(table, 1L)) == 0L
  abort_rlmm(
    if (is_empty) {
      "`data` must have at least one row."
    } else {
      "The table must have a row without missing values."
    },
    "rlmm_error_no_rows"
  )
}

#' The plan of the sums of a table, with its expressions and the centre
#' @param is_there Whether the table can be queried, for the parameters of bases such as `poly()`.
#' @noRd
table_plan <- function(
  formula,
  rows,
  extras,
  options,
  known,
  table,
  is_there = TRUE
) {
  plan <- sums_plan(formula, rows, extras, options, known)
  if (is_there) {
    plan <- with_table_bases(plan, table, rows)
  }
  check_row_wise(plan, rows, extras)
  expressions <- sums_expressions(plan, rows, extras, engine_of(table))
  list(
    plan = plan,
    expressions = expressions,
    centre = sample_centre(plan, expressions, rows, extras),
    memory = options$memory
  )
}

# The levels of the categorical variables in the whole table.
table_levels <- function(formula, table, rows, extras) {
  env <- formula_env(formula)
  scope <- list(
    rows = rows,
    env = env,
    engine = engine_of(table)
  )
  parsed <- parse_formula(formula, rows)
  names <- names(categories(formula, parsed, rows, extras))
  lapply(rlang::set_names(names), \(name) levels_in_table(name, table, scope))
}

# Whether a variable of the table has too many levels for dummy columns.
has_many_in_table <- function(name, table, rows, formula) {
  scope <- list(
    rows = rows,
    env = formula_env(formula),
    engine = engine_of(table)
  )
  limit <- option_large_factor() %||% max_dummy_levels
  most <- as.integer(min(limit, max_dummy_levels))
  has_many_levels(length(distinct_in_table(name, table, scope, most + 1L)))
}

# At most `most` distinct values of a variable.
distinct_in_table <- function(name, table, scope, most) {
  expr <- plain_expression(named_variable(name, scope), scope)
  check_table_columns(all.vars(expr), names(scope$rows))
  found <- dplyr::distinct(dplyr::transmute(table, level = !!expr))
  tryCatch(
    as.data.frame(dplyr::collect(utils::head(found, most)))$level,
    error = \(cnd) abort_variable(name, deepest_message(cnd))
  )
}

levels_in_table <- function(name, table, scope) {
  expr <- plain_expression(named_variable(name, scope), scope)
  levels <- distinct_in_table(name, table, scope, max_dummy_levels + 1L)
  check_number_of_levels(length(levels), name)
  if (is.logical(value_in_rows(expr, scope))) {
    levels <- as.logical(levels)
  }
  levels(droplevels(factor(levels)))
}

# Centre ----------------------------------------------------------------------

#' Preliminary origins of the columns and coefficients of the response, from a sample of rows
#' @noRd
sample_centre <- function(plan, expressions, rows, extras) {
  sums <- chunk_sums(plan, rows, extras)$sums
  p <- length(sums$shift)
  beta0 <- least_squares(sums, plan$fixed$names)$beta0
  if (nrow(rows) < 10L * p || length(plan$bases) > 0L) {
    beta0 <- if (p > 0L) c(beta0[1L], numeric(p - 1L))
  }
  rounded_centre(sums$shift, beta0, sums$summed, expressions)
}

#' A centre with numbers rounded to digits that every database reads exactly
#'
#' Indicators of levels are not centred, so that the products of two of them are zero and need not
#' be summed.
#' @noRd
rounded_centre <- function(shift, beta0, summed, expressions) {
  indicates <- row_names_of(expressions)$indicates
  is_indicator <- nzchar(indicates["variable", ])
  taken <- replace(shift, !is_indicator, 0)
  if (any(taken != 0)) {
    beta0[1L] <- beta0[1L] - sum(taken * beta0)
  }
  list(
    shift = signif(shift - taken, 10L),
    beta0 = signif(beta0, 10L),
    summed = summed
  )
}

#' The means of the columns and the least-squares fit, from sums over the whole table
#'
#' The first rows may differ from the others, for example if they are those of the first day.
#' @noRd
centre_of_table <- function(table, job) {
  rough <- job$centre
  rough$beta0 <- replace(rough$beta0, -1L, 0)
  parts <- row_names_of(job$expressions)
  rows <- with_engine_errors(
    centred_rows(table, job$expressions, rough),
    table,
    job
  )
  all <- collect_totals(rows, parts, table, job)
  check_totals(all, parts, job$plan)
  centre <- least_squares(
    read_totals(all, parts, rough),
    job$plan$fixed$names
  )
  rounded_centre(centre$shift, centre$beta0, rough$summed, job$expressions)
}

collect_totals <- function(rows, parts, table, job) {
  totals <- lapply(split_by_max_columns(total_sums(parts)), \(sums) {
    collect_sums(summarise_by(rows, character(), sums), table, job)
  })
  join_parts(totals, character())
}

# Statements as text ----------------------------------------------------------

#' The statements that sum up a table, as text
#'
#' Writes the `SELECT` statements of [rlmm_sums()] for data that R has no connection to. Run them
#' with any client of the database and pass their results, as data frames, to [rlmm_sums()].
#'
#' @param formula As in [rlmm()].
#' @param columns A data frame with the columns of the table and some of its rows, ten or more for
#'   each coefficient. It gives the types of the columns, the levels of factors (which must have all
#'   levels of the column) and approximate means, which improve the accuracy of the sums.
#' @param table The name of the table, or `c(schema, name)`.
#' @param dialect `"ansi"`, or the name of an engine that dbplyr knows: `"sqlite"`, `"postgres"`,
#'   `"spark"`, `"mysql"`, `"mssql"`, `"oracle"`, `"snowflake"`, `"redshift"`, `"hive"`.
#' @param weights,offset,contrasts As in [rlmm_sums()].
#' @param ... Not used; any argument here is an error.
#' @details dbplyr quotes the names of columns and tables. All statements are `SELECT` statements.
#' @return A named character vector of class `rlmm_sums_sql` with the statements for the sums over
#'   all rows, by each grouping factor, and by each pair of grouping factors.
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
  ...,
  contrasts = NULL
) {
  refuse_dots(...)
  need_package("dplyr", "rlmm_sums_sql()")
  # Older versions of dbplyr ignore the quoting rules of the engine.
  need_package("dbplyr", "rlmm_sums_sql()", version = "2.5.0")
  formula <- read_formula(formula, parent.frame())
  check_chunk(columns)
  extras <- given_expressions(c("weights", "offset"))
  levels <- lapply(Filter(is.factor, columns), levels)
  options <- summing_options(contrasts, "precision", extras)
  lazy <- dbplyr::lazy_frame(
    columns,
    con = simulated_engine(dialect),
    .name = table_name(table)
  )
  sizes <- numbers_of_levels(formula, columns, extras)
  has_many <- \(name) isTRUE(has_many_levels(sizes[name]))
  found <- find_summed_terms(formula, columns, extras, contrasts, has_many)
  check_numbers_of_levels(sizes, found)
  job <- sums_with_factor_as_group(formula, found, \(formula) {
    table_plan(formula, columns, extras, options, levels, lazy, FALSE)
  })
  statements <- sums_statements(lazy, job$expressions, job$centre)
  job$of <- attr(statements, "of")
  text <- vapply(statements, \(one) as.character(dbplyr::sql_render(one)), "")
  structure(text, class = "rlmm_sums_sql", job = job)
}

# The number of levels of each factor or text variable among the effects; a factor has the levels
# that it declares.
numbers_of_levels <- function(formula, columns, extras) {
  parsed <- parse_formula(formula, columns)
  found <- categories(formula, parsed, columns, extras)
  vapply(found, \(own) length(own$orders[[1L]] %||% own$used), 1L)
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
    spark = "simulate_spark_sql",
    spark_sql = "simulate_spark_sql",
    mysql = "simulate_mysql",
    mssql = "simulate_mssql",
    oracle = "simulate_oracle",
    snowflake = "simulate_snowflake",
    redshift = "simulate_redshift",
    hive = "simulate_hive"
  )
  dialect <- one_of(
    dialect,
    names(engines),
    "dialect",
    most = length(engines)
  )
  getExportedValue("dbplyr", engines[[dialect]])()
}

#' Sums from the results of statements that were run elsewhere
#' @noRd
sums_of_results <- function(queries, results) {
  job <- attr(queries, "job")
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
  sums_from_statements(lapply(results, as_result), job$of, job)
}

# Engines return column names in different cases.
as_result <- function(result) {
  names(result) <- tolower(names(result))
  as.data.frame(result)
}

#' @export
print.rlmm_sums_sql <- function(x, ...) {
  warn_of_dots(...)
  text <- unclass(x)
  attributes(text) <- NULL
  writeLines(paste0("-- ", names(x), "\n", text, "\n"))
  invisible(x)
}

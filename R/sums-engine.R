# Differences between the engines that compute the columns of a table: whole numbers, dates and
# times.

#' The properties of an engine on which expressions depend
#'
#' In most databases whole numbers times 1.0 are decimal numbers, which are slow in PostgreSQL and
#' have few digits in Spark. For a database that dbplyr has no translation for, `as.double()` gives
#' such a number too.
#' @return A list: `is_arrow`, and functions of an expression: `double` converts to double
#'   precision; `days` and `seconds` convert dates and times to days and seconds since 1970, as R
#'   does; `moment` gives the number that the engine uses for a date or time written as a call, and
#'   `NULL` for other calls.
#' @noRd
engine_of <- function(table) {
  if (is_arrow(table)) {
    return(list(
      is_arrow = TRUE,
      double = as_float,
      days = arrow_days,
      seconds = arrow_seconds,
      moment = no_number
    ))
  }
  con <- dbplyr::remote_con(table)
  list(
    is_arrow = FALSE,
    double = database_double(con),
    days = database_days(con),
    seconds = database_seconds(con),
    moment = if (inherits(con, sqlite_class)) moment_number else no_number
  )
}

no_number <- function(expr, scope) NULL

# SQLite stores dates as numbers, which can't be compared with a date.
moment_number <- function(expr, scope) {
  is_moment <- call_name(expr) %in% c("as.Date", "as.POSIXct")
  if (is_moment && !any(all.vars(expr) %in% names(scope$rows))) {
    value <- eval_or_null(expr, NULL, scope$env)
    if (length(value) == 1L) as.numeric(value)
  }
}

arrow_days <- function(date) as_float(call("cast", date, arrow_type("int32")))

arrow_seconds <- function(time) {
  exact <- call("cast", time, arrow_type("timestamp", "us"))
  whole <- call("cast", exact, arrow_type("int64"))
  call("/", as_float(whole), 1e6)
}

# Arrow multiplies whole numbers as integers and raises an error on overflow.
as_float <- function(expr) call("cast", expr, arrow_type("float64"))

# A type object, since the package arrow need not be attached.
arrow_type <- function(name, ...) getExportedValue("arrow", name)(...)

times_one <- function(expr) {
  call("*", 1, in_parentheses(expr))
}

postgres_classes <- c("PqConnection", "PostgreSQLConnection")
spark_classes <- c("Spark SQL", "spark_connection")
mysql_classes <- c("MariaDBConnection", "MySQLConnection")
sqlite_class <- "SQLiteConnection"

# In some databases the difference of two dates is an interval, which can't be summed.
database_days <- function(con) {
  if (inherits(con, c(spark_classes, mysql_classes))) {
    return(\(date) call("datediff", date, "1970-01-01"))
  }
  if (inherits(con, sqlite_class)) {
    return(sqlite_days)
  }
  \(date) call("-", date, quote(as.Date("1970-01-01")))
}

# RSQLite stores dates as numbers in columns declared as dates, and otherwise as text.
sqlite_days <- function(date) {
  since <- call("-", call("julianday", date), 2440587.5)
  call("if_else", is_sqlite_text(date), since, date)
}

sqlite_seconds <- function(time) {
  since <- call("*", sqlite_days(time), 86400)
  call("if_else", is_sqlite_text(time), since, time)
}

is_sqlite_text <- function(date) call("==", call("typeof", date), "text")

# Databases have no common function for seconds; in unknown ones a time may be a number already.
database_seconds <- function(con) {
  if (inherits(con, sqlite_class)) {
    sqlite_seconds
  } else if (inherits(con, c(postgres_classes, "RedshiftConnection"))) {
    \(time) call("date_part", "epoch", time)
  } else if (inherits(con, spark_classes)) {
    \(time) call("as.double", time)
  } else if (inherits(con, mysql_classes)) {
    \(time) call("unix_timestamp", time)
  } else if (inherits(con, "duckdb_connection")) {
    \(time) call("epoch", time)
  } else {
    identity
  }
}

database_double <- function(con) {
  if (inherits(con, postgres_classes)) {
    return(\(expr) call("float8", expr))
  }
  to_double <- quote(as.double(x))
  cast <- as.character(dbplyr::translate_sql(!!to_double, con = con))
  if (grepl("NUMERIC", cast)) {
    return(times_one)
  }
  \(expr) call("as.double", expr)
}

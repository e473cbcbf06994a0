# What an engine that computes the columns of a table makes of numbers, dates and times.

#' What expressions depend on: is the table Arrow's, and how do whole numbers become double ones?
#'
#' Multiplied by 1.0 they become decimal ones in most databases, which are slow in PostgreSQL and
#' have few digits in Spark. What dbplyr writes for `as.double()` is such a number too where it
#' doesn't know better.
#' @return A list: `is_arrow`, and functions of an expression: `double`, `days` of dates and
#'   `seconds` of times since 1970, which are what R takes dates and times for, and `moment`, the
#'   number for which the engine takes a date or time that is written as a call; `NULL` for other
#'   calls.
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

# SQLite has numbers in the place of dates, with which a date itself can't be compared.
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

# Arrow multiplies whole numbers as such, and stops where that overflows.
as_float <- function(expr) call("cast", expr, arrow_type("float64"))

# A type itself, as the package need not be attached.
arrow_type <- function(name, ...) getExportedValue("arrow", name)(...)

times_one <- function(expr) {
  call("*", 1, in_parentheses(expr))
}

postgres_classes <- c("PqConnection", "PostgreSQLConnection")
spark_classes <- c("Spark SQL", "spark_connection")
mysql_classes <- c("MariaDBConnection", "MySQLConnection")
sqlite_class <- "SQLiteConnection"

# The difference of two dates is a number of days, or an interval, of which there are no sums.
database_days <- function(con) {
  if (inherits(con, c(spark_classes, mysql_classes))) {
    return(\(date) call("datediff", date, "1970-01-01"))
  }
  if (inherits(con, sqlite_class)) {
    return(sqlite_days)
  }
  \(date) call("-", date, quote(as.Date("1970-01-01")))
}

# The package RSQLite takes numbers for dates, where columns are declared as such, and text.
sqlite_days <- function(date) {
  since <- call("-", call("julianday", date), 2440587.5)
  call("if_else", is_sqlite_text(date), since, date)
}

sqlite_seconds <- function(time) {
  since <- call("*", sqlite_days(time), 86400)
  call("if_else", is_sqlite_text(time), since, time)
}

is_sqlite_text <- function(date) call("==", call("typeof", date), "text")

# Databases have no common way to write seconds; a time as it is may be a number already.
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

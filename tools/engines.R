# The steps of tools/engines.sh that R does: "prepare" writes the tables and the statements for
# Spark, "compare" fits everywhere and prints how far the fits are from those of a data frame,
# "large" fits a table of many rows.

suppressPackageStartupMessages({
  library(rlmm)
  library(dplyr)
})
room <- "/tmp/rlmm-engines"
steps <- commandArgs(TRUE)

# Models and data ---------------------------------------------------------------

lectures <- function() {
  rows <- transform(
    InstEval,
    y = as.numeric(y),
    service = as.character(service)
  )
  rows$s <- as.integer(as.character(rows$s))
  rows$d <- as.integer(as.character(rows$d))
  rows$dept <- as.character(rows$dept)
  rows[c("s", "d", "dept", "service", "y")]
}

# Names and values that must be quoted, missing values, whole numbers, and an origin far away.
odd <- function() {
  set.seed(1)
  n <- 4000
  rows <- data.frame(
    id = sample(200L, n, TRUE),
    kind = sample(c("x;1", "y'2", 'z"3'), n, TRUE),
    x = runif(n, 1, 9),
    z = rnorm(n),
    second = 1.6e9 + 1e7 * runif(n),
    from = sample(8L, n, TRUE),
    w = runif(n, 0.5, 2)
  )
  rows$y <- rows$x + rnorm(200)[rows$id] * (1 + rows$z / 3) + rnorm(n)
  rows$y[3] <- NA
  rows$x[5] <- NA
  rows[["a b;c"]] <- rnorm(n)
  rows
}

# Dates and times, which vary little beside their distance from 1970, with slopes by group.
dated <- function() {
  set.seed(2)
  n <- 4000
  rows <- data.frame(id = sample(150L, n, TRUE))
  after <- sample(0:400, n, TRUE)
  rows$day <- as.Date("2026-01-01") + after
  rows$moment <- as.POSIXct("2026-01-01", tz = "UTC") + 86400 * runif(n, 0, 30)
  slopes <- rnorm(150, 0.02, 0.01)
  rows$y <- rnorm(150)[rows$id] + slopes[rows$id] * (after - 200) + rnorm(n)
  rows
}

models <- list(
  lectures = list(
    formula = y ~ service + (1 | s) + (1 | d),
    rows = lectures
  ),
  slopes = list(
    formula = y ~ service + (1 | s) + (service || dept),
    rows = lectures
  ),
  names = list(
    formula = y ~ `a b;c` * kind + second + (1 + z | id) + (1 | from),
    rows = odd
  ),
  nested = list(
    formula = y ~ 0 +
      kind +
      log(x) +
      I(from / 3L) +
      I(2 * x) +
      x +
      (1 | id / kind),
    rows = odd
  ),
  dates = list(formula = y ~ day + moment + (day | id), rows = dated),
  weights = list(
    formula = y ~ factor(from) + x + offset(z / 2) + (x || id),
    rows = odd,
    weights = quote(w)
  )
)

fit_model <- function(model, data) {
  call <- as.call(list(quote(rlmm), model$formula, quote(data)))
  call$weights <- model$weights
  suppressMessages(eval(call))
}

# PostgreSQL ----------------------------------------------------------------------

connect <- function(role) {
  DBI::dbConnect(
    getExportedValue("RPostgreSQL", "PostgreSQL")(),
    host = "127.0.0.1",
    port = Sys.getenv("RLMM_POSTGRES_PORT"),
    user = role,
    password = c(postgres = "administrator", reader = "only reads")[[role]],
    dbname = "postgres"
  )
}

write_to_postgres <- function() {
  con <- connect("postgres")
  DBI::dbExecute(con, "CREATE ROLE reader LOGIN PASSWORD 'only reads'")
  for (name in names(models)) {
    DBI::dbWriteTable(con, name, models[[name]]$rows(), row.names = FALSE)
    DBI::dbExecute(con, sprintf("GRANT SELECT ON \"%s\" TO reader", name))
  }
  # The server ends the connection at its 3000th row.
  DBI::dbExecute(
    con,
    paste(
      "CREATE VIEW ends AS SELECT id, y, x + CASE WHEN row_number() OVER () = 3000",
      "THEN pg_terminate_backend(pg_backend_pid())::int ELSE 0 END AS x FROM names"
    )
  )
  DBI::dbExecute(con, "GRANT SELECT ON ends TO reader")
  DBI::dbDisconnect(con)
}

# What the role that only reads sent, but for what its driver sends when it connects.
statements_sent <- function() {
  lines <- readLines(file.path(room, "pg", "log"))
  sent <- grep("^reader LOG: +statement:", lines, value = TRUE)
  sent <- trimws(sub(".*statement:", "", sent))
  grep(
    "^(SET|SHOW) (client|datestyle)",
    sent,
    value = TRUE,
    invert = TRUE,
    ignore.case = TRUE
  )
}

# Steps -----------------------------------------------------------------------------

prepare <- function() {
  write_to_postgres()
  for (name in names(models)) {
    model <- models[[name]]
    rows <- model$rows()
    folder <- file.path(room, "spark", name)
    dir.create(folder, recursive = TRUE)
    getExportedValue("arrow", "write_parquet")(
      rows,
      file.path(folder, "data.parquet")
    )
    queries <- spark_statements(model, rows)
    files <- file.path(folder, sprintf("%02d.sql", seq_along(queries)))
    Map(writeLines, unclass(queries), files)
  }
  # Spark runs as another user of the machine's other root.
  Sys.chmod(list.files(file.path(room, "spark"), full.names = TRUE), "0777")
}

spark_statements <- function(model, rows) {
  call <- as.call(list(
    quote(rlmm_sums_sql),
    model$formula,
    quote(utils::head(rows, 1000)),
    "rows",
    dialect = "spark"
  ))
  call$weights <- model$weights
  suppressMessages(eval(call))
}

spark_sums <- function(name, model) {
  folder <- file.path(room, "spark", name)
  queries <- spark_statements(model, model$rows())
  results <- sprintf("%02d.parquet", seq_along(queries))
  read <- \(file) {
    as.data.frame(collect(
      getExportedValue("arrow", "open_dataset")(file.path(folder, file))
    ))
  }
  suppressMessages(rlmm(rlmm_sums(queries, lapply(results, read))))
}

# Several files, a folder for each value of a column.
arrow_files <- function(rows) {
  folder <- tempfile()
  rows$part <- seq_len(nrow(rows)) %% 5
  getExportedValue("arrow", "write_dataset")(
    rows,
    folder,
    partitioning = "part"
  )
  getExportedValue("arrow", "open_dataset")(folder)
}

sqlite_table <- function(rows) {
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  DBI::dbWriteTable(con, "rows", rows)
  tbl(con, "rows")
}

# Relative differences: of the criterion, of coefficients in standard errors, and of theta.
differences <- function(found, fit) {
  se <- sqrt(diag(as.matrix(vcov(fit))))
  theta <- getME(fit, "theta")
  c(
    criterion = abs(REMLcrit(found) / REMLcrit(fit) - 1),
    fixef = max(abs(fixef(found) - fixef(fit)) / se),
    theta = max(abs(getME(found, "theta") - theta)) / max(abs(theta)),
    vcov = max(
      abs(as.matrix(vcov(found)) - as.matrix(vcov(fit))) / tcrossprod(se)
    )
  )
}

compare <- function() {
  con <- connect("reader")
  table <- NULL
  for (name in names(models)) {
    model <- models[[name]]
    rows <- model$rows()
    fit <- fit_model(model, rows)
    fits <- list(
      SQLite = \() fit_model(model, sqlite_table(rows)),
      Arrow = \() fit_model(model, arrow_files(rows)),
      PostgreSQL = \() fit_model(model, tbl(con, name)),
      Spark = \() spark_sums(name, model)
    )
    for (engine in names(fits)) {
      seconds <- system.time(found <- fits[[engine]]())[["elapsed"]]
      row <- c(as.list(differences(found, fit)), seconds = seconds)
      table <- rbind(table, data.frame(model = name, engine, row))
    }
  }
  print(table, digits = 2, row.names = FALSE)
  check(
    max(table[3:6]) < 1e-8,
    "The fits of all engines are those of a data frame to 1e-8."
  )
  compare_generalized(con)
  others <- grep(
    "^SELECT",
    statements_sent(),
    TRUE,
    value = TRUE,
    invert = TRUE
  )
  writeLines(unique(others))
  check(length(others) == 0L, "Only SELECTs were sent.")
  check_left_behind()
  check_ended(connect("reader"))
}

# A generalized model, of which the engines count the equal rows, and predictions chunk by chunk.
compare_generalized <- function(con) {
  rows <- lectures()
  formula <- I(y > 3) ~ service + (1 | dept)
  fit <- rglmm(formula, rows, binomial)
  tables <- list(
    SQLite = sqlite_table(rows),
    Arrow = arrow_files(rows),
    PostgreSQL = tbl(con, "lectures")
  )
  for (engine in names(tables)) {
    found <- rglmm(formula, tables[[engine]], binomial)
    errors <- c(
      abs(logLik(found) / logLik(fit) - 1),
      abs(fixef(found) - fixef(fit)) / sqrt(diag(as.matrix(vcov(fit)))),
      abs(sort(predict(fit, tables[[engine]])) - sort(predict(fit)))
    )
    text <- "%s counts %s distinct rows, of which the fit is that of all."
    text <- sprintf(text, engine, nrow(model.frame(found)))
    check(max(errors) < 1e-6 && nobs(found) == nrow(rows), text)
  }
}

check_left_behind <- function() {
  con <- connect("postgres")
  tables <- DBI::dbGetQuery(
    con,
    "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'v', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema')"
  )
  DBI::dbDisconnect(con)
  check(
    setequal(tables$relname, c(names(models), "ends")),
    "Nothing is left on the server."
  )
}

check_ended <- function(con) {
  error <- tryCatch(rlmm(y ~ x + (1 | id), tbl(con, "ends")), error = identity)
  writeLines(c(
    "An engine that ends the connection half-way:",
    conditionMessage(error)
  ))
  check(
    inherits(error, "rlmm_error_connection"),
    "This is an error of a class."
  )
}

check <- function(is_true, what) {
  cat(if (is_true) "passed: " else "FAILED: ", what, "\n", sep = "")
  if (!is_true) {
    options(rlmm.failed = TRUE)
  }
}

# A table of `n` rows, made by the server, fitted in this process.
large <- function(n) {
  con <- connect("postgres")
  DBI::dbExecute(
    con,
    paste(
      "CREATE UNLOGGED TABLE large AS SELECT *,",
      "x + sin(person) + x * cos(person) / 2 + random() + random() AS y,",
      "(random() < .2 + dose * .1 + sin(item) / 10)::int AS won FROM",
      "(SELECT i, (random() * 20000)::int AS person, (random() * 500)::int AS item,",
      "random() AS x, (random() * 4)::int AS dose, (random() * 20)::int AS shop",
      "FROM generate_series(1,",
      format(as.numeric(n), scientific = FALSE),
      ") AS i) AS drawn"
    )
  )
  DBI::dbExecute(con, "GRANT SELECT ON large TO reader")
  DBI::dbDisconnect(con)
  con <- connect("reader")
  table <- tbl(con, "large")
  linear <- y ~ x + (1 + x | person)
  tell_large(n, \() rlmm(linear, table))
  generalized <- won ~ dose + (1 | item) + (1 | shop)
  tell_large(n, \() rglmm(generalized, table, family = binomial))
}

# Fits a large table, and says what that takes.
tell_large <- function(n, fit_it) {
  seconds <- system.time(fit <- fit_it())[["elapsed"]]
  print(fit)
  peak <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  megabytes <- as.numeric(gsub("[^0-9]", "", peak)) / 1024
  text <- "%s rows: %.1f s, R's memory at most %.0f MB\n"
  cat(sprintf(text, n, seconds, megabytes))
  check(megabytes < 300, "R's memory stayed below 300 MB.")
}

do.call(steps[[1L]], as.list(steps[-1L]))
if (isTRUE(getOption("rlmm.failed"))) {
  quit(status = 1)
}

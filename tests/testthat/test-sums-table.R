# Models of tables of embedded databases are those of their rows.

test_that("a table of a database is fitted where it is", {
  skip_without_database()
  rows <- odd_rows()
  name <- "t;x\"y z"
  con <- local_database(rows, name)
  table <- dplyr::tbl(con, DBI::Id(table = name))
  fit <- rlmm(odd_formula, rows, weights = w)
  found <- rlmm(odd_formula, table, weights = w)
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-9)
  expect_equal(fixef(found), fixef(fit), tolerance = 1e-5)
  expect_equal(nobs(found), 599)
  expect_equal(predict(found, rows[5:9, ]), predict(fit, rows[5:9, ]))
  # Nothing is left behind.
  expect_equal(DBI::dbListTables(con), name)
})

test_that("contrasts, interactions of groups and offsets are those of data", {
  skip_without_database()
  rows <- odd_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  formula <- y ~ select * factor(code) + offset(w) + (1 | g:from)
  coding <- list(select = "contr.sum")
  expect_equal(
    fixef(rlmm(formula, table, contrasts = coding)),
    fixef(rlmm(formula, rows, contrasts = coding)),
    tolerance = 1e-8
  )
})

test_that("an origin far away costs no digits", {
  skip_without_database()
  rows <- transform(odd_rows(), day = w * 300 + 18000)
  con <- local_database(rows, "rows")
  formula <- y ~ day + (1 | g)
  found <- rlmm(formula, dplyr::tbl(con, "rows"))
  expect_equal(fixef(found), fixef(rlmm(formula, rows)), tolerance = 1e-8)
})

test_that("a table is filtered before, by its own verbs", {
  skip_without_database()
  con <- local_database(odd_rows(), "rows")
  table <- dplyr::filter(dplyr::tbl(con, "rows"), code == 2L)
  rows <- subset(odd_rows(), code == 2L)
  formula <- y ~ w + (1 | g)
  expect_equal(
    deviance(rlmm(formula, table)),
    deviance(rlmm(formula, rows)),
    tolerance = 1e-9
  )
})

test_that("statements that are taken along come back as sums", {
  skip_without_database()
  skip_if_not_installed("dbplyr", "2.5.0")
  rows <- odd_rows()
  name <- "t;x\"y z"
  con <- local_database(rows, name)
  queries <- rlmm_sums_sql(odd_formula, rows, name, "sqlite", weights = w)
  expect_match(unclass(queries), "^SELECT", all = TRUE)
  results <- lapply(unclass(queries), \(query) DBI::dbGetQuery(con, query))
  found <- rlmm(rlmm_sums(queries, results))
  expect_equal(
    deviance(found),
    deviance(rlmm(odd_formula, rows, weights = w)),
    tolerance = 1e-9
  )
  expect_snapshot({
    writeLines(error_lines(rlmm_sums(queries, results[1:2])))
    writeLines(error_lines(rlmm_sums_sql(odd_formula, rows, dialect = "bq")))
  })
})

test_that("columns of X and Z are those that R makes of rows", {
  skip_without_database()
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  k <- 99.5
  formulas <- list(
    y ~ 0 + kind + x + (1 | id),
    y ~ kind + (0 + kind | g),
    y ~ kind * factor(code) + (1 | id / g),
    y ~ poly(x, 3) + (1 | id),
    y ~ poly(x - 100, 2, raw = TRUE):kind + scale(w) + (1 | id),
    y ~ I(x > k) + I(w / code^2) + (1 | id),
    y ~ I(z / 2L) + I(z %% 3L) + I(z %/% 2L) + (1 | id),
    y ~ factor(x > 100) + (1 | paste(g, code)),
    y ~ w + (1 | x > 100),
    y ~ log(w) + sqrt(w) + exp(w) + I(w^3) + (w || g),
    log(y) ~ x + offset(w / 100) + (1 | factor(id))
  )
  suppressMessages({
    for (formula in formulas) {
      expect_table_fit_of_rows(formula, table, rows)
    }
    expect_table_fit_of_rows(
      y ~ . - y + (1 | g),
      dplyr::select(table, y, w, g),
      {
        rows[c("y", "w", "g")]
      }
    )
  })
})

test_that("arguments reach a table through functions of the user's", {
  skip_without_database()
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  half <- 2
  wrapped <- function(data, ...) rlmm(y ~ x + (1 | g), data, ...)
  expect_equal(
    deviance(wrapped(table, weights = w / half, offset = z)),
    deviance(wrapped(rows, weights = w / half, offset = z)),
    tolerance = 1e-10
  )
  counts <- wrapped(table, weights = count, weights_type = "frequency")
  repeated <- rows[rep(seq_len(nrow(rows)), rows$count), ]
  expect_equal(deviance(counts), deviance(wrapped(repeated)), tolerance = 1e-10)
  expect_equal(nobs(counts), nrow(repeated))
  criterion <- wrapped(table, devFunOnly = TRUE)
  expect_equal(criterion(0.7), wrapped(rows, devFunOnly = TRUE)(0.7))
})

test_that("the first rows may be unlike the others", {
  skip_without_database()
  rows <- plain_rows()
  first <- rows[rep(1L, 2000L), ]
  # A slope of 1e6 among the first rows.
  first$x <- first$x + 1e-7 * seq_len(2000) / 2000
  first$y <- first$y + 0.1 * seq_len(2000) / 2000
  rows <- rbind(first, rows)
  con <- local_database(rows, "rows")
  formula <- y ~ x + kind + (1 | g)
  expect_table_fit_of_rows(formula, dplyr::tbl(con, "rows"), rows)
})

test_that("more sums than an engine returns at once come in parts", {
  skip_without_database()
  skip_if_not_installed("testthat", "3.1.7")
  mocked <- getExportedValue("testthat", "local_mocked_bindings")
  mocked(max_result_columns = 4L, .package = "rlmm")
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  formula <- y ~ x + kind + (x | g)
  expect_table_fit_of_rows(formula, dplyr::tbl(con, "rows"), rows)
})

test_that("products of indicators of two levels of a variable aren't summed up", {
  skip_without_database()
  set.seed(2)
  rows <- data.frame(
    a = sample(letters[1:5], 400, TRUE),
    b = sample(3L, 400, TRUE),
    x = rnorm(400, 10),
    g = sample(9L, 400, TRUE)
  )
  rows$y <- rnorm(9)[rows$g] + rows$b + rows$x / 10 + rnorm(400)
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  expect_table_fit_of_rows(y ~ a + factor(b) * x + (1 | g), table, rows)
  of_two <- matrix(upper.tri(diag(4), TRUE), 4)
  of_two[2, 3] <- FALSE
  indicates <- rbind(
    variable = c("", "a", "a", "b"),
    level = c("", "1", "2", "1")
  )
  expect_identical(rlmm:::is_summed_product(indicates), of_two)
})

test_that("a table is only read", {
  skip_without_database()
  file <- withr::local_tempfile(fileext = ".sqlite")
  con <- DBI::dbConnect(RSQLite::SQLite(), file)
  DBI::dbWriteTable(con, "rows", plain_rows())
  DBI::dbDisconnect(con)
  read_only <- getExportedValue("RSQLite", "SQLITE_RO")
  con <- DBI::dbConnect(RSQLite::SQLite(), file, flags = read_only)
  withr::defer(DBI::dbDisconnect(con))
  sent <- character()
  send <- getExportedValue("DBI", "dbSendQuery")
  skip_if_not_installed("testthat", "3.1.7")
  mocked <- getExportedValue("testthat", "local_mocked_bindings")
  mocked(
    dbSendQuery = \(conn, statement, ...) {
      sent <<- c(sent, as.character(statement))
      send(conn, statement, ...)
    },
    .package = "DBI"
  )
  table <- dplyr::tbl(con, "rows")
  expect_no_error(rlmm(y ~ poly(x, 2) * kind + (1 | g) + (1 | id), table))
  expect_match(sent, "^SELECT")
})

test_that("a model with other columns goes back to the table", {
  skip_without_database()
  rows <- odd_rows()
  con <- local_database(rows, "t")
  table <- dplyr::tbl(con, "t")
  formula <- y ~ w + (1 | g)
  found <- rlmm(formula, table)
  fit <- rlmm(formula, rows)
  change <- . ~ . + I(w^2) + `a b`
  expect_equal(fixef(update(found, change)), fixef(update(fit, change)))
  expect_equal(
    fixef(update(found, weights = w)),
    fixef(update(fit, weights = w))
  )
  expect_equal(
    add1(found, ~ . + `a b`)$AIC,
    add1(fit, ~ . + `a b`)$AIC
  )
  expect_snapshot({
    writeLines(error_lines(update(found, . ~ . + nothing)))
  })
})

test_that("names that aren't syntactic may be those of factors and groups", {
  skip_without_database()
  rows <- plain_rows()
  rows <- rows[c("y", "w", "kind", "g", "from")]
  names(rows)[3:5] <- c("kind of", "o'clock", "a;b\"c")
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  formulas <- list(
    y ~ `kind of` * w + (1 | `o'clock`),
    y ~ w + (1 | `o'clock`:`kind of`) + (1 | `a;b"c`)
  )
  suppressMessages({
    for (formula in formulas) {
      expect_table_fit_of_rows(formula, table, rows)
    }
  })
})

test_that("a grouped table is one table", {
  skip_without_database()
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::group_by(dplyr::tbl(con, "rows"), g)
  expect_table_fit_of_rows(y ~ x + (1 | g), table, rows)
})

test_that("predictions and residuals for the rows of a table, chunk by chunk", {
  skip_without_database()
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  fit <- rlmm(y ~ x + kind + offset(w) + (1 | g), rows, weights = w)
  found <- rlmm(y ~ x + kind + offset(w) + (1 | g), table, weights = w)
  chunk <- \(fit, ...) {
    unname(predict(fit, table, ...))
  }
  expect_equal(chunk(found), unname(fitted(fit)), tolerance = 1e-6)
  expect_named(predict(found, table), as.character(seq_len(nrow(rows))))
  expect_equal(
    predict(found, table, re.form = NA, se.fit = TRUE)$se.fit,
    predict(fit, as.data.frame(table), re.form = NA, se.fit = TRUE)$se.fit,
    tolerance = 1e-6
  )
  expect_equal(
    predict(found, table, re.form = NA, interval = "confidence"),
    predict(fit, as.data.frame(table), re.form = NA, interval = "confidence"),
    tolerance = 1e-6
  )
  for (type in c("response", "pearson", "scaled")) {
    expect_equal(
      unname(residuals(found, type, newdata = table)),
      unname(residuals(fit, type)),
      tolerance = 1e-6
    )
  }
  expect_equal(
    residuals(found, newdata = rows[3:4, ]),
    residuals(fit)[3:4],
    tolerance = 1e-6
  )
  half <- dplyr::select(table, y, x)
  expect_error(predict(found, half), class = "rlmm_error_newdata")
  expect_equal(
    unname(residuals(found, "quantile", newdata = table, seed = 1)),
    unname(residuals(fit, "quantile", seed = 1)),
    tolerance = 1e-6
  )
  expect_error(
    predict(found, dplyr::filter(table, x > 1e9)),
    class = "rlmm_error_newdata"
  )
})

test_that("dates and times of SQLite are numbers, or text, by their declaration", {
  for (package in c("DBI", "RSQLite", "dplyr", "dbplyr")) {
    skip_if_not_installed(package)
  }
  set.seed(8)
  n <- 300
  rows <- data.frame(
    g = sample(letters[1:9], n, TRUE),
    day = as.Date("2026-01-01") + sample(0:90, n, TRUE),
    moment = as.POSIXct("2026-01-01", tz = "UTC") + sample(1e6, n)
  )
  rows$y <- 0.02 *
    as.numeric(rows$day) +
    rnorm(9)[match(rows$g, letters)] +
    rnorm(n)
  # RSQLite reads times of day with it.
  skip_if_not_installed("hms")
  con <- DBI::dbConnect(
    RSQLite::SQLite(),
    ":memory:",
    extended_types = TRUE
  )
  on.exit(DBI::dbDisconnect(con))
  DBI::dbWriteTable(con, "numbers", rows)
  DBI::dbExecute(
    con,
    "CREATE TABLE texts (g TEXT, day DATE, moment DATETIME, y REAL)"
  )
  text <- rows
  text$day <- as.character(text$day)
  text$moment <- format(text$moment, "%Y-%m-%d %H:%M:%S")
  DBI::dbWriteTable(con, "texts", text, append = TRUE)
  numbers <- dplyr::tbl(con, "numbers")
  expect_s3_class(as.data.frame(numbers)$day, "Date")
  same <- \(formula, table) {
    fit <- rlmm(formula, rows)
    found <- rlmm(formula, dplyr::tbl(con, table))
    expect_equal(fixef(found), fixef(fit), tolerance = 1e-7)
    expect_equal(REMLcrit(found), REMLcrit(fit), tolerance = 1e-9)
  }
  for (table in c("numbers", "texts")) {
    same(y ~ day + (1 | g), table)
    same(y ~ moment + (1 | g), table)
  }
  same(y ~ (day > as.Date("2026-02-01")) + (1 | g), "numbers")
})

test_that("dates and times as engines write them", {
  skip_if_not_installed("dbplyr", "2.5.0")
  rows <- data.frame(
    g = letters[1:5],
    day = as.Date("2026-01-01") + 0:4,
    moment = as.POSIXct("2026-01-01", tz = "UTC") + 0:4,
    y = c(1, 3, 2, 5, 4)
  )
  written <- \(dialect) {
    sql <- rlmm_sums_sql(y ~ day + moment + (1 | g), rows, dialect = dialect)
    paste(sql, collapse = "")
  }
  expect_match(
    written("postgres"),
    "date_part('epoch', \"moment\")",
    fixed = TRUE
  )
  expect_match(written("spark"), "CAST(`moment` AS DOUBLE)", fixed = TRUE)
  expect_match(written("spark"), "datediff(`day`, '1970-01-01')", fixed = TRUE)
  expect_match(written("mysql"), "unix_timestamp(`moment`)", fixed = TRUE)
})

test_that("columns that indicate the same level are told from those of two levels", {
  skip_without_database()
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  formulas <- list(
    y ~ kind + factor(kind) + (1 | g),
    y ~ factor(code) + x + as.factor(code) + (1 | id),
    y ~ I(x > 100) + factor(x > 100) + (1 | g)
  )
  for (formula in formulas) {
    suppressMessages(expect_table_fit_of_rows(formula, table, rows))
    expect_message(rlmm(formula, table), class = "rlmm_message_rankx")
  }
})

test_that("the first rows of a table give no messages of their own", {
  skip_without_database()
  rows <- plain_rows()
  con <- local_database(rows, "rows")
  expect_no_condition(
    expect_error(
      rlmm(y ~ log(x - mean(range(rows$x))) + (1 | g), dplyr::tbl(con, "rows")),
      class = "rlmm_error_sums"
    ),
    class = "rlmm_message"
  )
})

# A table of an embedded database, with the names that people give to columns.
odd_rows <- function() {
  set.seed(1)
  n <- 600
  rows <- data.frame(
    x = rnorm(n, 100),
    kind = sample(c("x;1", "y'2", 'z"3'), n, TRUE),
    code = sample(3L, n, TRUE),
    from = sample(20L, n, TRUE),
    g = sample(letters, n, TRUE),
    w = runif(n)
  )
  effects <- rnorm(20)[rows$from] + rnorm(26)[match(rows$g, letters)]
  rows$y <- rows$x + effects + rnorm(n)
  rows$y[3L] <- NA
  names(rows)[c(1L, 2L)] <- c("a b", "select")
  rows
}

odd_formula <- y ~
  `a b` * select + factor(code) + I(w^2) + (1 | from) + (1 + w | g)

local_database <- function(rows, name, env = parent.frame()) {
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  withr::defer(DBI::dbDisconnect(con), envir = env)
  DBI::dbWriteTable(con, name, rows)
  con
}

skip_without_database <- function() {
  for (package in c("DBI", "RSQLite", "dplyr", "dbplyr")) {
    skip_if_not_installed(package)
  }
}

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

test_that("what a database can't do is told", {
  skip_without_database()
  rows <- odd_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  none <- dplyr::filter(table, code == 7L)
  expect_snapshot({
    writeLines(error_lines(rlmm(y ~ poly(w, 2) + (1 | g), table)))
    writeLines(error_lines(rlmm(y ~ wx + (1 | g), table)))
    writeLines(error_lines(rlmm(y ~ w + (1 | cut(w, 3)), table)))
    writeLines(error_lines(rlmm(y ~ 1 + (1 | g), none)))
    writeLines(error_lines(rlmm(y ~ 1 + (1 | g), table, subset = w > 1)))
  })
  expect_error(
    rlmm(y ~ gamma(w) + (1 | g), table),
    class = "rlmm_error_sums"
  )
  expect_error(
    rlmm(y ~ w + (1 | g), table, weights = w - 0.5),
    class = "rlmm_error_weights"
  )
  expect_error(
    rglmm(code ~ 1 + (1 | g), table, poisson),
    class = "rlmm_error_argument"
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

test_that("arrow's data sets are fitted in their partitions", {
  skip_if(!nzchar(system.file(package = "arrow")))
  arrow <- \(name) getExportedValue("arrow", name)
  folder <- withr::local_tempdir()
  rows <- InstEval[seq(1, nrow(InstEval), by = 12), ]
  arrow("write_dataset")(rows, folder, partitioning = "dept")
  formula <- y ~ service + (1 | s) + (service | dept)
  fit <- rlmm(formula, rows)
  found <- rlmm(formula, arrow("open_dataset")(folder))
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-9)
  batches <- arrow("as_record_batch_reader")(arrow("arrow_table")(rows))
  expect_equal(
    deviance(rlmm(y ~ 1 + (1 | s), batches)),
    deviance(rlmm(y ~ 1 + (1 | s), rows)),
    tolerance = 1e-9
  )
})

# What a table holds, lacks or can't do is told in the user's words.

test_that("what a database can't do is told", {
  skip_without_database()
  rows <- odd_rows()
  con <- local_database(rows, "rows")
  table <- dplyr::tbl(con, "rows")
  none <- dplyr::filter(table, code == 7L)
  expect_snapshot({
    writeLines(error_lines(rlmm(y ~ splines::ns(w, 2) + (1 | g), table)))
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
})

test_that("what a table holds or does is told in the user's words", {
  skip_without_database()
  rows <- plain_rows()
  # Behind those that are looked at first.
  rows <- rows[rep(seq_len(nrow(rows)), 2), ]
  last <- nrow(rows)
  rows$huge <- replace(rows$w, last, Inf)
  rows$slope <- replace(rows$w, last, Inf)
  rows$times <- replace(rows$code, last, 0.5)
  rows$minus <- replace(rows$w, last, -1)
  many <- data.frame(y = rnorm(1500), level = as.character(1:1500), g = 1:2)
  con <- local_database(rows, "rows")
  DBI::dbWriteTable(con, "many", many)
  table <- dplyr::tbl(con, "rows")
  fit <- \(formula, ...) writeLines(error_lines(rlmm(formula, table, ...)))
  expect_snapshot({
    fit(y ~ huge + (1 | g))
    fit(huge ~ x + (1 | g))
    fit(y ~ x + (slope | g))
    fit(y ~ no_function(x) + (1 | g))
    fit(y ~ relevel(factor(g), "b") + (1 | code))
    fit(y ~ x + (1 | g), weights = huge)
    fit(y ~ x + (1 | g), weights = minus)
    fit(y ~ x + (1 | g), weights = times, weights_type = "frequency")
    fit(y ~ x + (1 | g), dispersion = ~kind)
    fit(y ~ x + g_ + (1 | g))
    table <- dplyr::tbl(con, "many")
    fit(y ~ 0 + level + (1 | g))
  })
})

test_that("a value outside of a function's domain is told or left out, as engines do", {
  skip_without_database()
  rows <- plain_rows()
  # Behind those that are looked at first.
  rows <- rows[rep(seq_len(nrow(rows)), 2), ]
  rows$minus <- replace(rows$w, nrow(rows), -1)
  con <- local_database(rows, "rows")
  # SQLite has an error or a missing value, depending on how it was built.
  expect_error(
    rlmm(y ~ sqrt(minus) + (1 | g), dplyr::tbl(con, "rows")),
    "sqrt\\(minus\\)|missing"
  )
})

test_that("groups that don't fit into the memory are refused before they are read", {
  skip_without_database()
  con <- local_database(plain_rows(), "rows")
  table <- dplyr::tbl(con, "rows")
  skip_if_not_installed("testthat", "3.1.7")
  mocked <- getExportedValue("testthat", "local_mocked_bindings")
  mocked(free_memory = \(...) 1024, .package = "rlmm")
  error <- expect_error(
    rlmm(y ~ x + (1 | id), table),
    class = "rlmm_error_too_large"
  )
  expect_equal(error$levels, 20)
  expect_match(conditionMessage(error), "20 levels, or pairs of levels")
})

test_that("sums of a table stay within the limit that is given", {
  skip_without_database()
  con <- local_database(plain_rows(), "rows")
  table <- dplyr::tbl(con, "rows")
  little <- rlmm_control(memory_limit = 1e-6)
  error <- expect_error(
    rlmm(y ~ x + (1 | id), table, control = little),
    class = "rlmm_error_too_large"
  )
  expect_equal(error$levels, 20)
  enough <- rlmm_control(memory_limit = 1)
  expect_equal(
    fixef(rlmm(y ~ x + (1 | id), table, control = enough)),
    fixef(rlmm(y ~ x + (1 | id), plain_rows()))
  )
})

test_that("a connection that has ended is told", {
  skip_without_database()
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  DBI::dbWriteTable(con, "rows", plain_rows())
  table <- dplyr::tbl(con, "rows")
  DBI::dbDisconnect(con)
  expect_error(rlmm(y ~ x + (1 | g), table), class = "rlmm_error_connection")
})

test_that("a connection is no table", {
  skip_without_database()
  con <- local_database(plain_rows(), "rows")
  error <- expect_error(
    rlmm(y ~ x + (1 | g), con),
    class = "rlmm_error_argument"
  )
  expect_match(conditionMessage(error), "dplyr::tbl(connection", fixed = TRUE)
})

test_that("a table of one row has too few", {
  skip_without_database()
  con <- local_database(plain_rows()[1L, ], "rows")
  expect_error(
    suppressMessages(rlmm(y ~ x + (1 | g), dplyr::tbl(con, "rows"))),
    class = "rlmm_error_too_few_observations"
  )
})

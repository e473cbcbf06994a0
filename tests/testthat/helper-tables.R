# Tables of embedded databases, and the rows they hold.

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

# A formula of the columns of odd_rows().
odd_formula <- y ~
  `a b` * select + factor(code) + I(w^2) + (1 | from) + (1 + w | g)

# A connection to a database in memory that holds the rows in a table of this name.
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

# Rows whose numbers of levels and codings leave nothing to chance.
plain_rows <- function() {
  rows <- odd_rows()
  names(rows)[1:2] <- c("x", "kind")
  rows$id <- rows$from * 7L
  rows$count <- rows$code - 1L
  rows$z <- as.integer(round(rows$x)) - 100L
  stats::na.omit(rows)
}

# The model fitted to a table is that fitted to its rows.
expect_table_fit_of_rows <- function(formula, table, rows, ...) {
  fit <- rlmm(formula, rows, ...)
  found <- rlmm(formula, table, ...)
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-11)
  expect_equal(fixef(found), fixef(fit), tolerance = 1e-8)
  expect_equal(vcov(found), vcov(fit), tolerance = 1e-8)
  expect_equal(
    ranef(found, condVar = FALSE),
    ranef(fit, condVar = FALSE),
    tolerance = 1e-6
  )
}

# A fixed factor with many levels in sums and tables, against the fit of the rows.

made_rows <- function(n = 900) {
  set.seed(4)
  firm <- sample(60, n, TRUE)
  d <- data.frame(
    firm = sprintf("f%02d", firm),
    worker = sample(40, n, TRUE),
    site = sample(25, n, TRUE),
    x = rnorm(n, 5),
    sex = sample(c("f", "m"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  d$size <- rnorm(60)[firm]
  d$y <- 0.3 * d$x + rnorm(60)[firm] + rnorm(40, sd = 0.6)[d$worker] + rnorm(n)
  d
}

expect_fit_of_rows <- function(found, rows) {
  expect_length(found$fixed$large$factors, length(rows$fixed$large$factors))
  expect_false(is.null(rows$fixed$large))
  expect_equal(logLik(found), logLik(rows), tolerance = 1e-10)
  expect_equal(fixef(found), fixef(rows), tolerance = 1e-8)
  expect_identical(names(fixef(found, TRUE)), names(fixef(rows, TRUE)))
  expect_equal(coef(summary(found)), coef(summary(rows)), tolerance = 1e-6)
  expect_equal(fixed_levels(found), fixed_levels(rows), tolerance = 1e-8)
}

test_that("a fit of sums is that of rows", {
  d <- made_rows()
  rlang::local_options(rlmm.large_factor = 20)
  for (formula in c(
    y ~ x + sex + firm + (1 | worker),
    y ~ size + x + firm + (1 | worker),
    y ~ (firm) + size + x + sex + (x | worker),
    y ~ firm + (1 | worker) + (1 | site)
  )) {
    for (reml in c(TRUE, FALSE)) {
      suppressMessages({
        sums <- rlmm_sums(formula, d, weights = w)
        found <- rlmm(sums, REML = reml)
        rows <- rlmm(formula, d, weights = w, REML = reml)
      })
      expect_fit_of_rows(found, rows)
    }
  }
})

test_that("dummy columns give the same", {
  d <- made_rows()
  fits <- by_both_codings(rlmm(y ~ x + firm + (1 | worker), d), d)
  rlang::local_options(rlmm.large_factor = 20)
  found <- rlmm(rlmm_sums(y ~ x + firm + (1 | worker), d))
  expect_equal(logLik(found), logLik(fits$dummies), tolerance = 1e-10)
  expect_equal(fixef(found), fixef(fits$dummies), tolerance = 1e-6)
})

test_that("parts and chunks add up, each with levels of its own", {
  d <- made_rows()
  d <- d[order(d$firm), ]
  rlang::local_options(rlmm.large_factor = 20)
  formula <- y ~ x + sex + firm + (1 | worker)
  rows <- rlmm(formula, d)
  halves <- c(rlmm_sums(formula, d[1:450, ]), rlmm_sums(formula, d[451:900, ]))
  expect_fit_of_rows(rlmm(halves), rows)
  at <- 0
  chunks <- function(reset) {
    at <<- if (reset) 0 else at + 300
    if (at > 0 && at <= 900) d[at - 299:0, ]
  }
  expect_fit_of_rows(rlmm(formula, chunks), rows)
})

test_that("a table of a database has any number of levels", {
  for (package in c("DBI", "RSQLite", "dplyr", "dbplyr")) {
    skip_if_not_installed(package)
  }
  set.seed(2)
  n <- 6000
  d <- data.frame(
    `the firm` = sprintf("f%04d", sample(1500, n, TRUE)),
    worker = sample(40, n, TRUE),
    x = rnorm(n),
    check.names = FALSE
  )
  d$y <- rnorm(1500)[match(d$`the firm`, unique(d$`the firm`))] +
    rnorm(40)[d$worker] +
    rnorm(n)
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  withr::defer(DBI::dbDisconnect(con))
  DBI::dbWriteTable(con, "wages", d)
  formula <- y ~ x + `the firm` + (1 | worker)
  found <- rlmm(formula, dplyr::tbl(con, "wages"))
  expect_fit_of_rows(found, rlmm(formula, d))
  formula <- y ~ `the firm` * x + (1 | worker)
  suppressMessages({
    found <- rlmm(formula, dplyr::tbl(con, "wages"))
    expect_fit_of_rows(found, rlmm(formula, d))
  })
})

test_that("an Arrow table has any number of levels", {
  skip_if_not_installed("arrow")
  skip_if_not_installed("dplyr")
  d <- made_rows()
  rlang::local_options(rlmm.large_factor = 20)
  formula <- y ~ x + sex + firm + (1 | worker)
  table <- getExportedValue("arrow", "arrow_table")(d)
  expect_fit_of_rows(rlmm(formula, table), rlmm(formula, d))
})

test_that("methods are those of a fit of rows", {
  d <- made_rows()
  rlang::local_options(rlmm.large_factor = 20)
  formula <- y ~ x + sex + firm + (1 | worker)
  rows <- rlmm(formula, d)
  sums <- rlmm(rlmm_sums(formula, d))
  same <- \(f, tolerance = 1e-6) {
    expect_equal(
      suppressMessages(f(sums)),
      suppressMessages(f(rows)),
      tolerance = tolerance,
      ignore_attr = TRUE
    )
  }
  same(vcov)
  same(\(fit) predict(fit, d[1:9, ]))
  same(\(fit) predict(fit, d[1:9, ], se.fit = TRUE)$se.fit)
  same(\(fit) predict(fit, d[1:9, ], re.form = NA, se.fit = TRUE)$se.fit)
  same(\(fit) as.data.frame(ranef(fit)))
  same(\(fit) as.matrix(anova(fit)))
  same(\(fit) drop1(fit)$AIC)
  same(\(fit) ranova(fit)$LRT)
  same(\(fit) fixef(update(fit, . ~ . - x)))
  same(\(fit) fixef(update(fit, . ~ . - firm)))
  same(\(fit) logLik(update(fit, REML = FALSE)))
  same(\(fit) anova(fit, update(fit, . ~ . - sex))$Chisq)
  same(\(fit) confint(fit, "x", quiet = TRUE))
  same(df.residual)
  expect_match(format(sums), "Fixed factor `firm`: 59 coeff", all = FALSE)
  skip_if_not_installed("emmeans")
  same(\(fit) as.data.frame(emmeans::emmeans(fit, ~sex, data = d))[-1L], 1e-4)
  expect_error(
    suppressMessages(emmeans::emmeans(sums, ~firm, data = d)),
    class = "rlmm_error_no_rows"
  )
})

test_that("slopes by the levels of a large factor are those of rows", {
  d <- made_rows()
  d$sex[d$firm %in% c("f01", "f09")] <- "m"
  d$x[d$firm == "f07"] <- 4
  d$day <- 20000 + 100 * d$x
  rlang::local_options(rlmm.large_factor = 20)
  for (formula in c(
    y ~ firm * x + (1 | worker),
    y ~ x + firm:x + (1 | worker),
    y ~ sex + firm:sex + (1 | worker),
    y ~ size + firm + firm:sex + (x | worker),
    y ~ sex * firm + sex * x + (1 | worker),
    y ~ firm * day + (day | worker)
  )) {
    suppressMessages({
      found <- rlmm(rlmm_sums(formula, d, weights = w), REML = FALSE)
      rows <- rlmm(formula, d, weights = w, REML = FALSE)
    })
    expect_fit_of_rows(found, rows)
    expect_equal(
      predict(found, d[1:9, ], se.fit = TRUE),
      predict(rows, d[1:9, ], se.fit = TRUE),
      tolerance = 1e-6
    )
  }
})

test_that("sites and chunks add up slopes by level, and smaller models are made of them", {
  d <- made_rows()
  d <- d[order(d$firm), ]
  rlang::local_options(rlmm.large_factor = 20)
  formula <- y ~ firm * x + sex + (1 | worker)
  halves <- c(rlmm_sums(formula, d[1:450, ]), rlmm_sums(formula, d[451:900, ]))
  sums <- rlmm(halves)
  rows <- rlmm(formula, d)
  expect_fit_of_rows(sums, rows)
  expect_equal(as.matrix(anova(sums)), as.matrix(anova(rows)), tolerance = 1e-5)
  expect_equal(drop1(sums)$AIC, drop1(rows)$AIC, tolerance = 1e-8)
  for (change in c(. ~ . - firm:x, . ~ . - sex, . ~ . - firm - firm:x)) {
    expect_equal(
      fixef(update(sums, change)),
      fixef(update(rows, change)),
      tolerance = 1e-6
    )
  }
})

test_that("an option that isn't a number of levels is an error, for sums as for rows", {
  withr::local_options(rlmm.large_factor = "many")
  formula <- diameter ~ plate + (1 | sample)
  expect_wrong_option <- function(fit) {
    expect_error(fit, "rlmm.large_factor", class = "rlmm_error_argument")
  }
  expect_wrong_option(rlmm(formula, Penicillin))
  expect_wrong_option(rlmm_sums(formula, Penicillin))
})

test_that("what has too many columns is refused before they are made", {
  set.seed(8)
  d <- data.frame(
    firm = paste0("f", rep(1:1500, 2)),
    town = paste0("t", sample(600, 3000, TRUE)),
    trade = paste0("b", sample(600, 3000, TRUE)),
    worker = rep(1:50, 60),
    x = rnorm(3000),
    y = rnorm(3000)
  )
  expect_refusal <- function(formula, message) {
    expect_error(rlmm_sums(formula, d), message, class = "rlmm_error_sums")
    skip_if_not_installed("dbplyr", "2.5.0")
    expect_error(rlmm_sums_sql(formula, d), message, class = "rlmm_error_sums")
  }
  expect_refusal(
    y ~ firm * poly(x, 2) + (1 | worker),
    "`firm` has too many levels"
  )
  expect_refusal(
    y ~ x + town:trade + (1 | worker),
    "`town:trade` has too many columns"
  )
  expect_refusal(
    y ~ x + (town:trade | worker),
    "`town:trade` has too many columns"
  )
})

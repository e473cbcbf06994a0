# Data that aren't what a model needs: types, tables, factors, matrices, new data.

test_that("responses with more than two levels, and text", {
  local_plain()
  d <- transform(
    cbpp,
    grade = factor(rep_len(1:3, 56), ordered = TRUE),
    kind = factor(rep_len(letters[1:5], 56)),
    text = as.character(size)
  )
  quiet <- rlmm_control(check_conv_singular = "ignore")
  fit <- function(formula) suppressWarnings(rglmm(formula, d, binomial, quiet))
  expect_snapshot({
    show_conditions(fit(grade ~ size + (1 | herd)))
    show_conditions(fit(kind ~ size + (1 | herd)))
    show_conditions(rlmm(text ~ size + (1 | herd), d))
  })
  expect_silent(fit(factor(incidence > 1) ~ size + (1 | herd)))
})

test_that("dates and numbers that are stored as text", {
  local_plain()
  d <- transform(
    sleepstudy,
    when = format(as.Date("2020-01-01") + Days),
    number = format(Days + 0.5),
    few = as.character(Days %% 4),
    phase = ifelse(Days < 5, "2020-01-01", "2020-06-01"),
    visit = format(as.Date("2020-01-01") + Days %% 3),
    hour = sprintf("2020-01-01 %02d:00", Days),
    label = paste0("day", Days)
  )
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ when + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ visit + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ hour + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ number + (1 | Subject), d))
    show_conditions(rlmm(
      Reaction ~ Days + (number | Subject),
      d,
      control = rlmm_control(check_nobs_vs_nre = "stop")
    ))
  })
  # Labels, and grouping factors, are text by right.
  quiet <- rlmm_control(check_conv_singular = "ignore")
  expect_silent(rlmm(Reaction ~ few + (1 | Subject), d))
  expect_silent(rlmm(Reaction ~ phase + (1 | Subject), d))
  expect_silent(rlmm(Reaction ~ label + (1 | Subject), d))
  expect_silent(rlmm(Reaction ~ Days + (1 | when), d, control = quiet))
})

test_that("new data without the grouping factor", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot(show_conditions(predict(fit, data.frame(Days = 1))))
})

test_that("tables that aren't in R's memory", {
  local_plain()
  polars <- structure(list(src = 1), class = "RPolarsDataFrame")
  expect_snapshot({
    show_conditions(rglmm(y ~ x + (1 | g), polars, family = poisson))
    show_conditions(rlmm(y ~ x + (1 | g), polars))
  })
})

test_that("contrasts of levels that don't occur name their factor", {
  local_plain()
  d <- transform(sleepstudy, f = factor(Days %% 3, levels = 0:3))
  expect_snapshot(show_conditions(rlmm(
    Reaction ~ f + (1 | Subject),
    d,
    contrasts = list(f = contr.treatment(4))
  )))
  plain <- rlmm(Reaction ~ f + (1 | Subject), d)
  contrasts(d$f) <- contr.treatment(4)
  expect_snapshot(show_conditions(
    with_matrix <- rlmm(Reaction ~ f + (1 | Subject), d)
  ))
  expect_equal(logLik(with_matrix), logLik(plain))
  # A function makes contrasts of the levels that do.
  contrasts(d$f) <- "contr.sum"
  fit <- rlmm(Reaction ~ f + (1 | Subject), d)
  means <- fixef(plain)[[1]] + c(0, fixef(plain)[-1])
  expect_equal(fixef(fit)[[1]], mean(means), tolerance = 1e-8)
})

test_that("a matrix of one column is a variable like others, in new data too", {
  d <- sleepstudy
  d$m <- matrix(d$Days)
  d$z <- scale(d$Days)
  for (formula in c(
    Reaction ~ poly(m, 2) + (1 | Subject),
    Reaction ~ poly(z, 2) + (1 | Subject),
    Reaction ~ m + (m | Subject),
    Reaction ~ splines::ns(m, 3) + (1 | Subject)
  )) {
    fit <- rlmm(formula, d)
    expect_equal(predict(fit, d[1:9, ]), fitted(fit)[1:9], tolerance = 1e-9)
  }
  plain <- rlmm(Reaction ~ poly(Days, 2) + (1 | Subject), sleepstudy)
  matrix <- rlmm(Reaction ~ poly(m, 2) + (1 | Subject), d)
  expect_equal(predict(matrix, d), predict(plain), tolerance = 1e-9)
})

test_that("codes, text and contrasts that the fit can't take are answered with what to write", {
  local_plain()
  data <- transform(
    sleepstudy,
    slow = ifelse(Reaction > 300, "yes", "no"),
    code = 1 + (Reaction > 300),
    text = as.character(Days),
    wave = complex(real = Days, imaginary = 1),
    part = cut(Days, 3)
  )
  binary <- function(formula) {
    rglmm(formula, data, family = binomial)
  }
  fit <- function(formula = Reaction ~ Days + (1 | Subject), ...) {
    rlmm(formula, data, ...)
  }
  parts <- Reaction ~ part + (1 | Subject)
  expect_snapshot({
    show_conditions(binary(slow ~ Days + (1 | Subject)))
    show_conditions(binary(code ~ Days + (1 | Subject)))
    show_conditions(binary(text ~ Days + (1 | Subject)))
    show_conditions(fit(Reaction ~ wave + (1 | Subject)))
    show_conditions(fit(parts, contrasts = list(part = "contr.summ")))
    show_conditions(fit(contrasts = list(Days = "contr.sum")))
    show_conditions(fit(subset = "Days > 1"))
    show_conditions(fit(weights = nlme::varIdent(form = ~ 1 | Subject)))
    show_conditions(fit(ddf = "Kenward-Roger"))
    show_conditions(fit(calc.derivs = FALSE))
    show_conditions(fit(iter = 4000))
    show_conditions(rlmm(fixed = Reaction ~ Days, data = data))
    show_conditions(rlmm(Reaction ~ 1 | Subject + Days, data))
    show_conditions(fit(
      Reaction ~ Days + (Days | Subject) + (0 + Days | Subject)
    ))
  })
})

test_that("functions that hold rows tell of tables, and what takes these", {
  local_plain()
  polars <- structure(list(src = 1), class = "RPolarsDataFrame")
  reader <- function(reset) NULL
  expect_snapshot({
    show_conditions(preview(y ~ x + (1 | g), polars))
    show_conditions(rlmm_many(cbind(a, b) ~ x + (1 | g), polars))
    show_conditions(rglmm_many(cbind(a, b) ~ x + (1 | g), polars, poisson))
    show_conditions(lmList(y ~ x | g, polars))
    show_conditions(lmList(y ~ x | g, reader))
    show_conditions(preview(y ~ x + (1 | g), reader))
    show_conditions(rlmm_many(cbind(a, b) ~ x + (1 | g), reader))
    show_conditions(rnlmm(y ~ SSlogis(x, a, b, c) ~ a | g, polars))
  })
  skip_if_not_installed("RSQLite")
  skip_if_not_installed("dbplyr")
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  withr::defer(DBI::dbDisconnect(con))
  DBI::dbWriteTable(con, "sleep", sleepstudy)
  table <- dplyr::tbl(con, "sleep")
  for (f in c(preview, lmList, rlmm_many)) {
    expect_error(
      f(Reaction ~ Days + (1 | Subject), table),
      "A copy of its 180 rows needs about 1 MB",
      class = "rlmm_error_argument"
    )
  }
})

test_that("a variable with the name of an argument in a model frame", {
  local_plain()
  fit <- rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy, weights = Days + 1)
  frame <- model.frame(fit)
  frame[["(offset)"]] <- sleepstudy$Days
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ `(weights)` + (1 | Subject), frame))
    show_conditions(rlmm(Reaction ~ (`(offset)` | Subject), frame))
  })
  again <- rlmm(Reaction ~ 1 + (1 | Subject), frame, weights = `(weights)`)
  expect_equal(fixef(again), fixef(fit))
})

test_that("a column that is a list", {
  local_plain()
  d <- sleepstudy
  d$nested <- as.list(d$Days)
  d$parts <- as.POSIXlt(as.Date("2026-01-01") + d$Days)
  d$both <- data.frame(a = d$Days, b = d$Days^2)
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ nested + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ parts + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ both + (1 | Subject), d))
  })
})

test_that("tables within tables, and lists of tables", {
  local_plain()
  skip_if_not_installed("tibble")
  table <- tibble::as_tibble(sleepstudy)
  by_day <- split(sleepstudy, sleepstudy$Days > 4)
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ table[, "Days"] + (1 | Subject), table))
    show_conditions(rlmm(table["Reaction"] ~ Days + (1 | Subject), table))
    show_conditions(rlmm(Reaction ~ Days + (1 | Subject), by_day))
  })
})

test_that("a matrix in new data has the columns that it had in the fit", {
  local_plain()
  data <- sleepstudy
  data$m <- cbind(data$Days, data$Days^2)
  fit <- rlmm(Reaction ~ m + (1 | Subject), data)
  expect_equal(predict(fit, data[1:3, ]), fitted(fit)[1:3], tolerance = 1e-9)
  expect_snapshot(show_conditions(
    predict(fit, data.frame(m = 1, Subject = "308"))
  ))
})

# NaN in the data: missing, and said where it is.

test_that("NaN is missing, and said where it is", {
  local_plain()
  d <- sleepstudy
  d$x <- replace(d$Days, c(3, 50), NaN)
  expect_snapshot(show_conditions(
    fit <- rlmm(Reaction ~ x + (1 | Subject), d)
  ))
  missing <- d
  missing$x[is.nan(d$x)] <- NA
  expect_equal(
    fixef(fit),
    fixef(rlmm(Reaction ~ x + (1 | Subject), missing))
  )
  expect_equal(nobs(fit), 178)
  # Of weights and grouping variables too; with na.exclude the rows come back.
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + (1 | Subject),
    d,
    weights = x + 1,
    na.action = na.exclude
  ))
  expect_equal(which(is.na(residuals(fit))), c(`3` = 3, `50` = 50))
  expect_error(
    rlmm(Reaction ~ x + (1 | Subject), d, na.action = na.fail),
    class = "rlmm_error_missing"
  )
  expect_error(
    rlmm(Reaction ~ x + (1 | Subject), d, na.action = na.pass),
    class = "rlmm_error_missing"
  )
  # What is NA says nothing.
  expect_silent(rlmm(Reaction ~ x + (1 | Subject), missing))
})

test_that("NaN within an expression is said, whose value is NA there", {
  d <- sleepstudy
  d$x <- replace(d$Days + 0.5, 3, NaN)
  d$z <- replace(d$Days, 4, NA)
  formulas <- list(
    Reaction ~ splines::ns(x, 3) + (1 | Subject),
    Reaction ~ cut(x, 3) + z + (1 | Subject),
    Reaction ~ (x > 4) + (1 | Subject),
    Reaction ~ z + (0 + factor(x > 4) | Subject)
  )
  for (formula in formulas) {
    expect_message(
      fit <- suppressMessages(rlmm(formula, d), "rlmm_message_singular"),
      "`x` is NaN at row 3",
      class = "rlmm_message_nan"
    )
  }
  found <- testthat::capture_messages(
    rlmm(Reaction ~ log(x) + (1 | Subject), d)
  )
  expect_no_match(found, "`x` is NaN")
  # The rows are those of the data, with a subset and without data as well.
  expect_message(
    rlmm(Reaction ~ cut(x, 3) + (1 | Subject), d, subset = Days > 1),
    "`x` is NaN at row 3"
  )
  expect_message(
    with(d, rlmm(Reaction ~ cut(x, 3) + (1 | Subject))),
    "`x` is NaN at row 3"
  )
})

test_that("NaN is said once, whoever reads the data", {
  d <- sleepstudy
  d$Reaction[5] <- NaN
  messages <- function(expr) {
    found <- testthat::capture_messages(expr)
    sum(grepl("`Reaction` is NaN at row 5", found))
  }
  expect_equal(messages(rlmm_sums(Reaction ~ Days + (1 | Subject), d)), 1)
  expect_equal(messages(lmList(Reaction ~ Days | Subject, d)), 1)
  line <- function() {
    rnlmm(Reaction ~ a + b * Days ~ a | Subject, d, start = c(a = 250, b = 10))
  }
  expect_equal(messages(fit <- line()), 1)
  expect_equal(nobs(fit), 179)
})

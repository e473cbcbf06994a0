# Which levels and columns are dropped beside a large factor, against lm(), and which factors stay
# in X.

test_that("what depends on columns before it is dropped, as lm() does it", {
  d <- made_data()
  d$size2 <- d$size^2
  for (formula in c(
    y ~ size + x + firm,
    y ~ firm + size + x,
    y ~ size + firm + size2 + x,
    y ~ size + size2 + x + firm,
    y ~ town + firm + x
  )) {
    mixed <- as.formula(paste(deparse1(formula), "+ (1 | worker)"))
    fits <- by_both_codings(rlmm(mixed, d), d)
    dropped <- names(which(is.na(coef(lm(formula, d)))))
    expect_setequal(fits$levels$fixed$dropped, dropped)
    expect_identical(
      is.na(fixef(fits$levels, add.dropped = TRUE)),
      is.na(coef(lm(formula, d)))
    )
    expect_same_fit(fits)
  }
  rlang::local_options(rlmm.large_factor = 20)
  expect_message(
    rlmm(y ~ size + firm + (1 | worker), d),
    "dropped: `firm60`",
    class = "rlmm_message"
  )
  expect_error(
    rlmm(
      y ~ size + firm + (1 | worker),
      d,
      control = rlmm_control(check_rankx = "stop.deficient")
    ),
    class = "rlmm_error_rankx"
  )
})

test_that("a base without rows is no base", {
  d <- made_data()
  d$w[d$firm == "1"] <- 0
  for (formula in c(y ~ x + firm, y ~ size + firm)) {
    mixed <- as.formula(paste(deparse1(formula), "+ (1 | worker)"))
    fits <- by_both_codings(rlmm(mixed, d, weights = w), d)
    expect_same_fit(fits)
    expect_identical(
      is.na(fixef(fits$levels, add.dropped = TRUE)),
      is.na(coef(lm(formula, d, weights = w)))
    )
  }
})

test_that("rows without weight say nothing of a level", {
  d <- made_data()
  d$w[d$firm == "7"] <- 0
  d$firm <- factor(d$firm, c(levels(d$firm), "nobody's"))
  fits <- by_both_codings(rlmm(y ~ x + firm + (1 | worker), d, weights = w), d)
  expect_same_fit(fits)
  expect_true(is.na(fixef(fits$levels, TRUE)[["firm7"]]))
})

test_that("a factor stays in X where its levels can't stand apart", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  is_apart <- function(formula, ...) {
    fit <- suppressWarnings(suppressMessages(rlmm(formula, d, ...)))
    !is.null(fit$fixed$large)
  }
  expect_true(is_apart(y ~ firm + (1 | worker)))
  expect_false(is_apart(y ~ 0 + sex + firm + (1 | worker)))
  expect_false(is_apart(y ~ ordered(firm) + (1 | worker)))
  # Effects that the levels contain.
  expect_false(is_apart(y ~ firm + (1 | town) + (1 | worker)))
  expect_false(is_apart(y ~ firm + (1 | firm) + (1 | worker)))
  expect_true(is_apart(y ~ firm + (0 + x | town) + (1 | worker)))
  expect_false(is_apart(y ~ year + (1 | worker)))
  expect_true(is_apart(y ~ firm:sex + (1 | worker)))
  expect_true(is_apart(y ~ sex + firm:sex + (1 | worker)))
  expect_true(is_apart(y ~ ordered(sex) * firm + (1 | worker)))
})

test_that("few levels, or few rows, are columns of X", {
  expect_false(is_large(99L, 1e7))
  expect_false(is_large(200L, 1e4))
  expect_true(is_large(2000L, 2e5))
  # A generalized model multiplies the columns again and again.
  expect_true(is_large(200L, 1e4, expected_passes(TRUE)))
  expect_false(is_large(99L, 1e7, expected_passes(TRUE)))
  expect_false(is_large(200L, 2000L, expected_passes(TRUE)))
})

test_that("columns that can't be held are refused before they are made", {
  n <- 4e5
  d <- data.frame(y = numeric(n), x = rep(1:2, n / 2), worker = gl(100, 1, n))
  d$firm <- gl(n / 2, 2)
  d$town <- gl(50, n / 50)
  expect_error(
    rlmm(y ~ firm + (1 | worker), d, contrasts = list(firm = "contr.poly")),
    "columns, most of them of `firm`, which take",
    class = "rlmm_error_too_large"
  )
  expect_error(
    rlmm(y ~ firm + (1 | town), d),
    "The random effects of `(1 | town)` can't be distinguished",
    fixed = TRUE,
    class = "rlmm_error_large_factor"
  )
})

test_that("columns that fill the memory are told of before they are made", {
  n <- 1e6
  frame <- data.frame(y = numeric(n), firm = gl(80, 1, n))
  frame$text <- as.character(frame$firm)
  for (formula in c(y ~ firm, y ~ text)) {
    expect_message(
      check_columns_fit(terms(formula), frame),
      "The fixed effects have 80 columns, most of them of .*, which take 1.2 GB",
      class = "rlmm_message_columns"
    )
  }
  expect_no_message(check_columns_fit(terms(y ~ firm), frame[1:1e5, ]))
})

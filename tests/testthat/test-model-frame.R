same_design <- function(x, y) expect_identical(x$spec, y$spec)

test_that("data may be a data frame, a tibble, a data.table, a list, an environment or missing", {
  data <- frame_data()
  reference <- our_design(y ~ x + (x | b), data)
  same_design(our_design(y ~ x + (x | b), as.list(data)), reference)
  same_design(our_design(y ~ x + (x | b), list2env(data)), reference)
  same_design(with(data, our_design(y ~ x + (x | b), NULL)), reference)
  skip_if_not_installed("tibble")
  same_design(our_design(y ~ x + (x | b), tibble::as_tibble(data)), reference)
  skip_if_not_installed("data.table")
  same_design(
    our_design(y ~ x + (x | b), data.table::as.data.table(data)),
    reference
  )
})

# What rlmm() makes of its arguments, without the fit.
weights_of <- function(formula, data, ..., weights, subset, offset) {
  extras <- list(
    weights = rlang::enquo(weights),
    subset = rlang::enquo(subset),
    offset = rlang::enquo(offset)
  )
  extras <- extras[!c(missing(weights), missing(subset), missing(offset))]
  our_design(formula, data, extras = extras, ...)$spec
}

test_that("weights are found in the data, where they were written, and with the formula", {
  data <- frame_data()
  formula <- y ~ x + (1 | b)
  expect_identical(weights_of(formula, data, weights = w)$weights, data$w)
  expect_identical(
    weights_of(formula, data, weights = 2 * w)$weights,
    2 * data$w
  )
  expect_identical(weights_of(formula, data, weights = data$w)$weights, data$w)
  by_argument <- function(form, dat, wts) weights_of(form, dat, weights = wts)
  expect_identical(by_argument(formula, data, data$w + 1)$weights, data$w + 1)
  by_dots <- function(form, dat, ...) weights_of(form, dat, ...)
  expect_identical(by_dots(formula, data, weights = w)$weights, data$w)
  local_variable <- function(form, dat) {
    mine <- dat$w * 3
    weights_of(form, dat, weights = mine)
  }
  expect_identical(local_variable(formula, data)$weights, data$w * 3)
  with_formula <- local({
    there <- data$w / 2
    y ~ x + (1 | b)
  })
  expect_identical(
    weights_of(with_formula, data, weights = there)$weights,
    data$w / 2
  )
  applied <- lapply(1:2, function(k) {
    weights_of(formula, data, weights = w^k)$weights
  })
  expect_identical(applied[[2L]], data$w^2)
  expect_identical(
    do.call(weights_of, list(formula, data, weights = data$w))$weights,
    data$w
  )
})

test_that("subset selects rows of data, weights and offset together", {
  data <- frame_data()
  limit <- 0.2
  kept <- data[data$x > limit, ]
  spec <- weights_of(
    y ~ x + (1 | b),
    data,
    subset = x > limit,
    weights = w,
    offset = z
  )
  expect_identical(spec$y, kept$y)
  expect_identical(spec$weights, kept$w)
  expect_identical(spec$offset, kept$z)
  expect_identical(
    weights_of(y ~ x + (1 | b), data, subset = 11:80)$y,
    data$y[11:80]
  )
  expect_identical(
    weights_of(y ~ x + (1 | b), data, subset = -(1:3))$y,
    data$y[-(1:3)]
  )
})

test_that("offsets in the formula and the argument add up", {
  data <- frame_data()
  spec <- weights_of(
    y ~ x + offset(z) + offset(2 * x) + (1 | b),
    data,
    offset = w
  )
  expect_equal(spec$offset, data$z + 2 * data$x + data$w)
})

test_that("missing values are treated as na.action says", {
  data <- frame_data()
  data$x[3] <- NA
  data$b[7] <- NA
  rows <- -c(3, 7)
  omitted <- our_design(y ~ x + (1 | b), data)
  expect_identical(omitted$spec$y, data$y[rows])
  expect_s3_class(attr(omitted$frame, "na.action"), "omit")
  excluded <- our_design(y ~ x + (1 | b), data, na_action = "na.exclude")
  expect_identical(
    unclass(attr(excluded$frame, "na.action")),
    c(`3` = 3L, `7` = 7L),
    ignore_attr = TRUE
  )
  expect_s3_class(attr(excluded$frame, "na.action"), "exclude")
  for (action in list("omit", "na.omit", na.omit)) {
    expect_identical(
      our_design(y ~ x + (1 | b), data, na_action = action)$spec,
      omitted$spec
    )
  }
  for (action in list("na.pass", na.pass, NULL, na.fail, "fail")) {
    expect_error(
      our_design(y ~ x + (1 | b), data, na_action = action),
      class = "rlmm_error_missing"
    )
  }
})

test_that("levels that no row has are dropped, in the data and by na.action", {
  data <- frame_data()
  data$y[data$b == "3"] <- NA
  expect_identical(
    our_design(y ~ (1 | b), data)$random[[1L]]$levels,
    c("1", "2", "4")
  )
  expect_identical(
    our_design(y ~ un + (1 | b), data)$fixed$xlevels$un,
    c("a", "b", "c")
  )
})

test_that("a frame of plain variables is that of model.frame()", {
  data <- frame_data()
  for (formula in list(
    y ~ x + (1 | a),
    y ~ int * f + (x | b),
    log(y + 9) ~ x + (1 | a),
    y ~ ch + (1 | a)
  )) {
    parsed <- parse_formula(formula)
    terms <- frame_terms(parsed, environment(), data)
    expected <- model.frame(terms, data, na.action = na.pass)
    expect_identical(eval_frame(terms, data, NULL, parsed$bars), expected)
    named <- data[5:40, ]
    expect_identical(
      eval_frame(terms, named, NULL, parsed$bars),
      model.frame(terms, named, na.action = na.pass)
    )
  }
})

test_that("bases that depend on the data are kept for other data", {
  data <- frame_data()
  design <- our_design(
    y ~ poly(x, 2) + scale(z) + (splines::ns(x, 2) | b),
    data
  )
  again <- model.frame(delete.response(design$fixed$terms), data[5:9, ])
  x <- column_matrix(
    design_columns(delete.response(design$fixed$terms), again),
    5
  )
  expect_equal(x, spec_x(design$spec)[5:9, ], ignore_attr = TRUE)
  effects <- design$random[[1L]]$effects
  z <- column_matrix(
    design_columns(effects, model.frame(effects, data[5:9, ])),
    5
  )
  expect_equal(
    unname(z),
    design$spec$terms[[1L]]$z[[1L]][5:9, ],
    ignore_attr = TRUE
  )
})

test_that("row names and the class of the data don't matter", {
  data <- frame_data()
  named <- data
  rownames(named) <- paste0("r", seq_len(nrow(data)))
  same_design(
    our_design(y ~ f + (x | b), named),
    our_design(y ~ f + (x | b), data)
  )
})

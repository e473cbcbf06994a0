fixed_formulas <- list(
  y ~ . + (1 | a),
  y ~ f / x + (1 | a),
  y ~ un + (1 | b),
  y ~ (x + z)^2 + (1 | a),
  y ~ x * z - x + (1 | a),
  log(y + 10) ~ I(x^2) + (1 | a),
  y ~ factor(int) + (1 | a),
  y ~ x + (1 | a) + offset(z) + offset(x),
  y ~ splines::ns(x, 3) + (1 | b),
  y ~ ch * lg + (1 | b),
  y ~ ord + (1 | b),
  y ~ x %in% f + (1 | a),
  y ~ f %in% a + (1 | b),
  y ~ a + (1 | a / h),
  y ~ x + int + (int | ch),
  y ~ scale(x) + (1 | a),
  y ~ date + (1 | a),
  y ~ cbind(x, z) + (1 | a),
  y ~ 0 + (1 | a),
  y ~ 0 + f + (1 | a),
  y ~ poly(x, 3) + exp(z) + (1 | b)
)
deficient <- list(
  y ~ x + I(2 * x) + (1 | a),
  y ~ x + z + I(x + z) + f + (1 | a),
  y ~ f + I(f == "2") + (1 | a),
  y ~ a * h + (1 | b),
  y ~ I(0 * x) + z + (1 | a),
  y ~ x + I(x + 1e-9 * z) + (1 | a),
  y ~ x + I(x + 1e-5 * z) + (1 | a),
  y ~ I(1e8 * x) + I(1e-8 * z) + (1 | a),
  y ~ a:h + (1 | b),
  y ~ x + I(x - 3) + (1 | b)
)

test_that("X is lme4's", {
  skip_if_not_installed("lme4")
  data <- frame_data()[c(
    "y",
    "x",
    "z",
    "a",
    "b",
    "f",
    "h",
    "ch",
    "lg",
    "int",
    "ord",
    "un",
    "date"
  )]
  for (formula in fixed_formulas) {
    expect_design_like_lme4(formula, data)
  }
  for (formula in deficient) {
    expect_design_like_lme4(formula, data)
  }
})

test_that("contrasts are used for X, as in lme4", {
  skip_if_not_installed("lme4")
  data <- frame_data()
  expect_design_like_lme4(
    y ~ f * ch + (f | a),
    data,
    contrasts = list(f = "contr.sum", ch = contr.helmert)
  )
  withr::local_options(contrasts = c("contr.sum", "contr.poly"))
  expect_design_like_lme4(y ~ f * ch + (f | a), data)
  contrasts(data$f) <- contr.helmert(3)
  expect_design_like_lme4(y ~ f + (f | a), data)
})

test_that("dropped columns are named, and the policy is followed", {
  data <- frame_data()
  design <- function(policy) {
    model_design(
      y ~ x + I(2 * x) + (1 | b),
      data,
      control = rlmm_control(check_rankx = policy)
    )
  }
  expect_message(
    fixed <- design("message+drop.cols")$fixed,
    "I\\(2 \\* x\\)",
    class = "rlmm_message_rankx"
  )
  expect_identical(fixed$names, c("(Intercept)", "x"))
  expect_identical(fixed$dropped, "I(2 * x)")
  expect_warning(design("warn+drop.cols"), class = "rlmm_warning_rankx")
  expect_silent(design("silent.drop.cols"))
  expect_error(design("stop.deficient"), class = "rlmm_error_rankx")
  expect_identical(ncol(spec_x(design("ignore")$spec)), 3L)
})

test_that("X of plain numbers is that of model.matrix()", {
  data <- frame_data()
  terms <- terms(y ~ x + int + w)
  frame <- model.frame(terms, data)
  expect_equal(
    column_matrix(design_columns(terms, frame), nrow(frame)),
    model.matrix(terms, frame),
    ignore_attr = TRUE
  )
})

test_that("responses may be any vector of numbers", {
  data <- frame_data()
  data$m <- matrix(data$y)
  data$d <- as.difftime(data$y, units = "hours")
  expect_identical(our_design(m ~ x + (1 | b), data)$spec$y, data$y)
  expect_identical(our_design(d ~ x + (1 | b), data)$spec$y, data$y)
  expect_identical(
    our_design(y > 0 ~ x + (1 | b), data)$spec$y,
    as.double(data$y > 0)
  )
  expect_identical(
    our_design(int ~ x + (1 | b), data)$spec$y,
    as.double(data$int)
  )
})

test_that("products that aren't finite are refused", {
  data <- frame_data()
  data[c("x", "z")] <- 1e200 * data[c("x", "z")]
  expect_error(
    our_design(y ~ x:z + (1 | a), data),
    "`x:z`",
    class = "rlmm_error_non_finite"
  )
  expect_error(
    our_design(y ~ (x:z | a), data),
    "`x:z`",
    class = "rlmm_error_non_finite"
  )
})

test_that("the rank is that of the rows with weight", {
  data <- frame_data()
  data$w <- as.double(data$f != "2")
  quietly <- rlmm_control(check_conv_singular = "ignore")
  expect_message(
    fit <- rlmm(y ~ f + (1 | b), data, weights = w, control = quietly),
    "`f2`",
    class = "rlmm_message_rankx"
  )
  without <- rlmm(y ~ f + (1 | b), data, subset = f != "2", control = quietly)
  expect_equal(unname(fixef(fit)), unname(fixef(without)), tolerance = 1e-6)
})

test_that("a column of zeros alone is named when it is dropped", {
  data <- frame_data()
  data$zero <- 0
  expect_message(
    design <- model_design(y ~ 0 + zero + (1 | b), data),
    "`zero`",
    class = "rlmm_message_rankx"
  )
  expect_identical(design$fixed$dropped, "zero")
})

test_that("integer64 is read as bit64 does, and not at all without it", {
  data <- frame_data()
  data$i64 <- structure(data$int * 5e-324, class = "integer64")
  if (!isNamespaceLoaded("bit64")) {
    expect_error(
      our_design(y ~ i64 + (1 | b), data),
      "library\\(bit64\\)",
      class = "rlmm_error_variable"
    )
  }
  skip_if_not_installed("bit64")
  loadNamespace("bit64")
  expect_identical(
    our_design(y ~ i64 + (1 | b), data)$spec$x[[2L]],
    as.double(data$int)
  )
  expect_identical(
    our_design(i64 ~ x + (1 | b), data)$spec$y,
    as.double(data$int)
  )
})

test_that("columns without digits beside others say that their covariates are far from zero", {
  set.seed(1)
  data <- data.frame(g = gl(10, 10), x = rnorm(100), z = rnorm(100))
  data$y <- rnorm(10)[data$g] + data$x^2 + rnorm(100)
  far <- transform(data, x = x + 1e8, z = z + 1e6)
  for (formula in list(y ~ x + I(x^2) + (1 | g), y ~ x * z + (1 | g))) {
    cnd <- expect_message(rlmm(formula, far), class = "rlmm_message_rankx")
    expect_match(conditionMessage(cnd), "is far from zero")
    expect_match(conditionMessage(cnd), "before a power or a product")
    expect_error(
      rlmm(
        formula,
        far,
        control = rlmm_control(check.rankX = "stop.deficient")
      ),
      "is far from zero",
      class = "rlmm_error_rankx"
    )
  }
  # Two digits fewer are enough.
  near <- rlmm(y ~ x * z + (1 | g), data)
  fit <- rlmm(y ~ x * z + (1 | g), transform(data, x = x + 1e5, z = z + 1e4))
  expect_equal(logLik(fit), logLik(near), tolerance = 1e-6)
  # A repeated column says nothing of this.
  cnd <- expect_message(
    rlmm(y ~ x + I(2 * x) + (1 | g), data),
    class = "rlmm_message_rankx"
  )
  expect_no_match(conditionMessage(cnd), "far from zero")
})

test_that("the column of an empty cell or a constant isn't said to be far from zero", {
  d <- expand.grid(a = letters[1:3], b = LETTERS[1:4], r = 1:6)
  d <- d[d$a != "b" | d$b != "C", ]
  d$g <- factor(rep(1:9, length.out = nrow(d)))
  d$zero <- 0
  d$year <- 2020
  set.seed(4)
  d$y <- rnorm(nrow(d)) + rnorm(9)[d$g]
  said <- \(formula) {
    text <- NULL
    withCallingHandlers(
      rlmm(formula, d),
      rlmm_message = \(cnd) {
        text <<- c(text, conditionMessage(cnd))
        rlang::cnd_muffle(cnd)
      }
    )
    text
  }
  formulas <- list(
    y ~ a * b + (1 | g),
    y ~ a + zero + (1 | g),
    y ~ a + I(year^2) + (1 | g),
    y ~ a + year * r + (1 | g)
  )
  for (formula in formulas) {
    text <- said(formula)
    expect_match(text, "(is|are) dropped", all = FALSE)
    expect_no_match(text, "far from zero|Centre")
  }
})

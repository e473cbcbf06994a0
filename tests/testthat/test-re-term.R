# Columns, groups and order of the random-effects terms, against lme4.

everywhere <- list(
  y ~ x + (1 | a),
  y ~ x + (1 | a / b),
  y ~ (x || a),
  y ~ (f || a),
  y ~ (1 + x + f || a),
  y ~ (0 + f || a),
  y ~ (x * f || a),
  y ~ x + (1 | a) + (1 | a:b),
  y ~ (1 | a) + (0 + x | a),
  y ~ (1 | a) + x + (x | b),
  y ~ (x | a / b),
  y ~ (x || a / b),
  y ~ (1 | b / a),
  y ~ 0 + (1 | a),
  y ~ (poly(x, 2) | a),
  y ~ ((1 | a)),
  y ~ x + ((1 | a) + (1 | b)),
  y ~ (dummy(f, "2") | a),
  y ~ (dummy(f) | a),
  y ~ (dummy(ch) | a),
  y ~ (0 + dummy(f, "1") | a),
  y ~ (1 | a) + (1 | b) + (1 | f),
  y ~ (x + a | a),
  y ~ 1 | a,
  y ~ (1 | a:b:f),
  y ~ (-1 + x | a),
  y ~ (x - 1 | a),
  y ~ (1 | a) + (x | b) + (f | a),
  y ~ (1 | ch) + (1 | lg) + (1 | int),
  y ~ (ord | a),
  y ~ (ch | a),
  y ~ (lg | a),
  y ~ (0 + lg | a),
  y ~ (x:lg | a),
  y ~ a + (0 + a:x | b),
  y ~ (x + I(x^2) || a),
  y ~ (x * lg || a),
  y ~ (0 + x | a) + (1 | b) + (1 | a),
  y ~ (a / x | b),
  y ~ (1 | un),
  y ~ (un | b),
  y ~ (1 | `my g`),
  y ~ x + (1 | `my g`:a),
  y ~ (factor(int) | a),
  y ~ (splines::ns(x, 2) | b),
  y ~ (1 | h / a),
  y ~ (1 | a / h),
  y ~ (1 | h) + (1 | a),
  y ~ (scale(x) | a),
  y ~ (x | a) + (1 | a),
  y ~ (log(x^2) | a),
  y ~ (cbind(x, z) | a),
  y ~ (1 | a:b) + (1 | b:a),
  y ~ (1 | date),
  y ~ (date | a),
  y ~ (x | a) + (z | b) + (x | c) + (1 | f)
)

# Forms of grouping and structure that lme4 has since 1.1-36 and 2.0.
newer <- list(
  y ~ x + (1 | a * b),
  y ~ x + (1 | a + b),
  y ~ x + (1 | b %in% a),
  y ~ (1 | (a / b)),
  y ~ us(x | a),
  y ~ diag(x | a),
  y ~ diag(f | a, hom = TRUE),
  y ~ diag(0 + f | a) + (1 | a),
  y ~ (1 | a / (b + c)),
  y ~ (1 | (a + b):c),
  y ~ (1 | (a + b) / c),
  y ~ (1 | a:b + c),
  y ~ (1 | a * b * c),
  y ~ (1 | a / b + c),
  y ~ (1 | a / (b * c)),
  y ~ (x || a * b),
  y ~ (1 | (a:b)),
  y ~ (1 | a:(b:c)),
  y ~ (1 | h / a / b),
  y ~ (1 | a / (h:b)),
  y ~ x + (1 | a / b / f),
  y ~ (1 | a * h),
  y ~ (1 | a + h),
  y ~ (1 | h:b + a)
)

test_that("terms have lme4's order, names, levels and Z", {
  skip_if_not_installed("lme4")
  data <- frame_data()
  for (formula in everywhere) {
    expect_design_like_lme4(formula, data)
  }
})

test_that("newer groupings and structures have lme4's order, names, levels and Z", {
  skip_if_not_installed("lme4", "2.0")
  data <- frame_data()
  for (formula in newer) {
    expect_design_like_lme4(formula, data)
  }
})

test_that("grouping expressions give what lme4 gives for a column made beforehand", {
  skip_if_not_installed("lme4")
  data <- frame_data()
  data$g <- cut(data$x, 4)
  ours <- our_design(y ~ (z | cut(x, 4)), data)
  theirs <- lme4_design(y ~ (z | g), data)
  expect_equal(dense_zt(ours), unname(as.matrix(theirs$reTrms$Zt)))
  expect_identical(ours$random[[1L]]$group, "cut(x, 4)")
  expect_identical(ours$random[[1L]]$levels, levels(data$g))
})

test_that("terms on one grouping share a core term", {
  design <- our_design(
    y ~ (1 | a) + (0 + x | a) + zerocorr(f | a) + (1 | b),
    frame_data()
  )
  expect_length(design$spec$terms, 2L)
  term <- design$spec$terms[[2L]]
  expect_identical(term$part_kind, c("diag", "us", "us"))
  expect_identical(term$part_size, c(3L, 1L, 1L))
  expect_identical(term$part_theta, c(1L, 4L, 5L))
  expect_identical(dim(column_matrix(term$z, 120)), c(120L, 5L))
  expect_identical(design$spec$terms[[1L]]$z, list(1))
})

test_that("fulldummy() gives an indicator for every level beside the intercept", {
  data <- frame_data()
  design <- our_design(y ~ zerocorr(1 + fulldummy(f) | a), data)
  term <- design$random[[1L]]
  expect_identical(term$columns, c("(Intercept)", "f1", "f2", "f3"))
  expect_identical(term$structure, "diag")
  indicators <- outer(as.character(data$f), levels(data$f), `==`) + 0
  expect_equal(
    design$spec$terms[[1L]]$z[[1L]],
    cbind(1, indicators),
    ignore_attr = TRUE
  )
  slopes <- our_design(y ~ (0 + x:fulldummy(f) | a), data)
  expect_equal(
    slopes$spec$terms[[1L]]$z[[1L]],
    data$x * indicators,
    ignore_attr = TRUE
  )
})

test_that("numbers that print alike are one level, as in factor()", {
  data <- data.frame(y = rnorm(6), g = c(0.1 + 0.2, 0.3, 1, 1, 2, 2))
  expect_identical(
    our_design(y ~ (1 | g), data)$random[[1L]]$levels,
    levels(factor(data$g))
  )
})

test_that("lambda_block() lays theta out by structure", {
  term <- list(columns = c("a", "b", "c"), structure = "us", theta = 2:7)
  expect_identical(
    lambda_block(term, c(9, 1:6)),
    matrix(c(1, 2, 3, 0, 4, 5, 0, 0, 6), 3L)
  )
  term[c("structure", "theta")] <- list("diag", 1:3)
  expect_identical(lambda_block(term, c(1, 2, 3)), diag(c(1, 2, 3)))
  term[c("structure", "theta")] <- list("homdiag", 2L)
  expect_identical(lambda_block(term, c(1, 2)), diag(2, 3L))
})

test_that("a grouping that the formula reads otherwise is refused", {
  for (formula in list(y ~ x + (1 | int^2), y ~ x + (1 | int - x))) {
    expect_error(
      our_design(formula, frame_data()),
      "write `I\\(int",
      class = "rlmm_error_formula"
    )
  }
  expect_identical(
    our_design(y ~ x + (1 | I(int^2)), frame_data())$random[[1L]]$levels,
    as.character((5:9)^2)
  )
})

test_that("a double bar must have a column before it", {
  expect_error(
    our_design(y ~ x + (0 || a), frame_data()),
    "must have a column",
    class = "rlmm_error_formula"
  )
})

test_that("levels of nested and of crossed factors are those of interaction()", {
  parent <- factor(
    c(2, 1, 3, 1, 2, 1, 3),
    levels = 3:1,
    labels = c("z", "y", "x")
  )
  child <- factor(c(5, 1, 3, 4, 2, 1, 3), levels = c(4, 2, 5, 1, 3))
  codes <- \(x) atom_codes(x, "x")
  same_as_interaction <- function(a, b) {
    expected <- interaction(a, b, drop = TRUE, lex.order = TRUE, sep = ":")
    found <- combine_codes(codes(a), codes(b))
    expect_identical(found$levels, levels(expected))
    expect_identical(found$refs, as.integer(expected))
  }
  same_as_interaction(parent, child)
  same_as_interaction(child, parent)
  same_as_interaction(parent, parent)
  same_as_interaction(parent, rev(child))
  same_as_interaction(rev(child), parent)
  missing <- combine_codes(codes(parent), codes(replace(child, 2L, NA)))
  expect_identical(which(is.na(missing$refs)), 2L)
})

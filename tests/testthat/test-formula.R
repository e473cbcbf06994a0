groups_of <- function(formula) {
  unlist(lapply(parse_formula(formula)$bars, function(bar) {
    vapply(bar$groups, `[[`, "", "name")
  }))
}
effects_of <- function(formula) {
  vapply(
    parse_formula(formula)$bars,
    function(bar) deparse_one(bar$effects),
    ""
  )
}
fixed_of <- function(formula) deparse1(parse_formula(formula)$fixed)

test_that("the fixed part is what is left without the bars", {
  expect_identical(fixed_of(y ~ x + (1 | g)), "x")
  expect_identical(fixed_of(y ~ (1 | g)), "1")
  expect_identical(fixed_of(y ~ (1 | g) + 0), "0")
  expect_identical(fixed_of(y ~ (1 | g) - 1), "-1")
  expect_identical(fixed_of(y ~ x + ((1 | g) + z) + (x || h)), "x + z")
  expect_identical(fixed_of(y ~ I(a | b) + (1 | g)), "I(a | b)")
  expect_identical(fixed_of(y ~ diag(x) + diag(1 | g)), "diag(x)")
  expect_identical(fixed_of(y ~ 1 | g), "1")
})

test_that("groupings are expanded", {
  expect_identical(groups_of(y ~ (1 | a / b)), c("b:a", "a"))
  expect_identical(groups_of(y ~ (1 | a / b / c)), c("c:b:a", "b:a", "a"))
  expect_identical(groups_of(y ~ (1 | a:b)), "a:b")
  expect_identical(groups_of(y ~ (1 | a & b)), "a:b")
  expect_identical(groups_of(y ~ (1 | b %in% a)), "b:a")
  expect_identical(groups_of(y ~ (1 | a * b)), c("a", "b", "a:b"))
  expect_identical(groups_of(y ~ (1 | a + b)), c("a", "b"))
  expect_identical(groups_of(y ~ (1 | (a + b):c)), c("a:c", "b:c"))
  expect_identical(groups_of(y ~ (1 | a / (b + c))), c("b:a", "c:a", "a"))
  expect_identical(groups_of(y ~ (1 | a + a)), "a")
  expect_identical(groups_of(y ~ (1 | cut(x, 4))), "cut(x, 4)")
  expect_identical(groups_of(y ~ (1 | a / factor(r))), c("factor(r):a", "a"))
  expect_identical(groups_of(y ~ (1 | `my g`:a)), "`my g`:a")
  expect_identical(groups_of(y ~ (1 | `my g`)), "my g")
})

test_that("a double bar splits terms as lme4 does, or makes a diagonal where asked", {
  expect_identical(effects_of(y ~ (x || g)), c("1", "0 + x"))
  expect_identical(effects_of(y ~ (0 + x + z || g)), c("0 + x", "0 + z"))
  expect_identical(
    effects_of(y ~ (x * z || g)),
    c("1", "0 + x", "0 + z", "0 + x:z")
  )
  withr::local_options(rlmm.double_bar = "diag")
  bars <- parse_formula(y ~ (1 + f || g))$bars
  expect_length(bars, 1L)
  expect_identical(bars[[1L]]$structure, "diag")
})

test_that("lme4's option for the double bar is honoured", {
  withr::local_options(lme4.doublevert.default = "diag_special")
  bars <- parse_formula(y ~ (1 + f || g) + (x | h))$bars
  expect_identical(vapply(bars, `[[`, "", "structure"), c("diag", "us"))
  withr::local_options(rlmm.double_bar = "split")
  expect_length(parse_formula(y ~ (1 + f || g))$bars, 2L)
  withr::local_options(rlmm.double_bar = "splitt")
  expect_snapshot(writeLines(error_lines(parse_formula(y ~ (1 + f || g)))))
  withr::local_options(
    rlmm.double_bar = NULL,
    lme4.doublevert.default = "separate"
  )
  expect_snapshot(writeLines(error_lines(parse_formula(y ~ (1 + f || g)))))
})

test_that("a factor before a double bar has independent contrasts, as in lme4 2.1", {
  withr::local_options(lme4.doublevert.default = "diag_special")
  data <- transform(sleepstudy, late = factor(Days > 4))
  fit <- rlmm(Reaction ~ Days + (late || Subject), data)
  # lme4 2.1.0 with the same option: 29.352, 33.524, 25.972.
  deviations <- c(attr(VarCorr(fit)$Subject, "stddev"), sigma(fit))
  expect_equal(unname(deviations), c(29.352, 33.524, 25.972), tolerance = 5e-5)
})

test_that("covariance structures are read", {
  structure_of <- function(formula) {
    vapply(parse_formula(formula)$bars, `[[`, "", "structure")
  }
  expect_identical(
    structure_of(y ~ us(x | g) + zerocorr(x | h)),
    c("us", "diag")
  )
  expect_identical(
    structure_of(y ~ diag(x | g) + diag(x | h, hom = TRUE)),
    c("diag", "homdiag")
  )
  expect_identical(
    structure_of(y ~ diag(x | g, hom = FALSE) + homdiag((x | h))),
    c("diag", "homdiag")
  )
  expect_identical(structure_of(y ~ zerocorr(1 | a / b)), "diag")
  expect_identical(structure_of(y ~ zerocorr(f || a)), "diag")
})

test_that("& is an interaction that binds tighter than +", {
  expect_identical(fixed_of(y ~ x + a & b + (1 | g)), "x + a:b")
  expect_identical(fixed_of(y ~ a & b + x & z - w + (1 | g)), "a:b + x:z - w")
  expect_identical(fixed_of(y ~ (x + a) & b + (1 | g)), "(x + a):b")
  expect_identical(effects_of(y ~ (1 + a & b | g)), "1 + a:b")
  expect_identical(fixed_of(y ~ I(a & b) + (1 | g)), "I(a & b)")
})

test_that("a dot among the effects leaves out the response and the group", {
  data <- data.frame(y = 1, x = 1, z = 1, g = 1)
  bar <- parse_formula(log(y) ~ (. | g), data)$bars[[1L]]
  expect_identical(deparse_one(bar$effects), "(x + z)")
})

test_that("a formula can be text or built at run time", {
  data <- frame_data()
  reference <- our_design(y ~ x + (1 | b), data)$spec
  built <- reformulate(c("x", "(1 | b)"), "y")
  expect_equal(our_design(built, data)$spec, reference)
  expect_identical(
    read_formula("y ~ x + (1 | b)", globalenv()),
    y ~ x + (1 | b),
    ignore_formula_env = TRUE
  )
})

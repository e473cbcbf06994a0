# At our estimates, by as_merMod(): what differs is the method alone.
lmertest_of <- function(fit) {
  skip_if_not_installed("lmerTest")
  skip_if(packageVersion("lmerTest") < "3.1")
  getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
}
from_lmertest <- function(name) getExportedValue("lmerTest", name)

unbalanced_cake <- function() {
  skip_if_not_installed("lme4")
  lme4::cake[-c(3, 7, 20:30, 100:109), ]
}

test_that("contest() is lmerTest's", {
  fit <- rlmm(
    angle ~ recipe * temperature + (1 | recipe:replicate),
    unbalanced_cake()
  )
  theirs <- lmertest_of(fit)
  set.seed(1)
  L <- matrix(rnorm(4 * 18), 4)
  expect_equal(
    contestMD(fit, L),
    as.data.frame(from_lmertest("contestMD")(theirs, L)),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  # A row that depends on the others is counted once.
  dependent <- rbind(L, L[1, ] + L[2, ])
  counted <- c("NumDF", "F value")
  expect_equal(
    contest(fit, dependent)[counted],
    contest(fit, L)[counted],
    tolerance = 1e-8
  )
  each <- contest(fit, L, joint = FALSE)
  expected <- from_lmertest("contest")(theirs, L, joint = FALSE, confint = TRUE)
  expect_equal(
    each,
    as.data.frame(expected),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  expect_equal(
    contest1D(fit, L[2, ], rhs = 3, confint = TRUE),
    as.data.frame(from_lmertest("contest1D")(
      theirs,
      L[2, ],
      rhs = 3,
      confint = TRUE
    )),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
})

test_that("limits are left out where they aren't wanted", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  bare <- contest1D(fit, c(0, 1))
  expect_named(bare, c("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"))
  with <- contest1D(fit, c(0, 1), confint = TRUE)
  expect_equal(with[names(bare)], bare)
})

test_that("a generalized model has Wald's test", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  L <- cbind(0, diag(3))
  wald <- drop(fixef(fit)[-1] %*% solve(vcov(fit)[-1, -1], fixef(fit)[-1]))
  found <- contest(fit, L)
  expect_equal(found[["F value"]], wald / 3)
  expect_identical(found$DenDF, Inf)
  expect_equal(found[["Pr(>F)"]], pchisq(wald, 3, lower.tail = FALSE))
})

test_that("a test without rows, or of held coefficients, has none", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    control = rlmm_control(fixed = list(beta = c(Days = 10)))
  )
  expect_identical(contest(fit, c(0, 1))$NumDF, 0L)
  expect_equal(contest(fit, rbind(c(1, 0), c(0, 1)))$NumDF, 1)
})

test_that("names put the columns in order", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_equal(contest(fit, c(Days = 1)), contest(fit, c(0, 1)))
  turned <- rbind(c(Days = 1, `(Intercept)` = 2))
  expect_equal(contest(fit, turned), contest(fit, c(2, 1)))
  # Of a data frame of numbers they mean nothing.
  expect_equal(contest(fit, data.frame(a = 0, b = 1)), contest(fit, c(0, 1)))
})

test_that("wrong combinations are told", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    writeLines(error_lines(contest(fit, 1:3)))
    writeLines(error_lines(contest(fit, "Days")))
    writeLines(error_lines(contest(fit, c(0, NA))))
    writeLines(error_lines(contest(fit, c(Days = 1, Dys = 2))))
    writeLines(error_lines(contest(fit, c(Days = 1, Days = 2))))
    writeLines(error_lines(contest(fit, c(0, 1), rhs = 1:2)))
    writeLines(error_lines(contest(fit, c(0, 1), ddf = "none")))
    writeLines(error_lines(contest1D(fit, diag(2))))
    writeLines(error_lines(contest(lm(dist ~ speed, cars), c(0, 1))))
  })
})

test_that("degrees of freedom that differ are combined", {
  expect_identical(joint_df(c(7, 7)), 7)
  expect_identical(joint_df(c(1.5, 7)), 2)
  expect_identical(joint_df(c(Inf, Inf)), Inf)
  # E = 10/8 + 20/18, q = 2.
  e <- 10 / 8 + 20 / 18
  expect_equal(joint_df(c(10, 20)), 2 * e / (e - 2))
  expect_identical(joint_df(c(NA, 3)), NA_real_)
})

test_that("tests may stay in a list, and rows that can't be estimated are missing", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  L <- list(first = c(0, 1), both = diag(2))
  apart <- contest(fit, L, collect = FALSE)
  expect_named(apart, c("first", "both"))
  expect_equal(apart$both, contest(fit, diag(2)))
  rows <- contest(fit, diag(2), joint = FALSE, collect = FALSE)
  expect_identical(lengths(rows), c(7L, 7L))

  skip_if_not_installed("lme4")
  cakes <- lme4::cake
  cakes$temperature <- factor(cakes$temperature, ordered = FALSE)
  is_kept <- cakes$temperature %in% c("175", "185")
  is_empty <- cakes$recipe == "C" & cakes$temperature == "185"
  cakes <- droplevels(cakes[is_kept & !is_empty, ])
  fit <- suppressMessages(rlmm(
    angle ~ recipe * temperature + (1 | recipe:replicate),
    cakes
  ))
  found <- contest(fit, diag(6), joint = FALSE, check_estimability = TRUE)
  # lmerTest 3.2-1, with lme4 2.1.
  expect_equal(
    found$df,
    c(rep(52.51829, 3), 26.57668, 26.57668, NA),
    tolerance = 1e-6
  )
  expect_equal(
    found[["t value"]],
    c(15.71989449, -0.86483271, -0.45785261, 1.51769553, 0.05962071, NA),
    tolerance = 1e-6
  )
  joint <- contest(fit, diag(6)[5:6, ], check_estimability = TRUE)
  expect_identical(joint[["F value"]], NA_real_)
})

test_that("unknown names are told", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot(writeLines(error_lines(contest(fit, c(days = 1)))))
})

# The graph of two crossed factors, by brute force: who is reached from whom.
parts_by_reach <- function(a, b) {
  joined <- table(a, b) > 0
  reach <- (joined %*% t(joined)) > 0
  repeat {
    further <- (reach %*% reach) > 0
    if (identical(further, reach)) {
      return(nrow(unique(reach)))
    }
    reach <- further
  }
}

test_that("unconnected parts are those that can't be reached", {
  set.seed(1)
  for (n in c(10, 20, 40, 80)) {
    a <- as.integer(factor(sample(20, n, TRUE)))
    b <- as.integer(factor(sample(30, n, TRUE)))
    expect_equal(connected_parts(a, b), parts_by_reach(a, b))
  }
  # A long chain.
  expect_equal(
    connected_parts(rep(1:500, each = 2), c(1, rep(2:500, each = 2), 501)),
    1
  )
})

test_that("relations of factors are told", {
  pair <- \(a, b) pair_relation(as.integer(factor(a)), as.integer(factor(b)))
  expect_equal(pair(1:6, rep(1:3, each = 2))$relation, "nested")
  expect_equal(pair(rep(1:3, each = 2), 1:6)$relation, "nests")
  expect_equal(pair(1:6, 6:1)$relation, "the same")
  crossed <- pair(rep(1:2, 3), rep(1:3, each = 2))
  expect_equal(crossed$relation, "crossed")
  expect_equal(crossed$filled, 1)
})

test_that("what is told of terms is what the fit has", {
  formula <- y ~ service + studage + (1 | s) + (service | d)
  data <- InstEval[InstEval$dept == "2", ]
  found <- preview(formula, data)
  fit <- rlmm(formula, data)
  expect_equal(found$rows, nobs(fit))
  expect_equal(found$fixed$columns, names(fixef(fit)))
  expect_equal(found$terms$levels, unname(ngrps(fit)))
  expect_equal(sum(found$terms$parameters), length(getME(fit, "theta")))
  counts <- table(nlme::getGroups(fit, level = "s"))
  of_s <- found$terms$term == "(1 | s)"
  expect_equal(found$terms$singletons[of_s], sum(counts == 1))
  expect_equal(found$terms$most[of_s], max(counts))
  expect_gt(found$seconds, 0)
})

test_that("a preview prints", {
  shown <- \(...) {
    found <- preview(...)
    found$seconds <- 90
    found
  }
  expect_snapshot({
    shown(
      Reaction ~ Days + I(2 * Days) + (Days | Subject),
      within(sleepstudy, Days[3] <- NA)
    )
    shown(
      TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION),
      grouseticks,
      family = poisson
    )
  })
  apart <- data.frame(
    y = (1:40)^2 %% 7,
    a = rep(1:4, each = 10),
    b = c(rep(1:5, 4), rep(6:10, 4))
  )
  expect_snapshot(shown(y ~ 1 + (1 | a) + (1 | b), apart))
})

test_that("what the fit would refuse is listed, and other errors are the fit's", {
  data <- transform(sleepstudy, row = seq_along(Days))
  found <- preview(Reaction ~ Days + (1 | row), data)
  expect_match(found$notes, "fewer levels", all = FALSE)
  expect_error(
    preview(Reaction ~ Days + (1 | nowhere), sleepstudy),
    class = "rlmm_error"
  )
  expect_error(preview(Reaction ~ Days, sleepstudy), class = "rlmm_error")
  expect_error(
    preview(Reaction ~ Days + (1 | Subject), sleepstudy, REML = TRUE),
    class = "rlmm_error_unknown_argument"
  )
})

test_that("times are in units that one reads", {
  expect_equal(format_seconds(0.01), "less than 0.1 seconds")
  expect_equal(format_seconds(3), "about 3 seconds")
  expect_equal(format_seconds(600), "about 10 minutes")
  expect_equal(format_seconds(9000), "about 2.5 hours")
  expect_equal(format_seconds(NA), "unknown")
})

test_that("random effects that the fixed effects contain are told", {
  contained <- preview(score ~ Machine * Worker + (1 | Worker), nlme::Machines)
  expect_match(contained$notes, "`(1 | Worker)`", fixed = TRUE, all = FALSE)
  crossed <- preview(score ~ Machine + (Machine | Worker), nlme::Machines)
  expect_length(crossed$notes, 0)
})

test_that("a generalized model's factors are taken in each of its steps", {
  skip_on_cran()
  set.seed(1)
  n <- 1e5
  d <- data.frame(
    y = rbinom(n, 1, 0.4),
    g = rep_len(1:2500, n),
    h = c(1:2000, sample(2000, n - 2000, TRUE))
  )
  formula <- y ~ (1 | g) + (1 | h)
  expect_identical(preview(formula, d)$engine, "exact")
  generalized <- preview(formula, d, family = binomial)
  expect_identical(generalized$engine, "iterative")
  fit <- rglmm(formula, d, family = binomial)
  expect_identical(fit$engine, "iterative")
})

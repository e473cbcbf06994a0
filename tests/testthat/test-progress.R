test_that("fits in portions are those made at once", {
  fit_some <- \(some) {
    list(beta = rbind(some, -some), sigma = some, done = some > 0)
  }
  at_once <- in_portions(40L, fit_some, NULL)
  counted <- new.env()
  told <- in_portions(40L, fit_some, \(now) counted$of <- c(counted$of, now))
  expect_equal(told, at_once, ignore_attr = TRUE)
  expect_identical(counted$of, c(16L, 32L, 40L))
})

test_that("portions after an interruption are missing", {
  fit_some <- function(some) {
    list(beta = rbind(some, -some), sigma = some, done = some < 20L)
  }
  found <- in_portions(60L, fit_some, \(now) NULL)
  expect_identical(sum(found$done), 19L)
  expect_identical(dim(found$beta), c(2L, 60L))
  expect_identical(which(is.na(found$sigma)), 33:60)
  expect_false(any(found$done[20:60]))
})

# How far progressr is told that a call has come.
steps <- function(expr) {
  total <- 0
  withCallingHandlers(expr, progression = \(cnd) {
    if (identical(cnd$type, "update")) total <<- total + cnd$amount
  })
  total
}

test_that("progressr is told of bootstraps and profiles", {
  skip_if_not_installed("progressr")
  withr::local_options(progressr.enable = TRUE)
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  expect_equal(steps(bootstrap(fit, n = 40, seed = 1)), 40)
  # Three parameters, to both sides.
  expect_equal(steps(profile(fit)), 6)
  expect_equal(steps(bootstrap(fit, n = 40, seed = 1, progress = FALSE)), 0)
})

test_that("replicates are the same with a bar", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  withr::local_options(cli.dynamic = FALSE)
  shown <- suppressMessages(bootstrap(fit, n = 40, seed = 1, progress = TRUE))
  expect_equal(shown, bootstrap(fit, n = 40, seed = 1, progress = FALSE))
  expect_silent(bootstrap(fit, n = 40, seed = 1))
})

test_that("progressr is told of bootMer(), here and by futures", {
  skip_if_not_installed("progressr")
  withr::local_options(progressr.enable = TRUE)
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  expect_equal(steps(bootMer(fit, fixef, nsim = 5, seed = 1)), 5)
  quiet <- steps(bootMer(fit, fixef, nsim = 5, seed = 1, .progress = "none"))
  expect_equal(quiet, 0)
  fit$control$progress <- FALSE
  expect_equal(steps(bootMer(fit, fixef, nsim = 5, seed = 1)), 0)
  fit$control$progress <- NULL
  skip_if_not_installed("future.apply")
  by_futures <- steps(
    bootMer(fit, fixef, nsim = 5, seed = 1, parallel = "future")
  )
  expect_equal(by_futures, 5)
})

test_that("bootMer() has the same replicates with a bar of cli", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  withr::local_options(cli.dynamic = FALSE)
  quiet <- bootMer(fit, fixef, nsim = 5, seed = 1, .progress = "none")
  fit$control$progress <- TRUE
  shown <- suppressMessages(bootMer(fit, fixef, nsim = 5, seed = 1))
  expect_equal(shown$t, quiet$t)
})

test_that("elements are the same whether their progress is reported or not", {
  counted <- new.env()
  report <- \(now) counted$of <- c(counted$of, now)
  found <- lapply_reported(1:250, \(x, by) x * by, report, by = 2)
  expect_identical(found, lapply(1:250, \(x) x * 2))
  expect_length(counted$of, 100L)
  expect_identical(counted$of[100L], 250L)
  expect_identical(lapply_reported(list(), identity, report), list())
})

test_that("progressr is told of the deletions of influence()", {
  skip_if_not_installed("progressr")
  withr::local_options(progressr.enable = TRUE)
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_equal(steps(influence(fit, "Batch")), 6)
  expect_equal(steps(influence(fit, "Batch", refit = TRUE)), 6)
  expect_equal(steps(influence(fit, one_step = FALSE)), 30)
})

# core_fit_many(): many responses of one design, against fits of one each and against lme4.

test_that("each response is fitted as it is alone", {
  for (reml in c(TRUE, FALSE)) {
    fit <- sleep_fit(REML = reml)
    y <- as.matrix(simulate(fit, 6, seed = 1))
    many <- core_fit_many(fit_spec(fit), y)
    expect_equal(colnames(many$theta), colnames(y))
    for (i in seq_len(ncol(y))) {
      data <- transform(sleepstudy, Reaction = y[, i])
      alone <- suppressMessages(
        rlmm(Reaction ~ Days + (Days | Subject), data, REML = reml)
      )
      expect_equal(
        many$objective[[i]],
        alone$dev$objective,
        tolerance = 1e-8
      )
      expect_equal(many$beta[, i], unname(alone$beta), tolerance = 1e-8)
      expect_equal(many$sigma[[i]], alone$sigma, tolerance = 1e-8)
      expect_equal(
        abs(many$theta[, i]),
        abs(unname(alone$theta)),
        tolerance = 1e-5
      )
      expect_equal(many$rx[,, i], alone$rx, tolerance = 1e-6)
      expect_equal(
        many$log_det_re[[i]],
        alone$dev$log_det_re,
        tolerance = 1e-6
      )
    }
    expect_true(all(many$verdict == "optimal"))
    expect_true(all(is.na(many$error)))
  }
})

test_that("lme4 finds the same", {
  skip_if_not_installed("lme4")
  fit <- sleep_fit()
  y <- as.matrix(simulate(fit, 3, seed = 2))
  many <- core_fit_many(fit_spec(fit), y)
  for (i in seq_len(ncol(y))) {
    data <- transform(sleepstudy, Reaction = y[, i])
    theirs <- suppressMessages(
      lme4::lmer(Reaction ~ Days + (Days | Subject), data)
    )
    expect_equal(many$objective[[i]], lme4::REMLcrit(theirs), tolerance = 1e-7)
    expect_equal(
      many$beta[, i],
      unname(lme4::fixef(theirs)),
      tolerance = 1e-5
    )
    expect_equal(many$sigma[[i]], stats::sigma(theirs), tolerance = 1e-4)
  }
})

test_that("results don't depend on the number of threads", {
  fit <- sleep_fit()
  y <- as.matrix(simulate(fit, 100, seed = 3))
  spec <- fit_spec(fit)
  one <- core_fit_many(spec, y, control = rlmm_control(threads = 1))
  for (threads in c(2, 5)) {
    control <- rlmm_control(threads = threads)
    expect_identical(core_fit_many(spec, y, control = control), one)
  }
  withr_threads <- options(rlmm.threads = 2)
  on.exit(options(withr_threads))
  expect_identical(core_fit_many(spec, y), one)
})

test_that("a failure is a result, a missing value names its column", {
  fit <- sleep_fit()
  y <- cbind(a = sleepstudy$Reaction, b = sleepstudy$Days)
  many <- core_fit_many(fit_spec(fit), y)
  expect_equal(many$objective[["a"]], fit$dev$objective, tolerance = 1e-8)
  expect_true(is.na(many$objective[["b"]]))
  expect_true(all(is.na(many$theta[, "b"])))
  expect_match(many$error[["b"]], "residual")
  y[3, "b"] <- NA
  error <- expect_error(
    core_fit_many(fit_spec(fit), y),
    class = "rlmm_error_argument"
  )
  expect_match(conditionMessage(error), "1 column .* b")
})

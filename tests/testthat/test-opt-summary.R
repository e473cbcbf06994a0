test_that("the record has the start, the end and the log", {
  fit <- rlmm(
    Reaction ~ 1 + Days + (1 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  optsum <- opt_summary(fit)
  expect_equal(optsum$initial, c(1, 0, 1))
  expect_equal(optsum$finitial, 1784.6422961924707, tolerance = 1e-12)
  expect_equal(optsum$fmin, deviance(fit))
  expect_equal(optsum$lower, c(0, -Inf, 0))
  log <- as.data.frame(optsum)
  expect_identical(nrow(log), as.integer(optsum$feval))
  expect_named(log, c("eval", "objective", names(getME(fit, "theta"))))
  expect_equal(log$objective[1], optsum$finitial)
  expect_equal(min(log$objective), optsum$fmin, tolerance = 1e-8)
})

test_that("it prints what MixedModels.jl prints", {
  optsum <- structure(
    list(
      initial = c(1, 0, 1),
      finitial = 1784.6422961924707,
      final = c(0.929221316, 0.0181683839, 0.222644869),
      fmin = 1751.93934446471,
      feval = 57L,
      optimizer = "LN_BOBYQA",
      backend = "NLopt",
      status = "FTOL_REACHED",
      ftol_rel = 1e-12,
      ftol_abs = 1e-8,
      xtol_rel = 0,
      xtol_abs = rep(1e-10, 3),
      initial_step = c(0.75, 1, 0.75),
      max_eval = Inf,
      lower = c(0, -Inf, 0)
    ),
    class = "rlmm_optsum"
  )
  expect_snapshot(optsum)
})

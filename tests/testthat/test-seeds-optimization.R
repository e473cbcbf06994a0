# What 000 prints of the optimization: the objective at each theta tried, and the summary.

skip_if_not_installed("jsonlite")
fit_logs <- jsonlite::fromJSON(
  test_path("..", "reference", "fit-logs.json"),
  simplifyMatrix = FALSE
)

bobyqa <- function(step) {
  rlmm_control(optimizer = "LN_BOBYQA", initial_step = step)
}

dyestuff_fit <- function() {
  ml(Yield ~ 1 + (1 | Batch), Dyestuff, control = bobyqa(0.75))
}

fit_by <- function(control = bobyqa(c(0.75, 1, 0.75))) {
  ml(Reaction ~ 1 + Days + (1 + Days | Subject), sleepstudy, control = control)
}

test_that("the objective at every theta of the printed logs", {
  fits <- list(dyestuff_ml = dyestuff_fit(), sleep_ml = fit_by())
  for (name in names(fits)) {
    theta <- do.call(cbind, lapply(fit_logs[[name]]$theta, as.numeric))
    objective <- core_objective(fit_spec(fits[[name]]), theta)
    # Five decimals of the objective, and the rounding of the printed theta.
    expect_lt(max(abs(objective - fit_logs[[name]]$objective)), 1.5e-5)
  }
})

test_that("BOBYQA takes the same path, evaluation by evaluation", {
  # Rounding differs between machines, and the last evaluations with it.
  skip_on_cran()
  fits <- list(dyestuff_ml = dyestuff_fit(), sleep_ml = fit_by())
  for (name in names(fits)) {
    theta <- do.call(rbind, lapply(fit_logs[[name]]$theta, as.numeric))
    log <- fits[[name]]$optsum$fitlog
    expect_equal(nrow(log), nrow(theta))
    expect_lt(max(abs(log[, -1] - theta)), 2e-6)
  }
})

test_that("as.function() gives the objective of theta", {
  objective <- as.function(dyestuff_fit())
  expect_printed(objective(1), "327.76702")
  expect_printed(objective(1.75), "331.03619")
})

test_that("the summary of the optimization of sleepstudy", {
  fit <- fit_by()
  optsum <- opt_summary(fit)
  expect_equal(unname(optsum$initial), c(1, 0, 1))
  expect_equal(optsum$finitial, 1784.6422961924707, tolerance = 1e-13)
  expect_identical(optsum$optimizer, "LN_BOBYQA")
  expect_identical(optsum$status, "FTOL_REACHED")
  expect_identical(unname(getME(fit, "lower")), c(0, -Inf, 0))
  expect_equal(optsum$ftol_rel, 1e-12)
  expect_equal(optsum$ftol_abs, 1e-8)
  expect_equal(optsum$xtol_rel, 0)
  expect_equal(unique(optsum$xtol_abs), 1e-10)
  expect_equal(optsum$initial_step, c(0.75, 1, 0.75))
  expect_equal(
    unname(optsum$final),
    c(0.929221, 0.0181684, 0.222645),
    tolerance = 1e-4
  )
  expect_lte(optsum$fmin, 1751.93934446471 + 1e-8)
  expect_equal(nrow(optsum$fitlog), optsum$feval)
  expect_equal(unname(optsum$fitlog[1, 1:4]), c(1784.6422961924707, 1, 0, 1))
})

test_that("Nelder and Mead's optimum is the same to the printed digits, or lower", {
  fit <- fit_by(rlmm_control(
    optimizer = "LN_NELDERMEAD",
    initial_step = c(0.75, 1, 0.75)
  ))
  expect_criteria(
    fit,
    c("-875.96967", "1751.93934", "1763.93934", "1783.09709")
  )
  expect_identical(fit$optsum$optimizer, "LN_NELDERMEAD")
  expect_identical(fit$optsum$status, "FTOL_REACHED")
  expect_lte(deviance(fit), 1751.939344475031 + 1e-8)
  skip_on_cran()
  expect_equal(fit$optsum$feval, 140)
  expect_printed(fit$optsum$final, c("0.929236", "0.0181688", "0.222641"))
  expect_varcorr(
    fit,
    c("565.528831", "32.681047", "654.941678"),
    c("23.780850", "5.716734", "25.591828"),
    "0.08",
    within = last_step
  )
  expect_coefs(
    fit,
    c("251.405", "10.4673"),
    c("6.63233", "1.50222"),
    c("37.906", "6.9679"),
    c("<1e-99", "<1e-11"),
    within = last_step
  )
})

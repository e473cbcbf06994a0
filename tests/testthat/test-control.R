test_that("checks are known under our names and lme4's", {
  ours <- rlmm_control(
    check_nobs_vs_nlev = "ignore",
    check_rankx = "stop.deficient"
  )
  theirs <- rlmm_control(
    check.nobs.vs.nlev = "ignore",
    check.rankX = "stop.deficient"
  )
  expect_identical(ours, theirs)
  expect_identical(ours$checks$nobs_vs_nlev, "ignore")
  expect_identical(ours$checks$nobs_vs_nre, "stop")
})

test_that("optimizers are known under NLopt's names and lme4's", {
  expect_null(rlmm_control()$optimizer)
  expect_null(rlmm_control("default")$optimizer)
  expect_identical(rlmm_control("bobyqa")$optimizer, "LN_BOBYQA")
  expect_identical(rlmm_control("Nelder_Mead")$optimizer, "LN_NELDERMEAD")
  expect_identical(rlmm_control("nloptwrap")$optimizer, "LN_BOBYQA")
  expect_identical(rlmm_control("NLOPT_LN_COBYLA")$optimizer, "LN_COBYLA")
  expect_identical(rlmm_control("LD_LBFGS")$optimizer, "LD_LBFGS")
  expect_identical(rlmm_control("newton")$optimizer, "newton")
})

test_that("what isn't known or not allowed is an error", {
  expect_error(
    rlmm_control(maxeval = 3),
    "Did you mean `max_eval`",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(check_foo = "stop"),
    class = "rlmm_error_unknown_argument"
  )
  expect_error(
    rlmm_control(optimizer = "bobyka"),
    "Did you mean",
    class = "rlmm_error_control"
  )
  expect_error(rlmm_control(optimizer = 1), class = "rlmm_error_control")
  expect_error(
    rlmm_control(check_nobs_vs_nlev = "halt"),
    class = "rlmm_error_control"
  )
  for (bad in list(-1, NA, "a", 1:2)) {
    expect_error(
      rlmm_control(ftol_rel = bad),
      "`ftol_rel`",
      class = "rlmm_error_control"
    )
    expect_error(
      rlmm_control(max_eval = bad),
      "`max_eval`",
      class = "rlmm_error_control"
    )
    expect_error(
      rlmm_control(initial_step = if (length(bad) > 1) -bad else bad),
      class = "rlmm_error_control"
    )
    expect_error(rlmm_control(slim = bad), class = "rlmm_error_argument")
  }
})

test_that("an argument of the fitting functions is said to stand outside of the control", {
  said <- list(
    information = "outside of the control: `rglmm(information = )`",
    REML = "outside of the control: `rlmm(REML = )`",
    weights = "`rlmm(weights = )` or `rglmm(weights = )`"
  )
  for (name in names(said)) {
    expect_error(
      do.call(rlmm_control, stats::setNames(list(1), name)),
      said[[name]],
      fixed = TRUE,
      class = "rlmm_error_unknown_argument"
    )
  }
})

test_that("the hints know all arguments of the fitting functions", {
  for (fitter in names(fitter_arguments)) {
    arguments <- setdiff(names(formals(fitter)), c("formula", "control", "..."))
    expect_setequal(fitter_arguments[[fitter]], arguments)
  }
})

test_that("a plain list is a control", {
  expect_identical(as_control(list(max_eval = 7)), rlmm_control(max_eval = 7))
  expect_error(as_control(5), class = "rlmm_error_control")
})

test_that("lme4's control is translated, and what has no meaning here is named once", {
  skip_if_not_installed("lme4")
  expect_silent(default <- as_control(lme4::lmerControl()))
  expect_silent(as_control(lme4::lmerControl(calc.derivs = FALSE)))
  expect_identical(default, rlmm_control())
  expect_silent(
    control <- as_control(lme4::lmerControl(
      optimizer = "Nelder_Mead",
      optCtrl = list(maxfun = 100),
      check.nobs.vs.nlev = "ignore",
      check.conv.singular = "ignore",
      check.conv.grad = "ignore",
      check.rankX = "silent.drop.cols"
    ))
  )
  expect_identical(
    control,
    rlmm_control(
      "LN_NELDERMEAD",
      max_eval = 100,
      check_nobs_vs_nlev = "ignore",
      check_conv_singular = "ignore",
      check_rankx = "silent.drop.cols"
    )
  )
  tuned <- lme4::lmerControl(
    optCtrl = list(algorithm = "NLOPT_LN_COBYLA", xtol_abs = 1e-6, maxeval = 50)
  )
  expect_identical(
    as_control(tuned),
    rlmm_control("LN_COBYLA", xtol_abs = 1e-6, max_eval = 50)
  )
  expect_message(
    as_control(lme4::lmerControl(
      optimizer = "nlminbwrap",
      boundary.tol = 0,
      optCtrl = list(iprint = 2)
    )),
    "`boundary.tol`, `optimizer`, and `iprint`",
    class = "rlmm_message_control"
  )
  expect_message(
    as_control(lme4::lmerControl(restart_edge = FALSE, use.last.params = TRUE)),
    "use.last.params"
  )
})

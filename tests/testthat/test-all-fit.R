test_that("the optimizers agree, and each fit is a fit", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  all <- allFit(fit)
  expect_true("newton" %in% names(all))
  expect_true(all(vapply(all, inherits, NA, "rlmm")))
  table <- as.data.frame(all)
  expect_identical(table$optimizer, names(all))
  expect_lt(table$above_best[table$optimizer == "newton"], 1e-6)
  expect_true(all(table$above_best >= 0))
  expect_equal(unname(fixef(all$newton)), unname(fixef(fit)), tolerance = 1e-8)
  expect_equal(all$LN_BOBYQA$optsum$optimizer, "LN_BOBYQA")
})

test_that("the summary has lme4's components", {
  all <- allFit(
    rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
    c("newton", "bobyqa", "LD_LBFGS")
  )
  found <- summary(all)
  expect_named(all, c("newton", "LN_BOBYQA", "LD_LBFGS"))
  expect_true(all(
    c(
      "which.OK",
      "msgs",
      "fixef",
      "llik",
      "sdcor",
      "theta",
      "times",
      "feval"
    ) %in%
      names(found)
  ))
  expect_identical(dim(found$fixef), c(3L, 2L))
  expect_named(
    found$sdcor,
    c(
      "sd_(Intercept)|Subject",
      "sd_Days|Subject",
      "cor_Days.(Intercept)|Subject",
      "sigma"
    )
  )
  expect_equal(found$theta[["newton", 1]], 0.96674, tolerance = 1e-4)
  expect_output(print(found), "Fixed effects")
  expect_output(print(all), "LD_LBFGS")
})

test_that("it agrees with lme4 in the numbers", {
  skip_if_not_installed("lme4")
  all <- allFit(
    rlmm(strength ~ 1 + (1 | batch / cask), Pastes),
    c("newton", "LN_NELDERMEAD")
  )
  theirs <- suppressMessages(lme4::lmer(
    strength ~ 1 + (1 | batch / cask),
    Pastes
  ))
  expect_equal(
    unname(summary(all)$llik),
    rep(as.numeric(stats::logLik(theirs)), 2),
    tolerance = 1e-7
  )
})

test_that("fits of lme4 are handed on to lme4", {
  skip_if_not_installed("lme4", "1.1-35")
  theirs <- suppressMessages(lme4::lmer(strength ~ 1 + (1 | batch), Pastes))
  expect_identical(
    allFit(theirs, show.meth.tab = TRUE),
    lme4::allFit(theirs, show.meth.tab = TRUE)
  )
})

test_that("an optimizer that gives up is marked", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  fit$control$max_eval <- 4
  found <- allFit(fit, c("LN_BOBYQA", "LN_COBYLA"))
  expect_identical(
    unname(as.data.frame(found)$verdict),
    c("not_converged", "not_converged")
  )
  summary <- summary(found)
  expect_true(all(lengths(summary$msgs) > 0))
  summary$msgs <- list(
    LN_BOBYQA = c("In one", "and another line."),
    LN_COBYLA = character()
  )
  expect_match(
    format(summary),
    "^\\* LN_BOBYQA: In one and another line.$",
    all = FALSE
  )
})

test_that("unknown optimizers and foreign objects are refused", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_error(allFit(fit, "LN_BOBYKA"), class = "rlmm_error_control")
  expect_error(allFit(1), class = "rlmm_error_no_method")
})

test_that("with a common correlation no optimizer leaves the parameter space", {
  # Beyond a standard deviation of zero lie covariances that are no compound symmetry, and better
  # ones here.
  fit <- rlmm(Reaction ~ Days + cs(Days + I(Days^2) | Subject), sleepstudy)
  fits <- allFit(
    fit,
    optimizers = c("newton", "LN_NEWUOA", "LD_LBFGS", "LD_SLSQP")
  )
  for (name in names(fits)) {
    theta <- getME(fits[[name]], "theta")
    expect_true(all(theta[1:3] >= 0), label = name)
    expect_equal(
      fits[[name]]$optsum$fmin,
      as.function(fit)(theta),
      tolerance = 1e-10,
      label = name
    )
    expect_gte(fits[[name]]$optsum$fmin, fit$optsum$fmin - 1e-6)
  }
})

test_that("distinct optima are numbered and told apart", {
  data <- read.csv(test_path("optima", "lmm-3362.csv"))
  data$g <- factor(data$g)
  fit <- suppressMessages(
    rlmm(y ~ 1 + (x || g), data, weights = w, REML = FALSE)
  )
  all <- allFit(fit, c("newton", "LN_BOBYQA", "LD_MMA"))
  table <- as.data.frame(all)
  at_optimum <- !is.na(table$optimum)
  expect_identical(at_optimum, table$verdict == "optimal")
  first <- at_optimum & table$optimum == 1L
  expect_true(all(table$above_best[first] < 1e-4))
  expect_true(all(table$above_best[at_optimum & !first] > 1e-4))
  expect_match(
    format(all),
    "distinct optima, each a local one; above the lowest: ",
    all = FALSE
  )
})

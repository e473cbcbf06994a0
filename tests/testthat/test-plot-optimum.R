skip_if_not_installed("lattice")

test_that("the objective falls to its lowest value", {
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(optimizer = "LN_BOBYQA")
  )
  log <- objective_log(opt_summary(fit))
  expect_equal(nrow(log), fit$optsum$feval)
  expect_equal(min(log$above), smallest_shown)
  expect_equal(
    log$above[1],
    fit$optsum$finitial - fit$optsum$fmin,
    tolerance = 1e-8
  )
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_error(print(plot(opt_summary(fit))))
})

test_that("estimates of each optimizer are those of its fit", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  all <- allFit(fit, optimizers = c("newton", "LN_BOBYQA"))
  data <- all_fit_estimates(all)
  own <- data$optimizer == "LN_BOBYQA" & data$parameter == "sigma"
  expect_equal(data$value[own], sigma(all$LN_BOBYQA))
  expect_true(all(data$best))
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_warning(print(plot(all)))
})

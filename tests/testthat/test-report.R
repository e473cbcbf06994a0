test_that("a fit that was stopped is reported with its reason", {
  optsum <- list(status = "MAXEVAL_REACHED", feval = 500L, fitlog = cbind(c(10 - 1:20 / 10), 1))
  expect_warning(report_convergence(optsum), "`max_eval` \\(500\\)", class = "rlmm_warning_convergence")
  expect_warning(report_convergence(optsum), "fell by 1 over the last 10")
  optsum$status <- "FORCED_STOP"
  expect_warning(report_convergence(optsum), "interrupted", class = "rlmm_warning_convergence")
  optsum$status <- "FTOL_REACHED"
  expect_silent(report_convergence(optsum))
})

test_that("the log is printed as in the founding documents", {
  fitlog <- cbind(
    c(327.76702, 331.03619, 1784.6423, 1752, 327.38260001),
    c(1, 1.75, 0, -0.00866189, 1.18326),
    c(0, 0.0111673, 1e-05, 1.5e-07, -0.0707107)
  )
  expect_identical(format_fitlog(fitlog), c(
    "f_1: 327.76702 [1.0, 0.0]", "f_2: 331.03619 [1.75, 0.0111673]", "f_3: 1784.6423 [0.0, 1.0e-5]",
    "f_4: 1752.0 [-0.00866189, 1.5e-7]", "f_5: 327.3826 [1.18326, -0.0707107]"
  ))
  expect_identical(format_fitlog(cbind(327.76702, 1)), "f_1: 327.76702 [1.0]")
})

test_that("a fit that was stopped is reported with its reason", {
  optsum <- list(status = "MAXEVAL_REACHED", feval = 500L, fitlog = cbind(c(10 - 1:20 / 10), 1))
  expect_warning(report_convergence(optsum), "`max_eval` \\(500\\)", class = "rlmm_warning_convergence")
  expect_warning(report_convergence(optsum), "fell by 1 over the last 10")
  optsum$status <- "INTERRUPTED"
  expect_warning(report_convergence(optsum), "interrupted", class = "rlmm_warning_convergence")
  optsum$status <- "FTOL_REACHED"
  expect_silent(report_convergence(optsum))
})

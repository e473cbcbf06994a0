test_that("theta has lme4's names", {
  skip_if_not_installed("lme4")
  data <- frame_data()
  for (formula in list(
    y ~ (x | a) + (1 | b),
    y ~ (poly(x, 2) | a),
    y ~ (x || b)
  )) {
    fit <- suppressMessages(suppressWarnings(lme4::lmer(formula, data)))
    expect_identical(
      theta_names(our_design(formula, data)$random),
      names(lme4::getME(fit, "theta"))
    )
  }
})

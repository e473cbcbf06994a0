test_that("fit_spec() is what was fitted", {
  data <- frame_data()
  data$y[4] <- NA
  formulas <- list(
    y ~ x + (x | b),
    y ~ f * x + (1 + fulldummy(ch) | a / b),
    y ~ poly(x, 2) + offset(z) + (poly(z, 2) || b),
    y ~ x + I(2 * x) + (1 | cut(z, 3)) + zerocorr(f | b),
    y ~ 0 + (1 | b) + (x | ch)
  )
  for (formula in formulas) {
    design <- our_design(formula, data)
    fit <- list(
      frame = design$frame,
      fixed = design$fixed,
      random = design$random,
      reml = TRUE,
      known_sigma = TRUE,
      sigma = 2
    )
    class(fit) <- c("rlmm_lmm", "rlmm")
    design$spec$sigma <- 2
    design$spec$threads <- n_threads(fit$control)
    expect_identical(fit_spec(fit), design$spec, info = deparse1(formula))
  }
})

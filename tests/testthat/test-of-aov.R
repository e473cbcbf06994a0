test_that("generics for fits of aov() say what to use instead", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  show <- \(expr) writeLines(error_lines(expr))
  withr::local_options(cli.unicode = FALSE)
  expect_snapshot({
    show(TukeyHSD(fit))
    show(alias(fit))
    show(dummy.coef(fit))
    show(model.tables(fit))
    show(se.contrast(fit, list(1)))
    show(effects(fit))
  })
})

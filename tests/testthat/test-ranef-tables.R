# MixedModels.jl 5.8, documentation: condVar(m) of the dyestuff model by maximum likelihood is
# 362.3104675622 for each batch.
test_that("tables have a row for each level, as those of MixedModels.jl", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  table <- condVartables(fit)$Batch
  expect_named(table, c("Batch", "sd_(Intercept)"))
  expect_equal(table[[2]], rep(sqrt(362.3104675622), 6), tolerance = 1e-6)
  modes <- raneftables(fit)$Batch
  expect_equal(modes$Batch, levels(Dyestuff$Batch))
  expect_equal(modes[["(Intercept)"]], ranef(fit)$Batch[[1]])
  spherical <- raneftables(fit, uscale = TRUE)$Batch
  expect_equal(spherical[[2]] * getME(fit, "theta")[[1]], modes[[2]])
  sleep <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_named(
    condVartables(sleep)$Subject,
    c("Subject", "sd_(Intercept)", "sd_Days", "cor_(Intercept).Days")
  )
})

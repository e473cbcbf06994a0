# Settings of plots are lattice's or the method's own; others are named.

skip_if_not_installed("lattice")

fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)

test_that("a setting that neither lattice nor the method knows is named", {
  profiled <- profile(fit, which = "beta_")
  drawn <- bootstrap(fit, 10, seed = 1)
  draw <- list(
    \() plot(profiled, which = 1),
    \() lattice::densityplot(profiled, which = 1),
    \() lattice::splom(profiled, whch = 1:2),
    \() plot(fit, lables = "a"),
    \() lattice::dotplot(ranef(fit), foo = 1),
    \() plot(drawn, parameter = 1)
  )
  for (one in draw) {
    expect_warning(one(), class = "rlmm_warning_unused_argument")
  }
  expect_warning(draw[[3L]](), "Did you mean `which`?", fixed = TRUE)
})

test_that("lattice's settings and those of a user's panel function are passed on", {
  expect_no_warning(plot(fit, main = "A", layout = c(1, 1), pch = 3, lwd = 2))
  shown <- plot(fit, panel = \(x, y, far, ...) far, far = 2)
  expect_identical(shown$panel.args.common$far, 2)
})

skip_if_not_installed("lattice")

# The profile of a quadratic likelihood: both traces are lines.
quadratic_profile <- function(rho) {
  z <- seq(-4, 4, by = 0.5)
  data <- data.frame(
    .zeta = c(z, z),
    a = c(10 + 2 * z, 10 + 2 * rho * z),
    b = c(-3 + 0.5 * rho * z, -3 + 0.5 * z),
    .par = factor(rep(c("a", "b"), each = length(z)))
  )
  structure(data, class = c("profile.rlmm", "data.frame"))
}

test_that("contours of a quadratic likelihood are ellipses", {
  for (rho in c(-0.9, 0, 0.5)) {
    pr <- quadratic_profile(rho)
    a <- parameter_trace("a", pr)
    b <- parameter_trace("b", pr)
    at <- zeta_contour(a, b, 2)
    height <- (at[, 1]^2 - 2 * rho * at[, 1] * at[, 2] + at[, 2]^2) /
      (1 - rho^2)
    expect_equal(height, rep(4, nrow(at)), tolerance = 0.01)
    units <- place_in_units(a, b)(at)
    expect_equal(range(units[, 1]), c(6, 14), tolerance = 0.01)
  }
  expect_null(zeta_contour(a, b, 5))
})

test_that("pairs are drawn, singular ones and few parameters too", {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  pr <- profile(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE))
  expect_s3_class(lattice::splom(pr), "trellis")
  expect_no_warning(print(lattice::splom(pr)))
  expect_s3_class(
    lattice::splom(pr, which = c(".sigma", "(Intercept)")),
    "trellis"
  )
  flat <- suppressMessages(
    profile(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2, REML = FALSE))
  )
  expect_no_error(print(lattice::splom(flat)))
  expect_snapshot(writeLines(error_lines(lattice::splom(pr, which = ".sigma"))))
})

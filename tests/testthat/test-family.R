count <- function(...) rglmm(incidence ~ period + (1 | herd), cbpp, ...)

test_that("a family may be an object, a function or a name", {
  fits <- list(count(family = poisson), count(family = poisson()), count(family = "poisson"), count(family = poisson("log")))
  for (fit in fits) {
    expect_equal(family(fit)$family, "poisson")
    expect_equal(fit$dev$objective, fits[[1]]$dev$objective)
  }
  expect_true(isGLMM(fits[[1]]))
  expect_false(isLMM(fits[[1]]))
  expect_false(isREML(fits[[1]]))
})

test_that("theta of the negative binomial is read from the family", {
  skip_if_not_installed("MASS")
  expect_equal(family_theta(MASS::negative.binomial(2.5)), 2.5)
  expect_equal(core_family(MASS::negative.binomial(2.5)), "negative.binomial")
})

test_that("families that can't be fitted are refused with the reason", {
  expect_error(count(), "rlmm", class = "rlmm_error_family")
  expect_error(count(family = gaussian), "Use `rlmm\\(\\)`", class = "rlmm_error_family")
  expect_error(count(family = quasipoisson), "no likelihood", class = "rlmm_error_family")
  expect_error(count(family = "quasibinomial"), "binomial", class = "rlmm_error_family")
  expect_error(count(family = "possion"), "Did you mean `poisson`", class = "rlmm_error_family")
  expect_error(count(family = 3), "It is 3", class = "rlmm_error_family")
  expect_error(count(family = mean), class = "rlmm_error_family")
  expect_error(count(family = binomial(power(0.3))), class = "rlmm_error_family")
  expect_error(count(family = poisson(power(0.3))), "mu\\^0.3", class = "rlmm_error_family")
})

test_that("variance inflation is car's", {
  # car::vif() 3.1-5 of lme4's fits.
  oats <- rlmm(yield ~ nitro * Variety + (1 | Block), nlme::Oats)
  expect_equal(variance_inflation(oats)$gvif, c(3, 7.84, 13.44))
  expect_equal(variance_inflation(oats)$df, c(1L, 2L, 2L))
  expect_equal(
    variance_inflation(oats)$scaled,
    c(1.732050808, 1.673320053, 1.914695943)
  )
  milk <- rlmm(protein ~ Diet + Time + I(Time^2) + (1 | Cow), nlme::Milk)
  expect_equal(
    variance_inflation(milk)$gvif,
    c(1.000008902, 15.425080643, 15.425105728),
    tolerance = 1e-5
  )
})

test_that("one term, none, or a dropped column are no trouble", {
  one <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_equal(variance_inflation(one)$gvif, 1)
  none <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_equal(nrow(variance_inflation(none)), 0)
  aliased <- suppressMessages(rlmm(
    Reaction ~ Days + I(2 * Days) + (1 | Subject),
    sleepstudy
  ))
  expect_equal(variance_inflation(aliased)$term, "Days")
})

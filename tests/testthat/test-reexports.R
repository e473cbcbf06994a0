test_that("the generics are nlme's, so that packages don't mask each other", {
  expect_identical(rlmm::fixef, nlme::fixef)
  expect_identical(rlmm::ranef, nlme::ranef)
  expect_identical(rlmm::VarCorr, nlme::VarCorr)
})

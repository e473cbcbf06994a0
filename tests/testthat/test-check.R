test_that("start is checked against the model", {
  random <- our_design(y ~ (x | a), frame_data())$random
  expect_identical(check_start(list(theta = 1:3), random), c(1, 2, 3))
  expect_identical(check_start(c(1, 0, 1), random), c(1, 0, 1))
  expect_null(check_start(NULL, random))
  for (bad in list(
    1,
    "a",
    c(1, NA, 1),
    list(beta = 1),
    list(theta = 1, beta = 2),
    c(1, Inf, 1)
  )) {
    expect_error(check_start(bad, random), class = "rlmm_error_start")
  }
})

test_that("a slim fit says so when its data are needed", {
  fit <- suppressMessages(rlmm(
    y ~ x + (1 | b),
    frame_data(),
    control = rlmm_control(slim = TRUE)
  ))
  expect_null(fit$frame)
  expect_null(fit$fitted)
  expect_error(fit_spec(fit), class = "rlmm_error_slim")
})

test_that("an offset is one vector", {
  data <- frame_data()
  expect_error(
    rlmm(y ~ x + offset(cbind(x, z)) + (1 | a), data),
    "offset\\(cbind",
    class = "rlmm_error_offset"
  )
  expect_error(
    rlmm(y ~ x + (1 | a), data, offset = cbind(x, z)),
    class = "rlmm_error_offset"
  )
  column <- suppressMessages(rlmm(y ~ x + (1 | b), data, offset = cbind(z)))
  expect_equal(
    fixef(column),
    fixef(suppressMessages(rlmm(y ~ x + (1 | b), data, offset = z)))
  )
})

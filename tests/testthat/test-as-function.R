test_that("the function is the objective", {
  skip_if_not_installed("lme4")
  # lme4's own function looks for lme4 on the search path.
  withr::local_package("lme4")
  for_each_twin(
    function(ours, theirs, data, name) {
      objective <- as.function(ours)
      expect_equal(
        objective(ours$theta),
        ours$dev$objective,
        tolerance = 1e-10,
        info = name
      )
      other <- ours$theta + 0.1
      expect_equal(
        objective(other),
        as.function(theirs)(other),
        tolerance = 1e-8,
        info = name
      )
    },
    names = c(
      "dyestuff_ml",
      "sleep",
      "sleep_ml",
      "penicillin",
      "sleep_weights",
      "sleep_offset",
      "pixel"
    )
  )
})

test_that("the function survives being saved, and doesn't hold the fit", {
  objective <- as.function(twin("sleep")$ours)
  expect_false("x" %in% ls(environment(objective)))
  expect_equal(
    unserialize(serialize(objective, NULL))(c(1, 0, 1)),
    objective(c(1, 0, 1))
  )
})

test_that("a theta of the wrong length is refused", {
  objective <- as.function(twin("sleep")$ours)
  expect_error(objective(1), class = "rlmm_error_theta")
  expect_identical(
    conditionCall(tryCatch(objective(1), error = identity)),
    quote(objective(1))
  )
  expect_snapshot(writeLines(error_lines(objective(1:2))))
  expect_snapshot(writeLines(error_lines(objective("a"))))
})

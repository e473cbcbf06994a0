test_that("dummy() gives an indicator column per level kept", {
  f <- factor(c("a", "b", "c", "a"))
  expect_equal(
    dummy(f, "a"),
    cbind(a = c(1, 0, 0, 1)),
    ignore_attr = c("class", "levels_of_fit")
  )
  expect_identical(colnames(dummy(f)), c("b", "c"))
  expect_identical(colnames(dummy(c("u", "v"))), "v")
  expect_error(dummy(f, "d"), class = "rlmm_error_argument")
})

test_that("dummy() knows the fit's levels on other data", {
  data <- frame_data()
  effects <- our_design(y ~ (0 + dummy(ch) | a), data)$random[[1L]]$effects
  new <- data.frame(ch = c("b", "b"))
  expect_equal(
    unname(column_matrix(
      design_columns(effects, model.frame(effects, new)),
      2
    )),
    cbind(c(1, 1), 0, 0)
  )
})

test_that("a dummy() of the user's is not taken", {
  dummy <- function(...) stop("not this one")
  expect_no_error(our_design(y ~ (0 + dummy(f, "1") | a), frame_data()))
})

if (requireNamespace("testthat", quietly = TRUE)) {
  library(testthat)
  library(rlmm)

  test_check("rlmm")
}

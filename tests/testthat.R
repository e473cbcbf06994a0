library(testthat)
library(rlmm)

test_check("rlmm")

# Grouping factors with more levels than fit in memory.

test_that("the number of levels is estimated from a sample", {
  expect_error(
    check_levels_fit(seq_len(1e8), "id", free = 2^30),
    "`id` has too many levels",
    class = "rlmm_error_too_large"
  )
  expect_silent(check_levels_fit(rep_len(1:1000, 1e7), "id", free = 2^20))
})

test_that("chunks whose levels don't fit in memory are refused while they are read", {
  at <- 0
  reader <- function(reset) {
    at <<- if (reset) 0 else at + 1
    if (!reset && at <= 50) {
      data.frame(y = sin(1:1000), id = 1000 * at + 1:1000)
    }
  }
  little <- rlmm_control(memory_limit = 1e-3)
  error <- expect_error(
    rlmm(y ~ 1 + (1 | id), reader, control = little),
    "`id` has too many levels",
    class = "rlmm_error_too_large"
  )
  expect_lt(error$levels, 50000)
})

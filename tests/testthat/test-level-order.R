test_that("factors of several parts have one order", {
  expect_identical(common_order(list("10", "9")), c("9", "10"))
  expect_identical(common_order(list("w", "u", "v")), c("u", "v", "w"))
  expect_identical(common_order(list(c("10", "9"), "2")), c("10", "2", "9"))
  expect_identical(
    common_order(list(c("lo", "hi"), c("lo", "mid", "hi"), "top")),
    c("lo", "mid", "hi", "top")
  )
  expect_identical(
    common_order(list(c("mid", "hi"), c("lo", "mid"))),
    c("lo", "mid", "hi")
  )
})

test_that("groups that a formula makes stand in the order that they have in the whole", {
  d <- data.frame(x = sin(1:60), a = rep(c("w", "v", "u"), each = 20))
  d$y <- d$x + cos(3 * seq_len(60)) + nchar(d$a) * (d$a == "v")
  parts <- split(d, d$a)[c("w", "u", "v")]
  formula <- y ~ x + (1 | factor(a))
  sums <- lapply(unname(parts), \(part) rlmm_sums(formula, part))
  of_sums <- ranef(rlmm(do.call(c, sums)), condVar = FALSE)
  expect_equal(of_sums, ranef(rlmm(formula, d), condVar = FALSE))
})

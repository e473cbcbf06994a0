# Terms with so many effects that the model can't be computed are refused before any work.

wide_data <- function(levels, n) {
  data.frame(
    y = rep_len(c(1, 3, 2, 5, 4), n),
    a = factor(rep_len(seq_len(levels), n)),
    g = factor(rep_len(1:7, n))
  )
}

test_that("many effects are an error before anything is allocated", {
  d <- wide_data(2000, 4000)
  terms <- list(
    y ~ 1 + (a | g),
    y ~ 1 + ar1(0 + a | g),
    y ~ 1 + cs(0 + a | g)
  )
  for (formula in terms) {
    expect_error(rlmm(formula, d), class = "rlmm_error_too_large")
  }
  counts <- y ~ 1 + (a | g)
  expect_error(
    rglmm(counts, d, family = poisson),
    class = "rlmm_error_too_large"
  )
  message <- tryCatch(rlmm(counts, d), error = conditionMessage)
  expect_match(message, "The term `(a | g)` has too many effects", fixed = TRUE)
  expect_match(message, "its 2,000 effects take", fixed = TRUE)
})

test_that("columns are counted before they are made", {
  bar <- list(
    effects = quote(a),
    structure = "diag",
    groups = list(list(name = "g"))
  )
  check <- \(d, free) check_effect_columns_fit(bar, terms(~a), d, free)
  wide <- wide_data(9000, 2e4)
  expect_null(check(wide, 1e13))
  # Two copies of 2e4 x 9000 numbers take 2.9e9 bytes, and the derivatives 5.2e9.
  expect_error(check(wide, 1e9), "has too many effects for the memory")
  # Less than a gigabyte is always allowed.
  expect_null(check(wide_data(100, 1e4), 0))
})

test_that("bytes are those of the second derivatives", {
  # Three effects have six variances and covariances.
  expect_equal(bytes_of_derivatives("us", 3), 8 * (2 * 36 + 6 * 36))
  expect_equal(bytes_of_derivatives("diag", 3), 8 * (2 * 9 + 6 * 9))
  expect_equal(bytes_of_derivatives("cs", 3), 8 * (2 * 36 + 6 * 16))
})

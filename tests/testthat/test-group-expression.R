labels_on <- function(entry, data) {
  row_labels(entry, list(data = data, stored = FALSE, n = nrow(data), frame_n = 0L))
}

test_that("a grouping expression gives the fit's levels on other data", {
  data <- frame_data()
  breaks <- c(-9, 0, 9)
  words <- letters[1:9]
  formulas <- list(
    y ~ (1 | cut(x, 4)), y ~ (1 | factor(int)), y ~ (1 | interaction(a, b)), y ~ (1 | paste(a, b)),
    y ~ (1 | cut(x, quantile(x), include.lowest = TRUE)), y ~ (1 | x > mean(x)), y ~ (1 | cut(x, breaks)),
    y ~ (1 | words[int]), y ~ (1 | findInterval(x, quantile(x, c(0.3, 0.6)))), y ~ (1 | a/factor(int)),
    y ~ (1 | cut(exp(x), 3, labels = FALSE)), y ~ (1 | a:b), y ~ (1 | date), y ~ (1 | ifelse(lg, "yes", "no"))
  )
  for (formula in formulas) {
    for (entry in our_design(formula, data)$random) {
      frame <- our_design(formula, data)$frame
      codes <- group_codes(entry$group_vars, frame, entry$group)
      expected <- entry$levels[codes$refs]
      rows <- c(3, 50, 7)
      expect_identical(labels_on(entry, data), expected, info = entry$group)
      expect_identical(labels_on(entry, data[rows, ]), expected[rows], info = entry$group)
    }
  }
})

test_that("equal_breaks() are those of cut()", {
  for (x in list(c(1, 5, 2, 9), c(-3.3, 7), c(4, 4))) {
    expect_identical(cut(x, equal_breaks(range(x), 3L)), cut(x, 3))
  }
})

test_that("values outside the breaks of the fit have no level", {
  data <- frame_data()
  entry <- our_design(y ~ (1 | cut(x, 3)), data)$random[[1L]]
  expect_identical(labels_on(entry, data.frame(x = 1e3)), NA_character_)
})

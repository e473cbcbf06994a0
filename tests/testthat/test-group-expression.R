labels_on <- function(term, data) {
  row_labels(
    term,
    list(data = data, stored = FALSE, n = nrow(data), frame_n = 0L)
  )
}

test_that("a grouping expression gives the fit's levels on other data", {
  data <- frame_data()
  breaks <- c(-9, 0, 9)
  words <- letters[1:9]
  formulas <- list(
    y ~ (1 | cut(x, 4)),
    y ~ (1 | factor(int)),
    y ~ (1 | interaction(a, b)),
    y ~ (1 | paste(a, b)),
    y ~ (1 | cut(x, quantile(x), include.lowest = TRUE)),
    y ~ (1 | x > mean(x)),
    y ~ (1 | cut(x, breaks)),
    y ~ (1 | words[int]),
    y ~ (1 | findInterval(x, quantile(x, c(0.3, 0.6)))),
    y ~ (1 | a / factor(int)),
    y ~ (1 | cut(exp(x), 3, labels = FALSE)),
    y ~ (1 | a:b),
    y ~ (1 | date),
    y ~ (1 | ifelse(lg, "yes", "no")),
    y ~ (1 | base::cut(x, 4)),
    y ~ (1 | cut(scale(x), 3)),
    y ~ (1 | poly(x, 2)[, 2] > 0),
    y ~ (1 | as.integer(f)),
    y ~ (1 | relevel(f, "3")),
    y ~ (1 | droplevels(un)),
    y ~ (1 | addNA(a)),
    y ~ (1 | ord > "1")
  )
  for (formula in formulas) {
    for (term in our_design(formula, data)$random) {
      frame <- our_design(formula, data)$frame
      codes <- group_codes(term$group_vars, frame, term$group)
      expected <- term$levels[codes$refs]
      rows <- c(3, 50, 7)
      expect_identical(labels_on(term, data), expected, info = term$group)
      expect_identical(
        labels_on(term, data[rows, ]),
        expected[rows],
        info = term$group
      )
      text <- data[rows, ]
      text[vapply(text, is.factor, NA)] <- lapply(
        Filter(is.factor, text),
        as.character
      )
      expect_identical(
        labels_on(term, text),
        expected[rows],
        info = paste(term$group, "of text")
      )
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
  term <- our_design(y ~ (1 | cut(x, 3)), data)$random[[1L]]
  expect_identical(labels_on(term, data.frame(x = 1e3)), NA_character_)
})

test_that("no levels are told for new data if they depend on the other rows", {
  data <- frame_data()
  for (formula in list(
    y ~ (1 | rank(x) > 60),
    y ~ (1 | ave(x, f) > 0),
    y ~ (1 | cut(rev(x), 3):f)
  )) {
    term <- our_design(formula, data)$random[[1L]]
    expect_false(term$row_wise)
    expect_error(
      labels_on(term, data[1:9, ]),
      "depends on the other rows",
      class = "rlmm_error_newdata"
    )
  }
  expect_true(our_design(y ~ (1 | f:cut(x, 3)), data)$random[[1L]]$row_wise)
})

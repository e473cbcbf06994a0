pieces_data <- function() {
  d <- data.frame(x = round(3 + sin(1:120), 3), g = rep(1:12, 10))
  d$w <- 1 + (seq_len(120) %% 7)
  d$a <- c("u", "v", "w")[(d$g * 7 + seq_len(120)) %% 3L + 1L]
  d$f <- factor(d$a, c("w", "u", "v"))
  d$y <- d$x + cos(3 * d$g) + sin(7 * seq_len(120))
  d
}

in_three <- function(d) unname(split(d, rep(1:3, each = nrow(d) / 3)))

expect_fit_of_whole <- function(fit, whole) {
  expect_equal(deviance(fit), deviance(whole), tolerance = 1e-10)
  expect_equal(fixef(fit), fixef(whole), tolerance = 1e-8)
}

test_that("what depends on other rows is refused in chunks, weights and offsets too", {
  d <- pieces_data()
  # The second chunk lacks a level.
  parts <- in_three(d[order(d$a != "v"), ])
  # The second one comes before the first.
  down <- in_three(d[order(d$a, decreasing = TRUE), ])
  refused <- list(
    quote(rlmm(y ~ x + (1 | g), in_chunks(parts), weights = w / mean(w))),
    quote(rlmm(y ~ a + (1 | g), in_chunks(parts), offset = x - min(x))),
    quote(rlmm(y ~ as.integer(factor(a)) + (1 | g), in_chunks(parts))),
    quote(rlmm(y ~ x + (1 | match(a, unique(a))), in_chunks(parts))),
    quote(rlmm(y ~ as.integer(factor(a)) + (1 | g), in_chunks(down))),
    quote(rlmm(I(y / sd(y)) ~ x + (1 | g), in_chunks(parts))),
    quote(rlmm(y ~ I(x == max(x)) + (1 | g), in_chunks(parts)))
  )
  for (call in refused) {
    expect_error(
      eval(call),
      "Its value in one row depends on other rows",
      class = "rlmm_error_sums"
    )
  }
  expect_fit_of_whole(
    rlmm(y ~ factor(a) + log(x) + (1 | g), in_chunks(parts), weights = w / 2),
    rlmm(y ~ factor(a) + log(x) + (1 | g), d, weights = w / 2)
  )
})

test_that("what depends on all rows of a part isn't added up", {
  d <- pieces_data()
  formula <- y ~ x + (1 | g)
  summed <- rlmm_sums(formula, d, weights = w / mean(w))
  expect_fit_of_whole(rlmm(summed), rlmm(formula, d, weights = w / mean(w)))
  formulas <- list(
    y ~ I(x - mean(x)) + (1 | g),
    y ~ x + offset(x - mean(x)) + (1 | g)
  )
  for (formula in formulas) {
    parts <- lapply(in_three(d), \(part) rlmm_sums(formula, part))
    expect_error(do.call(c, parts), "depends on all", class = "rlmm_error_sums")
  }
  parts <- lapply(in_three(d), \(part) {
    rlmm_sums(y ~ x + (1 | g), part, weights = w / mean(w))
  })
  expect_snapshot(writeLines(error_lines(do.call(c, parts))))
  elsewhere <- rep(1:2, 60)
  parts <- lapply(1:2, \(i) {
    half <- d[seq_len(60) + 60 * (i - 1), ]
    own <- elsewhere[seq_len(60)]
    rlmm_sums(y ~ x + (1 | g), half, weights = own)
  })
  expect_fit_of_whole(
    rlmm(do.call(c, parts)),
    rlmm(y ~ x + (1 | g), d, weights = elsewhere)
  )
})

test_that("a variable that goes by the codes of a factor wants the same levels everywhere", {
  d <- pieces_data()
  formula <- y ~ as.integer(f) + (1 | g)
  same <- in_three(d)
  whole <- rlmm(formula, d)
  expect_fit_of_whole(rlmm(formula, in_chunks(same)), whole)
  sums <- lapply(same, \(part) rlmm_sums(formula, part))
  expect_fit_of_whole(rlmm(do.call(c, sums)), whole)
  other <- lapply(in_three(d[order(d$f, d$x), ]), droplevels)
  sums <- lapply(other, \(part) rlmm_sums(formula, part))
  expect_snapshot({
    writeLines(error_lines(rlmm(formula, in_chunks(other))))
    writeLines(error_lines(do.call(c, sums)))
  })
  # What is row by row may have constants that aren't numbers of the data.
  constants <- y ~ cut(x, c(0, 2.5, 3.5, 9)) +
    C(f, contr.sum(3)) +
    findInterval(w, 3:4) +
    (1 | g)
  expect_fit_of_whole(
    rlmm(constants, in_chunks(in_three(d))),
    rlmm(constants, d)
  )
  # What goes by the names of levels doesn't need their codes.
  by_name <- y ~ I(f == "u") + relevel(f, "u") + (1 | g)
  expect_fit_of_whole(
    suppressMessages(rlmm(by_name, in_chunks(in_three(d[order(d$x), ])))),
    suppressMessages(rlmm(by_name, d))
  )
})

test_that("chunks without a row that counts add nothing, the first one too", {
  d <- pieces_data()
  empty <- list(
    quote(part$y <- NA),
    quote(part$x <- NA),
    quote(part$f <- factor(NA)),
    quote(part$w <- 0)
  )
  formula <- y ~ x + f + (1 | g)
  for (change in empty) {
    for (i in 1:3) {
      parts <- in_three(d)
      part <- parts[[i]]
      eval(change)
      parts[[i]] <- part
      fit <- rlmm(formula, in_chunks(parts), weights = w)
      whole <- rlmm(formula, do.call(rbind, parts), weights = w)
      expect_fit_of_whole(fit, whole)
      expect_equal(nobs(fit), 80)
    }
  }
  none <- lapply(in_three(d), transform, y = NA)
  expect_error(
    rlmm(formula, in_chunks(none)),
    "`y` is missing in 40 of 40 rows",
    class = "rlmm_error_no_rows"
  )
})

test_that("weights of only one of two parts are told", {
  d <- pieces_data()
  parts <- in_three(d)
  formula <- y ~ x + (1 | g)
  with <- rlmm_sums(formula, parts[[1]], weights = w)
  without <- rlmm_sums(formula, parts[[2]])
  expect_error(c(with, without), "Only one part has `weights`")
  offset <- rlmm_sums(formula, parts[[1]], offset = w)
  expect_error(c(without, offset), "Only one part has `offset`")
})

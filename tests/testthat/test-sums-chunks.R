# Sums of data that a function reads in chunks.

test_that("chunks that a function reads are one data frame", {
  d <- some_lectures()
  fit <- rlmm(lectures_formula, d, weights = as.numeric(studage))
  reader <- reader_of(d, 500)
  expect_equal_fits(
    rlmm(lectures_formula, reader, weights = as.numeric(studage)),
    fit
  )
  # Levels that the first chunk lacks, in text.
  text <- transform(d, lectage = as.character(lectage))
  text <- text[order(text$lectage), ]
  formula <- y ~ lectage + (1 | s) + (1 | d)
  expect_equal_fits(rlmm(formula, reader_of(text, 700)), rlmm(formula, text))
})

test_that("a reader that doesn't go back is told of", {
  at <- new.env()
  at$first <- 1
  forward <- function(reset) {
    if (!reset && at$first < 180) {
      at$first <- at$first + 60
      transform(
        sleepstudy[seq(at$first - 60, at$first - 1), ],
        half = ifelse(Days < 5, "first", "last")
      )
    }
  }
  error <- expect_error(
    rlmm(Reaction ~ half + (1 | Subject), forward),
    class = "rlmm_error_argument"
  )
  expect_match(conditionMessage(error), "must go back to the first chunk")
})

test_that("a reader that may never end is told of", {
  count <- 0
  endless <- function(reset) {
    count <<- count + 1
    if (!reset && count < 150) sleepstudy
  }
  expect_message(
    rlmm_sums(Reaction ~ Days + (Days | Subject), endless),
    class = "rlmm_message_endless"
  )
  # Rows that differ are more data, and so is one row, however often it comes.
  rows <- sleepstudy[rep(1:3, each = 60), ]
  at <- 0
  by_row <- function(reset) {
    at <<- if (reset) 0 else at + 1
    if (at > 0 && at <= nrow(rows)) rows[at, ]
  }
  expect_no_message(
    rlmm_sums(Reaction ~ 1 + (1 | Subject), by_row),
    class = "rlmm_message_endless"
  )
})

test_that("rows that a reader returns when it starts anew are refused, not lost", {
  at <- new.env()
  chunks <- function(reset) {
    at$last <- if (reset) 90 else at$last + 90
    rows <- seq_len(nrow(sleepstudy))
    rows <- rows[rows > at$last - 90 & rows <= at$last]
    if (length(rows) > 0) sleepstudy[rows, ]
  }
  expect_error(
    rlmm_sums(Reaction ~ Days + (Days | Subject), chunks),
    "returned 90 rows",
    class = "rlmm_error_argument"
  )
  expect_error(
    rglmm(round(Reaction) ~ Days + (1 | Subject), chunks, poisson),
    "returned 90 rows",
    class = "rlmm_error_argument"
  )
})

test_that("a variable that is of another kind in a later chunk is refused", {
  formula <- Reaction ~ Days + (1 | Subject)
  late <- sleepstudy[91:180, ]
  changed <- list(
    transform(late, Days = as.character(Days)),
    transform(late, Days = as.Date(Days, origin = "2020-01-01")),
    transform(late, Days = Days > 3)
  )
  for (chunk in changed) {
    chunks <- in_chunks(list(sleepstudy[1:90, ], chunk))
    expect_error(
      rlmm_sums(formula, chunks),
      "`Days` is (numeric|neither text nor a factor) in the first chunk",
      class = "rlmm_error_variable"
    )
  }
  chunks <- in_chunks(list(sleepstudy[1:90, ], transform(late, Subject = 1)))
  expect_error(
    rlmm_sums(Reaction ~ Subject + (1 | Days), chunks),
    "`Subject` is text or a factor in the first chunk",
    class = "rlmm_error_variable"
  )
  numbered <- transform(late, Subject = as.integer(as.character(Subject)))
  same <- in_chunks(list(sleepstudy[1:90, ], numbered))
  expect_equal(rlmm_sums(formula, same)$n, 180)
})

test_that("levels of chunks have the order and the contrasts that they have in the whole", {
  d <- data.frame(a = sin(1:120), g = rep(1:12, 10))
  level <- (d$g * 7 + seq_len(120)) %% 3L + 1L
  d$b <- factor(c("lo", "mid", "hi")[level], c("lo", "mid", "hi"))
  d$code <- c(9, 10, 11)[level]
  d$y <- level + d$a + cos(3 * d$g) + sin(7 * seq_len(120))
  # No chunk but one has the first level.
  d <- d[order(d$b == "lo"), ]
  expect_as_whole <- function(formula, data = d) {
    expect_equal_fits(rlmm(formula, reader_of(data, 30)), rlmm(formula, data))
  }
  for (formula in c(
    y ~ relevel(b, "mid") + (1 | g),
    y ~ factor(b, c("hi", "mid", "lo")) + (1 | g),
    y ~ ordered(b) + (1 | g),
    y ~ factor(code) * a + (1 | g),
    y ~ C(b, contr.sum) * a + (1 | g),
    y ~ C(b, "contr.helmert") + (0 + a | g),
    y ~ interaction(b, a > 0) + (1 | g)
  )) {
    expect_as_whole(formula)
  }
  for (contrasts in list("contr.sum", contr.helmert(3), contr.sum(3))) {
    contrasts(d$b) <- contrasts
    expect_as_whole(y ~ b + a + (1 | g), d)
  }
})

test_that("contrasts of some levels aren't taken for those of all", {
  d <- data.frame(b = rep(1:3, each = 20), g = rep(1:6, 10))
  d$y <- d$b + cos(d$g) + sin(7 * seq_len(60))
  coded <- y ~ C(factor(b), contr.sum) + (1 | g)
  in_chunks <- error_lines(rlmm(coded, reader_of(d, 30)))
  d$b <- factor(d$b)
  parts <- lapply(c("contr.sum", "contr.helmert"), \(coding) {
    rlmm_sums(y ~ b + (1 | g), d, contrasts = list(b = coding))
  })
  expect_snapshot({
    writeLines(in_chunks)
    writeLines(error_lines(do.call(c, parts)))
  })
  same <- rlmm_sums(y ~ b + (1 | g), d, contrasts = list(b = contr.sum(3)))
  expect_s3_class(c(parts[[1]], same), "rlmm_sums")
})

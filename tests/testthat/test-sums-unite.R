# Sums of parts of the data in which factors have different levels, against the fit of all rows.

rows_of_sites <- function() {
  set.seed(6)
  n <- 400
  d <- data.frame(
    kind = factor(
      sample(c("z", "a", "b", "c"), n, TRUE),
      c("z", "a", "b", "c", "never")
    ),
    sex = sample(c("f", "m"), n, TRUE),
    late = sample(c(FALSE, TRUE), n, TRUE),
    x = rnorm(n, 20),
    w = runif(n, 1, 3),
    g = sample(12, n, TRUE)
  )
  d$y <- as.integer(d$kind) + 0.2 * d$x + rnorm(12)[d$g] + rnorm(n)
  d
}

# The sums of the rows of two kinds, and of those of each other kind alone.
sums_of_kinds <- function(formula, d, ...) {
  site <- factor(d$kind, labels = c("b or c", "a", "c", "z")[c(4, 2, 1, 1)])
  parts <- lapply(split(d, site), \(rows) rlmm_sums(formula, rows, ...))
  do.call(c, unname(parts))
}

expect_united <- function(formula, d, ...) {
  for (reml in c(TRUE, FALSE)) {
    united <- expect_no_warning(sums_of_kinds(formula, d, ...))
    sums <- rlmm(united, REML = reml)
    rows <- rlmm(formula, d, ..., REML = reml)
    expect_equal(logLik(sums), logLik(rows), tolerance = 1e-10)
    expect_equal(fixef(sums), fixef(rows), tolerance = 1e-7)
    expect_equal(vcov(sums), vcov(rows), tolerance = 1e-7)
    expect_equal(
      predict(sums, d[1:9, ]),
      predict(rows, d[1:9, ]),
      tolerance = 1e-8
    )
    same_tests <- \(fit) as.matrix(anova(fit))
    expect_equal(same_tests(sums), same_tests(rows), tolerance = 1e-5)
  }
}

test_that("levels without rows in a part of the data are those of the other parts", {
  d <- rows_of_sites()
  for (formula in c(
    y ~ kind + x + (1 | g),
    y ~ kind * sex * x + (1 | g),
    y ~ 0 + kind + kind:x + (1 | g),
    y ~ log(w):kind + I(x^2) * late + (1 | g),
    y ~ kind / x + offset(w) + (1 | g),
    y ~ kind * sex + (1 | g) + (0 + x | g)
  )) {
    expect_united(formula, d)
  }
  for (coding in c("contr.sum", "contr.helmert")) {
    expect_united(y ~ kind * x + (1 | g), d, contrasts = list(kind = coding))
  }
  d$kind <- factor(d$kind, levels(d$kind), ordered = TRUE)
  expect_united(y ~ kind * x + (1 | g), d)
})

test_that("text has the levels of all parts, a single one only as a factor", {
  withr::local_options(cli.unicode = FALSE)
  d <- transform(rows_of_sites(), kind = as.character(kind))
  formula <- y ~ kind * x + (1 | g)
  is_first <- d$kind %in% c("a", "z")
  parts <- lapply(split(d, is_first), \(rows) rlmm_sums(formula, rows))
  fit <- rlmm(c(parts[[1]], parts[[2]]))
  expect_equal(fixef(fit), fixef(rlmm(formula, d)), tolerance = 1e-8)
  alone <- d[d$kind == "a", ]
  declared <- transform(alone, kind = factor(kind, c("a", "b")))
  expect_snapshot({
    writeLines(error_lines(rlmm_sums(formula, alone)))
    writeLines(error_lines(rlmm(rlmm_sums(formula, declared))))
  })
})

test_that("a column that is independent in one part may be dropped from the sum of all", {
  d <- rows_of_sites()
  d$h <- factor(ifelse(d$kind == "z", "q", sample(c("p", "r"), nrow(d), TRUE)))
  formula <- y ~ h + kind * x + (1 | g)
  is_first <- d$kind %in% c("a", "b")
  parts <- lapply(split(d, is_first), \(rows) {
    suppressMessages(rlmm_sums(formula, rows))
  })
  expect_no_warning(sums <- c(parts[[2]], parts[[1]]))
  found <- suppressMessages(rlmm(sums))
  rows <- suppressMessages(rlmm(formula, d))
  expect_equal(fixef(found), fixef(rows), tolerance = 1e-7)
  expect_equal(logLik(found), logLik(rows), tolerance = 1e-10)
})

test_that("parts by the levels of a large factor go with such parts alone", {
  withr::local_options(cli.unicode = FALSE, rlmm.large_factor = 9)
  d <- rows_of_sites()
  d$firm <- sprintf("f%02d", 1 + seq_len(nrow(d)) %% 30)
  formula <- y ~ kind + firm * x + (1 | g)
  fit <- rlmm(sums_of_kinds(formula, d))
  expect_equal(fixef(fit), fixef(rlmm(formula, d)), tolerance = 1e-7)
  few <- rlmm_sums(formula, d[d$firm < "f05", ])
  expect_snapshot(writeLines(error_lines(c(few, rlmm_sums(formula, d)))))
})

test_that("tests of type III evaluate no variable of a fit of sums again", {
  d <- rows_of_sites()
  for (formula in c(
    y ~ log(w):sex + I(x^2) * late + (1 | g),
    y ~ sex / sqrt(x) + offset(log(w)) + (1 | g)
  )) {
    found <- anova(rlmm(rlmm_sums(formula, d)))
    rows <- anova(rlmm(formula, d))
    expect_equal(as.matrix(found), as.matrix(rows), tolerance = 1e-6)
  }
})

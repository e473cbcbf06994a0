# lmerTest's tables at our estimates, by as_merMod().
same_tables <- function(formula, data) {
  skip_if_not_installed("lmerTest")
  environment(formula) <- environment()
  fit <- suppressMessages(rlmm(formula, data))
  theirs <- getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  for (type in c("I", "II", "III")) {
    ours <- as.data.frame(anova(fit, type = type))
    expected <- suppressMessages(as.data.frame(anova(theirs, type = type)))
    expect_identical(rownames(ours), rownames(expected))
    expect_equal(ours, expected, tolerance = 1e-4, ignore_attr = TRUE)
  }
}

test_that("tables of types I, II and III are lmerTest's", {
  skip_if_not_installed("lme4")
  cake <- lme4::cake
  same_tables(angle ~ recipe * temp + (1 | recipe:replicate), cake)
  unbalanced <- cake[-c(3, 7, 20:30, 100:109), ]
  same_tables(angle ~ recipe * temperature + (1 | recipe:replicate), unbalanced)
  same_tables(angle ~ recipe / temp + (1 | replicate), unbalanced)
  same_tables(Reaction ~ Days + I(Days^2) + (Days | Subject), sleepstudy)
  same_tables(Reaction ~ 0 + factor(Days) + (1 | Subject), sleepstudy)
})

test_that("lmerTest's documented examples give its tables", {
  skip_if_not_installed("lmerTest")
  data("ham", "carrots", package = "lmerTest", envir = environment())
  same_tables(
    Informed.liking ~ Product *
      Information +
      (1 | Consumer) +
      (1 | Product:Consumer),
    ham
  )
  same_tables(Preference ~ sens2 * Homesize + (1 + sens2 | Consumer), carrots)
})

# Three levels and unequal numbers: joint tests have degrees of freedom that depend on which rows
# of a hypothesis are taken.
unequal_cells <- function() {
  at <- seq_len(96)
  data.frame(
    g = factor(at %% 11),
    f = factor(letters[1 + (at * 7) %% 5 %/% 2]),
    k = factor(LETTERS[1 + at %/% 3 %% 7 %/% 3]),
    x = sin(at * 2.3),
    y = 3 * sin(at %% 11) + cos(at^2) + sin(at * 2.3) * cos(at %% 11)
  )
}

test_that("hypotheses of type III are differences of averages of cells", {
  data <- unequal_cells()
  cells <- expand.grid(f = levels(data$f), k = levels(data$k), x = 0)
  for (coding in c("contr.treatment", "contr.sum", "contr.poly")) {
    contrasts(data$f) <- coding
    contrasts(data$k) <- coding
    fit <- suppressMessages(rlmm(y ~ x * f * k + (1 | g), data))
    rows <- model.matrix(
      ~ x * f * k,
      cells,
      contrasts.arg = lapply(data[c("f", "k")], contrasts)
    )
    average <- apply(rows, 2L, \(column) tapply(column, cells$f, mean))
    found <- attr(anova(fit, type = "III"), "hypotheses")$f
    expected <- sweep(average[-1L, ], 2L, average[1L, ])
    expect_equal(found, expected, tolerance = 1e-12, ignore_attr = TRUE)
  }
})

test_that("joint tests of three levels are lmerTest's, in every coding", {
  data <- unequal_cells()
  same_tables(y ~ x * f + k + (x | g), data)
  for (coding in c("contr.treatment", "contr.sum", "contr.helmert")) {
    contrasts(data$f) <- coding
    contrasts(data$k) <- coding
    same_tables(y ~ x + f * k + (1 | g), data)
    same_tables(y ~ 0 + f * x + (1 | g), data)
  }
})

test_that("type III of a table with empty cells is Goodnight's, as in lmerTest", {
  data <- subset(unequal_cells(), !(f == "b" & k == "C"))
  same_tables(y ~ f * k + (1 | g), data)
  same_tables(y ~ x * f * k + (1 | g), data)
  fit <- suppressMessages(rlmm(y ~ f * k + (1 | g), data))
  expect_snapshot(writeLines(condition_lines(anova(fit))))
  expect_message(anova(fit, test = "LRT"), class = "rlmm_message_empty_cells")
})

test_that("a factor is tested on the average of what is nested in it", {
  fit <- rlmm(y ~ f / k + (1 | g), unequal_cells())
  cells <- expand.grid(f = c("a", "b", "c"), k = c("A", "B", "C"))
  means <- rowsum(stats::model.matrix(~ f / k, cells), cells$f) / 3
  L <- rbind(means["b", ] - means["a", ], means["c", ] - means["a", ])
  expected <- contest(fit, L)
  expect_equal(anova(fit)["f", "F value"], expected[["F value"]])
})

test_that("type II tests a factor beside polynomials as beside a covariate", {
  fit <- rlmm(y ~ poly(x, 2) * f + (1 | g), unequal_cells())
  expected <- contest(fit, diag(9)[4:5, ])
  expect_equal(anova(fit, type = 2)["f", "F value"], expected[["F value"]])
})

test_that("type III doesn't depend on how factors are coded", {
  data <- transform(
    sleepstudy,
    week = factor(Days %/% 4),
    odd = factor(Days %% 2)
  )
  data <- data[-(1:7), ]
  fit_by <- function(coding) {
    rlmm(
      Reaction ~ week * odd + (1 | Subject),
      data,
      contrasts = list(week = coding, odd = coding)
    )
  }
  # What is tested is the same, but not in terms of the coefficients.
  table_by <- \(coding) structure(anova(fit_by(coding)), hypotheses = NULL)
  reference <- table_by("contr.treatment")
  expect_equal(table_by("contr.sum"), reference, tolerance = 1e-6)
  expect_equal(table_by("contr.helmert"), reference, tolerance = 1e-6)
})

test_that("a generalized model has Wald's tests", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  found <- anova(fit)
  wald <- drop(fixef(fit)[-1] %*% solve(vcov(fit)[-1, -1], fixef(fit)[-1]))
  expect_equal(found$Chisq, wald)
  expect_identical(found$Df, 3L)
  expect_equal(anova(fit, type = 1)$Chisq, wald)
})

test_that("lme4's table is there by ddf = \"none\", and empty models have none", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_named(
    anova(fit, ddf = "none"),
    c("npar", "Sum Sq", "Mean Sq", "F value")
  )
  expect_identical(anova(fit, ddf = "lme4"), anova(fit, ddf = "none"))
  expect_identical(
    nrow(anova(rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy))),
    0L
  )
  expect_snapshot(anova(fit))
  expect_error(anova(fit, type = "IV"), class = "rlmm_error_argument")
  expect_error(anova(fit, ddf = "kr"), class = "rlmm_error_argument")
})

test_that("types are also written as text, and held coefficients have no test", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(anova(fit, type = "2"), anova(fit, type = "II"))
  control <- rlmm_control(fixed = list(beta = c(Days = 10)))
  held <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = control
  )
  expect_identical(anova(held)[["F value"]], NA_real_)
})

test_that("hypotheses are shown by lmerTest", {
  skip_if_not_installed("lmerTest")
  fit <- rlmm(angle ~ recipe * temp + (1 | recipe:replicate), lme4::cake)
  theirs <- getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  show <- getExportedValue("lmerTest", "show_tests")
  for (type in c("I", "II", "III")) {
    ours <- show(anova(fit, type = type))
    reference <- show(anova(theirs, type = type))
    expect_equal(ours, reference, tolerance = 1e-6, info = type)
  }
})

test_that("hypotheses of weighted sums are those of weighted columns, as a message says", {
  data <- transform(
    sleepstudy,
    f = factor(rep(1:3, 60)),
    w = Days + 1,
    root = sqrt(Days + 1)
  )
  formula <- Reaction ~ Days * f + (1 | Subject)
  fit <- rlmm(rlmm_sums(formula, data, weights = w))
  for (type in c("I", "II")) {
    expect_message(
      table <- anova(fit, type = type),
      class = "rlmm_message_weighted"
    )
  }
  expect_no_message(anova(fit))
  # The F statistic of the first term under the hypothesis of the weighted columns.
  x <- data$root * model.matrix(~ Days * f, data)
  first <- qr.R(qr(x))[2L, , drop = FALSE]
  b <- first %*% fixef(fit)
  expect_equal(
    suppressMessages(anova(fit, type = "I"))["Days", "F value"],
    as.double(b^2 / (first %*% vcov(fit) %*% t(first))),
    tolerance = 1e-8
  )
  expect_no_message(anova(rlmm(rlmm_sums(formula, data)), type = "I"))
})

ham_fit <- function() {
  skip_if_not_installed("lmerTest")
  skip_if(packageVersion("lmerTest") < "3.1")
  data <- new.env()
  utils::data(list = "ham", package = "lmerTest", envir = data)
  suppressMessages(rlmm(
    Informed.liking ~ Product *
      Information +
      Gender +
      (1 | Consumer) +
      (1 | Product:Consumer) +
      (1 | Information:Consumer),
    data$ham
  ))
}

expect_same_path <- function(found, theirs) {
  for (part in c("random", "fixed")) {
    ours <- as.data.frame(found[[part]])
    expected <- as.data.frame(theirs[[part]])
    # They list what stays in the order of their terms.
    ours <- ours[row.names(expected), ]
    expect_equal(ours, expected, tolerance = 1e-3, ignore_attr = TRUE)
  }
}

test_that("the path is lmerTest's", {
  fit <- ham_fit()
  theirs <- getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  their_step <- getExportedValue("lmerTest", "step")
  quietly <- \(expr) suppressMessages(suppressWarnings(expr))
  found <- backward(fit)
  expect_same_path(found, quietly(their_step(theirs)))
  expect_equal(
    attr(terms(found$model), "term.labels"),
    c("Product", "Information")
  )
  expect_same_path(
    backward(fit, reduce.random = FALSE),
    quietly(their_step(theirs, reduce.random = FALSE))
  )
  expect_identical(
    getExportedValue("lmerTest", "get_model")(found),
    found$model
  )
  kept <- backward(fit, keep = "Gender")
  expect_identical(kept$fixed["Gender", "Eliminated"], 0L)
  expect_identical(
    backward(fit, reduce.fixed = FALSE)$fixed$Eliminated,
    c(0L, 0L)
  )
})

test_that("the path is printed", {
  sleepstudy$odd <- sleepstudy$Days %% 2
  fit <- suppressMessages(
    rlmm(Reaction ~ Days + odd + (Days + odd | Subject), sleepstudy)
  )
  expect_snapshot(print(backward(fit, ddf = "Kenward-Roger"), digits = 3))
})

test_that("the last term stays, and generalized fits have likelihood-ratio tests", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  found <- backward(fit)
  expect_identical(found$random$Eliminated, c(NA, 0L))
  expect_identical(nrow(found$fixed), 0L)
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + size + (1 | herd),
    cbpp,
    family = binomial
  )
  path <- backward(herds)
  less <- update(herds, . ~ . - size)
  test <- anova(herds, less)
  expect_equal(path$fixed["size", "LRT"], test$Chisq[2])
  expect_equal(path$fixed["size", "Pr(>Chi)"], test[["Pr(>Chisq)"]][2])
  expect_equal(logLik(path$model), logLik(less))
})

test_that("stats::step() goes by AIC", {
  sleepstudy$odd <- sleepstudy$Days %% 2
  fit <- rlmm(Reaction ~ Days + odd + (Days | Subject), sleepstudy)
  found <- stats::step(fit, trace = 0)
  expect_equal(
    formula(found),
    Reaction ~ Days + (Days | Subject),
    ignore_attr = TRUE
  )
  aic <- \(formula) AIC(rlmm(formula, sleepstudy, REML = FALSE))
  expect_lt(
    aic(Reaction ~ Days + (Days | Subject)),
    aic(Reaction ~ Days + odd + (Days | Subject))
  )
  expect_equal(
    found$anova$AIC[2],
    aic(Reaction ~ Days + (Days | Subject)),
    tolerance = 1e-8
  )
  up <- stats::step(found, scope = list(upper = ~ Days + odd), trace = 0)
  expect_equal(formula(up), formula(found), ignore_attr = TRUE)
})

test_that("other arguments are refused", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    writeLines(error_lines(backward(fit, alpha.fixed = 5)))
    writeLines(error_lines(backward(fit, keep = "Day")))
    writeLines(error_lines(backward(fit, keep = 1)))
    writeLines(error_lines(backward(fit, ddf = "none")))
    writeLines(error_lines(backward(lm(dist ~ speed, cars))))
  })
})

test_that("stats::step() stays with the rows of the fit, and with its random effects", {
  set.seed(4)
  all <- data.frame(g = gl(10, 20), x = rnorm(200), z = rnorm(200))
  all$y <- rnorm(10)[all$g] + 0.1 * all$x + rnorm(200)
  some <- all[all$x > -1, ]
  fit <- rlmm(y ~ x + z + (1 | g), some, REML = FALSE)
  expected <- stats::step(fit, trace = 0)
  # Rows have come, and the fit's are among them.
  some <- all
  found <- stats::step(fit, trace = 0)
  expect_equal(nobs(found), nobs(fit))
  expect_equal(logLik(found), logLik(expected))

  small <- rlmm(y ~ x + (1 | g), all, REML = FALSE)
  up <- stats::step(small, scope = ~ . + z, trace = 0)
  expect_equal(up$formula, stats::step(small, ~ z + x, trace = 0)$formula)
})

test_that("a model that stats::step() leaves as it is shows its random effects", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- stats::step(fit, trace = 0)
  expect_equal(formula(found), formula(fit), ignore_attr = TRUE)
  expect_identical(format(found)[1:3], format(fit)[1:3])
  expect_equal(logLik(update(found, . ~ .)), logLik(fit))
})

test_that("a formula as scope adds fixed effects one at a time", {
  data <- transform(sleepstudy, odd = Days %% 2, x = sin(seq_along(Days)))
  fit <- rlmm(Reaction ~ Days + (Days | Subject), data, REML = FALSE)
  table <- add1(fit, ~ . + odd + x, test = "Chisq")
  expect_identical(rownames(table), c("<none>", "odd", "x"))
  larger <- update(fit, . ~ . + x)
  expect_equal(
    table$AIC,
    c(AIC(fit), AIC(update(fit, . ~ . + odd)), AIC(larger)) -
      AIC(fit) +
      table$AIC[1]
  )
  expect_equal(
    table[["Pr(>Chi)"]][3],
    anova(fit, larger)[["Pr(>Chisq)"]][2],
    tolerance = 1e-6
  )
  expect_equal(add1(fit, c("odd", "x"), test = "Chisq"), table)
  expect_equal(
    add1(object = fit, scope = ~ Days + odd + x, test = "Chisq"),
    table
  )
  # An interaction comes after its parts.
  expect_identical(rownames(add1(fit, ~ Days * x)), c("<none>", "x"))
})

test_that("lme4's figures, where its add1() takes the scope", {
  skip_if_not_installed("lme4")
  data <- transform(sleepstudy, x = sin(seq_along(Days)))
  ours <- add1(
    rlmm(Reaction ~ Days + (1 | Subject), data, REML = FALSE),
    ~ . + x
  )
  theirs <- add1(
    lme4::lmer(Reaction ~ Days + (1 | Subject), data, REML = FALSE),
    "x"
  )
  expect_equal(ours$AIC, theirs$AIC, tolerance = 1e-8)
})

test_that("scopes that can't be added are named", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  expect_snapshot(writeLines(error_lines(add1(
    fit,
    ~ . + (0 + Days | Subject)
  ))))
  expect_snapshot(writeLines(error_lines(add1(fit))))
  expect_snapshot(writeLines(error_lines(add1(fit, ~.))))
  expect_error(add1(fit, 3), class = "rlmm_error_argument")
})

test_that("drop1() has lme4's table, by the data that were fitted", {
  skip_if_not_installed("lme4")
  formula <- Reaction ~ Days + I(Days^2) + (1 | Subject)
  make <- function(fitter) {
    gone <- sleepstudy
    fitter(formula, gone)
  }
  fit <- make(rlmm)
  theirs <- drop1(lme4::lmer(formula, sleepstudy, REML = FALSE), test = "Chisq")
  ours <- drop1(fit, test = "Chisq")
  expect_identical(names(ours), names(theirs))
  expect_identical(rownames(ours), rownames(theirs))
  expect_equal(ours$AIC, theirs$AIC, tolerance = 1e-8)
  expect_equal(ours$LRT, theirs$LRT, tolerance = 1e-6)
  expect_equal(ours[["Pr(Chi)"]], theirs[["Pr(Chi)"]], tolerance = 1e-6)
  expect_identical(names(drop1(fit)), c("npar", "AIC"))
  expect_identical(rownames(drop1(fit, "Days")), c("<none>", "Days"))
  expect_error(drop1(fit, "dys"), "`dys`", class = "rlmm_error_argument")
  expect_error(drop1(fit, foo = 1), class = "rlmm_error_unknown_argument")
})

test_that("drop1() computes what the user's function says", {
  fit <- rlmm(Reaction ~ Days + I(Days^2) + (1 | Subject), sleepstudy)
  change <- function(object, objectDrop, ...) {
    if (missing(objectDrop)) {
      return(structure(c(change = NA), method = "Fall of the deviance"))
    }
    c(change = deviance(objectDrop) - deviance(object))
  }
  table <- drop1(fit, test = "user", sumFun = change)
  expect_identical(names(table), "change")
  expect_equal(
    table["Days", "change"],
    deviance(update(fit, . ~ . - Days)) - deviance(fit)
  )
  expect_match(attr(table, "heading"), "Fall of the deviance", all = FALSE)
  expect_error(drop1(fit, test = "user"), class = "rlmm_error_argument")
})

test_that("F tests of deletions are lmerTest's", {
  skip_if_not_installed("lmerTest")
  skip_if(packageVersion("lmerTest") < "3.1")
  ham <- new.env()
  utils::data(list = "ham", package = "lmerTest", envir = ham)
  fit <- suppressMessages(rlmm(
    Informed.liking ~ Product *
      Information +
      Gender +
      (1 | Consumer) +
      (1 | Product:Consumer),
    ham$ham
  ))
  theirs <- getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  found <- drop1(fit, test = "F")
  expect_equal(
    as.data.frame(found),
    as.data.frame(drop1(theirs)),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  expect_identical(row.names(found), c("Gender", "Product:Information"))
  # lmerTest 3.2-1 with pbkrtest 0.5.5.
  kenward_roger <- drop1(fit, "Gender", test = "F", ddf = "Kenward-Roger")
  expect_equal(kenward_roger$DenDF, 79, tolerance = 1e-5)
})

test_that("F tests of deletions are those of the contrasts", {
  fit <- rlmm(Reaction ~ Days + I(Days^2) + (1 | Subject), sleepstudy)
  found <- drop1(fit, test = "F", ddf = "Kenward-Roger")
  expected <- contest(fit, list(c(0, 1, 0), c(0, 0, 1)), ddf = "Kenward-Roger")
  expect_equal(
    as.data.frame(found),
    expected,
    ignore_attr = TRUE,
    tolerance = 1e-8
  )
  expect_snapshot(writeLines(attr(found, "heading")))
  # A main effect within an interaction of factors: the model without it is the same model.
  skip_if_not_installed("lme4")
  cake <- rlmm(
    angle ~ recipe * temperature + (1 | recipe:replicate),
    lme4::cake
  )
  expect_identical(drop1(cake, "recipe", test = "F")$NumDF, 0L)
})

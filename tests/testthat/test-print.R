test_that("fits read well", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  ml <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  expect_snapshot({
    fit
    ml
    print(fit, ranef.comp = "Std.Dev.", digits = 3, correlation = TRUE)
  })
})

test_that("terms that share a factor stand together, with dots for correlations not in the model", {
  terms <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  expect_snapshot(terms)
})

test_that("what a reader must know is noted", {
  dropped <- suppressMessages(rlmm(
    Reaction ~ Days + I(2 * Days) + (1 | Subject),
    sleepstudy
  ))
  singular <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  known <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, sigma = 50)
  stopped <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  stopped$optsum$status <- "MAXEVAL_REACHED"
  stopped$optsum$certificate$verdict <- "not_converged"
  stopped$optsum$feval <- 20L
  expect_snapshot({
    dropped
    singular
    known
    stopped
  })
})

test_that("the call's arguments are shown, but not data given in place", {
  inline <- do.call(rlmm, list(Yield ~ 1 + (1 | Batch), Dyestuff))
  expect_match(format(inline), "Data: <data.frame>", all = FALSE)
  weighted <- rlmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    subset = Days > 1,
    weights = 1 + Days,
    offset = 2 * Days
  )
  expect_snapshot(writeLines(format(weighted)[1:5]))
})

test_that("leverage and what rests on it are lme4's", {
  for_each_twin(function(ours, theirs, data, name) {
    expect_equal(
      hatvalues(ours),
      hatvalues(theirs),
      tolerance = 1e-6,
      info = name
    )
    if (length(fixef(ours)) == 0) {
      return()
    }
    expect_equal(
      cooks.distance(ours),
      cooks.distance(theirs),
      tolerance = 1e-6,
      info = name
    )
    expect_equal(
      rstudent(ours),
      rstudent(theirs),
      tolerance = 1e-6,
      info = name
    )
    expect_equal(
      rstandard(ours),
      rstudent(theirs),
      tolerance = 1e-6,
      info = name
    )
  })
})

test_that("the sum of the leverages is the one printed for the classic data", {
  skip_if_not_installed("lme4")
  expect_sum <- function(formula, data, reml, expected, tolerance) {
    fit <- suppressMessages(rlmm(formula, data, REML = reml))
    expect_equal(sum(hatvalues(fit)), expected, tolerance = tolerance)
  }
  expect_sum(Yield ~ 1 + (1 | Batch), Dyestuff, FALSE, 4.695160, 1e-5)
  expect_sum(Yield ~ 1 + (1 | Batch), Dyestuff2, FALSE, 1, 1e-6)
  expect_sum(
    Reaction ~ 1 + Days + (1 + Days | Subject),
    sleepstudy,
    FALSE,
    28.6115,
    1e-4
  )
  expect_sum(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    Penicillin,
    FALSE,
    27.46532,
    1e-5
  )
  expect_sum(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    Penicillin,
    TRUE,
    27.47236,
    1e-5
  )
})

test_that("the hat matrix makes the fitted values from the response", {
  names <- c("sleep", "penicillin_weights", "pastes", "sleep_no_fixed")
  for_each_twin(names = names, function(ours, theirs, data, name) {
    h <- hatvalues(ours, fullHatMatrix = TRUE)
    root_w <- sqrt(weights(ours))
    expect_equal(
      as.vector(h %*% (root_w * model_response(ours))),
      unname(root_w * fitted(ours)),
      tolerance = 1e-7
    )
    expect_equal(diag(as.matrix(h)), hatvalues(ours), tolerance = 1e-7)
    # lme4 can't without fixed effects.
    if (length(fixef(ours)) == 0) {
      return()
    }
    expect_equal(
      as.matrix(h),
      as.matrix(hatvalues(theirs, fullHatMatrix = TRUE)),
      tolerance = 1e-6,
      info = name
    )
  })
})

test_that("na.exclude pads", {
  data <- sleepstudy
  data$Days[3] <- NA
  fit <- rlmm(Reaction ~ Days + (Days | Subject), data, na.action = na.exclude)
  for (measure in list(hatvalues, cooks.distance, rstudent)) {
    expect_equal(which(is.na(measure(fit))), c(`3` = 3))
  }
})

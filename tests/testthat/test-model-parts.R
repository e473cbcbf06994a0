test_that("model frames and weights are lme4's", {
  for_each_twin(
    function(ours, theirs, data, name) {
      frame <- model.frame(theirs)
      expect_setequal(names(model.frame(ours)), names(frame))
      expect_equal(
        model.frame(ours)[names(frame)],
        frame,
        ignore_attr = TRUE,
        info = name
      )
      expect_setequal(
        names(model.frame(ours, fixed.only = TRUE)),
        names(model.frame(theirs, fixed.only = TRUE))
      )
      expect_equal(weights(ours), weights(theirs), info = name)
      expect_equal(na.action(ours), attr(frame, "na.action"), info = name)
    },
    names = c(
      "sleep",
      "pastes",
      "orthodont",
      "npk",
      "cbpp",
      "sleep_weights",
      "sleep_subset",
      "sleep_offset",
      "ozone"
    )
  )
})

test_that("the frame of the fixed part makes its model matrix", {
  fit <- twin("oats_factor")$ours
  frame <- model.frame(fit, fixed.only = TRUE)
  expect_equal(
    model.matrix(
      attr(frame, "terms"),
      frame,
      contrasts.arg = list(N = "contr.helmert")
    ),
    model.matrix(fit),
    ignore_attr = TRUE
  )
})

test_that("weights are padded under na.exclude", {
  data <- sleepstudy
  data$Days[3] <- NA
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject),
    data,
    weights = 1 + as.integer(Subject),
    na.action = na.exclude
  )
  expect_equal(weights(fit)[2:4], c(2, NA, 2))
  expect_equal(weights(fit, "working"), weights(fit))
  expect_length(na.action(fit), 1)
})

test_that("family and response", {
  fit <- twin("sleep")$ours
  expect_equal(family(fit)$family, "gaussian")
  expect_equal(family(fit)$link, "identity")
  expect_equal(unname(nlme::getResponse(fit)), sleepstudy$Reaction)
})

test_that("grouping factors", {
  expect_equal(
    nlme::getGroups(twin("sleep")$ours),
    sleepstudy$Subject,
    ignore_attr = "label"
  )
  groups <- nlme::getGroups(twin("penicillin")$ours)
  expect_equal(groups, Penicillin[c("plate", "sample")], ignore_attr = TRUE)
  expect_named(groups, c("plate", "sample"))
  nested <- nlme::getGroups(twin("pastes")$ours, level = "batch")
  expect_equal(as.character(nested), as.character(Pastes$batch))
  expect_error(
    nlme::getGroups(twin("sleep")$ours, level = "plate"),
    class = "rlmm_error_argument"
  )
})

test_that("getData returns the data while they hold what was fitted, then the stored frame", {
  # As at top level: a fit keeps the data of a function that made it.
  here <- environment()
  attr(here, "name") <- "top level"
  data <- sleepstudy
  data$unused <- 1
  fit <- rlmm(log(Reaction) ~ Days + (1 | Subject), data, weights = unused)
  expect_identical(nlme::getData(fit), data)
  data$Reaction <- data$Reaction + 1
  expect_named(
    nlme::getData(fit),
    c("log(Reaction)", "Days", "Subject", "unused")
  )
  rm(data)
  expect_equal(nlme::getData(fit)$Subject, sleepstudy$Subject)
})

test_that("texts are factors in the model frame, as in lme4's", {
  texts <- transform(sleepstudy, half = ifelse(Days > 4, "late", "early"))
  fit <- rlmm(Reaction ~ half + (1 | Subject), texts)
  expect_identical(model.frame(fit)$half, factor(texts$half))
  expect_identical(
    model.frame(fit, fixed.only = TRUE)$half,
    factor(texts$half)
  )
  skip_if_not_installed("multcomp")
  tukey <- getExportedValue("multcomp", "mcp")(half = "Tukey")
  compared <- getExportedValue("multcomp", "glht")(fit, tukey)
  expect_equal(unname(coef(compared)), fixef(fit)[["halflate"]])
})

test_that("residuals of every type and fitted values are lme4's", {
  for_each_twin(function(ours, theirs, data, name) {
    for (type in c("response", "pearson", "deviance", "working")) {
      expect_equal(
        residuals(ours, type),
        residuals(theirs, type),
        tolerance = 1e-7,
        info = paste(name, type)
      )
      expect_equal(
        residuals(ours, type, scaled = TRUE),
        residuals(theirs, type, scaled = TRUE),
        tolerance = 1e-7,
        info = paste(name, type)
      )
    }
    expect_equal(fitted(ours), fitted(theirs), tolerance = 1e-7, info = name)
  })
})

test_that("scaled residuals are Pearson residuals in units of sigma", {
  fit <- twin("sleep_weights")$ours
  expect_equal(residuals(fit, "scaled"), residuals(fit, "pearson") / sigma(fit))
  expect_equal(
    residuals(fit, "scaled"),
    residuals(fit, "pearson", scaled = TRUE)
  )
})

test_that("na.exclude pads, na.omit doesn't", {
  data <- sleepstudy
  data$Days[c(3, 50)] <- NA
  padded <- rlmm(
    Reaction ~ Days + (Days | Subject),
    data,
    na.action = na.exclude
  )
  short <- rlmm(Reaction ~ Days + (Days | Subject), data, na.action = na.omit)
  expect_length(residuals(padded), 180)
  expect_named(residuals(padded), row.names(data))
  expect_equal(which(is.na(residuals(padded))), c(`3` = 3, `50` = 50))
  expect_equal(fitted(padded)[-c(3, 50)], fitted(short))
  expect_length(residuals(short, "pearson"), 178)
})

test_that("an unknown type is refused", {
  expect_error(
    residuals(twin("sleep")$ours, "partial"),
    class = "rlmm_error_argument"
  )
})

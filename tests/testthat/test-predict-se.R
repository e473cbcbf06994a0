# Not for nested factors: for the balanced Pastes lme4 2.1 gives equal predictions unequal standard
# errors.
test_that("standard errors are lme4's", {
  skip_if_not_installed("lme4", "1.1-35")
  for_each_twin(
    function(ours, theirs, data, name) {
      theirs_se <- predict(theirs, se.fit = TRUE)
      se <- predict(ours, se.fit = TRUE)
      expect_equal(se$fit, fitted(ours), info = name)
      expect_equal(
        unname(se$se.fit),
        unname(theirs_se$se.fit),
        tolerance = 1e-6,
        info = name
      )
      expect_equal(
        predict(ours, se.fit = TRUE, re.form = NA)$se.fit,
        predict(theirs, se.fit = TRUE, re.form = NA)$se.fit,
        tolerance = 1e-6,
        info = name
      )
    },
    names = c(
      "dyestuff_ml",
      "sleep",
      "penicillin",
      "cake_dummy",
      "sleep_offset",
      "sleep_aliased"
    )
  )
})

# Names of a term's random effects in the joint covariance, in the order of the columns of Z.
effect_names <- function(term) {
  k <- length(term$columns)
  paste(
    term$group,
    rep(term$levels, each = k),
    rep(term$columns, length(term$levels)),
    sep = "."
  )
}

test_that("standard errors are those of the joint covariance of b and beta", {
  for (name in c(
    "sleep",
    "penicillin_weights",
    "pastes",
    "sleep_no_fixed",
    "sleep_bars",
    "dyestuff2"
  )) {
    fit <- twin(name)$ours
    m <- cbind(as.matrix(model.matrix(fit, "random")), model.matrix(fit))
    order <- c(unlist(lapply(fit$random, effect_names)), names(fixef(fit)))
    v <- vcov(fit, full = TRUE)[order, order]
    se <- predict(fit, se.fit = TRUE)
    expect_equal(
      unname(se$se.fit),
      unname(sqrt(rowSums((m %*% v) * m))),
      tolerance = 1e-7
    )
    new <- twin(name)$data[c(3, 1), ]
    expect_equal(
      predict(fit, new, se.fit = TRUE),
      lapply(se, `[`, c(3, 1)),
      tolerance = 1e-8
    )
  }
})

test_that("parts, new levels and missing values", {
  fit <- twin("sleep")$ours
  new <- data.frame(Days = c(1, NA, 3), Subject = c("308", "308", "999"))
  se <- predict(fit, new, se.fit = TRUE, allow.new.levels = TRUE)
  fixed <- predict(fit, new, se.fit = TRUE, re.form = NA)
  expect_equal(se$se.fit[3], fixed$se.fit[3])
  expect_equal(is.na(se$se.fit), c(`1` = FALSE, `2` = TRUE, `3` = FALSE))
  expect_length(
    predict(fit, new, se.fit = TRUE, re.form = NA, na.action = na.omit)$se.fit,
    2
  )
  x <- cbind(1, new$Days)
  expect_equal(unname(fixed$se.fit), sqrt(rowSums((x %*% vcov(fit)) * x)))
  b <- vcov(fit, full = TRUE)[1, 1]
  expect_equal(
    unname(
      predict(
        fit,
        new[1, ],
        se.fit = TRUE,
        random.only = TRUE,
        re.form = ~ (1 | Subject)
      )$se.fit
    ),
    sqrt(b)
  )
  expect_error(
    predict(fit, se.fit = TRUE, newparams = list(beta = c(1, 1))),
    class = "rlmm_error_argument"
  )
  expect_error(predict(fit, terms = "Days"), class = "rlmm_error_argument")
})

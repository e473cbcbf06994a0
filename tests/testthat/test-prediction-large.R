# Standard errors of predictions beside a large factor, against those with its dummy columns.

test_that("predictions without random effects have errors and limits", {
  d <- made_data()
  new <- d[c(1:8, which(d$firm == "1")[1:3], which(d$firm == "60")[1:2]), ]
  for (reml in c(TRUE, FALSE)) {
    fits <- by_both_codings(
      rlmm(y ~ size + x + firm + (1 | worker), d, REML = reml),
      d
    )
    expect_same <- function(..., tolerance = 1e-5) {
      found <- lapply(fits, predict, new, re.form = NA, ...)
      expect_equal(found$levels, found$dummies, tolerance = tolerance)
    }
    expect_same(se.fit = TRUE)
    expect_same(interval = "confidence", tolerance = 1e-4)
    expect_same(interval = "prediction", tolerance = 1e-4)
    expect_same(interval = "confidence", ddf = "asymptotic")
  }
})

test_that("standard errors of predictions with random effects", {
  d <- made_data()
  new <- d[c(3, 20, 20, 401), ]
  new$worker <- as.character(new$worker)
  new$worker[4L] <- "somebody else"
  same <- \(fits) {
    of <- \(fit, ...) predict(fit, new, allow.new.levels = TRUE, ...)
    expect_equal(
      of(fits$levels, se.fit = TRUE)$se.fit,
      of(fits$dummies, se.fit = TRUE)$se.fit,
      tolerance = 1e-5
    )
    for (interval in c("confidence", "prediction")) {
      expect_equal(
        of(fits$levels, interval = interval, theta_uncertainty = TRUE),
        of(fits$dummies, interval = interval, theta_uncertainty = TRUE),
        tolerance = 1e-5
      )
    }
    new$worker[2L] <- NA
    expect_equal(
      of(fits$levels, se.fit = TRUE, re.form = NULL)$se.fit,
      of(fits$dummies, se.fit = TRUE, re.form = NULL)$se.fit,
      tolerance = 1e-5
    )
  }
  same(by_both_codings(rlmm(y ~ x + firm + (1 | worker), d), d))
  same(by_both_codings(
    rlmm(
      y ~ x * sex + firm + (w | worker) + (1 | year),
      d,
      weights = w,
      REML = FALSE
    ),
    d
  ))
  same(by_both_codings(rlmm(y ~ 0 + firm + sex + (1 | worker), d), d))
  errors <- lapply(
    by_both_codings(rlmm(y ~ x + firm + (x | year), d), d),
    \(fit) {
      attr(coef(fit, se = TRUE), "std.error")$year[c("(Intercept)", "x")]
    }
  )
  expect_equal(errors$levels, errors$dummies, tolerance = 1e-5)
})

test_that("any number of predictions have standard errors, some at a time", {
  d <- made_data()
  fits <- by_both_codings(rlmm(y ~ x + firm + (1 | worker), d), d)
  skip_if_not_installed("testthat", "3.1.7")
  mocked <- getExportedValue("testthat", "local_mocked_bindings")
  mocked(max_weights = 1000, .package = "rlmm")
  errors <- lapply(fits, \(fit) predict(fit, d, se.fit = TRUE)$se.fit)
  expect_equal(errors$levels, errors$dummies, tolerance = 1e-5)
})

test_that("vcov() and sigma() are lme4's", {
  for_each_pair(function(fit, lme4) {
    ours <- vcov(fit)
    expect_true(is.matrix(ours))
    expect_values(ours, stats::vcov(lme4))
    expect_identical(rownames(ours), names(fixef(fit)))
    expect_equal(sigma(fit), stats::sigma(lme4), tolerance = 1e-7)
  })
})

test_that("vcov(full = TRUE) is lme4's", {
  skip_if_not_installed("lme4", "2.0")
  for_each_pair(function(fit, lme4) {
    theirs <- stats::vcov(lme4, full = TRUE)
    expect_identical(rownames(vcov(fit, full = TRUE)), rownames(theirs))
    # With several terms lme4 2.1 leaves the rows in the order of its factor, so that they don't belong to their names.
    if (length(fit$random) == 1) expect_values(vcov(fit, full = TRUE), theirs)
  }, c("sleep", "sleep_two_terms", "pastes", "cbpp"))
})

test_that("vcov(full = TRUE) is the inverse of the mixed model equations", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), sleepstudy, weights = 1 + Days %% 2)
  x <- getME(fit, "X")
  z <- as.matrix(getME(fit, "Z"))
  w <- 1 + sleepstudy$Days %% 2
  precision <- diag(rep(getME(fit, "theta")^-2, each = 18))
  equations <- crossprod(cbind(z, x), w * cbind(z, x))
  equations[1:36, 1:36] <- equations[1:36, 1:36] + precision
  interleaved <- c(t(matrix(1:36, 18)), 37:38)
  expect_values(vcov(fit, full = TRUE), sigma(fit)^2 * solve(equations)[interleaved, interleaved], tolerance = 1e-7)
})

test_that("so is that of nested factors, where lme4 2.1 differs", {
  fit <- rlmm(strength ~ 1 + (1 | batch/cask), Pastes)
  zx <- cbind(as.matrix(getME(fit, "Z")), getME(fit, "X"))
  equations <- crossprod(zx)
  diag(equations)[1:40] <- diag(equations)[1:40] + rep(getME(fit, "theta")^-2, c(30, 10))
  expected <- sigma(fit)^2 * solve(equations)
  expect_values(vcov(fit, full = TRUE), expected, tolerance = 1e-7)
  se <- sqrt(rowSums((zx %*% expected) * zx))
  expect_values(predict(fit, se.fit = TRUE)$se.fit, se, tolerance = 1e-7)
})

test_that("correlation, complete and sigm", {
  fit <- suppressMessages(rlmm(Reaction ~ Days + I(2 * Days) + (1 | Subject), sleepstudy))
  expect_equal(attr(vcov(fit, correlation = TRUE), "correlation"), cov2cor(vcov(fit)))
  expect_identical(dim(vcov(fit)), c(2L, 2L))
  complete <- vcov(fit, complete = TRUE)
  expect_identical(dim(complete), c(3L, 3L))
  expect_true(all(is.na(complete["I(2 * Days)", ])))
  expect_equal(complete[1:2, 1:2], vcov(fit))
  expect_equal(vcov(fit, sigm = 1) * sigma(fit)^2, vcov(fit))
  expect_equal(getME(fit, "stderror"), sqrt(diag(vcov(fit))))
})

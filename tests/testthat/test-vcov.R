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
  for_each_pair(
    function(fit, lme4) {
      theirs <- stats::vcov(lme4, full = TRUE)
      expect_identical(rownames(vcov(fit, full = TRUE)), rownames(theirs))
      # With several terms lme4 2.1 leaves the rows in the order of its factor, so that they don't
      # belong to their names.
      if (length(fit$random) == 1) expect_values(vcov(fit, full = TRUE), theirs)
    },
    c("sleep", "sleep_two_terms", "pastes", "cbpp")
  )
})

test_that("vcov(full = TRUE) is the inverse of the mixed model equations", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy,
    weights = 1 + Days %% 2
  )
  x <- getME(fit, "X")
  z <- as.matrix(getME(fit, "Z"))
  w <- 1 + sleepstudy$Days %% 2
  precision <- diag(rep(getME(fit, "theta")^-2, each = 18))
  equations <- crossprod(cbind(z, x), w * cbind(z, x))
  equations[1:36, 1:36] <- equations[1:36, 1:36] + precision
  interleaved <- c(t(matrix(1:36, 18)), 37:38)
  expect_values(
    vcov(fit, full = TRUE),
    sigma(fit)^2 * solve(equations)[interleaved, interleaved],
    tolerance = 1e-7
  )
})

test_that("so is that of nested factors, where lme4 2.1 differs", {
  fit <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  zx <- cbind(as.matrix(getME(fit, "Z")), getME(fit, "X"))
  equations <- crossprod(zx)
  diag(equations)[1:40] <- diag(equations)[1:40] +
    rep(getME(fit, "theta")^-2, c(30, 10))
  expected <- sigma(fit)^2 * solve(equations)
  expect_values(vcov(fit, full = TRUE), expected, tolerance = 1e-7)
  se <- sqrt(rowSums((zx %*% expected) * zx))
  expect_values(predict(fit, se.fit = TRUE)$se.fit, se, tolerance = 1e-7)
})

# D - A Z D + B C B', -B C, C with V = Z D Z' + sigma^2 / W, A = D Z' V^-1, B = A X, C = (X' V^-1
# X)^-1: Henderson's equations without an inverse of D, which may be singular.
dense_joint <- function(
  fit,
  weights = rep(1, nobs(fit)),
  free = rep(TRUE, ncol(getME(fit, "X")))
) {
  used <- weights > 0
  z <- as.matrix(getME(fit, "Z"))[used, ]
  x <- getME(fit, "X")[used, free, drop = FALSE]
  d <- sigma(fit)^2 * tcrossprod(as.matrix(getME(fit, "Lambda")))
  inverse <- solve(z %*% d %*% t(z) + diag(sigma(fit)^2 / weights[used]))
  a <- d %*% t(z) %*% inverse
  b <- a %*% x
  precision <- crossprod(x, inverse %*% x)
  c <- if (ncol(x) > 0) solve(precision) else precision
  q <- ncol(z)
  out <- matrix(0, q + length(free), q + length(free))
  rows <- c(seq_len(q), q + which(free))
  out[rows, rows] <- rbind(
    cbind(d - a %*% z %*% d + b %*% c %*% t(b), -b %*% c),
    cbind(t(-b %*% c), c)
  )
  out
}

test_that("the joint covariance is that of dense algebra, also where singular or held", {
  set.seed(2)
  d <- data.frame(
    g = gl(12, 10),
    h = factor(sample(7, 120, TRUE)),
    x = rnorm(120),
    f = gl(5, 1, 120)
  )
  d$w <- replace(runif(120, 0.5, 2), 3, 0)
  d$y <- d$x +
    1.5 * rnorm(12)[d$g] +
    rnorm(7)[d$h] +
    rnorm(12)[d$g] * d$x +
    rnorm(120)
  fit <- \(formula, ...) suppressMessages(rlmm(formula, d, ...))
  expect_joint <- function(fit, ...) {
    expected <- dense_joint(fit, ...)
    expect_equal(unname(vcov(fit, full = TRUE)), expected, tolerance = 1e-9)
  }
  for (reml in c(TRUE, FALSE)) {
    expect_joint(fit(y ~ x + (x | g) + (1 | h), REML = reml, weights = w), d$w)
    expect_joint(fit(y ~ x + cs(0 + f | g) + (1 | h), REML = reml))
    expect_joint(fit(y ~ x + ar1(0 + f | g), REML = reml))
    expect_joint(fit(y ~ x + diag(1 + x | g) + (0 + f | h), REML = reml))
    held <- rlmm_control(fixed = list(beta = c(x = 1)))
    expect_joint(
      fit(y ~ x + (x | g), REML = reml, control = held),
      free = c(TRUE, FALSE)
    )
    expect_joint(fit(y ~ x + I(2 * x) + (x | g), REML = reml))
    expect_joint(fit(y ~ 0 + (x | g), REML = reml))
  }
  singular <- fit(y ~ x + (1 | f) + (x | g))
  expect_true(isSingular(singular))
  expect_joint(singular)
})

test_that("a joint covariance of very many rows is refused, not tried", {
  set.seed(3)
  d <- data.frame(
    g = rep(seq_len(20000), 2),
    y = rep(rnorm(20000), 2) + rnorm(40000)
  )
  fit <- rlmm(y ~ 1 + (1 | g), d)
  expect_snapshot(writeLines(error_lines(vcov(fit, full = TRUE))))
  expect_error(vcov(fit, full = TRUE), class = "rlmm_error_size")
})

test_that("correlation, complete and sigm", {
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + I(2 * Days) + (1 | Subject),
    sleepstudy
  ))
  expect_equal(
    attr(vcov(fit, correlation = TRUE), "correlation"),
    cov2cor(vcov(fit))
  )
  expect_identical(dim(vcov(fit)), c(2L, 2L))
  complete <- vcov(fit, complete = TRUE)
  expect_identical(dim(complete), c(3L, 3L))
  expect_true(all(is.na(complete["I(2 * Days)", ])))
  expect_equal(complete[1:2, 1:2], vcov(fit))
  expect_equal(vcov(fit, sigm = 1) * sigma(fit)^2, vcov(fit))
  expect_equal(getME(fit, "stderror"), sqrt(diag(vcov(fit))))
})

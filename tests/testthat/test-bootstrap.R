# Replicates against fits of their responses, and their distribution against closed forms.

without_fit <- function(b) unclass(b)[names(b) != "fit"]

test_that("a replicate is the fit of its response", {
  for (fit in list(sleep_fit(), sleep_fit(REML = FALSE))) {
    b <- bootstrap(fit, n = 5, seed = 1)
    y <- simulate(b, which = c(1, 4))
    expect_named(y, c("sim_1", "sim_4"))
    for (i in c(1, 4)) {
      again <- refit(fit, y[paste0("sim_", i)])
      expect_equal(b$beta[i, ], fixef(again), tolerance = 1e-8)
      expect_equal(b$sigma[i], sigma(again), tolerance = 1e-8)
      expect_equal(unname(b$theta[i, ]), again$theta, tolerance = 1e-6)
      expect_equal(b$objective[i], again$optsum$fmin, tolerance = 1e-9)
      errors <- sqrt(diag(as.matrix(vcov(again))))
      expect_equal(b$std_error[i, ], errors, tolerance = 1e-6)
    }
  }
})

test_that("lme4 finds the same in the responses", {
  skip_if_not_installed("lme4")
  fit <- sleep_fit()
  b <- bootstrap(fit, n = 3, seed = 2)
  for (i in 1:3) {
    # Fitted anew: lme4 1.1-31's refit() has another sigma and REML criterion.
    data <- transform(sleepstudy, Reaction = simulate(b, which = i)[[1]])
    theirs <- lme4::lmer(Reaction ~ Days + (Days | Subject), data)
    expect_equal(b$beta[i, ], lme4::fixef(theirs), tolerance = 1e-5)
    expect_equal(b$sigma[i], stats::sigma(theirs), tolerance = 1e-4)
  }
})

test_that("neither threads nor the way there make a difference", {
  fit <- sleep_fit()
  old <- options(rlmm.threads = 1)
  on.exit(options(old))
  one <- bootstrap(fit, n = 60, seed = 3)
  options(rlmm.threads = 3)
  expect_identical(bootstrap(fit, n = 60, seed = 3), one)
  expect_identical(update(bootstrap(fit, n = 25, seed = 3), n = 60), one)
  expect_identical(update(one, n = 10), one)
  other <- bootstrap(fit, n = 40, seed = 4)
  both <- c(one, other)
  expect_length(both$sigma, 100)
  expect_identical(both$beta, rbind(one$beta, other$beta))
  expect_length(update(both, n = 120)$sigma, 120)
  expect_false(any(one$sigma[1:40] == other$sigma))
  path <- withr::local_tempfile()
  saveRDS(one, path)
  expect_identical(without_fit(readRDS(path)), without_fit(one))
})

test_that("the seed comes from R's generator, or leaves it alone", {
  fit <- sleep_fit()
  set.seed(1)
  a <- bootstrap(fit, n = 2)
  set.seed(1)
  expect_identical(bootstrap(fit, n = 2)$beta, a$beta)
  before <- .Random.seed
  bootstrap(fit, n = 2, seed = 1)
  expect_identical(.Random.seed, before)
  expect_false(identical(
    bootstrap(fit, n = 2, seed = -1)$beta,
    bootstrap(fit, n = 2, seed = 1)$beta
  ))
})

# In a balanced design the fixed effects are averages, with the covariance that the fit says: five
# standard errors of a standard deviation are 5 / sqrt(2 n).
test_that("fixed effects vary as they should", {
  fit <- sleep_fit()
  b <- bootstrap(fit, n = 4000, seed = 5)
  found <- stats::cov(b$beta)
  expected <- as.matrix(vcov(fit))
  errors <- sqrt(outer(diag(expected), diag(expected)) + expected^2)
  expect_true(all(abs(found - expected) < 5 * errors / sqrt(4000)))
  bias <- colMeans(b$beta) - fixef(fit)
  expect_true(all(abs(bias) < 5 * sqrt(diag(expected) / 4000)))
})

# With one balanced factor the estimate is zero where the F ratio is below one, and the ratio over
# 1 + m theta^2 has the F distribution.
test_that("the share of singular replicates is that of the F distribution", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  b <- bootstrap(fit, n = 4000, seed = 6)
  expected <- stats::pf(1 / (1 + 5 * fit$theta^2), 5, 24)
  found <- mean(is_singular_replicate(b))
  expect_lt(abs(found - expected), 5 * sqrt(expected * (1 - expected) / 4000))
  expect_equal(is_singular_replicate(b), b$theta[, 1] < 1e-4)
})

test_that("what is held stays held, and use.u holds the random effects", {
  known <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, sigma = 30)
  b <- bootstrap(known, n = 20, seed = 1)
  expect_true(all(b$sigma == 30))
  expect_false("sigma" %in% colnames(as.matrix(b, signames = FALSE)))
  control <- rlmm_control(fixed = list(beta = c(Days = 10)))
  held <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = control)
  b <- bootstrap(held, n = 20, seed = 1)
  expect_true(all(b$beta[, "Days"] == 10))
  expect_true(all(b$std_error[, "Days"] == 0))
  again <- refit(held, simulate(b, which = 2))
  expect_equal(b$beta[2, ], fixef(again), tolerance = 1e-8)
  fit <- sleep_fit()
  b <- bootstrap(fit, n = 2000, seed = 1, use.u = TRUE)
  drawn <- simulate(b, which = 1:200)
  spread <- (as.matrix(drawn) - fitted(fit)) / sigma(fit)
  # 36,000 standard normal numbers.
  expect_lt(abs(mean(spread)), 5 / sqrt(36000))
  expect_lt(abs(stats::sd(spread) - 1), 5 / sqrt(72000))
})

test_that("weights and offsets are part of the draws", {
  data <- transform(
    sleepstudy,
    w = rep(c(0.25, 1, 4), 60),
    o = 100 * (Days > 4)
  )
  fit <- rlmm(Reaction ~ Days + (1 | Subject), data, weights = w, offset = o)
  b <- bootstrap(fit, n = 300, seed = 1, use.u = TRUE)
  spread <- (as.matrix(simulate(b)) - fitted(fit)) * sqrt(data$w) / sigma(fit)
  by_weight <- tapply(rowMeans(spread^2), data$w, mean)
  # Chi-squared with 18,000 degrees of freedom each.
  expect_true(all(abs(by_weight - 1) < 5 * sqrt(2 / 18000)))
  again <- refit(fit, simulate(b, which = 1))
  expect_equal(b$beta[1, ], fixef(again), tolerance = 1e-8)
})

test_that("generalized models: replicates are fits of their responses", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  b <- bootstrap(fit, n = 4, seed = 1)
  for (i in 1:2) {
    y <- round(simulate(b, which = i)[[1]] * cbpp$size)
    again <- refit(fit, cbind(y, cbpp$size - y))
    expect_equal(b$beta[i, ], fixef(again), tolerance = 1e-4)
    expect_equal(unname(b$theta[i, 1]), again$theta, tolerance = 1e-4)
    expect_equal(b$objective[i], again$optsum$fmin, tolerance = 1e-7)
    at_theta <- sqrt(diag(as.matrix(vcov(again, use.hessian = FALSE))))
    expect_equal(b$std_error[i, ], at_theta, tolerance = 1e-4)
  }
  expect_identical(
    withr::with_options(list(rlmm.threads = 1), bootstrap(fit, 4, seed = 1)),
    b
  )
  fast <- update(fit, nAGQ = 0)
  expect_true(all(is.finite(bootstrap(fast, 3, seed = 1)$beta)))
})

test_that("lme4 finds the same in responses of a generalized model", {
  skip_if_not_installed("lme4")
  fit <- rglmm(
    TICKS ~ YEAR + (1 | BROOD),
    grouseticks,
    family = poisson
  )
  b <- bootstrap(fit, n = 1, seed = 1)
  data <- transform(grouseticks, TICKS = simulate(b)[[1]])
  theirs <- lme4::glmer(
    TICKS ~ YEAR + (1 | BROOD),
    data,
    family = poisson
  )
  expect_equal(b$beta[1, ], lme4::fixef(theirs), tolerance = 1e-3)
  expect_equal(
    unname(b$theta[1, ]),
    unname(lme4::getME(theirs, "theta")),
    tolerance = 1e-3
  )
})

# With a log link and a random intercept E y = exp(eta + theta^2 / 2).
test_that("responses of each family have their mean", {
  set.seed(1)
  data <- data.frame(g = factor(rep(1:40, each = 5)))
  effects <- stats::rnorm(40, 0, 0.4)[data$g]
  families <- list(
    poisson = list(stats::poisson(), \(mu) stats::rpois(200, mu)),
    gamma = list(
      stats::Gamma(link = "log"),
      \(mu) stats::rgamma(200, 4, scale = mu / 4)
    ),
    inverse = list(
      stats::inverse.gaussian(link = "log"),
      \(mu) draw_inverse_gaussian(mu, 0.05)
    ),
    nbinom1 = list(nbinom1(), \(mu) stats::rnbinom(200, mu / 0.8, mu = mu))
  )
  for (name in names(families)) {
    family <- families[[name]][[1]]
    data$y <- families[[name]][[2]](exp(1.2 + effects))
    fit <- suppressWarnings(rglmm(y ~ 1 + (1 | g), data, family = family))
    b <- bootstrap(fit, n = 400, seed = 1)
    spread <- effects_sigma(fit) * fit$theta
    expected <- exp(fit$beta[[1]] + spread^2 / 2)
    means <- colMeans(as.matrix(simulate(b)))
    error <- stats::sd(means) / sqrt(400)
    expect_lt(abs(mean(means) - expected), 5 * error, label = name)
    expect_true(all(is.na(b$error)), label = name)
    expect_lt(abs(mean(b$beta) - fit$beta), 0.2, label = name)
  }
})

test_that("structures and several terms", {
  fit <- rlmm(
    Reaction ~ Days + diag(1 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  b <- bootstrap(fit, n = 30, seed = 1)
  expect_identical(
    colnames(as.matrix(b, signames = FALSE)),
    c(names(variance_estimates(fit)$estimate), names(fixef(fit)))
  )
  crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  b <- bootstrap(crossed, n = 20, seed = 1)
  again <- refit(crossed, simulate(b, which = 7))
  expect_equal(
    unname(as.matrix(b)[7, 1:3]),
    unname(variance_estimates(again)$estimate),
    tolerance = 1e-5
  )
})

test_that("failures are counted, with the reason", {
  fit <- sleep_fit()
  b <- bootstrap(fit, n = 10, seed = 1)
  b$error[3] <- "no luck"
  b$beta[3, ] <- b$theta[3, ] <- b$sigma[3] <- NA
  expect_match(format(summary(b)), "1 failed", all = FALSE)
  expect_identical(summary(b)$n, rep(9, 6))
  expect_true(all(is.finite(confint(b))))
})

test_that("replicates that didn't come to their end are left out", {
  found <- list(
    done = c(TRUE, TRUE, TRUE, FALSE, TRUE),
    status = c("FTOL_REACHED", "FORCED_STOP", "FTOL_REACHED", NA, NA),
    verdict = c("optimal", NA, NA, NA, NA),
    error = c(NA, NA, NA, NA, "no luck")
  )
  expect_identical(whole_fits(found), c(TRUE, FALSE, FALSE, FALSE, TRUE))
})

test_that("what can't be bootstrapped is said", {
  fit <- sleep_fit()
  slim <- sleep_fit(control = rlmm_control(slim = TRUE))
  strata <- rlmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    dispersion = ~ (Days > 4)
  )
  b <- bootstrap(fit, n = 5, seed = 1)
  other <- bootstrap(sleep_fit(REML = FALSE), n = 5, seed = 2)
  expect_snapshot({
    writeLines(error_lines(bootstrap(slim)))
    writeLines(error_lines(bootstrap(strata)))
    writeLines(error_lines(refit(strata, simulate(fit, 2))))
    writeLines(error_lines(bootstrap(fit, n = 0)))
    writeLines(error_lines(bootstrap(fit, n = "many")))
    writeLines(error_lines(bootstrap(fit, seed = "a")))
    writeLines(error_lines(bootstrap(fit, type = "semiparametric")))
    writeLines(error_lines(bootstrap(fit, nsim = 10)))
    writeLines(error_lines(bootstrap(sleepstudy)))
    writeLines(error_lines(update(b)))
    writeLines(error_lines(c(b, b)))
    writeLines(error_lines(c(b, other)))
    writeLines(error_lines(c(b, 1)))
    writeLines(error_lines(simulate(b, which = 6)))
  })
})

test_that("residuals are resampled", {
  fit <- sleep_fit()
  b <- bootstrap(fit, 30, seed = 1, use.u = TRUE, type = "semiparametric")
  # R refits the responses that bootMer() draws with the same seed.
  by_r <- bootMer(
    fit,
    fixef,
    30,
    seed = 1,
    use.u = TRUE,
    type = "semiparametric"
  )
  expect_equal(b$beta, by_r$t, tolerance = 1e-7, ignore_attr = TRUE)
  half <- bootstrap(fit, 10, seed = 1, use.u = TRUE, type = "semiparametric")
  expect_equal(update(half, n = 30)$beta, b$beta)
  y <- simulate(b, which = 7)
  expect_equal(fixef(refit(fit, y)), b$beta[7, ], tolerance = 1e-7)
  expect_match(format(summary(b))[1], "Semiparametric")
})

test_that("limits are also those of variances and covariances", {
  fit <- sleep_fit()
  b <- bootstrap(fit, 50, seed = 1)
  limits <- confint(b, scale = "vcov")
  sd <- confint(b)
  expect_equal(limits[1, ], sd[1, ]^2, tolerance = 1e-2)
  values <- as.matrix(b)
  covariance <- values[, 1] * values[, 2] * values[, 3]
  expect_equal(
    unname(limits[2, ]),
    unname(quantile(covariance, c(0.025, 0.975), type = 6))
  )
  expect_identical(
    confint(fit, method = "boot", nsim = 50, seed = 1, boot.scale = "vcov"),
    limits
  )
})

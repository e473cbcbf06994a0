test_that("confidence limits are lmerTest's", {
  # lmerTest 3.2: contest1D(fit, c(1, x), confint = TRUE)
  theirs <- cbind(
    fit = c(252.9122725, 303.7728609, 374.9776846),
    lwr = c(237.6409809, 283.7934608, 335.7098337),
    upr = c(268.1835642, 323.752261, 414.2455355)
  )
  part <- sleepstudy[-c(3, 17:19, 40, 99:104), ]
  fit <- rlmm(Reaction ~ Days + (Days | Subject), part)
  new <- data.frame(Days = c(0, 5, 12))
  found <- predict(fit, new, re.form = NA, interval = "confidence")
  expect_equal(unname(found), unname(theirs), tolerance = 1e-5)
  expect_equal(dimnames(found), list(as.character(1:3), colnames(theirs)))
  normal <- predict(
    fit,
    new,
    re.form = NA,
    interval = "confidence",
    ddf = "asymptotic",
    level = 0.9
  )
  se <- predict(fit, new, re.form = NA, se.fit = TRUE)
  expect_equal(normal[, "upr"], se$fit + qnorm(0.95) * se$se.fit)
})

test_that("prediction limits of a balanced design are those of its mean squares", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  table <- anova(lm(Yield ~ Batch, Dyestuff))
  between <- table$`Mean Sq`[1]
  within <- table$`Mean Sq`[2]
  # The variance of an observation of a new batch, and of the overall mean.
  parts <- c(between * (1 / 5 + 1 / 30), within * (1 - 1 / 5))
  variance <- sum(parts)
  df <- variance^2 / sum(parts^2 / table$Df)
  found <- predict(
    fit,
    Dyestuff[1, ],
    re.form = NA,
    interval = "prediction",
    se.fit = TRUE
  )
  expect_equal(
    found$fit[1, "upr"],
    mean(Dyestuff$Yield) + qt(0.975, df) * sqrt(variance),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  expect_equal(unname(found$se.fit), sqrt(between / 30), tolerance = 1e-6)
})

test_that("a known level's observation has the variance of its mean and the residual", {
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject),
    transform(sleepstudy, w = 1 + Days / 9),
    weights = w
  )
  new <- data.frame(Days = c(2, 9), Subject = "308", w = c(1, 4))
  found <- predict(
    fit,
    new,
    interval = "prediction",
    se.fit = TRUE,
    ddf = "asymptotic"
  )
  variance <- found$se.fit^2 + sigma(fit)^2 / new$w
  expect_equal(
    found$fit[, "upr"] - found$fit[, "fit"],
    qnorm(0.975) * sqrt(variance)
  )
  expect_error(
    predict(fit, new[1:2], interval = "prediction"),
    class = "rlmm_error_variable"
  )
})

test_that("crossed and nested factors: limits follow the joint covariance", {
  for (name in c("penicillin_weights", "pastes")) {
    fit <- twin(name)$ours
    found <- predict(fit, interval = "confidence", ddf = "none", se.fit = TRUE)
    expect_equal(
      found$fit[, "lwr"],
      fitted(fit) - qnorm(0.975) * found$se.fit,
      info = name
    )
  }
})

test_that("singular fits have intervals", {
  fit <- twin("dyestuff2")$ours
  found <- predict(fit, interval = "prediction")
  expect_true(all(is.finite(found)))
  expect_true(all(found[, "lwr"] < found[, "fit"]))
})

test_that("limits on the scale of the response are those of the linear predictor, in order", {
  set.seed(1)
  d <- data.frame(x = runif(100), g = gl(10, 10))
  d$y <- rgamma(100, 5, scale = 1 / (5 * (1 + d$x)))
  fit <- rglmm(y ~ x + (1 | g), d, family = Gamma("inverse"))
  link <- predict(fit, d[1:3, ], interval = "confidence")
  response <- predict(fit, d[1:3, ], interval = "confidence", type = "response")
  expect_equal(response[, "lwr"], 1 / link[, "upr"])
  expect_equal(response[, "upr"], 1 / link[, "lwr"])
})

# The distribution function of an observation, by R's own quadrature.
averaged <- function(fit, q, eta, sd, cumulative) {
  inverse <- family(fit)$linkinv
  f <- \(t) dnorm(t) * cumulative(q, inverse(eta + sd * t))
  integrate(f, -8, 8, rel.tol = 1e-9, subdivisions = 2000L)$value
}

expect_quantiles <- function(fit, new, cumulative, step) {
  found <- predict(
    fit,
    new,
    interval = "prediction",
    type = "response",
    re.form = NA
  )
  link <- predict(fit, new, interval = "prediction", re.form = NA)
  sd <- (link[, "upr"] - link[, "fit"]) / qnorm(0.975)
  for (i in seq_len(nrow(new))) {
    reached <- \(q) averaged(fit, q, link[i, "fit"], sd[i], cumulative)
    for (side in c("lwr", "upr")) {
      p <- if (side == "lwr") 0.025 else 0.975
      q <- found[i, side]
      if (step == 0) {
        expect_equal(reached(q), p, tolerance = 1e-5)
      } else {
        expect_gte(reached(q), p - 1e-7)
        if (q > 0) expect_lt(reached(q - step), p)
      }
    }
  }
}

test_that("prediction limits are quantiles of the family, averaged over the linear predictor", {
  set.seed(2)
  d <- data.frame(x = runif(200), g = gl(20, 10))
  eta <- 1 + d$x + rnorm(20, sd = 0.5)[d$g]
  d$count <- rnbinom(200, size = 3, mu = exp(eta))
  d$positive <- rgamma(200, 4, scale = exp(eta) / 4)
  d$n <- 12
  d$successes <- rbinom(200, 12, plogis(eta - 1))
  new <- d[c(1, 77), ]
  fit <- rglmm(count ~ x + (1 | g), d, family = poisson)
  expect_quantiles(fit, new, ppois, 1)
  fit <- rglmm_nb(count ~ x + (1 | g), d)
  size <- family(fit)$theta
  expect_quantiles(fit, new, \(q, mu) pnbinom(q, size, mu = mu), 1)
  fit <- rglmm(count ~ x + (1 | g), d, family = nbinom1)
  phi <- family(fit)$phi
  expect_quantiles(fit, new, \(q, mu) pnbinom(q, mu / phi, mu = mu), 1)
  fit <- rglmm(
    cbind(successes, n - successes) ~ x + (1 | g),
    d,
    family = binomial
  )
  expect_quantiles(fit, new, \(q, mu) pbinom(round(12 * q), 12, mu), 1 / 12)
  fit <- rglmm(positive ~ x + (1 | g), d, family = Gamma("log"))
  phi <- sigma(fit)^2
  expect_quantiles(fit, new, \(q, mu) pgamma(q, 1 / phi, scale = mu * phi), 0)
  fit <- rglmm(positive ~ x + (1 | g), d, family = gaussian("log"))
  expect_quantiles(fit, new, \(q, mu) pnorm(q, mu, sigma(fit)), 0)
})

test_that("large counts that vary little have quantiles too", {
  set.seed(3)
  d <- data.frame(g = gl(30, 4))
  d$y <- rpois(120, exp(8 + rnorm(30))[d$g])
  fit <- rglmm(y ~ 1 + (1 | g), d, family = poisson)
  expect_quantiles(fit, d[1, , drop = FALSE], ppois, 1)
})

test_that("what can't be had is refused", {
  fit <- twin("sleep")$ours
  new <- data.frame(Days = 1:3, Subject = c("308", "a", "b"))
  slim <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(slim = TRUE)
  )
  ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  expect_snapshot({
    writeLines(error_lines(predict(fit, new, interval = "prediction")))
    writeLines(error_lines(predict(fit, new["Days"], interval = "confidence")))
    writeLines(error_lines(predict(fit, interval = "both")))
    writeLines(error_lines(predict(fit, level = 0)))
    writeLines(error_lines(predict(
      fit,
      random.only = TRUE,
      interval = "prediction"
    )))
    writeLines(error_lines(predict(slim, new[1, ], interval = "prediction")))
    writeLines(error_lines(predict(
      ticks,
      interval = "confidence",
      ddf = "sat"
    )))
    writeLines(error_lines(predict(
      ticks,
      marginal = TRUE,
      re.form = ~ (1 | BROOD)
    )))
    writeLines(error_lines(predict(ticks, marginal = TRUE, cov.fit = TRUE)))
  })
})

test_that("missing values and na.action", {
  part <- sleepstudy
  part$Reaction[3] <- NA
  omitted <- rlmm(Reaction ~ Days + (Days | Subject), part)
  expect_length(predict(omitted), 179)
  padded <- predict(omitted, na.action = na.exclude)
  expect_length(padded, 180)
  expect_true(is.na(padded[3]))
  limits <- predict(omitted, na.action = na.exclude, interval = "confidence")
  expect_equal(limits[, "fit"], padded)
  excluded <- update(omitted, na.action = na.exclude)
  expect_length(predict(excluded), 180)
  expect_length(predict(excluded, na.action = na.omit), 179)
  new <- data.frame(Days = c(1, NA), Subject = "308")
  limits <- predict(omitted, new, interval = "prediction")
  expect_equal(is.na(limits[, "upr"]), c(`1` = FALSE, `2` = TRUE))
  expect_equal(
    dim(predict(omitted, new, interval = "prediction", na.action = na.omit)),
    c(1L, 3L)
  )
})

test_that("a fit without its data predicts what needs none, with its weights and offset", {
  d <- transform(sleepstudy, w = 1 + Days / 9, o = Days)
  full <- rlmm(
    Reaction ~ Days + (1 | Subject),
    d,
    weights = w,
    offset = o
  )
  slim <- update(full, control = rlmm_control(slim = TRUE))
  new <- d[c(1, 14), ]
  of_both <- \(...) {
    expect_equal(
      predict(slim, new, ...),
      predict(full, new, ...),
      tolerance = 1e-7
    )
  }
  of_both()
  of_both(re.form = NA, se.fit = TRUE)
  of_both(re.form = NA, interval = "prediction", ddf = "asymptotic")
  expect_error(
    predict(slim, new["Days"], re.form = NA),
    class = "rlmm_error_variable"
  )
  expect_error(predict(slim, new, se.fit = TRUE), class = "rlmm_error_slim")
})

test_that("intervals say that theta is estimated, standard errors alone don't", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  new <- sleepstudy[c(1, 15), ]
  same <- \(a, b, ...) {
    of <- \(theta) predict(fit, new, ..., theta_uncertainty = theta)
    expect_equal(of(a), of(b))
  }
  same(NULL, TRUE, interval = "confidence", se.fit = TRUE)
  same(NULL, TRUE, interval = "prediction", ddf = "asymptotic")
  same(NULL, FALSE, se.fit = TRUE)
  same(NULL, FALSE, interval = "confidence", re.form = NA)
  # The mean of an average group has the covariance of the fixed effects' estimates.
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  new <- data.frame(YEAR = factor(95:97))
  found <- predict(fit, new, re.form = NA, interval = "confidence")
  x <- model.matrix(~YEAR, new)
  se <- sqrt(diag(x %*% vcov(fit) %*% t(x)))
  expect_equal(found[, "upr"], found[, "fit"] + qnorm(0.975) * se)
})

# Gamma and Poisson models whose linear predictors may pass zero.
near_zero <- function() {
  set.seed(5)
  d <- data.frame(x = runif(200), g = factor(sample(25, 200, TRUE)))
  u <- rnorm(25, 0, 0.15)[d$g]
  d$time <- rgamma(200, 6, 6 * pmax(0.6 + 0.4 * d$x + u, 0.05))
  d$count <- rpois(200, pmax(1 + d$x + 3 * u, 0))
  d
}

test_that("limits of means stay on their side of zero", {
  d <- near_zero()
  times <- rglmm(time ~ x + (1 | g), d, family = Gamma("inverse"))
  new <- data.frame(x = c(-1.3, 0.5))
  link <- predict(times, new, re.form = NA, interval = "confidence")
  found <- predict(
    times,
    new,
    re.form = NA,
    interval = "confidence",
    type = "response"
  )
  expect_lt(link[1, "lwr"], 0)
  expect_equal(
    unname(found[1, ]),
    unname(c(1 / link[1, c("fit", "upr")], Inf))
  )
  expect_equal(unname(found[2, ]), unname(1 / link[2, c("fit", "upr", "lwr")]))
  roots <- rglmm(count ~ x + (1 | g), d, family = poisson("sqrt"))
  new <- data.frame(x = -1.6)
  link <- predict(
    roots,
    new,
    re.form = NA,
    interval = "confidence",
    level = 0.99
  )
  found <- predict(
    roots,
    new,
    re.form = NA,
    interval = "confidence",
    type = "response",
    level = 0.99
  )
  expect_lt(link[1, "lwr"] * link[1, "upr"], 0)
  expect_equal(min(found), 0)
})

test_that("quantiles of observations count means at the end of their range", {
  d <- near_zero()
  fit <- rglmm(count ~ x + (1 | g), d, family = poisson("identity"))
  new <- data.frame(x = c(0, 0.9))
  eta <- predict(fit, new, re.form = NA)
  link <- predict(
    fit,
    new,
    re.form = NA,
    interval = "prediction",
    theta_uncertainty = FALSE
  )
  sd <- (link[, "upr"] - link[, "fit"]) / qnorm(0.975)
  found <- predict(
    fit,
    new,
    re.form = NA,
    interval = "prediction",
    type = "response",
    theta_uncertainty = FALSE
  )
  probability <- \(q, i) {
    of_mean <- \(t) ppois(q, pmax(eta[i] + sd[i] * t, 0)) * dnorm(t)
    integrate(of_mean, -9, 9, rel.tol = 1e-9)$value
  }
  for (i in 1:2) {
    expect_gte(probability(found[i, "upr"], i), 0.975)
    expect_lt(probability(found[i, "upr"] - 1, i), 0.975)
    expect_gte(probability(found[i, "lwr"], i), 0.025)
  }
})

test_that("a reciprocal has no mean over groups near zero", {
  d <- near_zero()
  fit <- rglmm(time ~ x + (1 | g), d, family = Gamma("inverse"))
  new <- data.frame(x = c(0, 3))
  expect_warning(
    found <- predict(fit, new, marginal = TRUE, type = "response"),
    class = "rlmm_warning_marginal"
  )
  expect_equal(unname(is.na(found)), c(TRUE, FALSE))
  eta <- predict(fit, new[2, , drop = FALSE], re.form = NA)
  sd <- sqrt(VarCorr(fit)$g[1, 1])
  mean_of <- \(t) dnorm(t) / (eta + sd * t)
  expect_equal(found[[2]], integrate(mean_of, -8, 8)$value, tolerance = 1e-6)
})

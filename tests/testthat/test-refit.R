test_that("a refit to the same response changes nothing", {
  for_each_twin(
    function(ours, theirs, data, name) {
      again <- suppressMessages(refit(ours, model_response(ours)))
      expect_equal(
        again$dev$objective,
        ours$dev$objective,
        tolerance = 1e-9,
        info = name
      )
      expect_equal(fitted(again), fitted(ours), tolerance = 1e-4, info = name)
      expect_equal(again$call, ours$call)
    },
    names = c(
      "dyestuff_ml",
      "dyestuff2",
      "sleep",
      "pastes",
      "penicillin",
      "cbpp",
      "sleep_offset_term",
      "sleep_aliased",
      "ozone"
    )
  )
})

test_that("a refit is a fit to the new response", {
  fit <- twin("sleep_weights")$ours
  draws <- simulate(fit, seed = 2)
  data <- sleepstudy
  data$Reaction <- draws$sim_1
  direct <- update(fit, data = data)
  for (response in list(draws, draws$sim_1, as.list(draws), as.matrix(draws))) {
    expect_equal(
      refit(fit, response)$dev$objective,
      direct$dev$objective,
      tolerance = 1e-9
    )
  }
  expect_equal(model.frame(refit(fit, draws))$Reaction, draws$sim_1)
  expect_equal(
    refit(fit, -model_response(fit))$dev$objective,
    fit$dev$objective,
    tolerance = 1e-8
  )
})

# The deviance of few levels of unequal size often has two minima, one of them at zero.
test_that("a refit finds the lower of two optima", {
  set.seed(2)
  data <- data.frame(
    g = factor(rep(1:3, c(150, 8, 2))),
    x = rnorm(160)
  )
  data$y <- rnorm(160) + c(0, 1.5, -2)[data$g]
  fit <- rlmm(y ~ x + (1 | g), data, REML = FALSE)
  thetas <- c(0, exp(seq(log(0.01), log(5), length.out = 60)))
  for (y in simulate(fit, 200, seed = 1)[c(33, 88, 138, 152)]) {
    spec <- fit_spec(fit)
    spec$y <- y
    deviances <- vapply(
      thetas,
      \(theta) dense_estimates(spec, theta)$objective,
      0
    )
    again <- suppressMessages(refit(fit, y))
    expect_lt(deviance(again), min(deviances) + 1e-6)
  }
})

test_that("a refit of a small generalized model isn't above the model without random effects", {
  for (seed in c(112, 115, 382)) {
    set.seed(seed)
    data <- data.frame(g = gl(8, 3), x = rnorm(24))
    slope <- (rnorm(8) * 0.8)[data$g] - 0.3
    data$y <- rgamma(24, 1) * pmax(1.2 + slope * data$x, 0.1)
    family <- Gamma("identity")
    quiet <- \(expr) suppressWarnings(suppressMessages(expr))
    fit <- quiet(rglmm(y ~ x + (0 + x | g), data, family))
    data$y <- simulate(fit, seed = 1)[[1]]
    again <- quiet(refit(fit, data$y))
    without <- quiet(glm(y ~ x, family, data, start = c(mean(data$y), 0)))
    # The log-likelihood at the dispersion `deviance / n`.
    shape <- 24 / deviance(without)
    mu <- fitted(without)
    best <- sum(dgamma(data$y, shape, shape / mu, log = TRUE))
    expect_gt(as.numeric(logLik(again)), best - 1e-6)
  }
})

test_that("new weights", {
  fit <- twin("sleep")$ours
  direct <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    weights = 1 + Days
  )
  again <- refit(fit, newweights = 1 + sleepstudy$Days)
  expect_equal(again$dev$objective, direct$dev$objective, tolerance = 1e-8)
  expect_equal(weights(again), 1 + sleepstudy$Days)
  expect_error(
    refit(fit, newweights = rep(-1, 180)),
    class = "rlmm_error_weights"
  )
})

test_that("rows left out for missing values may be in the new response", {
  data <- sleepstudy
  data$Days[c(3, 7)] <- NA
  for (action in list(na.omit, na.exclude)) {
    fit <- rlmm(Reaction ~ Days + (Days | Subject), data, na.action = action)
    draws <- simulate(fit, seed = 1)$sim_1
    long <- rep(NA_real_, 180)
    long[-c(3, 7)] <- stats::na.omit(draws)
    expect_equal(
      refit(fit, long)$beta,
      refit(fit, stats::na.omit(draws))$beta,
      tolerance = 1e-8
    )
    expect_equal(na.action(refit(fit, long)), na.action(fit))
  }
})

test_that("the response can be renamed", {
  fit <- twin("sleep")$ours
  new <- sleepstudy$Reaction + 100
  again <- refit(fit, new, rename.response = TRUE)
  expect_equal(
    formula(again),
    new ~ Days + (Days | Subject),
    ignore_attr = TRUE
  )
  expect_equal(
    formula(again, fixed.only = TRUE),
    new ~ Days,
    ignore_attr = TRUE
  )
  expect_named(model.frame(again), c("new", "Days", "Subject"))
  expect_equal(fixef(again), fixef(fit) + c(100, 0), tolerance = 1e-6)
  expect_equal(predict(again, sleepstudy[1:3, ]), fitted(again)[1:3])
})

test_that("refitML", {
  fit <- twin("sleep")$ours
  ml <- refitML(fit)
  expect_false(isREML(ml))
  expect_equal(
    ml$dev$objective,
    twin("sleep_ml")$ours$dev$objective,
    tolerance = 1e-9
  )
  expect_equal(ml$call$REML, FALSE)
  expect_identical(refitML(ml), ml)
})

test_that("a singular fit refits to a response with variance", {
  flat <- twin("dyestuff2")$ours
  expect_equal(unname(flat$theta), 0)
  response <- as.numeric(Dyestuff2$Batch) * 10 + Dyestuff2$Yield
  data <- data.frame(Yield = response, Batch = Dyestuff2$Batch)
  expect_equal(
    refit(flat, response)$dev$objective,
    rlmm(Yield ~ 1 + (1 | Batch), data)$dev$objective,
    tolerance = 1e-8
  )
})

test_that("another control", {
  fit <- twin("sleep")$ours
  other <- refit(fit, control = rlmm_control(optimizer = "LN_BOBYQA"))
  expect_identical(other$optsum$optimizer, "LN_BOBYQA")
  held <- rlmm_control(fixed = list(beta = c(Days = 10)))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = held)
  y <- rev(sleepstudy$Reaction)
  expect_equal(
    fixef(refit(fit, y, control = rlmm_control())),
    fixef(refit(fit, y))
  )
})

test_that("responses that can't be", {
  fit <- twin("sleep")$ours
  expect_error(refit(fit, 1:3), class = "rlmm_error_argument")
  expect_snapshot(writeLines(error_lines(refit(fit, 1:3))))
  expect_snapshot(writeLines(error_lines(refit(fit, rep("a", 180)))))
  expect_snapshot(writeLines(error_lines(refit(fit, c(NA, 1:179)))))
  expect_snapshot(writeLines(error_lines(refit(fit, list()))))
  weights <- matrix(1, 180, 2)
  expect_snapshot(writeLines(error_lines(refit(fit, newweights = weights))))
})

# Correlation parameters often have several optima, so that estimates for another response are no
# start.
test_that("structures with correlations are searched like a new fit", {
  withr::local_seed(1)
  d <- expand.grid(f = factor(letters[1:4]), row = 1:3, g = factor(1:6))
  one <- rnorm(72) + 0.5 * rnorm(6)[d$g]
  pairs <- interaction(d$f, d$g)
  other <- replicate(3, rnorm(72) + 0.5 * rnorm(6)[d$g] + rnorm(24)[pairs])
  terms <- c(
    "cs(0 + f | g)",
    "diag(0 + f | g)",
    "toep(0 + f | g)",
    "toep(0 + f | g, hom = TRUE)",
    "ar1(0 + f | g, hom = FALSE)"
  )
  for (term in terms) {
    formula <- as.formula(paste("y ~ f +", term))
    fit <- suppressMessages(rlmm(formula, transform(d, y = one)))
    many <- suppressMessages(refit(fit, as.data.frame(other)))
    for (i in 1:3) {
      new <- suppressMessages(rlmm(formula, transform(d, y = other[, i])))
      again <- suppressMessages(refit(fit, other[, i]))
      expect_equal(logLik(again), logLik(new), tolerance = 1e-7)
      expect_equal(many$objective[[i]], again$dev$objective, tolerance = 1e-7)
    }
  }
})

# At the Poisson limit the likelihood is flat in theta, so that the estimate is no start.
test_that("counts without overdispersion don't decide the fit of others", {
  withr::local_seed(6)
  d <- data.frame(g = gl(8, 15), x = rnorm(120))
  mean <- exp(1 + 0.3 * d$x + 0.3 * rnorm(8)[d$g])
  d$even <- as.numeric(round(mean))
  d$y <- rnbinom(120, mu = mean, size = 1)
  poisson <- rglmm(even ~ x + (1 | g), d, nbinom2) |> suppressMessages()
  expect_gt(poisson$glmm$shape, 1e4)
  new <- rglmm(y ~ x + (1 | g), d, nbinom2)
  expect_equal(
    as.numeric(logLik(refit(poisson, d$y))),
    as.numeric(logLik(new)),
    tolerance = 1e-7
  )
  d$both <- rpois(120, exp(1 + 1.5 * d$x))
  larger <- rglmm(both ~ x + (1 | g), d, nbinom2) |> suppressMessages()
  smaller <- rglmm(both ~ 1 + (1 | g), d, nbinom2)
  dropped <- drop1(larger, test = "Chisq")
  expect_equal(dropped["x", "AIC"], AIC(smaller), tolerance = 1e-6)
})

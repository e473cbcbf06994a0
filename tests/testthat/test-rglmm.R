# Arguments of rglmm(), figures known from elsewhere, and covariates far from zero.

test_that("nAGQ: fast fits and quadrature", {
  skip_if_not_installed("lme4")
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  expect_like_glmer(
    rglmm(formula, cbpp, binomial, nAGQ = 0),
    glmer(formula, cbpp, binomial, nAGQ = 0)
  )
  # Before version 2 lme4 leaves out the constants of the saturated model here.
  saturated <- sum(dbinom(
    cbpp$incidence,
    cbpp$size,
    cbpp$incidence / cbpp$size,
    log = TRUE
  ))
  if (utils::packageVersion("lme4") >= "2.0") {
    saturated <- 0
  }
  ours <- rglmm(formula, cbpp, binomial, nAGQ = 9)
  expect_like_glmer(
    ours,
    glmer(formula, cbpp, binomial, nAGQ = 9),
    constant = saturated
  )
})

test_that("the known figures of Contraception and VerbAgg are met", {
  skip_on_cran()
  formula <- use ~ 1 + age + I(age^2) + livch + urban + (1 | district)
  deviance <- function(...) {
    round(
      -2 * as.numeric(logLik(rglmm(formula, Contraception, binomial, ...))),
      2
    )
  }
  found <- c(
    deviance(),
    deviance(nAGQ = 0),
    deviance(nAGQ = 9),
    deviance(nAGQ = 9, fast = TRUE)
  )
  expect_equal(found, c(2372.73, 2372.78, 2372.46, 2372.51))
  formula <- r2 ~ 1 +
    Anger +
    Gender +
    btype +
    situ +
    mode +
    (1 | id) +
    (1 | item)
  expect_equal(
    -2 * as.numeric(logLik(rglmm(formula, VerbAgg, binomial))),
    8135.8329,
    tolerance = 1e-8
  )
  formula <- r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)
  fast <- rglmm(formula, VerbAgg, binomial, nAGQ = 0)
  full <- rglmm(formula, VerbAgg, binomial)
  expect_equal(-2 * as.numeric(logLik(fast)), 8151.583340, tolerance = 1e-9)
  expect_equal(-2 * as.numeric(logLik(full)), 8151.399838, tolerance = 1e-7)
})

test_that("quadrature over two effects converges to the integral", {
  d <- glmm_data(n = 60, levels = 4)
  set.seed(5)
  d$y <- rbinom(nrow(d), 1, plogis(d$eta))
  fit <- suppressMessages(rglmm(y ~ x + (x | g), d, binomial, nAGQ = 25))
  lambda <- getME(fit, "lambda")[[1]]
  z <- seq(-8, 8, by = 0.1)
  grid <- as.matrix(expand.grid(z, z))
  density <- dnorm(grid[, 1]) * dnorm(grid[, 2]) * 0.01
  by_level <- vapply(
    split(d, d$g),
    \(part) {
      eta <- drop(cbind(1, part$x) %*% fixef(fit)) +
        cbind(1, part$x) %*% lambda %*% t(grid)
      log(sum(
        density * exp(colSums(dbinom(part$y, 1, plogis(eta), log = TRUE)))
      ))
    },
    0
  )
  expect_equal(as.numeric(logLik(fit)), sum(by_level), tolerance = 1e-6)
})

test_that("start, etastart and mustart change the way, not the end", {
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  fit <- rglmm(formula, cbpp, binomial)
  starts <- list(
    0.3,
    list(theta = 2),
    list(theta = 1, fixef = c(-1, 0, 0, 0)),
    list(beta = c(-1, 0, 0, 0))
  )
  for (start in starts) {
    expect_equal(
      logLik(rglmm(formula, cbpp, binomial, start = start)),
      logLik(fit),
      tolerance = 1e-8
    )
  }
  expect_equal(
    logLik(rglmm(formula, cbpp, binomial, etastart = rep(-1, 56))),
    logLik(fit),
    tolerance = 1e-8
  )
  expect_equal(
    logLik(rglmm(formula, cbpp, binomial, mustart = rep(0.2, 56))),
    logLik(fit),
    tolerance = 1e-8
  )
  expect_error(
    rglmm(formula, cbpp, binomial, start = list(fixef = 1)),
    class = "rlmm_error_start"
  )
  expect_error(
    rglmm(formula, cbpp, binomial, mustart = rep(2, 56)),
    class = "rlmm_error_start"
  )
  expect_no_warning(try(
    rglmm(formula, cbpp, binomial, mustart = rep(2, 56)),
    silent = TRUE
  ))
  bobyqa <- rglmm(
    formula,
    cbpp,
    binomial,
    control = rlmm_control(optimizer = "LN_BOBYQA")
  )
  expect_equal(logLik(bobyqa), logLik(fit), tolerance = 1e-6)
})

test_that("wrong nAGQ and unknown arguments are errors", {
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  for (nodes in list(-1, 101, 1.5, NA, "a", c(1, 2))) {
    expect_error(
      rglmm(formula, cbpp, binomial, nAGQ = nodes),
      class = "rlmm_error_nagq"
    )
  }
  crossed <- r2 ~ Anger + (1 | id) + (1 | item)
  expect_error(
    rglmm(crossed, VerbAgg, binomial, nAGQ = 9),
    "0 or 1 for this model, not 9",
    class = "rlmm_error_nagq"
  )
  expect_error(
    rglmm(
      cbind(incidence, size - incidence) ~ 1 + (period | herd),
      cbpp,
      binomial,
      nAGQ = 50
    ),
    "at most 31",
    class = "rlmm_error_nagq"
  )
  expect_error(
    rglmm(TICKS ~ 1 + cs(0 + YEAR | LOCATION), grouseticks, poisson, nAGQ = 3),
    "YEAR",
    class = "rlmm_error_nagq"
  )
  expect_error(
    rglmm(formula, cbpp, binomial, REML = TRUE),
    "`rglmm\\(\\)`",
    class = "rlmm_error_unknown_argument"
  )
})

test_that("verbose = 3 prints the PIRLS course of the seed", {
  skip_on_cran()
  formula <- r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)
  # The start that document 000 prints (its order of coefficients is another one).
  beta <- c(
    0.2060530221032278,
    0.039940376051149876,
    0.23131667674984455,
    -0.7941857249205364,
    -1.5391882085456923,
    -0.7766556048305918
  )
  fit_aloud <- function(...) {
    rglmm(formula, VerbAgg, binomial, start = list(fixef = beta), nAGQ = 0, ...)
  }
  # The first line names the engine.
  printed <- utils::capture.output(fit <- fit_aloud(verbose = 3))[-1]
  number <- function(lines) as.numeric(sub("^.* = ", "", lines))
  expect_equal(printed[1], "vary\u03b2 = true")
  # There it is enlarged, so that the first step need not go downhill.
  expect_match(printed[2], "^obj\u2080 = ")
  expect_equal(
    1.0001 * number(printed[2]),
    10210.853438905404,
    tolerance = 1e-13
  )
  expect_equal(
    printed[3],
    "\u03b2 = [0.206053, 0.0399404, 0.231317, -0.794186, -1.53919, -0.776656]"
  )
  expect_equal(printed[seq(4, 14, 2)], paste("iter =", 1:6))
  course <- c(
    8301.483049027265,
    8205.604285133919,
    8201.89659746689,
    8201.848598910705,
    8201.848559060705,
    8201.848559060621
  )
  expect_equal(number(printed[seq(5, 15, 2)]), course, tolerance = 1e-13)
  expect_true("f_1: 8201.84856 [1.0, 1.0]" %in% printed)
  # Each evaluation has its own course; 1 and 2 print the evaluations alone.
  expect_gte(sum(startsWith(printed, "obj\u2080")), fit$optsum$feval)
  short <- utils::capture.output(fit <- fit_aloud(verbose = 1))
  expect_match(short[1], "^Engine: exact")
  expect_true(all(startsWith(short[-1], "f_")))
  expect_length(short[-1], fit$optsum$feval)
})

test_that("a covariate far from its origin changes nothing but the intercept", {
  # The mean of a year or a time stamp is many of its standard deviations: the model in x and that
  # in x + m are the same.
  set.seed(1)
  data <- data.frame(g = gl(20, 20), z = rnorm(400))
  data$y <- rpois(400, exp(0.3 + 0.3 * data$z + 0.5 * rnorm(20)[data$g]))
  near <- rglmm(y ~ z + (1 | g), data, family = poisson)
  for (optimizer in list(NULL, "LN_BOBYQA")) {
    data$x <- data$z + 1e6
    far <- rglmm(
      y ~ x + (1 | g),
      data,
      family = poisson,
      control = rlmm_control(
        optimizer = optimizer,
        ftol_abs = 1e-10,
        ftol_rel = 0
      )
    )
    expect_equal(logLik(far), logLik(near), tolerance = 1e-9)
    back <- rbind(c(1, 1e6), c(0, 1))
    expect_equal(
      drop(back %*% fixef(far)),
      unname(fixef(near)),
      tolerance = 1e-6
    )
    for (hessian in c(TRUE, FALSE)) {
      expect_equal(
        sqrt(diag(vcov(far, use.hessian = hessian)))[[2L]],
        sqrt(diag(vcov(near, use.hessian = hessian)))[[2L]],
        tolerance = 1e-5
      )
      expect_equal(
        back %*% vcov(far, use.hessian = hessian) %*% t(back),
        unname(vcov(near, use.hessian = hessian)),
        tolerance = 1e-3
      )
    }
    expect_equal(ranef(far), ranef(near), tolerance = 1e-5)
    expect_equal(hatvalues(far), hatvalues(near), tolerance = 1e-5)
    expect_equal(
      predict(far, data[1:5, ]),
      predict(near, data[1:5, ]),
      tolerance = 1e-6
    )
    expect_equal(certificate(far)$verdict, "optimal")
  }
})

test_that("a singular optimum whose directions must turn is found", {
  # -2 logLik and theta by lme4 2.1 (bobyqa); the gradient is zero 3e-4 above it, at a saddle.
  set.seed(37)
  d <- list(n = sample(c(6, 12, 18, 30), 1) * sample(c(4, 10), 1))
  d$g <- gl(12, 4)
  d$x <- rnorm(d$n)
  expect_equal(d$n, 48)
  d$y <- as.integer(strsplit(
    "110101111101101111111101001111010001110011111010",
    ""
  )[[1L]])
  fit <- suppressMessages(rglmm(
    y ~ x + (x | g),
    as.data.frame(d[-1L]),
    binomial("cloglog")
  ))
  expect_lt(-2 * as.numeric(logLik(fit)), 58.9391359712 + 1e-6)
  expect_equal(abs(fit$theta[1:2]), c(0.0066, 0.3788), tolerance = 1e-2)
  expect_equal(certificate(fit)$verdict, "optimal")
})

test_that("verbose is not negative", {
  expect_error(
    rglmm(y ~ 1 + (1 | g), data.frame(y = 1, g = 1), poisson, verbose = -1),
    class = "rlmm_error_argument"
  )
})

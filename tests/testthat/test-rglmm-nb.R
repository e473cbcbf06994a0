nb_data <- function() {
  d <- glmm_data()
  set.seed(4)
  d$nb <- rnbinom(nrow(d), size = 2, mu = exp(d$eta))
  d
}

test_that("theta is estimated together with the rest", {
  d <- nb_data()
  fit <- rglmm_nb(nb ~ x + (1 | g), d)
  # glmer.nb() of lme4 2.1, which searches for theta by a line search.
  expect_equal(as.numeric(logLik(fit)), -399.893772, tolerance = 1e-7)
  expect_equal(attr(logLik(fit), "df"), 4)
  expect_equal(getME(fit, "glmer.nb.theta"), 1.255945401, tolerance = 1e-5)
  expect_equal(unname(fixef(fit)), c(0.28283203, 0.31087608), tolerance = 5e-5)
  expect_equal(unname(getME(fit, "theta")), 0.40559497, tolerance = 5e-5)
  expect_equal(family(fit)$family, "Negative Binomial(1.2559)")
  expect_match(
    paste(format(fit), collapse = "\n"),
    "Negative Binomial\\(1.2559\\) \\(log\\)"
  )
  expect_equal(certificate(fit)$verdict, "optimal")
})

test_that("with the observed information it is glmmTMB's, standard errors and all", {
  fit <- rglmm_nb(nb ~ x + (1 | g), nb_data(), information = "observed")
  # glmmTMB 1.1.14, nbinom2
  expect_equal(as.numeric(logLik(fit)), -399.9250029, tolerance = 1e-9)
  expect_equal(getME(fit, "glmer.nb.theta"), 1.253589, tolerance = 1e-5)
  expect_equal(unname(fixef(fit)), c(0.30377873, 0.31369953), tolerance = 1e-5)
  expect_equal(
    unname(sqrt(diag(vcov(fit)))),
    c(0.1189989, 0.0843168),
    tolerance = 1e-5
  )
  shape <- summary(fit)$shape
  expect_equal(
    shape[["std_error"]] / shape[["estimate"]],
    0.2101812,
    tolerance = 1e-5
  )
})

test_that("nbinom2() is glmmTMB's negative binomial", {
  observed <- rglmm_nb(nb ~ x + (1 | g), nb_data(), information = "observed")
  # The object of glmmTMB's function, as far as its elements matter here.
  theirs <- structure(list(family = "nbinom2", link = "log"), class = "family")
  for (given in list(nbinom2(), nbinom2, "nbinom2", theirs)) {
    fit <- rglmm(nb ~ x + (1 | g), nb_data(), family = given)
    # glmmTMB 1.1.14, nbinom2
    expect_equal(as.numeric(logLik(fit)), -399.9250029, tolerance = 1e-9)
    expect_equal(family(fit)$theta, 1.253589, tolerance = 1e-5)
    expect_equal(vcov(fit), vcov(observed), tolerance = 1e-9)
  }
  expected <- rglmm(
    nb ~ x + (1 | g),
    nb_data(),
    family = nbinom2(),
    information = "expected"
  )
  nb <- rglmm_nb(nb ~ x + (1 | g), nb_data())
  expect_equal(logLik(expected), logLik(nb), tolerance = 1e-12)
  expect_equal(
    logLik(refit(fit)),
    logLik(fit),
    tolerance = 1e-12
  )
  expect_equal(
    logLik(update(fit, . ~ . - x)),
    logLik(rglmm(nb ~ 1 + (1 | g), nb_data(), family = nbinom2())),
    tolerance = 1e-10
  )
})

test_that("a fit at the estimated theta has the same estimates", {
  fit <- rglmm_nb(nb ~ x + (1 | g), nb_data())
  known <- rglmm(nb ~ x + (1 | g), nb_data(), family(fit))
  expect_equal(
    as.numeric(logLik(known)),
    as.numeric(logLik(fit)),
    tolerance = 1e-9
  )
  expect_equal(fixef(known), fixef(fit), tolerance = 1e-5)
  expect_equal(attr(logLik(fit), "df") - attr(logLik(known), "df"), 1)
})

test_that("methods know of theta", {
  d <- nb_data()
  fit <- rglmm_nb(nb ~ x + (1 | g), d)
  smaller <- update(fit, . ~ . - x)
  expect_equal(smaller$call[[1]], quote(rglmm_nb))
  expect_equal(anova(fit, smaller)$Df[2], 1)
  again <- refit(fit, simulate(fit, seed = 1))
  expect_false(getME(again, "glmer.nb.theta") == getME(fit, "glmer.nb.theta"))
  expect_equal(refit(fit)$dev$objective, fit$dev$objective, tolerance = 1e-8)
  # The order of draws is lme4's: these are the first of simulate() of its fit at seed 1.
  expect_equal(head(simulate(fit, seed = 1)$sim_1, 5), c(1, 1, 1, 3, 0))
  expect_equal(
    as.function(fit)(getME(fit, "devarg")),
    fit$dev$objective,
    tolerance = 1e-10
  )
  expect_named(
    getME(fit, "devarg"),
    c("g.(Intercept)", "(Intercept)", "x", "log(theta)")
  )
  slim <- rglmm_nb(nb ~ x + (1 | g), d, control = rlmm_control(slim = TRUE))
  expect_equal(summary(slim)$shape, summary(fit)$shape, tolerance = 1e-4)
})

test_that("counts without overdispersion, and wrong arguments, are told", {
  d <- nb_data()
  set.seed(1)
  d$pois <- rpois(nrow(d), 3)
  quiet <- rlmm_control(check_conv_singular = "ignore")
  expect_message(
    rglmm_nb(pois ~ x + (1 | g), d, control = quiet),
    "infinity",
    class = "rlmm_message_poisson"
  )
  expect_error(
    rglmm_nb(nb ~ x + (1 | g), d, family = poisson),
    class = "rlmm_error_family"
  )
  expect_error(
    rglmm_nb(nb ~ x + (1 | g), d, link = "logit"),
    class = "rlmm_error_family"
  )
  expect_error(
    rglmm_nb(-nb ~ x + (1 | g), d),
    "negative binomial",
    class = "rlmm_error_response_range"
  )
})

test_that("standard errors and intervals without overdispersion are those of a Poisson model", {
  set.seed(1)
  d <- data.frame(g = factor(sample(20, 600, TRUE)), x = rnorm(600))
  d$y <- rpois(600, exp(1 + 0.3 * d$x + rnorm(20, sd = 0.5)[d$g]))
  formula <- y ~ x + (1 | g)
  right <- rglmm(formula, d, poisson)
  fit <- suppressMessages(rglmm_nb(formula, d))
  expect_equal(vcov(fit), vcov(right), tolerance = 1e-6)
  expect_equal(
    predict(fit, d[1:3, ], interval = "confidence"),
    predict(right, d[1:3, ], interval = "confidence"),
    tolerance = 1e-6
  )
  expect_true(is.na(summary(fit)$shape[["std_error"]]))
  expect_false(any(grepl("std. error", capture.output(print(fit)))))
})

test_that("a large factor's levels have the standard errors of a Poisson model there", {
  set.seed(2)
  d <- data.frame(
    firm = factor(rep(1:25, 40)),
    g = factor(sample(30, 1000, TRUE)),
    z = rnorm(1000)
  )
  eta <- 1 + rnorm(25, sd = 0.3)[d$firm] + rnorm(30, sd = 0.3)[d$g]
  d$y <- rpois(1000, exp(eta + 0.2 * d$z))
  rlang::local_options(rlmm.large_factor = 20)
  fit <- suppressMessages(rglmm_nb(y ~ firm * z + (1 | g), d))
  right <- rglmm(y ~ firm * z + (1 | g), d, poisson)
  expect_equal(
    fixed_levels(fit)$std.error,
    fixed_levels(right)$std.error,
    tolerance = 1e-3
  )
})

# A step of the search tries a standard deviation of 600, at which PIRLS fails far from the modes.
test_that("a failed search for the modes doesn't decide the next ones", {
  skip_if_not_installed("mlmRev")
  env <- new.env()
  data(list = "egsingle", package = "mlmRev", envir = env)
  d <- env$egsingle[1:1000, ]
  formula <- grade ~ (1 | schoolid) + (1 | childid)
  expect_message(
    fit <- rglmm(formula, d, nbinom2),
    class = "rlmm_message_poisson"
  )
  poisson <- suppressMessages(rglmm(formula, d, poisson))
  expect_equal(
    as.numeric(logLik(fit)),
    as.numeric(logLik(poisson)),
    tolerance = 1e-6
  )
  expect_equal(fixef(fit), fixef(poisson), tolerance = 1e-4)
})

# Nearly each row has a random effect of its own, which may stand in for the overdispersion.
test_that("the limit without overdispersion is found beside effects of rows", {
  d <- data.frame(
    y = c(
      c(0, 2, 9, 1, 0, 0, 4, 3, 5, 3, 0, 0, 2, 2, 2, 0, 0, 1, 0, 0),
      c(3, 8, 3, 0, 1, 2, 2, 1, 4, 3, 0, 3, 3, 1, 5, 1, 4, 3, 0, 0)
    ),
    x = c(
      c(0.2905, 0.0898, -0.3041, -0.0088, -0.1935, 0.0106, -0.0625, 0.3646),
      c(0.2375, -0.2955, -0.3774, 0.2274, 0.3892, -0.1884, 0.2656, 0.0541),
      c(0.3119, -0.4933, 0.3659, -1.0579, -0.2352, 0.8649, 0.0954, 0.4453),
      c(-0.0038, 0.3349, -0.6376, -0.1546, 0.5617, -0.7473, 0.5526, 0.1161),
      c(-0.8494, -0.2209, 0.824, 0.2809, -0.6318, 0.1538, 0.2774, -0.3114)
    ),
    f = factor(strsplit("baababcaaaccbacccbacaaabcaacbcbbbabbbaab", "")[[1L]]),
    g = factor(
      c(
        c(12, 2, 1, 2, 14, 12, 9, 9, 9, 10, 2, 2, 8, 2, 9, 4, 8, 8, 2, 2),
        c(8, 8, 9, 12, 8, 9, 2, 1, 9, 2, 8, 2, 9, 4, 9, 2, 2, 12, 2, 2)
      )
    ),
    h = factor(c(1, 1:39))
  )
  expect_message(
    fit <- rglmm(y ~ f + x + (1 | g) + (1 | g:h), d, nbinom2),
    class = "rlmm_message_poisson"
  )
  # glmer(family = poisson) of lme4 1.1-31
  expect_equal(-2 * as.numeric(logLik(fit)), 146.0058842, tolerance = 1e-7)
  # The shape of nbinom1() has its limit at zero.
  fit <- suppressMessages(rglmm(y ~ f + x + (1 | g) + (1 | g:h), d, nbinom1))
  expect_lt(-2 * as.numeric(logLik(fit)), 146.00589)
})

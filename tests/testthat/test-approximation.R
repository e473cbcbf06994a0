dispersed_data <- function() {
  d <- glmm_data()
  set.seed(3)
  d$gam <- rgamma(nrow(d), shape = 4, scale = exp(d$eta) / 4)
  d$gau <- exp(d$eta) + rnorm(nrow(d), sd = 0.5)
  set.seed(2)
  d$bin <- rbinom(nrow(d), d$w, plogis(d$eta))
  d
}

expect_known <- function(fit, log_lik, beta, sds, std_error, tolerance) {
  expect_equal(
    as.numeric(logLik(fit)),
    log_lik,
    tolerance = min(tolerance, 5e-6)
  )
  expect_equal(unname(fixef(fit)), beta, tolerance = tolerance)
  expect_equal(as.data.frame(VarCorr(fit))$sdcor, sds, tolerance = tolerance)
  expect_equal(
    unname(sqrt(diag(vcov(fit)))),
    std_error,
    tolerance = 10 * tolerance
  )
}

# lme4 stops its own search for phi early: its log-likelihoods are off by 5e-4.
test_that("a profiled dispersion is that of lme4 2.1", {
  d <- dispersed_data()
  fit <- rglmm(gam ~ x + (1 | g), d, Gamma("log"))
  expect_known(
    fit,
    -260.3470679,
    c(0.31178531, 0.43232513),
    c(0.43853951, 0.52493078),
    c(0.09534617, 0.03610013),
    5e-5
  )
  expect_equal(deviance(fit), 59.24101, tolerance = 1e-4)
  expect_equal(
    unname(weights(fit, type = "working")[1:2]),
    c(3.629075, 3.629075),
    tolerance = 1e-4
  )
  expect_equal(
    unname(residuals(fit)[1:2]),
    c(-0.6659016, -0.2257249),
    tolerance = 1e-3
  )
  fit <- rglmm(gam ~ x + (1 | g), d, inverse.gaussian("log"))
  expect_known(
    fit,
    -285.8492695,
    c(0.31455012, 0.46594139),
    c(0.46726541, 0.54396233),
    c(0.10502086, 0.04491676),
    5e-5
  )
  fit <- rglmm(gau ~ x + (1 | g), d, gaussian("log"), mustart = pmax(gau, 0.1))
  expect_known(
    fit,
    -229.4429824,
    c(0.32076604, 0.43014578),
    c(0.42384801, 0.55170886),
    c(0.09169221, 0.02161407),
    5e-5
  )
})

test_that("an estimated dispersion with the observed information is glmmTMB's", {
  d <- dispersed_data()
  observed <- function(...) {
    rglmm(..., dispersion = "estimated", information = "observed")
  }
  # glmmTMB 1.1.14
  fit <- observed(gam ~ x + (1 | g), d, Gamma("log"))
  expect_known(
    fit,
    -261.349418,
    c(0.32324361, 0.43231746),
    c(0.43569, 0.50821939),
    c(0.09487953, 0.03608390),
    2e-5
  )
  fit <- observed(
    gau ~ x + (1 | g),
    d,
    gaussian("log"),
    mustart = pmax(gau, 0.1)
  )
  expect_known(
    fit,
    -230.3836258,
    c(0.31498860, 0.43017814),
    c(0.42501, 0.54696),
    c(0.09205517, 0.02161054),
    2e-5
  )
  fit <- rglmm(
    cbind(bin, w - bin) ~ x + f + (1 | g),
    d,
    binomial("probit"),
    information = "observed"
  )
  expect_equal(as.numeric(logLik(fit)), -358.0262375, tolerance = 1e-9)
  expect_equal(
    unname(sqrt(diag(vcov(fit)))),
    c(0.08382830, 0.04153507, 0.09341203, 0.09022786),
    tolerance = 2e-5
  )
})

test_that("where the dispersion is in the weights, conditional variances have it once", {
  d <- dispersed_data()
  for (kind in c("profiled", "estimated")) {
    fit <- rglmm(gam ~ x + (1 | g), d, Gamma("log"), dispersion = kind)
    theta <- getME(fit, "theta")[[1]]
    precision <- tapply(weights(fit, type = "working"), d$g, sum) + 1 / theta^2
    expect_equal(
      as.vector(condVar(fit)$g),
      as.vector(1 / precision),
      tolerance = 1e-6
    )
    expect_equal(attr(VarCorr(fit)$g, "stddev")[[1]], theta)
  }
  # The moment's is relative to sigma.
  fit <- rglmm(gam ~ x + (1 | g), d, Gamma("log"), dispersion = "moment")
  expect_equal(
    attr(VarCorr(fit)$g, "stddev")[[1]],
    sigma(fit) * getME(fit, "theta")[[1]]
  )
})

test_that("a profiled dispersion is found along with the modes", {
  set.seed(2)
  d <- data.frame(g = factor(rep(1:100, each = 20)), x = rnorm(2000))
  d$y <- rgamma(2000, 2, 2 / exp(d$x / 3 + rnorm(100, sd = 0.5)[d$g]))
  for (family in list(Gamma("log"), gaussian("log"))) {
    course <- opt_summary(rglmm(y ~ x + (1 | g), d, family))
    evaluations <- course$feval + course$fast$feval
    # Where the modes were found anew for each of several dispersions there were 11 and 12.
    expect_lt(course$pirls_iterations / evaluations, 10)
  }
})

test_that("structures with a correlation are those of glmmTMB", {
  d <- dispersed_data()
  # glmmTMB 1.1.14: cs, homcs, ar1, hetar1, diag
  known <- list(
    list(
      cbind(bin, w - bin) ~ x + cs(0 + f | g),
      -358.1005498,
      c(0.523144, 0.435515, 0.509321),
      0.63317
    ),
    list(
      cbind(bin, w - bin) ~ x + cs(0 + f | g, hom = TRUE),
      -358.1959688,
      rep(0.492592, 3),
      0.628656
    ),
    list(
      cbind(bin, w - bin) ~ x + ar1(0 + f | g),
      -358.6060404,
      rep(0.48575, 3),
      0.740007
    ),
    list(
      cbind(bin, w - bin) ~ x + ar1(0 + f | g, hom = FALSE),
      -358.443221,
      c(0.521039, 0.407020, 0.508214),
      0.759716
    ),
    list(
      cbind(bin, w - bin) ~ x + diag(0 + f | g),
      -360.7385702,
      c(0.526681, 0.422894, 0.500456),
      0
    )
  )
  for (case in known) {
    fit <- rglmm(case[[1]], d, binomial)
    expect_equal(as.numeric(logLik(fit)), case[[2]], tolerance = 1e-9)
    expect_equal(
      unname(attr(VarCorr(fit)$g, "stddev")),
      case[[3]],
      tolerance = 5e-5
    )
    expect_equal(
      attr(VarCorr(fit)$g, "correlation")[1, 2],
      case[[4]],
      tolerance = 5e-5
    )
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

test_that("what quadrature can't do is refused", {
  d <- dispersed_data()
  expect_error(
    rglmm(gam ~ x + (1 | g), d, Gamma("log"), nAGQ = 5),
    "estimated",
    class = "rlmm_error_nagq"
  )
  expect_no_error(rglmm(
    gam ~ x + (1 | g),
    d,
    Gamma("log"),
    nAGQ = 5,
    dispersion = "estimated"
  ))
  expect_error(
    rglmm(cbind(bin, w - bin) ~ x + cs(0 + f | g), d, binomial, nAGQ = 3),
    class = "rlmm_error_nagq"
  )
  expect_error(
    rglmm(gam ~ x + (1 | g), d, Gamma("log"), dispersion = "ml"),
    class = "rlmm_error_argument"
  )
  expect_error(
    rglmm(gam ~ x + (1 | g), d, Gamma("log"), information = 1),
    class = "rlmm_error_argument"
  )
  expect_error(
    rglmm(gam ~ x + (1 | g), d, Gamma("log"), fast = NA),
    class = "rlmm_error_argument"
  )
  d$row <- factor(seq_len(nrow(d)))
  loose <- rlmm_control(check_nobs_vs_nlev = "ignore")
  expect_error(
    rglmm(gam ~ x + (1 | row), d, Gamma("log"), control = loose),
    class = "rlmm_error_dispersion"
  )
})

test_that("a profiled dispersion agrees with its deviance, where lme4 stops on the way", {
  set.seed(8)
  d <- data.frame(id = gl(150, 4), week = rep(c(0, 1, 3, 6), 150))
  mu <- exp(1.6 - 0.04 * d$week + rnorm(150, sd = 0.2)[d$id])
  d$y <- rgamma(600, 10, 10 / mu)
  fit <- rglmm(y ~ week + (1 | id), d, Gamma("log"))
  # lme4 2.1, updateGlmerDevfun() with glmerControl(tolPwrss = 1e-13, maxPhiIter = 10000); by
  # default, with 100 steps, it has 2258.5865681.
  expect_equal(
    as.function(fit)(c(0.2, 1.6, -0.04)),
    2258.6095704619,
    tolerance = 1e-9
  )
})

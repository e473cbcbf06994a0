# Generalized models are those of lme4's glmer().

test_that("cbpp is lme4's, in every form of the response", {
  skip_if_not_installed("lme4")
  counts <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  ours <- rglmm(counts, cbpp, binomial)
  expect_s3_class(ours, c("rlmm_glmm", "rlmm"), exact = TRUE)
  expect_like_glmer(ours, glmer(counts, cbpp, binomial))
  expect_equal(deviance(ours), sum(residuals(ours)^2))
  shares <- rglmm(
    incidence / size ~ period + (1 | herd),
    cbpp,
    "binomial",
    weights = size
  )
  expect_equal(logLik(shares), logLik(ours), tolerance = 1e-9)
  expect_equal(fixef(shares), fixef(ours), tolerance = 1e-5)
  # One row per animal: the same but for the binomial coefficients.
  long <- cbpp[rep(seq_len(nrow(cbpp)), cbpp$size), ]
  long$ill <- unlist(Map(
    \(k, n) rep(1:0, c(k, n - k)),
    cbpp$incidence,
    cbpp$size
  ))
  fits <- list(
    rglmm(ill ~ period + (1 | herd), long, binomial()),
    rglmm(ill == 1 ~ period + (1 | herd), long, binomial),
    rglmm(
      factor(ill, labels = c("no", "yes")) ~ period + (1 | herd),
      long,
      binomial
    )
  )
  constant <- sum(lchoose(cbpp$size, cbpp$incidence))
  for (fit in fits) {
    expect_equal(
      as.numeric(logLik(fit)) + constant,
      as.numeric(logLik(ours)),
      tolerance = 1e-8
    )
    expect_equal(fixef(fit), fixef(ours), tolerance = 1e-5)
  }
})

test_that("other links, families, weights and offsets are lme4's", {
  skip_if_not_installed("lme4")
  d <- glmm_data()
  set.seed(2)
  d$bin <- rbinom(nrow(d), d$w, plogis(d$eta))
  d$pois <- rpois(nrow(d), d$w * exp(d$eta))
  for (link in c("logit", "probit", "cloglog", "cauchit")) {
    family <- binomial(link)
    formula <- cbind(bin, w - bin) ~ x + f + (1 | g)
    expect_like_glmer(rglmm(formula, d, family), glmer(formula, d, family))
  }
  for (link in c("log", "sqrt")) {
    family <- poisson(link)
    formula <- pois ~ x + f + (x | g)
    expect_like_glmer(
      rglmm(formula, d, family),
      glmer(formula, d, family),
      tolerance = 5e-3
    )
  }
  rate <- rglmm(pois ~ x + f + (1 | g), d, poisson, offset = log(w))
  expect_like_glmer(
    rate,
    glmer(pois ~ x + f + (1 | g), d, poisson, offset = log(w))
  )
  inside <- rglmm(pois ~ x + f + offset(log(w)) + (1 | g), d, poisson)
  expect_equal(fixef(inside), fixef(rate))
})

test_that("the moment estimate of the dispersion is that of lme4 1.1", {
  skip_if_not_installed("lme4")
  skip_if(
    utils::packageVersion("lme4") >= "2.0",
    "lme4 2 treats the dispersion in another way"
  )
  d <- glmm_data()
  set.seed(3)
  d$gam <- rgamma(nrow(d), shape = 4, scale = exp(d$eta) / 4)
  control <- lme4::glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10)
  # R's aic() of these families counts the dispersion as a parameter: so does lme4's -2
  # log-likelihood, and its AIC twice.
  formula <- gam ~ x + (1 | g)
  expect_like_glmer(
    rglmm(formula, d, Gamma("log"), dispersion = "moment"),
    glmer(formula, d, Gamma("log"), control = control),
    tolerance = 5e-3,
    constant = 1
  )
  expect_like_glmer(
    rglmm(formula, d, inverse.gaussian("log"), dispersion = "moment"),
    glmer(formula, d, inverse.gaussian("log"), control = control),
    tolerance = 1e-2,
    constant = 1
  )
  d$gau <- exp(d$eta) + rnorm(nrow(d), sd = 0.5)
  formula <- gau ~ x + (1 | g)
  expect_like_glmer(
    rglmm(
      formula,
      d,
      gaussian("log"),
      mustart = pmax(gau, 0.1),
      dispersion = "moment"
    ),
    glmer(
      formula,
      d,
      gaussian("log"),
      mustart = pmax(d$gau, 0.1),
      control = control
    ),
    tolerance = 5e-3,
    constant = 1
  )
})

test_that("a negative binomial with known theta is lme4's", {
  skip_if_not_installed("lme4")
  skip_if_not_installed("MASS")
  d <- glmm_data()
  set.seed(4)
  d$nb <- rnbinom(nrow(d), size = 2, mu = exp(d$eta))
  family <- MASS::negative.binomial(2)
  ours <- rglmm(nb ~ x + (1 | g), d, family)
  # lme4 counts theta as estimated, known or not.
  expect_like_glmer(ours, glmer(nb ~ x + (1 | g), d, family), extra_df = 1)
  expect_equal(getME(ours, "glmer.nb.theta"), 2)
  expect_equal(sigma(ours), 1)
})

test_that("random effects for each observation are allowed where there is no dispersion", {
  skip_if_not_installed("lme4")
  formula <- TICKS ~ YEAR +
    scale(HEIGHT) +
    (1 | BROOD) +
    (1 | INDEX) +
    (1 | LOCATION)
  ours <- rglmm(formula, grouseticks, poisson)
  expect_lt(
    ours$dev$objective,
    -2 * as.numeric(logLik(glmer(formula, grouseticks, poisson))) + 1e-3
  )
})

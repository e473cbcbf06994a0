# Numbers of performance 0.18.2, MuMIn 1.48.19 and lme4 2.1-0.

shares <- function(fit, ...) unlist(variance_explained(fit, ...)[1:4])

test_that("shares of a linear model with slopes are performance's and MuMIn's", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(
    unname(shares(fit)),
    c(0.2786510582, 0.7992199228, 0.7216602596, 0.5205688646),
    tolerance = 1e-5
  )
})

test_that("shares of a Poisson model are theirs, by each method", {
  data <- transform(grouseticks, height = scale(HEIGHT)[, 1])
  fit <- rglmm(
    TICKS ~ YEAR + height + (1 | BROOD),
    data,
    family = poisson
  )
  expect_equal(
    unname(shares(fit)),
    c(0.6219237335, 0.9437057769, 0.8511035258, 0.3217820434),
    tolerance = 2e-4
  )
  expect_equal(
    unname(shares(fit, "delta")[1:2]),
    c(0.6190240140, 0.9393057485),
    tolerance = 2e-4
  )
  expect_equal(
    unname(shares(fit, "trigamma")[1:2]),
    c(0.6156498633, 0.9341858193),
    tolerance = 2e-4
  )
})

test_that("an effect for each observation is overdispersion", {
  data <- transform(grouseticks, height = scale(HEIGHT)[, 1])
  fit <- rglmm(
    TICKS ~ YEAR + height + (1 | BROOD) + (1 | INDEX),
    data,
    family = poisson
  )
  found <- variance_explained(fit)
  # MuMIn counts the effect of each observation as explained.
  each <- found$variances[["INDEX"]] / sum(found$variances)
  expect_equal(
    c(found$r2_marginal, found$r2_conditional + each),
    c(0.5795457500, 0.9486650679),
    tolerance = 1e-3
  )
})

test_that("shares of binomial models are theirs", {
  binomial <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  expect_equal(
    unname(shares(binomial)),
    c(0.3538829772, 0.7760659881, 0.6534157065, 0.4221830109),
    tolerance = 1e-3
  )
})

test_that("shares of a gamma model are theirs", {
  fit <- rglmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    family = Gamma(link = "log")
  )
  expect_equal(
    unname(shares(fit)[1:2]),
    c(0.2756871727, 0.7263858749),
    tolerance = 1e-3
  )
})

test_that("a fit without fixed effects or of held ones has shares, too", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  found <- variance_explained(fit)
  expect_equal(found$r2_marginal, 0)
  expect_equal(found$r2_conditional, found$icc_adjusted)
  expect_snapshot(variance_explained(
    rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  ))
})

test_that("offsets and weights are kept in the model without fixed effects", {
  fit <- rglmm(
    TICKS ~ YEAR + offset(log(HEIGHT)) + (1 | BROOD),
    grouseticks,
    family = poisson
  )
  null <- null_fit(fit)
  expect_equal(names(fixef(null)), "(Intercept)")
  expect_equal(getME(null, "offset"), log(grouseticks$HEIGHT))
})

test_that("Gauss-Hermite quadrature has the moments of the normal distribution", {
  rule <- gauss_hermite(9L)
  moments <- vapply(0:9, \(k) sum(rule$weights * rule$nodes^k), 1)
  expect_equal(moments, c(1, 0, 1, 0, 3, 0, 15, 0, 105, 0))
})

# The closed form with a logarithmic link, exp(eta + v / 2), and its standard errors by the delta
# method with the covariance matrix of glmmTMB 1.1.14.
test_that("marginal means with a log link are the closed form", {
  fit <- rglmm(
    TICKS ~ YEAR + scale(HEIGHT) + (1 | BROOD) + (1 | LOCATION),
    grouseticks,
    family = poisson
  )
  found <- predict(fit, marginal = TRUE, se.fit = TRUE, type = "response")
  v <- sum(vapply(VarCorr(fit), c, 1))
  expect_equal(found$fit, exp(predict(fit, re.form = NA) + v / 2))
  rows <- c(1, 200, 403)
  expect_equal(
    unname(found$fit[rows]),
    c(2.370022799, 6.447233136, 1.268903637),
    tolerance = 1e-5
  )
  expect_equal(
    unname(found$se.fit[rows]),
    c(0.4574970904, 1.1714644256, 0.2687955578),
    tolerance = 1e-5
  )
  link <- predict(
    fit,
    marginal = TRUE,
    se.fit = TRUE,
    interval = "confidence",
    type = "link"
  )
  expect_equal(link$fit[, "fit"], log(found$fit))
  expect_equal(link$se.fit, found$se.fit / found$fit)
  limits <- predict(
    fit,
    marginal = TRUE,
    interval = "confidence",
    type = "response"
  )
  expect_equal(limits[, "upr"], exp(link$fit[, "upr"]))
})

test_that("marginal means with a probit link are the closed form", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial("probit"),
    information = "observed"
  )
  new <- data.frame(period = factor(1:4))
  found <- predict(fit, new, marginal = TRUE, se.fit = TRUE, type = "response")
  eta <- predict(fit, new, re.form = NA)
  expect_equal(found$fit, pnorm(eta / sqrt(1 + VarCorr(fit)$herd[1])))
  theirs <- c(0.03473892097, 0.02701564115, 0.02544589950, 0.02404782633)
  expect_equal(unname(found$se.fit), theirs, tolerance = 1e-4)
})

test_that("marginal means of a linear model are those of the fixed part", {
  fit <- twin("sleep")$ours
  expect_equal(predict(fit, marginal = TRUE), predict(fit, re.form = NA))
})

test_that("a fast fit has marginal means, with the covariance of beta alone", {
  fit <- rglmm(
    TICKS ~ YEAR + (1 | BROOD),
    grouseticks,
    family = poisson,
    nAGQ = 0
  )
  new <- data.frame(YEAR = factor(95:97))
  found <- predict(fit, new, marginal = TRUE, se.fit = TRUE, type = "response")
  x <- cbind(1, rbind(0, diag(2)))
  expect_equal(
    unname(found$se.fit / found$fit),
    sqrt(rowSums((x %*% vcov(fit)) * x))
  )
})

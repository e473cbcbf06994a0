# Residuals against the distribution functions of R, and against each other.

with_mock_response <- function(fit, y, weights) {
  fit$frame <- data.frame(y = y)
  fit$frame[["(weights)"]] <- weights
  fit$family <- list(family = fit$glmm$family)
  quantile_residuals(structure(fit, class = c("rlmm_glmm", "rlmm")), seed = 2)
}

place <- function(fit) {
  residuals(fit, type = "quantile", seed = 1)
}

test_that("without a step they are quantiles of the distribution", {
  linear <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    weights = 1 + Days
  )
  expect_equal(place(linear), residuals(linear, "scaled"))
  expect_equal(
    residuals(linear, type = "dunn-smyth"),
    residuals(linear, type = "quantile")
  )

  gamma <- rglmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    family = Gamma(link = "log")
  )
  phi <- sigma(gamma)^2
  p <- pgamma(sleepstudy$Reaction, 1 / phi, scale = fitted(gamma) * phi)
  expect_equal(unname(place(gamma)), qnorm(p))
})

test_that("the inverse Gaussian's distribution function is the integral of its density", {
  density <- \(y, mu, phi) {
    exp(-(y - mu)^2 / (2 * phi * mu^2 * y)) / sqrt(2 * pi * phi * y^3)
  }
  for (phi in c(0.05, 1)) {
    for (y in c(0.3, 1, 4)) {
      p <- integrate(density, 0, y, mu = 1.5, phi = phi, rel.tol = 1e-10)$value
      expect_equal(inverse_gaussian_probability(y, 1.5, phi, TRUE), p)
      expect_equal(inverse_gaussian_probability(y, 1.5, phi, FALSE), 1 - p)
    }
  }
  expect_equal(
    inverse_gaussian_probability(1, 1, 1e-6, TRUE),
    0.5,
    tolerance = 1e-3
  )
})

test_that("of counts they lie within the step of the distribution function", {
  poisson <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  y <- grouseticks$TICKS
  r <- unname(place(poisson))
  expect_true(all(pnorm(r) >= ppois(y - 1, fitted(poisson)) - 1e-12))
  expect_true(all(pnorm(r) <= ppois(y, fitted(poisson)) + 1e-12))

  binomial <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  r <- unname(place(binomial))
  upper <- with(cbpp, pbinom(incidence, size, fitted(binomial)))
  lower <- with(cbpp, pbinom(incidence - 1, size, fitted(binomial)))
  expect_true(all(pnorm(r) >= lower - 1e-12 & pnorm(r) <= upper + 1e-12))

  nb <- rglmm_nb(TICKS ~ YEAR + (1 | BROOD), grouseticks)
  theta <- family(nb)$theta
  r <- unname(place(nb))
  upper <- pnbinom(y, theta, mu = fitted(nb))
  expect_true(all(pnorm(r) <= upper + 1e-12))
})

test_that("every family has a distribution function, which its draws follow", {
  set.seed(7)
  n <- 4000
  mu <- rep(c(0.2, 0.6), n / 2)
  for (name in names(families)) {
    weights <- rep(if (has_trials(name)) 30 else 1, n)
    draw <- families[[name]]$draw(mu, weights, rep(0.4, n), 1.3)
    fit <- list(
      fitted = mu,
      sigma = sqrt(0.4),
      glmm = list(family = name, shape = 1.3)
    )
    r <- with_mock_response(fit, draw, weights)
    expect_gt(ks.test(r, "pnorm")$p.value, 1e-3, label = name)
  }
})

test_that("far tails have digits", {
  fit <- list(fitted = c(1, 1), sigma = 1, glmm = list(family = "poisson"))
  r <- with_mock_response(fit, c(60, 200), c(1, 1))
  expect_true(all(is.finite(r[1])))
  expect_gt(r[1], 16)
})

test_that("a seed repeats them, and leaves the generator alone", {
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  set.seed(3)
  before <- .Random.seed
  first <- residuals(fit, type = "quantile", seed = 11)
  expect_identical(.Random.seed, before)
  expect_identical(residuals(fit, type = "quantile", seed = 11), first)
  expect_false(identical(residuals(fit, type = "quantile"), first))
  expect_snapshot(
    writeLines(error_lines(residuals(fit, type = "quantile", seed = "a")))
  )
})

test_that("rstudent() of a model without variance is Williams' for glm()", {
  data <- transform(cbpp, herd = factor(herd))
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    data,
    family = binomial,
    control = rlmm_control(fixed = list(theta = c("herd.(Intercept)" = 0)))
  )
  plain <- glm(
    cbind(incidence, size - incidence) ~ period,
    data = data,
    family = binomial
  )
  # What R's own rstudent() was until R 4.6.
  d <- residuals(plain, "deviance")
  p <- residuals(plain, "pearson")
  h <- hatvalues(plain)
  expected <- sign(d) * sqrt(d^2 + h * p^2 / (1 - h))
  expect_equal(rstudent(fit), expected, tolerance = 1e-5)
  free <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    data,
    family = binomial
  )
  expect_false(anyNA(rstudent(free)))
  expect_gt(cor(rstudent(free), rstandard(free)), 0.95)
})

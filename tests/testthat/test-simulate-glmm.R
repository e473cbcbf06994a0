test_that("the same seed draws what lme4 draws", {
  skip_if_not_installed("lme4")
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  ours <- rglmm(formula, cbpp, binomial)
  theirs <- suppressWarnings(lme4::glmer(formula, cbpp, binomial))
  par <- list(theta = getME(ours, "theta"), beta = getME(ours, "beta"))
  expect_equal(
    simulate(ours, 2, seed = 1),
    simulate(theirs, 2, seed = 1, newparams = par),
    ignore_attr = TRUE,
    tolerance = 1e-12
  )
})

test_that("responses have the kind and the mean that the model has", {
  d <- glmm_data()
  set.seed(1)
  d$y <- rbinom(nrow(d), 1, plogis(d$eta)) == 1
  d$f2 <- factor(d$y, labels = c("no", "yes"))
  logical <- simulate(rglmm(y ~ x + (1 | g), d, binomial), seed = 1)$sim_1
  factor <- simulate(rglmm(f2 ~ x + (1 | g), d, binomial), seed = 1)$sim_1
  expect_type(logical, "logical")
  expect_equal(factor, factor(logical, labels = c("no", "yes")))
  d$p <- rgamma(nrow(d), 4, 4 / exp(d$eta))
  for (family in list(Gamma("log"), inverse.gaussian("log"))) {
    fit <- rglmm(p ~ x + (1 | g), d, family)
    draws <- as.matrix(simulate(fit, 2000, seed = 1, re.form = NULL))
    expect_equal(
      rowMeans(draws),
      fitted(fit),
      tolerance = 0.05,
      ignore_attr = TRUE
    )
    sd <- sigma(fit) * sqrt(family$variance(fitted(fit)))
    expect_equal(
      apply(draws, 1, stats::sd),
      sd,
      tolerance = 0.1,
      ignore_attr = TRUE
    )
  }
})

test_that("new rows have as many trials as they say", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  new <- data.frame(period = "1", herd = "1", incidence = 0, size = c(10, 1000))
  drawn <- simulate(fit, seed = 1, newdata = new)$sim_1
  expect_equal(rowSums(drawn), c(10, 1000), ignore_attr = TRUE)
})

test_that("another family draws at the same linear predictors", {
  skip_if_not_installed("MASS")
  d <- data.frame(x = rep(1:5, 20) / 5, g = rep(1:20, each = 5))
  d$y <- withr::with_seed(1, rpois(100, exp(0.5 + d$x)))
  fit <- suppressMessages(rglmm(y ~ x + (1 | g), d, poisson))
  draws <- simulate(
    fit,
    2000,
    seed = 1,
    family = MASS::negative.binomial(2),
    use.u = TRUE
  )
  expect_equal(rowMeans(draws), fitted(fit), tolerance = 0.05)
  expect_equal(
    unname(apply(draws, 1L, var)),
    unname(fitted(fit) + fitted(fit)^2 / 2),
    tolerance = 0.1
  )
})

test_that("families that can't be drawn are told", {
  linear <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  expect_identical(
    simulate(linear, seed = 1, family = gaussian),
    simulate(linear, seed = 1)
  )
  expect_snapshot({
    error_lines(simulate(linear, family = poisson))
    error_lines(simulate(linear, family = gaussian("log")))
    error_lines(simulate(herds, family = poisson))
  })
})

test_that("means outside of the family's range are told of, once", {
  withr::local_seed(3)
  d <- data.frame(g = gl(20, 20), x = rnorm(400))
  d$y <- rbinom(400, 1, pmin(0.9, exp(-1 + 0.2 * d$x + 0.2 * rnorm(20)[d$g])))
  fit <- rglmm(y ~ x + (1 | g), d, binomial("log"))
  wide <- list(theta = 2)
  told <- expect_warning(
    y <- simulate(fit, seed = 1, newparams = wide)[[1]],
    "outside of its range.*link `log`",
    class = "rlmm_warning_simulate"
  )
  expect_true(anyNA(y))
  expect_silent(simulate(fit, seed = 1, newparams = list(theta = 0)))
})

test_that("linear predictors without a mean are told of, once", {
  withr::local_seed(4)
  d <- data.frame(g = gl(10, 12), x = runif(120))
  d$y <- rgamma(120, 8, 8 / sqrt(1 / (1 + d$x + 0.2 * rnorm(10)[d$g])))
  fit <- rglmm(y ~ x + (1 | g), d, inverse.gaussian) |> suppressMessages()
  expect_warning(
    y <- simulate(
      fit,
      seed = 1,
      newparams = list(beta = c(`(Intercept)` = 0.1, x = -1))
    )[[1]],
    "outside of the range of the link `1/mu\\^2`",
    class = "rlmm_warning_mean"
  )
  expect_true(anyNA(y))
  below <- data.frame(x = c(0, -100))
  expect_warning(
    mean <- predict(fit, below, re.form = NA, type = "response"),
    "1 of 2 linear predictors",
    class = "rlmm_warning_mean"
  )
  expect_identical(is.na(unname(mean)), c(FALSE, TRUE))
})

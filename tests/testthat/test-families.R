test_that("the table has a row for each family of the core", {
  expect_setequal(names(families), core_families()$families)
  for (row in families) {
    expect_true(row$range %in% names(response_ranges))
    expect_type(row$draw, "closure")
  }
  # The hint of an error doesn't send to another package for a family that is here.
  plain <- gsub("[^a-z0-9]", "", tolower(named_families()))
  here <- c(plain, paste0(plain, "family"))
  expect_length(intersect(here, families_elsewhere), 0)
})

test_that("draws of each family have its mean and variance", {
  set.seed(1)
  n <- 2e5
  mu <- 0.6
  dispersion <- 0.3
  variances <- c(
    binomial = mu * (1 - mu) / 4,
    poisson = mu,
    Gamma = dispersion * mu^2,
    inverse.gaussian = dispersion * mu^3,
    gaussian = dispersion,
    nbinom1 = mu * (1 + 0.5),
    negative.binomial = mu + mu^2 / 0.5
  )
  expect_setequal(names(variances), names(families))
  for (name in names(families)) {
    y <- families[[name]]$draw(rep(mu, n), rep(4, n), rep(dispersion, n), 0.5)
    expect_equal(mean(y), mu, tolerance = 0.02)
    expect_equal(var(y), variances[[name]], tolerance = 0.04)
  }
})

numbers_of <- function(text) as.numeric(strsplit(text, " ")[[1]])

simulated_counts <- function() {
  set.seed(11)
  d <- data.frame(g = gl(15, 12), x = round(rnorm(180), 3))
  slopes <- matrix(rnorm(30, sd = 0.4), 2)
  mean_of <- exp(1.5 + slopes[1, d$g] + (0.4 + slopes[2, d$g]) * d$x)
  d$y <- rnbinom(180, size = mean_of / 1.2, mu = mean_of)
  d
}

test_that("nbinom1() is glmmTMB's: log-likelihood, estimates, standard errors", {
  reference <- read.csv(test_path("..", "reference", "nbinom1.csv"))
  expect_gte(nrow(reference), 5)
  data <- list(
    grouseticks = transform(grouseticks, height = (HEIGHT - 460) / 100),
    cbpp = cbpp,
    simulated = simulated_counts()
  )
  for (i in seq_len(nrow(reference))) {
    row <- reference[i, ]
    fit <- rglmm(
      as.formula(row$formula),
      data[[row$data]],
      family = nbinom1(row$link)
    )
    beta <- numbers_of(row$beta)
    at <- c(numbers_of(row$theta), beta, log(row$phi))
    # At glmmTMB's parameters.
    expect_equal(as.function(fit)(at) / -2, row$log_lik, tolerance = 1e-10)
    expect_gte(as.numeric(logLik(fit)), row$log_lik - 1e-8)
    expect_lt(as.numeric(logLik(fit)), row$log_lik + 1e-5)
    expect_equal(unname(fixef(fit)), beta, tolerance = 2e-4)
    expect_equal(
      unname(getME(fit, "theta")),
      numbers_of(row$theta),
      tolerance = 2e-4
    )
    expect_equal(family(fit)$phi, row$phi, tolerance = 2e-4)
    expect_equal(
      unname(sqrt(diag(vcov(fit)))),
      numbers_of(row$se_beta),
      tolerance = 2e-4
    )
    shape <- summary(fit)$shape
    expect_equal(
      shape[["std_error"]] / shape[["estimate"]],
      row$se_log_phi,
      tolerance = 1e-3
    )
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

test_that("methods know of phi", {
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = "nbinom1")
  phi <- family(fit)$phi
  expect_equal(attr(logLik(fit), "df"), 5)
  expect_equal(sigma(fit), 1)
  expect_equal(
    residuals(fit, "pearson"),
    (grouseticks$TICKS - fitted(fit)) / sqrt(fitted(fit) * (1 + phi)),
    ignore_attr = TRUE
  )
  expect_output(print(family(fit)), "nbinom1")
  expect_match(
    paste(format(fit), collapse = "\n"),
    "Phi of the negative binomial \\(nbinom1\\): 2.031 \\(std. error 0.313\\)"
  )
  known <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family(fit))
  expect_equal(
    as.numeric(logLik(known)),
    as.numeric(logLik(fit)),
    tolerance = 1e-9
  )
  expect_equal(attr(logLik(known), "df"), 4)
  expect_equal(
    predict(fit, grouseticks[3, ], type = "response"),
    fitted(fit)[3],
    ignore_attr = TRUE
  )
  again <- refit(fit, simulate(fit, seed = 1)[[1]])
  expect_equal(family(again)$phi, phi, tolerance = 0.5)
  expect_equal(
    as.numeric(logLik(update(fit, . ~ . - YEAR))),
    as.numeric(logLik(rglmm(
      TICKS ~ 1 + (1 | BROOD),
      grouseticks,
      family = nbinom1()
    )))
  )
  # Quadrature converges to the integral.
  by_quadrature <- function(nodes) {
    fit <- rglmm(
      TICKS ~ YEAR + (1 | BROOD),
      grouseticks,
      nbinom1(),
      nAGQ = nodes
    )
    as.numeric(logLik(fit))
  }
  expect_equal(by_quadrature(25), by_quadrature(15), tolerance = 1e-6)
})

test_that("the family's functions are those of the distribution", {
  family <- nbinom1_family(0.7, "log")
  y <- c(0, 1, 4, 30)
  mu <- c(0.3, 2, 4, 11)
  density <- dnbinom(y, mu / 0.7, 1 / 1.7, log = TRUE)
  expect_equal(family$aic(y, 1, mu, 2, 0), -4 * sum(density))
  expect_equal(family$variance(mu), mu * 1.7)
})

test_that("counts without overdispersion are told", {
  set.seed(3)
  d <- data.frame(g = gl(10, 20))
  d$y <- rbinom(200, 4, 0.5)
  expect_message(
    fit <- rglmm(y ~ 1 + (1 | g), d, family = nbinom1()),
    class = "rlmm_message_poisson"
  )
  expect_lt(family(fit)$phi, 1e-3)
})

test_that("messages of nbinom1()", {
  d <- data.frame(y = c(1, 0, 2, 3), g = gl(2, 2))
  expect_snapshot_error(
    rglmm(y ~ 1 + (1 | g), d, nbinom1(), information = "expected"),
    class = "rlmm_error_information"
  )
  expect_snapshot_error(nbinom1("logit"), class = "rlmm_error_family")
  expect_snapshot_error(
    rglmm(y - 1 ~ 1 + (1 | g), d, nbinom1()),
    class = "rlmm_error_response_range"
  )
})

test_that("observations may have a negative information", {
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = nbinom1())
  w <- weights(fit, "working")
  expect_true(any(w < 0))
  # Dense algebra: the joint covariance of (u, beta).
  z <- as.matrix(getME(fit, "Z") %*% getME(fit, "Lambda"))
  both <- cbind(z, getME(fit, "X"))
  penalty <- diag(rep(1:0, c(ncol(z), ncol(both) - ncol(z))))
  covariance <- solve(crossprod(both, w * both) + penalty)
  expect_equal(
    unname(predict(fit, se.fit = TRUE)$se.fit),
    unname(sqrt(rowSums((both %*% covariance) * both))),
    tolerance = 1e-7
  )
})

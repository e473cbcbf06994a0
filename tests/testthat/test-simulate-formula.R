plan <- function() {
  d <- expand.grid(time = 0:3, id = factor(1:10))
  d$site <- factor(rep(1:4, 10))
  d
}

test_that("equal parameters and seeds give lme4's draws", {
  skip_if_not_installed("lme4")
  theirs <- utils::getFromNamespace("simulate.formula", "lme4")
  d <- plan()
  parameters <- list(
    beta = c(`(Intercept)` = 0.5, time = 0.2),
    theta = c(0.6, 0.1, 0.3),
    sigma = 1.5
  )
  expect_equal(
    simulate_formula(
      ~ time + (time | id),
      2,
      1,
      newdata = d,
      newparams = parameters
    ),
    suppressMessages(theirs(
      ~ time + (time | id),
      nsim = 2,
      seed = 1,
      newdata = d,
      newparams = parameters,
      family = "gaussian"
    )),
    ignore_attr = "seed"
  )
  parameters$sigma <- NULL
  for (family in list(poisson, binomial, binomial("cloglog"))) {
    expect_equal(
      simulate_formula(
        ~ time + (time | id),
        2,
        1,
        newdata = d,
        newparams = parameters,
        family = family
      ),
      suppressMessages(theirs(
        ~ time + (time | id),
        nsim = 2,
        seed = 1,
        newdata = d,
        newparams = parameters,
        family = family
      )),
      ignore_attr = "seed"
    )
  }
})

test_that("R's generic comes here when no other package has a method", {
  # In a session of its own, as lme4 may be loaded in this one.
  skip_on_cran()
  skip_if_not("rlmm" %in% loadedNamespaces(), "the package is only sourced")
  skip_if(isNamespaceLoaded("pkgload"))
  code <- paste(
    "invisible(loadNamespace('rlmm'))",
    "stopifnot(!isNamespaceLoaded('lme4'))",
    "d <- data.frame(g = gl(3, 2))",
    "p <- list(beta = 1, theta = 0.5, sigma = 2)",
    "a <- simulate(~ 1 + (1 | g), seed = 1, newdata = d, newparams = p)",
    "b <- rlmm::simulate_formula(~ 1 + (1 | g), 1, 1, newdata = d, newparams = p)",
    "cat(identical(a, b))",
    sep = "; "
  )
  rscript <- file.path(R.home("bin"), "Rscript")
  paths <- paste(.libPaths(), collapse = .Platform$path.sep)
  out <- withr::with_envvar(
    c(R_LIBS = paths),
    system2(rscript, c("-e", shQuote(code)), stdout = TRUE)
  )
  expect_identical(out[length(out)], "TRUE")
})

test_that("draws have the moments of the model", {
  d <- plan()
  parameters <- list(
    theta = c(0.8, 0.4),
    beta = c(time = 0.3, `(Intercept)` = 2),
    sigma = 0.5
  )
  draws <- as.matrix(simulate_formula(
    ~ time + (1 | id) + (1 | site),
    4000,
    1,
    newdata = d,
    newparams = parameters
  ))
  expect_equal(
    rowMeans(draws),
    2 + 0.3 * d$time,
    tolerance = 0.02,
    ignore_attr = TRUE
  )
  v <- 0.25 *
    (diag(40) +
      0.64 * outer(d$id, d$id, `==`) +
      0.16 * outer(d$site, d$site, `==`))
  expect_equal(cov(t(draws)), v, tolerance = 0.1, ignore_attr = TRUE)
})

test_that("all families, and structures, are drawn from", {
  skip_if_not_installed("MASS")
  d <- plan()
  parameters <- list(beta = c(1, 0.1), theta = 0.5, sigma = 0.4, shape = 3)
  draw <- \(family, ...) {
    as.matrix(simulate_formula(
      ~ time + (1 | id),
      500,
      2,
      newdata = d,
      newparams = parameters,
      family = family,
      ...
    ))
  }
  # Given the random effects the variance is that of the family: a quarter of a log mean's.
  mean <- exp(1 + 0.1 * d$time + 0.125)
  square <- exp(2 * (1 + 0.1 * d$time) + 0.5)
  expect_variance <- \(y, variance) {
    expect_equal(mean(rowMeans(y) / mean), 1, tolerance = 0.05)
    found <- rowMeans(y^2) - rowMeans(y)^2
    expect_equal(mean(found / variance), 1, tolerance = 0.15)
  }
  base <- square - mean^2
  expect_variance(draw(poisson), base + mean)
  expect_variance(draw(Gamma("log")), base + 0.16 * square)
  expect_variance(draw(gaussian("log")), base + 0.16)
  expect_variance(draw(nbinom1), base + 4 * mean)
  nb <- draw(MASS::negative.binomial(3))
  expect_variance(nb, base + mean + square / 3)
  trials <- draw(binomial, weights = rep(5, 40))
  expect_true(all(trials %in% (0:5 / 5)))
  series <- simulate_formula(
    ~ 1 + ar1(0 + factor(time) | id),
    1000,
    1,
    newdata = d,
    newparams = list(beta = 0, theta = c(1, 0.7), sigma = 1)
  )
  correlation <- cov(t(as.matrix(series)))[1:4, 1:4]
  expect_equal(
    correlation[1, 2:4],
    0.7^(1:3),
    tolerance = 0.15,
    ignore_attr = TRUE
  )
})

test_that("random effects may have another distribution", {
  d <- plan()
  parameters <- list(beta = 0, theta = 3, sigma = 1e-6)
  one <- \(n) rep(1, n)
  draws <- simulate_formula(
    ~ 1 + (1 | id),
    1,
    1,
    newdata = d,
    newparams = parameters,
    cluster.rand = one
  )
  expect_equal(draws$sim_1, rep(3e-6, 40), tolerance = 1)
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  held <- simulate(fit, seed = 1, cluster.rand = \(n) numeric(n))$sim_1
  expect_lt(abs(mean(held - predict(fit, re.form = NA))), 10)
  expect_error(simulate(fit, cluster.rand = 1), class = "rlmm_error_argument")
})

test_that("a fit's family may be replaced", {
  skip_if_not_installed("MASS")
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  family <- MASS::negative.binomial(0.5)
  draws <- simulate(fit, 500, seed = 1, use.u = TRUE, family = family)
  mu <- fitted(fit)
  spread <- rowMeans((as.matrix(draws) - mu)^2)
  expect_equal(mean(spread / (mu + mu^2 / 0.5)), 1, tolerance = 0.1)
  linear <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(simulate(linear, family = poisson), class = "rlmm_error_family")
})

test_that("rows with missing covariates are missing", {
  d <- plan()
  d$time[2] <- NA
  parameters <- list(beta = c(0, 1), theta = 1)
  expect_identical(
    which(is.na(
      simulate_formula(
        ~ time + (1 | id),
        1,
        1,
        newdata = d,
        newparams = parameters
      )$sim_1
    )),
    2L
  )
})

test_that("what is missing is named", {
  d <- plan()
  draw <- \(parameters, formula = ~ time + (1 | id), data = d, ...) {
    writeLines(error_lines(
      simulate_formula(
        formula,
        1,
        1,
        newdata = data,
        newparams = parameters,
        ...
      )
    ))
  }
  expect_snapshot({
    draw(NULL)
    draw(list(beta = 1, theta = 1))
    draw(list(beta = c(a = 1, time = 2), theta = 1))
    draw(list(beta = c(1, 2)))
    draw(list(beta = c(1, 2), theta = 1, phi = 2))
    draw(list(beta = c(1, 2), theta = 1), data = NULL)
    draw(list(beta = c(1, 2), theta = 1), ~ time + (1 | idd))
    draw(list(beta = c(1, 2), theta = 1), ~time)
    draw(list(beta = c(1, 2), theta = 1), family = nbinom1)
  })
})

# The log-density of a multivariate normal distribution.
normal_density <- function(y, mean, covariance) {
  root <- chol(covariance)
  z <- backsolve(root, y - mean, transpose = TRUE)
  -(length(y) * log(2 * pi) + sum(z^2)) / 2 - sum(log(diag(root)))
}

dense_group <- function(
  fit,
  rows,
  beta = fixef(fit),
  lambda = lambda_templates(fit)[[1]]
) {
  days <- sleepstudy$Days[rows]
  z <- cbind(1, days) %*% lambda
  covariance <- sigma(fit)^2 * (tcrossprod(z) + diag(length(rows)))
  normal_density(
    sleepstudy$Reaction[rows],
    drop(cbind(1, days) %*% beta),
    covariance
  )
}

by_subject <- split(seq_len(180), sleepstudy$Subject)

test_that("the parts are those of the normal density, and add up to the log-likelihood", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  found <- group_loglik(fit)
  expect_equal(
    found,
    vapply(by_subject, dense_group, 0, fit = fit),
    tolerance = 1e-10
  )
  expect_equal(sum(found), as.numeric(logLik(fit)), tolerance = 1e-10)
  # At the estimates by REML.
  reml <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(
    group_loglik(reml),
    vapply(by_subject, dense_group, 0, fit = reml),
    tolerance = 1e-10
  )
})

test_that("weights, offsets, held coefficients and nested factors take part", {
  sleepstudy$w <- rep(c(0, 0.5, 1, 2), 45)
  sleepstudy$o <- 2 * sleepstudy$Days
  control <- rlmm_control(fixed = list(beta = c(Days = 9)))
  fit <- rlmm(
    Reaction ~ Days + offset(o) + (1 | Subject),
    sleepstudy,
    REML = FALSE,
    weights = w,
    control = control
  )
  expect_equal(
    sum(group_loglik(fit)),
    as.numeric(logLik(fit)),
    tolerance = 1e-10
  )
  nested <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes, REML = FALSE)
  found <- group_loglik(nested)
  expect_named(found, levels(Pastes$batch))
  expect_equal(sum(found), as.numeric(logLik(nested)), tolerance = 1e-10)
})

test_that("generalized models are split as well", {
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial,
    nAGQ = 25
  )
  expect_equal(
    sum(group_loglik(herds)),
    as.numeric(logLik(herds)),
    tolerance = 1e-10
  )
  rows <- which(cbpp$herd == "1")
  x <- model.matrix(herds)[rows, ]
  integrand <- \(u) {
    vapply(
      u,
      \(u) {
        p <- plogis(drop(x %*% fixef(herds)) + getME(herds, "theta") * u)
        exp(sum(dbinom(cbpp$incidence[rows], cbpp$size[rows], p, TRUE))) *
          dnorm(u)
      },
      0
    )
  }
  expect_equal(
    group_loglik(herds)[["1"]],
    log(integrate(integrand, -8, 8, rel.tol = 1e-10)$value),
    tolerance = 1e-6
  )
})

test_that("the density of a row is that of its family", {
  linear <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(
    unname(group_loglik(linear, "row")),
    dnorm(sleepstudy$Reaction, fitted(linear), sigma(linear), TRUE),
    ignore_attr = TRUE
  )
  set.seed(1)
  sleepstudy$y <- rgamma(180, 3, 1 / 10)
  exact <- list(dispersion = "estimated", information = "observed")
  fits <- suppressMessages(list(
    rglmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp,
      family = binomial
    ),
    rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson),
    rglmm_nb(TICKS ~ YEAR + (1 | BROOD), grouseticks),
    rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = nbinom1()),
    do.call(
      rglmm,
      c(
        list(y ~ Days + (1 | Subject), sleepstudy, family = Gamma("log")),
        exact
      )
    ),
    do.call(
      rglmm,
      c(
        list(
          y ~ Days + (1 | Subject),
          sleepstudy,
          family = inverse.gaussian("log")
        ),
        exact
      )
    ),
    do.call(
      rglmm,
      c(
        list(y ~ Days + (1 | Subject), sleepstudy, family = gaussian("log")),
        exact
      )
    )
  ))
  for (fit in fits) {
    # The core's conditional deviance, with all constants.
    expect_equal(
      sum(group_loglik(fit, "row")),
      -fit$dev$conditional / 2,
      tolerance = 1e-8,
      info = fit$glmm$family
    )
  }
})

test_that("each group is predicted from the others", {
  skip_if_not_installed("lme4")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  exact <- leave_group_out(fit, refit = TRUE)
  one <- by_subject[["308"]]
  theirs <- lme4::lmer(
    Reaction ~ Days + (Days | Subject),
    sleepstudy[-one, ],
    REML = FALSE
  )
  lambda <- matrix(
    c(lme4::getME(theirs, "theta")[1:2], 0, lme4::getME(theirs, "theta")[3]),
    2
  )
  expected <- dense_group(theirs, one, lme4::fixef(theirs), lambda)
  expect_equal(exact$table$elpd[1], expected, tolerance = 1e-5)
  # One step is near: within a thirtieth of the standard error of the sum.
  near <- leave_group_out(fit)
  expect_lt(abs(near$elpd - exact$elpd), exact$se / 30)
  expect_identical(near$table$group, levels(sleepstudy$Subject))
  expect_equal(near$p, sum(near$table$loglik) - near$elpd)
  expect_snapshot(print(near))
})

test_that("of a generalized model one step is near, too", {
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  exact <- leave_group_out(herds, refit = TRUE)
  near <- leave_group_out(herds)
  expect_lt(abs(near$elpd - exact$elpd), exact$se / 30)
  without <- update(herds, data = cbpp[cbpp$herd != "1", ])
  expect_equal(
    refitted_parameters(herds, which(cbpp$herd == "1")),
    without$parameters,
    tolerance = 1e-4
  )
})

test_that("groups may be larger than those that share random effects", {
  nested <- rlmm(strength ~ 1 + (1 | cask:batch), Pastes)
  expect_equal(nrow(leave_group_out(nested)$table), 30)
  found <- leave_group_out(nested, "batch")
  expect_identical(found$table$group, levels(Pastes$batch))
  expect_identical(found$table$size, rep(6L, 10))
  shuffled <- Pastes[c(60:31, 1:30), ]
  again <- leave_group_out(
    rlmm(strength ~ 1 + (1 | cask:batch), shuffled),
    "batch"
  )
  expect_equal(again$table$elpd, found$table$elpd, tolerance = 1e-6)
})

test_that("what can't be split is told", {
  crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  fast <- rglmm(
    TICKS ~ YEAR + (1 | BROOD),
    grouseticks,
    family = poisson,
    nAGQ = 0
  )
  expect_snapshot({
    writeLines(error_lines(leave_group_out(crossed)))
    writeLines(error_lines(leave_group_out(fit, "Days")))
    writeLines(error_lines(leave_group_out(fit, "Dys")))
    writeLines(error_lines(group_loglik(fast)))
    writeLines(error_lines(group_loglik(fit, "column")))
    writeLines(condition_lines(warn_of_lost_groups(c("a", "b"))))
  })
})

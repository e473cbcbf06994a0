# Leaving out rows: lme4's refits, and generalized least squares on the rows that are left.

gls_left <- function(fit, rows) {
  keep <- setdiff(seq_len(nrow(model.frame(fit))), rows)
  x <- model.matrix(fit)[keep, , drop = FALSE]
  y <- (nlme::getResponse(fit) - getME(fit, "offset"))[keep]
  z <- as.matrix(getME(fit, "Z"))[keep, ]
  lambda <- as.matrix(getME(fit, "Lambda"))
  v <- diag(1 / weights(fit)[keep]) + tcrossprod(z %*% lambda)
  information <- crossprod(x, solve(v, x))
  beta <- solve(information, crossprod(x, solve(v, y)))
  r <- y - x %*% beta
  df <- length(y) - if (isREML(fit)) ncol(x) else 0
  sigma2 <- drop(crossprod(r, solve(v, r))) / df
  list(beta = drop(beta), vcov = sigma2 * solve(information), sigma2 = sigma2)
}

expect_gls <- function(fit, infl, sets) {
  g <- paste0("[-", infl$groups, "]")
  for (i in seq_along(sets)) {
    left <- gls_left(fit, sets[[i]])
    expect_equal(
      unname(infl[[paste0("fixed.effects", g)]][i, ]),
      unname(left$beta),
      tolerance = 1e-7
    )
    expect_equal(
      unname(infl[[paste0("vcov", g)]][[i]]),
      unname(left$vcov),
      tolerance = 1e-7
    )
    components <- infl[[paste0("var.cov.comps", g)]]
    expect_equal(components[[i, "sigma^2"]], left$sigma2, tolerance = 1e-7)
  }
}

test_that("at fixed theta estimates are those of least squares on the rest", {
  sleep <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    weights = 1 / (1 + Days),
    offset = 3 * Days
  )
  groups <- split(1:180, sleepstudy$Subject)
  expect_gls(sleep, influence(sleep, "Subject", one_step = FALSE), groups)
  expect_gls(sleep, influence(sleep, one_step = FALSE), as.list(1:180))
  days <- split(1:180, sleepstudy$Days)
  expect_gls(sleep, influence(sleep, "Days", one_step = FALSE), days)

  crossed <- rlmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    Penicillin,
    REML = FALSE
  )
  by_sample <- split(seq_len(144), Penicillin$sample)
  expect_gls(crossed, influence(crossed, "sample", one_step = FALSE), by_sample)
  expect_gls(crossed, influence(crossed, one_step = FALSE), as.list(1:144))
})

test_that("more random effects than a dense matrix takes have the same blocks", {
  crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  dense <- mode_covariance(crossed)(2:9)
  expect_equal(mode_covariance(crossed, max_dense = 0)(2:9), dense)
})

test_that("refits are lme4's", {
  skip_if_not_installed("lme4")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  theirs <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
  expected <- influence(theirs, "Subject", maxfun = 10000)
  found <- influence(fit, "Subject", refit = TRUE)
  expect_named(found[names(expected)], names(expected))
  expect_equal(found$deleted, expected$deleted)
  same <- c("fixed.effects[-Subject]", "var.cov.comps[-Subject]")
  expect_equal(
    unlist(found[same]),
    unlist(expected[same]),
    tolerance = 1e-3
  )
  expect_equal(
    unname(cooks.distance(found)),
    unname(cooks.distance(expected)),
    tolerance = 1e-3
  )
  expect_equal(dfbetas(found), dfbetas(expected), tolerance = 1e-3)
  expect_equal(
    dfbeta(found, "var.cov"),
    dfbeta(expected, "var.cov"),
    tolerance = 2e-3
  )
})

test_that("refits of generalized models are lme4's", {
  skip_if_not_installed("lme4")
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  fit <- rglmm(formula, cbpp, family = binomial)
  # influence(glmer(...), "herd") of lme4 2.1-0.
  expected <- c(
    0.251033730,
    0.005198958,
    0.101113721,
    0.042798748,
    0.133838888,
    0.040652831,
    0.102994831,
    0.023364033,
    0.012600462,
    0.119180578,
    0.318336582,
    0.006683556,
    0.064858795,
    0.089421548,
    0.031906238
  )
  found <- influence(fit, "herd", refit = TRUE)
  expect_equal(unname(cooks.distance(found)), expected, tolerance = 2e-3)
  step <- influence(fit, "herd")
  expect_equal(step$method, "fixed")
  expect_gt(cor(cooks.distance(step), expected), 0.97)
  expect_equal(
    unlist(step["fixed.effects[-herd]"]),
    unlist(found["fixed.effects[-herd]"]),
    tolerance = 0.05
  )
})

test_that("rows of negative observed information are left out as others are", {
  fit <- rglmm(TICKS ~ YEAR + (1 | LOCATION), grouseticks, family = nbinom1())
  step <- influence(fit, "LOCATION")
  refits <- influence(fit, "LOCATION", refit = TRUE)
  expect_false(anyNA(cooks.distance(step)))
  expect_gt(cor(c(dfbeta(step)), c(dfbeta(refits))), 0.95)
  # The slope of the log-density, by differences.
  y <- grouseticks$TICKS
  log_density <- \(mu) dnbinom(y, size = mu / 0.7, mu = mu, log = TRUE)
  expect_equal(
    families$nbinom1$slope(y, 2.5, 0.7),
    (log_density(2.5 + 1e-5) - log_density(2.5 - 1e-5)) / 2e-5,
    tolerance = 1e-6
  )
})

test_that("a Newton step in theta goes most of the way to the refit", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  error <- \(...) {
    infl <- influence(fit, "Subject", ...)
    refits <- influence(fit, "Subject", refit = TRUE)
    difference <- dfbeta(infl, "var.cov") - dfbeta(refits, "var.cov")
    sqrt(sum(difference^2) / sum(dfbeta(refits, "var.cov")^2))
  }
  expect_lt(error(one_step = TRUE), 0.3)
  expect_gt(error(one_step = FALSE), 0.7)
})

test_that("so does one with the average information in place of an expensive Hessian", {
  set.seed(2)
  n <- 2400
  data <- data.frame(
    g = factor(sample(700, n, TRUE)),
    k = factor(sample(12, n, TRUE)),
    x = rnorm(n)
  )
  data$y <- rnorm(700)[data$g] + rnorm(12, sd = 0.5)[data$k] + rnorm(n)
  fit <- rlmm(y ~ x + (1 | g) + (1 | k), data)
  expect_identical(certificate(fit)$hessian, "average")
  step <- dfbeta(influence(fit, "k"), "var.cov")
  refits <- dfbeta(influence(fit, "k", refit = TRUE), "var.cov")
  expect_lt(sum((step - refits)^2) / sum(refits^2), 0.01)
})

test_that("leverage of groups adds up to that of the observations", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  total <- sum(hatvalues(fit))
  for (one_step in c(TRUE, FALSE)) {
    infl <- influence(fit, "Subject", one_step = one_step)
    expect_equal(sum(hatvalues(infl)), total)
  }
  singles <- influence(fit, one_step = FALSE)
  expect_equal(hatvalues(singles), hatvalues(fit))
})

test_that("groups may be a factor, a variable, or several", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  halves <- rep(c("first", "second"), each = 90)
  infl <- influence(fit, halves)
  expect_equal(as.character(infl$deleted), c("first", "second"))
  expect_equal(unname(infl$size), c(90L, 90L))
  expect_length(influence(fit, c("Subject", "Days"))$deleted, 180)
  expect_equal(influence(fit, "Days")$size[["0"]], 18L)
})

test_that("what the rest doesn't identify is missing, with a warning", {
  fit <- rlmm(
    diameter ~ sample + (1 | plate),
    Penicillin
  )
  for (one_step in c(TRUE, FALSE)) {
    expect_warning(
      infl <- influence(fit, "sample", one_step = one_step),
      class = "rlmm_warning_influence"
    )
    expect_true(all(is.na(cooks.distance(infl))))
  }
})

test_that("held and singular fits have influence, too", {
  singular <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_gls(
    singular,
    influence(singular, "Batch", one_step = FALSE),
    split(1:30, Dyestuff2$Batch)
  )
  expect_false(anyNA(cooks.distance(influence(singular, "Batch"))))
  held <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(fixed = list(beta = c(Days = 10)))
  )
  infl <- influence(held, "Subject")
  expect_equal(unname(infl[["fixed.effects[-Subject]"]][, "Days"]), rep(10, 18))
  expect_false(anyNA(cooks.distance(infl)))
})

test_that("the result prints, converts and draws itself", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  infl <- influence(fit, "Subject")
  expect_snapshot(print(infl, n = 3))
  table <- as.data.frame(infl)
  expect_equal(nrow(table), 18)
  expect_equal(table$cooks.distance, unname(cooks.distance(infl)))
  expect_equal(dfbetas(fit), dfbetas(influence(fit)))
  skip_if_not_installed("lattice")
  expect_s3_class(plot(infl), "trellis")
})

test_that("arguments of lme4's refits have no effect, and a message says so", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_message(
    infl <- influence(fit, "Subject", maxfun = 100),
    class = "rlmm_message_without_effect"
  )
  expect_equal(infl, influence(fit, "Subject"))
  expect_error(
    influence(fit, "Subject", steps = 1),
    class = "rlmm_error_unknown_argument"
  )
})

test_that("bad groups are told", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_snapshot({
    error_lines(influence(fit, "subject"))
    error_lines(influence(fit, 1:3))
  })
  slim <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(slim = TRUE)
  )
  expect_error(influence(slim, "Subject"), class = "rlmm_error_slim")
})

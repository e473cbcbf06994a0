# Small data sets from random models whose likelihood has several maxima, or none at finite
# parameters. The best known values are those of lme4 2.1 and glmmTMB 1.1.14.

optimum_of <- function(number, formula, ...) {
  file <- sprintf("glmm-%d.csv", number)
  d <- read.csv(test_path("..", "reference", "optima", file))
  groups <- intersect(c("g", "h", "f"), names(d))
  d[groups] <- lapply(d[groups], factor)
  suppressMessages(suppressWarnings(rglmm(formula, d, ...)))
}

test_that("the best known optimum is found", {
  logit <- optimum_of(
    658,
    cbind(k, size - k) ~ x + x2 + (x | g),
    binomial
  )
  expect_lt(-2 * as.numeric(logLik(logit)), 83.7552 + 1e-4)
  probit <- k ~ x + x2 + (z | g)
  fast <- optimum_of(789, probit, binomial("probit"), nAGQ = 0)
  expect_lt(-2 * as.numeric(logLik(fast)), 313.1747 + 1e-4)
  full <- optimum_of(789, probit, binomial("probit"))
  expect_lt(-2 * as.numeric(logLik(full)), 313.1372 + 1e-4)
  apart <- optimum_of(469, k ~ x + (x || g), binomial)
  expect_lt(-2 * as.numeric(logLik(apart)), 15.0954309 + 1e-4)
  for (fit in list(logit, fast, full, apart)) {
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

# The first search ends at 39.575. The right value is that of lme4's deviance function (1.1-31) at
# the parameters of a search from random effects ten times as large; lme4 itself ends at 39.575.
test_that("a lower optimum at large random effects is found", {
  data <- read.csv(test_path("optima", "glmm-7101001.csv"))
  data[c("f", "g")] <- lapply(data[c("f", "g")], factor)
  expect_warning(
    fit <- suppressMessages(rglmm(y ~ x * f + (x | g), data, binomial)),
    class = "rlmm_warning_saturation"
  )
  expect_lt(-2 * as.numeric(logLik(fit)), 38.6599)
})

# The two optima have the random effects on either side of zero: their intercepts are -0.909 and
# 1.203. glmmTMB 1.1.14 finds the same two for the covariance of rank one, which both nearly have:
# 275.736 and 266.588, the latter at the fixed effects below.
test_that("the optimum with random effects of the other sign is found", {
  data <- read.csv(test_path("optima", "glmm-8101001.csv"))
  data[c("f", "g")] <- lapply(data[c("f", "g")], factor)
  formula <- y ~ x + z + ar1(0 + f | g, hom = FALSE)
  set.seed(2)
  for (rows in list(1:250, sample(250), sample(250))) {
    fit <- suppressMessages(rglmm(formula, data[rows, ], gaussian("log")))
    expect_lt(-2 * as.numeric(logLik(fit)), 266.588)
    expect_equal(
      unname(fixef(fit)),
      c(1.20268, 0.234596, 0.0486392),
      tolerance = 1e-3
    )
  }
})

test_that("square roots don't get stuck at the wrong sign", {
  formula <- k ~ x + z + (1 | g) + (1 | h)
  for (start in list(NULL, c(1, 1), c(0.1, 0.1), c(0.03, 0.03), c(0.1, 1))) {
    fit <- optimum_of(595, formula, poisson("sqrt"), nAGQ = 0, start = start)
    expect_lt(-2 * as.numeric(logLik(fit)), 857.5704 + 1e-4)
    expect_equal(certificate(fit)$verdict, "optimal")
  }
})

test_that("a search for an optimum at infinity ends", {
  fit <- optimum_of(654, k ~ f + (z | g), binomial("probit"))
  expect_lt(nrow(fit$optsum$fitlog), 2000)
  expect_equal(fit$separated, c("fb", "fc"))
})

# Newton's method went on from where the search ended for minutes.
test_that("nothing is followed for long where the data are separated", {
  data <- read.csv(test_path("optima", "glmm-18001452.csv"))
  data[c("f", "g", "h")] <- lapply(data[c("f", "g", "h")], factor)
  expect_warning(
    fit <- suppressMessages(suppressWarnings(
      rglmm(y ~ f + h + (x | g) + (1 | h), data, binomial("probit")),
      classes = c("rlmm_warning_saturation", "rlmm_warning_convergence")
    )),
    class = "rlmm_warning_separation"
  )
  expect_lt(nrow(fit$optsum$fitlog), 2000)
})

# Few observations of a binary response: optima lie in the corners, as in whole random models of
# tools/fuzz.R on which other starts ended up to 0.9 lower.
corner_data <- function(seed) {
  set.seed(seed)
  n <- sample(c(20, 40, 60), 1L)
  data <- data.frame(
    x = rnorm(n),
    f = factor(sample(c("a", "b", "c"), n, TRUE), levels = c("a", "b", "c")),
    g = factor(sample.int(sample(3:8, 1L), n, TRUE))
  )
  eta <- data$x + rnorm(3)[data$f] + rnorm(8, sd = 2)[data$g]
  data$k <- rbinom(n, 1, plogis(eta))
  data
}

test_that("no other start leads a small model with a structure lower", {
  terms <- c(
    "diag(0 + f | g)",
    "cs(0 + f | g)",
    "cs(0 + f | g, hom = TRUE)",
    "ar1(0 + f | g)"
  )
  for (seed in 1:12) {
    data <- corner_data(seed)
    term <- terms[(seed - 1L) %% 4L + 1L]
    formula <- reformulate(c("x", term), "k")
    family <- binomial(c("logit", "probit", "cloglog")[seed %% 3L + 1L])
    fit_from <- \(start) {
      suppressWarnings(suppressMessages(
        rglmm(formula, data, family, start = start)
      ))
    }
    fit <- fit_from(NULL)
    for (size in c(0.03, 1, 30)) {
      start <- size * runif(length(fit$theta), 0.3, 3)
      start[getME(fit, "lower") != 0] <- runif(1, -0.3, 0.8)
      other <- tryCatch(fit_from(start), rlmm_error = \(cnd) NULL)
      if (!is.null(other)) {
        expect_lt(-2 * logLik(fit)[1L], -2 * logLik(other)[1L] + 1e-4)
      }
    }
  }
})

test_that("the model without random effects is tried, however many observations there are", {
  skip_if_not_installed("MASS")
  # A large group like all others beside small ones that differ: two maxima of the likelihood.
  set.seed(3)
  data <- data.frame(g = factor(c(rep(1:2, each = 400), rep(3:12, each = 4))))
  data$k <- rnbinom(840, mu = 500, size = 10)
  fit <- suppressMessages(rglmm_nb(k ~ 1 + (1 | g), data))
  plain <- suppressWarnings(MASS::glm.nb(k ~ 1, data))
  expect_gt(logLik(fit)[1L], logLik(plain)[1L] - 1e-4)
})

test_that("a profiled dispersion depends neither on the order of rows nor on units", {
  set.seed(5)
  data <- data.frame(
    x = 1e-3 + 1e-8 * rnorm(60),
    f = factor(sample(3, 60, TRUE)),
    g = factor(sample(8, 60, TRUE))
  )
  data$y <- rgamma(60, 3, 3 / exp(rnorm(8)[data$g] / 2))
  formula <- y ~ x + diag(0 + f | g, hom = TRUE)
  fit <- \(data) suppressMessages(rglmm(formula, data, Gamma("log")))
  first <- logLik(fit(data))[1L]
  for (i in 1:5) {
    expect_equal(logLik(fit(data[sample(60), ]))[1L], first, tolerance = 1e-8)
  }
  data$x <- 1e8 * (data$x - 1e-3)
  expect_equal(logLik(fit(data))[1L], first, tolerance = 1e-7)
})

# With standard deviations of mostly unobserved cells, modes and dispersion of this model minimise
# `deviance / phi + |u|^2 + df log phi`, df = 1, at phi = 0.097 and, higher, at phi = 5.06.
test_that("of two dispersions the one with the lower joint deviance counts", {
  data <- data.frame(
    y = c(
      c(0.8978, 0.9241, 3.548, 0.5433, 1.412, 0.4514),
      c(3.586, 1.849, 0.5099, 2.787, 0.7406, 0.589)
    ),
    o = c(
      c(0.5637, 0.1004, -0.76, -0.2433, -0.3141, 0.1156),
      c(0.008746, 0.4106, -0.0533, 0.1681, -0.09991, 0.01322)
    ),
    f = factor(strsplit("aaadcbadbcda", "")[[1L]]),
    g = factor(c(3, 4, 1, 3, 5, 6, 1, 5, 2, 4, 2, 6))
  )
  fit_by <- \(optimizer) {
    suppressMessages(rglmm(
      y ~ 1 + cs(0 + f | g),
      data,
      inverse.gaussian("log"),
      offset = o,
      dispersion = "profiled",
      information = "observed",
      control = rlmm_control(optimizer = optimizer)
    ))
  }
  fits <- lapply(c("bfgs", "newton", "LN_BOBYQA"), fit_by)
  values <- -2 * vapply(fits, logLik, 0)
  expect_lt(diff(range(values)), 1e-4)
  columns <- as.matrix(getME(fits[[1L]], "Z") %*% getME(fits[[1L]], "Lambda"))
  fixed <- fixef(fits[[1L]]) + data$o
  joint <- \(phi) {
    of_modes <- \(u) {
      mu <- exp(fixed + columns %*% u)
      sum((data$y - mu)^2 / (mu^2 * data$y)) / phi + sum(u^2)
    }
    found <- stats::optim(numeric(24L), of_modes, method = "BFGS")
    found$value + log(phi)
  }
  phi <- exp(seq(log(0.02), log(10), length.out = 60L))
  lowest <- phi[which.min(vapply(phi, joint, 0))]
  expect_equal(sigma(fits[[1L]])^2, lowest, tolerance = 0.1)
})

# Where random effects are large, quadrature nodes lie beyond the range of the link. By numerical
# integration -2 log-likelihood is 133.39 at the fit's parameters, with random effects of rank one,
# and 145.96 at the optimum of the rule with three nodes that has no nodes there.
test_that("an edge of the quadrature is preferred where the integral is lower", {
  data <- read.csv(test_path("optima", "glmm-238.csv"))
  data[c("f", "g")] <- lapply(data[c("f", "g")], factor)
  expect_warning(
    fit <- suppressMessages(rglmm(
      y ~ f + (x | g),
      data,
      inverse.gaussian("1/mu^2"),
      dispersion = "estimated",
      information = "observed",
      nAGQ = 3
    )),
    class = "rlmm_warning_convergence"
  )
  expect_equal(certificate(fit)$verdict, "edge")
  expect_equal(-2 * logLik(fit)[1L], 133.39, tolerance = 3e-3)
})

test_that("a fit without derivatives at its end says so, also later", {
  data <- data.frame(
    y = as.integer(strsplit("00110111001000001000", "")[[1L]]),
    x = c(
      c(-0.10128, -0.239624, -0.248685, 2.55492, -0.537051, 0.128859),
      c(-0.677337, 0.775855, 0.0778912, 0.212556, 0.15768, -0.848228),
      c(-0.626718, -1.79321, -1.68554, 0.504864, -0.49795, 1.3121),
      c(1.17521, 0.355677)
    ),
    f = factor(strsplit("bcbcccaddcbcdcbcdbdb", "")[[1L]]),
    g = factor(c(3, 1, 4, 4, 4, 2, 1, 3, 1, 3, 2, 4, 5, 2, 2, 5, 1, 5, 5, 3))
  )
  expect_warning(
    fit <- suppressMessages(rglmm(
      y ~ x + cs(0 + f | g, hom = TRUE),
      data,
      binomial("cauchit"),
      nAGQ = 0,
      information = "observed",
      start = c(6.09, 0.703)
    )),
    class = "rlmm_warning_convergence"
  )
  found <- certificate(fit)
  expect_equal(found$verdict, "edge")
  expect_output(print(found), "At an edge")
})

# The log-likelihood is at least that of the model without random effects, whose maximum is the
# entropy of the responses at each level of `f`.
test_that("large prior weights of a separated model with heavy tails are no obstacle", {
  set.seed(3)
  data <- data.frame(
    f = factor(sample(c("a", "b", "c"), 200, TRUE)),
    g = factor(sample(50, 200, TRUE))
  )
  data$k <- rbinom(200, 1, 0.8) * (data$f != "a")
  mean <- tapply(data$k, data$f, base::mean)[-1L]
  size <- table(data$f)[-1L]
  least <- sum(size * (mean * log(mean) + (1 - mean) * log(1 - mean)))
  for (weight in c(1e4, 1e6)) {
    data$w <- weight
    fit <- suppressWarnings(suppressMessages(
      rglmm(k ~ f + (1 | g), data, binomial("cauchit"), weights = w)
    ))
    expect_gt(logLik(fit)[1L], weight * least)
    expect_lt(fit$optsum$pirls_iterations, 50000)
  }
})

test_that("a certificate says how many optima the random starts ended at", {
  data <- corner_data(6)
  formula <- k ~ x + cs(0 + f | g)
  fit <- suppressWarnings(suppressMessages(rglmm(formula, data, binomial)))
  found <- certificate(fit)$random_starts
  expect_gt(found$optima, 1)
  expect_gte(found$searches, found$optima)
  # The formula of Boender and Rinnooy Kan (1987).
  share <- with(found, optima * (optima + 1) / (searches * (searches - 1)))
  expect_equal(found$undiscovered, min(share, 1))
  expect_output(
    print(certificate(fit)),
    "searches from random starts ended at [0-9]+ optima, and others may be lower"
  )
  plain <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_null(certificate(plain)$random_starts)
})

# The deviance of Gamma responses with a logarithmic link at slopes and intercepts of such a size,
# by dense algebra and Laplace's approximation. Fixed effects are those of the lowest joint
# deviance.
dense_gamma_deviance <- function(data, size, origin, shape) {
  effects <- size^2 * matrix(c(2 * origin^2, origin, origin, 1), 2)
  columns <- cbind(1, data$x - origin)
  of_level <- \(level) (data$g == level) * columns
  z <- do.call(cbind, lapply(levels(data$g), of_level))
  z <- z %*% kronecker(diag(nlevels(data$g)), t(chol(effects)))
  x <- sqrt(shape) * cbind(1, data$x - origin, z)
  penalty <- diag(rep(c(0, 1), c(2, ncol(z))))
  u <- c(log(mean(data$y)), numeric(ncol(x) - 1))
  for (step in 1:50) {
    eta <- drop(x %*% u) / sqrt(shape)
    working <- sqrt(shape) * (eta + data$y / exp(eta) - 1)
    u <- qr.solve(rbind(x, penalty), c(working, 0 * u), tol = 1e-14)
  }
  mean <- exp(drop(x %*% u) / sqrt(shape))
  h <- shape * crossprod(z) + diag(ncol(z))
  rows <- dgamma(data$y, shape, shape / mean, log = TRUE)
  -2 * sum(rows) + sum(u[-(1:2)]^2) + determinant(h)$modulus[[1]]
}

# Intercepts make up for slopes of a covariate far from zero, and are the effects of another term.
test_that("slopes far from zero are found beside intercepts of another term", {
  for (seed in c(1, 7, 16)) {
    set.seed(seed)
    data <- data.frame(g = factor(sample(6, 250, TRUE)))
    data$h <- data$g
    x <- rnorm(250)
    data$x <- 3e3 + x
    noise <- rgamma(250, 3)
    eta <- rnorm(6, sd = 0.4)[data$g] + rnorm(6, sd = 0.8)[data$g] * x
    data$y <- noise * exp(eta + 0.3 * x)
    formula <- y ~ x + (0 + x | g) + (1 | h)
    fit <- suppressMessages(
      rglmm(formula, data, Gamma("log"), dispersion = "estimated")
    )
    of_size <- \(size) dense_gamma_deviance(data, size, 3e3, 3)
    limit <- min(vapply(c(0.6, 1), of_size, 0))
    expect_lt(-2 * as.numeric(logLik(fit)), limit)
  }
})

test_that("effects of a structure far from zero end where lme4's centred ones do", {
  set.seed(7)
  x <- rnorm(240)
  data <- data.frame(x = 2e4 + x, centred = x, g = gl(12, 20))
  eta <- rnorm(12, sd = 0.5)[data$g] + rnorm(12, sd = 0.4)[data$g] * x
  data$y <- rpois(240, exp(0.5 + eta))
  fit <- rglmm(y ~ x + cs(1 + x | g), data, poisson)
  skip_if_not_installed("lme4")
  peer <- lme4::glmer(y ~ centred + (centred | g), data, poisson)
  expect_lt(-2 * as.numeric(logLik(fit)), -2 * as.numeric(logLik(peer)) + 1e-6)
})

# By the observed information the fixed effects of this model may have no covariance matrix at the
# end of a search, at an edge of the objective.
test_that("no information about fixed effects by its observed kind is no error", {
  data <- read.csv(test_path("optima", "glmm-520.csv"))
  data$g <- factor(data$g)
  expect_warning(
    fit <- suppressMessages(rglmm(
      y ~ x + f + (x | g),
      data,
      binomial("cauchit"),
      weights = w0,
      information = "observed"
    )),
    class = "rlmm_warning_convergence"
  )
  expect_equal(certificate(fit)$verdict, "edge")
  expect_true(all(is.finite(fixef(fit))))
})

# Laplace's approximation of -2 log-likelihood for counts with the square-root link and one random
# intercept, whose modes Newton's method finds level by level. The expected information of a linear
# predictor is 4.
laplace_of_roots <- function(parameters, data) {
  p <- length(parameters) - 1L
  sd <- exp(parameters[p + 1L])
  eta <- drop(model.matrix(~f, data) %*% parameters[seq_len(p)])
  of_level <- function(rows) {
    u <- 0
    for (i in 1:50) {
      at <- eta[rows] + sd * u
      slope <- sd * sum(2 * data$y[rows] / at - 2 * at) - u
      curvature <- 1 + sd^2 * sum(2 * data$y[rows] / at^2 + 2)
      u <- u + slope / curvature
    }
    log_lik <- sum(dpois(data$y[rows], (eta[rows] + sd * u)^2, log = TRUE))
    u^2 - 2 * log_lik + log(1 + 4 * sd^2 * length(rows))
  }
  sum(vapply(split(seq_along(eta), data$g), of_level, 0))
}

# The optimum of that approximation near some fixed effects.
optimum_of_roots <- function(beta, data) {
  optim(
    c(beta, log(0.5)),
    laplace_of_roots,
    data = data,
    method = "BFGS",
    control = list(reltol = 1e-12)
  )
}

# Counts of three categories whose square roots have these signs.
signed_counts <- function(signs) {
  set.seed(3)
  data <- data.frame(
    f = factor(rep(c("a", "b", "c"), 20)),
    g = factor(rep(1:6, each = 10))
  )
  effects <- rnorm(6, sd = 0.5)[data$g]
  data$y <- rpois(60, (5 * signs[data$f] + effects)^2)
  data
}

test_that("categories may have square roots of either sign", {
  for (signs in list(c(1, -1, 1), c(-1, 1, 1), c(1, 1, -1), c(1, 1, 1))) {
    data <- signed_counts(signs)
    fit <- suppressMessages(rglmm(y ~ f + (1 | g), data, poisson("sqrt")))
    start <- 5 * c(signs[1L], signs[2:3] - signs[1L])
    right <- optimum_of_roots(start, data)
    expect_lt(-2 * as.numeric(logLik(fit)), right$value + 1e-6)
  }
})

test_that("starts with square roots of opposite signs lead to the same optimum", {
  data <- signed_counts(c(-1, 1, 1))
  beta <- c(-5, 10, 10)
  right <- optimum_of_roots(beta, data)
  for (theta in c(0.05, 0.3)) {
    fits <- lapply(c(1, -1), function(sign) {
      start <- list(theta = theta, beta = sign * beta)
      rglmm(y ~ f + (1 | g), data, poisson("sqrt"), start = start)
    })
    values <- -2 * vapply(fits, \(fit) as.numeric(logLik(fit)), 0)
    expect_equal(values, rep(right$value, 2), tolerance = 1e-9)
    expect_equal(fixef(fits[[1L]]), -fixef(fits[[2L]]), tolerance = 1e-4)
  }
})

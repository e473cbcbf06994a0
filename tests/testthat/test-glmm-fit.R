fit <- rglmm(
  cbind(incidence, size - incidence) ~ period + (1 | herd),
  cbpp,
  family = binomial
)

test_that("standard errors come from the Hessian of the deviance", {
  # From lme4 2.1, whose Hessian is by finite differences.
  expect_equal(
    unname(sqrt(diag(vcov(fit)))),
    c(0.2324732, 0.3066414, 0.3266373, 0.4274369),
    tolerance = 1e-5
  )
  hessian <- stats::optimHess(getME(fit, "devarg"), as.function(fit))
  expect_equal(
    vcov(fit),
    2 * solve(hessian)[-1, -1],
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
  expect_equal(coef(summary(fit))[, "Std. Error"], sqrt(diag(vcov(fit))))
  expect_equal(
    colnames(coef(summary(fit))),
    c("Estimate", "Std. Error", "z value", "Pr(>|z|)")
  )
  fast <- update(fit, nAGQ = 0)
  expect_equal(vcov(fast), chol2inv(getME(fast, "RX")), ignore_attr = TRUE)
  expect_error(
    vcov(fast, use.hessian = TRUE),
    class = "rlmm_error_not_available"
  )
})

test_that("a fit without its data keeps its standard errors", {
  slim <- update(fit, control = rlmm_control(slim = TRUE))
  expect_equal(vcov(slim), vcov(fit))
  expect_equal(logLik(slim), logLik(fit))
  expect_no_error(format(slim))
  expect_error(residuals(slim), class = "rlmm_error_slim")
})

test_that("printed, it is a generalized model without a residual", {
  lines <- format(fit)
  expect_match(lines[1], "Generalized linear mixed model.*Laplace")
  expect_match(lines[2], "Family: binomial (logit)", fixed = TRUE)
  expect_false(any(grepl("Residual", lines)))
  expect_no_warning(format(summary(fit)))
  expect_equal(nrow(as.data.frame(VarCorr(fit))), 1)
  expect_false(attr(VarCorr(fit), "useSc"))
  expect_equal(
    rownames(confint(fit, method = "Wald"))[1:2],
    c(".sig01", "(Intercept)")
  )
})

test_that("refit() and update() give what a new fit gives", {
  expect_equal(refit(fit)$dev$objective, fit$dev$objective, tolerance = 1e-8)
  counts <- cbind(cbpp$size - cbpp$incidence, cbpp$incidence)
  swapped <- refit(fit, counts)
  expect_equal(fixef(swapped), -fixef(fit), tolerance = 1e-4)
  expect_equal(swapped$dev$objective, fit$dev$objective, tolerance = 1e-8)
  probit <- update(fit, family = binomial("probit"))
  direct <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial("probit")
  )
  expect_equal(probit$dev$objective, direct$dev$objective)
  smaller <- update(fit, . ~ . - period)
  expect_equal(names(fixef(smaller)), "(Intercept)")
  expect_equal(anova(fit, smaller)$Df[2], 3)
  expect_error(refit(fit, -counts), class = "rlmm_error_response_range")
  expect_error(refit(fit, counts[1:3, ]), class = "rlmm_error_argument")
})

test_that("predictions for the data of the fit and for new data agree", {
  for (type in c("link", "response")) {
    expect_equal(
      predict(fit, cbpp, type = type),
      predict(fit, type = type),
      ignore_attr = TRUE,
      tolerance = 1e-7
    )
  }
  new <- data.frame(period = "1", herd = c("1", "new"))
  link <- predict(fit, new, allow.new.levels = TRUE)
  expect_equal(
    predict(fit, new, type = "response", allow.new.levels = TRUE),
    plogis(link)
  )
  expect_equal(link[[2]], fixef(fit)[["(Intercept)"]])
  with_se <- predict(fit, new, re.form = NA, se.fit = TRUE)
  expect_equal(with_se$se.fit[[1]], sqrt(vcov(fit, use.hessian = FALSE)[1, 1]))
  mean_se <- predict(fit, new, re.form = NA, se.fit = TRUE, type = "response")
  expect_equal(mean_se$se.fit, with_se$se.fit * dlogis(with_se$fit))
})

test_that("conditional variances and leverages are those of the working linear model", {
  w <- weights(fit, type = "working")
  z <- as.matrix(getME(fit, "Z"))
  theta <- getME(fit, "theta")[[1]]
  inner <- solve(crossprod(sqrt(w) * z * theta) + diag(ncol(z)))
  expect_equal(
    as.vector(condVar(fit)$herd),
    unname(theta^2 * diag(inner)),
    tolerance = 1e-8
  )
  expect_equal(
    hatvalues(fit),
    diag(as.matrix(hatvalues(fit, fullHatMatrix = TRUE))),
    tolerance = 1e-8,
    ignore_attr = TRUE
  )
})

test_that("leverages without variance of the groups are glm()'s", {
  formula <- cbind(incidence, size - incidence) ~ period
  alone <- glm(formula, cbpp, family = binomial)
  none <- rlmm_control(fixed = list(theta = c("herd.(Intercept)" = 0)))
  with_groups <- update(formula, . ~ . + (1 | herd))
  held <- rglmm(with_groups, cbpp, family = binomial, control = none)
  expect_equal(
    hatvalues(held),
    hatvalues(alone),
    tolerance = 1e-7,
    ignore_attr = TRUE
  )
})

test_that("getME() answers every name, or says why not", {
  for (name in names(fit_parts)) {
    part <- tryCatch(getME(fit, name), rlmm_error_not_available = \(cnd) {
      "refused"
    })
    expect_false(identical(part, "refused"))
  }
  expect_equal(
    as.function(fit)(getME(fit, "devarg")),
    fit$dev$objective,
    tolerance = 1e-10
  )
  expect_error(REMLcrit(fit), class = "rlmm_error_not_available")
  expect_equal(ncol(as.data.frame(opt_summary(fit))), 7)
  expect_no_error(format(opt_summary(fit)))
})

test_that("the certificate judges all parameters by the Hessian", {
  found <- certificate(fit)
  expect_equal(found$verdict, "optimal")
  expect_equal(found$hessian, "differences")
  expect_length(found$curvatures, 5)
  # Stopped early it is no optimum, and says by how much.
  expect_warning(
    early <- update(
      fit,
      control = rlmm_control("LN_BOBYQA", ftol_abs = 1, ftol_rel = 0)
    ),
    "not an optimum"
  )
  judged <- certificate(early)
  expect_equal(judged$verdict, "not_converged")
  gap <- early$dev$objective - fit$dev$objective
  expect_equal(judged$predicted_decrease, gap, tolerance = 0.2)
})

test_that("a false boundary is left, a true one certified", {
  d <- data.frame(g = gl(20, 6), y = rep(c(1, 0, 1, 0, 1, 0), 20))
  expect_message(
    flat <- rglmm(y ~ 1 + (1 | g), d, binomial),
    class = "rlmm_message_singular"
  )
  expect_equal(certificate(flat)$verdict, "optimal")
  expect_gt(certificate(flat)$terms$lambda_min, 0)
  expect_true(isSingular(flat))
  inside <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial,
    start = 0
  )
  expect_equal(inside$dev$objective, fit$dev$objective, tolerance = 1e-9)
})

test_that("all optimizers find the same optimum", {
  all <- as.data.frame(allFit(fit, ncpus = 2))
  expect_true(all(
    c("newton", "bfgs", "LN_BOBYQA", "LD_LBFGS") %in% all$optimizer
  ))
  expect_lt(max(all$above_best), 1e-5)
  expect_true(all(all$verdict == "optimal"))
})

test_that("groups of zeros have a root of zero, in any order of levels", {
  d <- data.frame(
    g = factor(rep(1:8, c(1, 2, 3, 29, 1, 2, 1, 1))),
    y = c(0, 0, 2, 0, 0, 2, rep(0:6, c(3, 5, 3, 3, 6, 6, 3)), 0, 0, 0, 0, 2)
  )
  expected <- sum(dpois(d$y, ave(d$y, d$g), log = TRUE))
  for (first in levels(d$g)) {
    d$g <- relevel(factor(d$g, 8:1), first)
    fit <- suppressMessages(rglmm(y ~ g + (1 | g), d, poisson("sqrt")))
    expect_equal(as.numeric(logLik(fit)), expected, tolerance = 1e-8)
  }
})

test_that("the unit of a covariate costs nothing and changes no verdict", {
  set.seed(3)
  d <- data.frame(x = rnorm(120), g = factor(sample(10, 120, TRUE)))
  effects <- rnorm(10, 0, 0.4)[d$g] + rnorm(10, 0, 0.15)[d$g] * d$x
  d$y <- exp(0.5 + 0.3 * d$x + effects) * rgamma(120, 4, 4)
  in_unit <- function(family, nAGQ, unit) {
    d$x <- d$x * unit
    suppressMessages(rglmm(y ~ x + (x | g), d, family, nAGQ = nAGQ))
  }
  for (family in list(Gamma("log"), inverse.gaussian("log"))) {
    for (nAGQ in 0:1) {
      fit <- in_unit(family, nAGQ, 1)
      for (unit in c(1e-7, 1e7)) {
        other <- in_unit(family, nAGQ, unit)
        expect_equal(logLik(other), logLik(fit), tolerance = 1e-8)
        expect_identical(other$optsum$certificate$verdict, "optimal")
        steps <- c(fit$optsum$pirls_iterations, other$optsum$pirls_iterations)
        expect_lt(steps[2L], 3 * steps[1L])
      }
    }
  }
})

test_that("theta can be held", {
  held <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial,
    control = rlmm_control(fixed = list(theta = c("herd.(Intercept)" = 1)))
  )
  expect_equal(unname(getME(held, "theta")), 1)
  expect_equal(attr(logLik(held), "df"), 4)
  found <- stats::optim(
    fixef(held),
    \(beta) as.function(fit)(c(1, beta)),
    method = "BFGS",
    control = list(reltol = 1e-14)
  )
  expect_equal(held$dev$objective, found$value, tolerance = 1e-8)
  expect_equal(dim(vcov(held)), c(4L, 4L))
  expect_error(
    rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      poisson,
      control = rlmm_control(fixed = list(beta = c(period2 = 1)))
    ),
    class = "rlmm_error_not_available"
  )
})

test_that("the limits of PIRLS are those of the control", {
  control <- rlmm_control(pirls_max_iter = 1)
  error <- expect_error(
    update(fit, control = control),
    "iteration 1",
    class = "rlmm_error_pirls"
  )
  expect_equal(error$theta, 1)
  expect_length(error$beta, 4)
  for (bad in list(0, -1, 1.5, NA, "a")) {
    expect_error(
      rlmm_control(pirls_max_iter = bad),
      "pirls_max_iter",
      class = "rlmm_error_control"
    )
    expect_error(
      rlmm_control(pirls_max_halvings = bad),
      class = "rlmm_error_control"
    )
  }
  expect_error(rlmm_control(pirls_tol = 0), class = "rlmm_error_control")
  expect_error(
    rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, control = rlmm_control("bfgs")),
    class = "rlmm_error_control"
  )
  skip_if_not_installed("lme4")
  expect_silent(default <- as_control(lme4::glmerControl()))
  expect_identical(default, rlmm_control())
  expect_identical(
    as_control(lme4::glmerControl(tolPwrss = 1e-10)),
    rlmm_control(pirls_tol = 1e-10)
  )
})

test_that("modes are found where zero random effects have means out of their range", {
  set.seed(6)
  data <- data.frame(x = as.vector(scale(rexp(80))), g = gl(8, 10))
  slope <- 0.3 + rnorm(8, sd = 0.15)
  data$y <- rgamma(80, 3, 3 / pmax(0.03, 1 - slope[data$g] * data$x))
  fit <- rglmm(
    y ~ x + (0 + x | g),
    data,
    Gamma("identity"),
    dispersion = "estimated",
    nAGQ = 51
  )
  beta <- fixef(fit)
  expect_lt(min(beta[1] + beta[2] * data$x), 0)
  # The log-likelihood by integration over the slope of each level, where all means are positive.
  density <- function(slope, rows) {
    mean <- beta[1] + (beta[2] + getME(fit, "theta") * slope) * rows$x
    if (any(mean <= 0)) {
      return(0)
    }
    rate <- 1 / (mean * sigma(fit)^2)
    prod(dgamma(rows$y, 1 / sigma(fit)^2, rate)) * dnorm(slope)
  }
  integral <- function(rows) {
    along <- \(slopes) vapply(slopes, density, 0, rows)
    integrate(along, -8, 8, subdivisions = 2000L, rel.tol = 1e-8)$value
  }
  by_level <- vapply(split(data, data$g), integral, 0)
  expect_equal(
    as.numeric(logLik(fit)),
    sum(log(by_level)),
    # Near the end of the range the quadrature converges slowly.
    tolerance = 1e-4
  )
  # Without random slopes the likelihood is lower.
  none <- suppressMessages(update(
    fit,
    nAGQ = 1,
    control = rlmm_control(fixed = list(theta = c(g.x = 0)))
  ))
  expect_gt(as.numeric(logLik(fit)), as.numeric(logLik(none)) + 0.3)
})

test_that("points where the observed information is singular are not taken for optima", {
  set.seed(6)
  data <- data.frame(x = rnorm(30), g = factor(sample(rep_len(1:3, 30))))
  data$y <- rbinom(30, 1, pcauchy(1 + 2 * data$x))
  family <- binomial("cauchit")
  expect_silent(
    fit <- rglmm(y ~ x + (1 | g), data, family, information = "observed")
  )
  expect_identical(certificate(fit)$verdict, "optimal")
  fixed <- glm(y ~ x, family, data)
  expect_gt(as.numeric(logLik(fit)), as.numeric(logLik(fixed)))
})

test_that("a fit with a profiled dispersion is compared with the one without effects", {
  data <- data.frame(
    f = factor(c(2, 3, 1, 3, 1, 2, 2, 1, 2, 1, 1, 3, 1, 1, 2, 2, 1, 3, 1, 1)),
    g = factor(c(5, 7, 4, 7, 8, 2, 3, 10, 9, 5, 6, 8, 2, 4, 9, 6, 10, 3, 1, 1)),
    y = c(
      c(0.2846, 0.4726, 1.705, 0.1362, 0.8264, 0.9274, 0.1885, 1.512, 0.6637),
      c(0.1525, 0.4721, 0.6023, 1.344, 0.2612, 0.8263, 3.206, 0.6054, 0.3471),
      c(0.1781, 0.51)
    )
  )
  family <- inverse.gaussian("log")
  fit <- suppressMessages(rglmm(y ~ f + (1 | g), data, family, nAGQ = 0))
  none <- glm(y ~ f, family, data)
  # The log-likelihood of the fixed effects at the deviance divided by n.
  mean <- fitted(none)
  unit <- (data$y - mean)^2 / (data$y * mean^2)
  density <- -(log(2 * pi * mean(unit) * data$y^3) + unit / mean(unit)) / 2
  expect_gt(as.numeric(logLik(fit)), sum(density) - 1e-6)
})

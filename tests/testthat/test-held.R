test_that("held elements of theta stay, and the others are optimal given them", {
  hold <- function(theta) rlmm_control(fixed = list(theta = theta))
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = hold(c(Subject.Days = 0.3))
  )
  expect_identical(fit$theta[3], 0.3)
  objective <- as.function(fit)
  best <- nlminb(c(1, 0), \(x) objective(c(x, 0.3)), lower = c(0, -Inf))
  expect_equal(fit$dev$objective, best$objective, tolerance = 1e-9)
  expect_equal(fit$theta[1:2], best$par, tolerance = 1e-4)
  expect_equal(attr(logLik(fit), "df"), 5)
  expect_identical(fit$optsum$certificate$verdict, "optimal")
  expect_identical(refit(fit, sleepstudy$Reaction + 1)$theta[3], 0.3)
})

test_that("a correlation can be held, and all of theta", {
  control <- rlmm_control(fixed = list(theta = c(Subject.rho = 0)))
  cs <- rlmm(
    Reaction ~ Days + cs(Days | Subject),
    sleepstudy,
    control = control
  )
  diagonal <- rlmm(Reaction ~ Days + diag(Days | Subject), sleepstudy)
  expect_equal(logLik(cs), logLik(diagonal), tolerance = 1e-9)
  all <- rlmm_control(fixed = list(theta = c("Subject.(Intercept)" = 0.9)))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = all)
  expect_identical(fit$theta, 0.9)
  expect_equal(attr(logLik(fit), "df"), 3)
  expect_equal(
    fit$dev$objective,
    as.function(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy))(0.9)
  )
})

test_that("what can't be held is an error", {
  fit <- function(theta) {
    rlmm(
      Reaction ~ Days + cs(Days | Subject),
      sleepstudy,
      control = rlmm_control(fixed = list(theta = theta))
    )
  }
  expect_error(fit(c(Subject.Weeks = 1)), class = "rlmm_error_fixed")
  expect_error(fit(c(Subject.Days = -1)), class = "rlmm_error_fixed")
  expect_error(fit(c(Subject.rho = 1.1)), class = "rlmm_error_fixed")
  expect_error(
    rlmm_control(fixed = list(theta = 1)),
    class = "rlmm_error_control"
  )
  expect_error(rlmm_control(fixed = c(a = 1)), class = "rlmm_error_control")
  expect_error(
    rlmm_control(fixed = list(beta = 1)),
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(sigma = -1)),
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(cov = diag(2))),
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(rho = c(a = 1))),
    class = "rlmm_error_control"
  )
})

sleep_fit <- function(
  fixed = NULL,
  formula = Reaction ~ Days + (Days | Subject),
  ...
) {
  rlmm(formula, sleepstudy, control = rlmm_control(fixed = fixed), ...)
}

test_that("a held coefficient is an offset", {
  for (reml in c(TRUE, FALSE)) {
    fit <- sleep_fit(list(beta = c(Days = 12)), REML = reml)
    offset <- rlmm(
      Reaction ~ 1 + offset(12 * Days) + (Days | Subject),
      sleepstudy,
      REML = reml
    )
    expect_equal(fixef(fit), c(fixef(offset), Days = 12), tolerance = 1e-8)
    expect_equal(logLik(fit), logLik(offset), tolerance = 1e-10)
    expect_equal(
      logLik(fit, REML = !reml),
      logLik(offset, REML = !reml),
      tolerance = 1e-10
    )
    expect_equal(VarCorr(fit), VarCorr(offset), tolerance = 1e-6)
    expect_equal(
      vcov(fit),
      cbind(rbind(vcov(offset), Days = 0), Days = 0),
      tolerance = 1e-6
    )
    expect_equal(fitted(fit), fitted(offset), tolerance = 1e-7)
    expect_equal(
      predict(fit, re.form = NA, se.fit = TRUE),
      predict(offset, re.form = NA, se.fit = TRUE),
      tolerance = 1e-6
    )
    expect_equal(hatvalues(fit), hatvalues(offset), tolerance = 1e-6)
    expect_equal(
      hatvalues(fit),
      diag(as.matrix(hatvalues(fit, fullHatMatrix = TRUE))),
      tolerance = 1e-6
    )
    expect_equal(cooks.distance(fit), cooks.distance(offset), tolerance = 1e-6)
    expect_equal(
      coef(summary(fit))["(Intercept)", ],
      coef(summary(offset))[1, ],
      tolerance = 1e-5
    )
    expect_equal(
      coef(summary(fit))["Days", ],
      c(12, 0, NA, NA, NA),
      ignore_attr = TRUE
    )
    expect_equal(dim(vcov(fit, full = TRUE)), c(38L, 38L))
    expect_equal(unname(confint(fit, "Days", method = "Wald")[1, ]), c(12, 12))
    expect_equal(getME(fit, "RX"), getME(offset, "RX"), tolerance = 1e-6)
  }
  # A test of the value: the reduced model is the one with the coefficient held.
  free <- sleep_fit(REML = FALSE)
  table <- anova(free, sleep_fit(list(beta = c(Days = 12)), REML = FALSE))
  expect_equal(table$Df[2], 1)
  expect_output(
    print(sleep_fit(list(beta = c(Days = 12)))),
    "Held at given values: the coefficient `Days`",
    fixed = TRUE
  )
})

test_that("held coefficients stay in what is fitted again and simulated", {
  fit <- sleep_fit(list(beta = c(Days = 12)))
  expect_identical(
    fixef(refit(fit, sleepstudy$Reaction + 3 * sleepstudy$Days))[["Days"]],
    12
  )
  expect_identical(fixef(refitML(fit))[["Days"]], 12)
  expect_identical(fixef(update(fit, . ~ . + I(Days^2)))[["Days"]], 12)
  expect_gt(fixef(update(fit, control = rlmm_control()))[["Days"]], 10)
  draws <- simulate(fit, 200, seed = 1, re.form = NA)
  slope <- apply(as.matrix(draws), 2, \(y) {
    stats::coef(stats::lm(y ~ sleepstudy$Days))[[2]]
  })
  expect_equal(mean(slope), 12, tolerance = 0.05)
  all <- sleep_fit(list(beta = c("(Intercept)" = 250, Days = 10)))
  expect_equal(
    logLik(all),
    logLik(rlmm(
      Reaction ~ 0 + offset(250 + 10 * Days) + (Days | Subject),
      sleepstudy
    ))
  )
  expect_error(
    sleep_fit(list(beta = c(Weeks = 1))),
    "There is no \"Weeks\"",
    class = "rlmm_error_fixed"
  )
  dropped <- Reaction ~ Days + I(2 * Days) + (1 | Subject)
  expect_error(
    suppressMessages(sleep_fit(list(beta = c("I(2 * Days)" = 1)), dropped)),
    "dropped",
    class = "rlmm_error_fixed"
  )
  expect_error(
    rglmm(
      cbind(incidence, size - incidence) ~ 1 + (1 | herd),
      cbpp,
      binomial,
      control = rlmm_control(fixed = list(beta = c("(Intercept)" = 0)))
    ),
    class = "rlmm_error_not_available"
  )
})

test_that("sigma is held by either argument", {
  fit <- sleep_fit(list(sigma = 30))
  same <- sleep_fit(sigma = 30)
  expect_equal(logLik(fit), logLik(same))
  expect_identical(sigma(refit(fit, sleepstudy$Reaction + 1)), 30)
  expect_error(
    sleep_fit(list(sigma = 30), sigma = 20),
    class = "rlmm_error_fixed"
  )
})

# Minus twice the log-likelihood with everything but beta and sigma given, by dense algebra.
dense_deviance <- function(covariance, sigma, reml) {
  z <- stats::model.matrix(~ 0 + Subject + Subject:Days, sleepstudy)
  v <- z %*% kronecker(covariance, diag(18)) %*% t(z) + sigma^2 * diag(180)
  x <- cbind(1, sleepstudy$Days)
  root <- chol(v)
  x <- backsolve(root, x, transpose = TRUE)
  y <- backsolve(root, sleepstudy$Reaction, transpose = TRUE)
  fixed <- qr(x)
  n <- if (reml) 178 else 180
  n *
    log(2 * pi) +
    2 * sum(log(diag(root))) +
    sum(qr.resid(fixed, y)^2) +
    if (reml) 2 * sum(log(abs(diag(qr.R(fixed))))) else 0
}

test_that("a covariance is held on the scale of the response", {
  covariance <- matrix(c(700, 20, 20, 30), 2)
  for (reml in c(TRUE, FALSE)) {
    best <- optimize(
      \(s) dense_deviance(covariance, s, reml),
      c(15, 40),
      tol = 1e-8
    )
    fit <- sleep_fit(
      list(cov = list("Days | Subject" = covariance)),
      REML = reml
    )
    expect_equal(fit$dev$objective, best$objective, tolerance = 1e-10)
    expect_equal(sigma(fit), best$minimum, tolerance = 1e-6)
    expect_equal(
      VarCorr(fit)$Subject,
      covariance,
      tolerance = 1e-9,
      ignore_attr = TRUE
    )
    expect_identical(certificate(fit)$verdict, "optimal")
    # Its standard error: from the curvature in sigma alone.
    curvature <- stats::optimHess(best$minimum, \(s) {
      dense_deviance(covariance, s, reml)
    })
    expect_equal(
      sqrt(variance_vcov(fit)["sigma", "sigma"]),
      sqrt(2 / curvature[[1]]),
      tolerance = 1e-4
    )
    expect_equal(unname(diag(variance_vcov(fit))[1:3]), c(0, 0, 0))
    expect_equal(attr(logLik(fit), "df"), 3)
  }
  expect_equal(
    VarCorr(refit(fit, sleepstudy$Reaction + 1))$Subject,
    VarCorr(fit)$Subject,
    tolerance = 1e-7
  )
  table <- suppressWarnings(as.data.frame(allFit(fit)))
  expect_lt(table$above_best[table$optimizer == "newton"], 1e-8)
  expect_identical(table$verdict == "optimal", table$above_best < 1e-6)
  at_known_sigma <- sleep_fit(
    list(cov = list(Subject = covariance), sigma = 20),
    REML = FALSE
  )
  expect_equal(
    at_known_sigma$dev$objective,
    dense_deviance(covariance, 20, FALSE),
    tolerance = 1e-10
  )
})

test_that("the covariance of one term is held while others are fitted", {
  formula <- strength ~ 1 + (1 | batch / cask)
  control <- \(value) {
    rlmm_control(fixed = list(cov = list("1 | cask:batch" = value)))
  }
  fit <- rlmm(formula, Pastes, REML = FALSE, control = control(4))
  free <- rlmm(formula, Pastes, REML = FALSE)
  expect_equal(
    attr(VarCorr(fit)[["cask:batch"]], "stddev")[[1]],
    2,
    tolerance = 1e-9
  )
  objective <- as.function(rlmm(
    formula,
    Pastes,
    REML = FALSE,
    sigma = sigma(fit)
  ))
  best <- stats::nlminb(c(1, log(sigma(fit))), \(x) {
    model <- rlmm(
      formula,
      Pastes,
      REML = FALSE,
      sigma = exp(x[2]),
      control = rlmm_control(
        check_conv_singular = "ignore",
        fixed = list(
          theta = c(
            "cask:batch.(Intercept)" = 2 / exp(x[2]),
            "batch.(Intercept)" = abs(x[1])
          )
        )
      )
    )
    model$dev$objective
  })
  expect_equal(fit$dev$objective, best$objective, tolerance = 1e-9)
  expect_gt(fit$dev$objective, free$dev$objective)
  # At the estimates of the free fit nothing is lost.
  again <- rlmm(
    formula,
    Pastes,
    REML = FALSE,
    control = control(VarCorr(free)[["cask:batch"]])
  )
  expect_equal(again$dev$objective, free$dev$objective, tolerance = 1e-10)
  expect_equal(again$theta, free$theta, tolerance = 1e-4)
})

test_that("structures are held too, and must be those of the term", {
  cs <- Reaction ~ Days + cs(Days | Subject)
  value <- matrix(c(600, 50, 50, 40), 2)
  fit <- sleep_fit(list(cov = list(Subject = value)), cs, REML = FALSE)
  expect_equal(
    fit$dev$objective,
    sleep_fit(list(cov = list(Subject = value)), REML = FALSE)$dev$objective
  )
  diagonal <- Reaction ~ Days + diag(Days | Subject)
  expect_error(
    sleep_fit(list(cov = list(Subject = value)), diagonal),
    "structure",
    class = "rlmm_error_fixed"
  )
  expect_error(
    sleep_fit(list(cov = list(Subject = diag(3)))),
    "2 x 2",
    class = "rlmm_error_fixed"
  )
  expect_error(
    sleep_fit(list(cov = list(Subject = -value))),
    "eigenvalue",
    class = "rlmm_error_fixed"
  )
  expect_error(
    sleep_fit(list(cov = list(Person = value))),
    "is none",
    class = "rlmm_error_fixed"
  )
  twice <- list(cov = list(Subject = value), theta = c(Subject.Days = 1))
  expect_error(sleep_fit(twice), "once", class = "rlmm_error_fixed")
  zero <- sleep_fit(list(cov = list(Subject = matrix(0, 2, 2))), REML = FALSE)
  expect_equal(
    logLik(zero),
    logLik(stats::lm(Reaction ~ Days, sleepstudy)),
    tolerance = 1e-9,
    ignore_attr = TRUE
  )
  expect_false(isSingular(zero))
})

test_that("glmmTMB's map gives the same", {
  # glmmTMB 1.1.14: start = list(theta = log(40), beta = c(250, 12)), map = list(theta = factor(NA),
  # beta = factor(c(1, NA)))
  fit <- sleep_fit(
    list(cov = list("1 | Subject" = 1600), beta = c(Days = 12)),
    Reaction ~ Days + (1 | Subject),
    REML = FALSE
  )
  expect_equal(as.numeric(logLik(fit)), -899.01207127847, tolerance = 1e-8)
  expect_equal(attr(logLik(fit), "df"), 2)
  expect_equal(sigma(fit), 31.22407322341, tolerance = 1e-4)
  expect_equal(
    fixef(fit),
    c("(Intercept)" = 244.50785648011, Days = 12),
    tolerance = 1e-5
  )
})

test_that("variances that are held are marked", {
  fit <- sleep_fit(list(
    cov = list("Days | Subject" = diag(c(600, 35))),
    beta = c(Days = 10)
  ))
  expect_output(
    print(VarCorr(fit)),
    "Held at given values: the covariance of `(Days | Subject)`.",
    fixed = TRUE
  )
  expect_output(
    print(fit),
    "the coefficient `Days` and the covariance of",
    fixed = TRUE
  )
  expect_no_match(
    capture.output(print(VarCorr(sleep_fit(list(beta = c(Days = 10)))))),
    "Held"
  )
  expect_output(
    print(VarCorr(sleep_fit(list(sigma = 20)))),
    "was given",
    fixed = TRUE
  )
})

test_that("a summary of held coefficients doesn't warn, and shows no correlation with them", {
  for (beta in list(c(Days = 10), c("(Intercept)" = 250, Days = 10))) {
    fit <- rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      control = rlmm_control(fixed = list(beta = beta))
    )
    expect_no_warning(shown <- format(summary(fit)))
    expect_no_match(shown, "Correlation of fixed effects|NaN")
    expect_no_warning(
      correlation <- attr(vcov(fit, correlation = TRUE), "correlation")
    )
    expect_identical(unname(diag(correlation)), c(1, 1))
    held <- names(fixef(fit)) %in% names(beta)
    expect_identical(
      is.na(coef(summary(fit))[, "df"]),
      setNames(held, names(fixef(fit)))
    )
    limits <- coef(summary(fit), conf.int = TRUE)[
      held,
      c("2.5 %", "97.5 %"),
      drop = FALSE
    ]
    expect_equal(limits, confint(fit, rownames(limits), method = "Wald"))
  }
})

test_that("a singular covariance can be held: sigma is then the only free parameter", {
  for (covariance in list(matrix(c(100, 10, 10, 1), 2), matrix(0, 2, 2))) {
    known <- list(cov = list(Subject = covariance))
    fit <- rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      control = rlmm_control(fixed = known)
    )
    errors <- sqrt(diag(variance_vcov(fit, "theta")))
    # At a fixed covariance of the random effects: the curvature of the restricted likelihood in
    # sigma by differences.
    x <- model.matrix(fit)
    z <- t(as.matrix(getME(fit, "Zt")))
    y <- sleepstudy$Reaction
    criterion <- function(sigma) {
      v <- z %*% kronecker(diag(18), covariance) %*% t(z) + diag(sigma^2, 180)
      xvx <- crossprod(x, solve(v, x))
      residual <- y - x %*% solve(xvx, crossprod(x, solve(v, y)))
      as.numeric(
        determinant(v)$modulus +
          determinant(xvx)$modulus +
          crossprod(residual, solve(v, residual))
      )
    }
    h <- 1e-2
    at <- sigma(fit) + c(-h, 0, h)
    curvature <- sum(c(1, -2, 1) * vapply(at, criterion, 1)) / h^2
    expect_equal(errors[["sigma"]], sqrt(2 / curvature), tolerance = 1e-5)
    expect_true(all(coef(summary(fit))[, "df"] > 100))
  }
})

test_that("with a parameter held the others stay in the parameter space", {
  d <- transform(sleepstudy, f = factor(Days %% 3))
  # Against the data: the correlations are positive.
  cases <- list(
    list(Reaction ~ Days + cs(0 + f | Subject), c(Subject.rho = -0.45)),
    list(
      Reaction ~ Days + ar1(0 + f | Subject, hom = FALSE),
      c(Subject.rho = -0.9)
    ),
    list(
      Reaction ~ Days + (Days | Subject),
      c("Subject.Days.(Intercept)" = -0.5)
    )
  )
  for (case in cases) {
    control <- rlmm_control(
      fixed = list(theta = case[[2]]),
      check_conv_singular = "ignore"
    )
    fit <- rlmm(case[[1]], d, control = control)
    free <- !names(getME(fit, "theta")) %in% names(case[[2]])
    objective <- as.function(fit)
    at <- \(x) objective(replace(fit$theta, free, x))
    best <- withr::with_seed(
      1,
      min(replicate(
        8,
        nlminb(runif(sum(free), 0, 1.5), at, lower = 0)$objective
      ))
    )
    expect_gte(min(fit$theta[free]), 0)
    expect_equal(fit$dev$objective, best, tolerance = 1e-9)
    expect_identical(certificate(fit)$verdict, "optimal")
  }
})

test_that("every optimizer finds sigma beside a covariance held on the scale of the response", {
  best <- optimize(
    \(s) dense_deviance(diag(c(1300, 0)), s, TRUE),
    c(15, 60),
    tol = 1e-8
  )
  for (name in c(
    "LD_LBFGS",
    "LD_VAR1",
    "LD_VAR2",
    "LD_TNEWTON",
    "LN_PRAXIS",
    "LN_BOBYQA"
  )) {
    control <- rlmm_control(
      fixed = list(cov = list("1 | Subject" = matrix(1300))),
      optimizer = name
    )
    fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = control)
    expect_equal(fit$dev$objective, best$objective, tolerance = 1e-10)
    expect_identical(certificate(fit)$verdict, "optimal")
    expect_lt(fit$optsum$feval, 100)
  }
})

test_that("a covariance of cs() or ar1() in which effects have no variance can be held", {
  days <- transform(sleepstudy, t = factor(Days %/% 2))
  hold <- function(call, covariance) {
    rlmm(
      as.formula(paste0("Reaction ~ Days + ", call)),
      days,
      control = rlmm_control(fixed = list(cov = list(Subject = covariance)))
    )
  }
  distance <- abs(outer(1:5, 1:5, `-`))
  for (sd in list(
    c(0, 20, 30, 25, 10),
    c(20, 0, 30, 25, 10),
    c(20, 0, 30, 0, 10),
    c(20, 0, 0, 30, 0),
    c(0, 0, 9, 0, 0)
  )) {
    sign <- if (identical(sd, c(20, 0, 30, 0, 10))) 1 else -1
    ar1 <- outer(sd, sd) * (sign * 0.4)^distance
    fit <- hold("ar1(0 + t | Subject, hom = FALSE)", ar1)
    expect_equal(
      VarCorr(fit)$Subject,
      ar1,
      tolerance = 1e-12,
      ignore_attr = TRUE
    )
    cs <- outer(sd, sd) * (-0.2)^(distance > 0)
    expect_equal(
      VarCorr(hold("cs(0 + t | Subject)", cs))$Subject,
      cs,
      tolerance = 1e-12,
      ignore_attr = TRUE
    )
  }
  # At distances 2 and 3 the sign is that of the odd one.
  sd <- c(20, 0, 30, 0, 0, 10)
  covariance <- outer(sd, sd) * (-0.4)^abs(outer(1:6, 1:6, `-`))
  term <- list(structure = "hetar1", columns = letters[1:6])
  expect_equal(nearest_theta(term, covariance), c(sd, -0.4), tolerance = 1e-7)
})

test_that("a model without coefficients says so", {
  none <- rlmm_control(fixed = list(beta = c(Days = 1)))
  expect_error(
    rlmm(Reaction ~ 0 + (1 | Subject), sleepstudy, control = none),
    "It has none",
    class = "rlmm_error_fixed"
  )
})

# What is held is held at its free estimate: the criterion is that of the free fit, up to the scale
# of the covariate, which REML knows.
test_that("each element can be held, whatever the scale of a covariate", {
  for (call in c("us", "diag", "cs")) {
    formula <- as.formula(sprintf("Reaction ~ D + %s(1 + D | Subject)", call))
    free <- rlmm(formula, transform(sleepstudy, D = Days))
    roles <- term_roles(free$random[[1]])
    for (times in c(10, 60, 1e3, 1e6, 1e7)) {
      data <- transform(sleepstudy, D = Days * times)
      for (i in seq_along(free$theta)) {
        value <- getME(free, "theta")[i]
        if (roles$role[i] != "correlation" && roles$row[i] == 2L) {
          value <- value / times
        }
        control <- rlmm_control(fixed = list(theta = value))
        held <- rlmm(formula, data, control = control)
        expect_equal(
          held$dev$objective,
          free$dev$objective + 2 * log(times),
          tolerance = 1e-8,
          label = paste(call, times, i)
        )
        expect_identical(held$optsum$certificate$verdict, "optimal")
      }
    }
  }
})

test_that("effects that don't vary are judged at the best correlation", {
  formula <- Reaction ~ Days + cs(1 + Days | Subject)
  best <- rlmm(formula, sleepstudy)
  for (start in list(c(0.97, 0, -1), c(0.97, 0, 0.3), c(0, 0.2, -1))) {
    verdict <- core_derivatives(fit_spec(best), start)$certificate$verdict
    expect_identical(verdict, "not_converged")
    fit <- rlmm(formula, sleepstudy, start = start)
    expect_equal(fit$dev$objective, best$dev$objective, tolerance = 1e-9)
  }
})

test_that("methods for a held covariance don't depend on the origin of a covariate", {
  set.seed(3)
  data <- data.frame(g = factor(sample(15, 300, TRUE)), x = runif(300, 0, 30))
  data$y <- rpois(300, exp(0.2 + 0.02 * data$x + rnorm(15, sd = 0.5)[data$g]))
  # The lower triangular factor of the covariance of an intercept at the origin, by hand: with the
  # slope b1, the intercept is b0 - origin * b1.
  held <- \(origin) {
    root <- rbind(c(0.6 + 0.005 * origin, -0.03 * origin), c(-0.005, 0.03))
    first <- sqrt(sum(root[1, ]^2))
    covariance <- sum(root[1, ] * root[2, ]) / first
    theta <- c(first, covariance, 0.6 * 0.03 / first)
    names(theta) <- c("g.(Intercept)", "g.x.(Intercept)", "g.x")
    rlmm_control(fixed = list(theta = theta))
  }
  fit_at <- \(origin) {
    moved <- transform(data, x = x + origin)
    rglmm(y ~ x + (x | g), moved, poisson, control = held(origin))
  }
  near <- fit_at(0)
  far <- fit_at(1e6)
  methods <- list(
    loglik = \(fit) as.numeric(logLik(fit)),
    modes = \(fit) ranef(fit)$g$x,
    variances = \(fit) condVar(fit)$g[2, 2, ],
    error = \(fit) sqrt(vcov(fit)[2, 2]),
    predictions = predict,
    leverage = hatvalues,
    robust = \(fit) vcov(fit, type = "CR1")[2, 2]
  )
  for (method in methods) {
    expect_equal(method(far), method(near), tolerance = 1e-5)
  }
})

# Covariances that are held, whole ones and those of terms, also with structures.

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
    fit <- hold(
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
  at_known_sigma <- hold(
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
  fit <- hold(list(cov = list(Subject = value)), cs, REML = FALSE)
  expect_equal(
    fit$dev$objective,
    hold(list(cov = list(Subject = value)), REML = FALSE)$dev$objective
  )
  diagonal <- Reaction ~ Days + diag(Days | Subject)
  expect_error(
    hold(list(cov = list(Subject = value)), diagonal),
    "structure",
    class = "rlmm_error_fixed"
  )
  expect_error(
    hold(list(cov = list(Subject = diag(3)))),
    "2 x 2",
    class = "rlmm_error_fixed"
  )
  expect_error(
    hold(list(cov = list(Subject = -value))),
    "eigenvalue",
    class = "rlmm_error_fixed"
  )
  expect_error(
    hold(list(cov = list(Person = value))),
    "is none",
    class = "rlmm_error_fixed"
  )
  twice <- list(cov = list(Subject = value), theta = c(Subject.Days = 1))
  expect_error(hold(twice), "once", class = "rlmm_error_fixed")
  zero <- hold(list(cov = list(Subject = matrix(0, 2, 2))), REML = FALSE)
  expect_equal(
    logLik(zero),
    logLik(stats::lm(Reaction ~ Days, sleepstudy)),
    tolerance = 1e-9,
    ignore_attr = TRUE
  )
  expect_false(isSingular(zero))
})

test_that("variances that are held are marked", {
  fit <- hold(list(
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
    capture.output(print(VarCorr(hold(list(beta = c(Days = 10)))))),
    "Held"
  )
  expect_output(
    print(VarCorr(hold(list(sigma = 20)))),
    "was given",
    fixed = TRUE
  )
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

# Elements of `fixed` that name nothing, or something else, and what is told then.

test_that("nothing to hold is nothing held", {
  free <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  for (nothing in list(
    list(),
    list(theta = NULL),
    list(theta = numeric()),
    list(cov = list(), beta = NULL)
  )) {
    expect_null(rlmm_control(fixed = nothing)$fixed)
    expect_equal(logLik(hold(nothing)), logLik(free))
  }
})

test_that("errors name the value", {
  expect_error(
    rlmm_control(fixed = list(theta = c(a = NA))),
    "holds NA for \"a\"",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(beta = c(a = 1, b = Inf))),
    "holds Inf for \"b\"",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(beta = c(a = 1, a = 2))),
    "a name for each",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(sigma = 0)),
    "`sigma` is 0",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(sigma = Inf)),
    "`sigma` is Inf",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(cov = list(g = "a"))),
    "holds \"a\" for \"g\"",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(rho = 1)),
    "an element `rho`",
    class = "rlmm_error_control"
  )
  expect_error(
    rlmm_control(fixed = list(sigma = 1, sigma = 2)),
    "a name each",
    class = "rlmm_error_control"
  )
  held <- \(x) hold(list(cov = list(Subject = x)))
  expect_error(
    held(matrix(c(1, 2, 2, 1), 2)),
    "eigenvalue -1",
    class = "rlmm_error_fixed"
  )
  expect_error(
    held(matrix(c(1, 0.5, 0.2, 1), 2)),
    "0.5 and 0.2",
    class = "rlmm_error_fixed"
  )
  expect_error(
    held(matrix(c(1, NA, NA, 1), 2)),
    "with NA",
    class = "rlmm_error_fixed"
  )
  expect_error(held(matrix(1, 3, 3)), "3 x 3", class = "rlmm_error_fixed")
  expect_error(held(1:3), "length 3", class = "rlmm_error_fixed")
  of_intercept <- \(x) {
    hold(list(cov = list(Subject = x)), Reaction ~ Days + (1 | Subject))
  }
  expect_error(of_intercept(-1), "It is -1", class = "rlmm_error_fixed")
  cs <- Reaction ~ Days + cs(Days | Subject, hom = TRUE)
  expect_error(
    hold(list(cov = list(Subject = diag(1:2))), cs),
    "1 for 2 at [2, 2]",
    fixed = TRUE,
    class = "rlmm_error_fixed"
  )
  expect_error(
    hold(list(theta = c(Subject.rho = -1.2)), cs),
    "-1.2",
    class = "rlmm_error_fixed"
  )
})

test_that("what a changed formula no longer has isn't held any more", {
  fit <- hold(list(beta = c("(Intercept)" = 250, Days = 10), sigma = 30))
  expect_message(
    without <- update(fit, . ~ . - Days),
    "`Days`",
    class = "rlmm_message_held"
  )
  expect_equal(
    logLik(without),
    logLik(hold(
      list(beta = c("(Intercept)" = 250), sigma = 30),
      Reaction ~ 1 + (Days | Subject)
    ))
  )
  # The call of the new fit is one that can be evaluated; the next update has nothing to tell.
  expect_no_message(again <- eval(without$call))
  expect_equal(logLik(again), logLik(without))
  expect_no_message(update(without, REML = FALSE))
  table <- suppressMessages(drop1(hold(
    list(beta = c(Days = 10)),
    REML = FALSE
  )))
  expect_equal(table["Days", "npar"], 0)
  expect_equal(
    table["Days", "AIC"],
    AIC(rlmm(Reaction ~ 1 + (Days | Subject), sleepstudy, REML = FALSE)),
    tolerance = 1e-8
  )

  by_cov <- hold(list(cov = list(Subject = diag(c(600, 35)))))
  simpler <- . ~ . - (Days | Subject) + (1 | Subject)
  expect_message(
    fewer <- update(by_cov, simpler),
    "`Days | Subject`",
    fixed = TRUE,
    class = "rlmm_message_held"
  )
  expect_equal(
    logLik(fewer),
    logLik(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy))
  )
  by_theta <- hold(list(theta = c(Subject.Days = 0.2)))
  expect_message(
    update(by_theta, simpler),
    "`Subject.Days`",
    class = "rlmm_message_held"
  )
  expect_no_message(
    same <- update(by_theta, . ~ . - (Days | Subject) + (Days || Subject))
  )
  expect_identical(getME(same, "theta")[["Subject.Days"]], 0.2)
  # A name that was never one of the model stays an error.
  expect_error(
    update(fit, control = rlmm_control(fixed = list(beta = c(Weeks = 1)))),
    class = "rlmm_error_fixed"
  )
})

test_that("limits and standard errors of what is held are its value, and zero", {
  covariance <- matrix(c(700, 20, 20, 30), 2)
  for (fixed in list(
    list(cov = list(Subject = covariance)),
    list(cov = list(Subject = covariance), sigma = 25)
  )) {
    limits <- confint(
      hold(fixed),
      parm = "theta_",
      oldNames = FALSE,
      method = "Wald"
    )
    value <- c(sqrt(700), 20 / sqrt(700 * 30), sqrt(30))
    expect_equal(
      unname(limits[1:3, ]),
      cbind(value, value),
      ignore_attr = TRUE,
      tolerance = 1e-12
    )
  }
  zero <- hold(list(cov = list(Subject = 0)), Reaction ~ Days + (1 | Subject))
  expect_equal(unname(confint(zero, method = "Wald")[1, ]), c(0, 0))
  d <- transform(sleepstudy, f = factor(Days %% 3))
  for (rho in c(0.1, 1 / 3, -0.2, 0.95)) {
    for (formula in list(
      Reaction ~ Days + cs(0 + f | Subject),
      Reaction ~ Days + ar1(0 + f | Subject)
    )) {
      control <- rlmm_control(
        fixed = list(theta = c(Subject.rho = rho)),
        check_conv_singular = "ignore"
      )
      fit <- rlmm(formula, d, control = control)
      limits <- confint(fit, parm = "theta_", oldNames = FALSE, method = "Wald")
      expect_identical(
        unname(limits[startsWith(rownames(limits), "cor_"), ]),
        c(rho, rho)
      )
      expect_identical(attr(VarCorr(fit)$Subject, "correlation")[[2, 1]], rho)
      expect_identical(getME(fit, "theta")[["Subject.rho"]], rho)
    }
  }
  fit <- hold(list(theta = c(Subject.Days = 0.2)))
  expect_identical(
    unname(variance_vcov(fit, "theta")["Subject.Days", ]),
    rep(0, 4)
  )
  expect_gt(variance_vcov(fit)["sd_Days|Subject", "sd_Days|Subject"], 0)
})

test_that("everything can be held at once, with weights and offsets", {
  d <- transform(
    sleepstudy,
    w = rep(1:3, 60),
    o = rep(c(-5, 5), 90),
    f = factor(Days %% 3)
  )
  formula <- Reaction ~ Days +
    (1 | Subject) +
    (0 + Days | Subject) +
    ar1(0 + f | Subject)
  known <- list(
    beta = c(Days = 9),
    sigma = 30,
    theta = c("Subject.(Intercept)" = 0.5),
    cov = list("ar1(0 + f | Subject)" = 100 * 0.4^abs(outer(1:3, 1:3, "-")))
  )
  z <- cbind(
    model.matrix(~ 0 + Subject, d),
    model.matrix(~ 0 + Subject:Days, d),
    model.matrix(~ 0 + Subject:f, d)
  )
  dense <- function(sd_days, reml) {
    g <- rep(c((0.5 * 30)^2, sd_days^2), each = 18)
    g <- as.matrix(Matrix::bdiag(diag(g), kronecker(known$cov[[1]], diag(18))))
    v <- z %*% g %*% t(z) + diag(30^2 / d$w)
    r <- d$Reaction - d$o - 9 * d$Days
    one <- rep(1, 180)
    vi <- solve(v)
    info <- sum(vi)
    r <- r - sum(vi %*% r) / info
    n <- if (reml) 179 else 180
    n *
      log(2 * pi) +
      as.numeric(determinant(v)$modulus) +
      sum(r * (vi %*% r)) +
      if (reml) log(info) else 0
  }
  for (reml in c(TRUE, FALSE)) {
    fit <- rlmm(
      formula,
      d,
      REML = reml,
      weights = w,
      offset = o,
      control = rlmm_control(fixed = known)
    )
    best <- optimize(dense, c(0, 30), reml = reml, tol = 1e-6)
    expect_equal(-2 * as.numeric(logLik(fit)), best$objective, tolerance = 1e-9)
    expect_equal(attr(logLik(fit), "df"), 2)
    expect_equal(
      unname(attr(VarCorr(fit)[[2]], "stddev")),
      best$minimum,
      tolerance = 1e-4
    )
    again <- refit(fit, simulate(fit, seed = 1)[[1]])
    expect_identical(fixef(again)[["Days"]], 9)
    expect_identical(sigma(again), 30)
    expect_identical(getME(again, "theta")[["Subject.(Intercept)"]], 0.5)
    expect_equal(
      VarCorr(again)[[3]],
      known$cov[[1]],
      tolerance = 1e-12,
      ignore_attr = TRUE
    )
  }
})

test_that("free elements beside a held one are searched, whatever the unit of the covariate", {
  # -2 log-likelihood at theta (0.966733, 0.02314, 0.06555), found by hand.
  best <- 1748.233
  for (unit in c(10, 60, 1e6)) {
    data <- transform(sleepstudy, D = Days * unit)
    held <- rlmm_control(
      fixed = list(theta = c("Subject.(Intercept)" = 0.966733))
    )
    fit <- rlmm(Reaction ~ D + cs(1 + D | Subject), data, control = held)
    # The restricted criterion changes by the logarithm of the unit of one column of X.
    expect_equal(REMLcrit(fit) - 2 * log(unit / 10), best, tolerance = 1e-6)
    expect_equal(getME(fit, "theta")[[2]] * unit, 0.2314, tolerance = 1e-3)
  }
})

test_that("a model with something held starts in the units of its covariates", {
  data <- transform(sleepstudy, D = Days * 1e7)
  free <- rlmm(Reaction ~ D + (D | Subject), data)
  first <- c("Subject.(Intercept)" = getME(free, "theta")[[1]])
  held <- rlmm_control(fixed = list(theta = first))
  expect_equal(
    REMLcrit(rlmm(Reaction ~ D + (D | Subject), data, control = held)),
    REMLcrit(free),
    tolerance = 1e-8
  )
  for (term in c("diag(D | Subject)", "cs(D | Subject)")) {
    formula <- as.formula(paste("Reaction ~ D +", term))
    at <- getME(rlmm(formula, data), "theta")[[1]]
    held <- rlmm_control(fixed = list(theta = c("Subject.(Intercept)" = at)))
    expect_equal(
      REMLcrit(rlmm(formula, data, control = held)),
      REMLcrit(rlmm(formula, data)),
      tolerance = 1e-8
    )
  }
})

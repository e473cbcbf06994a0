# Elements of theta and sigma that are held, and the optimum of the others.

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

test_that("sigma is held by either argument", {
  fit <- hold(list(sigma = 30))
  same <- sleep_fit(sigma = 30)
  expect_equal(logLik(fit), logLik(same))
  expect_identical(sigma(refit(fit, sleepstudy$Reaction + 1)), 30)
  expect_error(
    hold(list(sigma = 30), sigma = 20),
    class = "rlmm_error_fixed"
  )
})

test_that("glmmTMB's map gives the same", {
  # glmmTMB 1.1.14: start = list(theta = log(40), beta = c(250, 12)), map = list(theta = factor(NA),
  # beta = factor(c(1, NA)))
  fit <- hold(
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

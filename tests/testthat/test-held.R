test_that("held elements of theta stay, and the others are optimal given them", {
  hold <- function(theta) rlmm_control(fixed = list(theta = theta))
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = hold(c(Subject.Days = 0.3)))
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
  cs <- rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy, control = control)
  diagonal <- rlmm(Reaction ~ Days + diag(Days | Subject), sleepstudy)
  expect_equal(logLik(cs), logLik(diagonal), tolerance = 1e-9)
  all <- rlmm_control(fixed = list(theta = c("Subject.(Intercept)" = 0.9)))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = all)
  expect_identical(fit$theta, 0.9)
  expect_equal(attr(logLik(fit), "df"), 3)
  expect_equal(fit$dev$objective, as.function(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy))(0.9))
})

test_that("what can't be held is an error", {
  fit <- function(theta) {
    rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy, control = rlmm_control(fixed = list(theta = theta)))
  }
  expect_error(fit(c(Subject.Weeks = 1)), class = "rlmm_error_fixed")
  expect_error(fit(c(Subject.Days = -1)), class = "rlmm_error_fixed")
  expect_error(fit(c(Subject.rho = 1.1)), class = "rlmm_error_fixed")
  expect_error(rlmm_control(fixed = list(theta = 1)), class = "rlmm_error_control")
  expect_error(rlmm_control(fixed = c(a = 1)), class = "rlmm_error_control")
  expect_error(rlmm_control(fixed = list(beta = c(Days = 1))), class = "rlmm_error_control")
})

test_that("Lambda follows Lind, for every structure", {
  formulas <- list(
    score ~ Machine + (0 + Machine | Worker),
    score ~ Machine + diag(0 + Machine | Worker),
    score ~ Machine + diag(0 + Machine | Worker, hom = TRUE),
    score ~ Machine + (1 | Worker) + zerocorr(0 + Machine | Worker)
  )
  for (formula in formulas) {
    fit <- suppressMessages(rlmm(formula, nlme::Machines))
    expect_identical(
      getME(fit, "Lambdat")@x,
      unname(getME(fit, "theta")[getME(fit, "Lind")])
    )
    expect_values(
      getME(fit, "Lambda") %*% getME(fit, "u"),
      getME(fit, "b"),
      tolerance = 1e-10
    )
    fitted <- getME(fit, "X") %*%
      fixef(fit) +
      getME(fit, "Z") %*% getME(fit, "b")
    expect_values(drop(as.matrix(fitted)), getME(fit, "mu"), tolerance = 1e-8)
  }
})

test_that("components are named as lme4 names them", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy
  )
  expect_identical(component_names(fit), c("Subject", "Subject.1"))
  fit <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  expect_identical(component_names(fit), c("cask:batch", "batch"))
})

test_that("theta's bounds are zero where Lambda has its diagonal", {
  fit <- suppressMessages(rlmm(
    score ~ Machine + (0 + Machine | Worker),
    nlme::Machines
  ))
  expect_identical(theta_lower(fit$random), c(0, -Inf, -Inf, 0, -Inf, 0))
})

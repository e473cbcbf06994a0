test_that("groups are the connected parts of the random effects", {
  data <- data.frame(
    a = factor(c(1, 1, 2, 2, 3, 3, 4)),
    b = factor(c(1, 2, 2, 3, 4, 5, 5)),
    y = c(2, 5, 3, 7, 1, 4, 2)
  )
  control <- rlmm_control(
    check_nobs_vs_nre = "ignore",
    check_nobs_vs_nlev = "ignore"
  )
  fit <- suppressMessages(suppressWarnings(
    rlmm(y ~ 1 + (1 | a) + (1 | b), data, control = control)
  ))
  expect_identical(as.integer(independent_groups(fit)), rep(1:2, c(4, 3)))
  fit <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  expect_identical(
    as.integer(independent_groups(fit)),
    as.integer(Pastes$batch)
  )
})

test_that("the specs of the groups add up to that of the model", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  spec <- fit_spec(fit)
  spec$sigma <- fit$sigma
  spec$x <- list()
  whole <- core_objective(spec, fit$theta)
  each <- vapply(
    specs_of_groups(spec, independent_groups(fit)),
    core_objective,
    0,
    fit$theta
  )
  expect_length(each, 18)
  expect_equal(sum(each), whole, tolerance = 1e-10)
})

test_that("a regular optimum is certified", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- certificate(fit)
  expect_identical(found$verdict, "optimal")
  expect_lt(found$predicted_decrease, 1e-6)
  expect_length(found$curvatures, 3)
  expect_true(all(found$curvatures > 0))
  expect_identical(found$terms$rank, 2L)
  expect_named(found$directions[[1]], c("(Intercept)", "Days"))
  text <- format(found)
  expect_match(text[1], "^Optimal")
  expect_true(any(grepl("3 positive", text)))
  expect_true(any(grepl("(Days | Subject)", text, fixed = TRUE)))
})

test_that("a singular optimum is told apart from a failure, with its term", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  found <- certificate(fit)
  expect_identical(found$verdict, "optimal")
  expect_gt(found$terms$lambda_min, 0)
  expect_match(format(found)[1:2], "singular|(1 | Batch)", all = TRUE)
})

test_that("each user's term has its own row, also when terms share a factor", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), sleepstudy)
  found <- certificate(fit)
  expect_identical(found$terms$term, c("(1 | Subject)", "(0 + Days | Subject)"))
  expect_named(found$directions[[2]], "Days")
})

test_that("a fit that stopped early is found out, with the decrease that it leaves", {
  control <- rlmm_control(optimizer = "LN_NELDERMEAD", ftol_rel = 1e-4, ftol_abs = 1)
  expect_warning(
    fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = control),
    "Days | Subject", class = "rlmm_warning_convergence", fixed = TRUE
  )
  found <- certificate(fit)
  expect_identical(found$verdict, "not_converged")
  left <- deviance(fit, REML = TRUE) - deviance(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy), REML = TRUE)
  expect_equal(found$predicted_decrease, left, tolerance = 0.5)
  expect_match(format(found)[1], "Newton step")
  expect_true(any(grepl("Newton step", format(fit))))
})

test_that("reaching a limit at the optimum is no cause for a warning", {
  full <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  control <- rlmm_control(optimizer = "LN_BOBYQA", max_eval = 3)
  expect_silent(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = control, start = full$theta))
})

test_that("the record prints the same from the fit and from opt_summary()", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(format(fit$optsum), format(opt_summary(fit)))
  expect_match(format(fit$optsum), "Certificate: +optimal", all = FALSE)
})

test_that("what has no certificate is refused", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  fit$optsum$certificate <- NULL
  expect_error(certificate(fit), class = "rlmm_error_not_available")
  expect_error(certificate(lm(Yield ~ 1, Dyestuff)), class = "rlmm_error_argument")
})

test_that("a saddle point is told from an optimum", {
  set.seed(41)
  data <- data.frame(g = gl(15, 6), x = rnorm(90), z = rnorm(90))
  b <- matrix(rnorm(30), 15)
  data$y <- rnorm(90) + 0.5 * b[data$g, 1] + 0.5 * b[data$g, 2] * data$z + 0.1 * b[data$g, 1] * data$x
  fit <- suppressMessages(rlmm(y ~ x + (1 + x + z | g), data))
  expect_identical(certificate(fit)$verdict, "optimal")
  # Where an optimizer with bounds stopped.
  theta <- c(0.6313736438, 0.1314171143, 0.3029941541, 0, -0.01136584087, 0.4421215825)
  found <- core_derivatives(fit_spec(fit), theta)
  expect_lt(found$certificate$gradient_norm, 0.01)
  expect_lt(min(found$certificate$curvatures), 0)
  above <- core_objective(fit_spec(fit), theta) - fit$dev$objective
  expect_gt(above, 1e-4)
  expect_identical(found$certificate$verdict, "saddle")
  expect_equal(found$certificate$predicted_decrease, above, tolerance = 0.01)
  # The derivatives are those at theta, wherever the second search went.
  objective <- as.function(fit)
  gradient <- vapply(1:6, \(i) {
    shift <- replace(numeric(6), i, 1e-4)
    (objective(theta + shift) - objective(theta - shift)) / 2e-4
  }, 0)
  expect_lt(max(abs(found$gradient - gradient)), 1e-6)
})

test_that("the message, is_singular(), the summary and the certificate agree", {
  sleepstudy$Hours <- 24e5 * sleepstudy$Days
  sleepstudy$Tiny <- 1e-5 * sleepstudy$Days
  for (formula in list(Reaction ~ Hours + (Hours | Subject), Reaction ~ Tiny + (Tiny | Subject))) {
    expect_silent(fit <- rlmm(formula, sleepstudy))
    expect_false(isSingular(fit))
    expect_identical(certificate(fit)$terms$rank, 2L)
    expect_false(any(grepl("singular", format(summary(fit)))))
  }
  set.seed(2)
  sleepstudy$noise <- rnorm(180)
  for (scale in c(1, 1e6, 1e-6)) {
    sleepstudy$Covariate <- scale * sleepstudy$Days
    expect_message(
      fit <- rlmm(noise ~ Covariate + (Covariate | Subject), sleepstudy), class = "rlmm_message_singular"
    )
    expect_true(isSingular(fit))
    expect_lt(certificate(fit)$terms$rank, 2L)
    expect_true(any(grepl("singular", format(summary(fit)))))
  }
})

# 40 binary responses that are pure noise, and ten covariance parameters: Laplace's approximation
# with the Cauchy link has many optima.
noisy_fit <- function(...) {
  set.seed(32)
  data <- data.frame(g = gl(5, 8), f = gl(4, 1, 40), x = rnorm(40))
  data$y <- rbinom(40, 1, 0.5)
  suppressWarnings(rglmm(y ~ x + (0 + f | g), data, binomial("cauchit"), ...))
}

test_that("a fit says that random starts led lower, and to many optima", {
  expect_message(
    fit <- noisy_fit(),
    "Another optimum may be lower: [0-9]+ searches from random starts ended at [0-9]+ optima",
    class = "rlmm_message_optima"
  )
  found <- fit$optsum$random_starts
  share <- with(found, optima * (optima + 1) / (searches * (searches - 1)))
  expect_equal(found$undiscovered, share)
  expect_gt(share, 0.05)
  expect_gt(found$improvements, 0)
  expect_match(
    paste(format(fit), collapse = " "),
    "Another optimum may be lower"
  )
  expect_match(
    paste(format(certificate(fit)), collapse = " "),
    "and others may be lower"
  )
})

test_that("the message about other optima follows the policy about singular fits", {
  control <- rlmm_control(check_conv_singular = "ignore")
  expect_no_message(noisy_fit(control = control), class = "rlmm_message_optima")
})

test_that("data with one optimum aren't said to have others", {
  fits <- list(
    rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
    rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  )
  for (fit in fits) {
    expect_no_match(format(fit), "Another optimum")
  }
})

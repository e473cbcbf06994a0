test_that("a fit that was stopped is reported with its reason", {
  optsum <- list(
    status = "MAXEVAL_REACHED",
    feval = 500L,
    fitlog = cbind(c(10 - 1:20 / 10), 1)
  )
  linear <- c("rlmm_lmm", "rlmm")
  expect_warning(
    report_convergence(structure(list(optsum = optsum), class = linear)),
    "`max_eval` \\(500\\)",
    class = "rlmm_warning_convergence"
  )
  expect_warning(
    report_convergence(structure(list(optsum = optsum), class = linear)),
    "fell by 1 over the last 10"
  )
  optsum$status <- "FORCED_STOP"
  expect_warning(
    report_convergence(structure(list(optsum = optsum), class = linear)),
    "interrupted",
    class = "rlmm_warning_convergence"
  )
  optsum$status <- "FTOL_REACHED"
  expect_silent(report_convergence(structure(
    list(optsum = optsum),
    class = linear
  )))
})

test_that("covariates in large units raise no alarm", {
  data <- frame_data()
  data$y <- data$y + data$x * as.integer(data$b) + as.integer(data$c)
  data$x <- data$x * 1e6
  expect_silent(fit <- rlmm(y ~ x + (0 + x | b) + (1 | c), data))
  expect_false(isSingular(fit))
})

test_that("a response that the model reproduces almost exactly is reported", {
  data <- frame_data()
  data$y <- data$x + as.integer(data$b)
  quietly <- rlmm_control(check_conv_singular = "ignore")
  expect_warning(
    rlmm(y ~ x + (1 | b), data, control = quietly),
    "almost exactly",
    class = "rlmm_warning_exact_fit"
  )
  data$y <- 1e9 + as.integer(data$b) + 0.001 * data$z
  expect_no_warning(rlmm(y ~ x + (1 | b), data, control = quietly))
})

test_that("the units of a response with a dispersion raise no alarm", {
  data <- glmm_data()
  set.seed(4)
  data$y <- rgamma(nrow(data), 3, 3 / exp(data$eta))
  for (unit in c(1e-200, 1e-10, 1e10)) {
    expect_silent(fit <- rglmm(I(unit * y) ~ x + (1 | g), data, Gamma("log")))
    expect_false(isSingular(fit))
  }
  data$y <- exp(data$x + as.integer(data$g) / 10 + 1e-7 * rnorm(nrow(data)))
  quietly <- rlmm_control(check_conv_singular = "ignore")
  expect_warning(
    rglmm(
      y ~ x + (1 | g),
      data,
      Gamma("log"),
      control = quietly,
      dispersion = "moment"
    ),
    "The deviance is",
    class = "rlmm_warning_exact_fit"
  )
})

test_that("a fit without finite derivatives isn't passed over in silence", {
  days <- transform(sleepstudy, y = Reaction * 1e-100)
  expect_warning(
    fit <- rlmm(y ~ Days + (Days | Subject), days),
    "Can't tell",
    class = "rlmm_warning_convergence"
  )
  expect_match(format(fit), "Fixed effects", all = FALSE)
  expect_true(all(is.na(variance_vcov(fit))))
})

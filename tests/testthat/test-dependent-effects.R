# Columns of Z that depend on each other: a covariate far from zero, two that are nearly the same.
# The likelihood doesn't depend on the origin of a covariate, so the fit of the centred one is the
# reference.

growth <- local({
  set.seed(4)
  data <- data.frame(g = gl(25, 8), x = rnorm(200))
  data$y <- rnorm(25)[data$g] +
    rnorm(25, sd = 0.6)[data$g] * data$x +
    rnorm(200)
  data
})

test_that("the origin of a covariate with varying effects doesn't matter", {
  centred <- rlmm(y ~ x + (1 + x | g), growth, REML = FALSE)
  for (origin in c(-30, 2000, 20000)) {
    moved <- transform(growth, x = x + origin)
    expect_silent(fit <- rlmm(y ~ x + (1 + x | g), moved, REML = FALSE))
    expect_equal(
      as.numeric(logLik(fit)),
      as.numeric(logLik(centred)),
      tolerance = 1e-9
    )
    expect_equal(fit$optsum$certificate$verdict, "optimal")
    expect_lt(fit$optsum$feval, 20)
    # Var(b0 + b1 (x + origin)) at x = 0
    omega <- VarCorr(fit)$g
    at <- c(1, origin)
    expect_equal(
      drop(at %*% omega %*% at),
      VarCorr(centred)$g[1, 1],
      tolerance = 1e-4
    )
    expect_equal(omega[2, 2], VarCorr(centred)$g[2, 2], tolerance = 1e-5)
  }
})

test_that("other optimizers and other starts arrive there, too", {
  moved <- transform(growth, year = 2000 + x, h = gl(10, 1, 200))
  model <- y ~ year + (1 + year | g) + (1 | h)
  best <- rlmm(
    y ~ x + (1 + x | g) + (1 | h),
    transform(moved, x = x),
    REML = FALSE
  )
  fit <- suppressMessages(rlmm(model, moved, REML = FALSE))
  expect_equal(fit$optsum$fmin, best$optsum$fmin, tolerance = 1e-9)
  for (optimizer in c("LN_BOBYQA", "LD_LBFGS")) {
    other <- suppressMessages(update(
      fit,
      control = rlmm_control(optimizer = optimizer)
    ))
    expect_equal(other$optsum$fmin, best$optsum$fmin, tolerance = 1e-8)
  }
  log <- fit$optsum$fitlog
  expect_equal(unname(log[1, -1]), unname(fit$optsum$initial))
  from_one <- suppressMessages(rlmm(
    model,
    moved,
    REML = FALSE,
    start = c(1, 0, 1, 1)
  ))
  expect_equal(from_one$optsum$initial, c(1, 0, 1, 1))
  expect_equal(from_one$optsum$fmin, best$optsum$fmin, tolerance = 1e-9)
})

test_that("covariates that are nearly or exactly the same", {
  set.seed(5)
  data <- transform(growth, z = x + 1e-3 * rnorm(200), w = 2 * x)
  better <- transform(data, d = (z - x) * 1e3)
  fit <- suppressMessages(rlmm(y ~ x + z + (1 + x + z | g), data, REML = FALSE))
  same <- suppressMessages(rlmm(
    y ~ x + d + (1 + x + d | g),
    better,
    REML = FALSE
  ))
  expect_equal(fit$optsum$fmin, same$optsum$fmin, tolerance = 1e-9)
  # One of them is redundant: there is no more to gain than by the other alone.
  redundant <- suppressMessages(rlmm(
    y ~ x + (1 + x + w | g),
    data,
    REML = FALSE
  ))
  alone <- rlmm(y ~ x + (1 + x | g), data, REML = FALSE)
  expect_equal(redundant$optsum$fmin, alone$optsum$fmin, tolerance = 1e-9)
})

test_that("degrees of freedom and standard errors don't depend on the origin of a covariate", {
  set.seed(4)
  d <- data.frame(g = gl(25, 8), x = rnorm(200), w = runif(200, 0.5, 2))
  d$y <- 1 + d$x + rnorm(25)[d$g] + 0.7 * rnorm(25)[d$g] * d$x + rnorm(200)
  near <- rlmm(y ~ x + (x | g), d, weights = w)
  for (origin in c(30, 2000)) {
    far <- rlmm(y ~ x + (x | g), transform(d, x = x + origin), weights = w)
    expect_equal(
      summary(far)$coefficients["x", ],
      summary(near)$coefficients["x", ],
      tolerance = 1e-4
    )
    found <- variance_vcov(far)
    rows <- c("sd_x|g", "sigma")
    expect_equal(
      found[rows, rows],
      variance_vcov(near)[rows, rows],
      tolerance = 1e-3
    )
    expect_equal(
      confint(far, c(".sig03", ".sigma"), method = "Wald"),
      confint(near, c(".sig03", ".sigma"), method = "Wald"),
      tolerance = 1e-3
    )
  }
  # Theta of a covariate not that far, from its own derivatives.
  far <- rlmm(y ~ x + (x | g), transform(d, x = x + 12), weights = w)
  own <- joint_derivatives(fit_spec(far), far$theta, far$sigma, known = FALSE)
  expect_equal(
    variance_vcov(far, "theta"),
    joint_vcov(far, own),
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
})

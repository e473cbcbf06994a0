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
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy
  )
  found <- certificate(fit)
  expect_identical(found$terms$term, c("(1 | Subject)", "(0 + Days | Subject)"))
  expect_named(found$directions[[2]], "Days")
})

test_that("a fit that stopped early is found out, with the decrease that it leaves", {
  control <- rlmm_control(
    optimizer = "LN_NELDERMEAD",
    ftol_rel = 1e-4,
    ftol_abs = 1
  )
  expect_warning(
    fit <- rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      control = control
    ),
    "Days | Subject",
    class = "rlmm_warning_convergence",
    fixed = TRUE
  )
  found <- certificate(fit)
  expect_identical(found$verdict, "not_converged")
  left <- deviance(fit, REML = TRUE) -
    deviance(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy), REML = TRUE)
  expect_equal(found$predicted_decrease, left, tolerance = 0.5)
  expect_match(format(found)[1], "Newton step")
  expect_true(any(grepl("Newton step", format(fit))))
})

test_that("no number is printed for derivatives that aren't finite", {
  found <- certificate(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy))
  found$verdict <- "not_converged"
  found$predicted_decrease <- NaN
  expect_match(
    format(found)[1L],
    "derivatives of the objective there are not finite"
  )
  expect_no_match(format(found), "NaN")
  expect_match(verdict_phrase(found), "derivatives are not finite")
})

test_that("reaching a limit at the optimum is no cause for a warning", {
  full <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  control <- rlmm_control(optimizer = "LN_BOBYQA", max_eval = 3)
  expect_no_warning(expect_message(
    rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      control = control,
      start = full$theta
    ),
    class = "rlmm_message_limit"
  ))
})

test_that("the record of the search tells the certificate", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  lines <- format(opt_summary(fit))
  expect_match(lines, "Certificate: +optimal", all = FALSE)
})

test_that("what has no certificate is refused", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  fit$optsum$certificate <- NULL
  expect_error(certificate(fit), class = "rlmm_error_not_available")
  expect_error(
    certificate(lm(Yield ~ 1, Dyestuff)),
    class = "rlmm_error_argument"
  )
})

test_that("a saddle point is told from an optimum", {
  set.seed(41)
  data <- data.frame(g = gl(15, 6), x = rnorm(90), z = rnorm(90))
  b <- matrix(rnorm(30), 15)
  data$y <- rnorm(90) +
    0.5 * b[data$g, 1] +
    0.5 * b[data$g, 2] * data$z +
    0.1 * b[data$g, 1] * data$x
  fit <- suppressMessages(rlmm(y ~ x + (1 + x + z | g), data))
  expect_identical(certificate(fit)$verdict, "optimal")
  # Where an optimizer with bounds stopped.
  theta <- c(
    0.6313736438,
    0.1314171143,
    0.3029941541,
    0,
    -0.01136584087,
    0.4421215825
  )
  found <- core_derivatives(fit_spec(fit), theta)
  expect_lt(found$certificate$gradient_norm, 0.01)
  expect_lt(min(found$certificate$curvatures), 0)
  above <- core_objective(fit_spec(fit), theta) - fit$dev$objective
  expect_gt(above, 1e-4)
  expect_identical(found$certificate$verdict, "saddle")
  expect_equal(found$certificate$predicted_decrease, above, tolerance = 0.01)
  # The derivatives are those at theta, wherever the second search went.
  objective <- as.function(fit)
  gradient <- vapply(
    1:6,
    \(i) {
      shift <- replace(numeric(6), i, 1e-4)
      (objective(theta + shift) - objective(theta - shift)) / 2e-4
    },
    0
  )
  expect_lt(max(abs(found$gradient - gradient)), 1e-6)
})

test_that("the message, is_singular(), the summary and the certificate agree", {
  sleepstudy$Hours <- 24e5 * sleepstudy$Days
  sleepstudy$Tiny <- 1e-5 * sleepstudy$Days
  for (formula in list(
    Reaction ~ Hours + (Hours | Subject),
    Reaction ~ Tiny + (Tiny | Subject)
  )) {
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
      fit <- rlmm(noise ~ Covariate + (Covariate | Subject), sleepstudy),
      class = "rlmm_message_singular"
    )
    expect_true(isSingular(fit))
    expect_lt(certificate(fit)$terms$rank, 2L)
    expect_true(any(grepl("singular", format(summary(fit)))))
  }
})

# Restricted log-likelihood of a model whose residual variance is zero, by dense algebra, times -2.
limit_reml <- function(y, x, relative) {
  inverse <- solve(relative)
  info <- crossprod(x, inverse %*% x)
  residual <- y - x %*% solve(info, crossprod(x, inverse %*% y))
  n <- length(y) - ncol(x)
  variance <- drop(crossprod(residual, inverse %*% residual)) / n
  log_det <- \(m) as.numeric(determinant(m)$modulus)
  list(
    objective = n *
      log(2 * pi * variance) +
      n +
      log_det(relative) +
      log_det(info),
    sd = sqrt(variance)
  )
}

test_that("a residual variance that tends to zero is an optimum in the limit", {
  data <- transform(sleepstudy, f = factor(Days))
  for (rho in c(0.3, 0.5, 0.8)) {
    control <- rlmm_control(fixed = list(theta = c(Subject.rho = rho)))
    expect_message(
      fit <- rlmm(Reaction ~ 1 + ar1(0 + f | Subject), data, control = control),
      class = "rlmm_message_unbounded"
    )
    limit <- limit_reml(
      data$Reaction,
      matrix(1, 180),
      kronecker(diag(18), rho^abs(outer(0:9, 0:9, "-")))
    )
    expect_lt(abs(fit$dev$objective - limit$objective), 1e-3)
    expect_equal(unname(fit$sigma * fit$theta[1]), limit$sd, tolerance = 1e-6)
    found <- certificate(fit)
    expect_identical(found$verdict, "unbounded")
    expect_identical(found$suspects, "ar1(0 + f | Subject)")
    expect_match(
      format(found)[1],
      "the residual variance tends to zero",
      fixed = TRUE
    )
    expect_true(any(grepl("the residual variance", format(summary(fit)))))
  }
  # An estimated correlation leaves something to the residuals.
  expect_silent(fit <- rlmm(Reaction ~ 1 + ar1(0 + f | Subject), data))
  expect_identical(certificate(fit)$verdict, "optimal")
  # A standard deviation may be large and known well.
  set.seed(7)
  data <- data.frame(g = gl(20, 5))
  data$y <- rnorm(20)[data$g] + 1e-4 * rnorm(100)
  expect_silent(fit <- rlmm(y ~ 1 + (1 | g), data))
  expect_gt(fit$theta, 1000)
  expect_identical(certificate(fit)$verdict, "optimal")
})

test_that("variances that the data can't tell apart are named", {
  data <- transform(
    sleepstudy,
    f = factor(Days),
    row = factor(seq_len(180)),
    copy = factor(as.integer(Subject) * 2)
  )
  control <- rlmm_control(
    check_nobs_vs_nlev = "ignore",
    check_nobs_vs_nre = "ignore"
  )
  fitted <- function(formula) {
    expect_message(
      fit <- rlmm(formula, data, control = control),
      class = "rlmm_message_unidentified"
    )
    expect_identical(certificate(fit)$verdict, "unidentified")
    certificate(fit)
  }
  expect_match(
    format(fitted(Reaction ~ 1 + (1 | row)))[1],
    "the variance of `(1 | row)` from that of",
    fixed = TRUE
  )
  expect_match(
    format(fitted(Reaction ~ Days + (Days | row)))[1],
    "from each other or from that of",
    fixed = TRUE
  )
  expect_identical(
    fitted(Reaction ~ 1 + diag(0 + f | Subject))$suspects,
    "diag(0 + f | Subject)"
  )
  expect_identical(
    fitted(Reaction ~ Days + (1 | Subject) + (1 | copy))$suspects,
    c("(1 | Subject)", "(1 | copy)")
  )
  expect_identical(
    fitted(Reaction ~ Days + (Days | Subject) + (1 | copy))$suspects,
    c("(Days | Subject)", "(1 | copy)")
  )
})

test_that("where the exact Hessian isn't affordable the average information is used, and named", {
  set.seed(1)
  data <- data.frame(
    s = gl(12000, 2),
    i = factor(rep(1:10, length.out = 24000)),
    x = rnorm(24000)
  )
  data$y <- data$x + rnorm(12000)[data$s] + rnorm(10)[data$i] + rnorm(24000)
  fit <- rlmm(y ~ x + (1 | s) + (1 | i), data)
  expect_error(
    hessian(fit),
    "needs 1.1 GiB",
    class = "rlmm_error_hessian_too_large"
  )
  expect_error(
    hessian(fit, parameterization = "sqrt"),
    class = "rlmm_error_hessian_too_large"
  )
  expect_identical(
    certificate(fit)[c("verdict", "hessian")],
    list(verdict = "optimal", hessian = "average")
  )
  expect_match(
    format(summary(fit)),
    "Degrees of freedom from the average information",
    all = FALSE
  )
  found <- variance_vcov(fit, "theta")
  expect_identical(attr(found, "hessian"), "average")
  # The exact one, by differences of the objective, as sigma follows from theta.
  objective <- as.function(fit)
  step <- 1e-3 * fit$theta
  second <- outer(
    1:2,
    1:2,
    Vectorize(\(i, j) {
      at <- \(a, b) {
        objective(fit$theta + a * step * (1:2 == i) + b * step * (1:2 == j))
      }
      (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * step[i] * step[j])
    })
  )
  expect_equal(
    unname(found[1:2, 1:2]),
    2 * solve(second),
    tolerance = 0.05,
    ignore_attr = TRUE
  )
  expect_null(attr(
    variance_vcov(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)),
    "hessian"
  ))
  expect_false(any(grepl(
    "average",
    format(summary(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)))
  )))
})

test_that("the correlation of effects that don't vary isn't called unidentified", {
  set.seed(4)
  d <- expand.grid(r = 1:2, f = factor(1:3), g = factor(1:12))
  d$y <- rnorm(72)
  d$y <- d$y - ave(d$y, d$f, d$g) + 0.1 * ave(d$y, d$f, d$g)
  for (term in c(
    "cs(0 + f | g)",
    "ar1(0 + f | g)",
    "ar1(0 + f | g, hom = FALSE)"
  )) {
    fit <- suppressMessages(rlmm(stats::as.formula(paste("y ~ f +", term)), d))
    expect_identical(is_singular(fit)$rank, 0L)
    expect_identical(fit$optsum$certificate$verdict, "optimal")
  }
})

test_that("a certificate says where a search tried one start only", {
  # Of the optima of this model (x lies far from zero) the one near a given start is 69 above the
  # lowest, at which both variances are zero (lme4 finds it).
  data <- utils::read.csv(test_path("optima", "lmm-3362.csv"))
  data$g <- factor(data$g)
  fit <- \(...) {
    suppressMessages(rlmm(y ~ 1 + (x || g), data, FALSE, weights = w, ...))
  }
  given <- certificate(fit(start = c(5, 5)))
  expect_identical(given$starts, "one")
  expect_match(format(given), "^Scope: +local, from one start", all = FALSE)
  found <- certificate(fit())
  expect_identical(found$starts, "several")
  expect_match(format(found), "^Scope: +local; lower", all = FALSE)
  other <- fit(control = rlmm_control(optimizer = "bobyqa"))
  expect_identical(certificate(other)$starts, "one")
})

inverse_gaussian_data <- function() {
  set.seed(2)
  data <- data.frame(x = rnorm(60), g = gl(6, 10))
  mean <- exp(rnorm(6, sd = 0.8))[data$g]
  data$y <- 1 / rgamma(60, 4, 3 * mean)
  data
}

test_that("quadrature nodes beyond the end of a link's range are no proof of an optimum", {
  # The conditional density doesn't vanish at an infinite mean, beyond which it is zero.
  arguments <- list(
    y ~ 1 + (1 | g),
    inverse_gaussian_data(),
    inverse.gaussian(),
    dispersion = "estimated"
  )
  warned <- expect_warning(
    fit <- do.call(rglmm, c(arguments, nAGQ = 3)),
    "jumps",
    class = "rlmm_warning_convergence"
  )
  expect_identical(warned$verdict, "edge")
  found <- certificate(fit)
  expect_identical(found$verdict, "edge")
  expect_match(format(found)[1], "^At an edge")
  expect_true(any(grepl("jumps", format(fit))))
  expect_snapshot(cat(conditionMessage(warned)))
  # The modes themselves are in the range.
  expect_silent(laplace <- do.call(rglmm, arguments))
  expect_identical(certificate(laplace)$verdict, "optimal")
})

test_that("nodes inside the range leave an optimum an optimum", {
  data <- inverse_gaussian_data()
  expect_silent(
    fit <- rglmm(
      y ~ 1 + (1 | g),
      data,
      inverse.gaussian("log"),
      dispersion = "estimated",
      nAGQ = 5
    )
  )
  expect_identical(certificate(fit)$verdict, "optimal")
})

test_that("derivatives that aren't defined are called so", {
  found <- certificate(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy))
  found$curvatures[2] <- NaN
  found$gradient_norm <- NaN
  lines <- format(found)
  expect_match(lines, "not defined at all points nearby", all = FALSE)
  expect_match(lines, "Largest gradient: +unknown", all = FALSE)
})

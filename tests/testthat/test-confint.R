test_that("Wald limits are lme4's", {
  for_each_pair(
    function(fit, lme4) {
      theirs <- stats::confint(lme4, method = "Wald", level = 0.9)
      ours <- confint(fit, level = 0.9, method = "Wald")
      expect_identical(dimnames(ours), dimnames(theirs))
      # lme4 has no limits of the variance parameters.
      known <- !is.na(theirs[, 1])
      expect_equal(ours[known, ], theirs[known, ], tolerance = 1e-6)
      expect_identical(
        dimnames(confint(fit, "theta_", method = "Wald")),
        dimnames(stats::confint(lme4, "theta_", method = "Wald"))
      )
      expect_identical(
        rownames(confint(fit, 1:2, method = "Wald")),
        rownames(stats::confint(lme4, method = "Wald"))[1:2]
      )
    },
    c("sleep", "pastes", "sleep_two_terms", "oats")
  )
})

test_that("parameters are chosen by name", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(
    rownames(confint(fit, "beta_", method = "Wald")),
    c("(Intercept)", "Days")
  )
  expect_identical(
    confint(fit, "Days", method = "Wald"),
    confint(fit, method = "Wald")["Days", , drop = FALSE]
  )
  expect_identical(
    colnames(confint(fit, level = 0.999, method = "Wald")),
    c("0.05 %", "99.95 %")
  )
})

test_that("what can't be computed is said", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_error(confint(fit, "days"), class = "rlmm_error_unknown_parameter")
  expect_error(confint(fit, level = 95), class = "rlmm_error_argument")
  expect_snapshot({
    writeLines(error_lines(confint(fit, method = "boost")))
    writeLines(error_lines(confint(fit, "days")))
    writeLines(error_lines(confint(fit, level = 95)))
  })
})

test_that("limits of a negative correlation are computed without a warning", {
  sleepstudy$left <- 9 - sleepstudy$Days
  fit <- rlmm(Reaction ~ left + (left | Subject), sleepstudy)
  expect_lt(attr(VarCorr(fit)$Subject, "correlation")[2, 1], 0)
  expect_no_warning(limits <- confint(fit, ".sig02", method = "Wald"))
  expect_true(all(limits < 0))
})

test_that("limits of a correlation of cs() stay where the covariance is positive semi-definite", {
  set.seed(10)
  d <- expand.grid(g = factor(1:12), f = factor(1:4), r = 1:2)
  u <- matrix(rnorm(48), 12)
  u <- u - 0.35 * rowMeans(u)
  d$y <- u[cbind(d$g, d$f)] + 0.5 * rnorm(nrow(d))
  for (hom in c(TRUE, FALSE)) {
    fit <- rlmm(as.formula(paste0("y ~ 1 + cs(0 + f | g, hom = ", hom, ")")), d)
    limits <- confint(fit, "theta_", oldNames = FALSE, method = "Wald")[
      "cor_f2.f1|g",
    ]
    rho <- fit$theta[fit$random[[1]]$theta] |> tail(1)
    z <- atanh(rho) +
      c(-1, 1) *
        qnorm(0.975) *
        sqrt(variance_vcov(fit)["cor_f2.f1|g", "cor_f2.f1|g"]) /
        (1 - rho^2)
    expect_lt(tanh(z[1]), -1 / 3)
    expect_equal(unname(limits), c(-1 / 3, tanh(z[2])))
  }
})

test_that("limits of the fixed effects take a t distribution where `ddf` asks for it", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  for (ddf in c("Satterthwaite", "Kenward-Roger", "containment")) {
    table <- coef(summary(fit, ddf = ddf), conf.int = TRUE, level = 0.9)
    limits <- confint(fit, ddf = ddf, level = 0.9)
    expect_equal(limits, table[, 3:4], tolerance = 1e-10, ignore_attr = TRUE)
    expect_identical(colnames(limits), c("5 %", "95 %"))
  }
})

partly_held <- function(...) {
  hold <- list(theta = c("Subject.(Intercept)" = 0.9))
  rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    REML = FALSE,
    control = rlmm_control(fixed = hold),
    ...
  )
}

test_that("the free parameters of a term in which another is held have Wald limits", {
  fit <- partly_held()
  limits <- NULL
  expect_message(limits <- confint(fit), class = "rlmm_message_wald")
  wald <- confint(fit, method = "Wald")
  variances <- paste0(".sig0", 1:3)
  expect_equal(limits[variances, ], wald[variances, ], tolerance = 1e-12)
  expect_true(all(limits[, 1] < limits[, 2]))
  # The standard deviation of the intercepts is 0.9 sigma.
  errors <- sqrt(diag(variance_vcov(fit)))
  expect_equal(errors[[1]], 0.9 * errors[["sigma"]], tolerance = 1e-8)
})

test_that("with a known sigma what is held of a term doesn't vary", {
  fit <- partly_held(sigma = 25)
  limits <- suppressMessages(confint(fit))
  expect_equal(unname(limits[".sig01", ]), c(22.5, 22.5), tolerance = 1e-12)
  expect_true(all(limits[-1, 1] < limits[-1, 2]))
  expect_equal(unname(sqrt(diag(variance_vcov(fit)))[1]), 0)
})

# The deviance of two nested random intercepts by dense algebra, with the standard deviation of the
# outer one given and the others optimized.
dense_nested_deviance <- function(outer_sd, data) {
  x <- cbind(1, data$nitro)
  same_block <- outer(data$Block, data$Block, `==`)
  same_plot <- same_block & outer(data$Variety, data$Variety, `==`)
  deviance <- \(par) {
    sd <- exp(par)
    groups <- outer_sd^2 * same_block + sd[1]^2 * same_plot
    v <- groups + diag(sd[2]^2, nrow(data))
    inverse <- solve(v)
    beta <- solve(t(x) %*% inverse %*% x, t(x) %*% inverse %*% data$yield)
    r <- data$yield - drop(x %*% beta)
    log_det <- as.double(determinant(2 * pi * v)$modulus)
    log_det + drop(r %*% inverse %*% r)
  }
  optim(log(c(11, 12)), deviance, control = list(reltol = 1e-13))$value
}

test_that("limits next to zero, and between distant points, are accurate", {
  oats <- as.data.frame(nlme::Oats)[-c(3, 17, 44), ]
  fit <- rlmm(yield ~ nitro + (1 | Block / Variety), oats, REML = FALSE)
  limits <- confint(fit, ".sig02")
  excess <- vapply(limits, dense_nested_deviance, 0, oats) - deviance(fit)
  expect_equal(excess, rep(qchisq(0.95, 1), 2), tolerance = 1e-5)
  # By lme4 2.1-0, with `prof.scale = "varcov"`.
  expect_equal(limits[[1]]^2, 1.026857, tolerance = 5e-3)
  for (level in c(0.8, 0.95)) {
    limits <- confint(fit, "theta_", level)
    squares <- confint(fit, "theta_", level, prof.scale = "varcov")
    expect_equal(limits^2, squares, tolerance = 1e-3, info = level)
  }
  expect_equal(confint(profile(fit)), confint(fit), tolerance = 1e-4)
})

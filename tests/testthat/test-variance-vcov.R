test_that("the covariance is the inverse of the exact information, by the delta method", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  expect_equal(
    variance_vcov(fit, "variance"),
    solve(-hessian(fit)),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  labels <- c(
    "sd_(Intercept)|Subject",
    "cor_Days.(Intercept)|Subject",
    "sd_Days|Subject",
    "sigma"
  )
  expect_identical(rownames(variance_vcov(fit)), labels)
  # d sd = d var / (2 sd)
  sd <- sqrt(diag(variance_vcov(fit)))
  var <- sqrt(diag(variance_vcov(fit, "variance")))
  expect_equal(
    unname(sd[c(1, 3, 4)]),
    unname(
      var[c(1, 3, 4)] / (2 * c(attr(VarCorr(fit)[[1]], "stddev"), sigma(fit)))
    )
  )
})

test_that("one-way balanced data have a closed form", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  found <- variance_vcov(fit, "variance")
  q <- 6
  m <- 5
  within <- sigma(fit)^2
  between <- within + m * VarCorr(fit)$Batch[1]
  v_within <- 2 * within^2 / (q * (m - 1))
  v_between <- 2 * between^2 / (q - 1)
  expect_equal(found[["sigma2", "sigma2"]], v_within, tolerance = 1e-6)
  expect_equal(found[[1, 1]], (v_between + v_within) / m^2, tolerance = 1e-5)
  expect_equal(found[[1, 2]], -v_within / m, tolerance = 1e-5)
})

test_that("a singular term has none, the others keep theirs", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  found <- variance_vcov(fit)
  expect_identical(unname(is.na(diag(found))), c(TRUE, FALSE))
  expect_identical(attr(found, "singular"), "(1 | Batch)")
  # Without the batches: the variance of a residual standard deviation.
  expect_equal(found[[2, 2]], sigma(fit)^2 / (2 * 29), tolerance = 1e-6)
})

test_that("intervals stay within the parameter's range and follow from the standard errors", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  limits <- confint(fit, parm = "theta_", oldNames = FALSE, method = "Wald")
  se <- sqrt(diag(variance_vcov(fit)))
  expect_identical(rownames(limits), names(se))
  expect_true(all(limits[c(1, 3, 4), 1] > 0))
  expect_true(all(abs(limits[2, ]) < 1))
  z <- stats::qnorm(0.975)
  expect_equal(
    unname(limits["sigma", 2]),
    sigma(fit) * exp(z * se[["sigma"]] / sigma(fit))
  )
  expect_identical(
    rownames(confint(fit, method = "Wald"))[1:4],
    c(".sig01", ".sig02", ".sig03", ".sigma")
  )
})

test_that("structures with a correlation parameter have one row for it", {
  fit <- rlmm(score ~ Machine + cs(0 + Machine | Worker), nlme::Machines)
  se <- sqrt(diag(variance_vcov(fit)))
  expect_length(se, length(fit$theta) + 1)
  expect_true(all(se > 0))
  expect_match(names(se), "^cor_", all = FALSE)
  # The delta method from the variances: d sd = d variance / (2 sd).
  from_variances <- sqrt(
    diag(solve(-hessian(fit))) / (4 * variance_parameters(fit))
  )
  expect_equal(unname(se)[-4], unname(from_variances)[-4], tolerance = 1e-5)
})

test_that("a zero variance takes nothing from the others of a term without correlations", {
  set.seed(2)
  d <- data.frame(g = gl(20, 6), x = rnorm(120))
  d$y <- d$x * rnorm(20)[d$g] + rnorm(120)
  d$y <- d$y - ave(d$y, d$g)
  fit <- suppressMessages(rlmm(y ~ x + diag(1 + x | g), d))
  without <- rlmm(y ~ x + (0 + x | g), d)
  expect_identical(
    is.na(sqrt(diag(variance_vcov(fit)))),
    c("sd_(Intercept)|g" = TRUE, "sd_x|g" = FALSE, sigma = FALSE)
  )
  expect_equal(
    confint(fit, "theta_", method = "Wald")[-1, ],
    confint(without, "theta_", method = "Wald"),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
})

test_that("parameters that the data can't tell apart have no standard errors", {
  days <- transform(sleepstudy, week = factor(Days))
  # s^2 (1 - rho) and the residual variance add up: two of three parameters can be told.
  expect_message(
    fit <- rlmm(Reaction ~ Days + cs(0 + week | Subject, hom = TRUE), days),
    class = "rlmm_message_unidentified"
  )
  simple <- rlmm(Reaction ~ Days + (1 | Subject), days)
  expect_equal(fit$dev$objective, simple$dev$objective, tolerance = 1e-9)
  expect_true(all(is.na(diag(variance_vcov(fit)))))
  expect_true(all(is.na(diag(variance_vcov(fit, "theta")))))
  expect_true(all(is.na(confint(fit, "theta_", method = "Wald"))))
  # The covariance between days is one of the two.
  expect_equal(
    variance_vcov(fit, "variance")[2, 2],
    variance_vcov(simple, "variance")[1, 1],
    tolerance = 1e-4
  )
  expect_equal(
    summary(fit)$coefficients[, "df"],
    summary(simple)$coefficients[, "df"],
    tolerance = 1e-3
  )
})

test_that("twins have no standard errors, but don't take those of the others", {
  set.seed(211)
  d <- data.frame(
    g = factor(rep(1:30, 8)),
    h = factor(rep(1:12, each = 20)),
    x = rnorm(240)
  )
  d$y <- rnorm(30)[d$g] + rnorm(12)[d$h] + rnorm(12)[d$h] * d$x + rnorm(240)
  fit <- suppressMessages(rlmm(
    y ~ 1 + (1 | g) + diag(1 + x | h) + zerocorr(0 + x | h),
    d
  ))
  simple <- rlmm(y ~ 1 + (1 | g) + diag(1 + x | h), d)
  expect_equal(fit$dev$objective, simple$dev$objective, tolerance = 1e-8)
  errors <- sqrt(diag(variance_vcov(fit)))
  shared <- c("sd_(Intercept)|g", "sd_(Intercept)|h", "sigma")
  expect_equal(
    errors[shared],
    sqrt(diag(variance_vcov(simple)))[shared],
    tolerance = 1e-3
  )
  expect_true(all(is.na(errors[names(errors) == "sd_x|h"])))
})

test_that("without curvature there are no standard errors", {
  indefinite <- inverse_curvature(matrix(c(1, 2, 2, 1), 2))
  expect_true(all(is.na(indefinite$matrix)))
  expect_true(all(is_touched(diag(2), indefinite$flat)))
})

test_that("a single parameter has a matrix too", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, sigma = 50)
  for (scale in c("sd", "variance", "theta")) {
    expect_identical(dim(variance_vcov(fit, scale)), c(1L, 1L))
  }
})

# The estimates and their standard errors that glmmTMB 1.1.14 (TMB 1.9.25) has in `fit$sdr`: of the
# log standard deviations (the residuals' last), and of its parameter t of a correlation t /
# sqrt(1 + t^2).
tmb_figures <- list(
  list(
    fit = \() {
      rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
    },
    sd = c(0.23453509672, 0.20764335560, 0.05892546549),
    t = 0.08158868782,
    cor = 0.32672907818
  ),
  list(
    fit = \() {
      rlmm(Reaction ~ Days + diag(Days | Subject), sleepstudy, REML = FALSE)
    },
    sd = c(0.22322304328, 0.19860871027, 0.05851796465)
  ),
  list(
    fit = \() {
      rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, REML = FALSE)
    },
    sd = c(0.15752425172, 0.28990751873, 0.06594018552)
  ),
  list(
    fit = \() rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE),
    sd = c(0.3939237708, 0.1443375021)
  ),
  list(
    fit = \() {
      rlmm(
        Reaction ~ Days + ar1(0 + day | Subject),
        transform(sleepstudy, day = factor(Days)),
        REML = FALSE
      )
    },
    sd = c(0.1218689513, 0.2092576841),
    t = 1.842648335,
    cor = 0.3958073408
  ),
  list(
    fit = \() {
      rlmm(
        score ~ Machine + cs(0 + Machine | Worker),
        nlme::Machines,
        REML = FALSE
      )
    },
    sd = c(0.2954360247, 0.2852757679, 0.2958006947, 0.1180566484)
  )
)

test_that("standard errors on the log and Fisher-z scales are glmmTMB's, and so are the limits", {
  for (figures in tmb_figures) {
    fit <- figures$fit()
    limits <- confint(fit, "theta_", oldNames = FALSE, method = "Wald")
    is_cor <- startsWith(rownames(limits), "cor_")
    half_width <- \(z) unname(z[, 2] - z[, 1]) / 2 / stats::qnorm(0.975)
    # glmmTMB stops at gradients of up to 1e-3: its figures have four digits.
    expect_equal(
      half_width(log(limits[!is_cor, ])),
      figures$sd,
      tolerance = 1e-4
    )
    if (is.null(figures$t)) {
      next
    }
    # d atanh(t / sqrt(1 + t^2)) = d t / sqrt(1 + t^2)
    expect_equal(
      half_width(atanh(limits[is_cor, , drop = FALSE])),
      figures$cor / sqrt(1 + figures$t^2),
      tolerance = 1e-4
    )
  }
})

# A common correlation of two effects restricts nothing. Far from zero it is near -1, without being
# at its limit.
test_that("a correlation that only the origin brings near one has a standard error", {
  for (origin in c(3, 100, 1000)) {
    far <- transform(sleepstudy, Days = Days + 3 * origin)
    free <- sqrt(diag(variance_vcov(rlmm(
      Reaction ~ Days + (Days | Subject),
      far
    ))))
    same <- rlmm(Reaction ~ Days + cs(Days | Subject), far)
    found <- sqrt(diag(variance_vcov(same)))
    expect_equal(unname(found[c(1, 3, 2, 4)]), unname(free), tolerance = 1e-5)
  }
})

# The same call on our fit and on lme4's object at its estimates. The packages aren't all at hand
# everywhere; what isn't there is passed over.

skip_if_not_installed("lme4")

models <- function() {
  list(
    linear = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
    binomial = rglmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp,
      binomial
    )
  )
}

# The value of a call, as far as it can be compared: data frames and numbers.
outcome <- function(package, name, fit, arguments) {
  f <- getExportedValue(package, name)
  set.seed(1)
  found <- suppressWarnings(suppressMessages(do.call(
    f,
    c(list(fit), arguments)
  )))
  if (is.data.frame(found)) as.data.frame(found) else found
}

same_as_lme4 <- function(package, name, fit, ...) {
  if (!name %in% getNamespaceExports(package)) {
    return(invisible())
  }
  ours <- outcome(package, name, fit, list(...))
  theirs <- outcome(package, name, as_merMod(fit), list(...))
  expect_equal(
    ours,
    theirs,
    tolerance = 1e-6,
    ignore_attr = TRUE,
    ignore_formula_env = TRUE,
    ignore_function_env = TRUE,
    info = paste0(package, "::", name)
  )
}

each_of <- function(package, names, fits, ...) {
  skip_if_not_installed(package)
  for (fit in fits) {
    for (name in names) {
      same_as_lme4(package, name, fit, ...)
    }
  }
}

test_that("insight", {
  each_of(
    "insight",
    c(
      "find_formula",
      "find_parameters",
      "find_predictors",
      "find_random",
      "find_response",
      "find_statistic",
      "find_terms",
      "find_variables",
      "get_data",
      "get_deviance",
      "get_df",
      "get_loglikelihood",
      "get_modelmatrix",
      "get_parameters",
      "get_random",
      "get_residuals",
      "get_response",
      "get_statistic",
      "get_varcov",
      "get_variance",
      "is_converged",
      "is_mixed_model",
      "model_info",
      "n_obs",
      "n_parameters",
      "get_call"
    ),
    models()
  )
  each_of("insight", "find_random_slopes", models()["linear"])
  each_of(
    "insight",
    "get_predicted",
    models()["linear"],
    include_random = FALSE
  )
})

performance_call <- function(name, fit) {
  as.vector(getExportedValue("performance", name)(fit))
}

test_that("performance", {
  each_of(
    "performance",
    c(
      "check_convergence",
      "check_singularity",
      "icc",
      "model_performance",
      "r2",
      "performance_aic",
      "performance_rmse"
    ),
    models()
  )
  each_of("performance", "check_overdispersion", models()["binomial"])
  each_of("performance", "check_heteroscedasticity", models()["linear"])
  skip_if_not_installed("performance")
  flat <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_true(performance_call("check_singularity", flat))
})

test_that("parameters", {
  each_of(
    "parameters",
    c("ci", "model_parameters", "p_value", "standard_error"),
    models()
  )
  each_of("parameters", "simulate_model", models(), iterations = 10)
})

test_that("broom.mixed", {
  skip_if_not_installed("broom.mixed")
  # Its methods are there once it is loaded.
  expect_gt(length(getNamespaceExports("broom.mixed")), 0L)
  each_of("generics", c("augment", "glance", "tidy"), models())
  each_of("generics", "tidy", models(), effects = "ran_vals", conf.int = TRUE)
  each_of("generics", "tidy", models(), effects = "fixed", conf.int = TRUE)
})

test_that("car", {
  each_of("car", "Anova", models(), type = 3)
  each_of("car", "Confint", models()["linear"])
  each_of("car", "linearHypothesis", models()["linear"], "Days = 0")
  each_of("car", "deltaMethod", models()["linear"], "Days^2")
  each_of("car", "matchCoefs", models()["linear"], "Days")
  curved <- rlmm(Reaction ~ Days + I(Days^2) + (1 | Subject), sleepstudy)
  each_of("car", "vif", list(curved))
})

test_that("ggeffects, effects, marginaleffects", {
  each_of("ggeffects", "ggpredict", models()["linear"], "Days")
  each_of("ggeffects", "ggpredict", models()["binomial"], "period")
  each_of("effects", "Effect", list(), "Days")
  each_of("marginaleffects", "avg_slopes", models()["linear"], re.form = NA)
  each_of("marginaleffects", "avg_predictions", models(), re.form = NA)
})

test_that("multcomp, clubSandwich, DHARMa, MuMIn", {
  each_of("clubSandwich", "vcovCR", models()["linear"], type = "CR2")
  each_of(
    "DHARMa",
    c("getFixedEffects", "getObservedResponse", "getResiduals"),
    models()
  )
  each_of("MuMIn", c("coeffs", "coefTable", "r.squaredGLMM"), models())
  skip_if_not_installed("multcomp")
  tukey <- getExportedValue("multcomp", "mcp")(period = "Tukey")
  estimates <- \(fit) {
    stats::coef(getExportedValue("multcomp", "glht")(fit, linfct = tukey))
  }
  expect_equal(
    estimates(models()$binomial),
    estimates(as_merMod(models()$binomial)),
    tolerance = 1e-8
  )
})

test_that("pbkrtest and lmerTest", {
  skip_if_not_installed("pbkrtest")
  large <- models()$linear
  small <- rlmm(Reaction ~ 1 + (Days | Subject), sleepstudy)
  test <- getExportedValue("pbkrtest", "KRmodcomp")(large, small)
  expected <- getExportedValue("pbkrtest", "KRmodcomp")(
    as_merMod(large),
    as_merMod(small)
  )
  expect_equal(test$test, expected$test, tolerance = 1e-6)
  each_of("pbkrtest", "vcovAdj", models()["linear"])
  each_of("lmerTest", "contest", models()["linear"], c(0, 1))
})

test_that("lmtest's tables are Wald's, with a covariance of the user's", {
  skip_if_not_installed("lmtest")
  fit <- models()$linear
  coeftest <- getExportedValue("lmtest", "coeftest")
  found <- coeftest(fit)
  expect_s3_class(found, "coeftest")
  z <- fixef(fit) / sqrt(diag(vcov(fit)))
  expect_equal(found[, "z value"], z)
  expect_equal(found[, "Pr(>|z|)"], 2 * pnorm(-abs(z)))
  doubled <- coeftest(fit, vcov. = \(x, by) by * vcov(x), by = 4, df = 17)
  expect_equal(doubled[, "t value"], z / 2)
  expect_equal(doubled[, "Pr(>|t|)"], 2 * pt(-abs(z / 2), 17))
  limits <- getExportedValue("lmtest", "coefci")(fit, "Days", df = 17)
  expected <- fixef(fit)["Days"] +
    c(-1, 1) * qt(0.975, 17) * sqrt(vcov(fit)[2, 2])
  expect_equal(drop(limits), expected, ignore_attr = TRUE)
})

test_that("a fit that lme4 can't have is told, not answered for", {
  skip_if_not_installed("insight")
  fit <- rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy)
  expect_error(
    getExportedValue("insight", "get_variance")(fit),
    class = "rlmm_error_as_mermod"
  )
})

test_that("arguments that a package uses are known to be used", {
  skip_if_not_installed("broom.mixed")
  expect_gt(length(getNamespaceExports("broom.mixed")), 0L)
  fit <- models()$linear
  tidied <- function(x, ...) {
    rlang::check_dots_used()
    getExportedValue("generics", "tidy")(x, ...)
  }
  expect_no_error(table <- tidied(fit, conf.int = TRUE, effects = "fixed"))
  expect_contains(names(table), "conf.low")
})

test_that("a package that names an argument has the user's words for it", {
  skip_if_not_installed("car")
  fit <- models()$linear
  anova_of_car <- getExportedValue("car", "Anova")
  expect_message(
    anova_of_car(fit, vcov. = 2 * vcov(fit)),
    "computed by 2 * vcov(fit)",
    fixed = TRUE
  )
})

test_that("fits that lme4 can't have are tidied by their own summary", {
  skip_if_not_installed("generics")
  generic <- \(name) getExportedValue("generics", name)
  fits <- list(
    rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy),
    rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, sigma = 30),
    rlmm(
      Reaction ~ Days + (1 | Subject),
      sleepstudy,
      control = rlmm_control(slim = TRUE)
    )
  )
  for (fit in fits) {
    table <- as.data.frame(generic("tidy")(fit))
    fixed <- coef(summary(fit))
    expect_equal(table$estimate[1:2], unname(fixed[, "Estimate"]))
    expect_equal(table$std.error[1:2], unname(fixed[, "Std. Error"]))
    expect_equal(table$p.value[1:2], unname(fixed[, ncol(fixed)]))
    expect_equal(
      table$estimate[-(1:2)],
      as.data.frame(VarCorr(fit))$sdcor
    )
    modes <- generic("tidy")(fit, effects = "ran_vals")
    expect_equal(modes$estimate, as.data.frame(ranef(fit))$condval)
    expect_equal(generic("glance")(fit)$AIC, AIC(fit))
  }
})

test_that("ratios of fits that lme4 can't have are those of the limits", {
  skip_if_not_installed("generics")
  tidy <- getExportedValue("generics", "tidy")
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, nbinom1)
  plain <- tidy(fit, effects = "fixed", conf.int = TRUE)
  ratios <- tidy(fit, effects = "fixed", conf.int = TRUE, exponentiate = TRUE)
  expect_equal(ratios$estimate, exp(unname(fixef(fit))))
  expect_equal(ratios$conf.low, exp(plain$conf.low))
  expect_equal(ratios$p.value, plain$p.value)
})

test_that("ModelMetrics takes the responses and the fitted values", {
  skip_if_not_installed("ModelMetrics")
  ticks <- transform(grouseticks, any = as.integer(TICKS > 0))
  fit <- rglmm(any ~ YEAR + (1 | BROOD), ticks, binomial)
  metric <- \(name) getExportedValue("ModelMetrics", name)(fit)
  p <- fitted(fit)
  y <- ticks$any
  expect_equal(metric("brier"), mean((y - p)^2), tolerance = 1e-6)
  expect_equal(
    metric("logLoss"),
    -mean(y * log(p) + (1 - y) * log(1 - p)),
    tolerance = 1e-6
  )
  pairs <- outer(p[y == 1], p[y == 0], "-")
  expect_equal(metric("auc"), mean((pairs > 0) + (pairs == 0) / 2))
})

test_that("mice pools fits that lme4 can't have", {
  skip_if_not_installed("mice")
  days <- list(sleepstudy$Days, sleepstudy$Days + 0.1)
  fits <- lapply(days, \(x) {
    data <- transform(sleepstudy, Days = x * (1 + x / 50))
    rlmm(Reaction ~ Days + cs(Days | Subject), data)
  })
  pooled <- getExportedValue("mice", "pool")(fits)$pooled
  # Rubin's rules.
  slopes <- vapply(fits, \(fit) fixef(fit)[["Days"]], 0)
  within <- mean(vapply(fits, \(fit) vcov(fit)["Days", "Days"], 0))
  expect_equal(pooled$estimate[2L], mean(slopes))
  expect_equal(pooled$t[2L], within + 1.5 * var(slopes), tolerance = 1e-8)
})

test_that("DHARMa simulates fits that lme4 can't have", {
  skip_if_not_installed("DHARMa")
  residuals <- getExportedValue("DHARMa", "simulateResiduals")
  fit <- rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy)
  spread <- function(simulateREs) {
    found <- suppressWarnings(
      residuals(fit, n = 500, simulateREs = simulateREs)
    )
    apply(found$simulatedResponse, 1L, sd)
  }
  # Conditional on the random effects the responses differ by the residuals alone.
  expect_equal(mean(spread("conditional")), sigma(fit), tolerance = 0.02)
  z <- as.matrix(getME(fit, "Z"))
  lambda <- as.matrix(getME(fit, "Lambda"))
  variance <- rowSums((z %*% lambda)^2) + 1
  expect_equal(
    mean(spread("unconditional")),
    sigma(fit) * mean(sqrt(variance)),
    tolerance = 0.03
  )
  found <- suppressMessages(
    suppressWarnings(residuals(fit, n = 20, refit = TRUE))
  )
  expect_length(found$scaledResiduals, 180L)
})

test_that("gtsummary shows the fixed effects alone, as for lme4's fits", {
  skip_if_not_installed("gtsummary")
  skip_if_not_installed("broom.mixed")
  regression <- getExportedValue("gtsummary", "tbl_regression")
  shown <- \(fit) as.data.frame(regression(fit), col_labels = FALSE)
  for (fit in models()) {
    table <- shown(fit)
    expect_equal(table, shown(as_merMod(fit)))
    expect_equal(nrow(table), if (isLMM(fit)) 1L else 5L)
  }
})

test_that("texreg's tables are those of lme4's fits", {
  skip_if_not_installed("texreg")
  table <- getExportedValue("texreg", "matrixreg")
  fits <- models()
  expect_equal(
    table(unname(fits)),
    table(lapply(unname(fits), as_merMod))
  )
  fit <- rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy)
  expect_error(table(fit), class = "rlmm_error_as_mermod")
})

test_that("report describes a fit as it does lme4's", {
  skip_if_not_installed("report")
  for (name in c("report", "report_table", "report_random", "report_info")) {
    f <- getExportedValue("report", name)
    for (fit in models()) {
      ours <- suppressMessages(format(f(fit)))
      expect_equal(ours, suppressMessages(format(f(as_merMod(fit)))))
    }
  }
})

test_that("simr tests and extends a fit", {
  skip_if_not_installed("simr")
  fit <- models()$linear
  simr <- \(name) getExportedValue("simr", name)
  tested <- \(fit) as.vector(simr("doTest")(fit, simr("fixed")("Days")))
  expect_equal(tested(fit), tested(as_merMod(fit)))
  extended <- simr("extend")(fit, along = "Subject", n = 30)
  set.seed(1)
  expect_length(simr("doSim")(extended), 300L)
  power_of <- \(fit) {
    simr("powerSim")(fit, nsim = 2, progress = FALSE, seed = 1)$pval
  }
  # simr warns that this power is that of the estimated effect.
  found <- suppressWarnings(power_of(fit))
  expected <- suppressWarnings(power_of(as_merMod(fit)))
  expect_equal(found, expected)
})

test_that("arguments with the names of ours arrive at other packages", {
  skip_if_not_installed("insight")
  insight <- asNamespace("insight")
  record <- function(x, n, env, ...) c(n = n, env = env, ...)
  registerS3method("n_obs", "rlmm_recorded", record, envir = insight)
  converted <- \(fit) structure(list(), class = "rlmm_recorded")
  call <- call_again("n_obs", insight, converted)
  expect_equal(
    call(models()$linear, n = 1, env = 2, convert = 3, place = 4, name = 5),
    c(n = 1, env = 2, convert = 3, place = 4, name = 5)
  )
})

test_that("effects finds the rows of fits that were made in a function", {
  skip_if_not_installed("lme4")
  skip_if_not_installed("effects")
  # The name of the data within the function is that of others outside.
  s <- data.frame(Reaction = 1:3, Days = 1:3, Subject = 1:3)
  parts <- split(sleepstudy, as.integer(sleepstudy$Subject) %% 2)
  formula <- Reaction ~ Days + (1 | Subject)
  fits <- c(
    lapply(parts, \(s) rlmm(formula, s)),
    lapply(parts, rlmm, formula = formula)
  )
  for (fit in fits) {
    found <- as.data.frame(getExportedValue("effects", "allEffects")(fit)$Days)
    expect_equal(
      found$fit,
      predict(fit, found, re.form = NA),
      ignore_attr = TRUE
    )
  }
})
test_that("effects finds the variables of offsets and weights, of fits made in functions too", {
  skip_if_not_installed("effects")
  chicks <- transform(grouseticks, exposure = 1 + as.integer(INDEX) %% 3)
  # The name of the data within the function is that of others outside.
  rows <- data.frame(TICKS = 1)
  make <- function(rows) {
    formula <- TICKS ~ YEAR + cHEIGHT + (1 | BROOD)
    list(
      rglmm(formula, rows, poisson, offset = log(exposure)),
      rglmm(formula, rows, poisson, weights = exposure)
    )
  }
  effect <- getExportedValue("effects", "Effect")
  for (fit in make(chicks)) {
    found <- as.data.frame(effect("YEAR", fit))
    # effects adds the mean of the offsets.
    offset <- mean(model.offset(model.frame(fit)) %||% 0)
    beta <- unname(fixef(fit))
    of_height <- beta[4L] * mean(chicks$cHEIGHT)
    eta <- beta[1L] + c(0, beta[2:3]) + of_height + offset
    expect_equal(log(found$fit), eta, tolerance = 1e-6)
  }
})

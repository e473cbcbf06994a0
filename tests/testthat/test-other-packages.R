# What other packages answer of our fits is what they answer of lme4's objects at the same
# estimates: every function below, by package, called with a fit alone.

skip_on_cran()
skip_if_not_installed("lme4")

calls <- list(
  bayestestR = list(
    both = c("sexit_thresholds")
  ),
  broom.helpers = list(
    both = c(
      "model_get_assign",
      "model_get_coefficients_type",
      "model_get_model_frame",
      "model_get_model_matrix",
      "model_get_nlevels",
      "model_get_response",
      "model_get_response_variable",
      "model_get_terms",
      "model_get_weights",
      "model_get_xlevels",
      "model_list_variables"
    ),
    linear = c(
      "model_compute_terms_contributions",
      "model_get_n",
      "model_list_higher_order_variables"
    ),
    binomial = c("model_get_contrasts")
  ),
  broom.mixed = list(
    both = c("augment", "glance", "tidy")
  ),
  car = list(
    both = c("Anova", "Confint", "S"),
    linear = c("outlierTest"),
    binomial = c("sigmaHat")
  ),
  DHARMa = list(
    both = c(
      "getData",
      "getFamily",
      "getFitted",
      "getFixedEffects",
      "getObservedResponse",
      "getPearsonResiduals",
      "getPredictorNames",
      "getResiduals",
      "testOverdispersionParametric"
    )
  ),
  doBy = list(
    both = c("get_vartypes", "get_xlevels"),
    binomial = c("get_contrasts")
  ),
  effects = list(
    linear = c("predictorEffects"),
    binomial = c("allEffects")
  ),
  effectsize = list(
    linear = c("epsilon_squared", "eta_squared", "omega_squared")
  ),
  emmeans = list(),
  insight = list(
    both = c(
      "clean_names",
      "clean_parameters",
      "find_algorithm",
      "find_formula",
      "find_parameters",
      "find_predictors",
      "find_random",
      "find_response",
      "find_statistic",
      "find_terms",
      "find_transformation",
      "get_auxiliary",
      "get_call",
      "get_data",
      "get_datagrid",
      "get_deviance",
      "get_df",
      "get_family",
      "get_intercept",
      "get_loglikelihood",
      "get_modelmatrix",
      "get_parameters",
      "get_predicted_ci",
      "get_predictors",
      "get_random",
      "get_residuals",
      "get_response",
      "get_simulated",
      "get_statistic",
      "get_varcov",
      "has_intercept",
      "is_bayesian_model",
      "is_converged",
      "is_gam_model",
      "is_mixed_model",
      "is_multivariate",
      "is_nullmodel",
      "link_function",
      "link_inverse",
      "loglikelihood",
      "model_info",
      "n_obs",
      "n_parameters"
    ),
    linear = c(
      "find_random_slopes",
      "get_correlation_slope_intercept",
      "get_variance",
      "get_variance_dispersion",
      "get_variance_distribution",
      "get_variance_fixed",
      "get_variance_intercept",
      "get_variance_random",
      "get_variance_residual",
      "get_variance_slope",
      "n_grouplevels"
    ),
    binomial = c("find_variables", "get_dispersion", "get_weights")
  ),
  marginaleffects = list(
    both = c("get_coef", "get_group_names", "get_predict", "get_vcov")
  ),
  merTools = list(
    both = c("REcorrExtract", "REsdExtract", "draw", "fastdisp")
  ),
  multcomp = list(
    both = c("modelparm")
  ),
  MuMIn = list(
    both = c(
      "AICc",
      "CAICF",
      "Cp",
      "ICOMP",
      "coefTable",
      "coeffs",
      "get.response",
      "getAllTerms",
      "partial.sd"
    ),
    linear = c("r.squaredGLMM")
  ),
  parameters = list(
    both = c(
      "ci",
      "degrees_of_freedom",
      "dof",
      "n_parameters",
      "p_direction",
      "p_significance",
      "p_value",
      "se_satterthwaite",
      "simulate_parameters",
      "standard_error"
    ),
    linear = c("dof_satterthwaite")
  ),
  pbkrtest = list(
    linear = c("get_SigmaG")
  ),
  performance = list(
    both = c(
      "check_autocorrelation",
      "check_convergence",
      "check_overdispersion",
      "check_singularity",
      "mse",
      "performance_aic",
      "performance_aicc",
      "performance_mse",
      "performance_rmse",
      "performance_rse",
      "rmse"
    ),
    linear = c(
      "check_group_variation",
      "check_heteroscedasticity",
      "check_heteroskedasticity",
      "check_homogeneity",
      "check_normality",
      "icc",
      "performance_logloss",
      "r2_efron",
      "r2_xu"
    )
  )
)

fits <- list(
  linear = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
  binomial = rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
)
theirs <- lapply(fits, as_merMod)

# How many calls were compared, for the test at the end.
compared <- new.env()
compared$n <- 0L

answer <- function(f, fit) {
  set.seed(1)
  answered <- NULL
  utils::capture.output(
    answered <- suppressWarnings(suppressMessages(f(fit)))
  )
  if (is.data.frame(answered)) as.data.frame(answered) else answered
}

expect_same_answer <- function(package, name, model) {
  compared$n <- compared$n + 1L
  f <- getExportedValue(package, name)
  expect_equal(
    answer(f, fits[[model]]),
    answer(f, theirs[[model]]),
    tolerance = 1e-6,
    ignore_attr = TRUE,
    ignore_formula_env = TRUE,
    ignore_function_env = TRUE,
    info = paste0(package, "::", name, "() of the ", model, " model")
  )
}

for (package in names(calls)) {
  test_that(paste(package, "answers as for lme4's fits"), {
    skip_if_not_installed(package)
    functions <- calls[[package]]
    known <- getNamespaceExports(package)
    for (name in intersect(c(functions$both, functions$linear), known)) {
      expect_same_answer(package, name, "linear")
    }
    for (name in intersect(c(functions$both, functions$binomial), known)) {
      expect_same_answer(package, name, "binomial")
    }
  })
}

# Calls with arguments, on models that aren't lme4's examples ----------------------------------

trial <- local({
  set.seed(42)
  n <- 480
  data <- data.frame(
    g = factor(rep(sprintf("g%02d", 1:24), each = 20)),
    x = rnorm(n, 3, 2),
    f = factor(sample(c("lo", "mid", "hi"), n, TRUE), c("lo", "mid", "hi")),
    size = sample(3:9, n, TRUE)
  )
  slope <- rnorm(24, 0, 0.4)[data$g]
  of_group <- rnorm(24)[data$g] + slope * data$x
  mean <- 0.5 * data$x + c(0, 0.5, -1)[data$f] + of_group
  data$y <- 10 + 2 * mean + rnorm(n)
  data$successes <- rbinom(n, data$size, plogis(mean / 2 - 1))
  data$failures <- data$size - data$successes
  data
})

pairs_of_fits <- function() {
  list(
    linear = list(
      fit = rlmm(y ~ x * f + (x | g), trial),
      smaller = rlmm(y ~ x + f + (x | g), trial)
    ),
    binomial = list(
      fit = rglmm(
        cbind(successes, failures) ~ x + f + (1 | g),
        trial,
        family = binomial
      ),
      smaller = rglmm(
        cbind(successes, failures) ~ x + (1 | g),
        trial,
        family = binomial
      )
    )
  )
}

# The numbers and texts of an answer, whatever its class.
contents <- function(x) {
  if (isS4(x) || is.function(x) || is.environment(x) || is.language(x)) {
    return(NULL)
  }
  if (!is.list(x)) {
    return(if (is.factor(x)) as.character(x) else as.vector(x))
  }
  numbers <- lapply(unname(unclass(x)), contents)
  numbers[lengths(numbers) > 0L]
}

expect_same_call <- function(package, call, models = c("linear", "binomial")) {
  test_that(paste(package, "answers", call), {
    skip_if_not_installed(package)
    text <- sub("^([[:alnum:].]+)", paste0(package, "::\\1"), call)
    for (pair in pairs_of_fits()[models]) {
      compared$n <- compared$n + 1L
      f <- function(fit, smaller) {
        f_of_package <- getExportedValue(package, sub("[(].*", "", call))
        call <- str2lang(call)
        call[[1L]] <- f_of_package
        set.seed(1)
        suppressWarnings(suppressMessages(eval(call)))
      }
      expect_equal(
        contents(f(pair$fit, pair$smaller)),
        contents(f(as_merMod(pair$fit), as_merMod(pair$smaller))),
        tolerance = 1e-5,
        info = text
      )
    }
  })
}

calls_with_arguments <- c(
  "compare_performance(fit, smaller)" = "performance",
  "compare_performance(fit, smaller, rank = TRUE)" = "performance",
  "test_likelihoodratio(smaller, fit)" = "performance",
  "performance_reliability(fit)" = "performance",
  "p_calibrate(fit)" = "parameters",
  "bayesfactor_models(fit, smaller)" = "bayestestR",
  "hypotheses(fit)" = "marginaleffects",
  "hypotheses(fit, hypothesis = \"b2 = 0\")" = "marginaleffects",
  "predictions(fit, newdata = \"mean\", re.form = NA)" = "marginaleffects",
  "avg_slopes(fit, variables = \"x\", by = \"f\", re.form = NA)" = "marginaleffects",
  "ggpredict(fit, \"x\")" = "ggeffects",
  "ggpredict(fit, \"x [1,2]\", type = \"random\")" = "ggeffects",
  "ggpredict(fit, c(\"x [1,2]\", \"g [g01]\"), type = \"random\")" = "ggeffects",
  "new_data(fit, \"x [1,2]\")" = "ggeffects",
  "data_grid(fit, c(\"x [1,2]\", \"f\"))" = "ggeffects",
  "test_predictions(fit, \"x [1,2]\")" = "ggeffects",
  "ggaverage(fit, \"x [1,2]\")" = "ggeffects",
  "ggemmeans(fit, \"x [1,2]\")" = "ggeffects",
  "predict_response(fit, \"x [1,2]\", margin = \"empirical\")" = "ggeffects",
  "getcondLL(fit)" = "cAIC4",
  "linearHypothesis(fit, \"x = 0\")" = "car",
  "linearHypothesis(fit, c(\"x = 0\", \"fmid = 0\"))" = "car",
  "vif(fit)" = "car",
  "Anova(fit, type = 3)" = "car",
  "deltaMethod(fit, \"x / fhi\")" = "car",
  "matchCoefs(fit, \"f\")" = "car",
  "get_model_data(fit, type = \"est\")" = "sjPlot",
  "get_model_data(fit, type = \"re\")" = "sjPlot",
  "AICctab(fit, smaller)" = "bbmle",
  "prediction(fit)" = "prediction",
  "r2(fit)" = "performance",
  "icc(fit)" = "performance",
  "model_performance(fit)" = "performance",
  "check_collinearity(fit)" = "performance",
  "model_parameters(fit)" = "parameters",
  "tidy(fit, effects = \"fixed\", conf.int = TRUE)" = "broom.mixed",
  "tidy(fit, effects = \"ran_vals\")" = "broom.mixed",
  "avg_predictions(fit, by = \"f\", re.form = NA)" = "marginaleffects",
  "avg_comparisons(fit, variables = \"f\", re.form = NA)" = "marginaleffects",
  "model.sel(fit, smaller)" = "MuMIn",
  "getSimulations(fit, nsim = 2)" = "DHARMa",
  "esticon(fit, diag(length(fixef(fit))))" = "doBy",
  "get_predicted(fit, data = trial[1:3, ])" = "insight",
  "joint_tests(fit, lmer.df = \"asymptotic\")" = "emmeans",
  "coefTable(fit)" = "MuMIn",
  "std.coef(fit, partial.sd = FALSE)" = "MuMIn",
  "se.ranef(fit)" = "arm",
  "REquantile(fit, 0.5, \"g\")" = "merTools",
  "getSummary(fit)" = "memisc",
  "model2restriction_matrix(fit, smaller)" = "pbkrtest",
  "avg_slopes(fit, variables = \"x\")" = "marginaleffects",
  "r2_nakagawa(fit, by_group = TRUE)" = "performance",
  "tidy(fit, effects = \"ran_coefs\")" = "broom.mixed",
  "Confint(fit, level = 0.9)" = "car",
  "standard_error(fit, effects = \"random\")" = "parameters"
)
for (call in names(calls_with_arguments)) {
  expect_same_call(calls_with_arguments[[call]], call)
}

calls_of_linear_fits <- c(
  "vcovCR(fit, cluster = trial$g, type = \"CR2\")" = "clubSandwich",
  "coef_test(fit, vcov = \"CR2\", cluster = trial$g)" = "clubSandwich",
  "conf_int(fit, vcov = \"CR1\", cluster = trial$g)" = "clubSandwich",
  "LSmeans(fit, effect = \"f\")" = "doBy"
)
for (call in names(calls_of_linear_fits)) {
  expect_same_call(calls_of_linear_fits[[call]], call, "linear")
}

calls_of_binomial_fits <- c(
  "binned_residuals(fit, ci_type = \"gaussian\")" = "performance",
  "binned_residuals(fit, residuals = \"pearson\", n_bins = 10)" = "performance"
)
for (call in names(calls_of_binomial_fits)) {
  expect_same_call(calls_of_binomial_fits[[call]], call, "binomial")
}

test_that("a grid within a call of marginaleffects knows the fit", {
  skip_if_not_installed("marginaleffects")
  predictions <- getExportedValue("marginaleffects", "predictions")
  datagrid <- getExportedValue("marginaleffects", "datagrid")
  fit <- pairs_of_fits()$linear$fit
  found <- predictions(fit, newdata = datagrid(x = 1:3), re.form = NA)
  new <- data.frame(x = 1:3, f = found$f, g = "g01")
  expect_equal(found$estimate, unname(predict(fit, new, re.form = NA)))
})

test_that("ggeffects says that its predictions are those of the population", {
  skip_if_not_installed("ggeffects")
  ggpredict <- getExportedValue("ggeffects", "ggpredict")
  found <- ggpredict(pairs_of_fits()$linear$fit, "x [1,2]")
  constant <- attr(found, "constant.values")
  expect_equal(constant$g, "0 (population-level)")
})

test_that("mice pools fits, with broom.mixed loaded or not", {
  skip_if_not_installed("mice")
  skip_if_not_installed("broom.mixed")
  fit <- pairs_of_fits()$linear$fit
  pooled <- getExportedValue("mice", "pool")(list(fit, fit, fit))
  expect_equal(pooled$pooled$estimate, unname(fixef(fit)), tolerance = 1e-6)
})

test_that("parameters tells the type of a table of tests", {
  skip_if_not_installed("parameters")
  model_parameters <- getExportedValue("parameters", "model_parameters")
  for (fit in fits) {
    for (type in 1:3) {
      table <- model_parameters(anova(fit, type = type))
      expect_equal(attr(table, "anova_type"), type)
    }
  }
})

test_that("a negative binomial fit answers as that of glmer.nb()", {
  skip_if_not_installed("insight")
  skip_if_not_installed("performance")
  formula <- TICKS ~ YEAR + (1 | BROOD)
  fit <- rglmm_nb(formula, grouseticks)
  theirs <- suppressWarnings(lme4::glmer.nb(formula, data = grouseticks))
  for (name in c("get_sigma", "n_parameters", "get_variance", "get_df")) {
    f <- getExportedValue("insight", name)
    expect_equal(f(fit), f(theirs), tolerance = 1e-3, ignore_attr = TRUE)
  }
  info <- getExportedValue("insight", "model_info")(fit)
  expect_true(info$is_negbin)
  for (name in c("r2", "icc")) {
    f <- getExportedValue("performance", name)
    expect_equal(
      unlist(f(fit)),
      unlist(f(theirs)),
      tolerance = 1e-3
    )
  }
})

test_that("MuMIn's null model has the offset of the call", {
  skip_if_not_installed("MuMIn")
  chicks <- transform(grouseticks, exposure = 1 + as.integer(INDEX) %% 3)
  formula <- TICKS ~ YEAR + (1 | BROOD)
  fit <- rglmm(formula, chicks, poisson, offset = log(exposure))
  theirs <- lme4::glmer(formula, chicks, poisson, offset = log(exposure))
  f <- getExportedValue("MuMIn", "r.squaredGLMM")
  found <- suppressWarnings(f(fit))
  expect_equal(found, suppressWarnings(f(theirs)), tolerance = 1e-3)
})

test_that("emm_options(lmer.df) chooses emmeans' degrees of freedom", {
  skip_if_not_installed("emmeans")
  fit <- pairs_of_fits()$linear$fit
  withr::local_options(emmeans = list(lmer.df = "asymptotic"))
  means <- summary(suppressMessages(emmeans::emmeans(fit, "f")))
  expect_equal(means$df, c(Inf, Inf, Inf))
})

test_that("a fit has no empty elements, which insight takes for an empty fit", {
  for (fit in fits) {
    expect_false(any(vapply(unclass(fit), is.null, NA)))
  }
})

test_that("tests of lmtest that don't see random effects are refused", {
  skip_if_not_installed("lmtest")
  fit <- fits$linear
  for (name in c("bptest", "dwtest", "resettest", "raintest", "harvtest")) {
    test <- getExportedValue("lmtest", name)
    expect_error(test(fit), class = "rlmm_error_test_of_lm")
  }
  bptest <- getExportedValue("lmtest", "bptest")
  expect_snapshot(writeLines(error_lines(bptest(fit))))
  compared <- getExportedValue("lmtest", "lrtest")(
    update(fit, . ~ . - Days, REML = FALSE),
    update(fit, REML = FALSE)
  )
  # The value of lme4.
  expect_equal(compared$Chisq[2L], 23.5365, tolerance = 1e-5)
})

test_that("at least 300 calls were compared, where all packages are installed", {
  packages <- c(names(calls), calls_with_arguments, calls_of_linear_fits)
  packages <- unique(packages)
  for (package in packages) {
    skip_if_not_installed(package)
  }
  expect_gte(compared$n, 300L)
})

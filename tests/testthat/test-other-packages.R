# What other packages answer of our fits is what they answer of lme4's objects at the same estimates:
# every function below, by package, called with a fit alone.

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
      "r2_efron"
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

answer <- function(f, fit) {
  set.seed(1)
  answered <- NULL
  utils::capture.output(
    answered <- suppressWarnings(suppressMessages(f(fit)))
  )
  if (is.data.frame(answered)) as.data.frame(answered) else answered
}

expect_same_answer <- function(package, name, model) {
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

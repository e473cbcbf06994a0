# Methods for generics of other packages that have methods for lme4's class, through as_merMod().

#' Use with other packages
#'
#' Many packages have functions for the fits of lme4. Their generics give the same results for fits
#' of rlmm as for those of lme4 at the same estimates: a call such as `performance::r2(fit)`,
#' `broom.mixed::tidy(fit)`, `parameters::model_parameters(fit)`, `car::Anova(fit)`,
#' `ggeffects::ggpredict(fit, "x")`, `marginaleffects::avg_slopes(fit)` or
#' `DHARMa::simulateResiduals(fit)` is evaluated for [as_merMod()] of the fit, which takes a few
#' milliseconds. This needs lme4 to be installed, and a fit that has a counterpart in lme4.
#'
#' Fits with a covariance structure (`cs()`, `ar1()`, `toep()`) or strata of the residual variance
#' have no counterpart in lme4. Functions that only need fixed effects, their covariance and
#' predictions still accept them: those of marginaleffects, ggeffects, effects, multcomp, car
#' (`linearHypothesis()`, `deltaMethod()`, `Confint()`, `vif()`) and insight, and
#' `DHARMa::simulateResiduals()`. Others raise an error that says what lme4 lacks.
#'
#' The predictions of ggeffects, and the grids of its `new_data()`, are for the population, not for
#' a group, as for fits of lme4. DHARMa warns about an unknown class, but simulates correctly; its
#' tests accept the result of `DHARMa::simulateResiduals(fit)`. Tests of lmtest that would treat a
#' fit as one of `lm()` (`bptest()`, `dwtest()`, `resettest()` and others) are errors.
#'
#' rlmm has its own methods for emmeans and lmtest (`coeftest()`, `coefci()`, `lrtest()`), which
#' don't need lme4.
#'
#' For fits without a counterpart in lme4, fits of sums ([rlmm_sums()]), slim ones and those with a
#' large fixed factor, and for all fits if lme4 or broom.mixed isn't installed, rlmm has its own
#' methods of `tidy()` and `glance()`, with the columns of broom.mixed and the degrees of freedom
#' and p-values of [summary()][summary.rlmm]. `mice::pool()` and `modelsummary::modelsummary()`
#' accept these tables.
#'
#' # Functions that need `as_merMod()`
#'
#' A function that isn't generic and checks for lme4's class needs `as_merMod(fit)`. Known cases
#' are:
#'
#' * insight `is_model()`, `is_model_supported()`, `is_nested_models()`, `model_name()`,
#'   `all_models_equal()`; parameters `compare_parameters()`, `compare_models()`,
#'   `pool_parameters()`; performance `performance_hosmer()`, `performance_roc()`,
#'   `median_odds_ratio()`, `interval_odds_ratio()` and others of these ratios,
#'   `check_heterogeneity_bias()`, and `compare_performance()` and tests of several models if the
#'   first one isn't a fit of rlmm; sjPlot `plot_models()` and `plot_model(type = "diag")`, and
#'   `tab_model(show.dev = TRUE)`, which otherwise has the REML criterion; MuMIn `null.fit()`;
#'   `stargazer()`;
#' * lmerTest: `lmerTest::as_lmerModLmerTest(as_merMod(fit))`;
#' * merTools `predictInterval()`, `REsim()`, `FEsim()`, `REimpact()`, `REextract()`,
#'   `expectedRank()`, `REmargins()`, `RMSE.merMod()`, `modelInfo()`, `averageObs()`,
#'   `thetaExtract()`, `subBoot()`;
#' * DHARMa `testDispersion()` and other tests of a fit itself; car `compareCoefs()`; cAIC4 `cAIC()`
#'   (ours is [cAIC()]), `stepcAIC()` and `modelAvg()`; simr's functions that change a fit, such as
#'   `fixef<-`; modelbased `estimate_expectation()` for its column of residuals; arm `display()`,
#'   `se.coef()`, `se.fixef()`, `sim()`; RLRsim `exactRLRT()` (ours is [ranova()]); mitml
#'   `multilevelR2()`; rockchalk `outreg()`; sjstats `cv()`, `se_ybar()`, and `anova_stats()`, whose
#'   effect sizes are wrong otherwise; lme4 `llikAIC()`; buildmer `converged()`, which otherwise is
#'   `TRUE` for any fit.
#'
#' # Packages attached together
#'
#' With lme4, lmerTest, nlme and glmmTMB attached in any order, the generics of each package work
#' for the fits of all of them. Some of their functions are not generic and only accept their own
#' fits. If such a package was attached after rlmm, use the prefix `rlmm::` for `ranova()`
#' (lmerTest), `logProf()` and `varianceProf()` (lme4, and `REMLcrit()` before R 4.3) and
#' `diagnose()` (glmmTMB). The functions of rlmm pass the fits of other packages on to them.
#'
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' class(as_merMod(fit))
#' # performance::r2(fit), broom.mixed::tidy(fit), car::Anova(fit), ...
#' @name other_packages
NULL

# The generics, by package, whose methods for lme4's objects give the right results for our fits.
# Generics that a version of a package lacks are skipped.
lme4_generics <- list(
  insight = c(
    ".get_sigma",
    "ellipsis_info",
    "get_deviance",
    "get_df",
    "get_dispersion",
    "get_loglikelihood",
    "get_sigma",
    "get_simulated",
    "get_variance",
    "is_converged",
    "n_parameters",
    "null_model"
  ),
  performance = c(
    "check_autocorrelation",
    "check_collinearity",
    "check_convergence",
    "check_group_variation",
    "check_heteroscedasticity",
    "check_normality",
    "check_outliers",
    "check_overdispersion",
    "check_predictions",
    "check_residuals",
    "check_singularity",
    "check_zeroinflation",
    "model_performance",
    "performance_aic",
    "performance_aicc",
    "performance_dvour",
    "performance_mae",
    "performance_reliability",
    "performance_rmse",
    "performance_score",
    "r2",
    "r2_nakagawa",
    "simulate_residuals",
    "test_bf",
    "test_likelihoodratio",
    "test_performance",
    "test_vuong",
    "test_wald"
  ),
  bayesplot = "pp_check",
  parameters = c(
    "bootstrap_model",
    "bootstrap_parameters",
    "ci",
    "degrees_of_freedom",
    "dof",
    "equivalence_test",
    "model_parameters",
    "p_calibrate",
    "p_direction",
    "p_significance",
    "p_value",
    "principal_components",
    "reduce_parameters",
    "select_parameters",
    "simulate_model",
    "simulate_parameters",
    "standard_error"
  ),
  bayestestR = c(
    "bayesfactor_models",
    "bf_models",
    "ci",
    "equivalence_test",
    "p_direction",
    "p_significance",
    "p_to_bf",
    "sexit_thresholds"
  ),
  datawizard = c("standardize", "unstandardize"),
  effectsize = c("effectsize", "eta_squared", "standardize_parameters"),
  ggeffects = c("hypothesis_test", "test_predictions"),
  car = c(
    "Anova",
    "S",
    "has_intercept",
    "infIndexPlot",
    "influencePlot",
    "outlierTest",
    "powerTransform"
  ),
  clubSandwich = c(
    "coef_CS",
    "model_matrix",
    "residuals_CS",
    "targetVariance",
    "v_scale",
    "vcovCR",
    "weightMatrix"
  ),
  pbkrtest = c(
    "KRmodcomp",
    "PBmodcomp",
    "PBrefdist",
    "SATmodcomp",
    "anovax",
    "comodex",
    "getLRT",
    "get_Lb_ddf",
    "get_SigmaG",
    "model2restriction_matrix",
    "restriction_matrix2model",
    "vcovAdj"
  ),
  MuMIn = c(
    "coefTable",
    "coeffs",
    "extractDIC",
    "getAllTerms",
    "makeArgs",
    "r.squaredGLMM"
  ),
  doBy = c(
    "LSmeans",
    "esticon",
    "get_X",
    "get_contrasts",
    "get_xlevels",
    "linest",
    "popMeans"
  ),
  mitml = c(
    ".checkREML",
    ".getArgsLL",
    ".getCoef",
    ".getMisc",
    ".getUserLL",
    ".getVC",
    ".updateML",
    ".updateStackedLL"
  ),
  ModelMetrics = c(
    "auc",
    "brier",
    "ce",
    "gini",
    "logLoss",
    "mae",
    "msle",
    "rmsle"
  ),
  flextable = "as_flextable",
  report = c(
    "report",
    "report_effectsize",
    "report_info",
    "report_intercept",
    "report_model",
    "report_parameters",
    "report_performance",
    "report_random",
    "report_statistics",
    "report_table",
    "report_text"
  ),
  simr = c("doFit", "doSim", "doTest", "extend"),
  memisc = "getSummary",
  broom.helpers = c(
    "model_compute_terms_contributions",
    "model_get_coefficients_type",
    "model_get_model",
    "model_get_model_frame",
    "model_get_model_matrix",
    "model_get_n",
    "model_get_response",
    "model_get_terms",
    "model_get_weights",
    "model_get_xlevels"
  ),
  merTools = c("draw", "fastdisp", "plotREsim"),
  afex = "afex_plot",
  arm = c("extractDIC", "sigma.hat"),
  cAIC4 = c("deleteZeroComponents", "getModelComponents", "getcondLL"),
  prediction = c("find_data", "prediction")
)

# The generics, by package, that only need fixed effects, their covariance and predictions, and
# therefore also accept fits without a counterpart in lme4, such as those with a covariance
# structure.
fixed_generics <- list(
  insight = c(
    "find_algorithm",
    "find_formula",
    "find_parameters",
    "find_statistic",
    "find_transformation",
    "get_call",
    "get_data",
    "get_datagrid",
    "get_modelmatrix",
    "get_parameters",
    "get_predicted",
    "get_random",
    "get_residuals",
    "get_statistic",
    "get_varcov",
    "link_function",
    "link_inverse",
    "model_info",
    "n_obs"
  ),
  marginaleffects = c(
    "get_coef",
    "get_predict",
    "sanitize_model_specific",
    "set_coef"
  ),
  effects = "Effect",
  ggeffects = "get_predictions",
  car = c("Confint", "deltaMethod", "linearHypothesis", "matchCoefs", "vif"),
  multcomp = "modelparm"
)

# Generics whose methods for lme4's objects are in broom.mixed, which isn't loaded with them.
via_broom_mixed_generics <- list(generics = c("augment", "glance", "tidy"))

# The generics of DHARMa, for which fits without a counterpart in lme4 have their own methods.
via_dharma_generics <- list(
  DHARMa = c(
    "getData",
    "getFixedEffects",
    "getObservedResponse",
    "getPearsonResiduals",
    "getRefit",
    "getResiduals",
    "getSimulations"
  )
)

# The generics of lmerTest for its own class of fits.
via_lmertest_generics <- list(
  lmerTest = c("difflsmeans", "ls_means", "lsmeansLT", "step")
)

# These variables are defined by method dispatch.
utils::globalVariables(c(".Generic", ".GenericDefEnv"))

#' The method of all these generics: the same call with our fits replaced by lme4's objects
#'
#' The generic and its package are known from the dispatch.
#' @noRd
via_lme4 <- function(...) {
  is_of_fixed <- .Generic %in% unlist(fixed_generics)
  convert <- switch(
    .Generic,
    Effect = as_merMod_with_data,
    r.squaredGLMM = as_merMod_with_offset,
    if (is_of_fixed) as_merMod_for_fixed else as_merMod
  )
  call_again(.Generic, .GenericDefEnv, convert)(...)
}

#' An lme4 object with the fitted data as `data` in its call
#'
#' Package effects evaluates the call in an environment where the data of a fit made in a function
#' may be unknown, or another object may have their name. The data are those of the frame, or, if
#' the call needs more variables, the original ones if they still exist.
#' @noRd
as_merMod_with_data <- function(fit) {
  object <- as_merMod_for_fixed(fit)
  call <- object@call
  in_call <- c("weights", "subset", "na.action")
  # An offset is in the formula of the call, even if it was an argument of the fit.
  is_held <- all(all.vars(call$formula) %in% names(fit$frame))
  data <- if (is_held && !any(in_call %in% names(call))) {
    as.data.frame(fit$frame)
  } else {
    original_data(fit)
  }
  if (!is.null(data)) {
    object@call$data <- data
  }
  object
}

via_broom_mixed <- function(...) {
  if (has_own_tables(..1) && .Generic %in% names(own_tables)) {
    return(own_tables[[.Generic]](...))
  }
  need_package("broom.mixed", paste0(.Generic, "()"))
  call_again(.Generic, .GenericDefEnv, as_merMod)(...)
}

via_dharma <- function(...) {
  if (is.null(not_convertible(..1))) {
    return(call_again(.Generic, .GenericDefEnv, as_merMod)(...))
  }
  if (.Generic == "getFixedEffects") {
    return(fixef.rlmm(..1))
  }
  default <- utils::getS3method(.Generic, "default", envir = .GenericDefEnv)
  if (.Generic == "getSimulations") {
    simulations_for_dharma(default, ...)
  } else {
    default(...)
  }
}

#' Simulations with the random effects that DHARMa requests
#' @param simulateREs DHARMa's argument: "conditional" on the random effects, "unconditional", or as
#'   `re.form` says.
#' @noRd
simulations_for_dharma <- function(
  default,
  object,
  ...,
  simulateREs = "conditional"
) {
  switch(
    simulateREs[1L],
    conditional = default(object, ..., re.form = NULL),
    unconditional = default(object, ..., re.form = NA),
    default(object, ...)
  )
}

via_lmertest <- function(...) {
  need_package("lmerTest", .Generic)
  convert <- function(fit) {
    getExportedValue("lmerTest", "as_lmerModLmerTest")(as_merMod(fit))
  }
  call_again(.Generic, .GenericDefEnv, convert)(...)
}

#' A function that calls a generic after converting our fits among its arguments
#'
#' Arguments are evaluated lazily, as in a direct call: marginaleffects has some that can't be
#' evaluated in their environment. The function has no named arguments, which would capture the
#' user's, such as `n`.
#' @noRd
call_again <- function(generic, env, convert) {
  function(...) {
    written <- as.list(substitute(list(...)))[-1L]
    names <- names_in_call(written)
    arguments <- new.env(parent = env)
    for (place in seq_along(names)) {
      hold_argument(names[place], place, arguments, convert)(...)
    }
    symbols <- stats::setNames(lapply(names, as.name), names(written))
    eval(as.call(c(as.name(generic), symbols)), arguments)
  }
}

hold_argument <- function(name, place, arguments, convert) {
  # Evaluates the promise before the loop variable changes.
  force(place)
  convert_fit <- \(x) if (inherits(x, "rlmm")) convert(x) else x
  function(...) {
    delayedAssign(
      name,
      convert_fit(...elt(place)),
      assign.env = arguments
    )
  }
}

# The expressions of arguments in the call: those of the user, or short ones, as some packages print
# the call or use it for labels.
names_in_call <- function(written) {
  names <- paste0("argument", seq_along(written))
  names[1L] <- "model"
  texts <- vapply(written, short_text, "")
  texts[1L] <- if (is.name(written[[1L]])) texts[1L] else ""
  is_single <- !texts %in% c(texts[duplicated(texts)], names, "")
  is_users <- is_single & !startsWith(texts, "..")
  names[is_users] <- texts[is_users]
  names
}

# The text of an expression if it is one short line, which can be the name of a variable.
short_text <- function(expression) {
  if (!is.language(expression)) {
    return("")
  }
  text <- deparse(expression, 500L, nlines = 2L)
  if (length(text) == 1L && nchar(text) <= 60L) text else ""
}

# Registration ------------------------------------------------------------

.onLoad <- function(libname, pkgname) {
  when_loaded(lme4_generics, via_lme4)
  when_loaded(fixed_generics, via_lme4)
  when_loaded(via_broom_mixed_generics, via_broom_mixed)
  when_loaded(via_dharma_generics, via_dharma)
  when_loaded(via_lmertest_generics, via_lmertest)
  offer_to_marginaleffects()
  offer_to_simulate()
  offer_to_texreg()
}

#' Registers one method for generics of packages, now or as soon as they are loaded
#' @noRd
when_loaded <- function(generics, method) {
  for (package in names(generics)) {
    register <- registration(package, generics[[package]], method)
    if (isNamespaceLoaded(package)) {
      register()
    }
    setHook(packageEvent(package, "onLoad"), register)
  }
}

registration <- function(package, generics, method) {
  # Evaluates the promise before the loop variable changes.
  force(package)
  force(generics)
  function(...) {
    namespace <- asNamespace(package)
    for (generic in generics) {
      found <- get0(generic, namespace, mode = "function")
      if (is.function(found) && uses_method(found)) {
        registerS3method(generic, "rlmm", method, envir = namespace)
      }
    }
  }
}

uses_method <- function(f) {
  is.function(f) && "UseMethod" %in% all.names(body(f))
}

# marginaleffects accepts the classes in this option.
offer_to_marginaleffects <- function() {
  option <- "marginaleffects_model_classes"
  options(stats::setNames(list(union(getOption(option), "rlmm")), option))
}

# Registers a method of simulate() for formulas until lme4 is loaded, which has one; methods of
# other packages are kept. R gives a message if a package replaces a method of another package,
# which the name of the method's environment avoids.
offer_to_simulate <- function() {
  if (!is.null(utils::getS3method("simulate", "formula", optional = TRUE))) {
    return(invisible())
  }
  method <- simulate_formula
  environment(method) <- structure(
    new.env(parent = environment(method)),
    name = "lme4"
  )
  registerS3method("simulate", "formula", method, asNamespace("stats"))
}

#' Linear and generalized linear mixed models, by task
#'
#' @description
#' rlmm fits mixed models by penalized least squares, implemented in Rust, with the formulas of
#' lme4. This page lists its functions by task.
#'
#' **Fit.** [rlmm()] fits linear, [rglmm()] generalized linear, [rglmm_nb()] negative binomial and
#' [rnlmm()] nonlinear models; [lmList()] a regression in each group; [rlmm_many()] and
#' [rglmm_many()] one model to many responses. [preview()] describes a model before it is fitted;
#' [rlmm_control()] sets options of the fit. See [covariance_structures] for structures other than
#' the unstructured one, [nbinom1()] and [nbinom2()] for families, [residual_strata()] for different
#' residual variances, and [dummy()] for indicators. [rlmm_sums()] and [rlmm_sums_sql()] compute
#' what `rlmm()` needs from data outside R's memory.
#'
#' **Extract.** `summary()`, [VarCorr()][VarCorr.rlmm], [fixef()][fixef.rlmm], [fixed_levels()],
#' [ranef()][ranef.rlmm], `coef()`, [condVar()][condVar.rlmm], [raneftables()] and
#' [condVartables()], [getME()][getME.rlmm], [vcov()][vcov.rlmm], [logLik()][logLik.rlmm], [AICc()]
#' and [REMLcrit()], [ngrps()]; the kind of fit by [isLMM()], [isGLMM()], [isNLMM()] and [isREML()];
#' tables for documents by [markup()].
#'
#' **Infer.** [confint()][confint.rlmm] and [profile()][profile.rlmm], on other scales [logProf()]
#' and [varianceProf()]; [bootstrap()] in threads, [bootMer()] for any statistic;
#' [anova()][anova.rlmm] for one fit or several; [contest()], [contest1D()] and [contestMD()] for
#' contrasts; [ranova()] for random effects; [backward()] elimination; [drop1()][add1.rlmm]; robust
#' covariance matrices by `vcov(type = )` ([robust]); [cAIC()]; [group_loglik()] and
#' [leave_group_out()]; standard errors of variances by [variance_vcov()], with
#' [variance_parameters()], [score()] and [hessian()].
#'
#' **Predict and simulate.** [predict()][predict.rlmm] with intervals; [simulate()][simulate.rlmm],
#' [simulate_formula()] without a fit, [simulate_power()].
#'
#' **Check.** [diagnose()] on one page; [certificate()], [opt_summary()] and [allFit()] for the
#' optimum; [is_singular()], [isSingular()], [rePCA()][rePCA.rlmm]; [residuals()][residuals.rlmm],
#' [influence()][influence.rlmm], [hatvalues()][hatvalues.rlmm]; [variance_explained()],
#' [variance_inflation()]. [rlmm_conditions] explains messages and warnings.
#'
#' **Plot.** [plot()][plot.rlmm], [plot_by_group()], [plot_shrinkage()][plot.ranef.rlmm], plots of
#' [random effects][plot.ranef.rlmm] and [profiles][plot.profile.rlmm]; `autoplot()` of ggplot2.
#'
#' **Update and save.** [update()][update.rlmm], [refit()][refit.rlmm], [refitML()];
#' [save_optimum()] and [restore_optimum()]; [last_rlmm()] after an interrupt.
#'
#' **Other packages.** [other_packages] lists packages that accept these fits; [as_merMod()]
#' converts to lme4's class for those that need it, and [as_rlmm()] converts from it.
#'
#' @seealso The vignettes: `vignette("getting-started", "rlmm")` to begin,
#'   `vignette("from-lme4", "rlmm")` and `vignette("dictionary", "rlmm")` for users of other
#'   programs, `vignette("inference", "rlmm")`, `vignette("diagnostics", "rlmm")`,
#'   `vignette("prediction", "rlmm")`, `vignette("generalized-models", "rlmm")`,
#'   `vignette("large-data", "rlmm")`, `vignette("convergence", "rlmm")`,
#'   `vignette("validation", "rlmm")`, `vignette("theory", "rlmm")`, and
#'   `vignette("limitations", "rlmm")` for what isn't offered.
#' @keywords internal
#' @importFrom methods as
"_PACKAGE"

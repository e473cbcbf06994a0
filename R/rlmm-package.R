#' Linear and generalized linear mixed models, by task
#'
#' @description
#' rlmm fits mixed models by penalized least squares, in Rust, from lme4's formulas. These are its
#' functions by what they are for.
#'
#' **Fit.** [rlmm()] linear, [rglmm()] generalized, [rglmm_nb()] negative binomial, [rnlmm()]
#' nonlinear models; [lmList()] a regression in each group; [rlmm_many()] and [rglmm_many()] one
#' model of many responses. [preview()] tells of a model before it is fitted; [rlmm_control()]
#' steers the fit; [covariance_structures] other than the unstructured one; [nbinom1()] and
#' [nbinom2()], families; [residual_strata()] of different variances; [dummy()] indicators;
#' [rlmm_sums()] and [rlmm_sums_sql()] fit where the data stay where they are.
#'
#' **Read.** `summary()`, [VarCorr()][VarCorr.rlmm], [fixef()][fixef.rlmm], [fixed_levels()],
#' [ranef()][ranef.rlmm], `coef()`, [condVar()][condVar.rlmm], [raneftables()] and
#' [condVartables()], [getME()][getME.rlmm], [vcov()][vcov.rlmm], [logLik()][logLik.rlmm],
#' [AICc()] and [REMLcrit()], [ngrps()]; what kind of fit it is by [isLMM()], [isGLMM()], [isNLMM()]
#' and [isREML()]; tables for documents by [markup()].
#'
#' **Infer.** [confint()][confint.rlmm] and [profile()][profile.rlmm], on other scales by
#' [logProf()] and [varianceProf()]; [bootstrap()] in threads, [bootMer()] of any statistic;
#' [anova()][anova.rlmm] of one fit or several; [contest()], [contest1D()] and [contestMD()] of
#' contrasts; [ranova()] of random effects; [backward()] elimination; [drop1()][add1.rlmm]; robust
#' covariances by `vcov(type = )` ([robust]); [cAIC()]; [group_loglik()] and [leave_group_out()];
#' standard errors of variances by [variance_vcov()], with [variance_parameters()], [score()] and
#' [hessian()].
#'
#' **Predict and simulate.** [predict()][predict.rlmm] with intervals;
#' [simulate()][simulate.rlmm], [simulate_formula()] without a fit, [simulate_power()].
#'
#' **Check.** [diagnose()] on one page; [certificate()], [opt_summary()] and [allFit()] of the
#' optimum; [is_singular()], [isSingular()], [rePCA()][rePCA.rlmm];
#' [residuals()][residuals.rlmm], [influence()][influence.rlmm], [hatvalues()][hatvalues.rlmm];
#' [variance_explained()], [variance_inflation()]. [rlmm_conditions] has what messages and warnings
#' mean.
#'
#' **Draw.** [plot()][plot.rlmm], [plot_by_group()], [plot_shrinkage()][plot.ranef.rlmm], plots of
#' [random effects][plot.ranef.rlmm] and [profiles][plot.profile.rlmm]; `autoplot()` of ggplot2.
#'
#' **Change and keep.** [update()][update.rlmm], [refit()][refit.rlmm], [refitML()];
#' [save_optimum()] and [restore_optimum()]; [last_rlmm()] after an interrupt.
#'
#' **Other packages.** [other_packages] that take these fits; [as_merMod()] for those that need
#' lme4's class, [as_rlmm()] the other way.
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

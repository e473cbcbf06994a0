#' Linear and generalized linear mixed models, by task
#'
#' @description
#' rlmm fits mixed models by penalized least squares, in Rust, from lme4's formulas. These are its
#' functions by what they are for.
#'
#' **Fit.** [rlmm()] linear, [rglmm()] generalized, [rglmm_nb()] negative binomial, [rnlmm()]
#' nonlinear models; [lmList()] a regression in each group. [preview()] tells of a model before it
#' is fitted; [rlmm_control()] steers the fit; [covariance_structures] other than the unstructured
#' one; [rlmm_sums()] fits where the data stay where they are.
#'
#' **Read.** `summary()`, [VarCorr()][VarCorr.rlmm], [fixef()][fixef.rlmm], [ranef()][ranef.rlmm],
#' `coef()`, [condVar()][condVar.rlmm], [raneftables()], [getME()][getME.rlmm],
#' [vcov()][vcov.rlmm], [logLik()][logLik.rlmm]; tables for documents by [markup()].
#'
#' **Infer.** [confint()][confint.rlmm] and [profile()][profile.rlmm]; [anova()][anova.rlmm] of one
#' fit or several; [contest()] of contrasts; [ranova()] of random effects; [backward()] elimination;
#' [drop1()][add1.rlmm]; robust covariances by `vcov(type = )` ([robust]); [cAIC()];
#' [group_loglik()] and [leave_group_out()]; standard errors of variances by [variance_vcov()].
#'
#' **Predict and simulate.** [predict()][predict.rlmm] with intervals;
#' [simulate()][simulate.rlmm], [simulate_formula()] without a fit, [simulate_power()].
#'
#' **Check.** [diagnose()] on one page; [certificate()] and [allFit()] of the optimum;
#' [is_singular()]; [residuals()][residuals.rlmm], [influence()][influence.rlmm],
#' [hatvalues()][hatvalues.rlmm]; [variance_explained()], [variance_inflation()].
#'
#' **Draw.** [plot()][plot.rlmm], [plot_by_group()], [plot_shrinkage()][plot.ranef.rlmm], plots of
#' [random effects][plot.ranef.rlmm] and [profiles][plot.profile.rlmm]; `autoplot()` of ggplot2.
#'
#' **Change and keep.** [update()][update.rlmm], [refit()][refit.rlmm]; [save_optimum()] and
#' [restore_optimum()].
#'
#' **Other packages.** [other_packages] that take these fits; [as_merMod()] for those that need
#' lme4's class.
#'
#' @seealso The vignettes: `vignette("getting-started", "rlmm")` to begin,
#'   `vignette("dictionary", "rlmm")` for users of other programs, `vignette("inference", "rlmm")`,
#'   `vignette("prediction", "rlmm")`, `vignette("generalized-models", "rlmm")`,
#'   `vignette("large-data", "rlmm")`,
#'   `vignette("convergence", "rlmm")`, `vignette("theory", "rlmm")`, and
#'   `vignette("limitations", "rlmm")` for what isn't offered.
#' @keywords internal
#' @importFrom methods as
"_PACKAGE"

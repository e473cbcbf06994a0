# The dictionary names every function of the packages that a reader comes from.
dictionary <- function() {
  file <- test_path("..", "..", "vignettes", "dictionary.Rmd")
  skip_if_not(file.exists(file), "the package's sources are not here")
  text <- paste(readLines(file, encoding = "UTF-8"), collapse = "\n")
  unique(unlist(strsplit(text, "[^[:alnum:]_.]+")))
}

# Names of Julia and Python are words between dots too: `m.optsum.feval`.
expect_words <- function(text) {
  names <- unlist(strsplit(text, " "))
  words <- unlist(strsplit(dictionary(), ".", fixed = TRUE))
  expect_identical(setdiff(names, words), character())
}

expect_all_named <- function(package) {
  skip_if_not_installed(package)
  exports <- getNamespaceExports(package)
  functions <- exports[!grepl("<-$|^[.]__", exports)]
  expect_identical(sort(setdiff(functions, dictionary())), character())
}

test_that("every function of lme4 has an entry", {
  expect_all_named("lme4")
})

test_that("every function of lmerTest has an entry", {
  expect_all_named("lmerTest")
})

test_that("every function of nlme and glmmTMB has an entry", {
  expect_all_named("nlme")
  expect_all_named("glmmTMB")
})

test_that("every name that MixedModels.jl 5.8 exports has an entry", {
  exports <- c(
    "AbstractReMat Bernoulli Binomial BlockDescription BlockedSparse",
    "DummyCoding EffectsCoding Grouping Gamma GeneralizedLinearMixedModel",
    "HelmertCoding HypothesisCoding IdentityLink InverseGaussian",
    "InverseLink LinearMixedModel LogitLink LogLink MixedModel",
    "MixedModelBootstrap MixedModelProfile Normal OptSummary Poisson",
    "ProbitLink RaggedArray RandomEffectsTerm ReMat SeqDiffCoding SqrtLink",
    "Table UniformBlockDiagonal VarCorr aic aicc bic coef coefnames",
    "coefpvalues coeftable columntable cond condVar condVartables confint",
    "cooksdistance dataset datasets deviance dispersion dispersion_parameter dof",
    "dof_residual fit fitted fixef fixefnames formula fulldummy fnames",
    "glmm GHnorm isfitted islinear issingular leverage levels lmm logdet",
    "loglikelihood lowerbd lrtest meanresponse modelmatrix model_response nobs",
    "objective opt_params optimizers parametricbootstrap pirls predict",
    "profile profilesigma profilevc PCA pvalue pwrss rank rePCA ranef raneftables",
    "rank refarray refit refpool refvalue replicate",
    "residuals response responsename restoreoptsum saveoptsum",
    "settheta shortestcovint sdest simulate sparse sparseA sparseL std stderror updateL",
    "varest vcov weights zerocorr savereplicates restorereplicates"
  )
  expect_words(exports)
})

test_that("the keywords of MixedModels.jl's fits and the fields of its record have entries", {
  keywords <- c(
    "contrasts weights wts amalgamate RFPthreshold sortlevels progress REML",
    "backend optimizer verbose fast nAGQ init_from_lmm new_re_levels type",
    "initial final fmin feval returnvalue xtol_zero_abs maxfeval",
    "pirls_maxiter pirls_ftol_rel pirls_maxhalfstep ftol_rel ftol_abs",
    "xtol_rel xtol_abs initial_step maxtime rhobeg rhoend fitlog"
  )
  expect_words(keywords)
})

test_that("every method of statsmodels' MixedLM 0.14 and of its results has an entry", {
  methods <- c(
    "MixedLM MixedLMParams from_packed from_components copy get_packed",
    "from_formula predict group_list fit fit_regularized get_fe_params",
    "loglike score score_full score_sqrt hessian get_scale",
    "get_distribution rvs fittedvalues resid bse_fe bse_re random_effects",
    "random_effects_cov t_test summary llf aic bic profile_re params",
    "fe_params cov_re cov_re_unscaled vcomp scale bse tvalues pvalues",
    "conf_int cov_params f_test wald_test wald_test_terms t_test_pairwise",
    "bootstrap save load remove_data nobs k_fe k_re"
  )
  arguments <- c(
    "endog exog groups exog_re exog_vc use_sqrt missing re_formula",
    "vc_formula subset use_sparse data formula start_params reml niter_sa",
    "do_cg fe_pen cov_pen free full_output method re_ix vtype num_low",
    "dist_low num_high dist_high yname xname_fe xname_re title alpha"
  )
  expect_words(c(methods, arguments))
})

test_that("the arguments of lme4's fitting functions and methods have entries", {
  skip_if_not_installed("lme4", "2.1")
  functions <- c(
    "lmer glmer lmerControl glmerControl glmer.nb bootMer lmList allFit",
    "isSingular refit drop1.merMod fixef.merMod hatvalues.merMod",
    "plot.merMod predict.merMod print.merMod residuals.merMod ranef.merMod",
    "print.summary.merMod print.VarCorr.merMod profile.merMod",
    "simulate.merMod confint.merMod update.merMod vcov.merMod",
    "anova.merMod influence.merMod"
  )
  arguments <- function(name) {
    names(formals(getFromNamespace(name, "lme4")))
  }
  own <- unlist(lapply(unlist(strsplit(functions, " ")), arguments))
  named <- gsub("^-|-$", "", dictionary())
  expect_identical(setdiff(own, c(named, "...")), character())
})

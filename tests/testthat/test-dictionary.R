# The dictionary names every function of the packages that a reader comes from.
dictionary <- function() {
  file <- test_path("..", "..", "vignettes", "dictionary.Rmd")
  skip_if_not(file.exists(file), "the package's sources are not here")
  text <- paste(readLines(file, encoding = "UTF-8"), collapse = "\n")
  unique(unlist(strsplit(text, "[^[:alnum:]_.]+")))
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
    "dataset datasets deviance dispersion dispersion_parameter dof",
    "dof_residual fit fitted fixef fixefnames formula fulldummy fnames",
    "GHnorm isfitted islinear issingular leverage levels logdet",
    "loglikelihood lowerbd meanresponse modelmatrix model_response nobs",
    "objective parametricbootstrap pirls predict profile profilevc pwrss",
    "ranef raneftables rank refarray refit refpool refvalue replicate",
    "residuals response responsename restoreoptsum saveoptsum",
    "shortestcovint sdest simulate sparse sparseL std stderror updateL",
    "varest vcov weights zerocorr savereplicates restorereplicates"
  )
  names <- unlist(strsplit(exports, " "))
  expect_identical(setdiff(names, dictionary()), character())
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

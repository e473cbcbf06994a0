# What to write in place of an argument of other packages' fitting functions, where that doesn't
# depend on its value.

always_ml <- "A generalized model is fitted by maximum likelihood: "

hint_elsewhere <- function(name) {
  is_meant <- vapply(hints_elsewhere, \(hint) name %in% hint$names, NA)
  if (any(is_meant)) hints_elsewhere[[which(is_meant)[1L]]]$text
}

#' A hint for arguments with the same meaning
#' @param names A character vector.
#' @param ... Parts of the text, which are separated by a space.
#' @noRd
new_hint <- function(names, ...) list(names = names, text = paste(...))

hints_elsewhere <- list(
  new_hint(
    c("zi", "ziformula"),
    "Models of zeros and of the dispersion aren't available;",
    "`glmmTMB::glmmTMB()` has them."
  ),
  new_hint("fixed", "The argument is called `formula`: `y ~ x + (1 | group)`."),
  new_hint(
    c("re_formula", "vc_formula"),
    "Random effects stand in `formula`: `y ~ x + (x | group)`."
  ),
  new_hint(
    "correlation",
    "Correlations stand in `formula`, in a random-effects term:",
    "`ar1(0 + time | group)`, for one."
  ),
  new_hint(
    c("covstruct", "cov_struct", "corstr", "structure", "covariance"),
    "A covariance structure stands in `formula`, around a random-effects term:",
    "`ar1(0 + time | group)`, for one. See `?covariance_structures`."
  ),
  new_hint(
    c("rel_mat", "relmat", "pedigree", "ginverse", "cov_ranef", "data2"),
    "Relationships of the levels that are known aren't available;",
    "`lme4qtl::relmatLmer()`, `pedigreemm::pedigreemm()` and `brms::brm()` have them."
  ),
  new_hint("varStruct", "Write `dispersion = ~x`, of factors."),
  new_hint(
    "trials",
    "Numbers of trials are `weights`, or `cbind(successes, failures)` is the response."
  ),
  new_hint("wts", "The argument is called `weights`."),
  new_hint(
    "exposure",
    "The logarithm of an exposure is an offset: `offset = log(exposure)`."
  ),
  new_hint(
    c("subject", "subjects", "id", "panel", "grouping"),
    "Grouping factors stand in `formula`: `y ~ x + (1 | group)`."
  ),
  new_hint(
    c("cores", "ncores", "ncpus", "nthreads", "parallel"),
    "Threads: `control = rlmm_control(threads = )`."
  ),
  new_hint("missing", "Missing values: `na.action = na.omit`, the default."),
  new_hint(
    "fast",
    "A linear model has one criterion, without approximation: leave `fast` out."
  ),
  new_hint("nAGQ", "Quadrature is for generalized models, of `rglmm()`."),
  new_hint(
    c("intpoints", "n_quad", "nodes"),
    "Quadrature is for generalized models: `rglmm(nAGQ = 9)`."
  ),
  new_hint("REML", paste0(always_ml, "leave `REML` out.")),
  new_hint(
    c("ddf", "ddfm", "dfmethod"),
    "Degrees of freedom are chosen afterwards: `summary(fit, ddf = )`."
  ),
  new_hint(
    "map",
    "Parameters are held by `control = rlmm_control(fixed = )`."
  ),
  new_hint(
    c("cluster", "cov_type", "vce"),
    "Robust standard errors are chosen afterwards: `vcov(fit, type = \"CR2\")`."
  ),
  new_hint("se", "Leave it out: the fit always has standard errors."),
  new_hint("seed", "Leave it out: a fit is the same each time."),
  new_hint(
    c("sparseX", "sparse"),
    "Leave it out: zeros are left out wherever that saves time."
  ),
  new_hint(
    "doFit",
    "Use `preview()`, or `devFunOnly = TRUE` for the objective."
  ),
  new_hint(
    c("calc.derivs", "hessian"),
    "Leave it out: derivatives are exact, and always known."
  ),
  new_hint(
    c(
      "prior",
      "priors",
      "sample_prior",
      "stanvars",
      "chains",
      "warmup",
      "burnin",
      "iter",
      "nitt",
      "thin"
    ),
    "Bayesian models are fitted by the packages brms and rstanarm."
  ),
  new_hint(
    "optCtrl",
    "Limits of the optimizer: `control = rlmm_control(max_eval = , ftol_abs = )`."
  )
)

# Methods of generics of the stats package for `aov()` and `lm()` that don't apply to mixed models:
# each raises an error that names the alternative.

#' @importFrom stats TukeyHSD
#' @export
TukeyHSD.rlmm <- function(x, which, ...) {
  abort_of_aov(
    "TukeyHSD",
    "`pairs(emmeans::emmeans(fit, ~f))` compares the levels of `f` by Tukey's method."
  )
}

#' @importFrom stats alias
#' @export
alias.rlmm <- function(object, ...) {
  abort_of_aov(
    "alias",
    "`fixef(fit, add.dropped = TRUE)` has `NA` for each column that depends on others."
  )
}

#' @importFrom stats dummy.coef
#' @export
dummy.coef.rlmm <- function(object, ...) {
  abort_of_aov("dummy.coef", means_of_levels)
}

#' @importFrom stats model.tables
#' @export
model.tables.rlmm <- function(x, ...) {
  abort_of_aov("model.tables", means_of_levels)
}

#' @importFrom stats se.contrast
#' @export
se.contrast.rlmm <- function(object, ...) {
  abort_of_aov(
    "se.contrast",
    "`contest(fit, L)` tests contrasts, with their standard errors."
  )
}

#' @importFrom stats effects
#' @export
effects.rlmm <- function(object, ...) {
  abort_of_aov(
    "effects",
    "`fixef(fit)` and `ranef(fit)` have the effects; package effects draws them."
  )
}

#' @export
qr.rlmm <- function(x, ...) {
  abort_of_aov(
    "qr",
    "`qr(model.matrix(fit))` factors the fixed-effects matrix."
  )
}

#' @importFrom stats proj
#' @export
proj.rlmm <- function(object, ...) {
  abort_of_aov("proj", "`anova(fit)` tests each term of the fixed effects.")
}

#' @importFrom stats SSD
#' @export
SSD.rlmm <- function(object, ...) abort_of_aov("SSD", estimated_variances)

#' @importFrom stats estVar
#' @export
estVar.rlmm <- function(object, ...) {
  abort_of_aov("estVar", estimated_variances)
}

#' @importFrom stats mauchly.test
#' @export
mauchly.test.rlmm <- function(object, ...) {
  abort_of_aov(
    "mauchly.test",
    "`anova(fit1, fit2)` compares covariance structures (see `?covariance_structures`)."
  )
}

#' @rawNamespace S3method(graphics::pairs, rlmm)
#' @noRd
pairs.rlmm <- function(x, ...) {
  abort_rlmm(
    c(
      "`pairs()` doesn't know what of a mixed model to compare or to draw.",
      i = "`pairs(emmeans::emmeans(fit, ~f))` compares the levels of a factor `f`.",
      i = "`plot(ranef(fit))` draws random effects, `lattice::splom(profile(fit))` parameters."
    ),
    "rlmm_error_not_available"
  )
}

estimated_variances <- "`VarCorr(fit)` has the estimated covariances, `sigma(fit)` the residual."

means_of_levels <- "`emmeans::emmeans(fit, ~f)` has the means of the levels of `f`."

abort_of_aov <- function(generic, hint) {
  abort_rlmm(
    c(
      sprintf("`%s()` has no answer for mixed models.", generic),
      x = "It is for fits of `lm()` and `aov()`.",
      i = hint
    ),
    "rlmm_error_not_available"
  )
}

# Deletions from fits of lm() -----------------------------------------------

#' `dffits()`, which is generic in R 4.6
#' @rawNamespace if (!"infl" %in% names(formals(stats::dffits))) S3method(stats::dffits, rlmm)
#' @noRd
dffits.rlmm <- function(model, ...) abort_deletion_of_lm("dffits")

# Functions that are not generic (`dffits()` before R 4.6), which ask a fit for its weighted
# residuals.
deletions_of_lm <- c("dffits", "influence.measures", "lm.influence")

#' Raises an error if a function that treats the fit as one of lm() asks for its weights
#' @param asking The number of the frame of the calling function.
#' @noRd
refuse_deletion_of_lm <- function(asking) {
  if (!identical(sys.function(asking), stats::weighted.residuals)) {
    return(invisible())
  }
  called <- sys.function(sys.parents()[asking])
  is_called <- \(name) identical(getExportedValue("stats", name), called)
  name <- Find(is_called, deletions_of_lm)
  if (!is.null(name)) {
    abort_deletion_of_lm(name)
  }
}

abort_deletion_of_lm <- function(name) {
  abort_of_aov(
    name,
    "`as.data.frame(influence(fit))` has such measures of mixed models."
  )
}

# rlmm(): fits linear mixed models.

#' Fit a linear mixed model
#'
#' Fits a linear model with random effects by restricted maximum likelihood (REML) or by maximum
#' likelihood (ML). The formula and the arguments are those of `lme4::lmer()`. The objective is
#' minimized by Newton's method with exact derivatives, and the optimum is certified by its gradient
#' and Hessian (see [certificate()]).
#'
#' @param formula A two-sided formula as in lme4, such as `y ~ x + (x | g)` (see Details), or the
#'   result of [rlmm_sums()].
#' @param data A data frame (or tibble, data.table, list or environment) with the variables. By
#'   default, variables are looked up in the environment of the formula. Data outside R's memory (a
#'   table in a database, an Arrow data set, or a function that reads chunks) are summed up where
#'   they are, see [rlmm_sums()].
#' @param REML Whether to maximize the restricted likelihood (`TRUE`, the default) or the
#'   likelihood.
#' @param control A list made by [rlmm_control()]; lists made by `lme4::lmerControl()` are
#'   translated.
#' @param start The starting value of theta, the relative covariance parameters (see
#'   [covariance_structures]): a numeric vector, or a list with the element `theta`.
#' @param verbose If positive, each evaluation of the objective is printed.
#' @param subset,na.action As in [lm()]. `NaN` counts as missing; since it often results from a
#'   mistake, a message lists the rows that are left out because of it. Infinite values are errors.
#'   With `na.action = na.exclude`, residuals and fitted values have an element for every row of
#'   `data`.
#' @param weights Prior weights, one number for each row, not negative; `weights_type` says what
#'   they mean. A row of weight zero doesn't count. By default weights are relative precisions: the
#'   mean of five measurements has weight 5. They are not the sampling weights of a survey, for
#'   which no likelihood is defined. Like `subset` and `offset`, the expression is evaluated in
#'   `data`, then in the calling environment, then in the environment of the formula.
#' @param offset A known component of the linear predictor, with coefficient 1, which is added to
#'   the `offset()` terms of the formula. In a linear model this is the same as subtracting it from
#'   the response. `predict(newdata = )` needs its variables in the new data.
#' @param contrasts A named list of contrasts for the factors of the fixed part, as in [lm()].
#'   Random-effects terms use the contrasts of the factors themselves or of the option `contrasts`,
#'   as in lme4.
#' @param devFunOnly Whether to return the objective function instead of fitting the model: a
#'   function of theta, for a generalized model also of the fixed effects (unless `nAGQ = 0`) and of
#'   the logarithm of an estimated dispersion or shape. See [as.function()][as.function.rlmm].
#' @param sigma The residual standard deviation if it is known; by default it is estimated.
#' @param dispersion A one-sided formula of a factor, `~ g`, or of crossed factors, `~ a:b`, whose
#'   levels or combinations have different residual variances (`varIdent()` in nlme). `sigma()` is
#'   the residual standard deviation of the first level; [residual_strata()] returns all of them.
#'   [profile()][profile.rlmm], [bootstrap()] and [cAIC()] aren't available for such fits.
#' @param weights_type The meaning of `weights`. `"precision"`: a row with weight w has the residual
#'   variance sigma^2 / w, and the number of observations is the number of rows. `"frequency"`: a
#'   row with weight w stands for w identical rows, which `nobs()`, `logLik()`, degrees of freedom
#'   and standard errors count; fitted values and residuals have an element for each of these rows.
#'   (Bases that depend on the data, such as `poly()`, are computed from the rows as given.)
#' @param ... Not used; any argument here is an error.
#' @details A random-effects term `(effects | group)` has correlated effects within each level of
#' the group; `(effects || group)` has uncorrelated terms. `zerocorr(effects | group)` and
#' `diag(effects | group)` make all columns uncorrelated, and `diag(effects | group, hom = TRUE)`
#' also gives them the same variance; `us()` is the unstructured default. See
#' [covariance_structures] for `cs()`, `ar1()` and `toep()`. As in lme4, the columns of one factor
#' stay correlated in `(f || group)`; `options(lme4.doublevert.default = "diag_special")`, an option
#' of lme4, or `options(rlmm.double_bar = "diag")` changes the meaning to `diag(f | group)`. Among
#' the effects, `fulldummy(f)` stands for indicators of all levels of `f`, and `dummy(f, "a")` for
#' the indicator of "a". The group may be `a/b` (which expands to `a` and `b:a`), `a:b`, `a * b`,
#' `a + b`, or an expression such as `cut(x, 4)`; `a & b` means `a:b`.
#'
#' @section Covariates far from zero:
#' The origin of a covariate, such as a date or a time in seconds, makes no difference to the fit:
#' the computations use orthogonal columns. If too few digits are left for that, the error
#' `rlmm_error_origin` asks you to centre the covariate. Terms whose effects are independent, as in
#' `(x || g)` and `diag(x | g)`, or have a common variance, are another model for each origin.
#'
#' @section Fixed factors with many levels:
#' A factor of the fixed part with hundreds or thousands of levels, as in
#' `y ~ x + firm + (1 | worker)`, would need as many dummy columns. They are not made if
#' computations with them would take more than about a second, that is, if the factor has at least
#' 100 levels and the number of rows times the squared number of levels exceeds 5e9 (1e8 in a
#' generalized model). Instead, the levels are eliminated like random effects, but without a
#' penalty, and the fit is the same. [summary()][summary.rlmm] and `vcov()` then show only the other
#' coefficients; `fixef()` returns all of them, [fixed_levels()] returns those of the levels with
#' their standard errors, and [anova()][anova.rlmm] tests the factor as a whole.
#' `emmeans::emmeans()` computes means and trends over the other variables, averaged over the levels
#' of the factor, and means of the factor itself if it has at most 2,000 levels. Methods that need
#' the model matrix itself raise an error: `model.matrix()`, the Kenward-Roger method, robust
#' standard errors, `influence()`, `vcov(full = TRUE)` and `as_merMod()`.
#'
#' This applies to a factor that is a main effect without interactions, with any contrasts that span
#' its levels (for more than 2,000 levels: treatment contrasts with any base, sum or Helmert
#' contrasts), and to an interaction of several factors of which the formula has no other term, as
#' in `y ~ x + firm:year + (1 | worker)`. At most two such factors, those with the most levels, are
#' treated like this, as in `y ~ firm + school + (1 | worker)`; for the second one, a level is
#' dropped for each connected component of the two factors, as in `lm()`. It also applies to slopes
#' by level, that is, interactions of such a factor with covariates, with matrices such as
#' `poly(x, 2)`, and with factors of few levels, as in `y ~ firm * x + (1 | worker)`, `firm:x`,
#' `firm * sex` or `firm * x * sex`, if no level has more than 20 columns; and to the slopes of two
#' factors, as in `y ~ firm * x + school * sex + (1 | worker)`. A level in which the covariate is
#' constant, or in which a category doesn't occur, has no slope, as in `lm()`. [anova()][anova.rlmm]
#' tests such an interaction as a whole; terms that it contains (`sex` in `firm:sex`) have no row in
#' its table.
#'
#' `options(rlmm.large_factor = )` sets the number of levels from which factors are treated like
#' this, whatever the number of rows; with `Inf` every factor has dummy columns. For generalized
#' models see [rglmm()]. Under contrasts other than treatment contrasts with the first level as the
#' base, the intercept and the coefficients of covariates with slopes depend on all levels: they
#' can't be held, and have no profile, no replicates of [bootstrap()], and no
#' [refit()][refit.rlmm] to several responses at once. A factor with such contrasts gets dummy
#' columns if some of its levels are aliased with columns before it.
#'
#' @return A fitted model, a list of class `rlmm_lmm`; with `devFunOnly = TRUE` a function.
#' @seealso [rglmm()] for counts, proportions and other non-normal responses, [rnlmm()] for
#'   nonlinear models, [lmList()] for a regression in each group, and [rlmm_control()] for the
#'   optimizer and checks. For a fit: [summary()][summary.rlmm] and [anova()][anova.rlmm] for tests,
#'   [confint()][confint.rlmm], [VarCorr()][VarCorr.rlmm], [ranef()][ranef.rlmm],
#'   [predict()][predict.rlmm], [simulate()][simulate.rlmm], [plot()][plot.rlmm], [diagnose()] and
#'   [certificate()]. [preview()] describes a model before it is fitted, [covariance_structures]
#'   lists the covariance structures, [rlmm_conditions] explains messages and warnings, and
#'   [rlmm-package] lists all functions by task.
#' @examples
#' # A random intercept and slope for each subject, correlated
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' fit
#' summary(fit)
#' anova(fit)
#' head(ranef(fit)$Subject)
#'
#' # The same without the correlation, and a comparison of the two models
#' independent <- rlmm(Reaction ~ Days + (Days || Subject), sleepstudy)
#' anova(fit, independent, refit = FALSE)
#'
#' # Crossed and nested grouping factors
#' rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
#' rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
#'
#' # Means of several measurements, weighted by the number of measurements
#' means <- aggregate(Yield ~ Batch, Dyestuff, mean)
#' means$n <- c(5, 5, 4, 5, 3, 5)
#' twice <- rbind(means, transform(means, Yield = Yield + c(-20, 20, 10, -10, 5, 0)))
#' rlmm(Yield ~ 1 + (1 | Batch), twice, weights = n)
#'
#' # Different residual variances for boys and girls
#' rlmm(distance ~ age * Sex + (1 | Subject), nlme::Orthodont, dispersion = ~ Sex)
#'
#' # The REML criterion as a function of theta
#' criterion <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, devFunOnly = TRUE)
#' criterion(c(1, 0, 1))
#' @export
rlmm <- function(
  formula,
  data = NULL,
  REML = TRUE,
  control = rlmm_control(),
  start = NULL,
  verbose = 0L,
  subset,
  weights,
  na.action,
  offset,
  contrasts = NULL,
  devFunOnly = FALSE,
  sigma = NULL,
  # This argument comes after the dots so that R matches `weight =` to `weights`.
  ...,
  weights_type = c("precision", "frequency"),
  dispersion
) {
  call <- match.call()
  check_dots(..., fitter = "rlmm", known = names(formals(rlmm)))
  control <- if (missing(control)) default_control else as_control(control)
  fit_to <- \(design) objective_or_fit(design, devFunOnly, start, call, verbose)
  if (!missing(formula) && inherits(force_formula(formula), "rlmm_sums")) {
    check_sums_call(call)
    return(fit_to(sums_design(formula, REML, control, sigma)))
  }
  formula <- read_formula(if (!missing(formula)) formula, parent.frame())
  extras <- given_expressions(linear_extras, call)
  if (is_summed_up(data)) {
    check_summed_call(call)
    limit <- control$memory_limit
    options <- summing_options(contrasts, weights_type, extras, limit)
    sums <- sum_up(formula, data, extras, options)
    return(fit_to(sums_design(sums, REML, control, sigma)))
  }
  extras <- with_strata_expression(extras)
  fit_to(model_design(
    formula,
    data,
    REML,
    control,
    extras,
    if (missing(na.action)) default_na_action(data) else na.action,
    contrasts,
    sigma,
    weights_type = read_weights_type(weights_type),
    may_be_large = missing(dispersion)
  ))
}

# The arguments that are evaluated in the data.
linear_extras <- c("subset", "weights", "offset", "dispersion")

#' The result of a call: the objective as a function of theta, or the fit
#' @noRd
objective_or_fit <- function(design, devFunOnly, start, call, verbose) {
  check_verbose(verbose)
  if (check_flag(devFunOnly, "devFunOnly")) {
    return(linear_objective(design))
  }
  fit_linear(design, check_start(start, design$random), call, verbose)
}

# The objective of a design as a function of theta.
linear_objective <- function(design) {
  if (has_strata(design$frame)) {
    abort_with_strata("The objective as a function of theta")
  }
  added <- isTRUE(design$spec$reml) * criterion_of_coding(design$fixed$large)
  theta_function(design$spec, n_arguments(design$spec), added)
}

# Raises an error about arguments that need all rows at once.
check_summed_call <- function(
  call,
  of_rows = c("subset", "na.action", "dispersion")
) {
  given <- intersect(of_rows, names(call))
  if (length(given) == 0L) {
    return(invisible())
  }
  abort_argument(
    sprintf("`%s` can't be given for data outside of R's memory.", given[1L]),
    i = if (given[1L] != "dispersion") {
      "Filter them first, for example by `dplyr::filter()`."
    },
    arg = given[1L]
  )
}

# Raises an error about arguments that refer to rows, which sums don't have.
check_sums_call <- function(call) {
  of_rows <- c(
    "data",
    "subset",
    "weights",
    "na.action",
    "offset",
    "contrasts",
    "weights_type",
    "dispersion"
  )
  given <- intersect(of_rows, names(call))
  if (length(given) == 0L) {
    return(invisible())
  }
  abort_argument(
    sprintf("`%s` can't be given for a model of sums.", given[1L]),
    i = "Give it to `rlmm_sums()`, which has the rows.",
    arg = given[1L]
  )
}

# The default control, made once because rlmm_control() checks every argument.
default_control <- rlmm_control()

#' Fits a linear model from its design and issues warnings and messages about the fit
#' @noRd
fit_linear <- function(design, start, call, verbose) {
  control <- design$control
  held <- held_theta(control, design$random, design$spec$sigma)
  control_of_core <- core_control(control, verbose, design, held)
  design <- with_strata(design, start, control_of_core)
  own <- with_own_environment(design, call)
  call <- with_call_moved(
    call,
    environment(design$formula),
    environment(own$formula)
  )
  make <- \(est) new_fit(own, est, call, control)
  is_verbose <- control_of_core$verbose > 0L
  has_rows <- is.null(design$spec$sums)
  if (is_verbose && has_rows) {
    print_engine(design$spec, control_of_core)
  }
  est <- with_terms_named(
    core_fit(design$spec, design$theta, control_of_core, make),
    design$random,
    without_factor,
    control$memory_limit,
    design$fixed$large
  )
  fit <- make(est)
  if (is_verbose && !has_rows) {
    cat("Engine:", fit$engine, "\n")
  }
  report_fit(fit, design$spec, est$smallest_singular_value)
  fit
}

# rlmm(): the user's function for linear mixed models.

#' Fit a linear mixed model
#'
#' `rlmm()` fits a linear model with random effects by restricted maximum likelihood (REML), or by
#' maximum likelihood. Formula and arguments are those of `lme4::lmer()`. The optimum is found by
#' Newton steps, and certified by its derivatives.
#'
#' @param formula As in lme4: `y ~ x + (x | g)`. See Details. Or sums that [rlmm_sums()] made.
#' @param data A data frame (or tibble, data.table, list, environment) with the variables. Without
#'   it they are looked up where the formula was written. Or a table in a database, an Arrow data
#'   set, or a function that reads chunks: these are summed up where they are, see [rlmm_sums()].
#' @param REML `TRUE` for the restricted likelihood, `FALSE` for maximum likelihood.
#' @param control Made by [rlmm_control()]; an `lme4::lmerControl()` is understood.
#' @param start Theta to start from: a numeric vector, or a list with the element `theta`.
#' @param verbose With 1 every evaluation of the objective is printed.
#' @param subset,na.action As in [lm()]. `NaN` counts as missing; rows left out because of it are
#'   told, as it often comes from a mistake. Infinite values are errors. `na.action = na.exclude`
#'   gives residuals and fitted values a place for every row of `data`.
#' @param weights Prior weights, one positive number for each row: how precise it is, see
#'   `weights_type`. The mean of five measurements has weight 5. They aren't sampling weights of a
#'   survey, for which no likelihood is defined. As `subset` and `offset`, they are looked up among
#'   the columns of `data`, where the argument was written, and where the formula was written.
#' @param offset A known part of the linear predictor, with a coefficient of 1: for a linear model
#'   it is subtracted from the response. It is added to the `offset()` terms of the formula.
#'   `predict(newdata = )` needs its variables in the new data.
#' @param contrasts Named list of contrasts for the factors of the fixed part. Random-effects terms
#'   take those of the factors, or of the option `contrasts`, as in lme4.
#' @param devFunOnly Return the objective, and fit nothing? It is the function of theta that
#'   [as.function()][as.function.rlmm] makes of a fit, for a generalized model of theta and (unless
#'   `nAGQ = 0`) the fixed effects and the logarithm of an estimated dispersion or shape.
#' @param sigma The residual standard deviation, if it is known.
#' @param dispersion Residual variances that differ: a one-sided formula of a factor, `~ g`, or of
#'   factors that are crossed, `~ a:b`, with a residual variance for each level or combination
#'   (nlme's `varIdent()`). `sigma()` is the standard deviation of the first; [residual_strata()]
#'   has all of them.
#' @param weights_type What `weights` mean. `"precision"`: the residual variance of a row with
#'   weight w is sigma^2 / w, and there are as many observations as rows. `"frequency"`: a row with
#'   weight w stands for w equal rows, so that `nobs()`, `logLik()`, degrees of freedom and standard
#'   errors follow; that is also how it is carried out: fitted values and residuals have a row for
#'   each. (Bases that depend on the data, such as `poly()`, are those of the rows as they are
#'   given.)
#' @param ... Not used; anything here is an error.
#'
#' @details A random-effects term is `(effects | group)`, correlated within a level, or `(effects ||
#' group)`, its terms uncorrelated. `zerocorr(effects | group)` and `diag(effects | group)` make all
#' columns uncorrelated, `diag(effects | group, hom = TRUE)` with one variance, `us()` is the
#' unstructured default. As in lme4 the columns of one factor stay correlated in `(f || group)`;
#' `options(lme4.doublevert.default = "diag_special")`, which is lme4's option, or
#' `options(rlmm.double_bar = "diag")` makes it `diag(f | group)`. For `cs()` and `ar1()` see
#' [covariance_structures]. Among the effects `fulldummy(f)` stands for an indicator of each level
#' of `f`, `dummy(f, "a")` for the one of "a". The group may be `a/b` (for `a` and `b:a`), `a:b`,
#' `a * b`, `a + b`, or an expression such as `cut(x, 4)`. `&` is read as `:`.
#'
#' @section Fixed factors with many levels:
#' A factor of the fixed part with hundreds or thousands of levels, as in `y ~ x + firm + (1 |
#' worker)`, would make as many dummy columns. Where these cost more than a second (100 levels
#' or more, and as many rows that their product with the squared number of levels exceeds
#' 5e9, or 1e8 in a generalized model, which goes through them again and again) they aren't
#' made: the levels are eliminated like random effects that have no penalty. The fit is the
#' same. [summary()][summary.rlmm] and `vcov()` are those of the other coefficients, beside the
#' factor; `fixef()` has all of them, [fixed_levels()] those of the levels with standard errors,
#' and [anova()][anova.rlmm] tests the factor as a whole. `emmeans::emmeans()` has means and trends
#' by the other variables, averaged over the levels of the factor, and means by the factor itself
#' where it has at most 2,000 levels. `predict(se.fit = TRUE)` has the standard errors of up to 500
#' different rows at a time. What needs the model matrix itself (Kenward and Roger's method, robust
#' standard errors, `influence()`) says that it isn't available.
#'
#' That is so for a factor by itself, with any contrasts that span its levels (of more than 2,000:
#' treatment contrasts with any base, sum and Helmert contrasts, by `contrasts`, the option or
#' the factor's own), or for the combinations of several that are in the formula as nothing else,
#' as in `y ~ x + firm:year + (1 | worker)`; and for two of these, the largest, as in `y ~ firm +
#' school + (1 | worker)`. Of the second a level is dropped for each part of the data that isn't
#' connected with the others, as `lm()` does it. So are slopes by level, the interactions of such a
#' factor with covariates, with matrices such as `poly(x, 2)` and with categories of few levels,
#' as in `y ~ firm * x + (1 | worker)`, `firm:x`, `firm * sex` or `firm * x * sex`, whatever the
#' contrasts of the categories, if no level has more than 20 columns; also those of two factors, as
#' in `y ~ firm * x + school * sex + (1 | worker)`. A level where the covariate is constant, or a
#' category doesn't occur, loses its slope, as in `lm()`. [anova()][anova.rlmm]
#' tests such an interaction as a whole; terms that it contains (`sex` in `firm:sex`) have no row
#' in its table. `options(rlmm.large_factor = )` is the number of levels from which on it is done,
#' however many rows there are; with `Inf` all factors are columns. For generalized models see
#' [rglmm()]. With other contrasts than treatment contrasts whose base is the first level the
#' intercept, and the coefficient of a covariate with slopes, depend on all levels: they can't be
#' held, and have no profile and no replicates of [bootstrap()]. Such a factor is columns if levels
#' have no coefficient because of columns before it.
#'
#' @return A list of class `rlmm_lmm`; a function with `devFunOnly`.
#' @seealso [rglmm()] for counts, proportions and other responses that aren't normal, [rnlmm()] for
#'   nonlinear models, [lmList()] for a regression in each group. Of a fit:
#'   [summary()][summary.rlmm] and [anova()][anova.rlmm] for tests, [confint()][confint.rlmm],
#'   [VarCorr()][VarCorr.rlmm],
#'   [ranef()][ranef.rlmm], [predict()][predict.rlmm], [simulate()][simulate.rlmm],
#'   [plot()][plot.rlmm], [diagnose()] and [certificate()]. [rlmm_control()], [preview()] of a model
#'   before it is fitted, [covariance_structures]; [rlmm_conditions] for what messages and warnings
#'   mean; [rlmm-package] has all by task.
#' @examples
#' # A line for each subject: intercepts and slopes that are correlated
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' fit
#' summary(fit)
#' anova(fit)
#' head(ranef(fit)$Subject)
#'
#' # ... and independent; the models compared
#' independent <- rlmm(Reaction ~ Days + (Days || Subject), sleepstudy)
#' anova(fit, independent, refit = FALSE)
#'
#' # Crossed factors, and nested ones
#' rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
#' rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
#'
#' # Means of several measurements, weighted by their numbers
#' means <- aggregate(Yield ~ Batch, Dyestuff, mean)
#' means$n <- c(5, 5, 4, 5, 3, 5)
#' twice <- rbind(means, transform(means, Yield = Yield + c(-20, 20, 10, -10, 5, 0)))
#' rlmm(Yield ~ 1 + (1 | Batch), twice, weights = n)
#'
#' # Residual variances of boys and of girls
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
  # After the dots, so that R takes `weight =` for `weights`.
  ...,
  weights_type = c("precision", "frequency"),
  dispersion
) {
  call <- match.call()
  check_dots(..., fitter = "rlmm", known = names(formals(rlmm)))
  control <- if (missing(control)) default_control else as_control(control)
  fit_to <- \(design) objective_or_fit(design, devFunOnly, start, call, verbose)
  if (!missing(formula) && inherits(formula, "rlmm_sums")) {
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

#' What a call asks of a design: its objective as a function of theta, or the fit
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

# Arguments that need all rows at once.
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

# Arguments that belong to rows.
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

# The control of a call without one, made once, as every argument of rlmm_control() is checked.
default_control <- rlmm_control()

#' Fit a linear model, once its design is known, and report what must be known of the fit
#' @noRd
fit_linear <- function(design, start, call, verbose) {
  control <- design$control
  held <- held_theta(control, design$random, design$spec$sigma)
  control_of_core <- core_control(control, verbose, design, held)
  design <- with_strata(design, start, control_of_core)
  own <- with_own_environment(design, call)
  make <- \(est) new_fit(own, est, call, control)
  is_verbose <- control_of_core$verbose > 0L
  has_rows <- is.null(design$spec$sums)
  if (is_verbose && has_rows) {
    tell_engine(design$spec, control_of_core)
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

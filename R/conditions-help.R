#' Messages, warnings and errors
#'
#' A message informs about a valid result; a warning says that a result can't be relied on as it
#' stands; an error, that there is no result. Each names the term, the variable or the argument
#' concerned, and has a class of its own besides the common ones `rlmm_message`, `rlmm_warning` and
#' `rlmm_error`.
#' @section After a fit:
#' * `rlmm_message_singular`: A variance is estimated as zero, a correlation as 1 or -1, or a
#'   combination of effects as constant; the estimates are an optimum nevertheless. [is_singular()]
#'   shows which. The effect may be dropped or kept.
#' * `rlmm_message_redundant`: The fixed effects contain a random effect, whose variance is zero or
#'   arbitrary. Leave out the term that the message names.
#' * `rlmm_message_unidentified`, `rlmm_message_unbounded`, `rlmm_message_rounded`,
#'   `rlmm_warning_rounded`: The estimates are an optimum, but not the only one, in the limit, or up
#'   to rounding errors, which for the warning are so large that the estimates aren't reproducible.
#'   See the verdicts of [certificate()].
#' * `rlmm_message_optima`: The data are few for the model: searches from random starts led to a
#'   lower optimum, and to so many of them that another one may be lower still.
#' * `rlmm_message_limit`: A limit of evaluations or time was reached, but the estimates are an
#'   optimum.
#' * `rlmm_warning_convergence`: The estimates aren't an optimum, or aren't known to be one.
#'   [certificate()] shows the predicted decrease; raise the limit that was reached
#'   ([rlmm_control()]), scale covariates, or try [allFit()].
#' * `rlmm_warning_separation`: An effect of a generalized model has no finite estimate: all
#'   responses of a cell are equal. Its standard error is meaningless; see [rglmm()].
#' * `rlmm_warning_saturation`: The random effects are so large that most probabilities are close to
#'   0 or 1, where the Laplace approximation is poor and may have several maxima. Use fewer effects,
#'   or compare with quadrature; see `vignette("convergence", "rlmm")`.
#' * `rlmm_warning_exact_fit`: The model fits the response exactly: is the response computed from
#'   the covariates?
#' * `rlmm_warning_interpolation`: The fixed effects and some random effects of a model of few
#'   observations can reproduce any response, and the likelihood has no maximum: it rises as the
#'   residual variance tends to zero. The restricted likelihood has one.
#' * `rlmm_message_interpolation`: All effects together can reproduce any response, so that another
#'   optimum may have a residual variance of zero.
#' * `rlmm_warning_hessian`: The standard errors of a generalized model are conditional on theta, as
#'   the Hessian isn't positive definite.
#' * `rlmm_message_interrupted`: The fit was interrupted; [last_rlmm()] returns the best fit so far.
#' * `rlmm_message_poisson`: The counts of [rglmm_nb()] show no overdispersion: fit a Poisson model.
#'
#' @section About the data and the formula:
#' * `rlmm_message_nan`: Rows or values are left out because of `NaN`, the result of a computation.
#' * `rlmm_message_text`: A text column with numbers or dates becomes a factor with a level for
#'   each.
#' * `rlmm_message_bare_bar`: Without parentheses the effects of a bar are the whole right side;
#'   `y ~ x + (1 | g)` has a fixed effect of `x`.
#' * `rlmm_message_contrasts`: The contrasts attached to a factor aren't used, as they have rows for
#'   levels that don't occur.
#' * `rlmm_message_levels`: A binomial response has more than two levels: the first one is failure,
#'   all others are success.
#' * `rlmm_message_rankx`, `rlmm_warning_rankx`: Columns of the fixed effects are dropped, as they
#'   are linear combinations of others.
#' * `rlmm_message_columns`: The columns of X need more than 1 GiB of memory, or much time.
#' * `rlmm_message_endless`: A function that reads data has returned the same rows 100 times.
#' * `rlmm_message_order`: The levels of a factor in [ar1()][covariance_structures] or `toep()` are
#'   numbers with gaps or out of order; they are taken as equally spaced, in their order.
#' * `rlmm_message_family`, `rlmm_message_control`, `rlmm_message_without_effect`,
#'   `rlmm_message_held`: Arguments, or parts of lme4's control, that have no effect.
#' * `rlmm_warning_counts`, `rlmm_warning_successes`: Counts or numbers of successes that aren't
#'   whole.
#' * `rlmm_message_changed_data`, `rlmm_warning_changed_data`: The data of an update differ from
#'   those of the fit.
#' * `rlmm_warning_not_removed`: The formula of an update removes a term that the model doesn't
#'   have.
#'
#' @section From methods for fits:
#' * `rlmm_message_refit`: [anova()][anova.rlmm] has refitted REML fits by maximum likelihood.
#' * `rlmm_message_not_nested`, `rlmm_warning_noise`: Models that a test can't compare: not nested,
#'   or with log-likelihoods whose standard errors are too large.
#' * `rlmm_message_empty_cells`: Type III tests depend on which cells are empty.
#' * `rlmm_message_weighted`: Tests of type I or II depend on the weights of sums.
#' * `rlmm_message_ddf`: emmeans was asked for Kenward-Roger degrees of freedom with a user-supplied
#'   covariance matrix; they are Satterthwaite's.
#' * `rlmm_message_wald`, `rlmm_warning_profile`: [confint()][confint.rlmm] has no profile and
#'   computes Wald limits; or the profile found a better fit, or may be wrong as a covariate is far
#'   from zero.
#' * `rlmm_message_bootstrap`: Some coefficients have no replicates.
#' * `rlmm_warning_bootstrap`, `rlmm_warning_power`: Some replicates failed.
#' * `rlmm_warning_influence`, `rlmm_warning_lmlist`: The model can't be fitted without some groups,
#'   or within some groups.
#' * `rlmm_warning_inestimable`, `rlmm_warning_marginal`: Predictions or conditional variances that
#'   can't be had from the fit, or predictions that have no finite mean over the groups.
#' * `rlmm_warning_simulate`: Responses that can't be simulated, as the family has no such mean.
#' * `rlmm_warning_mean`: Predicted or simulated linear predictors for which the link has no mean,
#'   such as negative ones with `1/mu^2`.
#' * `rlmm_warning_negative_variance`: Too few clusters for [robust] standard errors by several
#'   factors.
#' * `rlmm_warning_as_rlmm`: [as_rlmm()] couldn't reproduce the model.
#' * `rlmm_warning_unused_argument`, `rlmm_warning_deprecated`: Arguments that a method doesn't
#'   have, and old names.
#' * `rlmm_message_all_fit`, `rlmm_message_trace`: Progress of [allFit()] and of searches among
#'   models.
#'
#' Errors are named after their cause: `rlmm_error_variable`, `rlmm_error_new_levels`,
#' `rlmm_error_too_large` (for the memory), `rlmm_error_not_available` and others.
#'
#' @name rlmm_conditions
#' @seealso [diagnose()] for the diagnostics of a fit on one page; [certificate()], [is_singular()].
#' @examples
#' # A singular fit without the message, as in a loop.
#' fit <- withCallingHandlers(
#'   rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2),
#'   rlmm_message_singular = \(told) tryInvokeRestart("muffleMessage")
#' )
#' isSingular(fit)
#'
#' # The error of a call as a value.
#' wrong <- tryCatch(
#'   rlmm(Reaction ~ Days + (Days | Subjct), sleepstudy),
#'   rlmm_error = identity
#' )
#' class(wrong)
#' cat(conditionMessage(wrong))
NULL

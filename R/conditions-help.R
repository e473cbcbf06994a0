#' What fits say: messages, warnings and errors
#'
#' A message tells something about a result that is what it should be; a warning, that a number
#' can't be trusted as it stands; an error, that there is no answer. Each names the term, the
#' variable or the argument that it is about, and has a class of its own, before the common ones
#' `rlmm_message`, `rlmm_warning` and `rlmm_error`.
#'
#' @section After a fit:
#' * `rlmm_message_singular`: A variance is estimated as zero, a correlation as 1 or -1, or a
#'   combination of effects doesn't vary: the estimates are an optimum all the same. [is_singular()]
#'   says which; leave the effect out, or keep it.
#' * `rlmm_message_limit`: A limit of evaluations or time was reached, at an optimum.
#' * `rlmm_warning_convergence`: The estimates aren't an optimum, or aren't known to be one.
#'   [certificate()] says what is left to gain; raise the limit that was reached ([rlmm_control()]),
#'   scale covariates, or try [allFit()].
#' * `rlmm_warning_separation`: An effect of a generalized model has no finite estimate: all
#'   responses of a cell are alike. Its standard error means nothing; see [rglmm()].
#' * `rlmm_warning_saturation`: The random effects are so large that they put most probabilities at
#'   0 or 1, where Laplace's approximation is poor and may have several maxima. Take fewer effects,
#'   or compare with quadrature; see `vignette("convergence", "rlmm")`.
#' * `rlmm_warning_exact_fit`: The model reproduces the response: is that computed from the
#'   covariates?
#' * `rlmm_warning_hessian`: The standard errors of a generalized model are those at fixed theta, as
#'   the Hessian isn't positive definite.
#' * `rlmm_message_interrupted`: The fit was interrupted; [last_rlmm()] has what was found.
#' * `rlmm_message_poisson`: The counts of [rglmm_nb()] show no overdispersion: fit a Poisson model.
#'
#' @section About the data and the formula:
#' * `rlmm_message_nan`: Rows or values are left out because of `NaN`, which a computation has made.
#' * `rlmm_message_text`: A text column that holds numbers or dates is a factor, with a level for
#'   each.
#' * `rlmm_message_bare_bar`: Without parentheses a bar takes all of the formula's right side;
#'   `y ~ x + (1 | g)` has a fixed effect.
#' * `rlmm_message_contrasts`: A factor's contrasts have rows for levels that don't occur, and
#'   aren't used.
#' * `rlmm_message_levels`: Of a response with several levels the first is a failure, the others are
#'   successes.
#' * `rlmm_message_columns`: The columns of the fixed effects take more than 1 GB, or long.
#' * `rlmm_message_endless`: A function that reads data has returned the same rows 100 times.
#' * `rlmm_message_order`: In which order a structure such as [ar1()][covariance_structures] takes
#'   levels that are numbers.
#' * `rlmm_message_family`, `rlmm_message_control`, `rlmm_message_without_effect`,
#'   `rlmm_message_held`: Arguments, or parts of lme4's control, that have no effect.
#' * `rlmm_warning_counts`, `rlmm_warning_successes`: Counts or numbers of successes that aren't
#'   whole.
#' * `rlmm_message_changed_data`, `rlmm_warning_changed_data`: The data of an update aren't those of
#'   the fit.
#' * `rlmm_warning_not_removed`: The formula of an update takes off what the model doesn't have.
#'
#' @section From what is computed of a fit:
#' * `rlmm_message_refit`: [anova()][anova.rlmm] compares fits by maximum likelihood, and has fitted
#'   again.
#' * `rlmm_message_not_nested`, `rlmm_warning_noise`: Models that no test compares: not nested, or
#'   with log-likelihoods that are too noisy.
#' * `rlmm_message_empty_cells`: Tests of type III depend on which cells are empty.
#' * `rlmm_message_ddf`: With a covariance matrix of one's own degrees of freedom are
#'   Satterthwaite's.
#' * `rlmm_message_wald`, `rlmm_warning_profile`: [confint()][confint.rlmm]: no profile, so Wald
#'   limits; or a profile that found a better fit.
#' * `rlmm_message_bootstrap`: Coefficients that have no replicates.
#' * `rlmm_warning_bootstrap`, `rlmm_warning_power`: Replicates that failed.
#' * `rlmm_warning_influence`, `rlmm_warning_lmlist`: Groups without which, or in which alone, a
#'   model can't be fitted.
#' * `rlmm_warning_inestimable`, `rlmm_warning_marginal`: Predictions about which the data say
#'   nothing, or whose mean over the groups doesn't exist.
#' * `rlmm_warning_simulate`: Responses that can't be drawn, as the family has no such mean.
#' * `rlmm_warning_negative_variance`: Too few clusters for [robust] standard errors by several
#'   factors.
#' * `rlmm_warning_as_rlmm`: [as_rlmm()] couldn't make the same model.
#' * `rlmm_warning_unused_argument`, `rlmm_warning_deprecated`: Arguments that a method doesn't
#'   have, and old names.
#' * `rlmm_message_all_fit`, `rlmm_message_trace`: Progress of [allFit()] and of searches among
#'   models.
#'
#' Errors are named after what is wrong: `rlmm_error_variable`, `rlmm_error_new_levels`,
#' `rlmm_error_too_large` (for the memory), `rlmm_error_not_available` and others.
#'
#' @name rlmm_conditions
#' @seealso [diagnose()], which looks at a fit on one page; [certificate()], [is_singular()].
#' @examples
#' # A singular fit, without being told in a loop.
#' fit <- withCallingHandlers(
#'   rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2),
#'   rlmm_message_singular = \(told) tryInvokeRestart("muffleMessage")
#' )
#' isSingular(fit)
#'
#' # What is wrong with a call, as a value.
#' wrong <- tryCatch(
#'   rlmm(Reaction ~ Days + (Days | Subjct), sleepstudy),
#'   rlmm_error = identity
#' )
#' class(wrong)
#' cat(conditionMessage(wrong))
NULL

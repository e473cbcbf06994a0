#' Confidence limits
#'
#' Confidence limits of the parameters: by default from the [profile][profile.rlmm] of the
#' likelihood, as in lme4; with `method = "Wald"` from standard errors, which is fastest; with
#' `method = "boot"` from a parametric [bootstrap()]. Some fits have no profile: generalized models
#' with `nAGQ = 0` or `dispersion = "moment"`, fits with several residual variances or with a held
#' covariance matrix, and fits without their data. They have Wald limits by default, with a message.
#'
#' Wald limits of the fixed effects are the estimate plus and minus a normal quantile times the
#' standard error. For standard deviations they are computed on the log scale and for correlations
#' on the scale of Fisher's z, so that they never leave the range of the parameter; the standard
#' errors are those of [variance_vcov()].
#'
#' The rows are those of lme4: `.sig01`, `.sig02`, ... for the standard deviations and correlations
#' of each term (the lower triangle, column by column), `.sigma`, and the fixed effects; since lme4
#' 2.0 its rows have the standard deviations of a term before its correlations. lme4's Wald method
#' returns `NA` for the variance parameters, since symmetric limits of variances are unreliable.
#' Here only limits of singular terms are `NA`, and those of generalized fits without a likelihood
#' in all parameters (`nAGQ = 0`, `dispersion = "moment"`). Limits on the transformed scales are
#' better, but still approximate if a variance is near zero or there are few levels. A held
#' parameter (see [rlmm_control()]) has its value as both limits; a known `sigma` has no row. If a
#' term is partly held, its other parameters have Wald limits, with a message.
#'
#' As in lme4, limits of the fixed effects use a normal quantile. With few levels they are too
#' narrow; those of `coef(summary(fit), conf.int = TRUE)` use the t distribution with the degrees of
#' freedom of the summary.
#'
#' @param object A fitted model.
#' @param parm The names or numbers of the parameters; `"beta_"` for all fixed effects, `"theta_"`
#'   for all variance parameters. By default all parameters except the levels of fixed factors with
#'   many levels (see [rlmm()]), which have Wald limits if they are named.
#' @param level The confidence level.
#' @param method The method: `"profile"`, `"Wald"` or `"boot"`.
#' @param signames,oldNames Whether to name the variance parameters `.sig01` and so on; if `FALSE`,
#'   names are like `"sd_Days|Subject"`. Both are names of the same argument in lme4.
#' @param nsim,seed The number of bootstrap replicates and the seed, see [bootstrap()].
#' @param boot.type The type of bootstrap intervals: `"perc"`, `"basic"` or `"norm"` as in lme4, or
#'   `"shortest"`; see [summary.rlmm_bootstrap()].
#' @param boot.scale The scale of bootstrap intervals: `"sdcor"`, standard deviations and
#'   correlations, or `"vcov"`, variances and covariances.
#' @param prof.scale The scale of profiles: `"sdcor"`, standard deviations and correlations, or
#'   `"varcov"`, variances and covariances, as for [profile()][profile.rlmm].
#' @param FUN A function of a fit that returns a numeric vector, whose bootstrap intervals are
#'   computed by [bootMer()][bootMer.rlmm].
#' @param quiet Whether to suppress the message that there are no profiles.
#' @param ddf Returns limits of the fixed effects only, from a t distribution with degrees of
#'   freedom by `"Satterthwaite"`, `"Kenward-Roger"` and others, see [summary()][summary.rlmm].
#' @param vcov,cluster Returns limits of the fixed effects only, from robust standard errors, such
#'   as `vcov = "CR2"`, with their clusters, see [robust]; or from a covariance matrix of the fixed
#'   effects, or a function of the fit that returns one.
#' @param ... Not used.
#' @return A matrix with a row for each parameter and columns for the lower and the upper limit.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' confint(fit)
#' confint(fit, "Days", level = 0.9)
#' confint(fit, ddf = "Kenward-Roger")
#' confint(fit, vcov = "CR2")
#' confint(fit, parm = "theta_", oldNames = FALSE, method = "Wald")
#' confint(fit, method = "boot", nsim = 200, seed = 1)
#' @importFrom stats confint
#' @export
confint.rlmm <- function(
  object,
  parm = NULL,
  level = 0.95,
  method = c("profile", "Wald", "boot"),
  quiet = FALSE,
  nsim = 500,
  FUN = NULL,
  vcov = NULL,
  cluster = NULL,
  ddf = NULL,
  ...,
  oldNames = TRUE,
  signames = oldNames,
  boot.type = c("perc", "basic", "norm", "shortest"),
  seed = NULL,
  boot.scale = c("sdcor", "vcov"),
  prof.scale = c("sdcor", "varcov")
) {
  refuse_dots(...)
  check_confidence(level)
  check_flag(quiet, "quiet")
  given <- if (quiet) NULL else names(match.call())
  if (!is.null(vcov) || !is.null(cluster) || !is.null(ddf)) {
    is_wald <- missing(method) || identical(method, "Wald")
    inform_unused_intervals(given, if (is_wald) "method")
    return(t_confint(object, parm, level, vcov, cluster, ddf))
  }
  check_flag(signames, "signames")
  parm <- called_here(parm, object, signames)
  method <- interval_method(object, if (!missing(method)) method, quiet)
  inform_unused_intervals(given, c("method", interval_arguments[[method]]))
  switch(
    method,
    profile = if (missing(prof.scale)) {
      inform_of_levels(levels_among(parm, object))
      limits_with_levels(object, parm, level, signames, profile_confint)
    } else {
      scaled_confint(object, parm, level, signames, prof.scale)
    },
    Wald = limits_with_levels(object, parm, level, signames, wald_confint),
    boot = {
      types <- c("perc", "basic", "norm", "shortest")
      type <- one_of(boot.type, types, "boot.type")
      scale <- one_of(boot.scale, c("sdcor", "vcov"), "boot.scale")
      drawn <- boot_replicates(object, FUN, nsim, seed)
      boot_confint(drawn, parm, level, type, signames, scale)
    }
  )
}

# The arguments of confint() that only one method has.
interval_arguments <- list(
  profile = "prof.scale",
  boot = c("nsim", "seed", "boot.type", "boot.scale", "FUN")
)

# Gives a message about arguments of other methods than the one in use.
inform_unused_intervals <- function(given, used) {
  unused <- setdiff(
    intersect(given, c("method", unlist(interval_arguments))),
    used
  )
  if (length(unused) > 0L) {
    inform_without_effect(unused)
  }
}

boot_replicates <- function(fit, statistic, nsim, seed) {
  nsim <- check_replicates(nsim, "nsim")
  if (is.null(statistic)) {
    bootstrap.rlmm(fit, nsim, seed)
  } else {
    bootMer.rlmm(fit, statistic, nsim, seed)
  }
}

boot_confint <- function(drawn, parm, level, type, signames, scale) {
  if (inherits(drawn, "rlmm_boot")) {
    return(confint.rlmm_boot(drawn, parm, level, type))
  }
  confint.rlmm_bootstrap(
    drawn,
    parm,
    level,
    type,
    signames = signames,
    scale = scale
  )
}

#' The requested method, by default the profile if there is one
#' @noRd
interval_method <- function(fit, method, quiet) {
  if (!is.null(method)) {
    return(one_of(method, c("profile", "Wald", "boot"), "method"))
  }
  reason <- not_profiled(fit)
  if (is.null(reason)) {
    return("profile")
  }
  if (!quiet) {
    inform_rlmm(
      c("Wald limits: this fit can't be profiled.", i = reason),
      "rlmm_message_wald"
    )
  }
  "Wald"
}

#' Limits of the fixed effects from a t distribution and given standard errors
#' @noRd
t_confint <- function(fit, parm, level, vcov, cluster, ddf) {
  tests <- fixed_tests(fit, choose_ddf(fit, ddf, vcov), vcov, cluster)
  df <- tests$row_df(diag(length(fit$beta)))
  std_error <- sqrt(diag(tests$covariance))
  limits <- wald_limits(fit$beta, std_error, level, df)
  colnames(limits) <- limit_names(level)
  chosen <- select_parameters(parm, names(fit$beta), 0L)
  limits[chosen, , drop = FALSE]
}

profile_confint <- function(fit, parm, level, signames) {
  problem <- profile_problem(fit, signames)
  wanted <- select_parameters(parm, names(problem$values), problem$n_variance)
  limits <- held_limits(problem$values[wanted], level)
  free <- setdiff(wanted, problem$held)
  check_far_profile(problem, free)
  if (length(free) > 0L) {
    limits[free, ] <- limits_by_profile(problem, free, level)
  }
  coded <- intersect(wanted, coding_dependent_coefficients(problem$fit))
  if (length(coded) > 0L) {
    limits[coded, ] <- coded_limits(problem$fit, coded, level)
  }
  known <- c(names(problem$fit$held), coded)
  tied <- setdiff(intersect(problem$held, wanted), known)
  if (length(tied) > 0L) {
    limits[tied, ] <- tied_limits(problem, tied, level, signames)
  }
  limits
}

# Both limits of a held parameter are its value.
held_limits <- function(values, level) {
  limits <- cbind(values, values)
  dimnames(limits) <- list(names(values), limit_names(level))
  limits
}

# Limits of coefficients that depend on the contrasts of a large factor.
coded_limits <- function(fit, coded, level) {
  inform_rlmm(
    c(
      paste0("Wald limits for ", enumerate(in_quotes(coded), max = 10L), "."),
      i = paste(
        if (length(coded) == 1L) "It depends" else "They depend",
        "on the contrasts of a fixed factor with many levels: there is no profile."
      )
    ),
    "rlmm_message_wald"
  )
  errors <- stats::setNames(standard_errors(fit), names(fit$beta))
  wald_limits(fit$beta[coded], errors[coded], level)
}

# Levels of large factors ---------------------------------------------------------

# The names that are levels, or slopes, of large factors with a coefficient.
levels_among <- function(parm, fit) {
  large <- fit$fixed$large
  is_coded <- seq_along(large$names) %in%
    unlist(lapply(coded_factors(large), `[[`, "at"))
  intersect(parm, large$names[large$is_column & !is_coded])
}

inform_of_levels <- function(levels) {
  if (length(levels) > 0L) {
    inform_rlmm(
      c(
        paste0(
          "Wald limits for ",
          enumerate(in_quotes(levels), max = 10L),
          "."
        ),
        i = "The levels of a fixed factor with many of them have no profile."
      ),
      "rlmm_message_wald"
    )
  }
}

#' Limits of parameters, including Wald limits of levels of large factors
#' @param limits_of A function that computes the limits of the other parameters.
#' @noRd
limits_with_levels <- function(fit, parm, level, signames, limits_of) {
  levels <- levels_among(parm, fit)
  if (length(levels) == 0L) {
    return(limits_of(fit, parm, level, signames))
  }
  at <- match(levels, fit$fixed$large$names)
  limits <- wald_limits(fit$levels[at], level_errors(fit)[at], level)
  dimnames(limits) <- list(levels, limit_names(level))
  others <- setdiff(parm, levels)
  if (length(others) == 0L) {
    return(limits)
  }
  rbind(limits_of(fit, others, level, signames), limits)
}

# Limits of variances and covariances, if requested.
scaled_confint <- function(fit, parm, level, signames, prof.scale) {
  prof.scale <- one_of(prof.scale, c("sdcor", "varcov"), "prof.scale")
  if (prof.scale == "sdcor") {
    return(profile_confint(fit, parm, level, signames))
  }
  pace <- list(
    alphamax = min(0.01, (1 - level) / 2),
    cutoff = 1 / 8,
    maxpts = 100L
  )
  made <- scaled_profile(fit, parm, pace, signames, "variance", level)
  confint.profile.rlmm(made, level = level)
}

limits_by_profile <- function(problem, free, level) {
  # The profile extends beyond the limits, in steps that a spline interpolates to 1e-4.
  far <- 1.4 * stats::qnorm((1 + level) / 2)
  made <- profile_of(problem, free, far, 1 / 6, level = level)
  confint.profile.rlmm(made, level = level)[free, ]
}

# Limits of the variance parameters of terms with held elements: a parameter that doesn't depend on
# held values alone has no profile, but a standard error.
tied_limits <- function(problem, tied, level, signames) {
  limits <- variance_limits(problem$fit, level, signames)[tied, , drop = FALSE]
  varies <- limits[, 2L] > limits[, 1L]
  if (any(varies, na.rm = TRUE)) {
    inform_rlmm(
      c(
        paste0(
          "Wald limits for ",
          enumerate(in_quotes(tied[varies %in% TRUE]), max = 10L),
          "."
        ),
        i = "Other parameters of the term are held, so there are no profiles."
      ),
      "rlmm_message_wald"
    )
  }
  limits
}

wald_confint <- function(object, parm, level, signames) {
  variances <- if (!identical(parm, "beta_")) {
    variance_limits(object, level, signames)
  }
  fixed <- wald_limits(object$beta, standard_errors(object), level)
  limits <- rbind(variances, fixed)
  colnames(limits) <- limit_names(level)
  chosen <- select_parameters(parm, rownames(limits), NROW(variances))
  limits[chosen, , drop = FALSE]
}

#' Limits of standard deviations (log scale) and correlations (Fisher's z)
#' @noRd
variance_limits <- function(object, level, old_names) {
  found <- variance_estimates(object)
  estimate <- found$estimate
  is_cor <- startsWith(names(estimate), "cor_")
  limits <- scaled_limits(estimate, found$std_error, is_cor, level)
  lowest <- lowest_correlations(object)[is_cor]
  limits[is_cor, ] <- pmax(limits[is_cor, ], lowest)
  held <- which(found$std_error == 0)
  limits[held, ] <- estimate[held]
  rownames(limits) <- if (old_names) lme4_names(estimate) else names(estimate)
  limits
}

# Limits that are symmetric on the scales on which the estimates are nearly normal.
scaled_limits <- function(estimate, std_error, is_cor, level) {
  slope <- ifelse(is_cor, 1 - estimate^2, estimate)
  z <- estimate
  z[is_cor] <- atanh(pmin(pmax(z[is_cor], -1), 1))
  z[!is_cor] <- log(z[!is_cor])
  limits <- wald_limits(z, std_error / slope, level)
  limits[is_cor, ] <- tanh(limits[is_cor, ])
  limits[!is_cor, ] <- exp(limits[!is_cor, ])
  limits
}

# The lower bound of the correlation of each variance parameter, for all terms: -1, but higher in
# `cs()`.
lowest_correlations <- function(object) {
  unlist(lapply(object$random, \(term) {
    rows <- nrow(covariance_cells(term))
    if (has_rho(term$structure)) {
      theta_range(term)[, "lower"]
    } else {
      rep(-1, rows)
    }
  }))
}

#' Standard deviations, correlations and an estimated sigma, with their standard errors
#'
#' A linear fit without its data has no standard errors of its variance parameters.
#' @noRd
variance_estimates <- function(object) UseMethod("variance_estimates")

#' @export
variance_estimates.rlmm_lmm <- function(object) {
  estimate <- variance_map(object, "sd")$value
  if (object$known_sigma) {
    estimate <- estimate[-length(estimate)]
  }
  has_errors <- has_spec(object)
  std_error <- if (has_errors) variance_errors(object) else NA_real_ * estimate
  list(estimate = estimate, std_error = std_error)
}

# Proportions of variance: R squared and intraclass correlations after Nakagawa and others.

#' Variance explained: R squared and intraclass correlation
#'
#' `variance_explained()` decomposes the variance of the (latent) response into those of the fixed
#' part, of each random-effects term, and of the observations, and computes marginal R^2 (fixed
#' part), conditional R^2 (fixed and random effects), and the intraclass correlation (ICC), adjusted
#' for the fixed part or not (Nakagawa, Johnson and Schielzeth 2017).
#'
#' @details
#' The variance of the fixed part is that of its linear predictor over the observations; the
#' variance of a random-effects term is the mean variance of its contribution to the linear
#' predictor (Johnson 2014), which includes random slopes. A term with an effect for each
#' observation counts as overdispersion.
#'
#' The variance of the observations on the scale of the linear predictor is
#'
#' * for a linear model the residual variance (of an observation with weight one),
#' * for the binomial with `method = "theory"` the variance of the latent distribution of the link:
#'   pi^2 / 3 (logit), 1 (probit), pi^2 / 6 (complementary log-log); for proportions, here as with
#'   the other methods, divided by the mean number of trials,
#' * for other families with a log link `log(1 + v / mu^2)`, with v the variance of a response with
#'   mean mu; `"delta"` gives `v / mu^2`, and `"trigamma"` `trigamma(mu^2 / v)`,
#' * otherwise, and for `"delta"`, `v / (d mu / d eta)^2`.
#'
#' Here mu is the mean of the response in the model with the intercept as the only fixed effect,
#' averaged over its random effects; for a generalized model this null model is fitted.
#'
#' `r2()` and `icc()` of package performance and `r.squaredGLMM()` of MuMIn give the same numbers,
#' except for models with an effect for each observation (MuMIn counts these effects as explained,
#' performance excludes them from the mean mu). They accept these fits if the packages and lme4 are
#' installed.
#'
#' @param object A fitted model.
#' @param method The variance of the observations of a generalized model; see Details.
#' @param x,digits,row.names,optional,... For printing, and for `as.data.frame()`.
#' @return A list of class `"rlmm_variance_explained"`: `r2_marginal`, `r2_conditional`,
#'   `icc_adjusted`, `icc_unadjusted`, and `variances`, a named vector. `as.data.frame()` has a row
#'   for each component and the columns `part`, `variance`, `share` (of the total) and `icc` (the
#'   share of the variance without the fixed part).
#' @references Nakagawa, S., Johnson, P. C. D., Schielzeth, H. (2017). The coefficient of
#'   determination R^2 and intra-class correlation coefficient from generalized linear mixed-effects
#'   models revisited and expanded. *Journal of the Royal Society Interface*, 14.
#'
#'   Johnson, P. C. D. (2014). Extension of Nakagawa and Schielzeth's R^2 GLMM to random slopes
#'   models. *Methods in Ecology and Evolution*, 5.
#' @seealso [variance_inflation()], [VarCorr()][VarCorr.rlmm].
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' variance_explained(fit)
#' variance_explained(fit)$r2_marginal
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' as.data.frame(variance_explained(ticks))
#' @export
variance_explained <- function(
  object,
  method = c("theory", "delta", "trigamma"),
  ...
) {
  check_fit(object, "object")
  refuse_dots(...)
  method <- one_of(method, c("theory", "delta", "trigamma"), "method")
  object <- with_all_rows(object)
  all <- term_variances(object)
  is_observation <- n_levels(object) == n_rows(object)
  fixed <- fixed_part_variance(object)
  own <- observation_variance(object, method)
  new_variance_explained(
    fixed,
    all[!is_observation],
    c(all[is_observation], own)
  )
}

new_variance_explained <- function(fixed, random, observations) {
  total <- fixed + sum(random, observations)
  structure(
    list(
      r2_marginal = fixed / total,
      r2_conditional = (fixed + sum(random)) / total,
      icc_adjusted = sum(random) / (total - fixed),
      icc_unadjusted = sum(random) / total,
      variances = c(fixed = fixed, random, observations)
    ),
    class = "rlmm_variance_explained"
  )
}

fixed_part_variance <- function(fit) {
  stats::var(drop(fixed_matrix(fit) %*% fit$beta))
}

#' The mean of z' Omega z over the observations, for each term
#' @noRd
term_variances <- function(fit) {
  designs <- term_designs(fit)
  factors <- lambda_blocks(fit$random, fit$theta)
  mean_variance <- \(design, factor) {
    mean_square <- sum((design$z %*% factor)^2) / nrow(design$z)
    effects_sigma(fit)^2 * mean_square
  }
  variances <- unlist(Map(mean_variance, designs, factors))
  stats::setNames(variances, component_names(fit))
}

#' The variance of an observation on the scale of the linear predictor, named by its kind
#' @noRd
observation_variance <- function(fit, method) UseMethod("observation_variance")

#' @export
observation_variance.rlmm_lmm <- function(fit, method) {
  c(residual = fit$sigma^2)
}

#' @export
observation_variance.rlmm_glmm <- function(fit, method) {
  link <- fit$family$link
  is_latent <- has_trials(fit$glmm$family) && link %in% names(latent_variances)
  value <- if (method == "theory" && is_latent) {
    latent_variances[[link]] / mean_trials(fit)
  } else {
    link_scale_variance(fit, method)
  }
  c(distribution = value)
}

# The variances of the distributions whose distribution functions are the inverse links.
latent_variances <- c(logit = pi^2 / 3, probit = 1, cloglog = pi^2 / 6)

# The variance at the mean of the null model, on the scale of the linear predictor.
link_scale_variance <- function(fit, method) {
  mu <- null_mean(fit)
  family <- fit$family
  scale <- if (has_scale(fit)) fit$sigma^2 else 1
  variance <- family$variance(mu) * scale / mean_trials(fit)
  if (family$link != "log" || method == "delta") {
    return(variance / family$mu.eta(family$linkfun(mu))^2)
  }
  relative <- variance / mu^2
  if (method == "theory") log1p(relative) else trigamma(1 / relative)
}

#' The mean number of trials of an observation; one if the family has no trials
#' @noRd
mean_trials <- function(fit) {
  weights <- fit_response(fit)$weights
  if (has_trials(fit$glmm$family) && !is.null(weights)) mean(weights) else 1
}

#' The mean response of the null model, averaged over its random effects
#' @noRd
null_mean <- function(fit) {
  null <- null_fit(fit)
  sd <- sqrt(sum(term_variances(null)))
  eta <- unpad(stats::predict(null, re.form = NA), null)
  # With eight standard deviations and steps of 0.02, the trapezoidal rule is exact up to rounding.
  at <- seq(-8, 8, by = 0.02)
  weights <- normal_weights(at)
  mean_at <- \(eta) {
    mean <- fit$family$linkinv(eta + sd * at)
    sum(weights * mean)
  }
  distinct <- unique(eta)
  means <- vapply(distinct, mean_at, 0)
  mean(means[match(eta, distinct)])
}

null_fit <- function(fit) {
  if (identical(names(fit$beta), "(Intercept)")) {
    return(fit)
  }
  fixed <- offset_terms(fit$fixed$terms)
  change <- stats::formula(fit, random.only = TRUE)
  change <- Reduce(
    \(a, b) call("+", a, b),
    c(fixed, change[[length(change)]]),
    1
  )
  formula <- written_formula(fit)
  formula[[3L]] <- change
  suppressWarnings(suppressMessages(stats::update(fit, formula)))
}

offset_terms <- function(terms) {
  variables <- as.list(attr(terms, "variables"))[-1L]
  variables[attr(terms, "offset")]
}

# Printing ----------------------------------------------------------------

#' @rdname variance_explained
#' @export
as.data.frame.rlmm_variance_explained <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  variances <- x$variances
  left <- sum(variances[-1L])
  data.frame(
    part = names(variances),
    variance = unname(variances),
    share = unname(variances / sum(variances)),
    icc = c(NA, unname(variances[-1L] / left))
  )
}

#' @rdname variance_explained
#' @export
format.rlmm_variance_explained <- function(x, digits = 3, ...) {
  warn_of_dots(...)
  table <- as.data.frame.rlmm_variance_explained(x)
  shown <- \(value) formatC(value, digits = digits, format = "f")
  line <- \(name, value, of = "") optsum_line(name, paste0(shown(value), of))
  c(
    line("R2 marginal", x$r2_marginal, "  (fixed part)"),
    line("R2 conditional", x$r2_conditional, "  (fixed and random effects)"),
    line("ICC adjusted", x$icc_adjusted, "  (given the fixed part)"),
    line("ICC unadjusted", x$icc_unadjusted),
    "",
    columns_under_names(list(
      Part = table$part,
      Variance = format(table$variance, digits = digits + 1),
      Share = shown(table$share)
    ))
  )
}

#' @rdname variance_explained
#' @export
print.rlmm_variance_explained <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

# The programs that bench/validation.R compares: what each is given, and its estimates as points in
# the parameters of rlmm.

# Families --------------------------------------------------------------------

# What each program is given: `ours` and `lme4` a family and arguments, `glmmTMB` likewise; `NULL`
# where a program doesn't have the likelihood.
observed <- list(dispersion = "estimated", information = "observed")
families <- list(
  linear = list(ours = list(), lme4 = list(), glmmTMB = list(REML = TRUE)),
  "linear, ML" = list(
    ours = list(REML = FALSE),
    lme4 = list(REML = FALSE),
    glmmTMB = list()
  ),
  logit = list(family = stats::binomial()),
  probit = list(family = stats::binomial("probit"), lme4_only = TRUE),
  cloglog = list(family = stats::binomial("cloglog"), lme4_only = TRUE),
  poisson = list(family = stats::poisson()),
  sqrt = list(family = stats::poisson("sqrt"), lme4_only = TRUE),
  gamma = list(family = stats::Gamma("log"), lme4_only = TRUE),
  "gaussian, log" = list(family = stats::gaussian("log"), lme4_only = TRUE),
  "gamma, ML" = list(
    ours = c(list(family = stats::Gamma("log")), observed),
    glmmTMB = list(family = stats::Gamma("log"))
  ),
  nbinom2 = list(
    ours = list(information = "observed"),
    glmmTMB = list(family = quote(glmmTMB::nbinom2()))
  ),
  nbinom1 = list(
    ours = list(family = quote(rlmm::nbinom1())),
    glmmTMB = list(family = quote(glmmTMB::nbinom1()))
  )
)

# The arguments of each program for a model.
arguments_of <- function(model) {
  if (inherits(model$family, "family") || is.function(model$family)) {
    given <- list(family = model$family, lme4_only = TRUE)
  } else {
    given <- families[[model$family]]
  }
  if (!is.null(given$family)) {
    family <- list(family = given$family)
    given <- list(
      ours = family,
      lme4 = family,
      glmmTMB = if (is.null(given$lme4_only)) family
    )
  }
  if (length(model$args) > 0) {
    # What the registry adds, glmmTMB may not understand.
    given <- list(
      ours = c(given$ours, model$args),
      lme4 = c(given$lme4, model$args[!names(model$args) %in% own_arguments])
    )
  }
  given
}

own_arguments <- c("dispersion", "information", "fast", "sigma")

fit_by <- function(fun, formula, data, args) {
  eval(as.call(c(fun, formula, quote(data), args)))
}

fit_ours <- function(model, data, args) {
  fitter <- if (identical(model$family, "nbinom2")) {
    rlmm::rglmm_nb
  } else if (is.character(model$family) && startsWith(model$family, "linear")) {
    rlmm::rlmm
  } else {
    rlmm::rglmm
  }
  fit_by(fitter, model$formula, data, args)
}

fit_lme4 <- function(model, data, args) {
  is_linear <- is.null(args$family)
  fitter <- if (is_linear) lme4::lmer else lme4::glmer
  fit_by(fitter, model$lme4 %||% model$formula, data, args)
}

# Points ----------------------------------------------------------------------

# A peer's estimates as rlmm's parameters: theta, the fixed effects, the logarithm of a shape.
point_lme4 <- function(peer, fit) {
  theta <- lme4::getME(peer, "theta")
  beta <- lme4::fixef(peer)
  list(
    parameters = if (isGLMM(fit) && !fit$glmm$fast) c(theta, beta) else theta,
    beta = beta,
    std_error = sqrt(diag(as.matrix(stats::vcov(peer)))),
    value = if (isREML(fit)) lme4::REMLcrit(peer) else -2 * loglik(peer)
  )
}

loglik <- function(fit) as.numeric(stats::logLik(fit))

point_glmmtmb <- function(peer, fit) {
  beta <- glmmTMB::fixef(peer)$cond
  theta <- theta_of(glmmTMB::VarCorr(peer)$cond, fit, stats::sigma(peer))
  shape <- glmmtmb_shape(peer, fit)
  list(
    parameters = if (isGLMM(fit)) c(theta, beta, shape) else theta,
    beta = beta,
    std_error = sqrt(diag(stats::vcov(peer)$cond)),
    value = -2 * loglik(peer)
  )
}

glmmtmb_shape <- function(peer, fit) {
  if (!identical(fit$glmm$shape_kind, "estimated")) {
    return(NULL)
  }
  shape <- stats::sigma(peer)
  log(if (stats::family(peer)$family == "Gamma") shape^2 else shape)
}

# Theta from covariance matrices: each term of rlmm finds its effects in one of them.
theta_of <- function(components, fit, sigma) {
  unit <- if (isGLMM(fit)) 1 else sigma
  omegas <- lapply(fit$random, \(term) component_of(term, components) / unit^2)
  theta <- numeric(length(fit$theta))
  own <- unlist(lapply(fit$random, `[[`, "theta"))
  theta[own] <- unlist(rlmm:::core_nearest_theta(fit$random, omegas))
  theta
}

component_of <- function(term, components) {
  # Further terms of one group get a number; a group's own name may end in one.
  own <- names(components)
  is_own <- same_group(own, term$group)
  is_further <- same_group(sub("[.][0-9]+$", "", own), term$group)
  has_effects <- vapply(
    components,
    \(component) all(term$columns %in% colnames(component)),
    NA
  )
  at <- which((is_own | is_further) & has_effects)[1]
  if (is.na(at)) {
    stop("its effects have other names: not carried over")
  }
  components[[at]][term$columns, term$columns, drop = FALSE]
}

# `a:b` and `b:a` are one grouping.
same_group <- function(groups, group) {
  sorted <- \(x) {
    vapply(strsplit(x, ":"), \(p) paste(sort(p), collapse = ":"), "")
  }
  sorted(groups) == sorted(group)
}

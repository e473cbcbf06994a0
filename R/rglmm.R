# rglmm(): the user's function for generalized linear mixed models.

#' Fit a generalized linear mixed model
#'
#' @inheritParams rlmm
#' @param formula As in lme4: `y ~ x + (x | g)`; see [rlmm()]. For `binomial` the response is 0 or 1, logical, a factor
#'   (its first level is a failure), proportions with the numbers of trials as `weights`, or `cbind(successes,
#'   failures)`.
#' @param family A family object of R, a function that makes one, or its name: `binomial`, `poisson`, `Gamma`,
#'   `inverse.gaussian`, `gaussian` with another link than the identity, or `MASS::negative.binomial(theta)`. Links are
#'   logit, probit, cloglog, cauchit, log, sqrt, identity, inverse and 1/mu^2.
#' @param start Where to start: theta, or a list with any of the elements `theta` and `fixef` (or `beta`).
#' @param nAGQ 1: the Laplace approximation. More, up to 100: that many nodes per random effect of adaptive Gauss-Hermite
#'   quadrature, for models with a single grouping factor. 0: faster and less exact, the fixed effects being those of
#'   the penalized least squares at each theta.
#' @param mustart,etastart Means, or linear predictors, to start from: the fixed effects start at their projection.
#'   The estimates don't depend on where the optimizer starts, but for local minima.
#'
#' @details
#' The criterion is the Laplace approximation of the deviance with the expected information (Fisher scoring) in its
#' determinant, which is lme4's. For canonical links it is the same as with the observed information. It is minimised
#' over theta and the fixed effects together, with its exact gradient.
#'
#' Where the family has a dispersion (`Gamma`, `inverse.gaussian`, `gaussian`), this is treated as lme4 1.1 does: the
#' random effects' standard deviations are relative to `sigma()`, and sigma is estimated from the Pearson residuals and
#' the random effects, not by maximum likelihood. lme4 2 and glmmTMB treat it in other ways and give other estimates.
#'
#' `logLik()` has all constants of the density, so that fits with different `nAGQ` can be compared. lme4 1.1 leaves some of
#' them out when `nAGQ` is greater than 1, and is lower by 1 for families with a dispersion.
#'
#' @return A list of class `rlmm_glmm`.
#' @examples
#' fit <- rglmm(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial)
#' summary(fit)
#' ranef(fit)
#' predict(fit, data.frame(period = "2", herd = "1"), type = "response")
#' rglmm(TICKS ~ YEAR + (1 | LOCATION), grouseticks, family = "poisson", nAGQ = 9)
#' @export
rglmm <- function(formula, data = NULL, family, control = rlmm_control(), start = NULL, verbose = 0L, nAGQ = 1L,
                  subset, weights, na.action, offset, mustart, etastart, contrasts = NULL, ...) {
  call <- match.call()
  check_dots(..., fitter = "rglmm")
  control <- as_control(control)
  formula <- read_formula(if (missing(formula)) NULL else formula, parent.frame())
  family <- read_family(if (missing(family)) NULL else family, parent.frame())
  check_verbose(verbose)
  check_nodes(nAGQ)
  extras <- c(
    if (!missing(subset)) list(subset = rlang::enquo(subset)),
    if (!missing(weights)) list(weights = rlang::enquo(weights)),
    if (!missing(offset)) list(offset = rlang::enquo(offset)),
    if (!missing(mustart)) list(mustart = rlang::enquo(mustart)),
    if (!missing(etastart)) list(etastart = rlang::enquo(etastart))
  )
  na_action <- if (missing(na.action)) default_na_action(data) else na.action
  design <- model_design(formula, data, FALSE, control, extras, na_action, contrasts, family = family, nodes = nAGQ)
  start <- glmm_start(start, design)
  est <- core_glmm_fit(design$spec, start, core_control(control, verbose, n_glmm_parameters(design$spec)))
  fit <- new_glmm_fit(design, est, call, control)
  report_fit(fit, design$spec)
  fit
}

#' The part of the spec that makes it a generalized model, with the response it wants
#' @noRd
glmm_spec <- function(spec, frame, family, nodes, random) {
  response <- frame_response(frame, family)
  check_glmm_response(response, frame[[1L]], family, names(frame)[1L], original_rows(frame))
  check_structures(random)
  check_quadrature(nodes, random)
  spec[c("y", "weights")] <- list(response$y, response$weights)
  spec$glmm <- glmm_settings(family, nodes)
  spec
}

check_structures <- function(random) {
  structures <- vapply(random, \(term) term$structure, "")
  at <- which(vapply(structures, has_rho, NA))
  if (length(at) > 0L) {
    abort_glmm(paste("The covariance structure of", tick(random[[at[1L]]]$label)), "Use `us()` or `diag()`?")
  }
}

n_glmm_parameters <- function(spec) {
  theta <- vapply(spec$terms, \(term) sum(mapply(n_theta, term$part_kind, term$part_size)), 1)
  sum(theta) + if (spec$glmm$fast) 0 else count_columns(spec$x)
}

# Start ---------------------------------------------------------------------

#' @return A list with any of `theta` and `beta`.
#' @noRd
glmm_start <- function(start, design) {
  if (is.list(start)) names(start)[names(start) == "fixef"] <- "beta"
  beta <- if (is.list(start)) start$beta
  if (is.list(start)) start <- start[names(start) != "beta"]
  theta <- if (length(start) > 0L) check_start(start, design$random)
  if (!is.null(beta)) check_start_beta(beta, design$fixed$names)
  beta <- beta %||% projected_start(design)
  c(if (!is.null(theta)) list(theta = theta), if (!is.null(beta)) list(beta = as.double(beta)))
}

check_start_beta <- function(beta, names) {
  if (is.numeric(beta) && length(beta) == length(names) && all(is.finite(beta))) return(invisible())
  abort_rlmm(
    c(paste0("`start` must hold ", plural(length(names), "finite number"), " for the fixed effects."),
      x = paste0("It holds ", describe_type(beta), "."),
      i = paste0("In order: ", enumerate(dQuote(names, FALSE), max = 10L), ".")),
    "rlmm_error_start", expected = names
  )
}

# Least squares of the linear predictor that `etastart` or `mustart` gives.
projected_start <- function(design) {
  mu <- design$frame[["(mustart)"]]
  linked <- if (!is.null(mu)) tryCatch(design$family$linkfun(mu), error = function(cnd) NaN)
  eta <- design$frame[["(etastart)"]] %||% linked
  if (is.null(eta)) return(NULL)
  if (!all(is.finite(eta))) {
    abort_rlmm("`mustart` must hold means that can occur in the family.", "rlmm_error_start")
  }
  x <- column_matrix(design$spec$x, length(eta))
  stats::lm.fit(x, eta - (design$spec$offset %||% 0))$coefficients
}

# Quadrature ----------------------------------------------------------------

check_nodes <- function(nodes) {
  if (is_number(nodes) && nodes >= 0 && nodes <= 100 && nodes == round(nodes)) return(invisible())
  abort_rlmm(
    c("`nAGQ` must be a whole number from 0 to 100.", x = paste0("It is ", describe_type(nodes), ".")),
    "rlmm_error_nagq", arg = "nAGQ"
  )
}

#' Quadrature is over the effects of one level at a time, all nodes of one with all of another
#' @noRd
check_quadrature <- function(nodes, random) {
  if (nodes <= 1) return(invisible())
  groups <- vapply(random, \(term) term$group, "")
  effects <- sum(lengths(lapply(random, `[[`, "columns")))
  found <- if (length(unique(groups)) > 1L) {
    paste0("It has the grouping factors ", enumerate(tick(unique(groups))), "; quadrature needs a single one.")
  } else if (nodes^effects > 1e6) {
    paste0("With ", effects, " random effects per level of ", tick(groups[1L]), " that is more than a million nodes.")
  }
  if (is.null(found)) return(invisible())
  must <- if (length(unique(groups)) > 1L) "0 or 1" else paste("at most", max(1, floor(1e6^(1 / effects) + 1e-9)))
  abort_rlmm(
    c(paste0("`nAGQ` must be ", must, " for this model, not ", nodes, "."), x = found,
      i = "Use `nAGQ = 1` for the Laplace approximation."),
    "rlmm_error_nagq", arg = "nAGQ"
  )
}

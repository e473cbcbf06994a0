# The profile of the likelihood: each parameter in turn is set to values around its estimate, and
# the others are fitted again.

#' Likelihood profiles
#'
#' Sets each parameter to values on both sides of its estimate, fits the others again by maximum
#' likelihood, and records zeta, the signed root of the increase in the deviance. If the estimate
#' were normally distributed, zeta would be a straight line; [confint()] of the profile reads limits
#' off it.
#'
#' Profiled are the standard deviations and correlations of the random effects, the residual
#' standard deviation and the fixed effects, as lme4 does; also with covariance structures, and for
#' generalized models without a dispersion. A fit by REML is fitted by maximum likelihood first.
#' Parameters that are held are left out. A standard deviation goes down to zero, a correlation to
#' the ends of its range.
#'
#' @param fitted A fit.
#' @param which Which parameters: their names or numbers, `"theta_"` (the variance parameters) or
#'   `"beta_"` (the fixed effects); default: all.
#' @param alphamax Profiles extend to where the limits of level `1 - alphamax` would be, of a region
#'   for all parameters.
#' @param maxpts Number of points on each side, at most.
#' @param delta.cutoff The distance of neighbouring points in zeta, as a share of where the profile
#'   ends.
#' @param signames Name the variance parameters `.sig01` and so on? Otherwise `"sd_Days|Subject"`.
#' @param prof.scale `"sdcor"`: standard deviations and correlations; `"varcov"`: variances, also of
#' the
#'   residuals, beside correlations.
#' @param ... Not used.
#' @return A data frame of class `"profile.rlmm"`: a row per point, with `.zeta`, the values of all
#'   parameters, and `.par`, the parameter that was set.
#' @examples
#' fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
#' pr <- profile(fit)
#' head(pr)
#' confint(pr)
#' confint(logProf(pr), level = 0.9)
#' @seealso [confint.rlmm()], [plot.profile.rlmm()]
#' @importFrom stats profile
#' @export
profile.rlmm <- function(
  fitted,
  which = NULL,
  alphamax = 0.01,
  maxpts = 100L,
  delta.cutoff = 1 / 8,
  signames = TRUE,
  prof.scale = c("sdcor", "varcov"),
  ...
) {
  refuse_dots(...)
  check_flag(signames, "signames")
  prof.scale <- one_of(prof.scale, c("sdcor", "varcov"), "prof.scale")
  problem <- profile_problem(fitted, signames)
  labels <- names(problem$values)
  wanted <- select_parameters(which, labels, problem$n_variance)
  wanted <- setdiff(wanted, problem$held)
  limit <- sqrt(stats::qchisq(1 - alphamax, max(1L, length(labels))))
  walks <- lapply(wanted, \(name) {
    profile_one(problem, name, limit, delta.cutoff * limit, maxpts)
  })
  made <- new_profile(do.call(rbind, walks), wanted, problem)
  if (prof.scale == "varcov") varianceProf(made) else made
}

new_profile <- function(table, wanted, problem) {
  table$.par <- factor(table$.par, levels = wanted)
  row.names(table) <- NULL
  structure(
    table,
    estimates = problem$values,
    lower = problem$lower,
    upper = problem$upper,
    kinds = problem$kinds,
    class = c("profile.rlmm", "data.frame")
  )
}

# What is profiled ----------------------------------------------------------

#' All that a profile needs of a fit: the fit by maximum likelihood, its spec, its parameters
#' @noRd
profile_problem <- function(fit, signames) {
  check_fit(fit, "fitted")
  check_profiled(fit)
  fit <- refitML(fit)
  variances <- variance_map(fit, "sd")$value
  if (!estimates_sigma(fit)) {
    variances <- variances[-length(variances)]
  }
  pieces <- profile_pieces(fit, length(variances))
  labels <- if (signames) lme4_names(variances) else names(variances)
  values <- c(stats::setNames(variances, labels), fit$beta)
  kinds <- c(
    vapply(pieces, `[[`, "", "kind"),
    rep("beta", length(fit$beta))
  )
  names(kinds) <- names(values)
  list(
    fit = fit,
    spec = fit_spec(fit),
    values = values,
    kinds = kinds,
    pieces = stats::setNames(pieces, labels),
    n_variance = length(variances),
    lower = stats::setNames(
      c(sd = 0, cor = -1, sigma = 0, beta = -Inf)[kinds],
      names(values)
    ),
    upper = stats::setNames(
      c(sd = Inf, cor = 1, sigma = Inf, beta = Inf)[kinds],
      names(values)
    ),
    deviance = fit$optsum$fmin,
    held = held_names(fit, labels, pieces)
  )
}

estimates_sigma <- function(fit) isLMM.rlmm(fit) && !fit$known_sigma

check_profiled <- function(fit) {
  reason <- not_profiled(fit)
  if (!is.null(reason)) {
    abort_rlmm(
      c(
        "Can't profile this fit.",
        x = reason,
        i = "`confint(fit, method = \"Wald\")` has limits from standard errors."
      ),
      "rlmm_error_profile"
    )
  }
}

#' Why a fit has no profiles; `NULL` if it has
#' @noRd
not_profiled <- function(fit) {
  if (is.null(fit$frame)) {
    "It doesn't hold its data."
  } else if (isTRUE(fit$glmm$fast)) {
    "With `nAGQ = 0` there is no likelihood to profile."
  } else if (isTRUE(fit$relative)) {
    "Its covariances are relative to a dispersion."
  } else if (isTRUE(fit$glmm$shape_kind == "estimated")) {
    "Its dispersion is estimated with the other parameters."
  } else if (length(fit$control$fixed$cov) > 0L) {
    "A covariance is held."
  }
}

# Names of what is held, and can't be profiled.
held_names <- function(fit, labels, pieces) {
  held <- held_index(fit)
  is_held <- vapply(
    pieces,
    \(piece) {
      any(fit$random[[piece$term %||% 1L]]$theta %in% held) &&
        !is.null(piece$term)
    },
    NA
  )
  c(labels[is_held], names(fit$held))
}

#' Where each variance parameter stands: a list of `kind`, `term`, and its effects or its element of
#' theta
#' @noRd
profile_pieces <- function(fit, n) {
  pieces <- unlist(
    lapply(seq_along(fit$random), \(i) term_pieces(fit$random[[i]], i)),
    recursive = FALSE
  )
  if (length(pieces) < n) {
    pieces <- c(pieces, list(list(kind = "sigma")))
  }
  pieces
}

term_pieces <- function(term, index) {
  free_order <- is_unstructured(term$structure) && length(term$columns) > 1L
  if (free_order) {
    cells <- covariance_cells(term)
    return(lapply(seq_len(nrow(cells)), \(i) {
      effects <- unique(as.vector(cells[i, ]))
      kind <- if (length(effects) == 1L) "sd" else "cor"
      list(kind = kind, term = index, effects = effects)
    }))
  }
  scale <- is_scale(term)
  lapply(seq_along(term$theta), \(i) {
    kind <- if (scale[i]) "sd" else "cor"
    list(kind = kind, term = index, theta = term$theta[i])
  })
}

# One parameter -------------------------------------------------------------

#' The points of one parameter's profile
#' @param limit,step Where zeta ends, and how far it goes from one point to the next.
#' @noRd
profile_one <- function(problem, name, limit, step, maxpts) {
  refit <- refitter(problem, name)
  centre <- list(value = problem$values[[name]], zeta = 0, state = problem$fit)
  first <- first_step(problem, name) * step
  sides <- lapply(c(-1, 1), \(side) {
    walk(problem, name, refit, centre, side, first, limit, step, maxpts)
  })
  points <- c(rev(sides[[1L]]), list(centre), sides[[2L]])
  rows <- lapply(points, \(point) profile_row(problem, name, point))
  table <- as.data.frame(do.call(rbind, rows), optional = TRUE)
  table$.par <- name
  table
}

#' The points on one side of the estimate
#'
#' A step is as long as the last one promises it to be: the profile is nearly straight.
#' @noRd
walk <- function(
  problem,
  name,
  refit,
  centre,
  side,
  first,
  limit,
  step,
  maxpts
) {
  bound <- if (side < 0) problem$lower[[name]] else problem$upper[[name]]
  points <- list()
  last <- centre
  stride <- first
  while (length(points) < maxpts && side * (bound - last$value) > 0) {
    value <- last$value + side * stride
    if (side * (bound - value) < 1e-3 * stride) {
      value <- bound
    }
    point <- profile_point(problem, refit, value, last$state, side)
    if (is.null(point)) {
      break
    }
    rise <- abs(point$zeta) - abs(last$zeta)
    points <- c(points, list(point))
    if (abs(point$zeta) > limit) {
      break
    }
    ratio <- if (rise > 0) step / rise else 2
    stride <- abs(point$value - last$value) * min(max(ratio, 0.2), 3)
    last <- point
  }
  points
}

#' The fit with the parameter at a value; `NULL` where there is none
#' @noRd
profile_point <- function(problem, refit, value, state, side) {
  found <- tryCatch(refit(value, state), rlmm_error = function(cnd) NULL)
  if (is.null(found)) {
    return(NULL)
  }
  excess <- found$objective - problem$deviance
  if (excess < -1e-4) {
    warn_rlmm(
      c(
        "The profile found a better fit than the one that is profiled.",
        x = paste0(
          "Its deviance is lower by ",
          format(-excess, digits = 3),
          "."
        ),
        i = "Fit again, from other starts?"
      ),
      "rlmm_warning_profile"
    )
  }
  list(value = value, zeta = side * sqrt(max(excess, 0)), state = found)
}

# A first guess of the distance that changes zeta by one: the standard error, or a share of the
# estimate.
first_step <- function(problem, name) {
  fit <- problem$fit
  guess <- switch(
    problem$kinds[[name]],
    beta = standard_errors(fit)[[name]],
    sigma = fit$sigma / sqrt(2 * fit$dev$n_eff),
    sd = max(0.25 * problem$values[[name]], 0.02 * effects_sigma(fit)),
    cor = 0.3 * max(1 - problem$values[[name]]^2, 0.05)
  )
  if (is.finite(guess) && guess > 0) guess else 1
}

#' All parameters at one point, as a row of the profile
#' @noRd
profile_row <- function(problem, name, point) {
  fit <- problem$fit
  state <- point$state
  variances <- variance_map(fit, "sd", state$theta, state$sigma)$value
  variances <- variances[seq_len(problem$n_variance)]
  row <- c(point$zeta, variances, state$beta)
  names(row) <- c(".zeta", names(problem$values))
  # As it was set, without the rounding errors of the way there.
  row[[name]] <- point$value
  row
}

# Fits with one parameter set -------------------------------------------------

#' A function (value, state) that fits the other parameters, from the state of a point nearby
#' @noRd
refitter <- function(problem, name) {
  switch(
    problem$kinds[[name]],
    beta = beta_refitter(problem, name),
    sigma = sigma_refitter(problem),
    sd = sd_refitter(problem, problem$pieces[[name]]),
    cor = cor_refitter(problem, problem$pieces[[name]])
  )
}

#' Fits a spec from a theta, with elements of theta held at values
#' @param absolute Are these standard deviations of a linear model, that is, theta times sigma?
#' @noRd
fit_spec_again <- function(
  problem,
  spec,
  state,
  index = integer(),
  value = double(),
  absolute = FALSE
) {
  fit <- problem$fit
  held <- fit_held(fit)
  held <- list(
    index = held$index,
    value = held$value,
    absolute = integer(),
    absolute_value = double()
  )
  if (absolute) {
    held$absolute <- index
    held$absolute_value <- value
  } else {
    held$index <- c(held$index, index)
    held$value <- c(held$value, value)
  }
  control <- fit$control
  control$optimizer <- NULL
  control$initial_step <- NULL
  control$progress <- FALSE
  control <- core_control(control, 0L, list(spec = spec), held)
  search_from(
    fit,
    spec,
    replace(state$theta, held$index, held$value),
    state,
    control
  )
}

search_from <- function(fit, spec, theta, state, control) {
  UseMethod("search_from")
}

#' @export
search_from.rlmm_lmm <- function(fit, spec, theta, state, control) {
  est <- core_fit(spec, theta, control)
  list(
    objective = est$objective,
    theta = est$theta,
    sigma = est$sigma,
    beta = est$beta
  )
}

#' @export
search_from.rlmm_glmm <- function(fit, spec, theta, state, control) {
  start <- list(theta = theta)
  beta <- state$start_beta %||% state$beta
  if (length(beta) == length(spec$x)) {
    start$beta <- as.double(beta)
  }
  est <- core_glmm_fit(spec, start, control)
  list(
    objective = est$objective,
    theta = est$theta,
    sigma = 1,
    beta = est$beta
  )
}

beta_refitter <- function(problem, name) {
  spec <- problem$spec
  fit <- problem$fit
  free <- names(fit$beta)[free_beta(fit)]
  at <- match(name, free)
  column <- column_matrix(select_columns(spec$x, at), length(spec$y))[, 1L]
  offset <- spec$offset %||% 0
  spec$x <- select_columns(spec$x, seq_along(free)[-at])
  function(value, state) {
    spec$offset <- offset + value * column
    state$start_beta <- state$beta[free][-at]
    found <- fit_spec_again(problem, spec, state)
    beta <- fit$beta
    beta[free[-at]] <- found$beta
    beta[[name]] <- value
    found$beta <- beta
    found
  }
}

sigma_refitter <- function(problem) {
  spec <- problem$spec
  function(value, state) {
    spec$sigma <- value
    with_all_beta(problem, fit_spec_again(problem, spec, state))
  }
}

sd_refitter <- function(problem, piece) {
  absolute <- estimates_sigma(problem$fit)
  unit <- if (absolute) 1 else problem$fit$sigma
  order <- effect_order(problem, piece$effects)
  spec <- permuted_spec(problem, piece$term, order)
  term <- problem$fit$random[[piece$term]]
  index <- piece$theta %||% term$theta[[1L]]
  function(value, state) {
    state$theta <- permuted_theta(problem, piece$term, order, state$theta)
    found <- fit_spec_again(problem, spec, state, index, value / unit, absolute)
    found$theta <- permuted_theta(
      problem,
      piece$term,
      order(order),
      found$theta
    )
    with_all_beta(problem, found)
  }
}

with_all_beta <- function(problem, found) {
  beta <- problem$fit$beta
  beta[free_beta(problem$fit)] <- found$beta
  found$beta <- beta
  found
}

# The order of effects --------------------------------------------------------
#
# The standard deviation of the first effect of an unstructured term is one element of theta times
# sigma, and the correlation of the first two depends on two elements. So the effects of the term
# are put in an order in which those that are profiled come first.

effect_order <- function(problem, effects) {
  c(effects, setdiff(seq_len(1e3), effects))
}

#' The spec with the effects of one term in another order
#' @noRd
permuted_spec <- function(problem, term, order) {
  spec <- problem$spec
  own <- problem$fit$random[[term]]
  if (!is_permuted(own, order)) {
    return(spec)
  }
  order <- order[order <= length(own$columns)]
  core <- own$core_term
  columns <- seq_along(spec$terms[[core]]$z)
  columns[own$core_cols] <- own$core_cols[order]
  spec$terms[[core]]$z <- select_columns(spec$terms[[core]]$z, columns)
  spec
}

is_permuted <- function(term, order) {
  k <- length(term$columns)
  is_unstructured(term$structure) && k > 1L && is.unsorted(order[order <= k])
}

#' Theta of the same covariance with the effects of one term in another order
#' @noRd
permuted_theta <- function(problem, term, order, theta) {
  own <- problem$fit$random[[term]]
  k <- length(own$columns)
  order <- order[order <= k]
  if (!is_unstructured(own$structure) || k == 1L) {
    return(theta)
  }
  lambda <- matrix(0, k, k)
  lambda[lower.tri(lambda, TRUE)] <- theta[own$theta]
  # The rows in the new order, turned from the right until they are triangular again.
  turned <- t(qr.R(qr(t(lambda[order, , drop = FALSE]), tol = 0)))
  signs <- ifelse(diag(turned) < 0, -1, 1)
  turned <- t(t(turned) * signs)
  theta[own$theta] <- turned[lower.tri(turned, TRUE)]
  theta
}

# Correlations ----------------------------------------------------------------

cor_refitter <- function(problem, piece) {
  if (!is.null(piece$theta)) {
    spec <- problem$spec
    return(function(value, state) {
      found <- fit_spec_again(problem, spec, state, piece$theta, value)
      with_all_beta(problem, found)
    })
  }
  order <- effect_order(problem, piece$effects)
  spec <- permuted_spec(problem, piece$term, order)
  own <- problem$fit$random[[piece$term]]
  # Elements (2, 1) and (2, 2) of Lambda are r rho and r sqrt(1 - rho^2).
  tied <- own$theta[c(2L, length(own$columns) + 1L)]
  function(value, state) {
    theta <- permuted_theta(problem, piece$term, order, state$theta)
    found <- search_tied(problem, spec, theta, state, tied, value)
    found$theta <- permuted_theta(
      problem,
      piece$term,
      order(order),
      found$theta
    )
    with_all_beta(problem, found)
  }
}

#' Minimizes the criterion with two elements of theta in a fixed ratio
#' @noRd
search_tied <- function(problem, spec, theta, state, tied, rho) {
  n <- length(theta)
  shares <- c(rho, sqrt(max(0, 1 - rho^2)))
  arguments <- c(theta, free_arguments(problem$fit, state))
  free <- setdiff(seq_along(arguments), c(tied, held_index(problem$fit)))
  place <- function(x) {
    arguments[free] <- x[-1L]
    arguments[tied] <- x[1L] * shares
    arguments
  }
  value <- function(x) criterion_at(problem$fit, spec, place(x))
  slope <- function(x) {
    gradient <- criterion_gradient(problem$fit, spec, place(x))
    c(sum(gradient[tied] * shares), gradient[free])
  }
  start <- c(sqrt(sum(theta[tied]^2)), arguments[free])
  found <- stats::nlminb(
    start,
    value,
    slope,
    control = list(rel.tol = 1e-12, x.tol = 1e-10, iter.max = 200L)
  )
  finish_tied(problem$fit, spec, place(found$par), n)
}

#' What the criterion is a function of beside theta
#' @noRd
free_arguments <- function(fit, state) UseMethod("free_arguments")

#' @export
free_arguments.rlmm_lmm <- function(fit, state) NULL

#' @export
free_arguments.rlmm_glmm <- function(fit, state) unname(state$beta)

criterion_at <- function(fit, spec, arguments) UseMethod("criterion_at")

#' @export
criterion_at.rlmm_lmm <- function(fit, spec, arguments) {
  tryCatch(core_objective(spec, arguments), rlmm_error = \(cnd) Inf)
}

#' @export
criterion_at.rlmm_glmm <- function(fit, spec, arguments) {
  tryCatch(core_glmm_objective(spec, arguments), rlmm_error = \(cnd) Inf)
}

criterion_gradient <- function(fit, spec, arguments) {
  UseMethod("criterion_gradient")
}

#' @export
criterion_gradient.rlmm_lmm <- function(fit, spec, arguments) {
  core_derivatives(spec, arguments)$gradient
}

#' @export
criterion_gradient.rlmm_glmm <- function(fit, spec, arguments) {
  core_glmm_gradient(spec, arguments)
}

finish_tied <- function(fit, spec, arguments, n) UseMethod("finish_tied")

#' @export
finish_tied.rlmm_lmm <- function(fit, spec, arguments, n) {
  core_estimates(spec, arguments)[c("objective", "theta", "sigma", "beta")]
}

#' @export
finish_tied.rlmm_glmm <- function(fit, spec, arguments, n) {
  found <- core_glmm_estimates(spec, arguments)
  found$sigma <- 1
  found[c("objective", "theta", "sigma", "beta")]
}

# What is read off a profile --------------------------------------------------

#' @rdname profile.rlmm
#' @param object,x A profile.
#' @param parm Names or numbers of parameters, `"theta_"` or `"beta_"`; default: all that were
#'   profiled.
#' @param level Confidence level.
#' @export
confint.profile.rlmm <- function(object, parm = NULL, level = 0.95, ...) {
  refuse_dots(...)
  check_confidence(level)
  labels <- levels(object$.par)
  kinds <- attr(object, "kinds")[labels]
  chosen <- select_profiled(parm, labels, kinds != "beta")
  limits <- t(vapply(
    chosen,
    \(name) profile_limits(object, name, level),
    c(0, 0)
  ))
  dimnames(limits) <- list(chosen, limit_names(level))
  limits
}

select_profiled <- function(parm, labels, is_variance) {
  if (identical(parm, "beta_")) {
    labels[!is_variance]
  } else if (identical(parm, "theta_")) {
    labels[is_variance]
  } else {
    select_parameters(parm, labels, sum(is_variance))
  }
}

#' Where zeta is at the normal quantiles; the bound of the parameter where it never gets there
#' @noRd
profile_limits <- function(profile, name, level) {
  rows <- profile[profile$.par == name, ]
  wanted <- stats::qnorm((1 + level) / 2) * c(-1, 1)
  value <- rows[[name]]
  zeta <- rows$.zeta
  inverse <- monotone_inverse(zeta, value)
  limits <- inverse(wanted)
  bounds <- c(attr(profile, "lower")[[name]], attr(profile, "upper")[[name]])
  beyond <- c(wanted[1L] < min(zeta), wanted[2L] > max(zeta))
  reached <- c(min(value) <= bounds[1L], max(value) >= bounds[2L])
  limits[beyond] <- ifelse(reached, bounds, NA)[beyond]
  limits
}

monotone_inverse <- function(zeta, value) {
  known <- is.finite(zeta) & is.finite(value)
  zeta <- zeta[known]
  value <- value[known]
  rising <- !duplicated(cummax(zeta)) & zeta == cummax(zeta)
  if (sum(rising) < 2L) {
    return(\(z) rep(NA_real_, length(z)))
  }
  zeta <- zeta[rising]
  value <- value[rising]
  # Cubic splines of order four are the more accurate; next to a bound they may turn back.
  smooth <- stats::splinefun(zeta, value, method = "fmm")
  between <- seq(zeta[1L], zeta[length(zeta)], length.out = 200L)
  if (all(diff(smooth(between)) > 0)) {
    smooth
  } else {
    stats::splinefun(zeta, value, method = "monoH.FC")
  }
}

#' @rdname profile.rlmm
#' @export
as.data.frame.profile.rlmm <- function(x, ...) {
  structure(
    x,
    class = "data.frame",
    estimates = NULL,
    lower = NULL,
    upper = NULL,
    kinds = NULL
  )
}

#' @rdname profile.rlmm
#' @param base Base of the logarithm.
#' @description `logProf()` puts the standard deviations of a profile on a logarithmic scale,
#'   `varianceProf()` on that of variances.
#' @export
logProf <- function(x, base = exp(1), ...) UseMethod("logProf")

#' @rdname profile.rlmm
#' @export
varianceProf <- function(x, ...) UseMethod("varianceProf")

#' @export
logProf.default <- function(x, base = exp(1), ...) {
  hand_on_profile("logProf", x, base = base)
}

#' @export
varianceProf.default <- function(x, ...) {
  hand_on_profile("varianceProf", x, ...)
}

hand_on_profile <- function(name, x, ...) {
  if (!inherits(x, "thpr")) {
    abort_rlmm(
      c(
        paste0("`", name, "()` needs a profile."),
        x = paste0("It was given ", describe_type(x), ".")
      ),
      "rlmm_error_argument"
    )
  }
  getExportedValue("lme4", name)(x, ...)
}

#' @export
logProf.profile.rlmm <- function(x, base = exp(1), ...) {
  transformed_profile(x, \(sd) log(sd, base), "log(%s)")
}

#' @export
varianceProf.profile.rlmm <- function(x, ...) {
  transformed_profile(x, \(sd) sd^2, "%s^2")
}

#' The profile with its standard deviations transformed and renamed
#' @noRd
transformed_profile <- function(x, transform, pattern) {
  kinds <- attr(x, "kinds")
  old <- names(kinds)[kinds %in% c("sd", "sigma")]
  new <- sprintf(pattern, old)
  rename <- \(names) ifelse(names %in% old, new[match(names, old)], names)
  values <- as.data.frame(x)
  values[old] <- lapply(values[old], transform)
  names(values) <- rename(names(values))
  levels(values$.par) <- rename(levels(values$.par))
  moved <- lapply(attributes(x)[c("estimates", "lower", "upper")], \(v) {
    v[old] <- transform(v[old])
    stats::setNames(v, rename(names(v)))
  })
  structure(
    values,
    estimates = moved$estimates,
    lower = moved$lower,
    upper = moved$upper,
    kinds = stats::setNames(kinds, rename(names(kinds))),
    class = class(x)
  )
}

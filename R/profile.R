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
  made <- profile_of(problem, wanted, alphamax, delta.cutoff, maxpts)
  if (prof.scale == "varcov") varianceProf(made) else made
}

#' The profile of some parameters of a problem
#' @noRd
profile_of <- function(
  problem,
  wanted,
  alphamax,
  delta.cutoff = 1 / 8,
  maxpts = 100L
) {
  n <- max(1L, length(problem$values))
  limit <- sqrt(stats::qchisq(1 - alphamax, n))
  walks <- lapply(wanted, \(name) {
    profile_one(problem, name, limit, delta.cutoff * limit, maxpts)
  })
  new_profile(do.call(rbind, walks), wanted, problem)
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

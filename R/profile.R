# Profile likelihood: each parameter in turn is set to values around its estimate, and the others
# are optimized.

#' Likelihood profiles
#'
#' `profile()` sets each parameter to values on both sides of its estimate, optimizes the other
#' parameters by maximum likelihood, and records zeta, the signed square root of the increase in the
#' deviance. If the estimate were normally distributed, zeta would be linear in the parameter.
#' [confint()] of the profile computes confidence limits; `logProf()` transforms its standard
#' deviations to the log scale, and `varianceProf()` to variances.
#'
#' As in lme4, the profiled parameters are the standard deviations and correlations of the random
#' effects, the residual standard deviation and the fixed effects. This also works with covariance
#' structures and for generalized models; an estimated dispersion or shape of the family is
#' optimized at each point (lme4 holds the theta of `glmer.nb()`), but not profiled itself. A REML
#' fit is first refitted by maximum likelihood. Points are at equal distances in zeta, with an
#' additional one near each 95 % limit, so that these limits are accurate. Held parameters are not
#' profiled. A standard deviation is profiled down to zero, and a correlation to the ends of its
#' range. Far from the estimate of a correlation, the optimum may be at zero variance of one of the
#' two effects, where the correlation has no influence: zeta is constant from there on, and the
#' confidence limit is the end of the range. (lme4 continues with a local optimum, or warns.)
#'
#' The points of all parameters are fitted in parallel threads, each starting from the one before it
#' (`rlmm_control(threads = )`). `profile_re()` of statsmodels corresponds to `profile(fit, which =
#' "theta_", prof.scale = "varcov")`.
#'
#' @param fitted A fitted model.
#' @param which The parameters to profile: names or numbers, `"theta_"` (the variance parameters) or
#'   `"beta_"` (the fixed effects); by default all.
#' @param alphamax Profiles extend to the limits of a joint confidence region of all parameters with
#'   level `1 - alphamax`.
#' @param maxpts The largest number of points on each side.
#' @param delta.cutoff The distance of neighbouring points in zeta, as a fraction of the largest
#'   zeta.
#' @param signames Whether to name the variance parameters `.sig01` and so on; if `FALSE`, names are
#'   like `"sd_Days|Subject"`.
#' @param prof.scale The scale of the variance parameters: `"sdcor"` for standard deviations and
#'   correlations; `"varcov"` for variances, also of the residuals, and covariances, with the
#'   variances of a term first, as in lme4. Correlations that are parameters of structures such as
#'   `cs()` stay correlations.
#' @param ... Arguments of lme4's method that control its optimizer, such as `optimizer`, `devtol`
#'   or `parallel`, have no effect and give a message; others are errors.
#' @return A data frame of class `"profile.rlmm"` with a row for each point: `.zeta`, the values of
#'   all parameters, and `.par`, the name of the profiled parameter.
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
  refuse_dots(..., lme4_only = lme4_profile_arguments)
  check_flag(signames, "signames")
  prof.scale <- one_of(prof.scale, c("sdcor", "varcov"), "prof.scale")
  check_pace(alphamax, delta.cutoff, maxpts)
  scale <- if (prof.scale == "varcov") "variance" else "sd"
  pace <- list(alphamax = alphamax, cutoff = delta.cutoff, maxpts = maxpts)
  scaled_profile(fitted, which, pace, signames, scale)
}

#' The profile of the parameters on a scale
#' @param level The level of the limits next to which points are wanted.
#' @noRd
scaled_profile <- function(fit, which, pace, signames, scale, level = 0.95) {
  problem <- profile_problem(fit, signames, scale)
  labels <- names(problem$values)
  which <- called_here(which, problem$fit, signames)
  wanted <- select_parameters(which, labels, problem$n_variance, "which")
  if (
    length(wanted) > 0L &&
      all(wanted %in% coding_dependent_coefficients(problem$fit))
  ) {
    abort_if_coded(problem$fit, "A profile")
  }
  wanted <- without_held(wanted, problem$held)
  check_far_profile(problem, wanted)
  n <- max(1L, length(labels))
  limit <- sqrt(stats::qchisq(1 - pace$alphamax, n))
  profile_of(problem, wanted, limit, pace$cutoff, pace$maxpts, level)
}

check_pace <- function(alphamax, delta.cutoff, maxpts) {
  is_share <- is_number(alphamax) && alphamax > 0 && alphamax < 1
  if (!is_share) {
    abort_pace("alphamax", "a number between 0 and 1", alphamax)
  }
  is_positive <- is_number(delta.cutoff) && delta.cutoff > 0
  if (!is_positive || is.infinite(delta.cutoff)) {
    abort_pace("delta.cutoff", "a positive number", delta.cutoff)
  }
  if (!is_number(maxpts) || maxpts < 1) {
    abort_pace("maxpts", "a number of points, at least 1", maxpts)
  }
}

abort_pace <- function(arg, wanted, found) {
  text <- sprintf("`%s` must be %s.", arg, wanted)
  abort_argument(
    text,
    x = it_is(found),
    arg = arg
  )
}

# The parameters that aren't held; an error if all of them are.
without_held <- function(wanted, held) {
  free <- setdiff(wanted, held)
  if (length(free) > 0L || length(wanted) == 0L) {
    return(free)
  }
  abort_argument(
    "A parameter that is held has no profile.",
    x = sprintf("Held is %s.", enumerate(in_quotes(wanted))),
    arg = "which",
    class = "rlmm_error_profile"
  )
}

lme4_profile_arguments <- c(
  "cl",
  "control",
  "devmatchtol",
  "devtol",
  "maxmult",
  "ncpus",
  "optimizer",
  "parallel",
  "startmethod",
  "verbose"
)

#' The profile of some parameters of a problem
#' @param limit The largest zeta.
#' @param cutoff The step length as a fraction of the limit.
#' @param level The level of the limits next to which points are wanted.
#' @noRd
profile_of <- function(
  problem,
  wanted,
  limit,
  cutoff,
  maxpts = 100L,
  level = 0.95
) {
  pace <- list(
    limit = limit,
    step = cutoff * limit,
    maxpts = maxpts,
    mark = stats::qnorm((1 + level) / 2)
  )
  walks <- walk_all(problem, wanted, pace)
  rows <- lapply(wanted, \(name) profile_rows(problem, name, walks))
  new_profile(do.call(rbind, rows), wanted, problem)
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

# Profiled parameters ------------------------------------------------------

#' The problem of a profile: the ML fit, its spec and its parameters
#' @noRd
profile_problem <- function(fit, signames, scale = "sd") {
  check_fit(fit, "fitted")
  check_profiled(fit)
  # Messages about singularity were given for the original fit.
  fit <- suppressMessages(refitML(fit), classes = "rlmm_message")
  places <- profiled_places(fit, signames, scale)
  problem <- profiled_parameters(fit, places$variances, places$pieces, fit$beta)
  problem$order <- places$order
  problem$spec <- fit_spec(fit)
  problem$deviance <- fit$optsum$fmin
  held <- held_names(fit, names(places$variances), places$pieces)
  # The core can only hold coefficients of its own coding.
  problem$held <- c(held, coding_dependent_coefficients(fit))
  problem
}

#' The estimates of the parameters to profile, with the properties of each
#' @noRd
profiled_parameters <- function(fit, variances, pieces, beta) {
  of_pieces <- vapply(pieces, `[[`, "", "kind")
  kinds <- c(of_pieces, rep("beta", length(beta)))
  values <- c(variances, beta)
  named <- \(x) stats::setNames(x, names(values))
  list(
    fit = fit,
    values = values,
    kinds = named(kinds),
    pieces = stats::setNames(pieces, names(variances)),
    n_variance = length(variances),
    lower = named(kind_lower[kinds]),
    upper = named(kind_upper[kinds])
  )
}

#' The variance parameters to profile, and their positions
#' @return A list: `variances`, their values by name; `pieces` and `order` of them.
#' @noRd
profiled_places <- function(fit, signames, scale) {
  n <- length(profiled_variances(fit, FALSE))
  places <- list(
    fit = fit,
    n_variance = n,
    pieces = profile_pieces(fit, n)
  )
  if (scale == "variance") {
    places[c("pieces", "order")] <- covariance_pieces(places$pieces)
  }
  variances <- profiled_values(places, fit$theta, effects_sigma(fit))
  if (signames) {
    names(variances) <- lme4_names(variances)
  }
  list(
    variances = variances,
    pieces = places$pieces,
    order = places$order
  )
}

# The range of each kind of parameter.
kind_lower <- c(
  sd = 0,
  cor = -1,
  sigma = 0,
  beta = -Inf,
  variance = 0,
  covariance = -Inf,
  residual = 0
)
kind_upper <- replace(-kind_lower, kind_lower == 0, Inf)

# Standard deviations, correlations and an estimated sigma, by name.
profiled_variances <- function(fit, signames) {
  variances <- variance_map(fit, "sd", sigma = effects_sigma(fit))$value
  if (!estimates_sigma(fit)) {
    variances <- variances[-length(variances)]
  }
  if (signames) {
    names(variances) <- lme4_names(variances)
  }
  variances
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

#' The reason why a fit has no profiles; `NULL` if it has
#' @noRd
not_profiled <- function(fit) {
  if (!has_spec(fit)) {
    "It doesn't hold its data."
  } else if (isTRUE(fit$glmm$fast)) {
    "With `nAGQ = 0` there is no likelihood to profile."
  } else if (isTRUE(fit$relative)) {
    "Its covariances are relative to a dispersion."
  } else if (!is.null(fit$strata)) {
    "Its residual variances differ."
  } else if (length(fit$control$fixed$cov) > 0L) {
    "A covariance is held."
  }
}

# The names of held parameters, which can't be profiled.
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

#' The position of each variance parameter: a list of `kind`, `term`, and its effects or its element
#' of theta
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
  if (is_unstructured(term$structure) && length(term$columns) > 1L) {
    return(cell_pieces(term, index))
  }
  kinds <- ifelse(is_scale(term), "sd", "cor")
  as_piece <- \(kind, theta) {
    list(kind = kind, term = index, theta = theta)
  }
  unname(Map(as_piece, kinds, term$theta))
}

# The pieces of an unstructured term: one for each cell of its covariance.
cell_pieces <- function(term, index) {
  cells <- covariance_cells(term)
  lapply(seq_len(nrow(cells)), \(i) {
    effects <- unique(as.vector(cells[i, ]))
    kind <- if (length(effects) == 1L) "sd" else "cor"
    list(
      kind = kind,
      term = index,
      effects = effects
    )
  })
}

# Rows ------------------------------------------------------------------------

#' The points of one parameter in ascending order, with a row for each
#' @noRd
profile_rows <- function(problem, name, walks) {
  own <- Filter(\(walk) walk$name == name, walks)
  points <- walk_points(problem, own)
  rows <- lapply(points, \(point) profile_row(problem, name, point))
  table <- as.data.frame(do.call(rbind, rows), optional = TRUE)
  table$.par <- name
  table
}

#' All parameters at one point, as a row of the profile
#' @noRd
profile_row <- function(problem, name, point) {
  state <- point$state
  variances <- profiled_values(problem, state$theta, state$sigma)
  fit <- problem$fit
  state$beta[names(fit$beta) %in% coding_dependent_coefficients(fit)] <- NA
  row <- c(point$zeta, variances, state$beta)
  names(row) <- c(".zeta", names(problem$values))
  # The profiled parameter has exactly the value that was set.
  row[[name]] <- point$value
  row
}

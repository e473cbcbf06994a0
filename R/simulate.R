#' Simulate responses
#'
#' Simulates responses from a fitted model with R's random number generator: first the random
#' effects of all replicates, then the residuals, in the order of lme4, so that (without `newdata`
#' and weights) the same estimates and the same seed give the same responses.
#'
#' For a linear model with weights, the residual of a row with weight w has the standard deviation
#' sigma / sqrt(w), as in the fitted model and in `simulate()` for [lm()]. lme4 ignores the weights
#' and uses sigma for all rows.
#'
#' By default new random effects are simulated. `re.form` selects terms whose effects are held at
#' their conditional modes instead.
#'
#' For a generalized model the responses have the form of the fit's response: for the binomial 0 or
#' 1, levels of a factor, proportions, or two columns of counts.
#'
#' @inheritParams predict.rlmm
#' @param nsim The number of replicates.
#' @param seed `NULL`, or a seed for [set.seed()], after which the state of the generator is
#'   restored.
#' @param use.u Whether to hold all random effects at their conditional modes, like `re.form =
#'   NULL`.
#' @param re.form The random effects to condition on: `NA` or `~0` for none (all are simulated),
#'   `NULL` for all, or a one-sided formula with some terms.
#' @param newdata A data frame to simulate for. If the fit has weights, it must have their
#'   variables.
#' @param family For a generalized model, another family to simulate from, at the same linear
#'   predictors. (In lme4 only simulations from a formula, see [simulate_formula()], have this
#'   argument.)
#' @param cluster.rand A function of n that simulates n spherical random effects with mean 0 and
#'   variance 1; by default from the normal distribution.
#' @param allow.new.levels Whether to allow new levels of grouping factors. Their effects are
#'   simulated like others, or zero for terms that are held.
#' @param na.action The treatment of missing values in `newdata`: by default the responses of such
#'   rows are `NA`; [na.omit()] leaves them out.
#' @seealso [simulate_formula()] for responses of a model without a fit, [simulate_power()].
#' @return A data frame with the columns `sim_1`, `sim_2`, ..., and the attribute `"seed"`, the
#'   state of the generator before the simulation.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' draws <- simulate(fit, nsim = 2, seed = 1)
#' head(draws)
#' refit(fit, draws$sim_1)
#' @importFrom stats simulate
#' @export
simulate.rlmm <- function(
  object,
  nsim = 1,
  seed = NULL,
  use.u = FALSE,
  re.form = NA,
  family = NULL,
  cluster.rand = stats::rnorm,
  allow.new.levels = FALSE,
  ...,
  newdata = NULL,
  newparams = NULL,
  na.action = stats::na.pass
) {
  nsim <- check_replicates(nsim, "nsim")
  check_seed(seed)
  check_flag(allow.new.levels, "allow.new.levels")
  check_generator(cluster.rand)
  if (!is.null(family)) {
    object <- with_family(object, family, parent.frame())
  }
  warn_of_dots(..., also = old_re_form_names)
  if (any(dots_names(...) %in% old_re_form_names)) {
    re.form <- old_re_form(re.form, ...)
  }
  if (!missing(use.u)) {
    if (!missing(re.form)) {
      abort_use_u()
    }
    check_flag(use.u, "use.u")
    re.form <- if (use.u) NULL else NA
  }
  if (is.null(newdata)) {
    object <- with_all_rows(object)
  }
  par <- model_parameters(object, newparams)
  hold <- selected_effects(object, re.form)
  # Everything that may fail is evaluated before the generator is used.
  plan <- simulation_plan(object, par, hold, newdata, allow.new.levels)
  plan$na_action <- na.action
  with_seed(seed, \(start) {
    random <- draw_effects(plan$drawn, plan$new$n, nsim, cluster.rand)
    eta <- plan$mean + random
    structure(
      simulated_responses(object, eta, par$sigma, plan),
      na.action = if (plan$new$stored) object$na_action,
      seed = start
    )
  })
}

#' The components of a simulation
#' @return A list: `new` (see [new_data()]), `mean` (the linear predictor with the held effects),
#'   `drawn` (the terms to simulate) and `weights`.
#' @noRd
simulation_plan <- function(fit, par, hold, newdata, allow_new_levels) {
  new <- new_data(fit, newdata)
  new$hints <- simulation_hints
  rows <- prediction_rows(fit, hold, new, allow_new_levels)
  mean <- fixed_part(fit, rows$x, par$beta, new)
  list(
    new = new,
    mean = mean + random_part(rows, par$b),
    drawn = drawn_terms(fit, par, hold, new, allow_new_levels),
    weights = simulation_weights(fit, new)
  )
}

simulation_hints <- c(
  no_group = "Random effects are drawn for its levels, old or new: add it to `newdata`.",
  no_level = "Use `allow.new.levels = TRUE` to draw effects of new levels."
)

#' Simulates responses given linear predictors, and returns the result of simulate()
#' @param eta The linear predictors including random effects, n x nsim.
#' @param plan The result of [simulation_plan()], and `na_action`.
#' @noRd
simulated_responses <- function(fit, eta, sigma, plan) {
  UseMethod("simulated_responses")
}

#' @export
simulated_responses.rlmm_lmm <- function(fit, eta, sigma, plan) {
  noise <- stats::rnorm(length(eta))
  y <- eta + residual_sd(sigma, plan$weights) * noise
  rownames(y) <- plan$new$row_names
  y <- if (plan$new$stored) {
    stats::napredict(fit$na_action, y)
  } else {
    drop_missing(y, plan$na_action)
  }
  colnames(y) <- paste0("sim_", seq_len(ncol(y)))
  as.data.frame(y)
}

#' The terms to simulate: the design of each, and the indices of the levels that occur
#' @noRd
drawn_terms <- function(fit, par, hold, new, allow_new_levels) {
  draw <- which(lengths(hold) == 0)
  lapply(draw, function(i) {
    term <- fit$random[[i]]
    refs <- add_new_levels(checked_refs(term, new, allow_new_levels), term, new)
    list(
      refs = refs,
      n_levels = max(
        length(term$levels),
        refs,
        na.rm = TRUE
      ),
      z = effects_matrix(term, new),
      factor = effects_sigma(fit, par$sigma) * lambda_block(term, par$theta)
    )
  })
}

# Numbers new levels consecutively after those of the fit.
add_new_levels <- function(refs, term, new) {
  unknown <- is.na(refs)
  if (any(unknown)) {
    labels <- row_labels(term, new)[unknown]
    refs[unknown] <- length(term$levels) +
      match(
        labels,
        unique(labels),
        incomparables = NA
      )
  }
  refs
}

#' Simulates the random part of the linear predictor, n x nsim: the sum over terms of `z_i'
#' b[ref_i]`. The spherical effects of a replicate are simulated by term, level and effect.
#' @noRd
draw_effects <- function(terms, n, nsim, cluster_rand = stats::rnorm) {
  size <- vapply(terms, count_effects, 1)
  total <- zeros_for_draws(n, nsim, sum(size))
  u <- drawn_numbers(cluster_rand, sum(size) * nsim)
  u <- matrix(u, ncol = nsim)
  start <- cumsum(size) - size
  for (i in seq_along(terms)) {
    rows <- start[i] + seq_len(size[i])
    own <- u[rows, , drop = FALSE]
    total <- total + term_effects(terms[[i]], own)
  }
  total
}

# The matrix to which simulated effects are added.
zeros_for_draws <- function(n, nsim, n_effects) {
  check_replicates_fit(nsim, bytes_of_draws(n, n_effects))
  matrix(0, n, nsim)
}

# As many numbers as are asked for, from the user's generator.
drawn_numbers <- function(cluster_rand, n) {
  found <- cluster_rand(n)
  if (is.numeric(found) && length(found) == n) {
    return(found)
  }
  abort_argument(
    "`cluster.rand` must be a function that draws as many numbers as it is given.",
    x = sprintf("Given %s, it returned %s.", n, describe_type(found)),
    arg = "cluster.rand"
  )
}

term_effects <- function(term, u) {
  k <- ncol(term$z)
  b <- array(
    term$factor %*% matrix(u, nrow = k),
    c(k, term$n_levels, ncol(u))
  )
  total <- 0
  for (j in seq_len(k)) {
    of_rows <- matrix(b[j, term$refs, ], length(term$refs), ncol(u))
    total <- total + term$z[, j] * of_rows
  }
  # A missing level, if allowed, has no random effect.
  total[is.na(term$refs), ] <- 0
  total
}

abort_use_u <- function() {
  abort_argument(
    "Only one of `use.u` and `re.form` can be given.",
    i = "`use.u = TRUE` means `re.form = NULL`; `use.u = FALSE` means `re.form = NA`.",
    arg = "use.u"
  )
}

check_generator <- function(cluster_rand) {
  if (is.function(cluster_rand)) {
    return(invisible())
  }
  abort_argument(
    "`cluster.rand` must be a function that draws as many numbers as it is given.",
    x = it_is(cluster_rand),
    arg = "cluster.rand"
  )
}

#' The fit with another family, whose shape must be known
#' @noRd
with_family <- function(fit, family, env) {
  if (isLMM.rlmm(fit)) {
    check_drawn_family(family)
    return(fit)
  }
  family <- read_family(family, env)
  fit$family <- family
  fit$glmm[c("family", "link")] <- list(core_family(family), family$link)
  if (has_parameter(family)) {
    fit$glmm$shape <- known_shape(family)
  }
  check_drawn_kind(fit)
  fit
}

# Raises an error for a linear model, whose linear predictor is not on the scale of another family's
# link.
check_drawn_family <- function(family) {
  family <- drawn_family(family)
  if (identical(family$family, "gaussian") && family$link == "identity") {
    return(invisible())
  }
  abort_argument(
    "The responses of a linear model are drawn from normal distributions.",
    x = sprintf("`family` is %s(%s).", family$family, family$link),
    i = paste(
      "`simulate(~ x + (1 | g), newdata =, newparams =, family =)`",
      "draws those of a generalized model without a fit."
    ),
    arg = "family",
    class = "rlmm_error_family"
  )
}

# The family from a function, an object or a name.
drawn_family <- function(family) {
  found <- family_of(family)
  if (rlang::is_string(family)) {
    found <- list(family = family, link = "identity")
  }
  if (is.list(found)) {
    return(found)
  }
  abort_argument(
    "`family` must be a family or its name.",
    x = it_is(family),
    arg = "family"
  )
}

# Raises an error if the other family can't have the form of the fit's response, such as two columns
# of counts.
check_drawn_kind <- function(fit) {
  kind <- fit_frame(fit)[[1L]]
  is_binomial <- fit$family$family == "binomial"
  if (is_binomial || !(is.matrix(kind) || is.factor(kind))) {
    return(invisible())
  }
  abort_argument(
    "Draws have the form of the response of the fit.",
    x = sprintf(
      "It is %s, which a %s response can't be.",
      describe_type(kind),
      fit$family$family
    ),
    arg = "family",
    class = "rlmm_error_family"
  )
}

# The parametric bootstrap: replicates of a fit are simulated and refitted by the core in threads.

#' Parametric bootstrap
#'
#' Simulates responses from a fit, refits the model to each of them, and keeps the estimates. The
#' computations run in parallel threads, whose number `options(rlmm.threads = )` or
#' `rlmm_control(threads = )` set.
#'
#' Each replicate has its own stream of random numbers, which depends on the seed and the number of
#' the replicate only. The same seed therefore gives the same results for any number of threads, and
#' `update(b, n = )` continues a finished or interrupted bootstrap ([last_rlmm()] returns the
#' completed part) with the replicates that a larger one would have had.
#'
#' The random effects of each replicate are simulated, as by [simulate()][simulate.rlmm]; `use.u =
#' TRUE` holds them at their conditional modes. The optimizer starts at the estimates of the fit,
#' unless these are singular. Held parameters stay held.
#'
#' A replicate whose fit fails is counted and has missing estimates, which all statistics leave out.
#' Singular replicates (see [is_singular()]) are counted and kept: omitting them would bias standard
#' deviations.
#'
#' @param object A fitted model.
#' @param n The total number of replicates.
#' @param seed A whole number; by default it is drawn from R's random number generator.
#' @param use.u Whether to hold the random effects at their conditional modes.
#' @param type `"parametric"`, or with `use.u = TRUE` also `"semiparametric"`: the residuals of a
#'   linear model are resampled with replacement and added to the fitted values; with weights, they
#'   are multiplied by the square root of their own weight and divided by that of the row they are
#'   added to.
#' @param progress Whether to show progress, by default in an interactive session, on a bar of
#'   package cli. If package progressr is loaded, progress is reported to its handlers instead,
#'   unless `progress = FALSE`.
#' @param ... Passed to methods; for fits of rlmm, not used.
#' @return A list of class `"rlmm_bootstrap"`: `beta`, `std_error` (of the fixed effects, at the
#'   theta of the replicate) and `theta`, matrices with a row for each replicate; the vectors
#'   `sigma`, `shape` (the dispersion or other shape of a generalized model), `objective`, `verdict`
#'   (of the [certificate()]), `error` (`NA`, or the reason why the fit failed) and `replicate` (the
#'   number of each); `seed`; and `fit`. It can be saved by [saveRDS()].
#' @seealso [summary.rlmm_bootstrap()] for tables and intervals, [bootMer()][bootMer.rlmm] for other
#'   statistics.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' b <- bootstrap(fit, n = 200, seed = 1)
#' b
#' confint(b)
#' b <- update(b, n = 300)
#' head(as.data.frame(b))
#' @export
bootstrap <- function(object, ...) UseMethod("bootstrap")

#' @export
bootstrap.default <- function(object, ...) abort_no_method("bootstrap", object)

#' @rdname bootstrap
#' @export
bootstrap.rlmm <- function(
  object,
  n = 1000,
  seed = NULL,
  use.u = FALSE,
  type = "parametric",
  progress = NULL,
  ...
) {
  refuse_dots(...)
  n <- check_number_of_fits(object, n)
  check_seed(seed)
  scheme <- check_drawing(object, use.u, type)
  check_repeatable(
    object,
    "`bootstrap()`",
    "`bootMer(fit, FUN)` fits each replicate as `rlmm()` does."
  )
  seed <- seed %||% draw_seed()
  object <- with_all_rows(object)
  inform_no_replicates(object)
  drawn <- run_bootstrap(object, seq_len(n), seed, scheme, progress)
  whole_bootstrap(new_bootstrap(drawn, object, seed, scheme), n)
}

# Gives a message about coefficients that depend on contrasts of large factors and have no
# replicates.
inform_no_replicates <- function(fit) {
  moved <- coding_dependent_coefficients(fit)
  if (length(moved) == 0L) {
    return(invisible())
  }
  is_one <- length(moved) == 1L
  inform_rlmm(
    c(
      paste0("There are no replicates of ", enumerate(tick(moved)), "."),
      i = paste(
        if (is_one) "It depends" else "They depend",
        "on the contrasts of a fixed factor with many levels.",
        "`bootMer(fit, fixef)` has replicates of all coefficients."
      )
    ),
    "rlmm_message_bootstrap"
  )
}

# Checks how replicates are to be simulated, and returns it in the form of `drawing()`.
check_drawing <- function(fit, use_u, type) {
  check_flag(use_u, "use.u")
  type <- one_of(type, bootstrap_types, "type")
  resampled <- type == "semiparametric"
  if (resampled) {
    check_semiparametric(fit, use_u)
  }
  list(use.u = use_u, resampled = resampled)
}

#' @rdname bootstrap
#' @importFrom stats update
#' @export
update.rlmm_bootstrap <- function(object, n, progress = NULL, ...) {
  refuse_dots(...)
  n <- check_total(object, n)
  seed <- object$seed[[length(object$seed)]]
  wanted <- replicates_to_come(object, n, seed)
  if (length(wanted) == 0L) {
    return(object)
  }
  scheme <- drawing(object)
  drawn <- run_bootstrap(object$fit, wanted, seed, scheme, progress)
  added <- new_bootstrap(drawn, object$fit, seed, scheme)
  whole_bootstrap(c(object, added), n)
}

#' A bootstrap with all of its replicates
#'
#' If the user interrupted it, functions that depend on it are ended as well.
#' @param n The smallest number of replicates.
#' @noRd
whole_bootstrap <- function(b, n) {
  if (length(b$replicate) < n) {
    hint <- "`update(b, n = )` of the bootstrap `b` goes on from there."
    end_interrupted(\() b, hint)
  }
  b
}

# Checks the number of fits to replicates, which must leave room for their estimates.
check_number_of_fits <- function(fit, n) {
  n <- check_replicates(n, "n")
  check_replicates_fit(n, bytes_of_estimates(fit))
  n
}

# Checks the total number of replicates.
check_total <- function(object, n) {
  if (missing(n)) {
    abort_argument(
      "`n` must be given: the number of replicates, in all.",
      x = sprintf("There are %s.", format_count(length(object$replicate))),
      arg = "n"
    )
  }
  check_number_of_fits(object$fit, n)
}


# The numbers of the replicates that are missing for `n` in total.
replicates_to_come <- function(object, n, seed) {
  own <- object$replicate[object$seed == seed]
  n_others <- length(object$replicate) - length(own)
  setdiff(seq_len(max(n - n_others, 0L)), own)
}

bootstrap_types <- c("parametric", "semiparametric")

# How the replicates of a bootstrap were simulated.
drawing <- function(x) {
  list(
    use.u = x$use.u,
    resampled = isTRUE(x$resampled)
  )
}

#' Simulates and fits replicates; those after an interrupt are left out
#' @param scheme A list: `use.u`, whether random effects are held; and `resampled`, whether
#'   residuals are resampled.
#' @noRd
run_bootstrap <- function(fit, replicates, seed, scheme, progress = NULL) {
  UseMethod("run_bootstrap")
}

#' @export
run_bootstrap.rlmm <- function(fit, replicates, seed, scheme, progress = NULL) {
  spec <- spec_to_search(fit)
  control <- refit_control(fit, list(spec = spec))
  control$progress <- progress %||% control$progress
  start <- many_start(fit)
  if (scheme$resampled) {
    y <- resampled_replicates(fit, replicates, seed)
    found <- core_fit_columns(spec, y, start, control)
  } else {
    plan <- bootstrap_plan(fit, replicates, seed, scheme$use.u)
    found <- core_bootstrap(spec, plan, start, control)
  }
  finished_replicates(found, replicates)
}

# The results of the replicates whose fits were completed, in rows.
finished_replicates <- function(found, replicates) {
  is_whole <- whole_fits(found)
  rows <- \(values) {
    if (is.matrix(values)) {
      t(values[, is_whole, drop = FALSE])
    } else {
      values[is_whole]
    }
  }
  lapply(c(found, list(replicate = replicates)), rows)
}

bootstrap_plan <- function(fit, replicates, seed, use_u) {
  hold <- selected_effects(fit, if (use_u) NULL else NA)
  par <- model_parameters(fit, NULL)
  plan <- simulation_plan(fit, par, hold, NULL, FALSE)
  list(
    mean = as.double(plan$mean),
    theta = if (use_u) double() else as.double(fit$theta),
    scale = effects_sigma(fit),
    sigma = fit$sigma,
    shape = drawn_shape(fit),
    seed = as.double(seed),
    replicates = as.integer(replicates)
  )
}

# The shape parameter of the family with which responses are simulated.
drawn_shape <- function(fit) {
  glmm <- fit$glmm
  if (is.null(glmm) || is_dispersed(glmm$family)) {
    return(as.double(fit$sigma^2))
  }
  as.double(glmm$shape %||% 1)
}

new_bootstrap <- function(drawn, fit, seed, scheme) {
  free <- free_beta(fit)
  has_replicates <- !names(fit$beta) %in% coding_dependent_coefficients(fit)
  known <- \(values, held) {
    all_coefficients(values, held, free)[, has_replicates, drop = FALSE]
  }
  structure(
    list(
      beta = known(drawn$beta, fit$beta),
      std_error = known(drawn$std_error, 0 * fit$beta),
      theta = with_colnames(drawn$theta, theta_names(fit$random)),
      sigma = drawn$sigma,
      shape = drawn$shape,
      objective = drawn$objective,
      verdict = drawn$verdict,
      error = drawn$error,
      replicate = drawn$replicate,
      seed = rep(as.double(seed), length(drawn$replicate)),
      use.u = scheme$use.u,
      resampled = scheme$resampled,
      fit = fit
    ),
    class = "rlmm_bootstrap"
  )
}

# Inserts the columns of held coefficients.
all_coefficients <- function(values, held, is_free) {
  all <- matrix(
    held,
    nrow(values),
    length(held),
    byrow = TRUE,
    dimnames = list(NULL, names(held))
  )
  all[, is_free] <- values
  all
}

with_colnames <- function(values, names) {
  dimnames(values) <- list(NULL, names)
  values
}

#' @export
c.rlmm_bootstrap <- function(...) {
  all <- list(...)
  check_same_bootstraps(all)
  joined <- all[[1L]]
  for (name in c("beta", "std_error", "theta")) {
    joined[[name]] <- do.call(rbind, lapply(all, `[[`, name))
  }
  for (name in replicate_vectors) {
    joined[name] <- list(unlist(lapply(all, `[[`, name)))
  }
  drawn_twice <- duplicated(data.frame(joined$seed, joined$replicate))
  if (any(drawn_twice)) {
    abort_drawn_twice(sum(drawn_twice))
  }
  joined
}

# The fields of a bootstrap that have one value for each replicate.
replicate_vectors <- c(
  "sigma",
  "shape",
  "objective",
  "verdict",
  "error",
  "replicate",
  "seed"
)

check_same_bootstraps <- function(all) {
  is_one <- vapply(all, inherits, NA, "rlmm_bootstrap")
  if (!all(is_one)) {
    abort_other_bootstraps(it_is(all[[which(!is_one)[1L]]]))
  }
  is_same <- vapply(all, is_of_same_fit, NA, all[[1L]])
  if (!all(is_same)) {
    abort_other_bootstraps(
      "They belong to different fits, or differ in `use.u` or `type`."
    )
  }
}

is_of_same_fit <- function(b, other) {
  parts <- c("formula", "theta", "beta", "sigma")
  identical(drawing(b), drawing(other)) &&
    identical(b$fit[parts], other$fit[parts])
}

abort_other_bootstraps <- function(found) {
  abort_rlmm(
    c("Only bootstraps of one fit can be put together.", x = found),
    "rlmm_error_bootstrap"
  )
}

abort_drawn_twice <- function(n) {
  abort_rlmm(
    c(
      "The bootstraps have replicates in common.",
      x = paste(
        plural(n, "replicate"),
        "would count twice: the seeds are equal."
      ),
      i = "`update(b, n = )` adds replicates to a bootstrap."
    ),
    "rlmm_error_bootstrap"
  )
}

#' The responses of a bootstrap's replicates
#'
#' Simulates the responses of replicates again, for example of those that failed: `refit(b$fit, y)`
#' is then the fit of one replicate.
#'
#' @param object The result of [bootstrap()].
#' @param nsim Not used; `which` selects the replicates.
#' @param seed Not used.
#' @param which The positions of the replicates in `object`; by default all of them.
#' @param ... Not used.
#' @return A data frame with a column for each replicate; for a binomial model with proportions of
#'   successes.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' b <- bootstrap(fit, n = 10, seed = 1)
#' y <- simulate(b, which = 3)
#' fixef(refit(fit, y)) - b$beta[3, ]
#' @export
simulate.rlmm_bootstrap <- function(
  object,
  nsim = NULL,
  seed = NULL,
  which = seq_along(object$replicate),
  ...
) {
  refuse_dots(...)
  which <- check_places(which, length(object$replicate))
  one <- \(i) {
    replicate_response(
      object$fit,
      object$replicate[[i]],
      object$seed[[i]],
      object
    )
  }
  columns <- lapply(which, one)
  names(columns) <- paste0("sim_", which)
  as.data.frame(columns, optional = TRUE)
}

#' The response of one replicate
#' @noRd
replicate_response <- function(fit, replicate, seed, object) {
  UseMethod("replicate_response")
}

#' @export
replicate_response.rlmm <- function(fit, replicate, seed, object) {
  if (isTRUE(object$resampled)) {
    return(resampled_replicates(fit, replicate, seed)[, 1L])
  }
  plan <- bootstrap_plan(fit, replicate, seed, object$use.u)
  core_draws(fit_spec(fit), plan)[, 1L]
}

# Arguments ------------------------------------------------------------------

#' Raises an error unless the core can refit the model: the fit must hold its data and have no
#' residual variances by stratum
#' @noRd
check_repeatable <- function(fit, what, instead) {
  frame <- fit_frame(fit)
  if (!has_strata(frame)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste(what, "doesn't estimate residual variances by stratum."),
      i = instead
    ),
    "rlmm_error_not_available"
  )
}

#' Checks positions of replicates
#' @noRd
check_places <- function(which, n) {
  if (is.logical(which) && length(which) == n) {
    which <- which(which)
  }
  if (is.numeric(which) && all(which %in% seq_len(n))) {
    return(as.integer(which))
  }
  abort_argument(
    sprintf("`which` must be numbers from 1 to %s.", format_count(n)),
    x = it_is(which),
    arg = "which"
  )
}

draw_seed <- function() sample.int(.Machine$integer.max, 1L)

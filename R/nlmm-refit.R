# Refits of nonlinear mixed models: to other responses, for comparisons and in a bootstrap.

#' @rdname rnlmm
#' @export
#' @rawNamespace S3method(lme4::refit, rlmm_nlmm)
#'   S3method(generics::refit, rlmm_nlmm)
refit.rlmm_nlmm <- function(
  object,
  newresp = NULL,
  ...,
  newweights = NULL
) {
  refuse_dots(...)
  if (!is.null(newresp)) {
    object$frame[[1L]] <- new_values(newresp, object, "newresp")
  }
  if (!is.null(newweights)) {
    weights <- new_values(newweights, object, "newweights")
    check_weights(weights)
    object$frame[["(weights)"]] <- weights
    object$weights <- weights
  }
  fit <- nonlinear_fit_again(object)
  report_nonlinear(fit)
  fit
}

#' The fit of another response, or with other weights, started from the coefficients of this one
#' @noRd
nonlinear_fit_again <- function(fit, max_eval = 2000L) {
  weights <- fit$weights %||% rep(1, nrow(fit$frame))
  fit$dev$n_eff <- sum(weights > 0)
  problem <- fitted_problem(fit)
  est <- search_nonlinear(
    problem,
    fit$beta,
    fit$nAGQ == 0,
    max_eval,
    0L
  )
  new_nonlinear_fit(
    fit$formula,
    fit$parts,
    stored_model(fit),
    problem,
    est,
    fit$call,
    fit$nAGQ
  )
}

# The result of [nonlinear_design()] for a fit.
stored_model <- function(fit) {
  list(
    frame = fit$frame,
    parameters = fit$parameters,
    weights = fit$weights,
    design = list(
      frame = fit$stacked,
      fixed = fit$fixed,
      random = fit$random
    )
  )
}

#' @rdname rnlmm
#' @export
#' @rawNamespace S3method(lme4::refitML, rlmm_nlmm)
refitML.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  x
}

# Comparisons -----------------------------------------------------------------

#' @rdname rnlmm
#' @export
anova.rlmm_nlmm <- function(object, ..., model.names = NULL) {
  fits <- list(object, ...)
  labels <- model.names %||%
    expression_names(as.list(substitute(list(object, ...)))[-1L])
  check_nonlinear_models(fits)
  check_model_names(labels, length(fits))
  check_same_data(fits, labels)
  likelihood_ratio_tests(fits, labels)
}

check_nonlinear_models <- function(fits) {
  is_nonlinear <- vapply(
    fits,
    inherits,
    NA,
    "rlmm_nlmm"
  )
  if (length(fits) > 1L && all(is_nonlinear)) {
    return(invisible())
  }
  abort_argument(
    "`anova()` of a nonlinear fit compares it with other nonlinear fits.",
    x = if (all(is_nonlinear)) {
      "There is but one fit."
    } else {
      it_is(fits[[which(!is_nonlinear)[1L]]])
    },
    i = "`summary()` has a test of each coefficient.",
    arg = "..."
  )
}

# Bootstraps --------------------------------------------------------------------

#' @rdname rnlmm
#' @export
bootstrap.rlmm_nlmm <- function(
  object,
  n = 1000,
  seed = NULL,
  use.u = FALSE,
  progress = NULL,
  ...
) {
  refuse_dots(...)
  n <- check_number_of_fits(object, n)
  check_seed(seed)
  check_flag(use.u, "use.u")
  seed <- seed %||% draw_seed()
  scheme <- list(use.u = use.u, resampled = FALSE)
  fit <- bootstrapped_nonlinear(object)
  drawn <- run_bootstrap(fit, seq_len(n), seed, scheme, progress)
  whole_bootstrap(new_bootstrap(drawn, fit, seed, scheme), n)
}

#' @rdname rnlmm
#' @export
bootMer.rlmm_nlmm <- function(x, FUN, ...) bootMer.rlmm(x, FUN, ...)

# The fit in the form of a linear model of its parameters, for the tables of a bootstrap, with the
# fit inside.
bootstrapped_nonlinear <- function(fit) {
  shell <- stacked_shell(fit)
  shell$nonlinear <- fit
  class(shell) <- c("rlmm_nlmm_shell", class(shell))
  shell
}

#' @export
model_title.rlmm_nlmm_shell <- function(fit) nonlinear_title(fit$nonlinear)

#' @export
run_bootstrap.rlmm_nlmm_shell <- function(
  fit,
  replicates,
  seed,
  scheme,
  progress = NULL
) {
  fit <- fit$nonlinear
  draws <- nonlinear_draws(
    fit,
    replicates,
    seed,
    scheme$use.u
  )
  report <- progress_reporter(length(replicates), "Replicates", progress)
  found <- lapply(seq_along(draws), \(i) {
    if (!is.null(report)) {
      report(i)
    }
    nonlinear_replicate(fit, draws[[i]])
  })
  field <- \(name) do.call(rbind, lapply(found, `[[`, name))
  list(
    beta = field("beta"),
    std_error = field("std_error"),
    theta = field("theta"),
    sigma = as.vector(field("sigma")),
    shape = NULL,
    objective = as.vector(field("objective")),
    verdict = as.vector(field("verdict")),
    error = as.vector(field("error")),
    replicate = replicates
  )
}

#' The simulated responses of replicates, each with its own seed
#' @noRd
nonlinear_draws <- function(fit, replicates, seed, use_u) {
  state <- start_generator(seed)
  on.exit(restore_generator(state$before))
  seeds <- vapply(seq_len(max(replicates)), \(i) draw_seed(), 1L)
  # Omitted rows are not simulated.
  fit$na_action <- NULL
  lapply(seeds[replicates], \(seed) {
    stats::simulate(fit, 1L, seed = seed, use.u = use_u)[[1L]]
  })
}

# The estimates of one replicate, or the reason of its failure.
nonlinear_replicate <- function(fit, y) {
  fit$frame[[1L]] <- y
  found <- tryCatch(nonlinear_fit_again(fit), error = identity)
  if (inherits(found, "error")) {
    return(list(
      beta = NA * fit$beta,
      std_error = NA * fit$beta,
      theta = NA * fit$theta,
      sigma = NA_real_,
      objective = NA_real_,
      verdict = NA_character_,
      error = conditionMessage(found)
    ))
  }
  list(
    beta = found$beta,
    std_error = sqrt(diag(vcov.rlmm_nlmm(found))),
    theta = found$theta,
    sigma = found$sigma,
    objective = found$dev$objective,
    verdict = if (found$optimum$converged) "optimal" else "not converged",
    error = NA_character_
  )
}

#' @export
replicate_response.rlmm_nlmm_shell <- function(fit, replicate, seed, object) {
  nonlinear_draws(fit$nonlinear, replicate, seed, object$use.u)[[1L]]
}

# The one file that calls Rust. Arguments and results are those of SPEC.md; errors come back as data
# and become conditions here.

# `keep` makes of the estimates what is kept if the user interrupts the search.
core_fit <- function(spec, start = NULL, control = list(), keep = NULL) {
  control$progress <- isTRUE(control$progress %||% interactive())
  control$threads <- n_threads(control)
  est <- unwrap(rust_lmm_fit(spec, as.double(start), control), spec)
  end_if_interrupted(est$optsum$status, if (!is.null(keep)) \() keep(est))
  est
}

# Covariance structures, without a model: of the user's terms `random` only `structure`, `columns`,
# `theta` (without it theta is that of the term) and `scale` are looked at.

# What each parameter of each term is: `role` ("scale", "common_scale", "factor", "correlation"),
# `row` and `col` (the element of the covariance matrix that stands for it), `start` (in Lambda =
# I), `lower` and `upper` (its range), `step_size` (one over the size of its column of Z).
core_structures <- function(random) unwrap(rust_structures(random))

# For each term the smallest singular value of Lambda, each effect in units of its column of Z, at
# each column of `thetas`.
core_smallest_singular_values <- function(random, thetas) {
  unwrap(rust_smallest_singular_values(
    random,
    as.double(thetas),
    NROW(thetas)
  ))
}

# Lambda of each term.
core_lambda <- function(random, theta) {
  unwrap(rust_lambda(random, as.double(theta)))
}

# For each term `omega`, k x k; `jacobian`, its derivatives in the term's theta (a row per element);
# and, where correlations are parameters, `correlation` and `correlation_jacobian`, the same of the
# correlation matrix, and `shares`: how far the correlations go from one end of their range (-1) to
# the other (1).
core_covariances <- function(random, theta) {
  unwrap(rust_covariances(random, as.double(theta)))
}

# For each term the sum over the elements of Omega of `slopes` times their second derivatives in
# theta.
core_covariance_bends <- function(random, theta, slopes) {
  unwrap(rust_covariance_bends(random, as.double(theta), slopes))
}

# For each term theta of a covariance matrix, or, if the structure doesn't have it, of one near it.
core_nearest_theta <- function(random, covariances) {
  unwrap(rust_nearest_theta(random, lapply(covariances, as.double)))
}

# The families and links that the core knows, by R's names for them.
core_families <- function() unwrap(rust_families())

# The smallest pivot of the scaled cross-product of columns: above about 1e-8 a proof that they are
# independent. `weights` of the rows may be `NULL`.
core_smallest_pivot <- function(columns, weights, n) {
  unwrap(rust_smallest_pivot(columns, weights, n))
}

# Bytes that R may still take, by what the machine, its container and `ulimit` leave; `NaN` where
# the system doesn't tell.
core_free_memory <- function() unwrap(rust_free_memory())

# Fit once for each control, in parallel threads; an element of the result is an error (a condition)
# where a fit failed.
core_fit_all <- function(spec, start, controls, threads, keep = NULL) {
  threads <- as.integer(threads)
  found <- unwrap(
    if (is.null(spec$glmm)) {
      rust_lmm_fit_all(spec, as.double(start), controls, threads)
    } else {
      rust_glmm_fit_all(spec, lapply(start, as.double), controls, threads)
    }
  )
  ests <- lapply(found, unwrap_or_error)
  statuses <- lapply(ests, \(est) est$optsum$status)
  end_if_interrupted(statuses, if (!is.null(keep)) \() keep(ests))
  ests
}

unwrap_or_error <- function(found) {
  tryCatch(unwrap(found), rlmm_error = identity)
}

# One fit for each column of the matrix `y`, in parallel threads: each as `core_fit()` fits it
# alone, the same for any number of threads. Cross-products of X and Z are summed up once for all of
# them. A list of matrices with one column per response (`theta`, `beta`), of vectors, and `rx`, an
# array with one slice each; where a fit failed they are missing, and `error` says why.
core_fit_many <- function(spec, y, start = NULL, control = list()) {
  check_responses(y)
  many <- unwrap(rust_lmm_fit_many(
    spec,
    as.double(y),
    as.double(start),
    control,
    n_threads(control)
  ))
  if (!all(whole_fits(many))) {
    end_interrupted()
  }
  names <- colnames(y)
  if (!is.null(names)) {
    many <- lapply(many, name_columns, names)
  }
  many
}

# Fits of the columns of y by a linear or a generalized model, from the `theta` and `beta` of
# `start`: what core_fit_many() returns, without `rx`, with `std_error`, `done` and, of a linear
# model and if `control$df`, Satterthwaite's `df` (`NaN` where the core has none).
core_fit_columns <- function(spec, y, start = list(), control = list()) {
  y <- as.matrix(y)
  tell <- progress_teller(ncol(y), "Fits", control$progress)
  fit_some <- \(some) fit_some_columns(spec, y[, some], start, control)
  in_portions(ncol(y), fit_some, tell)
}

fit_some_columns <- function(spec, y, start, control) {
  control$progress <- FALSE
  threads <- n_threads(control)
  y <- as.double(y)
  found <- unwrap(
    if (is.null(spec$glmm)) {
      rust_lmm_fit_many(spec, y, as.double(start$theta), control, threads)
    } else {
      start <- lapply(start, as.double)
      rust_glmm_fit_many(spec, y, start, control, threads)
    }
  )
  found[names(found) != "rx"]
}

# Fits of several specs, in parallel threads: `jobs` is a list of lists of `spec`, `start` and
# `control`, and for linear models of rows, where a coefficient is held, `column` and `value`. Jobs
# on the same rows sum them up once. An element of the result has `objective`, `theta`, `sigma`,
# `beta` and `status`, or is an error (a condition) where a fit failed.
core_fit_each <- function(jobs, is_linear) {
  if (length(jobs) == 0L) {
    return(list())
  }
  stopped <- list(status = "FORCED_STOP")
  lapply(fit_jobs(jobs, is_linear), \(one) unwrap_or_error(one %||% stopped))
}

fit_jobs <- function(jobs, is_linear) {
  specs <- lapply(jobs, `[[`, "spec")
  starts <- lapply(jobs, `[[`, "start")
  controls <- lapply(jobs, `[[`, "control")
  threads <- n_threads(controls[[1L]])
  unwrap(
    if (is_linear) {
      rust_lmm_fit_each(
        specs,
        lapply(starts, as.double),
        controls,
        vapply(jobs, \(job) job$column %||% 0L, 1L),
        vapply(jobs, \(job) as.double(job$value %||% 0), 1),
        threads
      )
    } else {
      starts <- lapply(starts, lapply, as.double)
      rust_glmm_fit_each(specs, starts, controls, threads)
    }
  )
}

# Draws the responses of some replicates from a fit, and fits each of them, in parallel threads: the
# same for any number of threads. `plan` is a list of `mean` (the linear predictor without the
# effects that are drawn), `theta` (empty: no effects are drawn), `scale` (by which Lambda is
# multiplied), `sigma`, `shape`, `seed` and `replicates` (their numbers). Like core_fit_many(), with
# `std_error` (of the fixed effects, given theta) in the place of `rx`, and `done` (`FALSE`: the
# user stopped before it was begun). `start` may hold `theta` and, of a generalized model, `beta`.
core_bootstrap <- function(spec, plan, start = list(), control = list()) {
  all <- plan$replicates
  tell <- progress_teller(length(all), "Replicates", control$progress)
  control$progress <- FALSE
  fit_some <- function(some) {
    plan$replicates <- all[some]
    fit_replicates(spec, plan, start, control)
  }
  in_portions(length(all), fit_some, tell)
}

fit_replicates <- function(spec, plan, start, control) {
  threads <- n_threads(control)
  unwrap(
    if (is.null(spec$glmm)) {
      rust_lmm_bootstrap(spec, plan, as.double(start$theta), control, threads)
    } else {
      start <- lapply(start, as.double)
      rust_glmm_bootstrap(spec, plan, start, control, threads)
    }
  )
}

# The responses that core_bootstrap() draws, a column for each replicate; of the binomial
# proportions.
core_draws <- function(spec, plan) {
  unwrap(
    if (is.null(spec$glmm)) {
      rust_lmm_draws(spec, plan)
    } else {
      rust_glmm_draws(spec, plan)
    }
  )
}

check_responses <- function(y) {
  bad <- which(colSums(!is.finite(y)) > 0)
  if (length(bad) == 0L) {
    return(invisible(y))
  }
  names <- colnames(y)[bad] %||% as.character(bad)
  abort_argument(
    "The responses must be finite.",
    x = paste0(
      plural(length(bad), "column"),
      " with missing or infinite values: ",
      enumerate(names),
      "."
    ),
    arg = "y"
  )
}

name_columns <- function(values, names) {
  if (is.null(dim(values))) {
    return(rlang::set_names(values, names))
  }
  dimnames <- vector("list", length(dim(values)))
  dimnames[[length(dimnames)]] <- names
  `dimnames<-`(values, dimnames)
}

# Zero: as many as there are processors.
n_threads <- function(control) {
  threads <- control$threads %||%
    getOption("rlmm.threads") %||%
    default_threads()
  if (is.finite(threads)) as.integer(threads) else 0L
}

# The environment variable; without it one in a worker, which shares the machine with others, and no
# more than two where packages are checked.
default_threads <- function() {
  given <- Sys.getenv("RLMM_THREADS")
  if (nzchar(given)) {
    return(suppressWarnings(as.integer(given)))
  }
  if (is_worker()) {
    return(1L)
  }
  if (Sys.getenv("_R_CHECK_LIMIT_CORES_", "false") != "false") 2L else 0L
}

# Whether this process is one of several that work at a time: a fork of package parallel, or a
# worker that it or mirai has started. Packages future, foreach and furrr have their work done by
# these.
is_worker <- function() {
  # Not to be found where processes can't fork.
  is_child <- get0("isChild", asNamespace("parallel"), mode = "function")
  is_forked <- is.function(is_child) && isTRUE(is_child())
  command <- commandArgs()
  has_expression <- "-e" %in% command
  is_forked || (has_expression && any(grepl(worker_functions, command)))
}

# The functions that a worker is started with, in an expression of R's command line.
worker_functions <- "workRSOCK|slaveRSOCK|mirai:+[.]?daemon"

# The sums of a spec's rows, with the shift of X and the fit of y that are taken off; `NULL`: the
# means and the least-squares fit.
core_sums <- function(spec, shift = NULL, beta0 = NULL) {
  unwrap(rust_lmm_sums(spec, as.double(shift), as.double(beta0)))
}

# The engine that a spec would be fitted with, and how that stores its system: `"dense"`,
# `"sparse"`, or `"pairs"` of the iterative engine, which are `elements` numbers.
core_engine <- function(spec, control = list()) {
  unwrap(rust_lmm_engine(spec, control))
}

core_estimates <- function(spec, theta) {
  unwrap(rust_lmm_estimates(spec, as.double(theta)))
}

# The objective of a linear model at one theta, or at each column of a matrix.
core_objective <- function(spec, thetas) {
  unwrap(rust_lmm_objective(spec, as.double(thetas)))
}

core_cond_var <- function(spec, theta) {
  unwrap(rust_lmm_cond_var(spec, as.double(theta)))
}

core_leverage <- function(spec, theta) {
  unwrap(rust_lmm_leverage(spec, as.double(theta)))
}

# The gradient and the Hessian in theta (`exact`: whatever it costs), G = d objective / d Omega of
# each core term, and the certificate.
core_derivatives <- function(spec, theta, exact = FALSE) {
  unwrap(rust_lmm_derivatives(spec, as.double(theta), exact))
}

# The gradient, the Hessian (`exact`: whatever it costs, otherwise where it costs little) and G in
# (theta, sigma); `slopes` is the gradient in theta of c'(X'V^-1X)^-1 c for each column c of
# `contrasts`. With `independent` theta is that of independent columns, where those of Z nearly
# depend on each other: it comes along, with the `roots` that lead back (`term`, `first` column,
# `root`).
core_with_sigma <- function(
  spec,
  theta,
  sigma,
  contrasts = NULL,
  exact = FALSE,
  independent = FALSE
) {
  unwrap(rust_lmm_with_sigma(
    spec,
    as.double(theta),
    as.double(sigma),
    as.double(contrasts),
    exact,
    independent
  ))
}

# Generalized models: `spec$glmm` says which. Parameters are theta, then beta (unless
# `spec$glmm$fast`), then the logarithm of an estimated shape.
core_glmm_fit <- function(
  spec,
  start = list(),
  control = list(),
  keep = NULL
) {
  control$progress <- isTRUE(control$progress %||% interactive())
  control$threads <- n_threads(control)
  merged <- merge_equal_rows(spec)
  start <- lapply(start, as.double)
  found <- unwrap(rust_glmm_fit(merged$spec, start, control), spec)
  est <- for_all_rows(found, merged)
  end_if_interrupted(est$optsum$status, if (!is.null(keep)) \() keep(est))
  est
}

core_glmm_estimates <- function(spec, parameters) {
  merged <- merge_equal_rows(spec)
  found <- unwrap(rust_glmm_estimates(merged$spec, as.double(parameters)))
  for_all_rows(found, merged)
}

# The objective of a generalized model at one set of parameters, or at each column of a matrix.
core_glmm_objective <- function(spec, parameters) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_objective(spec, as.double(parameters)))
}

core_glmm_gradient <- function(spec, parameters) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_gradient(spec, as.double(parameters)))
}

# The covariance of the estimates (theta, beta, log shape); not for
# a fast fit. It is `NULL` if the Hessian has a negative eigenvalue. `held` are indices of elements
# of theta that are left out.
core_glmm_covariance <- function(spec, parameters, held = integer()) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_covariance(spec, as.double(parameters), held - 1L))
}

# The certificate of the parameters with its `gradient`, and the `covariance` of
# core_glmm_covariance() (`NULL` of a fast fit).
core_glmm_certificate <- function(spec, parameters, held = integer()) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_certificate(spec, as.double(parameters), held - 1L))
}

core_glmm_cond_var <- function(spec, parameters) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_cond_var(spec, as.double(parameters)))
}

core_glmm_leverage <- function(spec, parameters) {
  # The leverage of all equal rows together is divided among them.
  merged <- merge_equal_rows(spec)
  found <- unwrap(rust_glmm_leverage(merged$spec, as.double(parameters)))
  if (is.null(merged$at)) {
    return(found)
  }
  (found / merged$spec$counts)[merged$at]
}

unwrap <- function(result, spec = NULL) {
  if (inherits(result, "rlmm_core_error")) {
    if (identical(result$kind, "origin")) {
      result$name <- spec$terms[[result$term]]$columns[result$column]
    }
    abort_core(result)
  }
  result
}

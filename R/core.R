# Calls to Rust, all of them in this file. SPEC.md describes arguments and results; errors of the
# core are returned as data and become conditions here.

# `keep` converts the estimates to the result that is kept if the user interrupts the search.
core_fit <- function(spec, start = NULL, control = list(), keep = NULL) {
  control$progress <- isTRUE(control$progress %||% interactive())
  control$threads <- n_threads(control)
  est <- unwrap(rust_lmm_fit(spec, as.double(start), control), spec)
  end_if_interrupted(est$optsum$status, if (!is.null(keep)) \() keep(est))
  est
}

# Covariance structures without a model: of the terms `random` only `structure`, `columns`, `theta`
# (by default the starting value) and `scale` are used.

# A description of the parameters of each term: `role` ("scale", "common_scale", "factor" or
# "correlation"); `row` and `col`, its element of the covariance matrix; `start`, its value at
# Lambda = I; `lower` and `upper`, its bounds; and `step_size`, the reciprocal of the scale of its
# column of Z.
core_structures <- function(random) unwrap(rust_structures(random))

# The smallest singular value of Lambda of each term, with effects scaled by their columns of Z, at
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

# For each term: `omega`, the k x k relative covariance; `jacobian`, its derivatives in the term's
# theta, with a row for each element; and, if correlations are parameters, `correlation`,
# `correlation_jacobian` (the same for the correlation matrix) and `shares`, the position of each
# correlation between the ends of its range (-1 and 1).
core_covariances <- function(random, theta) {
  unwrap(rust_covariances(random, as.double(theta)))
}

# For each term, the second derivatives in theta of the elements of Omega, weighted by `slopes` and
# summed over the elements.
core_covariance_bends <- function(random, theta, slopes) {
  unwrap(rust_covariance_bends(random, as.double(theta), slopes))
}

# For each term, theta of a covariance matrix, or of one near it that the structure allows.
core_nearest_theta <- function(random, covariances) {
  unwrap(rust_nearest_theta(random, lapply(covariances, as.double)))
}

# The families and links of the core, by their names in R.
core_families <- function() unwrap(rust_families())

# The smallest pivot of the scaled cross-product of columns: a value above about 1e-8 proves that
# they are independent. `weights` of the rows may be `NULL`.
core_smallest_pivot <- function(columns, weights, n) {
  unwrap(rust_smallest_pivot(columns, weights, n))
}

# The memory in bytes that is available to R, given the machine, its container and `ulimit`; `NaN`
# if the system doesn't report it.
core_free_memory <- function() unwrap(rust_free_memory())

# Fits one model with each control, in parallel threads; an element of the result is a condition if
# that fit failed.
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

# Fits a model to each column of the matrix `y` in parallel threads. Results equal those of
# `core_fit()` for any number of threads; cross-products of X and Z are computed once. Returns
# matrices with a column for each response (`theta`, `beta`), vectors, and `rx`, an array with a
# slice for each; where a fit failed, they are missing and `error` has the reason.
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

# Fits a linear or generalized model to each column of y, starting from `theta` and `beta` in
# `start`. Returns the elements of core_fit_many() except `rx`, with `std_error`, `done` and, for a
# linear model and if `control$df`, Satterthwaite's `df` (`NaN` where it isn't available).
core_fit_columns <- function(spec, y, start = list(), control = list()) {
  y <- as.matrix(y)
  report <- progress_reporter(ncol(y), "Fits", control$progress)
  fit_some <- \(some) fit_some_columns(spec, y[, some], start, control)
  in_portions(ncol(y), fit_some, report)
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

# Fits several specs in parallel threads: `jobs` is a list of lists of `spec`, `start` and
# `control`, and for linear models of rows, if a coefficient is held, `column` and `value`.
# Cross-products are shared by jobs on the same rows. An element of the result has `objective`,
# `theta`, `sigma`, `beta` and `status`, or is a condition if the fit failed.
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

# Simulates responses from a fit and refits the model to each, in parallel threads, with the same
# results for any number of threads. `plan` is a list of `mean` (the linear predictor without
# simulated effects), `theta` (empty if no effects are simulated), `scale` (which multiplies
# Lambda), `sigma`, `shape`, `seed` and `replicates` (their numbers). Returns the elements of
# core_fit_many(), with `std_error` (of the fixed effects, given theta) in place of `rx`, and `done`
# (`FALSE` if the user interrupted before the replicate began). `start` may have `theta` and, for a
# generalized model, `beta`.
core_bootstrap <- function(spec, plan, start = list(), control = list()) {
  all <- plan$replicates
  report <- progress_reporter(length(all), "Replicates", control$progress)
  control$progress <- FALSE
  fit_some <- function(some) {
    plan$replicates <- all[some]
    fit_replicates(spec, plan, start, control)
  }
  in_portions(length(all), fit_some, report)
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

# The responses that core_bootstrap() simulates, with a column for each replicate; for binomial
# models they are proportions.
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

# The number of threads; zero means one for each processor.
n_threads <- function(control) {
  threads <- control$threads %||%
    option_threads() %||%
    default_threads()
  if (is.finite(threads) && threads > 0) as.integer(threads) else 0L
}

option_threads <- function() {
  threads <- getOption("rlmm.threads")
  if (!is.null(threads)) check_threads(threads, "options(rlmm.threads = )")
}

# The default number of threads: the environment variable; otherwise one in a worker process, which
# shares the machine with others, and at most two while packages are checked.
default_threads <- function() {
  given <- Sys.getenv(thread_variables, names = FALSE)
  if (nzchar(given[1L])) {
    return(suppressWarnings(as.integer(given[1L])))
  }
  if (is_worker()) {
    return(1L)
  }
  if (given[2L] %in% c("", "false")) 0L else 2L
}

# The environment variables that limit the number of threads.
thread_variables <- c("RLMM_THREADS", "_R_CHECK_LIMIT_CORES_")

# Whether this process is one of several workers: a fork of package parallel, or a worker started by
# it or by mirai. The packages future, foreach and furrr use these.
is_worker <- function() {
  if (isNamespaceLoaded("parallel") && is_fork()) {
    return(TRUE)
  }
  command <- commandArgs()
  has_expression <- "-e" %in% command
  has_expression && any(grepl(worker_functions, command))
}

# Whether package parallel forked this process. The function that it asks doesn't exist on systems
# without forks.
is_fork <- function() {
  is_child <- get0("isChild", asNamespace("parallel"), mode = "function")
  is.function(is_child) && isTRUE(is_child())
}

# Functions in the command line of a worker process.
worker_functions <- "workRSOCK|slaveRSOCK|mirai:+[.]?daemon"

# The sums of a spec's rows, with the origins of X and the fit to y that are subtracted; `NULL`
# stands for the column means and the least-squares fit.
core_sums <- function(spec, shift = NULL, beta0 = NULL) {
  unwrap(rust_lmm_sums(spec, as.double(shift), as.double(beta0)))
}

# The engine for a spec and the storage of its system: `"dense"` or `"sparse"`, or `"pairs"` for the
# iterative engine, with the number of `elements`.
core_engine <- function(spec, control = list()) {
  unwrap(rust_lmm_engine(spec, control))
}

# Variances over sigma^2 of combinations of all effects: `x` has a row for each combination, the
# weights of the fixed effects, and `z` is a list of vectors, the weights of random effects: `row`,
# `term` (of the spec), `place` (among the effects of all levels of the term) and `value`. A list:
# `whole`, the variances, and `of_fixed`, their reduction if the fixed effects are known.
core_variances <- function(spec, theta, x, z) {
  unwrap(rust_lmm_variances(
    spec,
    as.double(theta),
    as.double(t(x)),
    list(
      row = as.integer(z$row),
      term = as.integer(z$term),
      place = as.integer(z$place),
      value = as.double(z$value)
    ),
    nrow(x)
  ))
}

core_estimates <- function(spec, theta) {
  unwrap(rust_lmm_estimates(spec, as.double(theta)))
}

# The objective of a linear model at one theta or at each column of a matrix.
core_objective <- function(spec, thetas) {
  unwrap(rust_lmm_objective(spec, as.double(thetas)))
}

core_cond_var <- function(spec, theta) {
  unwrap(rust_lmm_cond_var(spec, as.double(theta)))
}

core_leverage <- function(spec, theta) {
  unwrap(rust_lmm_leverage(spec, as.double(theta)))
}

# The gradient and the Hessian in theta (with `exact` whatever its cost), G = d objective / d Omega
# of each core term, and the certificate.
core_derivatives <- function(spec, theta, exact = FALSE) {
  unwrap(rust_lmm_derivatives(spec, as.double(theta), exact))
}

# The gradient, the Hessian (with `exact` whatever its cost, otherwise only if it is cheap) and G in
# (theta, sigma). `slopes` is the gradient in theta of c'(X'V^-1X)^-1 c for each column c of
# `contrasts`. With `independent`, theta refers to orthogonalized columns where those of Z are
# nearly dependent, and is returned with the `roots` of the transformation (`term`, `first` column,
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

# Fits a generalized model, described by `spec$glmm`. The parameters are theta, then beta (unless
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

# The objective of a generalized model at one vector of parameters or at each column of a matrix.
core_glmm_objective <- function(spec, parameters) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_objective(spec, as.double(parameters)))
}

core_glmm_gradient <- function(spec, parameters) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_gradient(spec, as.double(parameters)))
}

# The covariance of the estimates (theta, beta, log shape), not available for a fast fit; `NULL` if
# the Hessian has a negative eigenvalue. `held` are indices of elements of theta that are held.
core_glmm_covariance <- function(spec, parameters, held = integer()) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_covariance(spec, as.double(parameters), held - 1L))
}

# The certificate of the parameters with its `gradient`, and the `covariance` of
# core_glmm_covariance() (`NULL` for a fast fit).
core_glmm_certificate <- function(spec, parameters, held = integer()) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_certificate(spec, as.double(parameters), held - 1L))
}

# The covariance of sums of the coefficients of fixed factors given all parameters; `weights` has a
# row for each effect of the fixed terms and a column for each sum.
core_glmm_level_covariance <- function(spec, parameters, weights) {
  spec <- merge_equal_rows(spec)$spec
  found <- rust_glmm_level_covariance(
    spec,
    as.double(parameters),
    as.double(weights)
  )
  matrix(unwrap(found), ncol(weights))
}

core_glmm_cond_var <- function(spec, parameters) {
  spec <- merge_equal_rows(spec)$spec
  unwrap(rust_glmm_cond_var(spec, as.double(parameters)))
}

core_glmm_leverage <- function(spec, parameters) {
  # The joint leverage of equal rows is divided among them.
  merged <- merge_equal_rows(spec)
  found <- unwrap(rust_glmm_leverage(merged$spec, as.double(parameters)))
  if (is.null(merged$at)) {
    return(found)
  }
  (found / merged$spec$counts)[merged$at]
}

unwrap <- function(result, spec = NULL) {
  if (is.object(result) && inherits(result, "rlmm_core_error")) {
    if (identical(result$kind, "origin")) {
      columns <- spec$terms[[result$term]]$columns
      result$name <- unquoted(columns[result$column])
    }
    if (identical(result$kind, "interrupted")) {
      end_interrupted()
    }
    abort_core(result)
  }
  result
}

# The search for the estimates of a nonlinear mixed model.

#' The estimates of a nonlinear problem, searched for in orthogonal columns
#' @noRd
search_nonlinear <- function(problem, start, fast, max_eval, verbose) {
  near <- in_orthogonal_parameters(problem)
  root <- near$basis$fixed
  if (!is.null(root)) {
    start <- drop(root %*% start)
  }
  est <- search_in_columns(near, start, fast, max_eval, verbose)
  in_given_columns(est, near, problem)
}

#' The estimates: first with beta found together with the modes, then by the Laplace approximation
#' in all parameters
#' @noRd
search_in_columns <- function(problem, start, fast, max_eval, verbose) {
  bounds <- theta_bounds(problem$random)
  check_nonlinear_start(problem, bounds$start, start)
  memory <- search_memory(problem, bounds$start, start)
  first <- search_theta(problem, memory, bounds, max_eval, verbose)
  memory$theta <- first$par
  at <- modes_with_beta(problem, memory)
  if (fast || is.null(at)) {
    return(finished_search(problem, memory$theta, at, first, memory))
  }
  search_with_beta(problem, at, memory, max_eval, verbose)
}

# The search for theta with beta found together with the modes.
search_theta <- function(problem, memory, bounds, max_eval, verbose) {
  objective <- laplace_function(problem, memory, TRUE)
  search <- \(theta) minimize(objective, theta, bounds, max_eval, verbose)
  first <- search(bounds$start)
  other <- lower_theta(problem, memory, objective, first)
  if (is.null(other)) first else search(other)
}

# The default start and the bounds of theta.
theta_bounds <- function(random) {
  roles <- core_structures(random)
  fields <- c(start = "start", lower = "lower", upper = "upper")
  lapply(fields, \(field) unlist(lapply(roles, `[[`, field)))
}

modes_with_beta <- function(problem, memory) {
  nonlinear_modes(
    problem,
    memory$theta,
    memory$beta,
    memory$u,
    with_beta = TRUE
  )
}

#' Theta of the linearized model, if the objective is lower there than at the end of a search
#' @noRd
lower_theta <- function(problem, memory, objective, first) {
  memory$theta <- first$par
  at <- if (length(first$par) > 1L) modes_with_beta(problem, memory)
  if (is.null(at)) {
    return(NULL)
  }
  other <- working_theta(problem, at, first$par)
  value <- if (!is.null(other)) objective(other) else Inf
  if (value < first$objective - 1e-4) {
    return(other)
  }
  memory$beta <- at$beta
  memory$u <- at$u
  NULL
}

# The state between evaluations of the objective: the modes and the number of evaluations.
search_memory <- function(problem, theta, beta) {
  rlang::new_environment(list(
    theta = theta,
    beta = beta,
    u = numeric(ncol(problem$z)),
    value = 0,
    count = 0L
  ))
}

# Optimizes theta and beta together, from the optimum in theta, with beta in units of its standard
# errors.
search_with_beta <- function(problem, at, memory, max_eval, verbose) {
  memory$beta <- at$beta
  memory$u <- at$u
  theta <- memory$theta
  errors <- beta_errors(problem, at)
  scale <- c(rep(1, length(theta)), errors)
  bounds <- theta_bounds(problem$random)
  objective <- laplace_function(problem, memory, FALSE)
  found <- minimize(
    \(scaled) objective(scaled * scale),
    c(theta, at$beta) / scale,
    list(
      lower = c(bounds$lower, rep(-Inf, length(errors))),
      upper = c(bounds$upper, rep(Inf, length(errors)))
    ),
    max_eval,
    verbose
  )
  finish_with_beta(problem, found, found$par * scale, memory)
}

# The standard errors of the fixed effects at given modes.
beta_errors <- function(problem, at) {
  inverse <- chol2inv(fixed_root(problem, at))
  sqrt(diag(inverse) * at$pwrss / problem$n)
}

finish_with_beta <- function(problem, found, parameters, memory) {
  of_theta <- seq_along(memory$theta)
  theta <- parameters[of_theta]
  at <- nonlinear_modes(problem, theta, parameters[-of_theta], memory$u)
  finished_search(problem, theta, at, found, memory)
}

check_nonlinear_start <- function(problem, theta, start) {
  z <- scaled_z(problem, theta)
  at <- squares_at(problem, z, start, numeric(ncol(z)))
  if (is.finite(at$pwrss) && all(is.finite(at$mean$gradient))) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The mean, or its gradient, isn't finite at `start`.",
      x = paste0(
        "There ",
        enumerate(format(start, digits = 4L), max = 10L),
        "."
      )
    ),
    "rlmm_error_start"
  )
}

#' Minimizes by `nlminb()`, which is restarted once if it stops without convergence
#' @noRd
minimize <- function(objective, start, bounds, max_eval, verbose) {
  if (length(start) == 0L) {
    return(list(par = start, objective = objective(start), convergence = 0L))
  }
  control <- nlminb_control(max_eval, verbose)
  found <- stats::nlminb(
    start,
    objective,
    lower = bounds$lower,
    upper = bounds$upper,
    control = control
  )
  if (grepl("relative convergence", found$message, fixed = TRUE)) {
    return(found)
  }
  stats::nlminb(
    found$par,
    objective,
    lower = bounds$lower,
    upper = bounds$upper,
    control = control
  )
}

nlminb_control <- function(max_eval, verbose) {
  list(
    eval.max = max_eval,
    iter.max = max_eval,
    rel.tol = 1e-12,
    x.tol = 1e-10,
    trace = as.integer(verbose > 0)
  )
}

#' R_X, with R_X'R_X = X'J'V^-1 J X
#' @noRd
fixed_root <- function(problem, at) {
  x <- times_gradient(
    problem$x,
    problem$root * at$mean$gradient,
    problem$n_rows
  )
  cross <- as.matrix(Matrix::crossprod(at$linear$m, x))
  led <- crossprod(cross, at$linear$k$solve(cross))
  chol(crossprod(x) - led)
}

finished_search <- function(problem, theta, at, found, memory) {
  check_modes_found(at)
  linear <- at$linear$k
  list(
    theta = theta,
    beta = at$beta,
    u = at$u,
    sigma = sqrt(at$pwrss / problem$n),
    fitted = at$mean$value,
    objective = laplace_objective(problem, at),
    pwrss = at$pwrss,
    log_det = linear$log_det,
    solve = linear$solve,
    rx = fixed_root(problem, at),
    converged = found$convergence == 0L || is_noise_limited(found),
    message = found$message,
    evaluations = memory$count
  )
}

check_modes_found <- function(at) {
  if (is.null(at)) {
    abort_rlmm(
      c(
        "The modes of the random effects weren't found.",
        i = "Is another `start` nearer to the data?"
      ),
      "rlmm_error_pirls"
    )
  }
}

# Whether nlminb() stopped because no step lowers the objective by more than rounding errors.
is_noise_limited <- function(found) {
  grepl("singular convergence|false convergence", found$message %||% "")
}

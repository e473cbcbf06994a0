# The search for the estimates of a nonlinear mixed model.

#' The estimates of a nonlinear problem, searched for in orthogonal columns
#' @noRd
search_nonlinear <- function(problem, start, fast, max_eval, verbose) {
  gradient <- gradient_at_start(problem, start)
  near <- in_orthogonal_parameters(problem)
  near$sizes <- theta_sizes(near, gradient)
  root <- near$basis$fixed
  from <- if (is.null(root)) start else drop(root %*% start)
  est <- search_in_columns(
    near,
    from,
    fast,
    max_eval,
    verbose
  )
  if (is.null(est)) {
    abort_modes(problem, gradient)
  }
  check_digits_of_mean(near, est$gradient)
  in_given_columns(est, near, problem)
}

# Raises an error if the mean's derivatives at the estimates are so nearly linearly dependent, in
# orthogonal columns too, that their cross-products have no digits left.
check_digits_of_mean <- function(problem, gradient) {
  alike <- aliases_at(problem, gradient, least_distinctness)
  if (length(alike) > 0L) {
    abort_rlmm(
      c(
        "The fixed effects can't be told apart with the digits of a computer's numbers.",
        x = sprintf("It concerns %s.", enumerate(tick(alike))),
        i = if (is_nearly_aliased(problem, gradient)) centre_advice
      ),
      "rlmm_error_origin"
    )
  }
}

centre_advice <- paste(
  "Is a covariate far from zero? Centre it: take its mean, or a round number",
  "near it, off."
)

#' The estimates: first with beta found together with the modes, then by the Laplace approximation
#' in all parameters; `NULL` if no modes are found
#' @noRd
search_in_columns <- function(problem, start, fast, max_eval, verbose) {
  bounds <- theta_bounds(problem)
  memory <- search_memory(problem, bounds$start, start)
  first <- search_theta(
    problem,
    memory,
    bounds,
    max_eval,
    verbose
  )
  memory$theta <- first$par
  at <- modes_with_beta(problem, memory)
  if (fast || is.null(at)) {
    return(finished_search(problem, memory$theta, at, first, memory))
  }
  search_with_beta(
    problem,
    at,
    memory,
    max_eval,
    verbose
  )
}

# The search for theta with beta found together with the modes.
search_theta <- function(problem, memory, bounds, max_eval, verbose) {
  objective <- laplace_function(problem, memory, TRUE)
  search <- \(theta) minimize(objective, theta, bounds, max_eval, verbose)
  first <- search(bounds$start)
  other <- lower_theta(
    problem,
    memory,
    objective,
    first
  )
  if (is.null(other)) first else search(other)
}

#' The default start and the bounds of theta, with the `origin` and the `size` of its elements
#' @noRd
theta_bounds <- function(problem) {
  roles <- core_structures(problem$random)
  fields <- c(start = "start", lower = "lower", upper = "upper")
  bounds <- lapply(fields, \(field) unlist(lapply(roles, `[[`, field)))
  bounds$start <- bounds$start * problem$sizes
  c(bounds, list(origin = 0 * problem$sizes, size = problem$sizes))
}

#' The sizes of the elements of theta
#'
#' At an element of this size alone, the random effects have about the variance sigma^2 in the
#' linearized mean, in any units of the response, the parameters and the weights.
#' @noRd
theta_sizes <- function(problem, gradient) {
  roles <- core_structures(problem$random)
  unlist(unname(Map(sizes_of_term, roles, effect_sizes(problem, gradient))))
}

#' The root mean squares of the derivatives of the mean in the random effects of each term
#' @noRd
effect_sizes <- function(problem, gradient) {
  z <- times_gradient(problem$z, problem$root * gradient, problem$n_rows)
  k <- n_columns(problem)
  of_term <- rep(seq_along(k), k * n_levels(problem))
  squares <- split(Matrix::colSums(z^2) / problem$n, of_term)
  Map(\(own, k) sqrt(rowSums(matrix(own, k))), unname(squares), unname(k))
}

# The sizes of the elements of one term, from those of its effects.
sizes_of_term <- function(roles, of_effects) {
  found <- ifelse(
    roles$role == "common_scale",
    sqrt(mean(of_effects^2)),
    of_effects[roles$row]
  )
  is_usable <- roles$role != "correlation" & is.finite(found) & found > 0
  ifelse(is_usable, 1 / found, 1)
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

# Optimizes theta and beta together, from the optimum in theta, with the distance of beta from its
# estimate there in units of its standard errors.
search_with_beta <- function(problem, at, memory, max_eval, verbose) {
  memory$beta <- at$beta
  memory$u <- at$u
  found <- minimize(
    laplace_function(problem, memory, FALSE),
    c(memory$theta, at$beta),
    bounds_with_beta(theta_bounds(problem), at$beta, beta_errors(problem, at)),
    max_eval,
    verbose
  )
  finish_with_beta(problem, found, memory)
}

bounds_with_beta <- function(bounds, beta, errors) {
  free <- rep(Inf, length(beta))
  list(
    lower = c(bounds$lower, -free),
    upper = c(bounds$upper, free),
    origin = c(bounds$origin, beta),
    size = c(bounds$size, errors)
  )
}

# The standard errors of the fixed effects at given modes.
beta_errors <- function(problem, at) {
  inverse <- inverse_of_cross(fixed_root(problem, at))
  sqrt(diag(inverse) * at$pwrss / problem$n)
}

finish_with_beta <- function(problem, found, memory) {
  of_theta <- seq_along(memory$theta)
  theta <- found$par[of_theta]
  at <- nonlinear_modes(problem, theta, found$par[-of_theta], memory$u)
  finished_search(problem, theta, at, found, memory)
}

#' The gradient of the mean at the starting values, with random effects of zero
#' @noRd
gradient_at_start <- function(problem, start) {
  at <- squares_at(problem, problem$z, start, numeric(ncol(problem$z)))
  if (is.finite(at$pwrss) && all(is.finite(at$mean$gradient))) {
    return(at$mean$gradient)
  }
  abort_rlmm(
    c(
      "The mean, or its gradient, isn't finite at `start`.",
      x = start_text(problem, start)
    ),
    "rlmm_error_start"
  )
}

start_text <- function(problem, start) {
  if (length(start) == 0L) {
    return("Without fixed effects all parameters are zero there.")
  }
  names <- tick(problem$shell$fixed$names)
  values <- paste(names, "=", format(start, digits = 4L, trim = TRUE))
  sprintf("There %s.", enumerate(values, max = 10L))
}

#' Minimizes by `nlminb()`, which is restarted once if it stops without convergence
#' @param bounds The `lower` and `upper` limits, and `origin` and `size`: the search is in
#'   (parameters - origin) / size.
#' @noRd
minimize <- function(objective, start, bounds, max_eval, verbose) {
  if (length(start) == 0L) {
    return(list(par = start, objective = objective(start), convergence = 0L))
  }
  place <- \(x) bounds$origin + bounds$size * x
  scaled <- \(x) (x - bounds$origin) / bounds$size
  value <- \(x) objective(place(x))
  lower <- scaled(bounds$lower)
  slopes <- if (is_coarse(bounds)) \(x) slopes_by_differences(value, x, lower)
  search <- \(from) {
    found <- stats::nlminb(
      scaled(from),
      value,
      slopes,
      lower = lower,
      upper = scaled(bounds$upper),
      control = nlminb_control(max_eval, verbose)
    )
    replace(found, "par", list(place(found$par)))
  }
  found <- search(start)
  if (grepl("relative convergence", found$message, fixed = TRUE)) {
    return(found)
  }
  search(found$par)
}

# Whether a parameter is so large beside its standard error that it has hardly a different value
# within 1e-8 of that, the step of nlminb()'s own differences.
is_coarse <- function(bounds) {
  any(.Machine$double.eps * abs(bounds$origin) > 1e-10 * bounds$size)
}

# The gradient by central differences over a thousandth of a standard error.
slopes_by_differences <- function(f, x, lower) {
  slopes <- 0 * x
  for (j in seq_along(x)) {
    up <- replace(x, j, x[j] + 1e-3)
    down <- replace(x, j, max(x[j] - 1e-3, lower[j]))
    slopes[j] <- (f(up) - f(down)) / (up[j] - down[j])
  }
  slopes
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

# The inverse of R'R, also without columns.
inverse_of_cross <- function(root) {
  if (length(root) == 0L) root else chol2inv(root)
}

#' R_X, with R_X'R_X = X'J'V^-1 J X
#' @noRd
fixed_root <- function(problem, at) {
  if (ncol(problem$x) == 0L) {
    return(diag(0L))
  }
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
  if (is.null(at)) {
    return(NULL)
  }
  linear <- at$linear$k
  list(
    theta = theta,
    beta = at$beta,
    u = at$u,
    sigma = sqrt(at$pwrss / problem$n),
    fitted = at$mean$value,
    gradient = at$mean$gradient,
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

abort_modes <- function(problem, gradient) {
  abort_rlmm(
    c(
      "The modes of the random effects weren't found.",
      x = alias_at_start(problem, gradient),
      i = "Is another `start` nearer to the data?",
      i = if (is_nearly_aliased(problem, gradient)) centre_advice
    ),
    "rlmm_error_pirls"
  )
}

#' A sentence about fixed effects that the mean can't tell apart at `start`; `NULL` without such
#' @noRd
alias_at_start <- function(problem, gradient) {
  size <- sqrt(colSums(fixed_gradient(problem, gradient)^2))
  if (any(size == 0)) {
    names <- tick(problem$shell$fixed$names[size == 0])
    without <- enumerate(names, last = "or")
    return(sprintf("At `start` the mean doesn't depend on %s.", without))
  }
  alike <- aliases_at(problem, gradient)
  if (length(alike) > 0L) {
    alike <- enumerate(tick(alike))
    sprintf("At `start` the mean can't tell the effects of %s apart.", alike)
  }
}

# The derivatives of the mean in the fixed effects.
fixed_gradient <- function(problem, gradient) {
  times_gradient(problem$x, problem$root * gradient, problem$n_rows)
}

# The names of fixed effects in whose directions derivatives of the mean are linearly dependent.
aliases_at <- function(problem, gradient, limit = 1e-7) {
  x <- fixed_gradient(problem, gradient)
  size <- sqrt(colSums(x^2))
  if (length(size) == 0L || any(size == 0)) {
    return(character())
  }
  problem$shell$fixed$names[null_columns(t(t(x) / size), limit)]
}

# Whether the derivatives of the mean are linearly dependent up to differences above their rounding
# errors, as those of a covariate far from zero are.
is_nearly_aliased <- function(problem, gradient) {
  n_below <- \(limit) length(aliases_at(problem, gradient, limit))
  n_below(1e-7) > n_below(1e-13)
}

# Below this singular value of derivatives of length one, cross-products have rounding errors as
# large as what distinguishes the effects.
least_distinctness <- 2e-8

# The columns that stand in linear dependencies, of columns of length one.
null_columns <- function(x, limit) {
  found <- svd(x, nu = 0L, nv = ncol(x))
  is_null <- seq_len(ncol(x)) > sum(found$d > limit)
  which(rowSums(found$v[, is_null, drop = FALSE]^2) > 1e-4)
}

# Whether nlminb() stopped because no step lowers the objective by more than rounding errors.
is_noise_limited <- function(found) {
  grepl("singular convergence|false convergence", found$message %||% "")
}

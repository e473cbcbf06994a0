#' Score and Hessian of the variance parameters
#'
#' Exact first and second derivatives of the log-likelihood (restricted, for a REML fit) in the
#' covariance parameters, at the estimates or at other values, with the fixed effects profiled out.
#'
#' @details
#' There are three parameterizations:
#'
#' * `"user"`: the variances and covariances of the random effects of each term (lower triangle,
#'   column by column) and the residual variance, `sigma2`; for a term in `cs()` or `ar1()`, its
#'   variances and the covariance of the first two effects;
#' * `"profile"`: the same variances and covariances relative to the residual variance, which is
#'   profiled out;
#' * `"sqrt"`: theta, the elements of the Cholesky factors of these relative covariances; the
#'   residual variance is profiled out.
#'
#' At a regular optimum the score is zero and minus the inverse of the Hessian is the covariance
#' matrix of the estimates. At a singular covariance, the score under `"user"` and `"profile"` is
#' the derivative in the covariances themselves: it need not be zero there, but points out of the
#' cone of covariance matrices. The Hessian under these two doesn't exist as a function of theta and
#' is an error; in theta it always exists. If a covariate is so far from zero that the effects of a
#' term are almost perfectly correlated, and second derivatives have too few digits (from about 3e5
#' standard deviations on in `cs()`, from 200 on in unstructured terms of sums), `hessian()` asks
#' you to centre it, and so does `score()` from 2,000 on in sums.
#'
#' For a generalized model the parameters are those of `as.function(fit)`: theta, the fixed effects
#' (unless PIRLS finds them, `nAGQ = 0`), and the logarithm of an estimated shape; `"sqrt"` is the
#' only parameterization. The Hessian is computed by central differences of the exact score.
#'
#' @param object A fitted model.
#' @param at The values of the parameters, in the order of `variance_parameters()`; by default the
#'   estimates.
#' @param parameterization The parameterization: `"user"`, `"profile"` or `"sqrt"`.
#' @param ... Not used; any argument here is an error.
#' @return `score()` and `variance_parameters()`: a named vector. `hessian()`: a matrix with row and
#'   column names.
#' @seealso [variance_vcov()] for standard errors.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
#' score(fit)
#' variance_parameters(fit, "profile")
#' score(fit, at = c(1, 0, 0.2), parameterization = "sqrt")
#' solve(-hessian(fit))
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' score(ticks, at = c(1, 0.5, 1, -1))
#' @export
score <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt"),
  ...
) {
  check_fit(object, "object")
  UseMethod("score")
}

#' @export
score.rlmm_lmm <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt"),
  ...
) {
  refuse_dots(...)
  near <- derivation_point(object, at, parameterization, far_in_sums$score)
  point <- near$point
  spec <- fitted_spec(near$fit)
  gradient <- switch(
    point$kind,
    sqrt = theta_derivatives(object, point)$gradient,
    profile = relative_gradient(near$fit, spec, point),
    user = absolute_gradient(near$fit, spec, point)
  )
  stats::setNames(-slopes_in_given(gradient, near) / 2, point$names)
}

# The gradient of the objective in the relative covariances, with sigma profiled out.
relative_gradient <- function(object, spec, point) {
  found <- core_derivatives(spec, point$theta)
  covariance_gradient(object, point$theta, found)
}

# The gradient of the objective in the covariances and, unless sigma is known, in sigma^2.
absolute_gradient <- function(object, spec, point) {
  sigma <- point$sigma
  found <- absolute_derivatives(object, spec, point)
  relative <- covariance_gradient(object, point$theta, found)
  if (object$known_sigma) {
    return(relative / sigma^2)
  }
  # At fixed covariances, a larger sigma decreases the relative ones.
  map <- variance_map(object, "profile", point$theta)
  shrink <- sum(relative * map$value) / sigma^2
  in_sigma <- found$gradient[length(found$gradient)]
  c(relative / sigma^2, in_sigma / (2 * sigma) - shrink)
}

#' @rdname score
#' @export
hessian <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt"),
  ...
) {
  check_fit(object, "object")
  UseMethod("hessian")
}

#' @export
hessian.rlmm_lmm <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt"),
  ...
) {
  refuse_dots(...)
  near <- derivation_point(object, at, parameterization, far_in_sums$hessian)
  point <- near$point
  out <- if (point$kind == "sqrt") {
    theta_derivatives(object, point, exact = TRUE)$hessian
  } else {
    covariance_hessian(near)
  }
  out <- -(out + t(out)) / 4
  dimnames(out) <- list(point$names, point$names)
  out
}

# The Hessian of the objective in the covariances of the given columns.
covariance_hessian <- function(near) {
  check_digits_of_correlations(near$fit, near$point$theta)
  found <- second_derivatives(near$fit, near$point)
  curvature_in_given(change_coordinates(near$fit, found, near$point), near)
}

# The derivatives of the objective in theta, and for absolute covariances in sigma.
second_derivatives <- function(object, point) {
  if (point$kind == "profile") {
    return(profiled_derivatives(object, point, exact = TRUE))
  }
  absolute_derivatives(object, fitted_spec(object), point, exact = TRUE)
}

#' @rdname score
#' @export
variance_parameters <- function(
  object,
  parameterization = c("user", "profile", "sqrt"),
  ...
) {
  check_fit(object, "object")
  UseMethod("variance_parameters")
}

#' @export
variance_parameters.rlmm_lmm <- function(
  object,
  parameterization = c("user", "profile", "sqrt"),
  ...
) {
  refuse_dots(...)
  kind <- one_of(parameterization, parameterizations, "parameterization")
  if (kind == "sqrt") {
    return(named_theta(object, object$theta))
  }
  value <- variance_map(
    object,
    if (kind == "user") "variance" else "profile"
  )$value
  if (kind == "user" && object$known_sigma) value[-length(value)] else value
}

parameterizations <- c("user", "profile", "sqrt")

# A fit at the point of differentiation, in orthogonal columns. `limits` are those of sums.
derivation_point <- function(object, at, parameterization, limits) {
  point <- parameter_point(object, at, parameterization)
  check_far_in_sums(object, limits[[point$kind]])
  in_columns_of_score(object, point)
}

# The point of differentiation: theta and sigma for `at`, and the names of the parameters.
parameter_point <- function(object, at, parameterization) {
  kind <- one_of(parameterization, parameterizations, "parameterization")
  estimates <- variance_parameters(object, kind)
  if (is.null(at)) {
    return(list(
      kind = kind,
      theta = object$theta,
      sigma = object$sigma,
      names = names(estimates)
    ))
  }
  check_parameters(at, estimates)
  at <- as.double(at)
  if (kind == "sqrt") {
    return(list(kind = kind, theta = at, names = names(estimates)))
  }
  sigma <- if (kind == "user") sigma_among(at, object)
  list(
    kind = kind,
    theta = factor_covariances(object, at, sigma %||% 1),
    sigma = sigma,
    names = names(estimates)
  )
}

# The sigma of parameters that end with sigma^2, unless sigma is known.
sigma_among <- function(at, object) {
  if (object$known_sigma) object$sigma else sqrt(at[length(at)])
}

check_parameters <- function(at, estimates) {
  n <- length(estimates)
  is_right <- is.numeric(at) && length(at) == n
  if (!is_right || !all(is.finite(at))) {
    order <- enumerate(in_quotes(names(estimates)), max = 10L)
    abort_argument(
      sprintf("`at` must hold %s.", plural(n, "finite number")),
      i = sprintf("In order: %s.", order),
      arg = "at"
    )
  }
  if ("sigma2" %in% names(estimates) && at[n] <= 0) {
    abort_argument(
      "The variance of the residuals in `at` must be positive.",
      arg = "at"
    )
  }
}

# The theta of covariances, which must be positive definite.
factor_covariances <- function(object, at, scale) {
  theta <- numeric(length(object$theta))
  for (term in object$random) {
    own <- at[term$theta] / scale^2
    theta[term$theta] <- factor_term(term, own)
  }
  theta
}

factor_term <- function(term, values) {
  roles <- term_roles(term)
  theta <- if (has_rho(term$structure)) {
    scaled_theta(term, roles, values)
  } else {
    cholesky_theta(term, roles, values)
  }
  if (!is.null(theta)) {
    return(theta)
  }
  abort_argument(
    "`at` must hold positive definite covariances.",
    x = paste0("Those of ", tick(term_text(term)), " are not."),
    arg = "at"
  )
}

cholesky_theta <- function(term, roles, values) {
  covariance <- covariance_matrix(term, roles, values)
  factor <- tryCatch(t(chol(covariance)), error = \(e) NULL)
  factor[covariance_cells(term, roles)]
}

# The theta of a term with correlation parameters, from its variances and the covariances that
# represent the correlations.
scaled_theta <- function(term, roles, values) {
  is_rho <- roles$role == "correlation"
  if (any(values[!is_rho] <= 0)) {
    return(NULL)
  }
  theta <- values
  theta[!is_rho] <- sqrt(values[!is_rho])
  sd <- rep_len(theta[!is_rho], length(term$columns))
  size <- sd[roles$row] * sd[roles$col]
  theta[is_rho] <- values[is_rho] / size[is_rho]
  own <- list(structure = term$structure, columns = term$columns)
  # For a correlation out of its range, the core raises an error.
  lambda <- tryCatch(core_lambda(list(own), theta)[[1L]], error = \(e) NULL)
  if (!is.null(lambda) && all(diag(lambda) > 0)) theta
}

covariance_matrix <- function(term, roles, values) {
  k <- length(term$columns)
  if (is_diagonal(term$structure)) {
    return(diag(values, k, k))
  }
  cells <- covariance_cells(term, roles)
  out <- matrix(0, k, k)
  out[cells] <- values
  out[cells[, 2:1, drop = FALSE]] <- values
  out
}

# The derivative of the objective in each free relative covariance, from d / d Omega (symmetric, for
# each core term), which also exists at a singular Omega, or, for structures with a correlation,
# from the derivative in theta.
covariance_gradient <- function(object, theta, found) {
  slopes <- Map(
    \(term, roles, covariances) {
      if (has_rho(term$structure)) {
        cells <- cell_index(roles, length(term$columns))
        jacobian <- covariances$jacobian[cells, , drop = FALSE]
        solve_regular(jacobian, found$gradient[term$theta])
      } else {
        own <- term$core_cols
        g <- found$g[[term$core_term]][own, own, drop = FALSE]
        cell_gradient(term, roles, g)
      }
    },
    object$random,
    core_structures(object$random),
    core_covariances(object$random, theta)
  )
  unlist(slopes)
}

# The gradient in the covariances from that in theta, which needs a regular Jacobian.
solve_regular <- function(jacobian, gradient) {
  if (is_singular_jacobian(jacobian)) {
    abort_singular_score()
  }
  solve_transposed(jacobian, gradient)
}

abort_singular_score <- function() {
  abort_rlmm(
    c(
      "At a singular covariance these derivatives exist in theta only.",
      i = "Use `parameterization = \"sqrt\"`."
    ),
    "rlmm_error_singular"
  )
}

# The Hessian in the covariances psi from that in x = (theta, sigma): with J = d psi / d x, J' H_psi
# J = H - sum_k (d f / d psi_k) d^2 psi_k / dx^2.
change_coordinates <- function(object, found, point) {
  scale <- if (point$kind == "user") "variance" else "profile"
  sigma <- point$sigma %||% 1
  map <- variance_map(object, scale, point$theta, sigma)
  with_sigma <- point$kind == "user" && !object$known_sigma
  kept <- seq_len(length(point$theta) + with_sigma)
  jacobian <- map$jacobian[kept, kept, drop = FALSE]
  slope <- solve_regular(jacobian, found$gradient)
  bend <- second_map(object, map, scale, point$theta, sigma, slope)
  bend <- bend[kept, kept, drop = FALSE]
  half <- solve_transposed(jacobian, t(found$hessian - bend))
  solve_transposed(jacobian, t(half))
}

# The sum over k of slope_k d^2 psi_k / dx^2, with psi = sigma^2 Omega and sigma^2 ("variance") or
# Omega ("profile").
second_map <- function(object, map, scale, theta, sigma, slope) {
  free <- seq_along(theta)
  last <- length(theta) + 1L
  bend <- matrix(0, last, last)
  bend[free, free] <- omega_bend(object$random, theta, slope)
  if (scale == "profile") {
    return(bend)
  }
  bend <- sigma^2 * bend
  of_omega <- slope[free]
  in_theta <- drop(of_omega %*% map$jacobian[free, free])
  bend[last, free] <- bend[free, last] <- 2 * in_theta / sigma
  in_sigma2 <- if (length(slope) == last) slope[last] else 0
  bend[last, last] <- 2 *
    (sum(of_omega * map$value[free]) / sigma^2 + in_sigma2)
  bend
}

#' Score and Hessian of the variance parameters
#'
#' Exact first and second derivatives of the log-likelihood (restricted, for a REML fit) in the
#' parameters of the covariances, at the estimates or at any other value. The fixed effects are
#' profiled out.
#'
#' @details
#' There are three parameterizations:
#'
#' * `"user"`: the variances and covariances of the random effects of each term (lower triangle,
#'   column by column) and the variance of the residuals, `sigma2`; of a term in `cs()` or `ar1()`
#'   its one variance or its variances, and the covariance of the first two effects;
#' * `"profile"`: the same variances and covariances in units of the residual variance, which itself
#'   is profiled out;
#' * `"sqrt"`: theta, the Cholesky factors of those relative covariances; the residual variance is
#'   profiled out.
#'
#' At a regular optimum the score is zero and minus the inverse of the Hessian is the covariance
#' matrix of the estimates. At a singular covariance the score in the parameterizations `"user"` and
#' `"profile"` is that in the covariances themselves: it needn't be zero there, but points out of
#' the cone of the covariance matrices. The Hessian in these two does not exist as a function of
#' theta, and is refused; in theta it always exists.
#'
#' Of a generalized model the parameters are those of `as.function(fit)`: theta, the fixed effects
#' (unless PIRLS finds them: `nAGQ = 0`), and the logarithm of an estimated shape; the only
#' parameterization is `"sqrt"`. The Hessian comes from central differences of the exact score.
#'
#' @param object A fit.
#' @param at Values of the parameters, in the order of `variance_parameters()`; the estimates, if
#'   `NULL`.
#' @param parameterization `"user"`, `"profile"`, or `"sqrt"`.
#' @return `score()` and `variance_parameters()`: a named vector; `hessian()`: a matrix with names.
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
  parameterization = c("user", "profile", "sqrt")
) {
  check_fit(object, "object")
  UseMethod("score")
}

#' @export
score.rlmm_lmm <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt")
) {
  point <- parameter_point(object, at, parameterization)
  if (point$kind == "sqrt") {
    gradient <- core_derivatives(fitted_spec(object), point$theta)$gradient
    return(stats::setNames(-gradient / 2, point$names))
  }
  spec <- fitted_spec(object)
  if (point$kind == "profile") {
    found <- core_derivatives(spec, point$theta)
    return(stats::setNames(
      -covariance_gradient(object, point$theta, found) / 2,
      point$names
    ))
  }
  found <- joint_derivatives(spec, point$theta, point$sigma, object$known_sigma)
  relative <- covariance_gradient(object, point$theta, found)
  gradient <- relative / point$sigma^2
  if (!object$known_sigma) {
    # At fixed covariances a larger sigma makes the relative ones smaller.
    shrink <- sum(relative * variance_map(object, "profile", point$theta)$value)
    in_sigma <- found$gradient[length(found$gradient)]
    gradient <- c(
      gradient,
      in_sigma / (2 * point$sigma) - shrink / point$sigma^2
    )
  }
  stats::setNames(-gradient / 2, point$names)
}

#' @rdname score
#' @export
hessian <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt")
) {
  check_fit(object, "object")
  UseMethod("hessian")
}

#' @export
hessian.rlmm_lmm <- function(
  object,
  at = NULL,
  parameterization = c("user", "profile", "sqrt")
) {
  point <- parameter_point(object, at, parameterization)
  spec <- fitted_spec(object)
  found <- if (point$kind == "user") {
    known <- object$known_sigma
    joint_derivatives(spec, point$theta, point$sigma, known, exact = TRUE)
  } else {
    core_derivatives(spec, point$theta, exact = TRUE)
  }
  out <- found$hessian
  if (point$kind != "sqrt") {
    out <- change_coordinates(object, found, point)
  }
  structure(-(out + t(out)) / 4, dimnames = list(point$names, point$names))
}

#' @rdname score
#' @export
variance_parameters <- function(
  object,
  parameterization = c("user", "profile", "sqrt")
) {
  check_fit(object, "object")
  UseMethod("variance_parameters")
}

#' @export
variance_parameters.rlmm_lmm <- function(
  object,
  parameterization = c("user", "profile", "sqrt")
) {
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

# Where to differentiate: theta and sigma that belong to `at`, and the names of the parameters.
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
  has_sigma <- kind == "user" && !object$known_sigma
  sigma <- if (has_sigma) {
    sqrt(at[length(at)])
  } else if (kind == "user") {
    object$sigma
  }
  scale <- if (kind == "user") sigma else 1
  list(
    kind = kind,
    theta = factor_covariances(object, at, scale),
    sigma = sigma,
    names = names(estimates)
  )
}

check_parameters <- function(at, estimates) {
  n <- length(estimates)
  if (!is.numeric(at) || length(at) != n || !all(is.finite(at))) {
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

# Theta that belongs to covariances, which must be positive definite.
factor_covariances <- function(object, at, scale) {
  theta <- numeric(length(object$theta))
  for (term in object$random) {
    theta[term$theta] <- factor_term(term, at[term$theta] / scale^2)
  }
  theta
}

factor_term <- function(term, values) {
  theta <- if (has_rho(term$structure)) {
    correlated_theta(term, values)
  } else {
    cholesky_theta(term, values)
  }
  if (!is.null(theta)) {
    return(theta)
  }
  abort_rlmm(
    c(
      "`at` must hold positive definite covariances.",
      x = paste0("Those of ", tick(term_text(term)), " are not.")
    ),
    "rlmm_error_argument",
    arg = "at"
  )
}

cholesky_theta <- function(term, values) {
  factor <- tryCatch(t(chol(covariance_matrix(term, values))), error = \(e) {
    NULL
  })
  factor[covariance_cells(term)]
}

# Theta of a term with one correlation, from its variances and the covariance of the first two
# effects.
correlated_theta <- function(term, values) {
  k <- length(values) - 1L
  if (any(values[seq_len(k)] <= 0)) {
    return(NULL)
  }
  s <- sqrt(values[seq_len(k)])
  rho <- values[k + 1L] / prod(rep_len(s, 2L))
  range <- theta_range(term)[k + 1L, ]
  if (rho > range[["lower"]] && rho < range[["upper"]]) c(s, rho)
}

covariance_matrix <- function(term, values) {
  k <- length(term$columns)
  if (is_diagonal(term$structure)) {
    return(diag(values, k, k))
  }
  cells <- covariance_cells(term)
  out <- matrix(0, k, k)
  out[cells] <- values
  out[cells[, 2:1, drop = FALSE]] <- values
  out
}

# The derivative of the objective in each free relative covariance. It comes from d / d Omega
# (symmetric, of each core term), which exists at a singular Omega too, or, of structures with a
# correlation, from the derivative in theta.
covariance_gradient <- function(object, theta, found) {
  unlist(lapply(object$random, \(term) {
    if (has_rho(term$structure)) {
      jacobian <- term_map(term, "profile", theta, 1)$jacobian[,
        term$theta,
        drop = FALSE
      ]
      if (rcond(jacobian) < 1e-10) {
        abort_singular_score()
      }
      return(solve(t(jacobian), found$gradient[term$theta]))
    }
    part <- found$g[[term$core_term]][
      term$core_cols,
      term$core_cols,
      drop = FALSE
    ]
    if (is_homogeneous(term$structure)) {
      return(sum(diag(part)))
    }
    cells <- covariance_cells(term)
    part[cells] * ifelse(cells[, 1] == cells[, 2], 1, 2)
  }))
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

# The Hessian in the covariances psi from the one in x = (theta, sigma): with J = d psi / d x, J'
# H_psi J = H - sum_k (d f / d psi_k) d^2 psi_k / dx^2.
change_coordinates <- function(object, found, point) {
  scale <- if (point$kind == "user") "variance" else "profile"
  sigma <- point$sigma %||% 1
  map <- variance_map(object, scale, point$theta, sigma)
  with_sigma <- point$kind == "user" && !object$known_sigma
  kept <- seq_len(length(point$theta) + with_sigma)
  jacobian <- map$jacobian[kept, kept, drop = FALSE]
  if (rcond(jacobian) < 1e-10) {
    abort_singular_score()
  }
  slope <- solve(t(jacobian), found$gradient)
  bend <- second_map(object, scale, point$theta, sigma, slope)[
    kept,
    kept,
    drop = FALSE
  ]
  solve(t(jacobian), t(solve(t(jacobian), t(found$hessian - bend))))
}

# The sum over k of slope_k d^2 psi_k / dx^2. The Jacobian is a polynomial of degree 1 in each theta
# and 2 in sigma, so that its central differences are exact.
second_map <- function(object, scale, theta, sigma, slope) {
  x <- c(theta, sigma)
  n <- length(theta)
  slope_of <- \(x) {
    drop(
      slope %*%
        variance_map(object, scale, x[seq_len(n)], x[n + 1])$jacobian[
          seq_along(slope),
        ]
    )
  }
  step <- 2^-6 * pmax(abs(x), 1)
  columns <- vapply(
    seq_along(x),
    \(i) {
      shift <- replace(0 * x, i, step[i])
      (slope_of(x + shift) - slope_of(x - shift)) / (2 * step[i])
    },
    x
  )
  (columns + t(columns)) / 2
}

#' Covariance matrix of the variance parameters
#'
#' The covariance matrix of the estimates of the variance parameters, from the exact Hessian of the
#' log-likelihood in theta and sigma by the delta method. (For models with very many crossed effects
#' the average information is used, and the attribute `"hessian"` is `"average"`.) The square roots
#' of the diagonal are standard errors, from which [confint()] computes intervals.
#'
#' Estimates of standard deviations and correlations are far from normal in small samples, so that
#' such intervals are approximate. A term with a singular covariance has no standard errors: its
#' rows and columns are `NA` (for a term without correlations only those of zero variances), and the
#' attribute `"singular"` names the term. The other rows are then conditional on the zero variances.
#' Rows of parameters that are not identified are also `NA`, for example the residual variance if a
#' term has an effect for each observation.
#'
#' For a generalized model the Hessian is that of the (approximate) log-likelihood in theta, the
#' fixed effects and an estimated shape jointly, as for the standard errors of the fixed effects. A
#' dispersion that isn't estimated by maximum likelihood has no standard error; neither have fits
#' with `nAGQ = 0` or `dispersion = "moment"`, whose criterion is not a likelihood in all
#' parameters.
#' @param object A fitted model.
#' @param scale The parameters: `"sd"` for standard deviations and correlations, `"variance"` for
#'   variances and covariances, `"theta"` for theta and sigma.
#' @param ... Not used; any argument here is an error.
#' @return A matrix with the names of the parameters, with that of the residuals last. (`vcov(fit,
#'   full = TRUE)` is another matrix: that of the random and fixed effects.)
#' @seealso [hessian()], [confint.rlmm()], `as.data.frame(VarCorr(fit, std.error = TRUE))` for a
#'   table.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' variance_vcov(fit)
#' sqrt(diag(variance_vcov(fit, "variance")))
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' variance_vcov(ticks)
#' @export
variance_vcov <- function(
  object,
  scale = c("sd", "variance", "theta"),
  ...
) {
  check_fit(object, "object")
  UseMethod("variance_vcov")
}

#' @export
variance_vcov.rlmm_lmm <- function(
  object,
  scale = c("sd", "variance", "theta"),
  ...
) {
  refuse_dots(...)
  scale <- one_of(scale, c("sd", "variance", "theta"), "scale")
  found <- fit_joint(object)
  there <- in_independent_effects(object, found)
  joint <- joint_vcov(there, found)
  out <- if (scale != "theta") {
    elements_vcov(object, there, joint, scale)
  } else if (is.null(there$given)) {
    known_theta_vcov(object, joint)
  } else {
    theta_vcov(there, joint)
  }
  structure(
    out,
    singular = attr(joint, "singular"),
    hessian = if (found$curvature == "average") "average"
  )
}

# The covariance of the elements of the covariance matrices, from that of theta and sigma.
elements_vcov <- function(object, there, joint, scale) {
  map <- variance_map(there, scale)
  n <- length(map$value)
  kept <- if (object$known_sigma) -n else seq_len(n)
  jacobian <- map$jacobian[kept, seq_len(ncol(joint)), drop = FALSE]
  constant <- held_rows(object, scale)
  lost <- setdiff(singular_rows(object), constant)
  # A held parameter doesn't vary with sigma; its computed derivative would be a rounding error.
  jacobian[c(lost, constant), ] <- 0
  mapped_covariance(jacobian, joint, lost)
}

# The covariance of linear functions of (theta, sigma), without the `lost` rows and those that vary
# along flat directions of the likelihood. Undefined derivatives in the parameters of a singular
# term are replaced by 0.
mapped_covariance <- function(jacobian, joint, lost) {
  touched <- which(is_touched(jacobian, attr(joint, "flat")))
  joint[is.na(joint)] <- 0
  without_rows(jacobian %*% joint %*% t(jacobian), c(lost, touched))
}

# The covariance of theta and sigma; zero for held elements.
known_theta_vcov <- function(object, joint) {
  held <- fit_held(object)$index
  flat <- attr(joint, "flat")
  joint[held, ] <- 0
  joint[, held] <- 0
  without_rows(joint, is_touched(diag(ncol(joint)), flat))
}

# The covariance of theta and sigma, from that of the theta of orthogonalized effects.
theta_vcov <- function(there, joint) {
  n <- length(there$theta)
  map <- diag(ncol(joint))
  map[seq_len(n), seq_len(n)] <- theta_jacobian(there)
  out <- mapped_covariance(map, joint, boundary_theta(there$given))
  dimnames(out) <- dimnames(joint)
  out
}

without_rows <- function(matrix, rows) {
  matrix[rows, ] <- NA
  matrix[, rows] <- NA
  # This subsetting drops attributes.
  matrix[,, drop = FALSE]
}

# Whether each linear function (row) changes along flat directions of the likelihood.
is_touched <- function(rows, directions) {
  change <- abs(rows %*% directions)
  rowSums(change > 1e-5 * abs(rows) %*% abs(directions)) > 0
}

#' The covariance matrix of (theta, sigma); `NA` for parameters that are held by the user or at a
#' boundary
#'
#' Elements of theta that are held at a value over sigma are functions of sigma: theta = value /
#' sigma.
#' @param found The result of `fit_joint()`.
#' @return A matrix with the attributes `singular` (labels of terms), `known` (whether all
#'   parameters are held), and `flat` (a matrix whose columns span the flat directions of the
#'   likelihood).
#' @noRd
joint_vcov <- function(object, found) {
  labels <- c(theta_names(object$random), if (!object$known_sigma) "sigma")
  is_known <- known_elements(object, length(labels))
  free <- free_covariance(object, found, is_known)
  out <- free$covariance
  dimnames(out) <- list(labels, labels)
  singular <- is_singular(object$given %||% object)
  structure(
    out,
    singular = if (any(singular$singular)) singular$term[singular$singular],
    known = all(is_known),
    flat = free$flat
  )
}

free_covariance <- function(object, found, is_known) {
  n <- length(is_known)
  out <- matrix(NA_real_, n, n)
  if (all(is_known)) {
    return(list(covariance = out, flat = matrix(0, n, 0)))
  }
  map <- free_directions(object, is_known)
  inverse <- inverse_curvature(free_hessian(object, found, map, is_known))
  out[!is_known, !is_known] <- 2 * map %*% tcrossprod(inverse$matrix, map)
  flat <- matrix(0, n, ncol(inverse$flat))
  flat[!is_known, ] <- map %*% inverse$flat
  list(covariance = out, flat = flat)
}

# Whether each of the n elements of (theta, sigma) is held by the user, at a boundary, or zero
# because its effect is redundant.
known_elements <- function(object, n) {
  held <- fit_held(object)
  at_edge <- setdiff(boundary_theta(object), held$absolute)
  seq_len(n) %in% c(held$index, at_edge, redundant_elements(object))
}

# The elements of theta that are zero and belong to a redundant effect: the restricted likelihood
# does not depend on them.
redundant_elements <- function(object) {
  if (is.null(object$redundant)) {
    return(NULL)
  }
  of_term <- function(term, roles, redundant) {
    is_redundant <- term$columns %in% redundant
    is_own <- roles$role == "factor" &
      (is_redundant[roles$row] | is_redundant[roles$col])
    term$theta[which(is_own & object$theta[term$theta] == 0)]
  }
  structures <- core_structures(object$random)
  unlist(Map(of_term, object$random, structures, object$redundant))
}

# The derivatives of the elements that aren't known (rows) in the free ones (columns): an element
# that is held at a value over sigma changes with sigma, the last one.
free_directions <- function(object, is_known) {
  absolute <- fit_held(object)$absolute
  follows <- seq_along(is_known) %in% absolute
  columns <- !(is_known | follows)
  map <- diag(length(is_known))[!is_known, columns, drop = FALSE]
  slopes <- -object$theta[absolute] / object$sigma
  map[which(follows[!is_known]), ncol(map)] <- slopes
  map
}

# The Hessian in the free elements, including the second derivative of theta = value / sigma.
free_hessian <- function(object, found, map, is_known) {
  given <- found$hessian[!is_known, !is_known, drop = FALSE]
  hessian <- crossprod(map, given %*% map)
  absolute <- fit_held(object)$absolute
  if (length(absolute) > 0L) {
    bends <- 2 * object$theta[absolute] / object$sigma^2
    bend <- sum(found$gradient[absolute] * bends)
    hessian[length(hessian)] <- hessian[length(hessian)] + bend
  }
  hessian
}

#' Whether each element of theta is at a boundary: a zero on the diagonal of Lambda, or in a zero
#' column of it, or a correlation at the end of its range if the covariance is singular: beside a
#' covariate far from zero correlations are near one anyway
#' @noRd
boundary_theta <- function(fit, tol = 1e-4) {
  at_edge <- Map(
    \(term, roles, found, is_singular) {
      theta <- fit$theta[term$theta]
      is_low <- (theta - roles$lower) / roles$step_size < tol
      is_zero <- abs(theta) / roles$step_size < tol
      is_low <- is_low | in_empty_column(is_zero, term)
      is_rho <- roles$role == "correlation"
      # A correlation at the end of its range determines those after it.
      shares <- found$shares %||% double()
      is_low[is_rho] <- is_singular & cumsum(abs(shares) > 1 - tol) > 0
      term$theta[is_low]
    },
    fit$random,
    core_structures(fit$random),
    core_covariances(fit$random, fit$theta),
    vapply(scaled_templates(fit), is_rank_deficient, NA, tol)
  )
  unlist(at_edge)
}

# Whether each element of theta is in a column of Lambda with a zero diagonal. Elements below that
# zero only add to the variances of other effects: the likelihood is flat in them.
in_empty_column <- function(is_zero, term) {
  if (!is_unstructured(term$structure)) {
    return(FALSE)
  }
  square <- diag(length(term$columns))
  column <- col(square)[lower.tri(square, diag = TRUE)]
  as.logical(stats::ave(is_zero, column, FUN = all))
}

fit_joint <- function(object, contrasts = NULL) {
  joint_derivatives(
    fit_spec(object),
    object$theta,
    object$sigma,
    object$known_sigma,
    contrasts,
    independent = n_held(object) == 0L
  )
}

# The inverse of a Hessian without its flat directions, which belong to redundant parameters. With a
# direction of negative curvature, or with elements that aren't finite, the result is `NA` and all
# directions count as flat. As in the core, a curvature below 1e-7 of the largest may be rounding
# error.
inverse_curvature <- function(hessian) {
  if (length(hessian) == 0) {
    return(list(matrix = hessian, flat = hessian))
  }
  without <- list(matrix = NA_real_ * hessian, flat = diag(nrow(hessian)))
  if (!all(is.finite(hessian))) {
    return(without)
  }
  unit <- 1 / sqrt(pmax(abs(diag(hessian)), .Machine$double.xmin))
  scaled <- symmetric_part(hessian) * outer(unit, unit)
  parts <- eigen(scaled, symmetric = TRUE)
  limit <- 1e-7 * max(abs(parts$values))
  if (any(parts$values < -limit)) {
    return(without)
  }
  inverse_of_steep(parts, unit, parts$values > limit)
}

inverse_of_steep <- function(parts, unit, steep) {
  half <- unit * parts$vectors[, steep, drop = FALSE]
  flat <- parts$vectors[, !steep, drop = FALSE]
  # Rounding errors of a unit vector would make all functions vary along it.
  flat[abs(flat) < 1e-6] <- 0
  inverse <- half %*% (t(half) / parts$values[steep])
  list(matrix = inverse, flat = unit * flat)
}

# The rows of the parameters of singular terms; for a term without correlations only those of zero
# variances.
singular_rows <- function(object) {
  at_boundary <- lapply(object$random, \(term) {
    is_diagonal(term$structure) & !term$theta %in% boundary_theta(object)
  })
  setdiff(
    term_rows(object, is_singular(object)$singular),
    which(unlist(at_boundary))
  )
}

# The rows of parameters without variation: those of terms held on the scale of the response, and
# those that only depend on held elements of theta, among which standard deviations vary with sigma.
held_rows <- function(object, scale) {
  held <- fit_held(object)
  has_absolute <- \(term) any(term$theta %in% held$absolute)
  absolute <- term_rows(object, vapply(object$random, has_absolute, NA))
  relative <- which(unlist(lapply(object$random, held_cells, held$index)))
  if (object$known_sigma) {
    return(union(relative, absolute))
  }
  if (scale != "sd") {
    return(absolute)
  }
  cells <- lapply(object$random, covariance_cells)
  is_cor <- lapply(cells, \(own) own[, 1] != own[, 2])
  is_cor <- unlist(is_cor)
  union(intersect(which(is_cor), relative), absolute)
}

# Whether each variance parameter of a term only depends on held elements of theta, which for an
# unstructured term are the rows of Lambda of its effects.
held_cells <- function(term, held) {
  is_held <- term$theta %in% held
  if (!is_unstructured(term$structure)) {
    return(is_held)
  }
  cells <- covariance_cells(term)
  row_is_held <- vapply(split(is_held, cells[, "row"]), all, NA)
  unname(row_is_held[cells[, "row"]] & row_is_held[cells[, "col"]])
}

term_rows <- function(object, chosen) {
  as.integer(unlist(covariance_rows(object)[chosen]))
}

# The rows of each term among the elements of all covariance matrices.
covariance_rows <- function(object) {
  count <- \(term) nrow(covariance_cells(term))
  n_cells <- vapply(object$random, count, 1L)
  Map(
    \(n, last) last - n + seq_len(n),
    n_cells,
    cumsum(n_cells)
  )
}

#' The standard errors of standard deviations and correlations, by name; `NA` if there are none, and
#' 0 for held parameters
#' @noRd
variance_errors <- function(object, covariance = variance_vcov(object, "sd")) {
  variance <- diag(covariance)
  held <- seq_along(variance) %in% held_rows(object, "sd")
  sqrt(ifelse(variance > 0 | held, variance, NA))
}

# Elements of the covariance matrices ----------------------------------------

#' The standard errors of all elements of the covariance matrices of the random effects
#' @return A list: `terms`, for each term two k x k matrices `vcov` (for variances and covariances)
#'   and `sdcor` (for standard deviations and correlations); and `residual`, the same for sigma.
#' @noRd
component_errors <- function(object) {
  covariance <- variance_vcov(object, "sd")
  none <- is.na(variance_errors(object, covariance))
  covariance <- without_rows(covariance, which(none))
  value <- variance_map(object, "sd", sigma = effects_sigma(object))$value
  terms <- Map(
    \(term, rows) {
      element_errors(
        term,
        value[rows],
        covariance[rows, rows, drop = FALSE]
      )
    },
    object$random,
    covariance_rows(object)
  )
  sigma <- if (object$known_sigma) 0 else sqrt(covariance[["sigma", "sigma"]])
  residual <- c(vcov = 2 * object$sigma * sigma, sdcor = sigma)
  list(terms = terms, residual = residual)
}

# The standard errors of one term's elements by the delta method, from the standard deviations and
# correlations that represent its parameters.
element_errors <- function(term, value, covariance) {
  maps <- element_maps(term, value)
  known <- which(rowSums(maps$involved) > 0)
  errors <- \(jacobian, used) {
    error <- \(i) mapped_error(jacobian[i, ], used[i, ], covariance)
    out <- matrix(
      NA_real_,
      length(term$columns),
      length(term$columns)
    )
    out[known] <- vapply(known, error, 0)
    out[upper.tri(out)] <- t(out)[upper.tri(out)]
    out
  }
  list(
    vcov = errors(maps$vcov, maps$involved),
    sdcor = errors(maps$sdcor, maps$sdcor != 0)
  )
}

mapped_error <- function(change, used, covariance) {
  change <- change[used]
  sqrt(max(0, change %*% covariance[used, used] %*% change))
}

#' The Jacobians of a term's elements (a row for each) in its standard deviations and correlations
#' @return A list: `vcov`, for variances and covariances; `sdcor`, for standard deviations and
#'   correlations; and `involved`, whether each element depends on each parameter.
#' @noRd
element_maps <- function(term, value) {
  roles <- term_roles(term)
  if (all(roles$role == "factor")) {
    return(free_element_maps(roles, value))
  }
  is_rho <- roles$role == "correlation"
  own <- list(structure = term$structure, columns = term$columns)
  found <- core_covariances(list(own), value)[[1L]]
  inside <- ifelse(is_rho, 0.5, 1)
  generic <- core_covariances(list(own), inside)[[1L]]
  involved <- generic$jacobian != 0
  sdcor <- 0 * found$jacobian
  if (any(is_rho)) {
    sdcor[, is_rho] <- found$correlation_jacobian[, is_rho]
  }
  on_diagonal <- which(diag(length(term$columns)) == 1)
  sdcor[on_diagonal, ] <- involved[on_diagonal, ] + 0
  list(
    vcov = found$jacobian,
    sdcor = sdcor,
    involved = involved
  )
}

# The Jacobians if each element is a parameter: v_rs = sd_r sd_s cor_rs.
free_element_maps <- function(roles, value) {
  sd <- which(roles$row == roles$col)
  cor <- setdiff(seq_along(value), sd)
  cells <- cell_index(roles, max(roles$row))
  row <- sd[roles$row[cor]]
  col <- sd[roles$col[cor]]
  vcov <- matrix(0, max(roles$row)^2, length(value))
  sdcor <- vcov
  sdcor[cbind(cells, seq_along(value))] <- 1
  vcov[cbind(cells[sd], sd)] <- 2 * value[sd]
  vcov[cbind(cells[cor], cor)] <- value[row] * value[col]
  vcov[cbind(cells[cor], row)] <- value[col] * value[cor]
  vcov[cbind(cells[cor], col)] <- value[row] * value[cor]
  involved <- sdcor != 0
  cor_cells <- rep(cells[cor], 2L)
  involved[cbind(cor_cells, c(row, col))] <- TRUE
  list(vcov = vcov, sdcor = sdcor, involved = involved)
}

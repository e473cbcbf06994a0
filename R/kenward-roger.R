# The covariance matrix of the fixed effects and degrees of freedom of Kenward and Roger (1997),
# with the formulas of pbkrtest (Halekoh and Hojsgaard 2014).
#
# Let Sigma = sigma^2 V have the derivatives G_r in its parameters, W = 2 [tr(P G_r P G_s)]^-1 be
# the covariance matrix of the parameter estimates, P_r = -X'Sigma^-1 G_r Sigma^-1 X, and M_rs =
# X'Sigma^-1 G_r P G_s Sigma^-1 X. The adjusted covariance matrix is Phi + 2 Phi (sum W_rs M_rs)
# Phi. It doesn't depend on the basis of the changes of Sigma; here the last one is V itself, in
# place of the residual variance: then P V P = P, and M_rs = 0 if r or s is the last.

#' The adjusted covariance matrix and the quantities for the degrees of freedom
#' @return A list: `covariance` of all coefficients; and, for the free ones, `root`, R of X = QR;
#'   `phi`, (Q'V^-1 Q)^-1; `slopes`, a list of P_r (for sigma = 1 and Q); and `w`, W.
#' @noRd
kenward_roger <- function(fit) {
  check_has_rows(fit)
  check_by_reml(fit)
  abort_if_large(fit, "Kenward and Roger's method")
  free <- free_beta(fit)
  covariance <- zero_covariance(fit)
  if (!any(free)) {
    return(list(
      covariance = covariance,
      free = free,
      slopes = list()
    ))
  }
  found <- marginal_derivatives(fit)
  adjusted <- adjusted_covariance(found, found$w)
  half <- backsolve(found$root, adjusted)
  whole <- backsolve(found$root, t(half))
  covariance[free, free] <- fit$sigma^2 * whole
  slopes <- c(found$slopes, list(solve(found$phi)))
  list(
    covariance = covariance,
    free = free,
    root = found$root,
    phi = found$phi,
    slopes = lapply(slopes, `-`),
    w = found$w
  )
}

# The covariance matrix if all coefficients are held.
zero_covariance <- function(fit) {
  names <- names(fit$beta)
  p <- length(names)
  matrix(0, p, p, dimnames = list(names, names))
}

check_has_rows <- function(fit) {
  if (!is.null(fit$sums)) {
    abort_no_rows(
      "Kenward and Roger's method",
      "Satterthwaite's method needs none: `ddf = \"Satterthwaite\"`."
    )
  }
}

# The derivatives of the covariance of the fixed effects in the variance parameters, with their
# covariance `w`.
marginal_derivatives <- function(fit) {
  weights <- working_weights(fit)
  directions <- covariance_directions(fit)
  terms <- marginal_terms(fit, directions, weights)
  effects <- orthonormal_effects(free_matrix(fit), weights)
  found <- marginal_products(terms, effects$q, weights)
  found$root <- effects$root
  found$w <- parameter_covariance(fit, found, directions)
  found
}

# Phi + 2 Phi (sum W_rs M_rs) Phi for sigma = 1, symmetrized.
adjusted_covariance <- function(found, w) {
  bend <- weighted_sum(w, found$bends, 0 * found$phi)
  adjusted <- found$phi + 2 * found$phi %*% bend %*% found$phi
  symmetric_part(adjusted)
}

#' W in the directions of the terms and of V
#' @param found The result of `marginal_products()`.
#' @noRd
parameter_covariance <- function(fit, found, directions) {
  residual_df <- nobs.rlmm(fit) - n_free_beta(fit)
  traces <- rbind(
    cbind(found$traces, found$trace),
    c(found$trace, residual_df)
  )
  map <- direction_map(fit, directions)
  information <- map %*% traces %*% t(map)
  2 * crossprod(map, inverse_curvature(information)$matrix %*% map)
}

#' The parameters in the directions of the terms and of V, with a row for each
#'
#' Terms that are held relative to sigma change with it, as V does; terms held on the scale of the
#' response don't.
#' @noRd
direction_map <- function(fit, directions) {
  is_absolute <- unlist(lapply(directions, \(found) {
    rep(found$absolute, length(found$shapes))
  }))
  n <- length(is_absolute)
  map <- diag(n + 1L)[c(!is_absolute, TRUE), , drop = FALSE]
  map[nrow(map), which(is_absolute)] <- -1
  if (fit$known_sigma) {
    map[-nrow(map), , drop = FALSE]
  } else {
    map
  }
}

weighted_sum <- function(w, matrices, zero) {
  of_row <- seq_along(matrices)
  rows <- lapply(of_row, \(r) {
    Reduce(`+`, Map(`*`, w[r, of_row], matrices[[r]]))
  })
  Reduce(`+`, rows, zero)
}

# Directions -----------------------------------------------------------------

#' The directions in which the covariance matrix of each term may change
#'
#' A structure that is linear in its parameters, such as the unstructured one, may change in all of
#' its directions, also if the fit is singular. For other structures they are the derivatives at the
#' estimate: a parameter with derivative zero counts as known.
#' @return A list for each term: `shapes`, a list of matrices, `NULL` if the term has all of them;
#'   and `absolute`, whether the only one is the covariance matrix itself, held on the scale of the
#'   response.
#' @noRd
covariance_directions <- function(fit) {
  held <- fit_held(fit)
  found <- core_covariances(fit$random, fit$theta)
  none <- vector("list", length(fit$random))
  Map(
    \(term, found, roles, redundant) {
      if (any(term$theta %in% held$absolute)) {
        return(list(
          shapes = list(found$omega),
          absolute = TRUE
        ))
      }
      is_held <- term$theta %in% held$index
      shapes <- free_shapes(term, found, roles, is_held)
      is_identified <- vapply(
        shapes,
        affects_kept_columns,
        NA,
        !term$columns %in% redundant
      )
      list(shapes = shapes[is_identified], absolute = FALSE)
    },
    fit$random,
    found,
    core_structures(fit$random),
    fit$redundant %||% none
  )
}

# Whether a change of a covariance matrix affects columns that are not in the span of the fixed
# effects, since nothing depends on the others.
affects_kept_columns <- function(shape, kept) any(shape[kept, kept] != 0)

free_shapes <- function(term, found, roles, is_held) {
  if (!any(is_held) && is_linear(term$structure)) {
    own <- list(structure = term$structure, columns = term$columns)
    found <- core_covariances(list(own), roles$start)[[1L]]
  }
  k <- length(term$columns)
  jacobian <- found$jacobian[, !is_held, drop = FALSE]
  slope <- \(j) matrix(jacobian[, j], k, k)
  lapply(seq_len(ncol(jacobian)), slope)
}

marginal_terms <- function(fit, directions, weights) {
  Map(
    \(design, term, lambda, found) {
      n_cells <- choose(length(term$columns) + 1L, 2L)
      has_all <- length(found$shapes) == n_cells
      marginal_term(
        design,
        lambda,
        if (found$absolute || !has_all) found$shapes,
        length(term$levels),
        term$group,
        weights
      )
    },
    term_designs(fit),
    fit$random,
    lambda_blocks(fit$random, fit$theta),
    directions
  )
}

# Tests -----------------------------------------------------------------------

#' The degrees of freedom of each row of `L`
#' @noRd
kenward_roger_df <- function(found, L) {
  if (length(found$slopes) == 0L) {
    return(rep(NA_real_, nrow(L)))
  }
  L <- of_orthonormal(L, found)
  reached <- L %*% found$phi
  variance <- rowSums(reached * L)
  change <- \(slope) rowSums((reached %*% slope) * reached) / variance
  changes <- matrix(vapply(found$slopes, change, variance), nrow(L))
  df <- 2 / quadratic_rows(found$w, changes)
  # Up to rounding, no parameter affects the variance.
  df[df > 1e10] <- Inf
  df[variance == 0] <- NA
  df
}

# L R^-1, the rows of `L` for the coefficients of Q.
of_orthonormal <- function(L, found) {
  free <- L[, found$free, drop = FALSE]
  t(backsolve(found$root, t(free), transpose = TRUE))
}

# x'Wx of each row x.
quadratic_rows <- function(w, rows) rowSums((rows %*% w) * rows)

#' Degrees of freedom and scale of the joint test, from the first two moments of F
#' @noRd
kenward_roger_scale <- function(found, L) {
  q <- nrow(L)
  changes <- relative_changes(found, of_orthonormal(L, found))
  traces <- vapply(changes, \(change) sum(diag(change)), 0)
  a1 <- quadratic_form(found$w, traces)
  a2 <- sum(found$w * pairwise_traces(changes))
  if (a2 < 1e-12) {
    return(list(scale = 1, df = Inf))
  }
  if (q > 1L) matched_moments(q, a1, a2) else list(scale = 1, df = 2 / a2)
}

# The F distribution with the mean and the variance of the scaled statistic.
matched_moments <- function(q, a1, a2) {
  shrink <- 1 - a2 / q
  rho <- relative_variance(q, a1, a2)
  df <- 4 + (q + 2) / (q * rho - 1)
  is_near_two <- abs(df - 2) < 0.01
  list(
    scale = if (is_near_two) 1 else df * shrink / (df - 2),
    df = df
  )
}

# The variance of F over twice its squared mean. The mean is 1 / (1 - A2 / q), the variance
# (2 / q) v0 / (v1^2 v2).
relative_variance <- function(q, a1, a2) {
  b <- (a1 + 6 * a2) / (2 * q)
  above <- (q + 1) * a1 - (q + 4) * a2
  g <- above / ((q + 2) * a2)
  d <- 3 * q + 2 * (1 - g)
  v0 <- 1 + g * b / d
  v1 <- 1 - (q - g) * b / d
  v2 <- 1 - (q + 2 - g) * b / d
  shrink <- 1 - a2 / q
  ratio <- if (abs(shrink) < 1e-10 && abs(v1) < 1e-10) {
    1
  } else {
    shrink / v1
  }
  ratio^2 * v0 / v2 / q
}

# The relative change of the covariance matrix of L beta with each parameter.
relative_changes <- function(found, L) {
  root <- chol(L %*% found$phi %*% t(L))
  reached <- backsolve(root, L %*% found$phi, transpose = TRUE)
  lapply(found$slopes, \(slope) reached %*% slope %*% t(reached))
}

pairwise_traces <- function(matrices) {
  flat <- vapply(matrices, as.double, numeric(length(matrices[[1L]])))
  crossprod(matrix(flat, ncol = length(matrices)))
}

quadratic_form <- function(matrix, x) sum(x * (matrix %*% x))

check_by_reml <- function(fit) {
  if (!isLMM.rlmm(fit)) {
    abort_rlmm(
      c(
        "Kenward and Roger's method is for linear mixed models.",
        i = "Tests of a generalized model have infinite degrees of freedom."
      ),
      "rlmm_error_not_available"
    )
  }
  if (isREML.rlmm(fit) || n_free_beta(fit) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "Kenward and Roger's method is for fits by REML.",
      x = "This one is by maximum likelihood.",
      i = "Use `update(fit, REML = TRUE)`, or `ddf = \"Satterthwaite\"`."
    ),
    "rlmm_error_not_available"
  )
}

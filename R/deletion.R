# Estimates after deletion of rows: at fixed theta from the hat matrix, or from a refit to the
# remaining rows.

#' The estimates without each set of rows, at fixed theta
#'
#' With V = W^-1 + Z Lambda Lambda' Z', deleting the rows I reduces X'V^-1X by F' A^-1 F and X'V^-1y
#' by F' A^-1 s, where F = (V^-1X)_I, A = (V^-1)_II, and s = (V^-1(y - X beta))_I are the weighted
#' residuals of the conditional fit. For a generalized model these are quantities of the working
#' linear model.
#' @param sets A list of row numbers.
#' @return A list with an element for each set: `beta` (free coefficients), `information` (X'V^-1X,
#'   unscaled), `pwrss` and `leverage` (the trace of the block of the hat matrix); missing values if
#'   the remaining rows don't identify the fixed effects.
#' @noRd
deleted_estimates <- function(fit, sets, report = NULL) {
  model <- deletion_model(fit)
  block <- if (all(lengths(sets) == 1L)) {
    block_of_single_rows(fit, model)
  } else {
    random_block(fit)
  }
  without <- \(rows) without_rows_of(model, block, rows)
  lapply_reported(sets, without, report)
}

#' Quantities that all sets share: F (`fixed`) and s (`score`) with a row for each observation, the
#' weights, X'V^-1X, and the free coefficients
#' @noRd
deletion_model <- function(fit) {
  weights <- working_weights(fit)
  list(
    weights = weights,
    fixed = inverse_variance_x(fit, weights),
    score = scores_by_row(fit),
    information = crossprod(fit$rx),
    beta = fit$beta[free_beta(fit)],
    pwrss = fit$dev$pwrss
  )
}

#' V^-1 X = W (X - Z Lambda K^-1 Lambda'Z'W X), with K = Lambda'Z'WZ Lambda + I
#' @noRd
inverse_variance_x <- function(fit, weights) {
  x <- free_matrix(fit)
  if (ncol(x) == 0L) {
    return(x)
  }
  factor <- sparse_factor(fit)
  modes <- solve_upper(factor$l, factor$rzx)
  weights * (x - as.matrix(Matrix::crossprod(lambdat_zt(fit), modes)))
}

solve_upper <- function(l, right) {
  half <- Matrix::solve(l, right, system = "Lt")
  Matrix::solve(l, half, system = "Pt")
}

#' The derivative of the conditional log-likelihood in each linear predictor, times the dispersion
#' @noRd
scores_by_row <- function(fit) UseMethod("scores_by_row")

#' @export
scores_by_row.rlmm_lmm <- function(fit) {
  working_weights(fit) * raw_residuals(fit, "response")
}

#' @export
scores_by_row.rlmm_glmm <- function(fit) {
  observed <- fit_response(fit)
  own <- family_row(fit$glmm$family)$slope
  slope <- if (is.null(own)) {
    (observed$y - fit$fitted) / fit$family$variance(fit$fitted)
  } else {
    own(observed$y, fit$fitted, fit$glmm$shape)
  }
  weights <- observed$weights %||% 1
  scores <- weights * slope * fit$family$mu.eta(fit$eta)
  # If the random effects aren't relative to sigma, the weights include the dispersion.
  if (isFALSE(fit$relative)) scores / fit$sigma^2 else scores
}

without_rows_of <- function(model, block, rows) {
  # Rows of weight zero don't contribute to the fit.
  rows <- rows[model$weights[rows] != 0]
  fixed <- model$fixed[rows, , drop = FALSE]
  w <- model$weights[rows]
  inverse <- inverse_of_rows(w, block(rows))
  columns <- cbind(fixed, model$score[rows])
  left <- less_products(model, weighted_products(inverse, columns))
  if (is.null(left)) {
    return(undetermined(model))
  }
  trace <- full_trace(inverse, fixed, model$information, w)
  left$leverage <- length(rows) - trace
  left
}

# W - W B W, for the block B of some rows.
inverse_of_rows <- function(w, block) {
  diag(w, length(w)) - w * t(w * block)
}

# The estimates after subtracting the products of some rows; `NULL` if these rows alone identify a
# coefficient.
less_products <- function(model, cross) {
  if (is.null(cross)) {
    return(NULL)
  }
  last <- ncol(cross)
  own <- seq_len(last - 1L)
  left <- model$information - cross[own, own, drop = FALSE]
  moved <- change_of_beta(left, model$information, cross[own, last])
  if (is.null(moved)) {
    return(NULL)
  }
  change <- cross[last, last] + sum(moved * (left %*% moved))
  list(
    beta = model$beta - moved,
    information = left,
    pwrss = model$pwrss - change
  )
}

#' B' A^-1 B
#'
#' A is positive definite, unless observed information is negative for some rows.
#' @return `NULL` if A is singular.
#' @noRd
weighted_products <- function(a, b) {
  root <- safe_chol(a)
  if (!is.null(root)) {
    return(crossprod(backsolve(root, b, transpose = TRUE)))
  }
  tryCatch(crossprod(b, solve(a, b)), error = \(cnd) NULL)
}

#' The change of beta: the remaining information (X'V^-1X) is solved for `right`, F'A^-1 s
#' @return The change; `NULL` if the remaining information is singular.
#' @noRd
change_of_beta <- function(left, full, right) {
  if (length(right) == 0L) {
    return(numeric())
  }
  # After scaling the full matrix to a unit diagonal, a pivot of 1e-10 is a rounding error.
  scale <- 1 / sqrt(diag(full))
  root <- safe_chol(left * outer(scale, scale))
  if (is.null(root) || min(diag(root)) < 1e-5) {
    return(NULL)
  }
  inner <- backsolve(root, scale * right, transpose = TRUE)
  drop(scale * backsolve(root, inner))
}

#' The trace of W^-1 (V^-1 - V^-1X (X'V^-1X)^-1 X'V^-1)_II: the number of rows minus their leverage
#' @noRd
full_trace <- function(inverse, fixed, information, w) {
  if (length(information) == 0L) {
    return(sum(diag(inverse) / w))
  }
  a <- backsolve(chol(information), t(fixed), transpose = TRUE)
  sum((diag(inverse) - colSums(a^2)) / w)
}

safe_chol <- function(x) {
  if (anyNA(x)) {
    return(NULL)
  }
  tryCatch(chol(x), error = \(cnd) NULL)
}

undetermined <- function(model) {
  list(
    beta = NA * model$beta,
    information = NA * model$information,
    pwrss = NA_real_,
    leverage = NA_real_
  )
}

# The random part ---------------------------------------------------------

#' A function of row numbers that returns their block of Z Lambda K^-1 Lambda' Z', unscaled
#'
#' With one grouping factor it uses the conditional covariance of each level; with several, a dense
#' matrix of all random effects if its size is reasonable.
#' @noRd
random_block <- function(fit) {
  terms <- fit_terms(fit)
  if (length(terms) == 1L) {
    return(block_by_level(terms[[1L]], fit_cond_var(fit)[[1L]]))
  }
  zt <- sparse_zt(fit)
  covariance <- mode_covariance(fit)
  \(rows) {
    z <- zt[, rows, drop = FALSE]
    touched <- which(Matrix::rowSums(z != 0) > 0)
    z <- as.matrix(z[touched, , drop = FALSE])
    crossprod(z, covariance(touched) %*% z)
  }
}

#' The blocks of single rows: their leverage minus that of the fixed part
#' @noRd
block_of_single_rows <- function(fit, model) {
  w <- model$weights
  by_fixed <- if (ncol(model$fixed) == 0L) {
    0
  } else {
    half <- backsolve(fit$rx, t(model$fixed), transpose = TRUE)
    colSums(half^2)
  }
  blocks <- (fit_leverage(fit) - by_fixed / w) / w
  \(row) blocks[row]
}

block_by_level <- function(term, arrays) {
  z <- column_matrix(term$z, length(term$refs))
  \(rows) {
    out <- diag(0, length(rows))
    refs <- term$refs[rows]
    for (own in split(seq_along(rows), refs)) {
      mine <- z[rows[own], , drop = FALSE]
      covariance <- matrix(arrays[,, refs[own[1L]]], ncol(z))
      out[own, own] <- mine %*% tcrossprod(covariance, mine)
    }
    out
  }
}

# The covariance matrix of this number of random effects takes 300 megabytes.
max_dense_modes <- 6000L

#' A function of the numbers of random effects that returns their covariance Lambda K^-1 Lambda',
#' unscaled
#' @noRd
mode_covariance <- function(fit, max_dense = max_dense_modes) {
  l <- sparse_factor(fit)$l
  lambda <- lambda_matrix(fit)
  lambdat <- Matrix::t(lambda)
  if (nrow(lambda) <= max_dense) {
    all <- as.matrix(lambda %*% Matrix::solve(l, as.matrix(lambdat)))
    return(\(which) all[which, which, drop = FALSE])
  }
  \(which) {
    solved <- Matrix::solve(l, lambdat[, which, drop = FALSE])
    as.matrix(lambda[which, , drop = FALSE] %*% solved)
  }
}

# Refits to the remaining rows --------------------------------------------

#' The fit with the frame of the remaining rows, at the estimates of all rows
#' @noRd
fit_to_remaining_rows <- function(fit, rows) {
  fit$frame <- fit_frame(fit)[-rows, , drop = FALSE]
  fit$random <- lapply(fit$random, \(term) {
    codes <- group_codes(term$group_vars, fit$frame, term$group)
    term$levels <- codes$levels
    term
  })
  fit
}

#' The estimates on the remaining rows, at a theta one Newton step from that of the fit
#' @return The result of [core_estimates()]; `NULL` if the rows don't identify the fixed effects.
#' @noRd
newton_estimates <- function(fit, rows) {
  left <- fit_to_remaining_rows(fit, rows)
  spec <- fit_spec(left)
  at <- tryCatch(
    core_derivatives(spec, fit$theta),
    rlmm_error = \(cnd) NULL
  )
  if (is.null(at)) {
    return(NULL)
  }
  theta <- newton_theta(fit, at)
  core_estimates(spec, lower_of(spec, fit$theta, theta))
}

newton_theta <- function(fit, at) {
  free <- setdiff(seq_along(fit$theta), held_index(fit))
  hessian <- at$hessian[free, free, drop = FALSE]
  step <- newton_step(at$gradient[free], hessian)
  replace(fit$theta, free, fit$theta[free] - step)
}

#' A Newton step that omits flat directions and goes downhill in directions of negative curvature
#' @noRd
newton_step <- function(gradient, hessian) {
  if (length(gradient) == 0L) {
    return(numeric())
  }
  parts <- eigen(hessian, symmetric = TRUE)
  size <- abs(parts$values)
  is_curved <- size > 1e-8 * max(size, 1e-300)
  vectors <- parts$vectors[, is_curved, drop = FALSE]
  along <- crossprod(vectors, gradient) / abs(parts$values[is_curved])
  drop(vectors %*% along)
}

#' The end of the longest fraction of a step that lowers the objective
#' @noRd
lower_of <- function(spec, from, to) {
  shares <- 2^-(0:5)
  steps <- outer(to - from, shares)
  points <- from + steps
  values <- tryCatch(
    core_objective(spec, cbind(from, points)),
    rlmm_error = \(cnd) NULL
  )
  lower <- which(values[-1L] < values[1L])
  if (length(lower) == 0L) {
    from
  } else {
    points[, lower[1L]]
  }
}

# Separation: fixed effects without a finite estimate.

#' The names of coefficients whose estimates tend to infinity
#'
#' Only rows whose working weights vanish let an estimate tend to infinity.
#' @param weights The working weights of the rows.
#' @noRd
separated_coefficients <- function(fit, spec, weights) {
  if (!can_separate(fit) || !has_vanishing_weight(weights, spec)) {
    return(character())
  }
  effects <- separated_effects(fit, spec)
  c(effects, separated_levels(fit, spec, weights, effects))
}

# Whether a row tells next to nothing of its linear predictor: its working weight per unit of prior
# weight is small.
has_vanishing_weight <- function(weights, spec) {
  for (prior in spec[c("weights", "counts")]) {
    weights <- if (length(prior) > 0L) weights / prior else weights
  }
  !isTRUE(min(weights, na.rm = TRUE) > 1e-3)
}

#' The names of fixed effects whose estimates tend to infinity
#'
#' The likelihood increases along such an effect ever more slowly: at the end the effect is large
#' (on the scale of the linear predictor) and yet small relative to its standard error, which never
#' holds for identified effects.
#' @noRd
separated_effects <- function(fit, spec) {
  if (length(fit$beta) == 0L) {
    return(character())
  }
  x <- column_matrix(spec$x, length(spec$y))
  found <- separated_among(fit, centred_effects(x, names(fit$beta)))
  # An interaction of a variable with a covariate far from zero is nearly a multiple of the
  # variable.
  if (length(found) > 1L && has_near_multiples(x[, found, drop = FALSE])) {
    found <- separated_among(fit, orthogonal_columns(x))
  }
  names(fit$beta)[found]
}

# The numbers of effects that tend to infinity, judged in transformed columns, see
# [orthogonal_columns()] and [centred_columns()].
separated_among <- function(fit, other) {
  beta <- abs(drop(other$shift %*% in_core_coding(fit)$beta))
  size <- beta * other$largest
  # Beyond the first limit, even the standard error has no correct digits.
  is_uncertain <- beta < 0.05 * shifted_errors(fit, other$shift)
  which(size > 1e5 | (size > 3 & is_uncertain))
}

# Whether one column is nearly a multiple of another one, judged in a sample of rows.
has_near_multiples <- function(x) {
  rows <- unique(round(seq(1, nrow(x), length.out = 500)))
  x <- x[rows, , drop = FALSE]
  pairs <- utils::combn(ncol(x), 2L, simplify = FALSE)
  is_far <- \(pair) is_far_ratio(x[, pair[1L]], x[, pair[2L]])
  any(vapply(pairs, is_far, NA))
}

is_far_ratio <- function(a, b) {
  ratio <- (a / b)[a != 0 | b != 0]
  length(ratio) > 1L && all(is.finite(ratio)) && is_far_from_zero(ratio)
}

#' The names of levels of large factors, and of slopes, whose coefficients tend to infinity
#'
#' The rule is the same: given all other parameters, the variance of a coefficient is at least one
#' over the sum of the weights of its level times the squared residuals of its column from the other
#' columns of the level. If the reference of the levels is separated, so are all of them.
#' @param effects The result of [separated_effects()].
#' @noRd
separated_levels <- function(fit, spec, weights, effects) {
  if (!has_large(fit)) {
    return(character())
  }
  large <- fit$fixed$large
  slopes <- abs(in_core_coding(fit)$levels)
  core_terms <- spec$terms[fixed_term_numbers(spec)]
  is_separated <- lapply(seq_along(core_terms), \(block) {
    factors <- factors_of_block(large, block)
    separated_in_block(factors, core_terms[[block]], slopes, weights, effects)
  })
  is_separated <- unlist(lapply(large$factors, \(own) {
    is_separated[[own$block]][, own$column]
  }))
  large$names[large$is_column & is_separated]
}

# Whether each level of a block is separated, with a column for each of its factors.
separated_in_block <- function(factors, core_term, slopes, weights, effects) {
  n_levels <- core_term$n_levels
  values <- columns_of_levels(factors, core_term, length(weights))
  size <- mapply(size_of_levels, values, factors, list(core_term))
  slopes <- vapply(factors, \(own) slopes[own$at], numeric(n_levels))
  is_long <- slopes * size > 3
  is_suspect <- rowSums(is_long, na.rm = TRUE) > 0
  rows <- which(is_suspect[core_term$refs])
  if (length(rows) == 0L) {
    return(is_long)
  }
  refs <- core_term$refs[rows]
  weights <- unraised_weights(weights[rows], refs)
  weighted <- lapply(values, \(x) sqrt(weights) * x[rows])
  known <- vapply(
    seq_along(factors),
    \(j) {
      beside <- weighted[adjusting_columns(factors, j)]
      own <- as.matrix(weighted[[j]])
      rest <- project_within_levels(own, refs, n_levels, beside)$rest
      drop(level_sums(rest^2, refs, n_levels))
    },
    numeric(n_levels)
  )
  is_of_base <- vapply(factors, has_separated_reference, NA, effects)
  is_uncertain <- slopes < 0.05 / sqrt(known)
  is_long & (is_uncertain | rep(is_of_base, each = n_levels))
}

# The weights of rows; those that the core raised to 1e-12 of the largest in the level are set to
# zero.
unraised_weights <- function(weights, refs) {
  largest <- stats::ave(weights, refs, FUN = max)
  weights * (weights > 2e-12 * largest)
}

# Whether the reference coefficient of levels is among the given effects.
has_separated_reference <- function(own, effects) {
  own$has_base && own$margin %in% effects
}

# The columns of a block in all rows; covariates are centred if the block includes the factor
# itself.
columns_of_levels <- function(factors, core_term, n) {
  lapply(seq_along(factors), \(j) {
    values <- rep_len(core_term$z[[j]], n)
    if (is_of_category(factors[[j]]) || !has_indicator(factors)) {
      return(values)
    }
    values - mean_of_levels(values, core_term)[core_term$refs]
  })
}

mean_of_levels <- function(values, core_term) {
  sums <- level_sums(cbind(values, 1), core_term$refs, core_term$n_levels)
  sums[, 1L] / pmax(sums[, 2L], 1)
}

# The largest absolute value of a column in each level.
size_of_levels <- function(values, own, core_term) {
  if (is_of_category(own)) {
    return(rep(1, core_term$n_levels))
  }
  sqrt(mean_of_levels(values^2, core_term))
}

# The columns of a block against which one of its columns is adjusted. The factor itself is not
# adjusted for covariates, since its coefficients refer to covariates of zero, wherever that is.
adjusting_columns <- function(factors, j) {
  is_other <- seq_along(factors) != j
  if (is_of_category(factors[[j]])) {
    is_other & vapply(factors, is_of_category, NA)
  } else {
    is_other
  }
}

# Whether a column consists of zeros and ones: that of a factor itself or of a category.
is_of_category <- function(own) {
  all(vapply(own$columns, is.character, NA))
}

#' Whether a coefficient in `vcov()` tends to infinity
#' @noRd
has_separated_coefficient <- function(fit) {
  any(fit$separated %in% names(fit$beta))
}

centred_effects <- function(x, names) {
  is_interacting <- ncol(x) > 2L && any(apply(x, 2L, is_far_from_zero))
  if (is_interacting) orthogonal_columns(x) else centred_columns(x, names)
}

#' Whether the likelihood may increase towards infinite coefficients: the range of the mean has an
#' end that the link maps to infinity, and that is a possible response
#' @noRd
can_separate <- function(fit) {
  unbounded <- c("logit", "probit", "cloglog", "cauchit", "log")
  !is.null(fit$glmm) &&
    fit$glmm$link %in% unbounded &&
    !has_dispersion(fit$family)
}

# Whether the nonzero values of a column vary, but little relative to their size.
is_far_from_zero <- function(column) {
  values <- column[column != 0]
  spread <- stats::var(values - values[1L])
  isTRUE(spread > 0 && spread < 1e-4 * mean(values)^2)
}

# Orthogonalized columns, for an interaction with a covariate far from zero: the largest absolute
# value of each, and the matrix that maps the coefficients to theirs.
orthogonal_columns <- function(x) {
  parts <- qr(x, tol = 0)
  r <- qr.R(parts)
  sizes <- diag(r)
  largest <- apply(abs(qr.Q(parts)), 2L, max)
  list(shift = r / sizes, largest = largest * abs(sizes))
}

# The shift matrix and the largest elements of centred columns. The inverse of `shift`, which
# differs from the identity in one row, has the opposite signs in that row.
centred_columns <- function(x, names) {
  shift <- intercept_shift(x, names)
  centred <- x %*% (2 * diag(ncol(x)) - shift)
  largest <- apply(abs(column_ranges(centred)), 2L, max)
  list(shift = shift, largest = largest)
}

# The standard errors of the shifted coefficients at fixed theta: the root of their precision is
# that of the coefficients times the inverse of `shift`. They are infinite if that root is singular.
shifted_errors <- function(fit, shift) {
  unit <- diag(ncol(shift))
  tryCatch(
    {
      factor <- fit$rx %*% backsolve(shift, unit)
      sqrt(rowSums(backsolve(factor, unit)^2))
    },
    error = \(cnd) Inf
  )
}

# The matrix that maps the coefficients to those with covariates far from zero, such as years,
# centred: otherwise the intercept and these coefficients are always large and uncertain.
intercept_shift <- function(x, names) {
  shift <- diag(ncol(x))
  constant <- match("(Intercept)", names)
  if (is.na(constant)) {
    return(shift)
  }
  mean <- colMeans(x)
  from_mean <- sweep(column_ranges(x), 2L, mean)
  spread <- apply(abs(from_mean), 2L, max)
  is_far <- abs(mean) > 3 * spread & spread > 0
  shift[constant, is_far] <- mean[is_far]
  shift
}

# The range of each column, without copying all columns.
column_ranges <- function(x) {
  range_of <- \(j) range(x[, j])
  vapply(seq_len(ncol(x)), range_of, numeric(2L))
}

report_separation <- function(fit) {
  if (length(fit$separated) == 0L) {
    return(invisible())
  }
  lines <- separation_lines(fit$separated)
  warn_rlmm(
    c(
      lines[1L],
      x = lines[2L],
      i = paste(
        "Is the response the same in all observations of a level,",
        "or beyond a value of a covariate?"
      ),
      i = "Leave the effect out, or merge levels? Its standard error means nothing."
    ),
    "rlmm_warning_separation",
    effects = fit$separated
  )
}

separation_lines <- function(effects) {
  c(
    "The data are separated: the likelihood has no maximum at finite fixed effects.",
    paste0(
      enumerate(tick(effects)),
      if (length(effects) == 1L) " tends" else " tend",
      " to infinity."
    )
  )
}

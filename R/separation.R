# Separated data: fixed effects without a finite estimate.

#' Names of the fixed effects that tend to infinity
#'
#' The likelihood keeps rising along such an effect, ever more slowly: at the end it is large (on
#' the scale of the linear predictor) and yet small beside its standard error. Effects that the data
#' know have never both.
#' @noRd
separated_effects <- function(fit, spec) {
  if (!can_separate(fit)) {
    return(character())
  }
  x <- column_matrix(spec$x, length(spec$y))
  centred <- centred_effects(x, names(fit$beta))
  shift <- centred$shift
  beta <- abs(drop(shift %*% in_core_coding(fit)$beta))
  size <- beta * centred$largest
  # The first limit is beyond any data, where even the standard error has no digits left.
  is_uncertain <- beta < 0.05 * shifted_errors(fit, shift)
  names(fit$beta)[size > 1e5 | (size > 3 & is_uncertain)]
}

#' Names of the levels of large factors, and of slopes, whose coefficients tend to infinity
#'
#' By the same rule: given all else the variance of a coefficient is at least one over the sum of
#' the weights of its level, times the squares of the covariate of a slope.
#' @noRd
separated_levels <- function(fit, spec, weights) {
  if (!has_large(fit) || !can_separate(fit)) {
    return(character())
  }
  large <- fit$fixed$large
  core_terms <- spec$terms[fixed_term_numbers(spec)]
  known <- lapply(large$factors, \(own) {
    known_of_levels(own, core_terms[[own$block]], large, weights)
  })
  of_all <- \(field) unlist(lapply(known, `[[`, field))
  slopes <- abs(in_core_coding(fit)$levels)
  is_long <- slopes * of_all("size") > 3
  is_uncertain <- slopes < 0.05 / sqrt(of_all("weight"))
  large$names[which(large$is_column & is_long & is_uncertain)]
}

# How large the column of each level is, and what the weights tell of its coefficient: beside the
# levels a covariate does so by what it varies in each.
known_of_levels <- function(own, core_term, large, weights) {
  sums <- \(x) {
    drop(level_sums(as.matrix(x), core_term$refs, core_term$n_levels))
  }
  values <- rep_len(core_term$z[[own$column]], length(weights))
  if (is_of_slopes(own) && has_indicator(of_block(large, own$block))) {
    means <- sums(weights * values) / sums(weights)
    values <- values - means[core_term$refs]
  }
  list(
    size = sqrt(sums(values^2) / sums(rep(1, length(values)))),
    weight = sums(weights * values^2)
  )
}

#' Whether a coefficient that `vcov()` has a row for tends to infinity
#' @noRd
has_separated_coefficient <- function(fit) {
  any(fit$separated %in% names(fit$beta))
}

centred_effects <- function(x, names) {
  is_interacting <- ncol(x) > 2L && any(apply(x, 2L, is_far_from_zero))
  if (is_interacting) orthogonal_columns(x) else centred_columns(x, names)
}

#' Whether the likelihood may rise towards infinite coefficients: the range of the mean has an end
#' that the link takes to infinity, and the response may lie there
#' @noRd
can_separate <- function(fit) {
  unbounded <- c("logit", "probit", "cloglog", "cauchit", "log")
  length(fit$beta) > 0L &&
    !is.null(fit$glmm) &&
    fit$glmm$link %in% unbounded &&
    !has_dispersion(fit$family)
}

# Whether the values of a column that aren't zero vary, but little beside their size.
is_far_from_zero <- function(column) {
  values <- column[column != 0]
  spread <- stats::var(values - values[1L])
  isTRUE(spread > 0 && spread < 1e-4 * mean(values)^2)
}

# Columns that are orthogonal, as those of an interaction with a covariate far from zero: the
# largest absolute value of each, and the matrix that takes the coefficients to theirs.
orthogonal_columns <- function(x) {
  parts <- qr(x, tol = 0)
  r <- qr.R(parts)
  sizes <- diag(r)
  largest <- apply(abs(qr.Q(parts)), 2L, max)
  list(shift = r / sizes, largest = largest * abs(sizes))
}

# Shift and largest elements of centred columns. The inverse of `shift`, whose one row differs from
# those of the unit matrix, is its mirror image.
centred_columns <- function(x, names) {
  shift <- intercept_shift(x, names)
  centred <- x %*% (2 * diag(ncol(x)) - shift)
  list(shift = shift, largest = apply(abs(column_ranges(centred)), 2L, max))
}

# Standard errors of the shifted coefficients at fixed theta: the factor of their precision is that
# of the coefficients times the inverse of `shift`. Infinite where even the factor is singular.
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

# The matrix that takes the coefficients to those with covariates far from zero, such as years,
# centred: otherwise the intercept and they are large, and uncertain, whatever the data.
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

# The least and the largest value of each column, without a copy of them all.
column_ranges <- function(x) {
  vapply(seq_len(ncol(x)), \(j) range(x[, j]), numeric(2L))
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

# Tests of covariates with slopes by the levels of a large factor.

#' The terms that are a covariate with slopes by the levels of a large factor
#' @noRd
covariates_with_slopes <- function(fit) {
  labels <- attr(fit$fixed$ordinary, "term.labels")
  Filter(\(label) length(slopes_of(fit, label)) > 0L, labels)
}

#' The rows of the covariates with slopes in a table of tests
#' @return A list with a table for each of them; `NULL` for one that is aliased with others.
#' @param untested The terms that have no test.
#' @noRd
covariate_tests <- function(fit, untested, type, tests) {
  labels <- setdiff(covariates_with_slopes(fit), untested)
  labels <- Filter(\(label) has_coefficient(fit, label), labels)
  rows <- rlang::set_names(labels)
  lapply(rows, test_of_covariate, fit, type, tests)
}

#' The row of a covariate in a table of tests: the test of a mean of its slopes, for each factor
#'
#' Type III weights all levels equally; type II weights them by the information about the covariate
#' in each level, as the sequential hypothesis of a model without slopes does.
#' @param label The label of its term.
#' @noRd
test_of_covariate <- function(label, fit, type, tests) {
  slopes <- slopes_of(fit, label)
  check_slopes_known(fit, slopes, label, type)
  x <- covariate_contrast(fit, label, type)
  weights <- if (type == "II") {
    slope_weights(fit, slopes, x)
  } else {
    alike_by_factor(slopes, length(fit$levels))
  }
  if (is.null(weights)) {
    return(NULL)
  }
  core <- in_core_coding(fit)
  of_levels <- sum(weights * core$levels, na.rm = TRUE)
  slope <- sum(x * core$beta) + of_levels
  variance_at <- slope_variance(fit, x, weights)
  variance <- effects_sigma(fit)^2 * variance_at(fit$theta)
  if (inherits(fit, "rlmm_glmm")) {
    return(chisq_table(slope^2 / drop(variance), 1L))
  }
  df <- if (tests$ddf == "satterthwaite") {
    satterthwaite_beside_levels(fit, variance, variance_at)(1)
  } else {
    Inf
  }
  f_table(slope^2 / drop(variance), 1L, df, fit$sigma)
}

# The slopes of a covariate among the large factors.
slopes_of <- function(fit, label) {
  Filter(
    \(own) identical(own$covariate, unquoted(label)),
    fit$fixed$large$factors
  )
}

# The weights of all levels that give equal-weight means of the given factors.
alike_by_factor <- function(factors, n) {
  weights <- numeric(n)
  for (own in factors) {
    weights[own$at] <- 1 / length(own$at)
  }
  weights
}

check_slopes_known <- function(fit, slopes, label, type) {
  if (!all(free_beta(fit))) {
    abort_if_large(fit, "A test of slopes beside coefficients that are held")
  }
  levels <- unlist(lapply(slopes, `[[`, "at"))
  if (type == "III" && anyNA(fit$levels[levels])) {
    what <- sprintf("A test of %s beside interactions", tick(unquoted(label)))
    abort_if_large(fit, paste(what, "and dropped slopes"))
  }
}

# The part of the hypothesis in the ordinary coefficients: that of the covariate, and for type III a
# mean of its other interactions.
covariate_contrast <- function(fit, label, type) {
  if (type == "III") {
    return(drop(term_contrasts(without_large(fit), type)[[label]]))
  }
  as.double(fit$fixed$assign == place_of_term(fit, label))
}

place_of_term <- function(fit, label) {
  match(label, attr(fit$fixed$terms, "term.labels"))
}

#' Whether a term of ordinary columns has a coefficient that wasn't dropped
#' @noRd
has_coefficient <- function(fit, label) {
  any(fit$fixed$assign == place_of_term(fit, label))
}

# The weight of the slope of each level in the coefficient of a covariate in a model without its
# slopes; zero for other levels. `NULL` if the covariate is aliased with the other columns of that
# model.
slope_weights <- function(fit, slopes, x) {
  spec <- fit_spec(fit)
  used <- rows_that_count(fit)
  large <- fit$fixed$large
  is_other <- \(one) !identical(one$covariate, slopes[[1L]]$covariate)
  rows <- \(one) {
    found <- rows_of_large(one, new_data(fit, NULL))
    rows_of_factor(c(one, found), used)
  }
  columns <- column_matrix(spec$x, length(spec$y))
  columns <- columns[used, , drop = FALSE]
  colnames(columns) <- names(fit$beta)
  others <- columns[, x == 0, drop = FALSE]
  covariate <- columns[, x == 1, drop = FALSE]
  factors <- lapply(Filter(is_other, large$factors), rows)
  rest <- residuals_from_factors(covariate, others, factors)
  if (sum(rest^2) <= 1e-14 * sum((covariate - mean(covariate))^2)) {
    return(NULL)
  }
  values <- rest * drop(covariate)
  weights <- numeric(length(large$levels))
  for (own in slopes) {
    refs <- rows(own)$refs
    weights[own$at] <- level_sums(values, refs, length(own$at))
  }
  large$is_column * weights / sum(values)
}

# The residuals of a covariate from columns and the levels of factors.
residuals_from_factors <- function(covariate, columns, factors) {
  if (length(factors) > 0L) {
    covariate <- project_on_levels(covariate, factors)$rest
    left <- project_on_levels(columns, factors)$rest
    # A column that the levels explain completely has only rounding errors as residuals.
    columns <- left[, !depends_on_earlier(left, columns), drop = FALSE]
  }
  qr.resid(qr(columns), covariate)
}

# The variance over sigma^2 of a coefficient and weighted slopes, as a function of theta.
slope_variance <- function(fit, x, weights) {
  system <- normal_equations(linear_spec(fit))
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), length(system$terms))
  used <- which(weights != 0)
  z <- with_level_values(z, fit$fixed$large, used, weights[used])
  function(theta) {
    found <- solve_normal_equations(system, theta, x, z)
    matrix(sum_with_solution(found, x, z))
  }
}

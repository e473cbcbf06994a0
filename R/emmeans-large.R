# Estimated marginal means in models with large factors. Unless a factor's levels are requested,
# they are no columns of the reference grid: the mean of the coefficients of each factor, and of its
# slopes, is one additional coefficient.

#' The basis for [emmeans::emm_basis()] of a fit with large factors, averaged over their levels
#' @param x The columns of the grid.
#' @param ddf The method for degrees of freedom.
#' @param notes The notes that emmeans prints below its tables.
#' @noRd
large_basis <- function(fit, x, grid, ddf, notes) {
  check_level_mean(fit, colnames(x))
  x <- x[, names(fit$beta), drop = FALSE]
  values <- lapply(fit$fixed$large$factors, grid_values, grid, fit)
  tests <- level_mean_tests(fit, ddf)
  list(
    X = cbind(x, do.call(cbind, values)),
    bhat = c(unname(fit$beta), level_means(fit)),
    nbasis = matrix(NA),
    V = tests$covariance,
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = tests$df),
    misc = with_level_note(notes, fit)
  )
}

# The values of the covariate of slopes in each row of a grid; ones for a factor itself.
grid_values <- function(own, grid, fit) {
  if (!is_slope(own)) {
    return(rep(1, nrow(grid)))
  }
  at <- match(own$covariate, variable_names(own$terms))
  covariates <- as.list(attr(own$terms, "predvars"))[at + 1L]
  values <- lapply(covariates, eval, grid, environment(own$terms))
  slope_values(values, own$columns, own$codes)
}

# The mean over all levels is estimable only if each level has a coefficient.
check_level_mean <- function(fit, columns) {
  large <- fit$fixed$large
  has_all <- sum(!large$is_column) == length(level_bases(large))
  is_whole <- all(setdiff(columns, "(Intercept)") %in% names(fit$beta))
  if (!has_all || !is_whole || !all(free_beta(fit))) {
    abort_if_large(fit, "A reference grid beside columns that were left out")
  }
}

with_level_note <- function(misc, fit, factors = fit$fixed$large$factors) {
  text <- "Averaged over all %s of `%s`"
  groups <- vapply(factors, large_group, "")
  for (own in factors[!duplicated(groups)]) {
    levels <- plural(length(own$levels), "level")
    misc$initMesg <- c(misc$initMesg, sprintf(text, levels, large_group(own)))
  }
  misc
}

#' The mean of the coefficients of each factor, over all of its levels
#' @noRd
level_means <- function(fit) {
  large <- fit$fixed$large
  drop(means_by_factor(fit$levels, large$factors, level_weights(large)))
}

#' The covariance of the coefficients and the means of levels, and degrees of freedom
#' @return A list: `covariance`, and `df`, a function of a contrast of these.
#' @noRd
level_mean_tests <- function(fit, ddf) {
  large <- fit$fixed$large
  weights <- level_weights(large)
  means <- \(levels) means_by_factor(levels, large$factors, weights)
  tests_beside_levels(
    fit,
    ddf,
    level_mean_covariance(fit),
    means,
    level_means_within(fit, large$factors, weights)
  )
}

#' The tests of coefficients and of functions of the levels
#' @param covariance_at The covariance of both over sigma^2, as a function of theta.
#' @param sums A function that maps a matrix with a row for each level to one with a row for each
#'   function of the levels.
#' @param ... See [with_estimated_theta()].
#' @return See [level_mean_tests()].
#' @noRd
tests_beside_levels <- function(fit, ddf, covariance_at, sums, ...) {
  tests <- fixed_tests(fit, ddf)
  covariance <- effects_sigma(fit)^2 * covariance_at(fit$theta)
  covariance <- with_estimated_theta(covariance, fit, sums, ...)
  df <- if (ddf == "satterthwaite") {
    satterthwaite_beside_levels(fit, covariance, covariance_at)
  } else if (length(fit$beta) == 0L) {
    df_without_coefficients(fit, ddf)
  } else {
    \(k) as.vector(tests$row_df(coefficients_of(k, length(fit$beta))))
  }
  list(covariance = covariance, df = df)
}

# Degrees of freedom by a rule for the coefficients, of which there are none.
df_without_coefficients <- function(fit, ddf) {
  df <- switch(
    ddf,
    none = ,
    asymptotic = Inf,
    residual = df.residual.rlmm(fit),
    NA_real_
  )
  \(k) df
}

# The part of a contrast in the other coefficients, as a row. If it is zero, the degrees of freedom
# of all coefficients are used.
coefficients_of <- function(k, p) {
  own <- k[seq_len(p)]
  if (all(own == 0)) {
    own[] <- 1
  }
  matrix(own, 1L)
}

# The levels themselves -----------------------------------------------------------

# The largest number of levels with rows and columns in a covariance matrix.
max_grid_levels <- 2000L

#' The large factors whose variables are named in the current call of emmeans
#' @return Their numbers.
#' @noRd
requested_factors <- function(fit) {
  specs <- unlist(lapply(seq_len(sys.nframe()), specs_of_call))
  is_requested <- \(own) any(names(own$xlevels) %in% specs)
  which(vapply(fit$fixed$large$factors, is_requested, NA))
}

# The variables in the argument `specs` of a function of emmeans, if it is the function of a frame.
specs_of_call <- function(number) {
  fun <- topenv(environment(sys.function(number)))
  if (!identical(fun, asNamespace("emmeans"))) {
    return(NULL)
  }
  specs <- get0("specs", sys.frame(number), inherits = FALSE)
  named <- \(x) if (rlang::is_formula(x)) all.vars(x) else as.character(x)
  if (is.list(specs)) {
    unlist(lapply(specs, named))
  } else if (rlang::is_formula(specs) || is.character(specs)) {
    named(specs)
  }
}

#' The message for emmeans if the requested levels are too many; otherwise `NULL`
#' @noRd
refused_levels <- function(fit) {
  large <- fit$fixed$large
  n <- length(large$levels)
  if (n <= max_grid_levels || length(requested_factors(fit)) == 0L) {
    return(NULL)
  }
  is_one <- n_blocks(large) == 1L
  text <- paste(
    "Marginal means of %s need a covariance matrix of all of %s %s levels, which takes %s;",
    "%s levels are taken at most. `fixed_levels()` has the coefficients and standard errors of all."
  )
  sprintf(
    text,
    enumerate(tick(each_large(large, "variable"))),
    if (is_one) "its" else "their",
    format_count(n),
    format_bytes(8 * n^2),
    format_count(max_grid_levels)
  )
}

#' The terms of the ordinary part and of the requested large factors, offsets, and the covariates of
#' all slopes, whose values a grid needs
#' @noRd
terms_with <- function(fit, requested) {
  terms <- stats::terms(fit)
  is_requested <- seq_along(fit$fixed$large$factors) %in% requested
  others <- each_large(fit$fixed$large, "label")[!is_requested]
  kept <- setdiff(attr(terms, "term.labels"), others)
  kept <- unique(c(kept, unlist(lapply(fit$fixed$large$factors, slope_labels))))
  offsets <- variable_names(terms)[attr(terms, "offset")]
  ordinary <- fit$fixed$ordinary
  is_ordinary <- setequal(kept, attr(ordinary, "term.labels"))
  if (is_ordinary && length(offsets) == length(attr(ordinary, "offset"))) {
    return(ordinary)
  }
  formula <- stats::reformulate(
    c(kept, offsets),
    terms[[2L]],
    attr(terms, "intercept") == 1L,
    environment(terms)
  )
  part_terms(formula, fit$frame)
}

# The covariates of slopes as labels of terms.
slope_labels <- function(own) {
  at <- match(own$covariate, variable_names(own$terms))
  covariates <- as.list(attr(own$terms, "variables"))[at + 1L]
  vapply(covariates, deparse1, "", backtick = TRUE)
}

#' The large factors that are in some terms
#' @return Their numbers.
#' @noRd
factors_in_terms <- function(fit, terms) {
  which(each_large(fit$fixed$large, "label") %in% attr(terms, "term.labels"))
}

#' The basis for [emmeans::emm_basis()] if the levels of some large factors are rows of the grid
#' @param requested The numbers of these factors; the basis is averaged over the others.
#' @noRd
level_basis <- function(fit, x, grid, requested, ddf, notes) {
  check_level_mean(fit, colnames(x))
  large <- fit$fixed$large
  all <- level_weights(large)
  weights <- matrix(all, nrow(x), length(all), byrow = TRUE)
  for (own in large$factors[requested]) {
    refs <- combined_refs(grid[names(own$xlevels)], own$xlevels)
    weights[, own$at] <- outer(refs, seq_along(own$at), `==`) + 0
  }
  for (own in large$factors) {
    weights[, own$at] <- weights[, own$at] * grid_values(own, grid, fit)
  }
  is_column <- which(large$is_column)
  estimates <- in_core_coding(fit)
  tests <- level_tests(fit, ddf)
  list(
    X = cbind(x[, names(fit$beta), drop = FALSE], weights[, is_column]),
    bhat = c(unname(estimates$beta), estimates$levels[is_column]),
    nbasis = matrix(NA),
    V = tests$covariance,
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = tests$df),
    misc = with_level_note(notes, fit, large$factors[-requested])
  )
}

#' The covariance of the coefficients and the levels, and degrees of freedom
#' @return See [level_mean_tests()].
#' @noRd
level_tests <- function(fit, ddf) {
  is_column <- fit$fixed$large$is_column
  with_column <- \(levels) levels[is_column, , drop = FALSE]
  tests_beside_levels(fit, ddf, level_covariance(fit), with_column)
}

#' The covariance of the coefficients and the levels over sigma^2, as a function of theta
#' @noRd
level_covariance <- function(fit) {
  if (!is.null(fit$sums)) {
    abort_no_rows(
      "A covariance matrix of all levels",
      "`fixed_levels()` has their standard errors."
    )
  }
  spec <- linear_spec(fit)
  large <- fit$fixed$large
  blocks <- lapply(spec$terms[fixed_term_numbers(spec)], sparse_z)
  levels <- lapply(large$factors, \(own) {
    k <- length(factors_of_block(large, own$block))
    own_columns <- own$column + k * (seq_along(own$levels) - 1L)
    blocks[[own$block]][, own_columns, drop = FALSE]
  })
  levels <- do.call(cbind, levels)
  x <- cbind(
    column_matrix(spec$x, length(spec$y)),
    levels[, large$is_column, drop = FALSE]
  )
  weights <- working_weights(fit)
  wx <- weights * x
  products <- as.matrix(Matrix::crossprod(x, wx))
  design <- list(zt = sparse_zt(fit), weights = weights, wx = wx)
  function(theta) {
    fit$theta <- theta
    explained <- Matrix::crossprod(sparse_factor(fit, design)$rzx)
    chol2inv(chol(products - as.matrix(explained)))
  }
}

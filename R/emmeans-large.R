# Estimated marginal means beside a fixed factor with many levels. Its levels are no columns of a
# grid, unless they are asked for: the mean of their coefficients stands for them, as one
# coefficient more.

#' What [emmeans::emm_basis()] wants of a fit with a large factor
#' @param x The columns of the grid.
#' @param ddf How degrees of freedom are found.
#' @param notes What emmeans tells beside its tables.
#' @noRd
large_basis <- function(fit, x, ddf, notes) {
  check_level_mean(fit, colnames(x))
  x <- x[, names(fit$beta), drop = FALSE]
  tests <- level_mean_tests(fit, ddf)
  list(
    X = cbind(x, 1),
    bhat = c(unname(fit$beta), level_mean(fit)),
    nbasis = matrix(NA),
    V = tests$covariance,
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = tests$df),
    misc = with_level_note(notes, fit)
  )
}

# The mean of all levels is known if each has a coefficient.
check_level_mean <- function(fit, columns) {
  large <- fit$fixed$large
  has_all <- sum(!large$is_column) == large$has_base
  is_whole <- all(setdiff(columns, "(Intercept)") %in% names(fit$beta))
  if (!has_all || !is_whole || !all(free_beta(fit))) {
    abort_if_large(fit, "A reference grid beside columns that were left out")
  }
}

with_level_note <- function(misc, fit) {
  large <- fit$fixed$large
  levels <- plural(length(large$levels), "level")
  text <- "Averaged over all %s of `%s`"
  misc$initMesg <- c(misc$initMesg, sprintf(text, levels, large$variable))
  misc
}

#' The mean of the levels' coefficients, the base's zero among them
#' @noRd
level_mean <- function(fit) mean(fit$levels)

#' The covariance of the coefficients and the mean of the levels, and degrees of freedom
#' @return A list: `covariance`, and `df`, a function of a combination of these.
#' @noRd
level_mean_tests <- function(fit, ddf) {
  tests_beside_levels(fit, ddf, level_mean_covariance(fit))
}

#' The tests of coefficients and of what stands for the levels beside them
#' @param covariance_at Their covariance over sigma^2, as a function of theta.
#' @return See [level_mean_tests()].
#' @noRd
tests_beside_levels <- function(fit, ddf, covariance_at) {
  tests <- fixed_tests(fit, ddf)
  covariance <- effects_sigma(fit)^2 * covariance_at(fit$theta)
  covariance <- with_coefficients(covariance, tests$covariance)
  df <- if (ddf == "satterthwaite") {
    satterthwaite_beside_levels(fit, covariance, covariance_at)
  } else {
    \(k) as.vector(tests$row_df(coefficients_of(k, length(fit$beta))))
  }
  list(covariance = covariance, df = df)
}

#' The covariance of coefficients and levels, or of their mean, with another one of the
#' coefficients: that of a generalized model takes into account that theta is estimated
#'
#' Levels move with the coefficients by d, and vary beside that.
#' @noRd
with_coefficients <- function(covariance, own) {
  p <- nrow(own)
  if (p == 0L) {
    return(covariance)
  }
  first <- seq_len(p)
  known <- covariance[first, first, drop = FALSE]
  cross <- covariance[first, -first, drop = FALSE]
  d <- solve(known, cross)
  beside <- covariance[-first, -first, drop = FALSE] - crossprod(d, cross)
  moved <- own %*% d
  unname(rbind(
    cbind(own, moved),
    cbind(t(moved), beside + crossprod(d, moved))
  ))
}

# A combination of the other coefficients, in a row. A combination of none has the degrees of
# freedom of all.
coefficients_of <- function(k, p) {
  own <- k[seq_len(p)]
  if (all(own == 0)) {
    own[] <- 1
  }
  matrix(own, 1L)
}

#' The covariance over sigma^2 as a function of theta: the solution of the normal equations whose
#' right-hand side is the weight of each level in their mean
#' @noRd
level_mean_covariance <- function(fit) {
  spec <- linear_spec(fit)
  large <- fit$fixed$large
  weights <- large$is_column / length(large$levels)
  system <- normal_equations(spec)
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), length(spec$terms))
  levels <- list(at = cbind(1L, seq_along(weights)), values = weights)
  z[[length(z)]] <- levels
  zero <- numeric(length(fit$beta))
  function(theta) {
    found <- solve_normal_equations(system, theta, zero, z)
    variance <- sum(weights * found$b[[length(z)]])
    rbind(
      cbind(chol2inv(found$rx), found$beta),
      c(found$beta, variance)
    )
  }
}

#' Satterthwaite's degrees of freedom, by differences of the covariance in theta
#' @noRd
satterthwaite_beside_levels <- function(fit, covariance, covariance_at) {
  at <- slope_coordinates(fit)
  free <- which(diag(at$covariance) > 0)
  slopes <- lapply(free, \(j) {
    if (j > length(at$theta)) {
      return(2 * covariance / fit$sigma)
    }
    moved <- replace(at$theta, j, at$theta[j] + at$steps[j])
    there <- fit$sigma^2 * covariance_at(at$to_given(moved))
    (there - covariance) / at$steps[j]
  })
  spread <- at$covariance[free, free, drop = FALSE]
  # emmeans takes functions out of their environments.
  function(k) {
    variance <- sum(k * (covariance %*% k))
    gradient <- vapply(slopes, \(slope) sum(k * (slope %*% k)), 1)
    2 * variance^2 / sum(gradient * (spread %*% gradient))
  }
}

# The levels themselves -----------------------------------------------------------

# So many levels have a row and a column in a covariance matrix at most.
most_levels_of_grid <- 2000L

#' Whether a call of emmeans that is under way names the variables of the factor
#' @noRd
asks_for_levels <- function(fit) {
  specs <- unlist(lapply(sys.frames(), specs_of_call))
  any(names(fit$fixed$large$xlevels) %in% specs)
}

# The variables that the argument `specs` of emmeans' functions names, if a frame has one.
specs_of_call <- function(frame) {
  specs <- get0("specs", frame, inherits = FALSE)
  named <- \(x) if (rlang::is_formula(x)) all.vars(x) else as.character(x)
  if (is.list(specs)) {
    unlist(lapply(specs, named))
  } else if (rlang::is_formula(specs) || is.character(specs)) {
    named(specs)
  }
}

#' What emmeans is told where the levels are asked for and too many; `NULL` otherwise
#' @noRd
refused_levels <- function(fit) {
  large <- fit$fixed$large
  n <- length(large$levels)
  if (n <= most_levels_of_grid || !asks_for_levels(fit)) {
    return(NULL)
  }
  text <- paste(
    "Marginal means of %s need a covariance matrix of all of its %s levels, which takes %s;",
    "%s levels are taken at most. `fixed_levels()` has the coefficients and standard errors of all."
  )
  sprintf(
    text,
    tick(large$variable),
    format_count(n),
    format_bytes(8 * n^2),
    format_count(most_levels_of_grid)
  )
}

has_level_term <- function(fit, terms) {
  fit$fixed$large$label %in% attr(terms, "term.labels")
}

#' What [emmeans::emm_basis()] wants where the levels are rows of the grid
#' @noRd
level_basis <- function(fit, x, grid, ddf, notes) {
  check_level_mean(fit, colnames(x))
  large <- fit$fixed$large
  is_column <- which(large$is_column)
  refs <- combined_refs(grid[names(large$xlevels)], large$xlevels)
  indicators <- outer(refs, is_column, `==`) + 0
  tests <- level_tests(fit, ddf)
  list(
    X = cbind(x[, names(fit$beta), drop = FALSE], indicators),
    bhat = c(unname(fit$beta), fit$levels[is_column]),
    nbasis = matrix(NA),
    V = tests$covariance,
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = tests$df),
    misc = notes
  )
}

#' The covariance of the coefficients and the levels, and degrees of freedom
#' @return See [level_mean_tests()].
#' @noRd
level_tests <- function(fit, ddf) {
  tests_beside_levels(fit, ddf, level_covariance(fit))
}

#' The covariance of the coefficients and the levels over sigma^2, as a function of theta
#' @noRd
level_covariance <- function(fit) {
  spec <- linear_spec(fit)
  levels <- sparse_z(spec$terms[[length(spec$terms)]])
  x <- cbind(
    column_matrix(spec$x, length(spec$y)),
    levels[, fit$fixed$large$is_column, drop = FALSE]
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

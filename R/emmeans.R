# What package emmeans asks of a model: its data, and the fixed part at a grid of the predictors.

#' @rawNamespace S3method(emmeans::recover_data, rlmm)
recover_data.rlmm <- function(object, ...) {
  if (!is.null(object$sums) && is.null(list(...)$data)) {
    return("A fit of sums has no rows to make a grid of: give some, `data = `.")
  }
  terms <- stats::delete.response(grid_terms(object))
  emmeans::recover_data(
    object$call,
    terms,
    object$na_action,
    frame = object$frame,
    pwts = cell_weights(object),
    ...
  )
}

# The terms of a grid's variables: the levels of a large factor are none of its rows.
grid_terms <- function(fit) fit$fixed$ordinary %||% stats::terms(fit)

# The prior weights, trials of a binomial response among them, by which emmeans weights its cells;
# `NULL` if all are one.
cell_weights <- function(fit) {
  if (!is.null(fit$sums)) {
    return(NULL)
  }
  weights <- unpad(weights.rlmm(fit), fit)
  if (any(weights != 1)) weights
}

#' @param mode Degrees of freedom: see [summary.rlmm()]; `lmer.df` is what emmeans calls it for
#'   lme4's fits, also in `emm_options()`.
#' @noRd
#' @rawNamespace S3method(emmeans::emm_basis, rlmm)
emm_basis.rlmm <- function(
  object,
  trms,
  xlev,
  grid,
  mode = lmer.df,
  lmer.df = emm_ddf(object),
  ...
) {
  x <- grid_matrix(object, trms, xlev, grid)
  is_kept <- colnames(x) %in% names(object$beta)
  # ggeffects asks all models that it doesn't know for "link": normal limits.
  mode <- if (identical(mode, "link")) "asymptotic" else mode
  ddf <- choose_ddf(object, mode)
  if (has_large(object)) {
    return(large_basis(object, x, ddf, emm_notes(object, ddf)))
  }
  tests <- fixed_tests(object, ddf)
  list(
    X = x,
    bhat = unname(object$beta[colnames(x)]),
    nbasis = inestimable(object, is_kept, colnames(x)),
    V = tests$covariance,
    # emmeans takes the function out of its environment.
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = df_of_kept(tests, is_kept)),
    misc = emm_notes(object, tests$ddf)
  )
}

grid_matrix <- function(fit, terms, levels, grid) {
  frame <- stats::model.frame(
    terms,
    grid,
    na.action = stats::na.pass,
    xlev = levels
  )
  stats::model.matrix(terms, frame, contrasts.arg = fit$fixed$contrasts)
}

# The function for degrees of freedom of a combination of all coefficients, or of those that were
# kept.
df_of_kept <- function(tests, is_kept) {
  function(k) {
    kept <- if (length(k) == length(is_kept)) {
      k[is_kept]
    } else {
      k
    }
    as.vector(tests$row_df(matrix(kept, nrow = 1L)))
  }
}

#' The degrees of freedom that the user has chosen by `emmeans::emm_options()`, if any
#' @noRd
emm_ddf <- function(fit) UseMethod("emm_ddf")

#' @export
emm_ddf.rlmm_lmm <- function(fit) getOption("emmeans")$lmer.df

#' @export
emm_ddf.rlmm_glmm <- function(fit) NULL

#' A basis of the combinations of the coefficients that the data say nothing of
#' @noRd
inestimable <- function(object, is_kept, columns) {
  # A matrix of `NA` is emmeans's sign that every combination can be estimated.
  if (all(is_kept)) {
    return(matrix(NA))
  }
  x <- full_fixed_matrix(object)
  null_space(x[, columns, drop = FALSE], sum(is_kept))
}

# An orthonormal basis of what a matrix of this rank takes to zero, with its columns scaled alike.
null_space <- function(x, rank) {
  unit <- sqrt(colSums(x^2))
  unit[unit == 0] <- 1
  directions <- svd(sweep(x, 2L, unit, `/`), 0L)$v
  is_null <- seq_len(ncol(x)) > rank
  qr.Q(qr(directions[, is_null, drop = FALSE] / unit))
}

#' What emmeans tells beside its tables: the link, or how degrees of freedom are found
#' @noRd
emm_notes <- function(fit, ddf) UseMethod("emm_notes")

#' @export
emm_notes.rlmm_lmm <- function(fit, ddf) {
  list(initMesg = paste("Degrees-of-freedom method:", ddf))
}

#' @export
emm_notes.rlmm_glmm <- function(fit, ddf) {
  emmeans::.std.link.labels(fit$family, list())
}

# Methods for package emmeans: the data of a model, and its fixed part at a grid of the predictors.

#' @rawNamespace S3method(emmeans::recover_data, rlmm)
recover_data.rlmm <- function(object, ...) {
  if (!is.null(object$sums) && is.null(list(...)$data)) {
    return("A fit of sums has no rows to make a grid of: give some, `data = `.")
  }
  refused <- refused_levels(object)
  if (!is.null(refused)) {
    return(refused)
  }
  terms <- stats::delete.response(grid_terms(object))
  if (!is.null(object$sums)) {
    return(recover_data_of_sums(object, terms, ...))
  }
  emmeans::recover_data(
    object$call,
    terms,
    object$na_action,
    frame = object$frame,
    pwts = cell_weights(object),
    ...
  )
}

# The data of a grid for a fit of sums. Before its version 2 emmeans took the argument `offset` from
# a model frame alone, of which only the mean matters.
recover_data_of_sums <- function(fit, terms, ..., data) {
  call <- fit$call
  offset <- fit$sums$arguments$offset
  call$offset <- offset
  recover <- \(...) {
    emmeans::recover_data(call, terms, fit$na_action, ..., data = data)
  }
  if (is.null(offset) || utils::packageVersion("emmeans") >= "2.0.0") {
    return(recover(...))
  }
  values <- eval(offset, data, formula_env(fit$formula))
  recover(..., frame = list(`(offset)` = mean(values, na.rm = TRUE)))
}

# The terms of a grid's variables, without large factors unless these are requested.
grid_terms <- function(fit) {
  if (has_large(fit)) {
    terms_with(fit, requested_factors(fit))
  } else {
    stats::terms(fit)
  }
}

# The prior weights, including binomial trials, with which emmeans weights cells; `NULL` if all are
# one.
cell_weights <- function(fit) {
  weights <- unpad(weights.rlmm(fit), fit)
  if (any(weights != 1)) weights
}

#' @param mode The method for degrees of freedom, see [summary.rlmm()]; emmeans has `lmer.df` for
#'   fits of lme4, also in `emm_options()`.
#' @param vcov. A covariance matrix of the fixed effects, a function of the fit that returns one, or
#'   a type of robust standard errors.
#' @noRd
#' @rawNamespace S3method(emmeans::emm_basis, rlmm)
emm_basis.rlmm <- function(
  object,
  trms,
  xlev,
  grid,
  mode = lmer.df,
  lmer.df = emm_ddf(object),
  vcov. = NULL,
  ...
) {
  requested <- if (has_large(object)) factors_in_terms(object, trms)
  has_levels <- length(requested) > 0L
  own <- object$fixed$ordinary
  own <- if (is.null(own)) trms else stats::delete.response(own)
  x <- grid_matrix(object, own, xlev, grid)
  is_kept <- colnames(x) %in% names(object$beta)
  # ggeffects passes "link" for models of unknown classes, which means normal limits.
  argument <- if (missing(mode)) "lmer.df" else "mode"
  mode <- if (identical(mode, "link")) "asymptotic" else mode
  ddf <- mean_ddf(object, mode, argument)
  vcov <- covariance_asked(vcov., ...)
  if (has_large(object)) {
    check_no_covariance(object, vcov)
    notes <- emm_notes(object, ddf)
    if (has_levels) {
      return(level_basis(object, x, grid, requested, ddf, notes))
    }
    return(large_basis(object, x, grid, ddf, notes))
  }
  tests <- mean_tests(object, ddf, vcov)
  basis <- list(
    X = x,
    bhat = unname(object$beta[colnames(x)]),
    nbasis = inestimable(object, is_kept, x),
    V = tests$covariance,
    # emmeans resets the environment of this function.
    dffun = \(k, dfargs) dfargs$df(k),
    dfargs = list(df = df_of_kept(tests, is_kept)),
    misc = with_note(emm_notes(object, tests$ddf), tests$note)
  )
  is_all <- length(object$fixed$dropped) == 0L
  root <- if (is_all) root_of_precision(object, tests$covariance)
  if (is.null(root)) basis else independent_basis(basis, root)
}

#' A basis in uncorrelated combinations of the coefficients
#'
#' If a covariate is far from zero, x'Vx is the difference of numbers so large that no digit of it
#' is correct; |R^-T x|^2 is a sum of squares.
#' @param root The result of [root_of_precision()].
#' @noRd
independent_basis <- function(basis, root) {
  df <- basis$dfargs$df
  basis$X[] <- t(backsolve(root, t(basis$X), transpose = TRUE))
  basis$bhat <- drop(root %*% basis$bhat)
  basis$V <- diag(nrow(root))
  basis$dfargs$df <- \(k) df(drop(k %*% root))
  basis
}

with_note <- function(misc, note) {
  misc$initMesg <- c(misc$initMesg, note)
  misc
}

#' The method for degrees of freedom of a mode of emmeans; generalized models ignore those of linear
#' ones
#' @noRd
mean_ddf <- function(fit, mode, arg) UseMethod("mean_ddf")

#' @export
mean_ddf.rlmm_lmm <- function(fit, mode, arg) choose_ddf(fit, mode, arg = arg)

#' @export
mean_ddf.rlmm_glmm <- function(fit, mode, arg) {
  of_linear <- c("satterthwaite", "kenward-roger")
  is_word <- is.character(mode) && length(mode) == 1L
  is_of_linear <- is_word && !is.na(pmatch(tolower(mode), of_linear))
  if (is_of_linear) "asymptotic" else choose_ddf(fit, mode, arg = arg)
}

# The tests; for the Kenward-Roger method those of the REML fit, which emmeans and pbkrtest also use
# for ML fits of lme4.
mean_tests <- function(fit, ddf, vcov) {
  if (ddf != "kenward-roger") {
    return(fixed_tests(fit, ddf, vcov))
  }
  if (!is.null(vcov)) {
    inform_given_covariance()
    return(fixed_tests(fit, "satterthwaite", vcov))
  }
  if (!isREML.rlmm(fit)) {
    fit <- suppressMessages(update.rlmm(fit, REML = TRUE))
  }
  kenward_roger_tests(fit)
}

inform_given_covariance <- function() {
  inform_rlmm(
    c(
      "Kenward and Roger's method has a covariance matrix of its own.",
      i = "With `vcov.` degrees of freedom are Satterthwaite's."
    ),
    "rlmm_message_ddf"
  )
}

# The covariance matrix of `vcov.`; a function gets the further arguments, without emmeans' own.
covariance_asked <- function(vcov., ...) {
  if (!is.function(vcov.)) {
    return(vcov.)
  }
  arguments <- list(...)
  own <- setdiff(names(arguments), arguments_of_emmeans)
  \(fit) do.call(vcov., c(list(fit), arguments[own]))
}

arguments_of_emmeans <- c(
  "misc",
  "options",
  "disable.lmerTest",
  "disable.pbkrtest",
  "lmerTest.limit",
  "pbkrtest.limit"
)

check_no_covariance <- function(fit, vcov) {
  if (!is.null(vcov)) {
    abort_if_large(fit, "Another covariance matrix of the means")
  }
}

grid_matrix <- function(fit, terms, levels, grid) {
  levels <- levels[names(levels) %in% rownames(attr(terms, "factors"))]
  frame <- stats::model.frame(
    terms,
    grid,
    na.action = stats::na.pass,
    xlev = levels
  )
  stats::model.matrix(terms, frame, contrasts.arg = fit$fixed$contrasts)
}

# The function for degrees of freedom of a contrast of all coefficients, or of the kept ones.
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

#' The method for degrees of freedom in `emmeans::emm_options()`, if any
#' @noRd
emm_ddf <- function(fit) UseMethod("emm_ddf")

#' @export
emm_ddf.rlmm_lmm <- function(fit) getOption("emmeans")$lmer.df

#' @export
emm_ddf.rlmm_glmm <- function(fit) NULL

#' A basis of the null space of X, for emmeans' test of estimability
#'
#' emmeans treats as zero what is small relative to a row of the grid. With a date or another
#' covariate far from zero, an empty cell would be treated as zero too: the basis is lengthened by
#' the norm of such rows, up to rounding errors.
#' @param x The columns of the grid.
#' @noRd
inestimable <- function(object, is_kept, x) {
  # For emmeans, a matrix of `NA` means that every contrast is estimable.
  if (all(is_kept)) {
    return(matrix(NA))
  }
  size <- sqrt(max(1, rowSums(x^2), na.rm = TRUE))
  size^0.75 * null_combinations(object, is_kept, colnames(x))
}

null_combinations <- function(object, is_kept, columns) {
  if (!is.null(object$fixed$combinations)) {
    return(null_of_combinations(object$fixed$combinations, columns))
  }
  x <- full_fixed_matrix(object)
  null_space(x[, columns, drop = FALSE], sum(is_kept))
}

# The result of null_combinations() for a fit without rows, from [column_combinations()]: a dropped
# column minus the combination of kept ones that equals it, with the origins of all subtracted.
null_of_combinations <- function(found, columns) {
  is_kept <- found$is_kept
  basis <- matrix(0, length(is_kept), sum(!is_kept))
  basis[is_kept, ] <- -as.matrix(found$weights)
  basis[!is_kept, ] <- diag(ncol(basis))
  constant <- which(found$names == "(Intercept)")
  basis[constant, ] <- basis[constant, ] -
    rep(found$origins %*% basis, length(constant))
  qr.Q(qr(basis[match(columns, found$names), , drop = FALSE]))
}

# An orthonormal basis of the null space of a matrix of given rank, after scaling its columns.
null_space <- function(x, rank) {
  unit <- sqrt(colSums(x^2))
  unit[unit == 0] <- 1
  directions <- svd(sweep(x, 2L, unit, `/`), 0L)$v
  is_null <- seq_len(ncol(x)) > rank
  qr.Q(qr(directions[, is_null, drop = FALSE] / unit))
}

#' The notes that emmeans prints below its tables: the link, or the method for degrees of freedom
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

# Converts fits to objects of lme4.

#' Convert to and from lme4's classes
#'
#' `as_merMod()` returns the object that `lme4::lmer()` or `lme4::glmer()` would return if it
#' stopped at the estimates of the fit; nothing is refitted. `as_rlmm()` is the reverse. Functions
#' that require lme4's class, such as `lmerTest::as_lmerModLmerTest()` and those of merTools, accept
#' the result of `as_merMod()`.
#'
#' lme4 has no counterpart of a known residual standard deviation, of several residual variances, of
#' held parameters, of `cs()`, `ar1()` and other structures with correlations (lme4 2 has them in
#' other classes), or of dispersions estimated by maximum likelihood: for these `as_merMod()` raises
#' an error. `diag()` terms become `||` terms if their effects are numeric.
#'
#' An offset that was given as an argument becomes part of the object's formula if it consists of
#' columns of the data, because lme4 ignores the argument in predictions for other data.
#'
#' The object of a negative binomial model has the family `MASS::negative.binomial()` at the
#' estimated theta, as after `lme4::glmer.nb()`. `as_rlmm()` treats this theta as known.
#' @param object,x For `as_merMod()`, a fit of [rlmm()] or [rglmm()]; for `as_rlmm()`, one of
#'   `lme4::lmer()` or `lme4::glmer()`. Objects that already have the target class are returned as
#'   they are.
#' @param ... Not used; any argument here is an error.
#' @return `as_merMod()`: an object of class `"lmerMod"` or `"glmerMod"`. `as_rlmm()`: an object of
#'   class `"rlmm"`.
#' @examplesIf requireNamespace("lme4", quietly = TRUE)
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' theirs <- as_merMod(fit)
#' all.equal(lme4::VarCorr(theirs)$Subject, VarCorr(fit)$Subject, check.attributes = FALSE)
#' as_rlmm(theirs)
#' @export
as_merMod <- function(object, ...) {
  refuse_dots(...)
  if (inherits(object, "merMod")) {
    return(object)
  }
  check_fit(object, "object")
  check_convertible(object)
  need_package("lme4", "as_merMod()")
  mermod_of(with_offset_in_formula(with_all_rows(object)))
}

#' An lme4 object with the offset where the user wrote it, and with the fitted data in its call
#'
#' MuMIn evaluates the call again without fixed effects, and then keeps an offset argument of the
#' call, but not an `offset()` term of the formula.
#' @noRd
as_merMod_with_offset <- function(object) {
  check_convertible(object)
  need_package("lme4", "as_merMod()")
  made <- mermod_of(with_all_rows(object))
  data <- original_data(object)
  if (!is.null(data)) {
    made@call$data <- data
  }
  made
}

#' The lme4 object for one class of fits
#' @noRd
mermod_of <- function(fit) UseMethod("mermod_of")

#' @export
mermod_of.rlmm_lmm <- function(fit) {
  control <- do.call(lme4::lmerControl, unchecked)
  own <- list(REML = fit$reml, control = control)
  parts <- do.call(lme4::lFormula, c(mermod_arguments(fit), own))
  parts <- restore_fit_attributes(parts, fit)
  deviance <- do.call(lme4::mkLmerDevfun, parts)
  theta <- mermod_theta(fit)
  made <- new_mermod(fit, deviance, parts, theta, deviance(theta))
  if (isTRUE(fit$unstructured)) {
    return(made)
  }
  with_derivatives(made, core_derivatives(fit_spec(fit), fit$theta))
}

#' @export
mermod_of.rlmm_glmm <- function(fit) {
  parts <- glmer_parts(fit)
  # The frame in which lme4's deviance function is made must give access to lme4's functions.
  first <- c(parts, nAGQ = 0L)
  deviance <- do.call(lme4::mkGlmerDevfun, first, envir = asNamespace("lme4"))
  at <- mermod_theta(fit)
  frame <- environment(deviance)
  if (fit$glmm$fast) {
    frame$nAGQ <- 0L
    value <- at_settled_modes(deviance, at, frame$resp$offset)
  } else {
    # The deviance function needs an evaluation in its first stage before that at given fixed
    # effects.
    deviance(at)
    deviance <- lme4::updateGlmerDevfun(
      deviance,
      parts$reTrms,
      nAGQ = fit$glmm$nodes
    )
    at <- c(at, fit$beta)
    value <- at_settled_modes(deviance, at, frame$baseOffset)
    # The evaluation has put the fixed effects into the offset, which is reset.
    frame$resp$setOffset(frame$baseOffset)
  }
  made <- new_mermod(fit, deviance, parts, at, value)
  check_same_dispersion(fit, made)
  check_same_means(fit, made)
  found <- if (isTRUE(fit$unstructured)) {
    unstructured_derivatives(fit)
  } else {
    glmm_derivatives(fit)
  }
  with_derivatives(made, found)
}

#' lme4's deviance, evaluated again at the modes of a first evaluation
#'
#' The factor in lme4 1 has the weights of the previous PIRLS step, which changes the log-likelihood
#' by 1e-4 if the steps begin far from the modes.
#' @noRd
at_settled_modes <- function(deviance, at, offset) {
  deviance(at)
  frame <- environment(deviance)
  frame$lp0 <- frame$resp$eta - offset
  deviance(at)
}

# Raises an error if lme4's dispersion differs: lme4 (from 2.0 on) profiles it itself, and leaves it
# at 1 if its iteration fails.
check_same_dispersion <- function(fit, made) {
  is_profiled <- "dispProfile" %in% names(made@devcomp$dims)
  ours <- sigma.rlmm(fit)
  theirs <- stats::sigma(made)
  if (!is_profiled || abs(theirs - ours) <= 0.01 * ours) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "lme4 doesn't find the dispersion of this fit.",
      x = sprintf(
        "At the same parameters its sigma is %s, that of the fit %s.",
        format(theirs, digits = 4L),
        format(ours, digits = 4L)
      )
    ),
    "rlmm_error_as_mermod"
  )
}

# Raises an error if the fitted means differ, as for profiled dispersions in lme4 before 2.0.
check_same_means <- function(fit, made) {
  apart <- max(abs(stats::fitted(made) - fitted.rlmm(fit)), na.rm = TRUE)
  if (apart <= 0.001 * max(abs(fit$fitted))) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "lme4 doesn't find the conditional modes of this fit.",
      x = sprintf(
        "At the same parameters its fitted means differ by up to %s.",
        format(apart, digits = 3L)
      ),
      i = "lme4 before 2.0 has another dispersion: `dispersion = \"moment\"` is the same."
    ),
    "rlmm_error_as_mermod"
  )
}

# Checks are disabled, as the model was checked when it was fitted.
unchecked <- list(
  check.conv.singular = "ignore",
  check.nobs.vs.rankZ = "ignore",
  check.nobs.vs.nlev = "ignore",
  check.nobs.vs.nRE = "ignore",
  check.nlev.gtr.1 = "ignore"
)

glmer_parts <- function(fit) {
  control <- do.call(lme4::glmerControl, unchecked)
  arguments <- list(family = mermod_family(fit), control = control)
  parts <- do.call(lme4::glFormula, c(mermod_arguments(fit), arguments))
  parts <- restore_fit_attributes(parts, fit)
  parts$control <- do.call(lme4::glmerControl, converged_control())
  parts
}

# A control under which lme4's iterations for the conditional modes and (from 2.1 on) for the
# dispersion converge: by default the latter stops after 100 steps, with errors of 1e-4 in sigma.
converged_control <- function() {
  steps <- list(tolPwrss = 1e-12, maxPhiIter = 10000L)
  steps[names(steps) %in% names(formals(lme4::glmerControl))]
}

# Takes the names of coefficients, the omitted rows and the terms from the fit, as the data given to
# lme4 may be its model frame.
restore_fit_attributes <- function(parts, fit) {
  colnames(parts$X) <- names(fit$beta)
  names(parts$fr) <- sub("^offset\\(`(.*)`\\)$", "\\1", names(parts$fr))
  terms <- all_terms(fit)
  written <- Filter(is.call, terms_variables(terms))
  names(written) <- vapply(written, deparse_one, "")
  formula <- attr(parts$fr, "formula")
  parts$fr <- columns_in_order(parts$fr, terms)
  attr(parts$fr, "formula") <- columns_to_expressions(formula, written)
  attr(parts$fr, "terms") <- terms
  attr(parts$fr, "na.action") <- attr(fit_frame(fit), "na.action")
  parts
}

# A frame with columns in the order of the variables of its terms, which locate an offset.
columns_in_order <- function(frame, terms) {
  variables <- vapply(terms_variables(terms), deparse_one, "")
  names <- union(intersect(variables, names(frame)), names(frame))
  # Other attributes are kept.
  frame[] <- as.list(frame)[names]
  names(frame) <- names
  frame
}

new_mermod <- function(fit, deviance, parts, at, value) {
  found <- list(
    par = unname(at),
    fval = value,
    conv = 0,
    feval = fit$optsum$feval,
    message = paste("found by rlmm:", fit$optsum$optimizer)
  )
  made <- lme4::mkMerMod(
    environment(deviance),
    found,
    parts$reTrms,
    fr = parts$fr,
    mc = mermod_call(fit)
  )
  # The optimizer is named as in lme4, for functions that refit the object.
  optimizer <- if (isGLMM.rlmm(fit)) "bobyqa" else "nloptwrap"
  made@optinfo[c("optimizer", "control")] <- list(optimizer, list())
  made@optinfo$conv$lme4 <- list()
  made
}

mermod_call <- function(fit) {
  call <- fit$call
  call[[1L]] <- if (isGLMM.rlmm(fit)) quote(lme4::glmer) else quote(lme4::lmer)
  call[c("control", "verbose", "information", "dispersion", "link")] <- NULL
  call$formula <- written_formula(fit)
  if (is_negative_binomial(fit)) {
    call$family <- family_call(fit)
  }
  call
}

# The family object; lme4 needs that of MASS, with a given theta, for a negative binomial model.
mermod_family <- function(fit) {
  if (is_negative_binomial(fit)) eval(family_call(fit)) else fit$family
}

is_negative_binomial <- function(fit) {
  identical(fit$glmm$family, "negative.binomial")
}

family_call <- function(fit) {
  call <- quote(MASS::negative.binomial())
  call$theta <- fit$glmm$shape
  if (fit$glmm$link != "log") {
    call$link <- fit$glmm$link
  }
  call
}

# Adds the derivatives of -2 log-likelihood, from which lme4 computes the covariance of the fixed
# effects of a generalized model and other packages judge convergence.
with_derivatives <- function(made, found) {
  if (!is.null(found$hessian)) {
    made@optinfo$derivs <- list(
      gradient = as.double(found$gradient),
      Hessian = unname(found$hessian)
    )
  }
  made
}

# The derivatives in theta and beta, the parameters of lme4, without a shape.
glmm_derivatives <- function(fit) {
  covariance <- if (has_hessian(fit)) hessian_covariance(fit)
  if (is.null(covariance)) {
    return(NULL)
  }
  kept <- seq_len(length(fit$theta) + length(fit$beta))
  list(
    gradient = fit$optsum$gradient[kept],
    hessian = 2 * solve(covariance[kept, kept, drop = FALSE])
  )
}

#' The arguments that are common to lme4's fitting functions
#' @noRd
mermod_arguments <- function(fit) {
  frame <- fit_frame(fit)
  data <- original_data(fit)
  arguments <- if (is.null(data)) {
    by_frame(fit, frame)
  } else {
    by_rows(fit, frame, data)
  }
  drop_null(c(arguments, contrasts = list(fit$fixed$contrasts)))
}

by_frame <- function(fit, frame) {
  list(
    formula = expressions_to_columns(lme4_formula(fit), names(frame)),
    data = frame,
    weights = frame[["(weights)"]],
    offset = frame[["(offset)"]]
  )
}

# The rows of the data that were fitted, selected by `subset`, since expressions such as `scale(x)`
# depend on the other rows too. lme4 drops rows with missing values itself, and a subset would lose
# attributes of columns.
by_rows <- function(fit, frame, data) {
  rows <- match(row.names(frame), row.names(data))
  is_subset <- length(rows) + length(fit$na_action) < nrow(data)
  spread <- function(values) {
    if (!is.null(values)) {
      replace(rep(NA_real_, nrow(data)), rows, values)
    }
  }
  list(
    formula = lme4_formula(fit),
    data = data,
    subset = if (is_subset) rows,
    na.action = stats::na.omit,
    weights = spread(frame[["(weights)"]]),
    offset = spread(frame[["(offset)"]])
  )
}

#' Replaces expressions in a formula by the names of the data frame's columns that hold their values
#' @noRd
expressions_to_columns <- function(formula, columns) {
  if (is.call(formula) && deparse_one(formula) %in% columns) {
    column <- as.name(deparse_one(formula))
    return(if (is_offset(formula)) call("offset", column) else column)
  }
  if (is.call(formula)) {
    formula[-1L] <- lapply(
      as.list(formula)[-1L],
      expressions_to_columns,
      columns
    )
  }
  formula
}

#' Replaces names of columns in a formula by the expressions that they hold
#' @noRd
columns_to_expressions <- function(formula, written) {
  if (is.name(formula)) {
    return(written[[as.character(formula)]] %||% formula)
  }
  if (!is.call(formula)) {
    return(formula)
  }
  formula[-1L] <- lapply(as.list(formula)[-1L], columns_to_expressions, written)
  if (is_offset(formula) && is_offset(formula[[2L]])) formula[[2L]] else formula
}

is_offset <- function(expr) {
  is.call(expr) && identical(expr[[1L]], quote(offset))
}

# Counterparts in lme4 ----------------------------------------------------

check_convertible <- function(fit) {
  abort_if_large(fit, "An object of lme4")
  reason <- not_convertible(fit)
  if (is.null(reason)) {
    return(invisible())
  }
  abort_rlmm(
    c("lme4 has no counterpart of this fit.", x = reason),
    "rlmm_error_as_mermod"
  )
}

not_convertible <- function(fit) {
  if (!is.null(fit$sums)) {
    abort_no_rows(
      "lme4's object, and what other packages make of it,",
      "`summary()`, `anova()`, `confint()` and `ranef()` need no rows."
    )
  }
  fit_frame(fit)
  odd <- Filter(\(term) !has_lme4_counterpart(term$structure), fit$random)
  if (length(odd) > 0L) {
    term <- odd[[1L]]
    return(sprintf("`%s` has the structure %s.", term$label, term$structure))
  }
  of_factor <- Filter(is_diagonal_of_factor, fit$random)
  if (length(of_factor) > 0L) {
    text <- "The effects of `%s` are those of a factor, which `||` of lme4 correlates."
    return(sprintf(text, of_factor[[1L]]$label))
  }
  unlike_lme4(fit)
}

is_diagonal_of_factor <- function(term) {
  is_diagonal(term$structure) && !is.null(term$xlevels)
}

# The properties of a fit that lme4 doesn't support: held or known parameters and other estimators.
unlike_lme4 <- function(fit) {
  if (isLMM.rlmm(fit) && fit$known_sigma) {
    return("Its residual standard deviation is known.")
  }
  if (length(fit$control$fixed) > 0L) {
    return("It has parameters that are held.")
  }
  if (has_strata(fit$frame)) {
    return("Its residual variance differs between strata.")
  }
  if (estimates_shape(fit$glmm) && !is_negative_binomial(fit)) {
    return("Its dispersion is estimated with the other parameters.")
  }
}

#' The formula for lme4: without functions around bars, with `||` for `diag()` terms
#' @noRd
lme4_formula <- function(fit) {
  rewritten <- written_formula(fit)
  right <- length(rewritten)
  without_functions <- if (isTRUE(fit$unstructured)) {
    unstructured_bars
  } else {
    plain_bars
  }
  plain <- without_functions(rewritten[[right]])
  rewritten[[right]] <- without_odd_double_bars(plain)
  rewritten
}

#' Expands `||` terms with names that are not syntactic, which lme4 can't parse after deparsing
#' @noRd
without_odd_double_bars <- function(expression) {
  bars <- Filter(is_odd_double_bar, split_bars(expression)$bars)
  expand_bars(expression, bars, lapply(bars, bar_parts))
}

is_odd_double_bar <- function(bar) {
  names <- all.vars(bar)
  call_name(bar) == "||" && any(names != make.names(names))
}

# Without structure ---------------------------------------------------------

#' An lme4 object for functions that only use fixed effects, their covariance and predictions
#'
#' If lme4 has no counterpart of a covariance structure, the object has the estimated covariance
#' matrix as an unstructured one, with more parameters than the fit. Strata of the residual variance
#' become weights.
#' @noRd
as_merMod_for_fixed <- function(object) {
  needs_more <- !is.null(object$sums) || is_unconvertible(object)
  if (needs_more || is.null(not_convertible(object))) {
    return(as_merMod(object))
  }
  need_package("lme4", "as_merMod()")
  object$unstructured <- TRUE
  mermod_of(with_offset_in_formula(object))
}

# Whether a fit has held parameters, a known sigma, a dispersion or a diagonal structure that lme4
# can't represent.
is_unconvertible <- function(fit) {
  structures <- vapply(fit$random, `[[`, "", "structure")
  has_lme4s <- has_lme4_counterpart(structures) | is_correlated(structures)
  is_diagonal <- vapply(fit$random, is_diagonal_of_factor, NA)
  is_held <- length(fit$control$fixed) > 0L
  if (!all(has_lme4s) || any(is_diagonal) || is_held || has_large(fit)) {
    return(TRUE)
  }
  if (isGLMM.rlmm(fit)) {
    return(estimates_shape(fit$glmm) && !is_negative_binomial(fit))
  }
  fit$known_sigma
}

# Theta of the object; for a structure that is dropped, the elements of the triangular factor.
mermod_theta <- function(fit) {
  if (!isTRUE(fit$unstructured)) {
    return(fit$theta)
  }
  lambdas <- lambda_blocks(fit$random, fit$theta)
  own <- Map(
    \(term, lambda) {
      if (is_correlated(term$structure)) {
        lower_elements(triangular(lambda))
      } else {
        fit$theta[term$theta]
      }
    },
    fit$random,
    lambdas
  )
  unlist(own, use.names = FALSE)
}

lower_elements <- function(factor) {
  factor[lower.tri(factor, diag = TRUE)]
}

# A Hessian whose inverse has the covariance of the fixed effects as its block.
unstructured_derivatives <- function(fit) {
  n_theta <- length(mermod_theta(fit))
  n_beta <- length(fit$beta)
  if (fit$glmm$fast) {
    return(NULL)
  }
  hessian <- diag(n_theta + n_beta)
  of_beta <- n_theta + seq_len(n_beta)
  hessian[of_beta, of_beta] <- 2 * solve(vcov.rlmm(fit))
  list(gradient = numeric(n_theta + n_beta), hessian = hessian)
}

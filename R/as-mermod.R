# From our fits to objects of lme4.

#' lme4's object at our estimates, and ours at lme4's
#'
#' `as_merMod()` makes the object that `lme4::lmer()` or `lme4::glmer()` would have returned had it
#' stopped at the estimates of this fit; nothing is fitted again. `as_rlmm()` goes the other way.
#' Functions that only take lme4's class, such as `lmerTest::as_lmerModLmerTest()` and those of
#' merTools, work on the result of `as_merMod()`.
#'
#' lme4 has no counterpart of a known residual standard deviation, of parameters that are held, of
#' `cs()`, `ar1()` and other structures with correlations (lme4 2 has them, in other classes), nor
#' of dispersions estimated by maximum likelihood: `as_merMod()` stops and says so. `diag()` terms
#' are taken as `||` terms where their effects are numeric.
#'
#' An offset that was given as an argument is in the object's formula if it is made of columns of
#' the data: lme4 leaves the argument out of predictions for other data.
#'
#' The object of a negative binomial model has the family `MASS::negative.binomial()` at the
#' estimated theta, as after `lme4::glmer.nb()`. `as_rlmm()` of it takes this theta as known.
#'
#' @param object,x A fit of [rlmm()] or [rglmm()] for `as_merMod()`, one of `lme4::lmer()` or
#'   `lme4::glmer()` for `as_rlmm()`. Each also returns what is already of its own kind.
#' @param ... Not used; anything here is an error.
#' @return `as_merMod()`: an object of class `"lmerMod"` or `"glmerMod"`; `as_rlmm()`: of class
#'   `"rlmm"`.
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

#' lme4's object with an offset where the user wrote it, and the fitted data in its call
#'
#' MuMIn evaluates the call again without fixed effects: the model that it fits then has the offset
#' of the call, but not one of the formula.
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

#' lme4's object of one kind of fit
#' @noRd
mermod_of <- function(fit) UseMethod("mermod_of")

#' @export
mermod_of.rlmm_lmm <- function(fit) {
  control <- do.call(lme4::lmerControl, unchecked)
  own <- list(REML = fit$reml, control = control)
  parts <- do.call(lme4::lFormula, c(mermod_arguments(fit), own))
  parts <- like_fitted(parts, fit)
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
  # lme4's deviance function finds lme4's own functions from the frame that it is made in.
  first <- c(parts, nAGQ = 0L)
  deviance <- do.call(lme4::mkGlmerDevfun, first, envir = asNamespace("lme4"))
  at <- mermod_theta(fit)
  frame <- environment(deviance)
  if (fit$glmm$fast) {
    frame$nAGQ <- 0L
    value <- at_settled_modes(deviance, at, frame$resp$offset)
  } else {
    # The deviance at the fixed effects of lme4's first stage comes before that at given ones.
    deviance(at)
    deviance <- lme4::updateGlmerDevfun(
      deviance,
      parts$reTrms,
      nAGQ = fit$glmm$nodes
    )
    at <- c(at, fit$beta)
    value <- at_settled_modes(deviance, at, frame$baseOffset)
    # The fixed effects have passed through the offset.
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

#' lme4's deviance, from the modes that a first evaluation has found
#'
#' The factor of lme4 1 has the weights of the step before the last one, which makes 1e-4 of the
#' log-likelihood where steps begin far from the modes.
#' @noRd
at_settled_modes <- function(deviance, at, offset) {
  deviance(at)
  frame <- environment(deviance)
  frame$lp0 <- frame$resp$eta - offset
  deviance(at)
}

# lme4 profiles the dispersion itself (from 2.0 on), and leaves it at 1 where its steps fail:
# everything else that its object says would be wrong.
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

# lme4 before 2.0 has other conditional modes where a dispersion is profiled.
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

# The model was checked, by the user's own choice of checks, when it was fitted.
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
  parts <- like_fitted(parts, fit)
  parts$control <- do.call(lme4::glmerControl, converged_control())
  parts
}

# Steps to the conditional modes, and of lme4 from 2.1 on to the dispersion, that go on until
# nothing changes: by default lme4 ends the latter after 100, where sigma may be off by 1e-4.
converged_control <- function() {
  steps <- list(tolPwrss = 1e-12, maxPhiIter = 10000L)
  steps[names(steps) %in% names(formals(lme4::glmerControl))]
}

# The names of the coefficients, the rows that were left out, and the terms are those of the fit,
# whose frame lme4 may have been given for data.
like_fitted <- function(parts, fit) {
  colnames(parts$X) <- names(fit$beta)
  names(parts$fr) <- sub("^offset\\(`(.*)`\\)$", "\\1", names(parts$fr))
  terms <- all_terms(fit)
  written <- Filter(is.call, terms_variables(terms))
  names(written) <- vapply(written, deparse_one, "")
  formula <- attr(parts$fr, "formula")
  parts$fr <- columns_in_order(parts$fr, terms)
  attr(parts$fr, "formula") <- of_expressions(formula, written)
  attr(parts$fr, "terms") <- terms
  attr(parts$fr, "na.action") <- attr(fit_frame(fit), "na.action")
  parts
}

# A frame whose columns stand in the order of the variables of its terms, by which an offset is
# found.
columns_in_order <- function(frame, terms) {
  variables <- vapply(terms_variables(terms), deparse_one, "")
  names <- union(intersect(variables, names(frame)), names(frame))
  # Other attributes stay.
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
  # The optimizer is one of lme4's, for functions that fit the object again.
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

# lme4 knows a negative binomial model by the family object of MASS, at a number theta.
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

# Derivatives of -2 log-likelihood: lme4 takes the covariance of the fixed effects of a generalized
# model from them, and other packages look there for convergence.
with_derivatives <- function(made, found) {
  if (!is.null(found$hessian)) {
    made@optinfo$derivs <- list(
      gradient = as.double(found$gradient),
      Hessian = unname(found$hessian)
    )
  }
  made
}

# In theta and beta, which are lme4's parameters: without a shape.
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

#' The arguments that lme4's model functions share
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
    formula = of_columns(lme4_formula(fit), names(frame)),
    data = frame,
    weights = frame[["(weights)"]],
    offset = frame[["(offset)"]]
  )
}

# The rows of the data that were fitted: expressions such as `scale(x)` depend on the others too.
# Rows with missing values are left out by lme4, which keeps attributes of columns that a subset
# loses.
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

#' A formula in which expressions that a data frame has as columns are the names of these
#' @noRd
of_columns <- function(formula, columns) {
  if (is.call(formula) && deparse_one(formula) %in% columns) {
    column <- as.name(deparse_one(formula))
    return(if (is_offset(formula)) call("offset", column) else column)
  }
  if (is.call(formula)) {
    formula[-1L] <- lapply(as.list(formula)[-1L], of_columns, columns)
  }
  formula
}

#' A formula in which names of columns are the expressions again
#' @noRd
of_expressions <- function(formula, written) {
  if (is.name(formula)) {
    return(written[[as.character(formula)]] %||% formula)
  }
  if (!is.call(formula)) {
    return(formula)
  }
  formula[-1L] <- lapply(as.list(formula)[-1L], of_expressions, written)
  if (is_offset(formula) && is_offset(formula[[2L]])) formula[[2L]] else formula
}

is_offset <- function(expr) {
  is.call(expr) && identical(expr[[1L]], quote(offset))
}

# Which fits lme4 has a counterpart of ------------------------------------

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

# What is held, known or estimated otherwise than lme4 can.
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

#' The formula as lme4 reads it: without functions around bars, `diag()` terms as `||`
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

#' An expression without `||` where a name is no syntactic one: lme4, which writes such terms out as
#' text, can't read them again
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

#' lme4's object for what depends on fixed effects, their covariance and predictions alone
#'
#' Where lme4 has no counterpart of a covariance structure, the object has the estimated covariance
#' without the structure; it has more parameters than the fit. Strata of the residual variance are
#' weights.
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

# Fits with held parameters, a sigma, a dispersion or a diagonal structure that lme4 can't have.
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

# Theta of the object, where a structure is left out the elements of the triangular factor.
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

# A Hessian whose inverse has the covariance of the fixed effects for its block.
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

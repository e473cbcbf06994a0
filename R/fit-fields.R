# Derived fields of a fit, and functions that compute fields from the estimates of the core.

fit_offset <- function(fit) total_offset(fit_frame(fit))

# Combines estimated and held coefficients in the order of the columns of X.
with_held <- function(beta, names, held) {
  if (length(held) > 0L) {
    all <- numeric(length(names))
    all[!names %in% names(held)] <- beta
    all[match(names(held), names)] <- held
    beta <- all
  }
  names(beta) <- names
  beta
}

# The coefficients of the levels of large factors, whose terms are the last: `NA` for a level
# without a column, zero for the base.
large_coefficients <- function(b, large) {
  effects <- by_factor(utils::tail(b, n_blocks(large)), large)
  effects[!large$is_column] <- NA
  effects[level_bases(large)] <- 0
  effects
}

#' Adds the coefficients found by the core to a list: `beta`, including held ones, and `levels`,
#' those of large factors
#' @param fixed The field of the fit.
#' @noRd
with_coefficients_of <- function(fit, est, fixed, held) {
  fit$beta <- with_held(est$beta, fixed$names, held)
  if (is.null(fixed$large)) {
    return(fit)
  }
  fit$levels <- large_coefficients(est$b, fixed$large)
  in_own_coding(fit, fixed$large)
}

# The base levels of large factors.
level_bases <- function(large) {
  base_of <- \(own) if (own$has_base) own$at[1L]
  unlist(lapply(large$factors, base_of))
}

#' The fit reduced to the terms other than large factors
#' @noRd
without_large <- function(fit) {
  fixed <- fit$fixed
  labels <- \(terms) attr(terms, "term.labels")
  places <- match(labels(fixed$ordinary), labels(fixed$terms))
  fit$fixed$assign <- match(fixed$assign, c(0L, places)) - 1L
  fit$fixed$terms <- fixed$ordinary
  fit$fixed$dropped <- setdiff(fixed$dropped, fixed$large$names)
  if (fit$fixed$large$drops_intercept) {
    fit$fixed$dropped <- c(fit$fixed$dropped, "(Intercept)")
  }
  fit$fixed$large <- NULL
  fit
}

# Adds `scale` to each term, the (weighted) root mean square of its columns of Z, from the `scales`
# of the core terms.
with_scales <- function(random, scales) {
  for (i in seq_along(random)) {
    term <- random[[i]]
    random[[i]]$scale <- if (is.null(scales)) {
      rep(1, length(term$columns))
    } else {
      scales[[term$core_term]][term$core_cols]
    }
  }
  random
}

#' The columns of each term whose random effects are in the span of the fixed effects
#' @param found The column numbers in each core term; `NULL` if there are none.
#' @noRd
redundant_columns <- function(found, random) {
  if (is.null(found)) {
    return(NULL)
  }
  lapply(random, \(term) {
    term$columns[term$core_cols %in% found[[term$core_term]]]
  })
}

#' Whether a fit was computed by conjugate gradients, without a factor
#' @noRd
is_iterative <- function(fit) identical(fit$engine, "iterative")

# The version of the installed package.
own_version <- getNamespaceInfo(topenv(), "spec")[["version"]]

#' Splits the random effects of the core terms into a matrix (levels by columns) for each term
#' @noRd
by_term <- function(effects, random) {
  for (i in seq_along(random)) {
    term <- random[[i]]
    b <- effects[[term$core_term]]
    if (nrow(b) > length(term$core_cols)) {
      b <- b[term$core_cols, , drop = FALSE]
    }
    names <- list(term$levels, term$columns)
    random[[i]] <- matrix(
      b,
      length(term$levels),
      byrow = TRUE,
      dimnames = names
    )
  }
  random
}

# The labels of the terms of the fixed effects.
fixed_labels <- function(fit) attr(fit$fixed$terms, "term.labels")

fit_frame <- function(fit) {
  if (!is.null(fit$frame)) {
    return(fit$frame)
  }
  if (!is.null(fit$sums)) {
    abort_no_rows()
  }
  abort_rlmm(
    c(
      "The fit doesn't hold its data.",
      i = "It was made with `rlmm_control(slim = TRUE)`; fit without it."
    ),
    "rlmm_error_slim"
  )
}

#' Raises an error for methods that need the rows of a fit of sums
#' @noRd
abort_no_rows <- function(
  what = "This",
  hint = "`predict()` takes them as `newdata`."
) {
  abort_rlmm(
    c(
      paste(what, "isn't available for a fit of sums."),
      x = "It needs rows, and `rlmm_sums()` keeps none.",
      i = hint
    ),
    "rlmm_error_no_rows"
  )
}

#' Whether a fit holds its data or their sums, from which the core can compute
#' @noRd
has_spec <- function(fit) {
  !is.null(fit$frame) || !is.null(fit$sums)
}

# The offset of a model frame: the sum of the `offset()` terms and the argument.
total_offset <- function(frame) {
  offset <- .subset2(frame, "(offset)")
  for (i in attr(attr(frame, "terms"), "offset")) {
    x <- frame[[i]]
    if (!is.numeric(x) || NCOL(x) != 1L) {
      abort_offset(names(frame)[i], x)
    }
    offset <- (offset %||% 0) + x
  }
  if (!is.null(offset)) as.double(offset)
}

abort_offset <- function(name, x) {
  abort_rlmm(
    c(
      paste0(tick(name), " must be numeric."),
      x = it_is(x)
    ),
    "rlmm_error_offset"
  )
}

# The number of rows; for a fit without its data, the number of observations with positive weight.
n_rows <- function(fit) {
  if (is.null(fit$frame)) {
    fit$dev$n_eff
  } else {
    nrow(fit$frame)
  }
}

#' Whether a shape parameter (dispersion or theta) is an argument of the objective
#' @param glmm The field `glmm` of a fit or a spec; `NULL` for a linear model.
#' @noRd
estimates_shape <- function(glmm) identical(glmm$shape_kind, "estimated")

#' Whether a shape other than the dispersion is estimated, such as theta of the negative binomial
#' @inheritParams estimates_shape
#' @noRd
estimates_parameter <- function(glmm) {
  estimates_shape(glmm) && !is_dispersed(glmm$family)
}

#' The limit of the shape if counts show no overdispersion and the model tends to a Poisson model
#' @return A text about the limit; `NULL` if there is overdispersion.
#' @noRd
poisson_limit <- function(fit) {
  limit <- family_row(fit$glmm$family)$shape$no_overdispersion
  if (is.null(limit) || !estimates_parameter(fit$glmm)) {
    return(NULL)
  }
  if (limit$at(fit$glmm$shape, mean(fit$fitted %||% 1))) limit$limit
}

#' Raises an error for methods that generalized models don't have
#' @noRd
abort_glmm <- function(what, hint = NULL, verb = "isn't") {
  abort_rlmm(
    c(
      paste(what, verb, "available for a generalized linear mixed model."),
      i = hint
    ),
    "rlmm_error_not_available"
  )
}

#' The response and weights of a fit, from its frame
#' @noRd
fit_response <- function(fit) UseMethod("fit_response")

#' @export
fit_response.rlmm_lmm <- function(fit) {
  frame <- fit_frame(fit)
  list(
    y = response(frame),
    weights = frame[["(weights)"]]
  )
}

#' @export
fit_response.rlmm_glmm <- function(fit) {
  frame_response(fit_frame(fit), fit$family)
}

frame_response <- function(frame, family) {
  weights <- frame[["(weights)"]]
  glmm_response(frame[[1L]], weights, family, names(frame)[1L])
}

#' Whether the model has a residual standard deviation; a generalized model needs a dispersion
#' parameter for that
#' @noRd
has_scale <- function(fit) UseMethod("has_scale")

#' @export
has_scale.rlmm_lmm <- function(fit) TRUE

#' @export
has_scale.rlmm_glmm <- function(fit) has_dispersion(fit$family)

#' The standard deviation that scales Lambda; one if the random effects aren't relative to sigma
#' @noRd
effects_sigma <- function(fit, sigma = fit$sigma) {
  if (isFALSE(fit$relative)) 1 else sigma
}

#' The weights of a linear model, or of the working linear model in the last PIRLS iteration
#' @noRd
working_weights <- function(fit) UseMethod("working_weights")

#' @export
working_weights.rlmm_lmm <- function(fit) {
  frame <- fit_frame(fit)
  frame[["(weights)"]] %||% rep(1, nrow(frame))
}

#' @export
working_weights.rlmm_glmm <- function(fit) fit$working_weights

# An index of the rows with positive prior weight.
rows_that_count <- function(fit) {
  counts <- counted_rows(fit_frame(fit))
  if (is.null(counts)) TRUE else counts > 0
}

#' The parameters of a generalized fit with the theta and beta of another parameterization
#' @noRd
parameters_of <- function(given, fit) {
  old <- c(given$theta, given$beta)
  new <- c(fit$theta, fit$beta)
  own <- seq_len(min(length(given$parameters), length(old)))
  replace(given$parameters, own, new[own])
}

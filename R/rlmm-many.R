# Many responses with one right-hand side: rlmm_many() and rglmm_many(), and what is read off them.

#' Fit one model to many responses
#'
#' Fits the same model to each column of a matrix: to thousands of genes, voxels or metabolites
#' measured on the same samples. What the design says is worked out once, and the responses are
#' fitted in parallel threads (`rlmm_control(threads = )`), each as [rlmm()] or [rglmm()] would fit
#' it.
#'
#' A response may have missing values: it is fitted to the rows that it has. It fails where some
#' level of a factor among the fixed effects has none of them. Rows in which a variable of the
#' right-hand side is missing are left out for all.
#'
#' Where the responses don't fit into memory, the left-hand side may be a function: called with 1,
#' 2, ... it returns one matrix of responses after the other, and `NULL` at the end.
#'
#' A response that can't be fitted has missing values in the tables, and the reason in `error`.
#'
#' @param formula As for [rlmm()], with a matrix, a data frame or list of columns, or a function on
#'   the left: `Y ~ x + (1 | g)`. Responses are columns: for a matrix with samples in columns write
#'   `t(Y)`.
#' @param data,REML,control,contrasts,offset,na.action See [rlmm()]. An offset is that of all
#'   responses.
#' @param weights Weights of the rows, or a matrix with weights of its own for each response, as
#'   `limma::voom()` makes them.
#' @param family,nAGQ,dispersion,information See [rglmm()]; `"nbinom2"` is the negative binomial of
#'   [rglmm_nb()], with a theta for each response. Of a binomial model the responses are
#'   proportions, with the numbers of trials as `weights`.
#' @param ddf `"satterthwaite"`, or `"asymptotic"`: z tests, where second derivatives take long.
#' @param progress Show how many have been done? By default only in an interactive session, and
#'   after a second.
#' @param ... Not used.
#' @return A list of class `"rlmm_many"`: matrices with a row for each response, `beta`,
#'   `std_error`, `df` (Satterthwaite's, of linear models) and `theta`, and vectors `sigma`,
#'   `shape`, `objective`, `verdict` (what [certificate()] says), `error` and `nobs`. See
#'   [as.data.frame.rlmm_many()].
#' @examples
#' set.seed(1)
#' fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' Y <- as.matrix(simulate(fit, 20))
#' Y[3, 2] <- NA
#' many <- rlmm_many(Y ~ Days + (1 | Subject), sleepstudy)
#' many
#' head(as.data.frame(many))
#' many[["sim_2"]]
#' @export
rlmm_many <- function(
  formula,
  data = NULL,
  REML = TRUE,
  control = rlmm_control(),
  weights,
  na.action,
  offset,
  contrasts = NULL,
  ddf = c("satterthwaite", "asymptotic"),
  progress = NULL,
  ...
) {
  call <- match.call()
  check_dots(..., fitter = "rlmm_many", known = names(formals(rlmm_many)))
  ddf <- one_of(ddf, c("satterthwaite", "asymptotic"), "ddf")
  each <- own_weights(if (!missing(weights)) rlang::enquo(weights), data)
  extras <- c(
    if (!missing(weights)) list(weights = each$typical),
    if (!missing(offset)) list(offset = rlang::enquo(offset))
  )
  formula <- read_formula(formula, parent.frame())
  responses <- left_side(formula, data)
  design <- model_design(
    with_placeholder(formula, data, responses),
    data,
    REML,
    as_control(control),
    extras,
    if (missing(na.action)) default_na_action(data) else na.action,
    contrasts
  )
  design <- with_own_weights(design, each$weights)
  df <- ddf == "satterthwaite"
  new_many(responses, design, formula, call, progress, df = df)
}

#' @rdname rlmm_many
#' @export
rglmm_many <- function(
  formula,
  data = NULL,
  family,
  control = rlmm_control(),
  nAGQ = 1L,
  weights,
  na.action,
  offset,
  contrasts = NULL,
  dispersion = c("profiled", "moment", "estimated"),
  information = c("expected", "observed"),
  progress = NULL,
  ...
) {
  call <- match.call()
  check_dots(..., fitter = "rglmm_many", known = names(formals(rglmm_many)))
  env <- parent.frame()
  formula <- read_formula(formula, env)
  family <- many_family(if (missing(family)) NULL else family, env, call)
  likelihood <- glmm_approximation(family, nAGQ, FALSE, dispersion, information)
  each <- own_weights(if (!missing(weights)) rlang::enquo(weights), data)
  extras <- c(
    if (!missing(weights)) list(weights = each$typical),
    if (!missing(offset)) list(offset = rlang::enquo(offset))
  )
  responses <- left_side(formula, data)
  design <- model_design(
    with_placeholder(formula, data, responses),
    data,
    REML = FALSE,
    control = as_control(control),
    extras = extras,
    na_action = if (missing(na.action)) default_na_action(data) else na.action,
    contrasts = contrasts,
    approximation = likelihood
  )
  design <- with_own_weights(design, each$weights)
  new_many(responses, design, formula, call, progress)
}

many_family <- function(family, env, call) {
  if (identical(family, "nbinom2")) {
    nb_family()
  } else {
    read_family(family, env, call)
  }
}

# Responses ------------------------------------------------------------------

# The value of the left-hand side, among the columns of the data and where the formula was written.
left_side <- function(formula, data) {
  if (length(formula) < 3L) {
    abort_formula(
      "`formula` must have the responses on its left.",
      x = paste(tick(deparse_one(formula)), "has only one side.")
    )
  }
  env <- environment(formula)
  columns <- if (is.environment(data)) as.list(data) else data
  tryCatch(
    eval(formula[[2L]], columns, env),
    error = \(cnd) {
      abort_rlmm(
        c(
          sprintf(
            "Can't evaluate %s, the responses.",
            tick(deparse_one(formula[[2L]]))
          ),
          x = conditionMessage(cnd)
        ),
        "rlmm_error_variable"
      )
    }
  )
}

#' Weights of each response
#' @param weights An expression of the user's; `NULL` without weights.
#' @return A list: `weights`, a matrix with a column for each response, or `NULL`; `typical`, an
#'   expression of weights for the rows.
#' @noRd
own_weights <- function(weights, data) {
  columns <- if (is.data.frame(data)) data
  value <- tryCatch(rlang::eval_tidy(weights, columns), error = \(cnd) NULL)
  if (!is.matrix(value) || !is.numeric(value) || ncol(value) < 2L) {
    return(list(typical = weights))
  }
  if (!all(is.finite(value) & value >= 0)) {
    abort_argument(
      "`weights` must be finite, and not negative.",
      x = "An element of the matrix isn't.",
      arg = "weights"
    )
  }
  list(weights = value, typical = rlang::new_quosure(rowMeans(value)))
}

# The design with weights of each response, in the rows that the model has.
with_own_weights <- function(design, weights) {
  omitted <- attr(design$frame, "na.action")
  if (!is.null(weights) && length(omitted) > 0L) {
    weights <- weights[-omitted, , drop = FALSE]
  }
  design$weights <- weights
  design
}

check_own_weights <- function(weights, responses, n) {
  found <- if (is.function(responses)) {
    "There is a function on the left of `formula`."
  } else if (!is.null(weights) && ncol(weights) != n) {
    sprintf(
      "It has %s, for %s.",
      plural(ncol(weights), "column"),
      plural(n, "response")
    )
  }
  if (!is.null(weights) && !is.null(found)) {
    abort_argument(
      "A matrix of `weights` must have a column for each response.",
      x = found,
      arg = "weights"
    )
  }
}

placeholder <- ".responses"

# The formula with a variable on its left that can occur in any family, and has a value for each
# row.
with_placeholder <- function(formula, data, responses) {
  # An error about the formula should quote it as it is.
  parsed <- parse_formula(formula, data)
  check_sides(frame_terms(parsed, environment(formula), data))
  n <- if (is.data.frame(data)) {
    nrow(data)
  } else if (is.function(responses)) {
    NROW(responses(1L))
  } else if (is.data.frame(responses) || is.list(responses)) {
    NROW(responses[[1L]])
  } else {
    NROW(responses)
  }
  env <- new.env(parent = environment(formula))
  assign(placeholder, as.double(seq_len(n) %% 2), envir = env)
  formula[[2L]] <- as.name(placeholder)
  environment(formula) <- env
  formula
}

#' Fits responses with a design, and puts together what rlmm_many() returns
#' @param design What [model_design()] returns.
#' @noRd
new_many <- function(
  responses,
  design,
  formula,
  call,
  progress = NULL,
  start = list(),
  df = TRUE
) {
  control <- design$control
  held <- held_theta(control, design$random, design$spec$sigma)
  control <- core_control(control, 0L, design, held)
  control$progress <- progress %||% control$progress
  control$df <- df
  found <- if (is.function(responses)) {
    check_own_weights(design$weights, responses)
    fit_chunks(responses, design, control, start)
  } else {
    fit_matrix(responses, design, control, start)
  }
  made <- c(
    found,
    list(responses = responses, design = design, formula = formula, call = call)
  )
  made <- structure(made, class = "rlmm_many")
  if (df) with_all_df(made) else made
}

# Degrees of freedom that the core doesn't have for many at once: beside covariance structures with
# correlation parameters, and where something is held.
with_all_df <- function(x) {
  lacking <- which(is.na(x$error) & rowSums(is.nan(x$df %||% matrix(0))) > 0)
  if (length(lacking) == 0L) {
    return(x)
  }
  df <- x$df
  for (at in lacking) {
    df[at, ] <- satterthwaite_df(one_fit(x, at))
  }
  parts <- unclass(x)
  parts$df <- df
  structure(parts, class = "rlmm_many")
}

fit_matrix <- function(responses, design, control, start) {
  y <- fitted_responses(responses, design)
  check_own_weights(design$weights, NULL, ncol(y))
  design$spec <- with_typical_shape(design$spec, y)
  found <- fit_responses(design, y, control, start)
  named_responses(found, design, colnames(y))
}

# The rows of the responses that the model has.
fitted_responses <- function(responses, design) {
  omitted <- attr(design$frame, "na.action")
  n <- nrow(design$frame) + length(omitted)
  y <- response_matrix(responses, n, "formula")
  check_family_responses(y, design)
  if (length(omitted) > 0L) y[-omitted, , drop = FALSE] else y
}

check_family_responses <- function(y, design) {
  if (is.null(design$family)) {
    return(invisible())
  }
  row <- family_row(core_family(design$family))
  range <- response_ranges[[row$range]]
  wrong <- colSums(!is.na(y) & !range$holds(y)) > 0
  if (!any(wrong)) {
    if (identical(row$whole, "counts")) {
      check_whole_counts(y[!is.na(y)], "responses")
    }
    return(invisible())
  }
  abort_rlmm(
    c(
      sprintf("The responses must %s.", range$must),
      x = sprintf(
        "%s with values that are %s: %s.",
        plural(sum(wrong), "response"),
        range$wrong,
        enumerate(colnames(y)[wrong])
      )
    ),
    "rlmm_error_response"
  )
}

# A shape that is estimated starts at that of a typical response.
with_typical_shape <- function(spec, y) {
  if (!estimates_parameter(spec$glmm)) {
    return(spec)
  }
  start <- family_row(spec$glmm$family)$shape$start
  each <- apply(y, 2L, \(values) start(values[!is.na(values)]))
  spec$glmm$shape <- stats::median(each, na.rm = TRUE)
  spec
}

fit_chunks <- function(reader, design, control, start) {
  parts <- list()
  repeat {
    y <- reader(length(parts) + 1L)
    if (is.null(y)) {
      break
    }
    part <- fit_matrix(y, design, control, start)
    parts <- c(parts, list(part))
  }
  if (length(parts) == 0L) {
    abort_responses(
      "formula",
      "The function on its left returned no responses."
    )
  }
  names <- unlist(lapply(parts, \(part) names(part$sigma)))
  found <- bind_parts(lapply(parts, unnamed_vectors))
  # Chunks without names of their own would all begin with "y1".
  if (anyDuplicated(names)) {
    names <- paste0("y", seq_along(names))
  }
  rename_responses(found, names)
}

unnamed_vectors <- function(part) {
  lapply(part, \(value) if (is.matrix(value)) value else unname(value))
}

rename_responses <- function(found, names) {
  lapply(found, \(value) {
    if (is.matrix(value)) {
      rownames(value) <- names
      value
    } else {
      stats::setNames(value, names)
    }
  })
}

# What is read off ------------------------------------------------------------

#' Tables of fits to many responses
#'
#' `as.data.frame()`, or `summary()`, has a row for each response and fixed effect, or for each
#' response; `x[["name"]]` is the whole fit of one response, as [rlmm()] or [rglmm()] returns it.
#' `residuals()` and `fitted()` are computed for the responses that are asked for.
#'
#' @param x,object What [rlmm_many()] or [rglmm_many()] returned.
#' @param what `"coef"`: fixed effects with standard errors and tests, t tests with Satterthwaite's
#'   degrees of freedom for linear models, z tests for others; `"fit"`: a row for each response,
#'   with the variances, the log-likelihood and the verdict.
#' @param term Only the rows of these fixed effects.
#' @param adjust A method of [p.adjust()]: adds the column `p.adjusted`, adjusted within each fixed
#'   effect.
#' @param which Names or numbers of responses.
#' @param i Name or number of a response.
#' @param row.names,optional Not used.
#' @param ... Of `summary()`: passed to `as.data.frame()`. Otherwise not used.
#' @return `as.data.frame()` and `summary()`: a data frame. `residuals()` and `fitted()`: a matrix
#'   with a column for each response; `NA` in rows that its fit doesn't have.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' many <- rlmm_many(simulate(fit, 5, seed = 1) ~ Days + (1 | Subject), sleepstudy)
#' as.data.frame(many, term = "Days", adjust = "BH")
#' as.data.frame(many, what = "fit")
#' dim(residuals(many, which = 1:2))
#' @export
as.data.frame.rlmm_many <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  what = c("coef", "fit"),
  term = NULL,
  adjust = NULL,
  ...
) {
  refuse_dots(...)
  what <- one_of(what, c("coef", "fit"), "what")
  if (what == "fit") {
    return(many_fit_table(x))
  }
  table <- many_coefficients(x)
  if (!is.null(term)) {
    unknown <- setdiff(term, colnames(x$beta))
    if (length(unknown) > 0L) {
      abort_unknown_parameter(unknown, colnames(x$beta), "term")
    }
    table <- table[table$term %in% term, , drop = FALSE]
  }
  if (!is.null(adjust)) {
    adjust <- one_of(adjust, stats::p.adjust.methods, "adjust")
    table$p.adjusted <- stats::ave(
      table$p.value,
      table$term,
      FUN = \(p) stats::p.adjust(p, adjust)
    )
  }
  row.names(table) <- NULL
  table
}

many_coefficients <- function(x) {
  t <- x$beta / x$std_error
  df <- x$df %||% (Inf + 0 * x$beta)
  by_response <- \(values) as.vector(t(values))
  table <- data.frame(
    response = rep(rownames(x$beta), each = ncol(x$beta)),
    term = rep(colnames(x$beta), nrow(x$beta)),
    estimate = by_response(x$beta),
    std.error = by_response(x$std_error),
    df = by_response(df),
    statistic = by_response(t),
    p.value = by_response(2 * stats::pt(-abs(t), df))
  )
  if (is.null(x$df)) table[names(table) != "df"] else table
}

many_fit_table <- function(x) {
  variances <- many_variances(x)
  data.frame(
    response = names(x$sigma),
    nobs = unname(x$nobs),
    variances,
    logLik = unname(-x$objective / 2),
    verdict = unname(x$verdict),
    error = unname(x$error),
    check.names = FALSE
  )
}

# Standard deviations and correlations of each response, and sigma or the shape.
many_variances <- function(x) {
  random <- x$design$random
  relative <- is.null(x$design$spec$glmm) ||
    identical(x$design$spec$glmm$shape_kind, "moment")
  scale <- if (relative) x$sigma else 1
  terms <- Map(
    \(term, roles) {
      found <- term_sdcor(x$theta[, term$theta, drop = FALSE], term, roles)
      found$value[, found$is_sd] <- found$value[, found$is_sd] * scale
      found$value
    },
    random,
    core_structures(random)
  )
  both <- do.call(cbind, terms)
  if (is.null(x$design$spec$glmm) || has_dispersion(x$design$family)) {
    both <- cbind(both, sigma = x$sigma)
  } else if (estimates_parameter(x$design$spec$glmm)) {
    both <- cbind(both, shape = x$shape)
  }
  rownames(both) <- NULL
  both
}

#' @rdname as.data.frame.rlmm_many
#' @export
summary.rlmm_many <- function(object, ...) as.data.frame(object, ...)

#' @export
length.rlmm_many <- function(x) length(unclass(x)$sigma)

#' @export
names.rlmm_many <- function(x) names(unclass(x)$sigma)

#' @export
`$.rlmm_many` <- function(x, name) unclass(x)[[name]]

#' @rdname as.data.frame.rlmm_many
#' @export
`[[.rlmm_many` <- function(x, i) {
  at <- many_places(i, x)
  if (length(at) != 1L) {
    abort_argument("`i` must name one response.", x = it_is(i), arg = "i")
  }
  one_fit(x, at)
}

# The whole fit of one response, at the estimates that are there.
one_fit <- function(x, at) {
  reason <- x$error[[at]]
  if (!is.na(reason)) {
    abort_rlmm(
      c("The response couldn't be fitted.", x = reason),
      "rlmm_error_failed_response"
    )
  }
  design <- response_design(x, at)
  est <- search_of(design, x, at)
  control <- x$design$control
  fit <- if (is.null(design$spec$glmm)) {
    new_fit(design, est, one_call(x$call, design), control)
  } else {
    new_glmm_fit(design, est, one_call(x$call, design), control)
  }
  rename_response(fit, as.name(names(x$sigma)[at]))
}

# The call that fits one response.
one_call <- function(call, design) {
  call[[1L]] <- as.name(if (is.null(design$spec$glmm)) "rlmm" else "rglmm")
  call$progress <- NULL
  call
}

# Another search that starts at the estimates, which are those that it ends with.
search_of <- function(design, x, at) {
  control <- x$design$control
  held <- held_theta(control, design$random, design$spec$sigma)
  control <- core_control(control, 0L, design, held)
  theta <- unname(x$theta[at, ])
  if (is.null(design$spec$glmm)) {
    return(core_fit(design$spec, theta, control))
  }
  beta <- unname(x$beta[at, ])
  core_glmm_fit(design$spec, list(theta = theta, beta = beta), control)
}

# The design with one response, and without the rows in which it is missing.
response_design <- function(x, at) {
  design <- x$design
  y <- fitted_responses(one_response(x, at), design)[, 1L]
  keep <- !is.na(y)
  if (!is.null(design$weights)) {
    design$spec$weights <- design$weights[, at]
    design$frame[["(weights)"]] <- design$weights[, at]
  }
  design$frame[[1L]] <- y
  attributes <- attributes(design$frame)
  frame <- design$frame[keep, , drop = FALSE]
  attr(frame, "terms") <- attributes$terms
  attr(frame, "na.action") <- attributes$na.action
  design$frame <- frame
  design$spec$y <- y
  if (estimates_parameter(design$spec$glmm)) {
    design$spec$glmm$shape <- x$shape[[at]]
  }
  if (!all(keep)) {
    design$spec <- spec_rows(design$spec, keep)
  }
  design
}

one_response <- function(x, at) {
  responses <- x$responses
  if (is.function(responses)) {
    return(chunk_column(responses, at))
  }
  if (is.matrix(responses)) {
    return(responses[, at, drop = FALSE])
  }
  if (is.list(responses)) responses[at] else responses
}

chunk_column <- function(reader, at) {
  chunk <- 0L
  repeat {
    chunk <- chunk + 1L
    y <- as.matrix(as.data.frame(reader(chunk)))
    if (at <= ncol(y)) {
      return(y[, at, drop = FALSE])
    }
    at <- at - ncol(y)
  }
}

many_places <- function(which, x) {
  names <- names(x$sigma)
  if (is.character(which)) {
    at <- match(which, names)
    if (!anyNA(at)) {
      return(at)
    }
    unknown <- which[is.na(at)]
    abort_argument(
      "`which` must name responses.",
      x = sprintf("Can't find %s.", enumerate(in_quotes(unknown))),
      did_you_mean(unknown[1L], names),
      arg = "which"
    )
  }
  if (is.numeric(which) && all(which %in% seq_along(names))) {
    return(as.integer(which))
  }
  abort_argument(
    sprintf(
      "`which` must be names, or numbers from 1 to %s.",
      format_count(length(names))
    ),
    x = it_is(which),
    arg = "which"
  )
}

#' @rdname as.data.frame.rlmm_many
#' @export
fitted.rlmm_many <- function(object, which = seq_along(object$sigma), ...) {
  refuse_dots(...)
  at <- many_places(which, object)
  one <- \(i) many_column(object, i, \(fit) fit$fitted)
  structure(
    vapply(at, one, double(nrow(object$design$frame))),
    dimnames = list(NULL, names(object$sigma)[at])
  )
}

#' @rdname as.data.frame.rlmm_many
#' @export
residuals.rlmm_many <- function(object, which = seq_along(object$sigma), ...) {
  refuse_dots(...)
  at <- many_places(which, object)
  one <- \(i) many_column(object, i, \(fit) unname(stats::residuals(fit)))
  structure(
    vapply(at, one, double(nrow(object$design$frame))),
    dimnames = list(NULL, names(object$sigma)[at])
  )
}

# What a fit has for each of its rows, in the rows of the design.
many_column <- function(x, at, of) {
  n <- nrow(x$design$frame)
  out <- rep(NA_real_, n)
  if (!is.na(x$error[[at]])) {
    return(out)
  }
  y <- fitted_responses(one_response(x, at), x$design)[, 1L]
  fit <- one_fit(x, at)
  fit["na_action"] <- list(NULL)
  out[!is.na(y)] <- of(fit)
  out
}

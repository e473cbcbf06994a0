# The tests whose power is simulated.

#' Evaluates the argument `test`
#' @return A list: `p_values`, a function of the fit, of the simulated responses (a data frame) and
#'   of this list that returns a matrix with a row for each response and a column for each test; and
#'   the quantities that it needs.
#' @noRd
read_test <- function(test, fit, ddf) {
  if (is.function(test)) {
    return(list(p_values = function_p_values, test = test))
  }
  if (inherits(test, "formula")) {
    return(ratio_test(test, fit))
  }
  contrasts <- if (is.null(test) || is.character(test)) {
    named_contrasts(test %||% tested_names(fit), fit)
  } else {
    list(contrast = contrast_matrix(test, fit))
  }
  list(
    p_values = wald_p_values,
    contrasts = contrasts,
    ddf = ddf
  )
}

tested_names <- function(fit) {
  names <- setdiff(names(fit$beta), "(Intercept)")
  if (length(names) > 0L) names else names(fit$beta)
}

#' A matrix of contrasts for each coefficient or term
#' @noRd
named_contrasts <- function(names, fit) {
  identity <- diag(length(fit$beta))
  contrasts <- lapply(names, \(name) {
    identity[tested_columns(name, fit), , drop = FALSE]
  })
  stats::setNames(contrasts, names)
}

# The columns of a coefficient or of a term.
tested_columns <- function(name, fit) {
  columns <- names(fit$beta)
  terms <- fixed_labels(fit)
  assign <- attr(stats::model.matrix(fit), "assign")
  found <- which(columns == name)
  if (length(found) == 0L) {
    found <- which(assign == match(name, terms))
  }
  if (length(found) == 0L) {
    abort_unknown_test(name, union(columns, terms))
  }
  found
}

abort_unknown_test <- function(name, known) {
  abort_argument(
    "`test` must name fixed effects or terms of the fixed part.",
    x = paste0("Can't find ", in_quotes(name), "."),
    did_you_mean(name, known, in_quotes) %||%
      c(i = they_are(in_quotes(known))),
    arg = "test"
  )
}

# Wald's tests ----------------------------------------------------------------

wald_p_values <- function(fit, y, test) {
  columns <- lapply(test$contrasts, single_coefficient)
  p_values <- if (isGLMM.rlmm(fit) && all(lengths(columns) == 1L)) {
    coefficient_p_values(fit, y, unlist(columns))
  } else {
    contrasts_of_refits(fit, y, test)
  }
  dimnames(p_values) <- list(NULL, names(test$contrasts))
  p_values
}

# The number of the coefficient if a contrast tests a single one.
single_coefficient <- function(contrast) {
  is_single <- nrow(contrast) == 1L && sum(contrast != 0) == 1L
  if (is_single) which(contrast != 0)
}

# The p-values of z tests of coefficients of a generalized model, with a row for each response.
coefficient_p_values <- function(fit, y, columns) {
  found <- generalized_columns(fit, y)
  ratio <- found$beta / found$std_error
  2 * stats::pnorm(-abs(ratio[, columns, drop = FALSE]))
}

contrasts_of_refits <- function(fit, y, test) {
  size <- length(test$contrasts)
  p_values <- vapply(
    refits(fit, y),
    \(one) {
      if (is.null(one)) {
        rep(NA_real_, size)
      } else {
        contrast_p_values(one, test$contrasts, test$ddf)
      }
    },
    double(size)
  )
  matrix(p_values, ncol = size, byrow = TRUE)
}

#' Fits a generalized model to each response in parallel threads
#' @return The result of [named_responses()].
#' @noRd
generalized_columns <- function(fit, y) {
  names(y) <- paste0("y", seq_along(y))
  n <- nrow(fit_frame(fit))
  responses <- response_matrix(several_responses(y, fit), n, "newresp")
  design <- list(
    spec = fit_spec(fit),
    fixed = fit$fixed,
    random = fit$random,
    held = fit$held
  )
  control <- refit_control(fit, design)
  control$progress <- FALSE
  found <- fit_responses(design, responses, control, many_start(fit))
  if (!all(found$done)) {
    end_interrupted()
  }
  named_responses(found, design, colnames(responses))
}

#' The p-values of several contrasts of one fit
#' @noRd
contrast_p_values <- function(fit, contrasts, ddf) {
  is_plain <- ddf %in% c("satterthwaite", "asymptotic", "none")
  is_single <- is_plain & vapply(contrasts, nrow, 1L) == 1L
  out <- double(length(contrasts))
  if (any(is_single)) {
    out[is_single] <- single_p_values(fit, contrasts[is_single], ddf)
  }
  contest_ddf <- if (ddf != "none") ddf
  p_value <- \(L) contest.rlmm(fit, L, ddf = contest_ddf)[["Pr(>F)"]]
  out[!is_single] <- vapply(contrasts[!is_single], p_value, 1)
  out
}

# The p-values of contrasts with one row together, which need the derivatives of the fit once.
single_p_values <- function(fit, contrasts, ddf) {
  L <- do.call(rbind, contrasts)
  std_error <- sqrt(rowSums((L %*% fixed_covariance(fit)) * L))
  ratio <- abs(drop(L %*% fit$beta)) / std_error
  df <- if (ddf == "satterthwaite") satterthwaite_of_any(fit, t(L)) else Inf
  2 * stats::pt(-ratio, as.vector(df))
}

#' The fit of each response; `NULL` if it fails
#' @noRd
refits <- function(fit, y) UseMethod("refits")

# A linear fit with the elements that tests need: parameters, R_X and the response.
#' @export
refits.rlmm_lmm <- function(fit, y) {
  if (!is.null(fit$strata) || is_coded(fit)) {
    return(lapply(y, refit_quietly, fit = fit))
  }
  responses <- as.matrix(y)
  many <- fit_columns(fit, responses)
  lapply(seq_len(ncol(responses)), \(i) {
    if (is.na(many$error[i])) {
      with_response(fit, responses[, i], many, i)
    }
  })
}

# The fit to one of the responses that `core_fit_many()` fitted.
with_response <- function(fit, y, many, i) {
  fit$theta <- many$theta[, i]
  fit$beta <- with_held(
    many$beta[, i],
    fit$fixed$names,
    fit$held
  )
  fit$sigma <- many$sigma[[i]]
  fit$rx <- matrix(many$rx[,, i], nrow(many$rx))
  fit$frame[[1L]] <- y
  fit
}

fit_columns <- function(fit, responses) {
  control <- list(threads = fit$control$threads)
  core_fit_many(fit_spec(fit), responses, inner_start(fit), control)
}

#' @export
refits.rlmm_glmm <- function(fit, y) {
  lapply(y, refit_quietly, fit = fit)
}

refit_quietly <- function(newresp, fit) {
  tryCatch(
    suppressMessages(suppressWarnings(refit.rlmm(fit, newresp))),
    rlmm_error = \(cnd) NULL
  )
}

# Other tests -----------------------------------------------------------------

function_p_values <- function(fit, y, test) {
  found <- lapply(y, \(newresp) {
    one <- refit_quietly(newresp, fit)
    if (is.null(one)) NULL else as.double(test$test(one))
  })
  size <- max(lengths(found))
  names <- if (size == 1L) "test" else paste0("test", seq_len(size))
  none <- rep(NA, size)
  complete <- lapply(found, \(p) if (length(p) == size) p else none)
  p_values <- matrix(
    unlist(complete),
    ncol = size,
    byrow = TRUE
  )
  colnames(p_values) <- names
  p_values
}

#' The likelihood-ratio test against a smaller model
#' @noRd
ratio_test <- function(formula, fit) {
  full <- refitML.rlmm(fit)
  reduced <- suppressMessages(update.rlmm(full, formula))
  df <- attr(logLik.rlmm(full), "df") - attr(logLik.rlmm(reduced), "df")
  if (df <= 0) {
    abort_argument(
      "`test`, a formula, must give a smaller model.",
      x = if (df == 0) {
        "It has as many parameters."
      } else {
        sprintf("It has %s more.", plural(-df, "parameter"))
      },
      arg = "test"
    )
  }
  list(
    p_values = ratio_p_values,
    reduced = reduced,
    df = df,
    label = deparse_one(formula)
  )
}

ratio_p_values <- function(fit, y, test) {
  difference <- objectives(test$reduced, y) - objectives(fit, y)
  p <- stats::pchisq(
    pmax(difference, 0),
    test$df,
    lower.tail = FALSE
  )
  matrix(
    p,
    ncol = 1L,
    dimnames = list(NULL, test$label)
  )
}

#' The deviance (-2 log-likelihood) of the ML fit to each response
#' @noRd
objectives <- function(fit, y) UseMethod("objectives")

#' @export
objectives.rlmm_lmm <- function(fit, y) {
  fit$reml <- FALSE
  if (!is.null(fit$strata)) {
    return(refit_objectives(fit, y))
  }
  unname(fit_columns(fit, as.matrix(y))$objective)
}

#' @export
objectives.rlmm_glmm <- function(fit, y) {
  unname(generalized_columns(fit, y)$objective)
}

refit_objectives <- function(fit, y) {
  vapply(
    refits(fit, y),
    \(one) if (is.null(one)) NA_real_ else one$dev$objective,
    1
  )
}

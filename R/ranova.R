#' Tests of the random effects
#'
#' Removes each random effect in turn, and compares the smaller model with the fit by a
#' likelihood-ratio test (for a REML fit, with the restricted likelihood). The function and its
#' table are those of lmerTest, with the additional p-value `Pr(>mixture)`; generalized models are
#' accepted too.
#'
#' @section Reduced models: As in lmerTest, a term `(a + b | g)` is reduced to `(b | g)` and to `(a
#' | g)`, `(a | g)` to `(1 | g)`, and `(1 | g)` is removed. An effect that is part of an interaction
#' in the same term is kept. With `reduce.terms = FALSE` whole terms are removed. The model without
#' any random effects is the one with all variances zero.
#'
#' @section P-values: `Pr(>Chisq)` is the naive p-value, from the chi-squared distribution with
#' degrees of freedom equal to the difference in the number of parameters. It is too large, since a
#' variance of zero is on the boundary of the parameter space. For a single effect (its variance and
#' its covariances with the k others of the term) the large-sample distribution is an equal mixture
#' of chi-squared distributions with k and k + 1 degrees of freedom (Stram and Lee 1994):
#' `Pr(>mixture)`. For several effects at once it is `NA`.
#'
#' With `method = "RLRT"` there is also `Pr(>RLRT)`, which doesn't rely on large samples. If the
#' model has a single variance, it is computed from `nsim` simulated values of the exact
#' distribution (Crainiceanu and Ruppert 2004, as in RLRsim); otherwise from a parametric bootstrap
#' with `nsim` responses of the smaller model, to which both models are fitted.
#'
#' @param model A fitted model.
#' @param reduce.terms Whether to reduce terms to smaller ones instead of removing them.
#' @param method `"LRT"`, or `"RLRT"` for simulated p-values in addition.
#' @param nsim The number of simulated values; by default 10,000 for one variance, 1,000 for a
#'   parametric bootstrap.
#' @param seed A seed for the simulation.
#' @param ... Not used.
#' @return A data frame of class `"anova"` with the columns `npar`, `logLik`, `AIC`, `LRT`, `Df`,
#'   `Pr(>Chisq)`, `Pr(>mixture)` and, with `method = "RLRT"`, `Pr(>RLRT)`.
#' @references
#' Crainiceanu, C. M. and Ruppert, D. (2004) Likelihood ratio tests in linear mixed models with one
#' variance component. Journal of the Royal Statistical Society B 66, 165-185.
#'
#' Stram, D. O. and Lee, J. W. (1994) Variance components testing in the longitudinal mixed effects
#' model. Biometrics 50, 1171-1177.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' ranova(fit)
#' ranova(fit, reduce.terms = FALSE)
#' ranova(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff), method = "RLRT", seed = 1)
#' @export
ranova <- function(model, ...) UseMethod("ranova")

#' @export
ranova.default <- function(model, ...) to_lmertest("ranova", model, ...)

#' @rdname ranova
#' @export
ranova.rlmm <- function(
  model,
  reduce.terms = TRUE,
  ...,
  method = c("LRT", "RLRT"),
  nsim = NULL,
  seed = NULL
) {
  refuse_dots(...)
  check_flag(reduce.terms, "reduce.terms")
  method <- one_of(method, c("LRT", "RLRT"), "method")
  check_simulations(nsim)
  check_seed(seed)
  if (method == "LRT") {
    inform_not_simulated(nsim, seed)
  }
  reductions <- random_reductions(model, reduce.terms)
  fits <- lapply(reductions, \(reduction) reduced_fit(model, reduction))
  table <- reduction_table(model, fits, reductions)
  if (method == "RLRT") {
    simulate <- \(start) lapply(fits, simulated_tests, fit = model, nsim = nsim)
    simulated <- with_seed(seed, simulate)
    p <- mapply(simulated_p, simulated, table$LRT[-1L])
    table[["Pr(>RLRT)"]] <- c(NA, p)
  }
  heading <- c(
    "ANOVA-like table for random-effects: Single term deletions",
    "\nModel:",
    deparse1(stats::formula(model))
  )
  table <- as_anova(table, heading)
  structure(table, class = c("rlmm_ranova", class(table)))
}

# Gives a message about arguments of a simulation where nothing is simulated.
inform_not_simulated <- function(nsim, seed) {
  given <- c(if (!is.null(nsim)) "nsim", if (!is.null(seed)) "seed")
  if (!is.null(given)) {
    inform_without_effect(given)
  }
}

# The simulated p-value, which counts the observed value as one of the simulated ones.
simulated_p <- function(values, x) {
  n_beyond <- sum(values >= x - 1e-8)
  (1 + n_beyond) / (1 + length(values))
}

#' @export
print.rlmm_ranova <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  warn_of_dots(...)
  columns <- Map(format_test_column, x, names(x), digits)
  writeLines(attr(x, "heading"))
  print(
    as_table(columns, row.names(x)),
    quote = FALSE,
    right = TRUE
  )
  invisible(x)
}

format_test_column <- function(values, name, digits) {
  text <- if (startsWith(name, "Pr(")) {
    format.pval(
      values,
      digits = max(1, digits - 1),
      na.form = ""
    )
  } else {
    format(values, digits = digits)
  }
  ifelse(is.na(values), "", text)
}

check_simulations <- function(nsim) {
  if (is.null(nsim) || (is_number(nsim) && nsim >= 1)) {
    return(invisible())
  }
  abort_argument(
    "`nsim` must be one positive number.",
    x = it_is(nsim),
    arg = "nsim"
  )
}

# Reductions ---------------------------------------------------------------------

#' The possible reductions of the random effects
#' @return A list, named by the omitted effects: `term`, the number of the term; `with`, its
#'   replacement (`NULL` if none); and `n_effects`, the number of omitted effects.
#' @noRd
random_reductions <- function(fit, reduce) {
  found <- lapply(in_written_order(fit), \(i) {
    labels <- if (reduce) reducible_labels(fit$random[[i]])
    if (length(labels) == 0L) {
      return(whole_reduction(fit, i))
    }
    label_reductions(fit, i, labels)
  })
  do.call(c, found)
}

# The terms in the order of the formula, which may differ from that of the fit.
in_written_order <- function(fit) {
  written <- stats::formula(fit)
  bars <- split_bars(written[[length(written)]])$bars
  meanings <- lapply(bars, \(bar) names(bar_parts(bar)))
  own <- vapply(fit$random, \(term) bar_meaning_of(fit, term), "")
  bar <- rep(seq_along(meanings), lengths(meanings))
  order(bar[match(own, unlist(meanings))])
}

bar_meaning_of <- function(fit, term) {
  names(bar_parts(bar_of(term_call(term, fit))))[1L]
}

whole_reduction <- function(fit, i) {
  term <- fit$random[[i]]
  all <- list(
    term = i,
    with = NULL,
    n_effects = length(term$columns)
  )
  rlang::set_names(list(all), term_text(term))
}

label_reductions <- function(fit, i, labels) {
  term <- fit$random[[i]]
  each <- lapply(labels, \(label) {
    with <- reduced_bar(fit, term, label)
    list(
      term = i,
      with = with,
      n_effects = NA_integer_
    )
  })
  rlang::set_names(each, paste(labels, "in", term_text(term)))
}

# The effects that are not part of an interaction in the same term.
reducible_labels <- function(term) {
  if (identical(term$columns, "(Intercept)")) {
    return(character())
  }
  stats::drop.scope(rlang::new_formula(NULL, effects_expression(term)))
}

#' The term without one of its effects; without its last effect it becomes an intercept
#' @noRd
reduced_bar <- function(fit, term, label) {
  left <- setdiff(attr(term$effects, "term.labels"), label)
  has_intercept <- length(left) == 0L || attr(term$effects, "intercept") == 1L
  effects <- sum_of_labels(left, has_intercept)
  bar <- call("|", effects, written_group(fit, term))
  if (length(left) == 0L) {
    call("(", bar)
  } else {
    structured_call(term$structure, bar, term$called)
  }
}

#' The formula with a reduction; `NULL` if no random effects remain
#' @noRd
reduced_formula <- function(fit, reduction) {
  bars <- reduced_bars(fit, reduction)
  if (length(bars) == 0L) {
    return(NULL)
  }
  out <- stats::formula(fit, fixed.only = TRUE)
  out[[3L]] <- Reduce(
    \(a, b) call("+", a, b),
    bars,
    out[[3L]]
  )
  out
}

reduced_bars <- function(fit, reduction) {
  bars <- lapply(fit$random, term_call, fit = fit)
  bars[reduction$term] <- list(reduction$with)
  bars <- drop_null(bars)
  # `(1 | g)`, to which `(0 + x | g)` is reduced, may be in the formula already.
  meaning_of <- \(bar) names(bar_parts(bar_of(bar)))[1L]
  meaning <- vapply(bars, meaning_of, "")
  bars[!duplicated(meaning)]
}

bar_of <- function(bar) {
  is_in_brackets <- is.call(bar) && identical(bar[[1L]], quote(`(`))
  if (is_in_brackets) bar[[2L]] else bar
}

#' The fit with a reduction, without a message about singularity
#' @noRd
reduced_fit <- function(fit, reduction) {
  formula <- reduced_formula(fit, reduction)
  suppressMessages(classes = "rlmm_message", {
    if (is.null(formula)) {
      without_effects(fit)
    } else {
      fit_with_formula(fit, formula)
    }
  })
}

# The fit with all variances held at zero.
without_effects <- function(fit) {
  names <- theta_names(fit$random)
  fit$control$fixed$cov <- NULL
  zeros <- numeric(length(names))
  fit$control$fixed$theta <- rlang::set_names(zeros, names)
  fit_again(fit)
}

# Table -----------------------------------------------------------------------------

reduction_table <- function(fit, fits, reductions) {
  found <- log_likelihoods(c(list(fit), fits))
  npar <- found$npar
  df <- c(NA, npar[1L] - npar[-1L])
  gain <- found$value[1L] - found$value[-1L]
  lrt <- c(NA, 2 * gain)
  # A nested model has a negative statistic only because of rounding.
  lrt <- ifelse(df > 0, pmax(0, lrt), lrt)
  is_one <- vapply(fits, \(smaller) is_one_effect_less(fit, smaller), NA)
  data.frame(
    npar = npar,
    logLik = found$value,
    AIC = -2 * found$value + 2 * npar,
    LRT = lrt,
    Df = df,
    `Pr(>Chisq)` = positive_df_p(lrt, df),
    `Pr(>mixture)` = ifelse(
      c(NA, is_one),
      mixture_p(lrt, df),
      NA
    ),
    row.names = c("<none>", names(reductions)),
    check.names = FALSE
  )
}

positive_df_p <- function(lrt, df) {
  p <- stats::pchisq(lrt, df, lower.tail = FALSE)
  replace(p, which(df <= 0), NA)
}

#' Whether the models differ by a single effect, with its variance and covariances
#' @noRd
is_one_effect_less <- function(fit, smaller) {
  is_plain <- \(term) {
    is_unstructured(term$structure) || is_diagonal(term$structure)
  }
  all_held <- all(held_terms(smaller))
  left <- if (all_held) 0L else sum(n_columns(smaller))
  df <- n_parameters(fit) - n_parameters(smaller)
  df > 0 &&
    all(vapply(fit$random, is_plain, NA)) &&
    (sum(n_columns(fit)) - left == 1L || df == 1)
}

# The p-value of an equal mixture of chi-squared distributions with df - 1 and df degrees of
# freedom; with zero degrees of freedom the distribution is zero.
mixture_p <- function(x, df) {
  upper <- \(df) {
    p <- stats::pchisq(
      x,
      pmax(df, 0.5),
      lower.tail = FALSE
    )
    ifelse(df == 0, as.double(x <= 0), p)
  }
  (upper(df - 1) + upper(df)) / 2
}

# Simulation --------------------------------------------------------------------------

#' Values of the test statistic under the smaller model
#' @noRd
simulated_tests <- function(fit, smaller, nsim) {
  is_exact <- isLMM.rlmm(fit) &&
    length(fit$theta) == 1L &&
    length(fit$random[[1L]]$columns) == 1L &&
    !fit$known_sigma
  if (is_exact) {
    exact_tests(fit, nsim %||% 10000)
  } else {
    bootstrap_tests(fit, smaller, nsim %||% 1000)
  }
}

#' Simulates the likelihood-ratio statistic of one variance from its spectral representation
#'
#' The REML statistic is the maximum over lambda of (n - p) log(1 + N / D) - sum log(1 + lambda
#' mu_s), where N = sum lambda mu_s w_s^2 / (1 + lambda mu_s), D = sum w_s^2 / (1 + lambda mu_s) + a
#' chi-squared variable with the remaining degrees of freedom, and mu are the eigenvalues of Z'PZ (P
#' projects on the complement of X). The ML statistic has n in place of n - p, and in the last sum
#' the eigenvalues of Z'Z.
#' @noRd
exact_tests <- function(fit, nsim) {
  found <- effect_eigenvalues(fit)
  n_left <- nobs.rlmm(fit) - n_free_beta(fit)
  reml <- isREML.rlmm(fit)
  n_projected <- length(found$projected)
  check_replicates_fit(nsim, 8 * (2 * n_projected + 8))
  draws <- list(
    squares = matrix(stats::rchisq(nsim * n_projected, 1), nsim),
    rest = stats::rchisq(nsim, n_left - n_projected)
  )
  factor <- if (reml) n_left else nobs.rlmm(fit)
  penalty <- if (reml) found$projected else found$plain
  best <- numeric(nsim)
  for (lambda in lambda_grid(max(found$plain))) {
    gain <- factor * spectral_gain(draws, lambda * found$projected)
    best <- pmax(best, gain - sum(log1p(lambda * penalty)))
  }
  best
}

# log(1 + N / D) of each simulation.
spectral_gain <- function(draws, eigenvalues) {
  shrink <- 1 / (1 + eigenvalues)
  explained <- drop(draws$squares %*% (1 - shrink))
  unexplained <- drop(draws$squares %*% shrink) + draws$rest
  log1p(explained / unexplained)
}

# A grid of lambda over the range in which the largest eigenvalue matters.
lambda_grid <- function(largest) exp(seq(-12, 12, length.out = 400)) / largest

effect_eigenvalues <- function(fit) {
  root <- root_weights(fit)
  z <- root * random_matrix(fit)
  x <- root * free_matrix(fit)
  plain <- as.matrix(Matrix::crossprod(z))
  cross <- as.matrix(Matrix::crossprod(z, x))
  projected <- plain - cross %*% solve(crossprod(x), t(cross))
  list(
    plain = nonzero_eigenvalues(plain),
    projected = nonzero_eigenvalues(projected)
  )
}

nonzero_eigenvalues <- function(x) {
  parts <- eigen(symmetric_part(x), symmetric = TRUE, only.values = TRUE)
  values <- parts$values
  values[values > 1e-10 * max(values)]
}

#' The likelihood-ratio statistics of responses simulated from the smaller model
#' @noRd
bootstrap_tests <- function(fit, smaller, nsim) UseMethod("bootstrap_tests")

#' @export
bootstrap_tests.rlmm_lmm <- function(fit, smaller, nsim) {
  if (!is.null(fit$strata)) {
    abort_with_strata("The bootstrap")
  }
  # Simulated responses must not be padded for omitted rows.
  smaller$na_action <- NULL
  y <- as.matrix(stats::simulate(smaller, nsim))
  objectives <- \(fit) {
    control <- refit_control(fit, fit_design(fit))
    core_fit_many(fit_spec(fit), y, control = control)$objective
  }
  drop_failed(pmax(objectives(smaller) - objectives(fit), 0))
}

#' @export
bootstrap_tests.rlmm_glmm <- function(fit, smaller, nsim) {
  smaller$na_action <- NULL
  responses <- stats::simulate(smaller, nsim)
  tests <- vapply(
    responses,
    \(y) {
      log_lik <- \(fit) {
        as.double(logLik.rlmm(suppressMessages(refit.rlmm(fit, y))))
      }
      tryCatch(
        max(0, 2 * (log_lik(fit) - log_lik(smaller))),
        rlmm_error = \(cnd) NA_real_
      )
    },
    0
  )
  drop_failed(tests)
}

drop_failed <- function(tests) {
  failed <- sum(is.na(tests))
  if (failed > 0L) {
    warn_rlmm(
      sprintf(
        "%s of the parametric bootstrap can't be fitted, of %s; they are left out.",
        plural(failed, "response"),
        format_count(length(tests))
      ),
      "rlmm_warning_bootstrap"
    )
  }
  tests[!is.na(tests)]
}

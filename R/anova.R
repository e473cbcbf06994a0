# anova(): likelihood-ratio tests between fits; sums of squares of one fit.

#' Compare fits, or the terms of one fit
#'
#' With several fits to the same data, a table of likelihood-ratio tests, with models in the order
#' of their number of parameters and each one tested against the one above it. With a single fit, a
#' test of each fixed-effects term.
#'
#' REML fits are first refitted by maximum likelihood, with a message, since REML criteria of models
#' with different fixed effects can't be compared. If the models differ only in their random
#' effects, `refit = FALSE` compares the REML criteria.
#'
#' A variance of zero is on the boundary of the parameter space, so that the p-value of a test for
#' it is too large, by a factor of about two for a single variance. [ranova()] has p-values for this
#' case.
#'
#' A likelihood-ratio test requires nested models. A message says where a model isn't nested in the
#' next larger one, as far as the columns of X and Z show: the larger model lacks a fixed effect, or
#' a random effect of the same grouping factor.
#'
#' @section Tests of one fit: `type = "III"`, the default as in lmerTest, tests each term under
#' sum-to-zero coding of all factors; `"II"` tests it adjusted for all terms that don't contain it;
#' `"I"` adjusted for the terms before it in the formula. If combinations of factors have no data, a
#' message lists them, and type III is that of Goodnight (1978), as in SAS and lmerTest. A factor in
#' which others are nested (`f` in `f / g`) is tested averaged over these, as in SAS and emmeans;
#' lmerTest compares their first levels. `poly(x, 2)` counts as a covariate, like `x` (lmerTest
#' treats it as a factor for type II). Types I and II don't depend on weights, as in lmerTest, but
#' of a fit of weighted sums they do, as in [lm()], which a message says. Linear models have F tests
#' with Satterthwaite's degrees of freedom (see [contest()]), generalized ones Wald chi-squared
#' tests. `ddf = "none"` (or `"lme4"`, as in lmerTest) gives lme4's table of sequential sums of
#' squares, without p-values.
#'
#' @param object A fitted model.
#' @param type For one fit: the type of hypothesis, `"I"`, `"II"` or `"III"`, or 1, 2, 3.
#' @param ddf For one linear fit: the method for the denominator degrees of freedom,
#'   `"Satterthwaite"`, `"Kenward-Roger"`, `"none"` and others; see [summary()][summary.rlmm].
#' @param ... Further models of the same data: fits of this package, of lme4 or of `lm()`.
#' @param refit Whether to refit REML models by maximum likelihood.
#' @param test For one fit: `"Wald"`, tests from the estimates and their covariance matrix (F tests
#'   for linear models); or `"LRT"`, likelihood-ratio tests, for which the models with and without
#'   each hypothesis are fitted by maximum likelihood.
#' @param vcov,cluster For one fit: tests with robust standard errors, such as `vcov = "CR2"`, and
#'   their clusters; see [robust].
#' @param model.names The names of the models; by default the expressions in the call.
#' @return A data frame of class `"anova"` with the columns of lme4 or lmerTest: for several fits
#'   `npar`, `AIC`, `BIC`, `logLik`, `-2*log(L)`, `Chisq`, `Df` and `Pr(>Chisq)`; for one linear fit
#'   `Sum Sq`, `Mean Sq`, `NumDF`, `DenDF`, `F value` and `Pr(>F)`; for one generalized fit `Chisq`,
#'   `Df` and `Pr(>Chisq)`; with `ddf = "none"`, `npar`, `Sum Sq`, `Mean Sq` and `F value`.
#' @references
#' Goodnight, J. H. (1978) Tests of hypotheses in fixed effects linear models. SAS Technical Report
#' R-101.
#' @examples
#' slopes <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' intercepts <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' anova(slopes)
#' anova(slopes, ddf = "Kenward-Roger")
#' herds <- rglmm(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial)
#' anova(herds)
#' anova(herds, test = "LRT")
#' anova(slopes, intercepts, refit = FALSE)
#' no_days <- update(slopes, . ~ . - Days)
#' anova(slopes, no_days)
#' @importFrom stats anova
#' @export
anova.rlmm <- function(
  object,
  ...,
  type = c("III", "II", "I"),
  ddf = NULL,
  refit = TRUE,
  model.names = NULL,
  vcov = NULL,
  cluster = NULL,
  test = c("Wald", "LRT")
) {
  check_flag(refit, "refit")
  type <- if (missing(type)) "III" else read_type(type)
  fits <- list(object, ...)
  expressions <- as.list(substitute(list(object, ...)))[-1]
  labels <- model.names %||% expression_names(expressions)
  check_models(fits)
  if (length(fits) == 1) {
    if (single_fit_test(test) == "LRT") {
      return(term_lrt(object, type))
    }
    return(anova_of_one(object, type, ddf, vcov, cluster))
  }
  check_model_names(labels, length(fits))
  check_same_data(fits, labels)
  fits <- if (refit) by_maximum_likelihood(fits, labels) else fits
  likelihood_ratio_tests(fits, labels)
}

# The values of `test` for one fit; the methods for lm() and glm() have "F" and "Chisq".
single_fit_test <- function(test) {
  if (identical(test, "F") || identical(test, "Chisq")) {
    abort_argument(
      "`test` must be \"Wald\" or \"LRT\".",
      x = it_is(test),
      i = "Without `test` linear models have F tests, generalized ones chi-squared tests.",
      arg = "test"
    )
  }
  one_of(test, c("Wald", "LRT"), "test")
}

check_models <- function(fits) {
  known <- c("rlmm", "merMod", "lm")
  is_model <- vapply(fits, \(fit) inherits(fit, known), NA)
  if (!all(is_model)) {
    first <- which(!is_model)[1]
    named <- names(fits) %||% character(length(fits))
    abort_no_model(fits[[first]], named[first])
  }
}

anova_of_one <- function(fit, type, ddf, vcov, cluster) {
  ddf <- choose_ddf(fit, ddf, vcov)
  if (has_large(fit)) {
    return(large_tests(fit, type, fixed_tests(fit, ddf, vcov, cluster)))
  }
  if (ddf == "none") {
    return(sums_of_squares(fit))
  }
  term_tests(fit, type, fixed_tests(fit, ddf, vcov, cluster))
}

# The names of the models as the user wrote them; fits given as values, by do.call() for example,
# have no names.
expression_names <- function(exprs) {
  labels <- vapply(
    exprs,
    \(expr) if (is.language(expr)) short_deparse(expr) else "",
    ""
  )
  if (anyDuplicated(labels) || !all(nzchar(labels))) {
    paste0("MODEL", seq_along(exprs))
  } else {
    unname(labels)
  }
}

by_maximum_likelihood <- function(fits, labels) {
  by_reml <- vapply(
    fits,
    \(fit) inherits(fit, c("rlmm", "merMod")) && isREML(fit),
    NA
  )
  if (!any(by_reml)) {
    return(fits)
  }
  fits[by_reml] <- lapply(fits[by_reml], refitML)
  inform_rlmm(
    paste0(
      "Fitted again by maximum likelihood instead of REML: ",
      enumerate(tick(labels[by_reml])),
      "."
    ),
    "rlmm_message_refit"
  )
  fits
}

likelihood_ratio_tests <- function(fits, labels) {
  order <- order(log_likelihoods(fits)$npar)
  first <- fits[[1]]
  fits <- fits[order]
  labels <- labels[order]
  table <- test_table(fits)
  inform_not_nested(fits, table$npar, labels)
  row.names(table) <- labels
  heading <- c(test_heading(fits, labels, first), noise_heading(fits))
  as_anova(table, heading)
}

# Tests each model against the one before it, which has at most as many parameters.
test_table <- function(fits) {
  found <- log_likelihoods(fits)
  deviance <- -2 * found$value
  npar <- found$npar
  data.frame(
    npar = npar,
    AIC = deviance + 2 * npar,
    BIC = deviance + log(stats::nobs(fits[[1]])) * npar,
    logLik = found$value,
    `-2*log(L)` = deviance,
    chisq_tests(found$value, npar),
    check.names = FALSE
  )
}

chisq_tests <- function(log_lik, npar) {
  chisq <- c(NA, 2 * pmax(0, diff(log_lik)))
  df <- c(NA, diff(npar))
  p <- stats::pchisq(chisq, df, lower.tail = FALSE)
  p[which(df == 0)] <- NA
  data.frame(
    Chisq = chisq,
    Df = df,
    `Pr(>Chisq)` = p,
    check.names = FALSE
  )
}

# The heading with standard errors of estimated log-likelihoods, and a warning if they are too
# large.
noise_heading <- function(fits) {
  error_of <- \(fit) attr(stats::logLik(fit), "se") %||% 0
  se <- vapply(fits, error_of, 0)
  if (all(se == 0)) {
    return(NULL)
  }
  larger <- se[-1L]
  smaller <- se[-length(se)]
  of_differences <- 2 * sqrt(larger^2 + smaller^2)
  largest <- max(of_differences)
  if (largest > 0.1) {
    warn_noisy(largest)
  }
  sprintf(
    "Standard error of Chisq, by the iterative engine: at most %s",
    format(largest, digits = 2)
  )
}

warn_noisy <- function(se) {
  warn_rlmm(
    c(
      "The log-likelihoods are too noisy to be compared.",
      x = sprintf(
        "The standard error of a difference of -2 log-likelihoods is %s.",
        format(se, digits = 2)
      ),
      i = "Fit with `rlmm_control(engine = \"exact\")`, if there is the time and the memory."
    ),
    "rlmm_warning_noise",
    se = se
  )
}

test_heading <- function(fits, labels, first) {
  formulas <- lapply(fits, stats::formula)
  formulas <- vapply(formulas, deparse1, "")
  data <- stats::getCall(first)$data
  c(
    if (!is.null(data)) paste("Data:", short_deparse(data)),
    "Models:",
    paste0(labels, ": ", formulas)
  )
}

#' Sequential sums of squares: the squared effects R beta, summed by term
#' @noRd
sums_of_squares <- function(fit) {
  free <- free_beta(fit)
  term <- column_terms_of(fit)[free]
  squares <- drop(fit$rx %*% fit$beta[free])^2
  tested <- tested_terms(term)
  by_term <- lapply(tested, \(i) squares[term == i])
  table <- squares_table(by_term, fit$sigma)
  row.names(table) <- fixed_labels(fit)[tested]
  heading <- "Analysis of Variance Table"
  as_anova(table, heading)
}

squares_table <- function(squares, sigma) {
  npar <- lengths(squares)
  sum_sq <- vapply(squares, sum, 0)
  mean_sq <- sum_sq / npar
  data.frame(
    npar = npar,
    `Sum Sq` = sum_sq,
    `Mean Sq` = mean_sq,
    `F value` = mean_sq / sigma^2,
    check.names = FALSE
  )
}

check_same_data <- function(fits, labels) {
  n <- vapply(fits, stats::nobs, 1)
  odd <- which(n != n[1])
  if (length(odd) > 0) {
    pair <- c(1, odd[1])
    abort_other_size(labels[pair], n[pair])
  }
  responses <- lapply(fits, known_response)
  differs <- vapply(responses, is_other_response, NA, of = responses[[1]])
  if (any(differs)) {
    abort_other_response(labels[1], labels[differs][1])
  }
}

abort_other_response <- function(first, other) {
  text <- "The responses of %s and %s differ."
  abort_not_comparable(sprintf(text, tick(first), tick(other)))
}

is_other_response <- function(y, of) {
  length(y) == length(of) && !isTRUE(all.equal(y, of))
}

abort_other_size <- function(labels, n) {
  abort_not_comparable(
    sprintf(
      "%s has %s, %s has %s.",
      tick(labels[1]),
      plural(n[1], "observation"),
      tick(labels[2]),
      format_count(n[2])
    ),
    "Are values of some variables missing?"
  )
}

# The response of a fit; `NULL` if the fit doesn't hold its data.
known_response <- function(fit) {
  if (inherits(fit, "rlmm") && is.null(fit$frame)) {
    return(NULL)
  }
  if (inherits(fit, "rlmm_nlmm")) {
    return(as.double(fit$frame[[1L]]))
  }
  as.double(stats::model.response(stats::model.frame(fit)))
}

abort_not_comparable <- function(found, hint = NULL) {
  abort_rlmm(
    c("The models must be fits of the same data.", x = found, i = hint),
    "rlmm_error_not_comparable"
  )
}

abort_no_model <- function(x, name) {
  abort_rlmm(
    c(
      "`anova()` compares models: fits of rlmm, of lme4, or of `lm()`.",
      x = paste0(
        if (nzchar(name)) paste0(tick(name), " is ") else "It was given ",
        describe_type(x),
        "."
      ),
      if (nzchar(name)) did_you_mean(name, names(formals(anova.rlmm)))
    ),
    "rlmm_error_argument"
  )
}

check_model_names <- function(labels, n) {
  if (is.character(labels) && length(labels) == n && !anyDuplicated(labels)) {
    return(invisible(labels))
  }
  abort_argument(
    paste0("`model.names` must be ", n, " different names."),
    x = it_is(labels),
    arg = "model.names"
  )
}

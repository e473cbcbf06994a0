#' Terms that could be dropped or added
#'
#' `drop1()` removes each term of the fixed effects in turn, `add1()` adds each of the given terms
#' in turn, and both compare the models by AIC. As in [extractAIC()][logLik.rlmm], REML fits are
#' compared by maximum likelihood. The models are fitted to the stored model frame, even if the data
#' have changed or are gone; `add1()` looks up additional variables as [update()][update.rlmm] does.
#'
#' @param object A fitted model.
#' @param scope The terms to drop or add: a formula, in which `.` stands for the fixed effects of
#'   the model, or a character vector of term labels. By default `drop1()` tries all terms that are
#'   contained in no other term.
#' @param scale Not used; an argument of the generics.
#' @param test `"Chisq"` for likelihood-ratio tests. `drop1()` also has `"F"`, the F test of each
#'   term in the fit itself, as in lmerTest, without refitting; and `"user"`, the statistics that
#'   `sumFun` computes.
#' @param ddf The method for the denominator degrees of freedom of `test = "F"` (which it implies),
#'   see [summary()][summary.rlmm].
#' @param k The penalty for each parameter in the AIC.
#' @param trace Whether to print each model.
#' @param sumFun For `test = "user"`: a function with the arguments `object` (the fit), `objectDrop`
#'   (the smaller fit) and any of `scale`, `k` and `...`, that returns a numeric vector, whose names
#'   become column names. Its attribute `"method"` is added to the heading. As in lme4 it is also
#'   called without `objectDrop`, to get the names.
#' @param ... Further arguments of `sumFun`; for other tests any argument here is an error.
#' @return A data frame of class `"anova"`. `drop1()` has the columns of lme4, `npar`, `AIC` and,
#'   for `test = "Chisq"`, `LRT` and `Pr(Chi)`; `add1()` those of its [default method][stats::add1];
#'   and `drop1(test = "F")` those of [anova()][anova.rlmm].
#' @examples
#' sleepstudy$odd <- sleepstudy$Days %% 2
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
#' drop1(fit, test = "Chisq")
#' drop1(fit, test = "F")
#' add1(fit, ~ . + odd + I(Days^2), test = "Chisq")
#'
#' # A user-defined statistic
#' change <- function(object, objectDrop, ...) {
#'   if (missing(objectDrop)) return(c(change = NA))
#'   c(change = as.numeric(logLik(object) - logLik(objectDrop)))
#' }
#' drop1(fit, test = "user", sumFun = change)
#' @name add1.rlmm
NULL

# Other names of "Chisq" in R's methods for generalized linear models.
tests_elsewhere <- c(LRT = "\"Chisq\" is the likelihood-ratio test.")

#' @rdname add1.rlmm
#' @importFrom stats drop1
#' @export
drop1.rlmm <- function(
  object,
  scope,
  test = c("none", "Chisq", "F", "user"),
  k = 2,
  ddf = NULL,
  ...,
  scale = 0,
  trace = FALSE,
  sumFun = NULL
) {
  # The argument `ddf` implies F tests.
  test <- if (missing(test) && !is.null(ddf)) "F" else test
  tests <- c("none", "Chisq", "F", "user")
  test <- one_of(test, tests, "test", elsewhere = tests_elsewhere)
  check_verbose(trace, "trace")
  scope <- dropped_labels(object, scope)
  if (test == "user") {
    check_sum_function(sumFun)
    fits <- compared_fits(object, scope, "-", trace)
    return(user_table(object, fits, sumFun, scale, k, ...))
  }
  refuse_dots(...)
  if (test == "F") {
    return(deletion_tests(object, scope, ddf))
  }
  table <- compare_by_ml(object, scope, "-", k, trace, test == "Chisq")
  names(table) <- deletion_names()[seq_along(table)]
  structure(table, heading = table_heading("deletions", object))
}

# The column names of drop1(): `npar` as in lme4, except for stats::step(), which needs `Df`.
deletion_names <- function() {
  df_name <- if (is_called_by(stats::step)) "Df" else "npar"
  c(df_name, "AIC", "LRT", "Pr(Chi)")
}

#' @rdname add1.rlmm
#' @importFrom stats add1
#' @export
add1.rlmm <- function(
  object,
  scope,
  test = c("none", "Chisq"),
  k = 2,
  ...,
  scale = 0,
  trace = FALSE
) {
  refuse_dots(...)
  test <- one_of(test, c("none", "Chisq"), "test")
  check_verbose(trace, "trace")
  scope <- added_labels(object, if (!missing(scope)) scope)
  table <- compare_by_ml(object, scope, "+", k, trace, test == "Chisq")
  structure(table, heading = table_heading("additions", object))
}

# Compares the fit with the models in which each term is dropped or added, by maximum likelihood.
compare_by_ml <- function(fit, labels, sign, k, trace, is_tested) {
  check_penalty(k)
  by_ml <- ml_fit(fit)
  fits <- compared_fits(by_ml, labels, sign, trace)
  comparison_table(by_ml, fits, k, is_tested)
}

is_called_by <- function(f) {
  is_f <- \(i) identical(sys.function(i), f)
  any(vapply(seq_len(sys.nframe()), is_f, NA))
}

#' F tests of the terms, each dropped from the full model
#' @noRd
deletion_tests <- function(fit, labels, ddf) {
  ddf <- contest_ddf(fit, ddf, NULL)
  tests <- fixed_tests(fit, ddf)
  rows <- lapply(rlang::set_names(labels), \(label) {
    L <- deletion_contrasts(fit, label)
    f_test(fit, L, numeric(nrow(L)), tests)
  })
  empty <- f_table(numeric(), integer(), numeric(), numeric())
  what <- paste("deletions with", ddf_label(ddf))
  anova_table(rows, empty, table_heading(what, fit))
}

#' The contrasts of coefficients that are zero in the model without a term
#' @noRd
deletion_contrasts <- function(fit, label) {
  columns <- columns_and_rest(fit, label)
  x <- columns$all
  # Columns are scaled, so that the rank doesn't depend on units.
  unit <- pmax(sqrt(colSums(x^2)), .Machine$double.xmin)
  rest <- without_columns(x, columns$without)
  scaled <- rest / rep(unit, each = nrow(x))
  parts <- svd(scaled, nu = 0L)
  rank <- sum(parts$d > 1e-7)
  directions <- parts$v[, seq_len(rank), drop = FALSE]
  t(directions * unit)
}

# The columns of X, or a root of X'X, with and without those of a term.
columns_and_rest <- function(fit, label) {
  if (is.null(fit$sums)) {
    all <- fixed_matrix(fit)
    without <- matrix_without_term(fit, label)
  } else {
    all <- root_of_products(fit)
    without <- all[, columns_without_term(fit, label), drop = FALSE]
  }
  list(all = all, without = without)
}

# Residuals of columns from other columns.
without_columns <- function(x, others) {
  if (ncol(others) > 0L) {
    qr.resid(qr(others), x)
  } else {
    x
  }
}

# The matrix X of the model without a term.
matrix_without_term <- function(fit, label) {
  smaller <- terms_without(stats::delete.response(fit$fixed$terms), label)
  contrasts <- fit$fixed$contrasts
  kept <- intersect(names(contrasts), variable_names(smaller))
  frame <- fit_frame(fit)
  stats::model.matrix(smaller, frame, contrasts.arg = contrasts[kept])
}

terms_without <- function(terms, label) {
  labels <- attr(terms, "term.labels")
  if (length(labels) > 1L) {
    return(stats::drop.terms(terms, match(label, labels)))
  }
  stats::terms(if (attr(terms, "intercept") == 1L) ~1 else ~0)
}

ml_fit <- function(fit) if (isREML.rlmm(fit)) refitML.rlmm(fit) else fit

#' The refitted models with each term dropped or added, named by the terms
#' @param sign "-" or "+".
#' @noRd
compared_fits <- function(fit, labels, sign, trace) {
  lapply(rlang::set_names(labels), \(label) {
    if (isTRUE(trace > 0)) {
      inform_rlmm(paste("trying", sign, label), "rlmm_message_trace")
    }
    new <- fit_with_change(fit, paste("~ .", sign, label))
    check_same_rows(fit, new, label)
    new
  })
}

fit_with_change <- function(fit, formula_change) {
  formula <- stats::update.formula(
    stats::formula(fit),
    stats::as.formula(formula_change)
  )
  fit_with_formula(fit, formula)
}

check_same_rows <- function(fit, new, label) {
  if (nobs.rlmm(new) == nobs.rlmm(fit)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The models must be fits of the same data.",
      x = sprintf(
        "With %s there are %s, without it %s.",
        tick(label),
        plural(nobs.rlmm(new), "observation"),
        format_count(nobs.rlmm(fit))
      ),
      i = "Are values of it missing?"
    ),
    "rlmm_error_not_comparable"
  )
}

#' A table with a row for the fit and for each other model: `Df`, `AIC` and, with a test, `LRT` and
#' `Pr(>Chi)`
#' @noRd
comparison_table <- function(fit, others, k, is_tested) {
  found <- log_likelihoods(c(list(fit), others))
  npar <- found$npar
  change <- npar[-1] - npar[1]
  table <- data.frame(
    Df = c(NA, abs(change)),
    AIC = -2 * found$value + k * npar,
    row.names = c("<none>", names(others))
  )
  if (is_tested) {
    table <- cbind(table, deletion_chisq(found$value, table$Df))
  }
  as_anova(table)
}

# Likelihood-ratio tests of the first model against each of the others.
deletion_chisq <- function(log_lik, df) {
  change <- log_lik[-1] - log_lik[1]
  lrt <- c(NA, 2 * abs(change))
  data.frame(
    LRT = lrt,
    `Pr(>Chi)` = stats::pchisq(lrt, df, lower.tail = FALSE),
    check.names = FALSE
  )
}

table_heading <- function(what, fit, method = NULL) {
  c(
    paste("Single term", what),
    "\nModel:",
    deparse1(stats::formula(fit)),
    if (!is.null(method)) paste0("\n", method)
  )
}

#' The table of the statistics that the user's function returns for each smaller fit
#' @noRd
user_table <- function(fit, others, sum_function, scale, k, ...) {
  none <- sum_function(fit, scale = scale, k = k, ...)
  found <- lapply(others, \(other) {
    sum_function(fit, other, scale = scale, k = k, ...)
  })
  rows <- c(list(none * NA), unname(found))
  values <- do.call(rbind, rows)
  columns <- names(none) %||% paste0("V", seq_along(none))
  dimnames(values) <- list(c("<none>", names(others)), columns)
  heading <- table_heading("deletions", fit, attr(none, "method"))
  as_anova(as.data.frame(values), heading)
}

check_sum_function <- function(sum_function) {
  if (is.function(sum_function)) {
    return(invisible())
  }
  abort_argument(
    '`test = "user"` needs a function as `sumFun`.',
    x = it_is(sum_function),
    arg = "sumFun"
  )
}

# Scope -----------------------------------------------------------------------

dropped_labels <- function(fit, scope) {
  terms <- fit$fixed$terms
  if (missing(scope)) {
    return(stats::drop.scope(terms))
  }
  if (rlang::is_formula(scope)) {
    changed <- stats::update.formula(stats::formula(terms), scope)
    scope <- attr(stats::terms(changed), "term.labels")
  }
  check_fixed_labels(scope, attr(terms, "term.labels"), "scope")
  scope
}

check_fixed_labels <- function(labels, known, arg) {
  unknown <- if (is.character(labels)) setdiff(labels, known)
  if (is.character(labels) && length(unknown) == 0L) {
    return(invisible())
  }
  abort_argument(
    sprintf("`%s` must name fixed effects of the model.", arg),
    x = if (is.character(labels)) {
      paste0("It names ", enumerate(tick(unknown)), ".")
    } else {
      it_is(labels)
    },
    i = they_are(tick(known)),
    arg = arg
  )
}

added_labels <- function(fit, scope) {
  # Bars are checked first, as a random-effects term would be read as a fixed one.
  if (rlang::is_formula(scope)) {
    scope <- added_terms(stats::formula(fit, fixed.only = TRUE), scope)
  }
  if (!is.character(scope)) {
    abort_scope()
  }
  bars <- grep("|", scope, fixed = TRUE, value = TRUE)
  check_bars(bars, fit)
  scope <- setdiff(scope, bars)
  if (length(scope) == 0L) {
    abort_empty_scope()
  }
  scope
}

# A scope may contain the random-effects terms of the model, into which stats::step() expands `.`.
check_bars <- function(bars, fit) {
  own <- gsub("^\\(|\\)$", "", term_texts(fit))
  new <- setdiff(bars, own)
  if (length(new) > 0L) {
    abort_scope_bar(new[1L])
  }
}

added_terms <- function(formula, scope) {
  upper <- stats::update.formula(formula, scope)
  own <- attr(stats::terms(formula), "factors")
  left_out <- setdiff(
    colnames(own),
    colnames(attr(stats::terms(upper), "factors"))
  )
  if (length(left_out) > 0L) {
    abort_argument(
      "`scope` must hold the fixed effects of the model.",
      x = sprintf("It lacks %s.", enumerate(tick(left_out))),
      i = "`~ . + x` adds `x` to them.",
      arg = "scope"
    )
  }
  stats::add.scope(formula, upper)
}

abort_scope <- function() {
  abort_argument(
    "`scope` must say which fixed effects to add.",
    i = "It is a formula, such as `~ . + x`, or a character vector.",
    arg = "scope"
  )
}

abort_empty_scope <- function() {
  abort_argument(
    "`scope` must hold a fixed effect that the model doesn't have.",
    x = "There is none.",
    arg = "scope"
  )
}

abort_scope_bar <- function(term) {
  abort_argument(
    "`scope` must hold fixed effects only.",
    x = paste0("It holds the random-effects term ", tick(term), "."),
    i = "Fit the model with that term, and use `anova()`.",
    arg = "scope"
  )
}

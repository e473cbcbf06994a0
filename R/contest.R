# Tests of linear combinations of the fixed effects.

#' Tests of linear combinations of the fixed effects
#'
#' `contest()` tests the hypothesis that `L` times the fixed effects equals `rhs`: jointly by an F
#' test, or each row by a t test. `contestMD()` and `contest1D()` are these two tests separately.
#' The names, arguments and tables are those of lmerTest.
#'
#' The F test of q linearly independent rows rotates them until their estimates are uncorrelated,
#' computes Satterthwaite's degrees of freedom nu_m of each, and derives those of their mean square
#' from the expectation of a sum of q F variables, E = sum(nu_m / (nu_m - 2)), as 2 E / (E - q) (Fai
#' and Cornelius 1996). Dependent rows are counted once. For a generalized model the tests are Wald
#' tests with infinite denominator degrees of freedom.
#'
#' With `ddf = "Kenward-Roger"` the statistic uses the adjusted covariance matrix and a scaling
#' factor near one. As in lmerTest, the factor is included in `F value` but not in the sums of
#' squares.
#'
#' @param model A fitted model.
#' @param L A vector, or a matrix with a column for each fixed effect; for `contest()` also a list
#'   of these, each of which is tested. If its names are those of fixed effects, as in `c(Days =
#'   1)`, they may be in any order, and missing ones are zero.
#' @param joint Whether to test all rows jointly by an F test (`TRUE`) or each by a t test.
#' @param rhs The value of `L` times the fixed effects under the hypothesis: one number, or one for
#'   each row.
#' @param ddf The method for the denominator degrees of freedom: `"Satterthwaite"`,
#'   `"Kenward-Roger"`, `"asymptotic"` (infinite) and others; see [summary()][summary.rlmm].
#' @param vcov,cluster A type of robust standard errors, such as `vcov = "CR2"`, and their clusters,
#'   see [robust]; or a covariance matrix of the fixed effects, or a function of the fit that
#'   returns one.
#' @param confint Whether to include confidence limits.
#' @param level The confidence level.
#' @param collect Whether to combine the tables of a list of hypotheses, or of the rows of `L`, into
#'   one table instead of a list.
#' @param check_estimability Whether `L` has a column for each column of the model matrix, including
#'   dropped ones. Contrasts that are not estimable are then `NA`.
#' @param ... Not used.
#' @return A data frame with the columns `Sum Sq`, `Mean Sq`, `NumDF`, `DenDF`, `F value` and
#'   `Pr(>F)` (`contestMD()`), or `Estimate`, `Std. Error`, `df`, `t value`, `lower`, `upper` and
#'   `Pr(>|t|)` (`contest1D()`).
#' @references
#' Fai, A. H.-T. and Cornelius, P. L. (1996) Approximate F-tests of multiple degree of freedom
#' hypotheses in generalized least squares analyses of unbalanced split-plot experiments. Journal of
#' Statistical Computation and Simulation 54, 363-378.
#' @examples
#' fit <- rlmm(Reaction ~ Days + I(Days^2) + (1 | Subject), sleepstudy)
#' contest(fit, rbind(c(0, 1, 0), c(0, 0, 1)))
#' contest(fit, c(1, 5, 25), joint = FALSE, confint = TRUE)
#' contest(fit, rbind(c(0, 1, 0), c(0, 0, 1)), ddf = "Kenward-Roger")
#' contest1D(fit, c(Days = 1), rhs = 10)
#' @export
contest <- function(model, L, ...) UseMethod("contest")

#' @rdname contest
#' @export
contestMD <- function(model, L, ...) UseMethod("contestMD")

#' @rdname contest
#' @export
contest1D <- function(model, L, ...) UseMethod("contest1D")

#' @export
contest.default <- function(model, L, ...) {
  to_lmertest("contest", model, L, ...)
}

#' @export
contestMD.default <- function(model, L, ...) {
  to_lmertest("contestMD", model, L, ...)
}

#' @export
contest1D.default <- function(model, L, ...) {
  to_lmertest("contest1D", model, L, ...)
}

#' Calls lmerTest's function for a fit of another package
#' @noRd
to_lmertest <- function(generic, model, ...) {
  if (!inherits(model, "merMod") || !isNamespaceLoaded("lmerTest")) {
    abort_no_method(generic, model)
  }
  getExportedValue("lmerTest", generic)(model, ...)
}

#' @rdname contest
#' @export
#' @rawNamespace S3method(lmerTest::contest, rlmm)
contest.rlmm <- function(
  model,
  L,
  joint = TRUE,
  rhs = 0,
  ddf = NULL,
  confint = TRUE,
  level = 0.95,
  vcov = NULL,
  ...,
  cluster = NULL,
  collect = TRUE,
  check_estimability = FALSE
) {
  refuse_dots(...)
  check_flag(joint, "joint")
  check_flag(confint, "confint")
  check_confidence(level)
  check_flag(collect, "collect")
  check_flag(check_estimability, "check_estimability")
  tests <- fixed_tests(model, contest_ddf(model, ddf, vcov), vcov, cluster)
  one <- \(L) {
    L <- if (check_estimability) {
      estimable_contrasts(L, model)
    } else {
      contrast_matrix(L, model)
    }
    rhs <- check_rhs(rhs, nrow(L))
    if (joint) {
      f_test(model, L, rhs, tests)
    } else {
      t_table(model, L, rhs, tests, confint, level)
    }
  }
  found <- if (is.list(L) && !is.data.frame(L)) {
    lapply(L, one)
  } else {
    one(L)
  }
  collected(found, collect, joint)
}

#' Combines tables, or returns them as a list: of hypotheses, or of the rows of a table of t tests
#' @noRd
collected <- function(found, collect, joint) {
  is_table <- is.data.frame(found)
  if (collect) {
    return(if (is_table) found else do.call(rbind, found))
  }
  if (!is_table) {
    return(found)
  }
  if (joint) {
    list(found)
  } else {
    unname(split(found, seq_len(nrow(found))))
  }
}

#' @rdname contest
#' @export
#' @rawNamespace S3method(lmerTest::contestMD, rlmm)
contestMD.rlmm <- function(
  model,
  L,
  rhs = 0,
  ddf = NULL,
  vcov = NULL,
  cluster = NULL,
  ...
) {
  refuse_dots(...)
  contest.rlmm(
    model,
    L,
    joint = TRUE,
    rhs = rhs,
    ddf = ddf,
    vcov = vcov,
    cluster = cluster
  )
}

#' @rdname contest
#' @export
#' @rawNamespace S3method(lmerTest::contest1D, rlmm)
contest1D.rlmm <- function(
  model,
  L,
  rhs = 0,
  ddf = NULL,
  confint = FALSE,
  level = 0.95,
  vcov = NULL,
  ...,
  cluster = NULL
) {
  refuse_dots(...)
  L <- contrast_matrix(L, model)
  if (nrow(L) != 1L) {
    abort_contrast(
      "`contest1D()` tests one combination.",
      paste0("`L` has ", plural(nrow(L), "row"), ".")
    )
  }
  contest.rlmm(
    model,
    L,
    joint = FALSE,
    rhs = rhs,
    ddf = ddf,
    confint = confint,
    level = level,
    vcov = vcov,
    cluster = cluster
  )
}

# Arguments ---------------------------------------------------------------

contest_ddf <- function(fit, ddf, vcov) {
  ddf <- choose_ddf(fit, ddf, vcov)
  if (ddf == "none") {
    abort_rlmm(
      c("A test needs degrees of freedom.", x = "`ddf` is \"none\"."),
      "rlmm_error_argument"
    )
  }
  ddf
}

#' Contrasts of the fixed effects as a matrix, with a row for each
#' @noRd
contrast_matrix <- function(L, fit, labels = names(fit$beta)) {
  L <- in_order_of(as_contrasts(L), labels)
  if (ncol(L) != length(labels)) {
    abort_contrast_length(ncol(L), labels)
  }
  if (anyNA(L) || any(is.infinite(L))) {
    abort_contrast(
      "`L` must be finite.",
      "It has missing or infinite elements."
    )
  }
  L
}

# A vector is one row.
as_contrasts <- function(L) {
  if (is.data.frame(L)) {
    L <- as.matrix(L)
  }
  if (is.numeric(L) && is.null(dim(L))) {
    L <- matrix(L, 1L, dimnames = list(NULL, names(L)))
  }
  if (!is.numeric(L) || length(dim(L)) != 2L) {
    abort_contrast("`L` must be a numeric vector or matrix.", it_is(L))
  }
  L
}

abort_contrast_length <- function(n, labels) {
  effects <- plural(length(labels), "fixed effect")
  order <- enumerate(dQuote(labels, FALSE), max = 10L)
  abort_contrast(
    paste0("`L` must have a column for each of the ", effects, "."),
    paste0("It has ", plural(n, "column"), "."),
    paste0("In order: ", order, ".")
  )
}

#' Contrasts of all columns of the model matrix in terms of the kept ones; `NA` for contrasts that
#' are not estimable
#' @noRd
estimable_contrasts <- function(L, fit) {
  labels <- full_column_names(fit)
  L <- contrast_matrix(L, fit, labels)
  is_kept <- labels %in% fit$fixed$names
  kept <- L[, is_kept, drop = FALSE]
  if (!all(is_kept)) {
    weights <- combinations(full_fixed_matrix(fit), is_kept)
    others <- L[, !is_kept, drop = FALSE]
    kept[is_off(kept, others, weights), ] <- NA
  }
  kept
}

#' Puts named columns in the order of the coefficients, with zeros for missing ones
#'
#' If no name is that of a coefficient, as for a data frame of unnamed numbers, names are ignored.
#' @noRd
in_order_of <- function(L, names) {
  given <- colnames(L)
  if (is.null(given) || has_other_names(given, names)) {
    return(L)
  }
  wrong <- given[!given %in% names | duplicated(given)]
  if (length(wrong) > 0L) {
    abort_contrast_names(wrong[1L], names)
  }
  out <- matrix(0, nrow(L), length(names))
  dimnames(out) <- list(rownames(L), names)
  out[, given] <- L
  out
}

abort_contrast_names <- function(wrong, names) {
  abort_contrast(
    "The names of the columns of `L` must be those of fixed effects, each once.",
    sprintf("%s isn't.", in_quotes(wrong)),
    they_are(in_quotes(names))
  )
}

# Whether the names aren't meant to be coefficients: generated names with numbers, as from
# `as.data.frame()`, or names of as many columns as there are coefficients.
has_other_names <- function(given, names) {
  is_numbered <- all(grepl("^[VX]?[0-9]*$", given))
  !any(given %in% names) && (length(given) == length(names) || is_numbered)
}

check_rhs <- function(rhs, n) {
  is_of_length <- length(rhs) %in% c(1L, n)
  if (is.numeric(rhs) && is_of_length && all(is.finite(rhs))) {
    return(rep_len(rhs, n))
  }
  abort_rlmm(
    c(
      paste0("`rhs` must be one number, or ", n, "."),
      x = it_is(rhs)
    ),
    "rlmm_error_argument"
  )
}

abort_contrast <- function(problem, found, hint = NULL) {
  abort_rlmm(
    c(problem, x = found, i = hint),
    "rlmm_error_contrast"
  )
}

# Tests -------------------------------------------------------------------

#' The table of t tests of the rows of `L`
#' @param tests The result of `fixed_tests()`.
#' @noRd
t_table <- function(fit, L, rhs, tests, confint, level) {
  known <- replace(L, is.na(L), 0)
  table <- row_t_tests(fit, known, rhs, tests)
  if (confint) {
    table <- with_t_limits(table, level)
  }
  row.names(table) <- rownames(L)
  table[is.na(rowSums(L)), ] <- NA
  table
}

with_t_limits <- function(table, level) {
  quantile <- stats::qt((1 + level) / 2, table$df)
  half <- quantile * table[["Std. Error"]]
  limits <- list(
    lower = table$Estimate - half,
    upper = table$Estimate + half
  )
  cbind(table[1:4], limits, table[5L])
}

row_t_tests <- function(fit, L, rhs, tests) {
  estimate <- drop(L %*% fit$beta)
  std_error <- combination_errors(fit, L, tests$covariance)
  df <- as.vector(tests$row_df(L))
  ratio <- (estimate - rhs) / std_error
  data.frame(
    Estimate = estimate,
    `Std. Error` = std_error,
    df = df,
    `t value` = ratio,
    `Pr(>|t|)` = 2 * stats::pt(-abs(ratio), df),
    check.names = FALSE
  )
}


#' The table, with one row, of the joint F test of the rows of `L`
#' @param at Quantities that all tests of a table share.
#' @noRd
f_test <- function(
  fit,
  L,
  rhs,
  tests,
  at = independent_tests(fit, tests)
) {
  rows <- independent_rows(L, rhs, tests, at$root)
  q <- NROW(rows$L)
  if (q == 0L) {
    return(f_table(NA_real_, 0L, NA_real_, fit$sigma))
  }
  difference <- drop(rows$L %*% at$beta) - rows$rhs
  found <- at$tests$joint(rows$L, difference)
  f_table(
    found$f,
    q,
    found$df,
    fit$sigma,
    found$scale
  )
}

#' The rows of a hypothesis, rotated so that their estimates are uncorrelated
#'
#' A robust covariance matrix with few clusters may have a smaller rank than the hypothesis.
#' @param root The root from [independent_tests()]; the rows then refer to its coefficients.
#' @noRd
independent_rows <- function(L, rhs, tests, root = NULL) {
  if (nrow(L) == 0L || anyNA(L)) {
    return(NULL)
  }
  if (!is.null(root)) {
    return(uncorrelated_by_root(L, rhs, root))
  }
  known <- tests$model_covariance %||% tests$covariance
  uncorrelated_rows(L, rhs, known)
}

# Standard errors of the estimates of the rows of `L`.
combination_errors <- function(fit, L, covariance) {
  root <- root_of_precision(fit, covariance)
  if (is.null(root)) {
    return(sqrt(rowSums((L %*% covariance) * L)))
  }
  sqrt(colSums(backsolve(root, t(L), transpose = TRUE)^2))
}

#' @param scale The factor of the F statistic, which, as in lmerTest, is not applied to the sums of
#'   squares.
#' @noRd
f_table <- function(f, q, df, sigma, scale = rep(1, length(f))) {
  data.frame(
    `Sum Sq` = f * q * sigma^2,
    `Mean Sq` = f * sigma^2,
    NumDF = q,
    DenDF = df,
    `F value` = f * scale,
    `Pr(>F)` = stats::pf(f * scale, q, df, lower.tail = FALSE),
    check.names = FALSE
  )
}

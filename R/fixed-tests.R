# Tests of the fixed effects: the covariance matrix of the estimates and the degrees of freedom by
# each method.

#' The method for degrees of freedom
#' @param vcov The user's argument `vcov`.
#' @noRd
choose_ddf <- function(fit, ddf = NULL, vcov = NULL, arg = "ddf") {
  if (is.null(ddf)) {
    return(if (is.null(vcov)) default_ddf(fit) else robust_ddf(fit, vcov))
  }
  # lmerTest has "lme4" for no degrees of freedom.
  if (identical(ddf, "lme4")) {
    return("none")
  }
  ddf <- one_of_words(ddf, ddf_methods, arg)
  if (ddf == "satterthwaite") {
    check_satterthwaite(fit)
  }
  ddf
}

check_satterthwaite <- function(fit) {
  if (!isLMM.rlmm(fit)) {
    abort_rlmm(
      c(
        "Satterthwaite's method is for linear mixed models.",
        i = "Tests of a generalized model have infinite degrees of freedom."
      ),
      "rlmm_error_not_available"
    )
  }
}

ddf_methods <- c(
  "satterthwaite",
  "kenward-roger",
  "between-within",
  "containment",
  "residual",
  "asymptotic",
  "none"
)

#' The default method: Satterthwaite's degrees of freedom for linear models with data, as they need
#' derivatives
#' @noRd
default_ddf <- function(fit) UseMethod("default_ddf")

#' @export
default_ddf.rlmm_lmm <- function(fit) {
  if (has_spec(fit)) "satterthwaite" else "asymptotic"
}

#' @export
default_ddf.rlmm_glmm <- function(fit) "asymptotic"

#' The name of the method in headings
#' @noRd
ddf_label <- function(ddf) {
  switch(
    ddf,
    satterthwaite = "Satterthwaite's method",
    `kenward-roger` = "Kenward-Roger's method",
    `between-within` = "between-within degrees of freedom",
    containment = "degrees of freedom by containment",
    residual = "residual degrees of freedom",
    asymptotic = "infinite degrees of freedom"
  )
}

#' The default method with a user-supplied covariance matrix, which is asymptotic
#' @noRd
robust_ddf <- function(fit, vcov) {
  if (is.character(vcov) && isLMM.rlmm(fit)) "satterthwaite" else "asymptotic"
}

#' The line in a summary about tests other than the default
#' @noRd
ddf_note <- function(ddf) {
  if (!ddf %in% c("satterthwaite", "asymptotic", "none")) {
    paste0("Tests with ", ddf_label(ddf), ".")
  }
}

#' The components of tests of a fit's coefficients
#' @param ddf The result of `choose_ddf()`.
#' @param vcov,cluster The user's arguments: a type of robust standard errors and its clusters, a
#'   matrix, a function of the fit, or `NULL`.
#' @return A list: `ddf`; `covariance` of the estimates; `row_df`, a function that returns the
#'   degrees of freedom of each row of a matrix of contrasts; `joint`, a function of uncorrelated
#'   rows and their differences from the hypothesis, which returns the F statistic `f`, its `scale`
#'   and `df`; and `note`, a line for the summary.
#' @noRd
fixed_tests <- function(fit, ddf, vcov = NULL, cluster = NULL) {
  if (!is.null(vcov)) {
    return(given_tests(fit, ddf, vcov, cluster))
  }
  if (!is.null(cluster)) {
    abort_cluster_alone("vcov")
  }
  covariance <- fixed_covariance(fit)
  switch(
    ddf,
    satterthwaite = satterthwaite_tests(fit, covariance),
    `kenward-roger` = kenward_roger_tests(fit),
    rule_tests(ddf, covariance, design_df(fit, ddf))
  )
}

design_df <- function(fit, ddf) {
  if (ddf %in% c("asymptotic", "none")) {
    return(rep(Inf, length(fit$beta)))
  }
  rule_df(fit, ddf)
}

#' Tests with a covariance matrix other than that of the model
#' @noRd
given_tests <- function(fit, ddf, vcov, cluster) {
  if (ddf == "kenward-roger") {
    abort_argument(
      "`ddf = \"Kenward-Roger\"` has a covariance matrix of its own.",
      i = "Leave out `vcov`, or take another `ddf`.",
      arg = "ddf"
    )
  }
  if (is.character(vcov)) {
    return(robust_tests(fit, ddf, vcov, cluster))
  }
  covariance <- given_covariance(fit, vcov)
  tests <- if (ddf == "satterthwaite") {
    satterthwaite_tests(fit, covariance)
  } else {
    rule_tests(ddf, covariance, design_df(fit, ddf))
  }
  c(
    tests,
    list(note = "Standard errors from a covariance matrix that was given.")
  )
}

robust_tests <- function(fit, ddf, type, cluster) {
  type <- one_of_words(type, robust_types, "vcov")
  found <- robust_by(fit, type, cluster)
  tests <- if (ddf == "satterthwaite") {
    sandwich_tests(found)
  } else {
    rule_tests(ddf, found$covariance, design_df(fit, ddf))
  }
  tests$model_covariance <- fixed_covariance(fit)
  c(tests, list(note = robust_note(found)))
}

# Tests with a robust covariance matrix and its own degrees of freedom.
sandwich_tests <- function(found) {
  scaled_tests("satterthwaite", found, robust_df, robust_scale)
}

# Tests with a given covariance matrix and functions for the degrees of freedom of one row, and for
# the scale and the degrees of freedom of several rows.
scaled_tests <- function(ddf, found, row_df, scale) {
  list(
    ddf = ddf,
    covariance = found$covariance,
    row_df = \(L) row_df(found, L),
    joint = \(L, difference) {
      f <- wald_f(L, difference, found$covariance)
      c(list(f = f), scale(found, L))
    }
  )
}

#' The covariance matrix from a user's matrix or function of the fit
#' @noRd
given_covariance <- function(fit, vcov) {
  covariance <- if (is.function(vcov)) vcov(fit) else vcov
  names <- names(fit$beta)
  check_covariance(covariance, length(names))
  # Classes, such as those of clubSandwich, are dropped.
  values <- as.double(as.matrix(covariance))
  matrix(values, length(names), dimnames = list(names, names))
}

check_covariance <- function(covariance, p) {
  # Matrices of clubSandwich don't inherit from "matrix".
  is_matrix <- is.matrix(covariance) || inherits(covariance, "Matrix")
  if (is_matrix && all(dim(covariance) == p)) {
    return(invisible())
  }
  size <- "`vcov` must be a type such as \"CR2\", a %s x %s matrix, or a function that returns one."
  abort_argument(
    sprintf(size, p, p),
    x = if (is_matrix) {
      sprintf("It is a %s x %s matrix.", nrow(covariance), ncol(covariance))
    } else {
      it_is(covariance)
    },
    arg = "vcov"
  )
}

satterthwaite_tests <- function(fit, covariance) {
  row_df <- \(L) satterthwaite_of_any(fit, t(L))
  wald_tests("satterthwaite", covariance, row_df, joint_df)
}

#' Tests with a covariance matrix and functions for the degrees of freedom of each row and, from
#' these, of all rows
#' @noRd
wald_tests <- function(ddf, covariance, row_df, joint_df) {
  list(
    ddf = ddf,
    covariance = covariance,
    row_df = row_df,
    joint_df = joint_df,
    joint = \(L, difference) {
      f <- wald_f(L, difference, covariance)
      df <- joint_df(as.vector(row_df(L)))
      list(f = f, scale = 1, df = df)
    }
  )
}

#' Uncorrelated combinations of the coefficients and their tests, for covariates far from zero
#' @return A list: `beta`, `tests`, and `root`, the result of [root_of_precision()].
#' @noRd
independent_tests <- function(fit, tests) {
  root <- if (!is.null(tests$joint_df)) {
    root_of_precision(fit, tests$covariance)
  }
  if (is.null(root)) {
    return(list(beta = fit$beta, tests = tests))
  }
  row_df <- \(L) tests$row_df(L %*% root)
  unit <- diag(nrow(root))
  list(
    beta = drop(root %*% fit$beta),
    tests = wald_tests(tests$ddf, unit, row_df, tests$joint_df),
    root = root
  )
}

kenward_roger_tests <- function(fit) {
  found <- kenward_roger(fit)
  scaled_tests("kenward-roger", found, kenward_roger_df, kenward_roger_scale)
}

# Tests by a rule, under which a contrast has the smallest degrees of freedom of its coefficients.
rule_tests <- function(ddf, covariance, df) {
  row_df <- \(L) {
    of_row <- \(i) least_involved(L[i, ], df)
    vapply(seq_len(nrow(L)), of_row, 1)
  }
  wald_tests(ddf, covariance, row_df, min)
}

least_involved <- function(combination, df) {
  size <- abs(combination)
  own <- df[size > 1e-10 * max(size)]
  if (all(is.na(own))) {
    NA_real_
  } else {
    min(own, na.rm = TRUE)
  }
}

# The Wald F statistic; `NA` if the rank of the covariance matrix is too small for all rows.
wald_f <- function(L, difference, covariance) {
  spread <- L %*% covariance %*% t(L)
  if (covariance_rank(spread) < nrow(L)) {
    return(NA_real_)
  }
  sum(difference * solve(spread, difference)) / nrow(L)
}

#' The degrees of freedom of the mean of squared t variables with degrees of freedom `df`
#' @noRd
joint_df <- function(df) {
  q <- length(df)
  if (anyNA(df)) {
    return(NA_real_)
  }
  # If all are equal, the limit of the formula is this value.
  is_same <- all(is.infinite(df)) || diff(range(df)) < 1e-8
  if (q == 1L || is_same) {
    return(mean(df))
  }
  if (any(df <= 2)) {
    return(2)
  }
  expected <- ifelse(is.infinite(df), 1, df / (df - 2))
  expected <- sum(expected)
  2 * expected / (expected - q)
}

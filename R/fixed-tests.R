# How the fixed effects are tested: the covariance matrix of the estimates, and degrees of freedom by
# each of the methods.

choose_ddf <- function(fit, ddf = NULL) {
  if (is.null(ddf)) {
    return(default_ddf(fit))
  }
  # lmerTest's word for none.
  if (identical(ddf, "lme4")) "none" else one_of_words(ddf, ddf_methods, "ddf")
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

#' How tests are made by default: Satterthwaite's degrees of freedom are for linear models, and take
#' derivatives, which need the data
#' @noRd
default_ddf <- function(fit) UseMethod("default_ddf")

#' @export
default_ddf.rlmm_lmm <- function(fit) {
  if (is.null(fit$frame)) "asymptotic" else "satterthwaite"
}

#' @export
default_ddf.rlmm_glmm <- function(fit) "asymptotic"

#' The method's name as a heading has it
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

#' What tests of a fit's coefficients are made of
#' @param ddf What `choose_ddf()` returns.
#' @return A list: `ddf`; `covariance` of the estimates; `row_df`, a function: the degrees of freedom
#'   of each row of a matrix of contrasts; and `joint`, a function of uncorrelated rows and of what
#'   they differ by from the hypothesis: the F statistic `f`, its `scale` and `df`.
#' @noRd
fixed_tests <- function(fit, ddf) {
  switch(
    ddf,
    satterthwaite = satterthwaite_tests(fit),
    `kenward-roger` = kenward_roger_tests(fit),
    asymptotic = ,
    none = rule_tests(fit, ddf, rep(Inf, length(fit$beta))),
    rule_tests(fit, ddf, rule_df(fit, ddf))
  )
}

satterthwaite_tests <- function(fit) {
  covariance <- fixed_covariance(fit)
  row_df <- \(L) satterthwaite_df(fit, t(L))
  list(
    ddf = "satterthwaite",
    covariance = covariance,
    row_df = row_df,
    joint = \(L, difference) {
      f <- wald_f(L, difference, covariance)
      list(f = f, scale = 1, df = joint_df(as.vector(row_df(L))))
    }
  )
}

kenward_roger_tests <- function(fit) {
  found <- kenward_roger(fit)
  list(
    ddf = "kenward-roger",
    covariance = found$covariance,
    row_df = \(L) kenward_roger_df(found, L),
    joint = \(L, difference) {
      f <- wald_f(L, difference, found$covariance)
      c(list(f = f), kenward_roger_scale(found, L))
    }
  )
}

# A combination of coefficients has the least of their degrees of freedom.
rule_tests <- function(fit, ddf, df) {
  covariance <- fixed_covariance(fit)
  row_df <- \(L) apply(L, 1L, least_involved, df)
  list(
    ddf = ddf,
    covariance = covariance,
    row_df = row_df,
    joint = \(L, difference) {
      f <- wald_f(L, difference, covariance)
      list(f = f, scale = 1, df = min(row_df(L)))
    }
  )
}

least_involved <- function(combination, df) {
  size <- abs(combination)
  own <- df[size > 1e-10 * max(size)]
  if (all(is.na(own))) NA_real_ else min(own, na.rm = TRUE)
}

wald_f <- function(L, difference, covariance) {
  spread <- L %*% covariance %*% t(L)
  sum(difference * solve(spread, difference)) / nrow(L)
}

#' Degrees of freedom of the mean of squared t variables with those of `df`
#' @noRd
joint_df <- function(df) {
  q <- length(df)
  if (anyNA(df)) {
    return(NA_real_)
  }
  # The limit of the formula where all are the same.
  if (q == 1L || all(is.infinite(df)) || diff(range(df)) < 1e-8) {
    return(mean(df))
  }
  if (any(df <= 2)) {
    return(2)
  }
  expected <- sum(ifelse(is.infinite(df), 1, df / (df - 2)))
  2 * expected / (expected - q)
}

# tidy() and glance() for fits without a counterpart in lme4, with the columns that broom.mixed has
# for lme4's: fits of sums and slim ones, which have no rows, and those with large factors,
# covariance structures, strata or held parameters.

#' Whether the tables of a fit are those of this package: it has no counterpart in lme4, or the
#' packages with the methods for lme4 are not installed
#' @noRd
has_own_tables <- function(fit) {
  if (!inherits(fit, "rlmm")) {
    return(FALSE)
  }
  if (is.null(fit$frame) || has_large(fit)) {
    return(TRUE)
  }
  !is.null(not_convertible(fit)) ||
    !rlang::is_installed(c("lme4", "broom.mixed"))
}

# The generics with tables of this package; augment() needs rows.
own_tables <- list(
  tidy = \(x, ...) tidy_fit(x, ...),
  glance = \(x, ...) glance_fit(x, ...)
)

#' The tidy table of a fit
#' @param parametric An argument that mice passes for other kinds of models.
#' @noRd
tidy_fit <- function(
  x,
  effects = c("ran_pars", "fixed"),
  conf.int = FALSE,
  conf.level = 0.95,
  conf.method = "Wald",
  exponentiate = FALSE,
  parametric = NULL,
  ...
) {
  warn_of_dots(...)
  check_flag(conf.int, "conf.int")
  check_flag(exponentiate, "exponentiate")
  parts <- list(
    fixed = tidy_fixed,
    ran_pars = tidy_covariances,
    ran_vals = tidy_modes
  )
  chosen <- intersect(names(parts), read_effects(effects, names(parts)))
  limits <- if (conf.int) tidy_limits(x, chosen, conf.level, conf.method)
  level <- if (conf.int) conf.level
  tables <- lapply(parts[chosen], \(part) part(x, limits, level))
  if (exponentiate && "fixed" %in% chosen) {
    tables$fixed <- exponentiated(tables$fixed)
  }
  as_tibble_if_possible(bind_tables(tables))
}

read_effects <- function(effects, known) {
  unknown <- setdiff(effects, known)
  if (length(unknown) > 0L) {
    abort_argument(
      sprintf("`effects` must be among %s.", enumerate(dQuote(known, FALSE))),
      x = it_is(effects),
      arg = "effects"
    )
  }
  effects
}

# Exponentiates the fixed effects; standard errors are by the delta method, and tests are those of
# the effects themselves.
exponentiated <- function(table) {
  table$std.error <- exp(table$estimate) * table$std.error
  changed <- intersect(c("estimate", "conf.low", "conf.high"), names(table))
  table[changed] <- exp(table[changed])
  table
}

# Limits of parameters; those of single random effects are computed from their conditional
# variances.
tidy_limits <- function(fit, chosen, level, method) {
  if (!any(c("fixed", "ran_pars") %in% chosen)) {
    return(NULL)
  }
  confint.rlmm(
    fit,
    parm = if (!"ran_pars" %in% chosen) "beta_",
    level = level,
    method = method,
    oldNames = FALSE
  )
}

tidy_fixed <- function(fit, limits, level) {
  table <- stats::coef(summary.rlmm(fit))
  out <- data.frame(
    effect = "fixed",
    group = NA_character_,
    term = rownames(table),
    estimate = table[, "Estimate"],
    std.error = table[, "Std. Error"],
    statistic = table[, grep("value$", colnames(table))[1L]]
  )
  if ("df" %in% colnames(table)) {
    out$df <- table[, "df"]
  }
  p <- grep("^Pr", colnames(table))
  out$p.value <- if (length(p) == 1L) table[, p]
  with_confint(out, limits, rownames(table))
}

tidy_covariances <- function(fit, limits, level) {
  table <- as.data.frame(VarCorr.rlmm(fit))
  is_residual <- table$grp == "Residual"
  table$var1[is_residual] <- "Observation"
  is_correlation <- !is.na(table$var2)
  term <- ifelse(
    is_correlation,
    sprintf("cor__%s.%s", table$var1, table$var2),
    sprintf("sd__%s", table$var1)
  )
  out <- data.frame(
    effect = "ran_pars",
    group = table$grp,
    term = term,
    estimate = table$sdcor
  )
  # The names of confint().
  own <- ifelse(
    is_correlation,
    sprintf("cor_%s.%s|%s", table$var2, table$var1, table$grp),
    sprintf("sd_%s|%s", table$var1, table$grp)
  )
  own[is_residual] <- "sigma"
  with_confint(out, limits, own)
}

tidy_modes <- function(fit, limits, level) {
  table <- as.data.frame(ranef.rlmm(fit))
  out <- data.frame(
    effect = "ran_vals",
    group = as.character(table$grpvar),
    level = as.character(table$grp),
    term = as.character(table$term),
    estimate = table$condval,
    # Slim fits have no conditional standard deviations.
    std.error = table$condsd %||% NA_real_
  )
  if (!is.null(level)) {
    margin <- stats::qnorm((1 + level) / 2) * out$std.error
    out$conf.low <- out$estimate - margin
    out$conf.high <- out$estimate + margin
  }
  out
}

with_confint <- function(table, limits, names) {
  if (is.null(limits)) {
    return(table)
  }
  at <- match(names, rownames(limits))
  table$conf.low <- limits[at, 1L]
  table$conf.high <- limits[at, 2L]
  table
}

# Binds tables by rows; columns that a table lacks are missing.
bind_tables <- function(tables) {
  columns <- unique(unlist(lapply(tables, names)))
  known <- c("effect", "group", "level", "term")
  columns <- c(intersect(known, columns), setdiff(columns, known))
  filled <- lapply(unname(tables), \(table) {
    table[setdiff(columns, names(table))] <- NA
    table[columns]
  })
  stacked <- do.call(rbind, filled)
  row.names(stacked) <- NULL
  stacked
}

glance_fit <- function(x, ...) {
  warn_of_dots(...)
  criterion <- if (isGLMM.rlmm(x) || !x$reml) {
    list(deviance = stats::deviance(x))
  } else {
    list(REMLcrit = REMLcrit.rlmm(x))
  }
  as_tibble_if_possible(data.frame(
    nobs = nobs.rlmm(x),
    sigma = stats::sigma(x),
    logLik = as.numeric(logLik.rlmm(x)),
    AIC = stats::AIC(x),
    BIC = stats::BIC(x),
    criterion,
    df.residual = df.residual.rlmm(x)
  ))
}

as_tibble_if_possible <- function(table) {
  if (rlang::is_installed("tibble")) {
    table <- getExportedValue("tibble", "as_tibble")(table)
  }
  table
}

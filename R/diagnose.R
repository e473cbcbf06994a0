# One page of what a reviewer asks of a fit.

#' Diagnosis of a fit
#'
#' What a reviewer would ask of a fit, on one page: is it an optimum, is it singular, how many
#' levels are there, do residuals and random effects look normal, which rows and groups count most,
#' are the fixed effects entangled, and, for counts, is there overdispersion, and are there as many
#' zeros as the model expects? `plot()` of it draws the page of pictures that goes with it.
#'
#' @details
#' A line is marked `ok`, `look` (worth a look, before one believes the model) or `bad` (results
#' aren't those of the model). A line's words say what was measured:
#'
#' * Residuals: for linear models scaled residuals, for generalized ones quantile residuals (see
#'   [residuals.rlmm()]), both given the random effects. Skewness beyond 1, or excess kurtosis
#'   beyond 2, is worth a look, as is a residual of more than 4.5.
#' * Spread: Spearman's correlation of their size with the fitted values.
#' * Random effects: Shapiro and Wilk's test of the conditional modes of each effect. Modes are
#'   shrunk, and by different amounts where groups differ in size: a small p-value is an occasion to
#'   look at the picture, no more.
#' * Influence: leverage of rows, and Cook's distance without each level at fixed theta (see
#'   [influence.rlmm()]), for grouping factors of up to 3,000 levels.
#' * Overdispersion, for families without a dispersion: the sum of squared Pearson residuals over
#'   the residual degrees of freedom.
#' * Rows: a fit of sums ([rlmm_sums()]) has none, and what is computed from them is left out.
#' * Zeros: their number, and the mean and standard deviation of it that the model expects given its
#'   random effects.
#'
#' glmmTMB has a function of this name for its own fits: given one of those, ours hands on to it.
#'
#' @param object A fit.
#' @param ... Not used.
#' @return A list of class `"rlmm_diagnosis"`: `checks`, a data frame with columns `check`, `mark`
#'   and `finding`; `residuals`, `modes` (a list of standardized conditional modes), `influence` (a
#'   list of what [influence.rlmm()] returned, by grouping factor), and `fit`.
#' @seealso [certificate()], [is_singular()], [influence.rlmm()], [variance_inflation()],
#'   [plot.rlmm()]; [preview()] before fitting.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' diagnose(fit)
#' ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
#' diagnose(ticks)
#' @export
diagnose <- function(object, ...) UseMethod("diagnose")

#' @export
diagnose.default <- function(object, ...) {
  if (inherits(object, "glmmTMB") && isNamespaceLoaded("glmmTMB")) {
    return(getExportedValue("glmmTMB", "diagnose")(object, ...))
  }
  check_fit(object, "object")
}

#' @rdname diagnose
#' @export
diagnose.rlmm <- function(object, ...) {
  refuse_dots(...)
  object <- with_all_rows(object)
  facts <- list(fit = object, modes = standardized_modes(object))
  if (is.null(object$sums)) {
    fit_frame(object)
    facts <- c(facts, facts_of_rows(object))
  }
  table <- finding_table(facts)
  facts$leverage <- NULL
  structure(c(list(checks = table), facts), class = "rlmm_diagnosis")
}

facts_of_rows <- function(fit) {
  list(
    residuals = diagnostic_residuals(fit),
    leverage = fit_leverage(fit),
    influence = influence_by_factor(fit)
  )
}

# What each check found, in rows; a check may find several things, or none.
finding_table <- function(facts) {
  checks <- lapply(diagnostic_checks, \(check) check(facts))
  checks <- checks[lengths(checks) > 0L]
  data.frame(
    check = rep(names(checks), vapply(checks, nrow, 1L)),
    do.call(rbind, unname(checks))
  )
}

#' A line of the page, or several
#' @noRd
finding <- function(mark, text) data.frame(mark = mark, finding = text)

look_if <- function(condition) ifelse(condition %in% TRUE, "look", "ok")

#' Scaled residuals of a linear model, quantile residuals of a generalized one
#' @noRd
diagnostic_residuals <- function(fit) {
  r <- if (isGLMM.rlmm(fit)) {
    quantile_residuals(fit, seed = 1)
  } else {
    raw_residuals(fit, "pearson") / fit$sigma
  }
  row_named(fit, r)
}

#' Conditional modes of each effect that varies, over their standard deviation
#' @noRd
standardized_modes <- function(fit) {
  by_term <- Map(modes_by_effect, fit$b, component_names(fit))
  modes <- unlist(unname(by_term), recursive = FALSE)
  spread <- vapply(modes, stats::sd, 0)
  modes <- modes[is.finite(spread) & spread > 0]
  lapply(modes, \(mode) mode / stats::sd(mode))
}

# The conditional modes of each effect of a term, named "<term>: <effect>".
modes_by_effect <- function(b, name) {
  columns <- lapply(colnames(b), \(column) b[, column])
  stats::setNames(columns, paste0(name, ": ", colnames(b)))
}

# Grouping factors with more levels than this aren't asked for influential ones.
max_diagnosed_levels <- 3000L

influence_by_factor <- function(fit) {
  levels <- ngrps.rlmm(fit)
  is_cheap <- levels > 1L & levels <= max_diagnosed_levels
  has_fixed <- n_free_beta(fit) > 0L && !has_large(fit)
  factors <- if (n_rows(fit) <= 2e5 && has_fixed) names(levels)[is_cheap]
  found <- lapply(stats::setNames(nm = factors), \(group) {
    suppressWarnings(influence.rlmm(fit, group, one_step = FALSE))
  })
  found
}

# The checks --------------------------------------------------------------

# Each a function of the facts that gives findings, or `NULL` where it has nothing to say.
diagnostic_checks <- list(
  Convergence = \(facts) convergence_finding(facts$fit),
  Singularity = \(facts) singularity_finding(facts$fit),
  Separation = \(facts) separation_finding(facts$fit),
  Levels = \(facts) levels_finding(facts$fit),
  Rows = \(facts) rows_finding(facts$fit),
  Residuals = \(facts) residuals_finding(facts$residuals),
  Spread = \(facts) spread_finding(facts$residuals, facts$fit),
  `Random effects` = \(facts) modes_finding(facts$modes),
  Leverage = \(facts) leverage_finding(facts$leverage, facts$fit),
  Influence = \(facts) influence_finding(facts$influence),
  Collinearity = \(facts) collinearity_finding(facts$fit),
  Overdispersion = \(facts) dispersion_finding(facts$fit),
  Zeros = \(facts) zeros_finding(facts$fit)
)

convergence_finding <- function(fit) {
  found <- tryCatch(
    certificate(fit),
    rlmm_error_not_available = \(cnd) NULL
  )
  if (is.null(found)) {
    return(finding("look", "The fit has no certificate."))
  }
  mark <- if (is_final(found$verdict)) "ok" else "bad"
  if (found$verdict %in% setdiff(final_verdicts, "optimal")) {
    mark <- "look"
  }
  text <- if (found$verdict == "optimal") {
    "Optimal: a Newton step would lower the objective by less than 1e-6."
  } else {
    paste(verdict_lines(found), collapse = " ")
  }
  finding(mark, text)
}

singularity_finding <- function(fit) {
  found <- is_singular(fit)
  if (!any(found$singular)) {
    return(finding("ok", "The covariance of every term has full rank."))
  }
  finding("look", singular_lines(found))
}

separation_finding <- function(fit) {
  if (length(fit$separated) == 0L) {
    return(NULL)
  }
  names <- enumerate(tick(names(fit$beta)[fit$separated]))
  finding(
    "bad",
    sprintf("No finite estimate of %s: the data are separated.", names)
  )
}

levels_finding <- function(fit) {
  levels <- ngrps.rlmm(fit)
  texts <- paste(plural_each(levels, "level"), "of", tick(names(levels)))
  few <- levels < 5L
  hint <- ifelse(few, ": a variance from fewer than 5 levels says little.", ".")
  finding(look_if(few), paste0(texts, hint))
}

rows_finding <- function(fit) {
  if (!is.null(fit$sums)) {
    finding(
      "look",
      "The fit holds sums: without rows, residuals and influence aren't judged."
    )
  }
}

plural_each <- function(n, one) {
  vapply(n, plural, "", one = one, USE.NAMES = FALSE)
}

residuals_finding <- function(r) {
  if (is.null(r)) {
    return(NULL)
  }
  z <- r[is.finite(r)]
  centred <- (z - mean(z)) / stats::sd(z)
  skewness <- mean(centred^3)
  kurtosis <- mean(centred^4) - 3
  largest <- z[which.max(abs(z))]
  is_odd <- abs(skewness) > 1 || kurtosis > 2 || abs(largest) > 4.5
  finding(
    look_if(is_odd),
    sprintf(
      "Skewness %.2f, excess kurtosis %.2f; the largest is %.1f, in row %s.",
      skewness,
      kurtosis,
      largest,
      in_quotes(names(largest))
    )
  )
}

spread_finding <- function(r, fit) {
  if (is.null(r)) {
    return(NULL)
  }
  ok <- is.finite(r)
  if (length(unique(fit$fitted[ok])) < 3L) {
    return(NULL)
  }
  size <- abs(r[ok])
  rho <- stats::cor(size, fit$fitted[ok], method = "spearman")
  # Beyond four standard errors of a correlation of zero, and not negligible.
  is_odd <- abs(rho) > max(0.1, 4 / sqrt(sum(ok)))
  text <- "Size of the residuals and fitted values: rank correlation %.2f."
  finding(look_if(is_odd), sprintf(text, rho))
}

modes_finding <- function(modes) {
  judged <- modes[lengths(modes) >= 8L & lengths(modes) <= 5000L]
  if (length(judged) == 0L) {
    return(NULL)
  }
  tests <- lapply(judged, stats::shapiro.test)
  p <- vapply(tests, `[[`, 0, "p.value")
  w <- vapply(tests, `[[`, 0, "statistic")
  text <- sprintf(
    "%s: W = %.3f (p %s); %s.",
    tick(names(judged)),
    w,
    format_p(p),
    vapply(judged, largest_phrase, "")
  )
  finding(look_if(p < 0.01), text)
}

largest_phrase <- function(mode) {
  largest <- mode[which.max(abs(mode))]
  text <- "the largest is %.1f, of %s"
  sprintf(text, largest, in_quotes(names(largest)))
}

format_p <- function(p) {
  ifelse(p < 1e-4, "< 0.0001", paste("=", vapply(signif(p, 2), format, "")))
}

leverage_finding <- function(leverage, fit) {
  if (is.null(leverage)) {
    return(NULL)
  }
  # In a balanced design many are equal but for rounding.
  at <- which(leverage >= max(leverage) - 1e-8)[1L]
  text <- "%.1f effective parameters; the largest leverage is %.2f, of row %s."
  finding(
    look_if(leverage[at] > 0.999),
    sprintf(
      text,
      sum(leverage),
      leverage[at],
      in_quotes(row.names(fit$frame)[at])
    )
  )
}

influence_finding <- function(influence) {
  if (length(influence) == 0L) {
    return(NULL)
  }
  findings <- Map(group_finding, influence, names(influence))
  do.call(rbind, unname(findings))
}

# The level of a grouping factor that counts most.
group_finding <- function(infl, group) {
  distance <- cooks.distance.influence.rlmm(infl)
  lost <- sum(is.na(distance))
  if (lost == length(distance)) {
    return(NULL)
  }
  at <- which.max(distance)
  text <- sprintf(
    "Without %s of %s: Cook's distance %.2f%s.",
    in_quotes(names(distance)[at]),
    tick(group),
    distance[at],
    lost_phrase(lost)
  )
  finding(look_if(distance[at] > 0.5), text)
}

lost_phrase <- function(n) {
  if (n == 0L) {
    return("")
  }
  sprintf("; the fixed effects depend on %s", plural(n, "level"))
}

collinearity_finding <- function(fit) {
  table <- tryCatch(variance_inflation(fit), error = \(cnd) NULL)
  if (is.null(table) || nrow(table) < 2L || anyNA(table$scaled)) {
    return(NULL)
  }
  at <- which.max(table$scaled)
  finding(
    look_if(table$scaled[at] > sqrt(10)),
    sprintf(
      "Standard errors are up to %.1f times what they were without the other terms (%s).",
      table$scaled[at],
      tick(table$term[at])
    )
  )
}

#' Overdispersion of counts and proportions whose family has no parameter for it
#' @noRd
dispersion_finding <- function(fit) {
  has_none <- isGLMM.rlmm(fit) && !has_scale(fit) && !estimates_shape(fit$glmm)
  if (!has_none || is_binary(fit)) {
    return(NULL)
  }
  found <- overdispersion(fit)
  p <- format_p(found[["p"]])
  text <- "Pearson's statistic over its degrees of freedom: %.2f (p %s)."
  finding(
    look_if(found[["ratio"]] > 1.2 && found[["p"]] < 0.01),
    sprintf(text, found[["ratio"]], p)
  )
}

overdispersion <- function(fit) {
  statistic <- sum(raw_residuals(fit, "pearson")^2)
  df <- df.residual(fit)
  c(
    ratio = statistic / df,
    p = stats::pchisq(statistic, df, lower.tail = FALSE)
  )
}

is_binary <- function(fit) {
  has_trials(fit$glmm$family) && all((fit_response(fit)$weights %||% 1) <= 1)
}

zeros_finding <- function(fit) {
  is_count <- isGLMM.rlmm(fit) &&
    identical(family_row(fit$glmm$family)$whole, "counts")
  if (!is_count) {
    return(NULL)
  }
  found <- zero_counts(fit)
  z <- (found[["observed"]] - found[["expected"]]) / found[["sd"]]
  text <- "%.0f observed, %.1f +- %.1f expected."
  finding(
    look_if(abs(z) > 3),
    sprintf(text, found[["observed"]], found[["expected"]], found[["sd"]])
  )
}

#' The number of zeros, with its mean and standard deviation given the random effects
#' @noRd
zero_counts <- function(fit) {
  p <- count_probability(fit, 0)
  c(
    observed = sum(fit_response(fit)$y == 0),
    expected = sum(p),
    sd = sqrt(sum(p * (1 - p)))
  )
}

#' The probability of a count, of each observation
#' @noRd
count_probability <- function(fit, count) {
  row <- family_row(fit$glmm$family)
  up_to <- \(y) {
    ones <- rep(1, length(fit$fitted))
    row$probability(
      y * ones,
      fit$fitted,
      ones,
      ones,
      fit$glmm$shape,
      TRUE
    )
  }
  up_to(count) - up_to(count - 1)
}

# Printing ----------------------------------------------------------------

#' @rdname diagnose
#' @param x What `diagnose()` returned.
#' @export
format.rlmm_diagnosis <- function(x, ...) {
  warn_of_dots(...)
  rows <- plural(n_rows(x$fit), "observation")
  kind <- model_kind(isGLMM.rlmm(x$fit))
  c(
    sprintf("Diagnosis of a %s of %s", kind, rows),
    "",
    finding_lines(x$checks)
  )
}

# Marks and checks stand in a margin of 22 columns, the findings are wrapped beside them.
finding_lines <- function(table) {
  label <- ifelse(duplicated(table$check), "", table$check)
  mark <- formatC(table$mark, width = -6)
  margin <- paste0(mark, formatC(label, width = -16))
  width <- max(getOption("width"), 60L) - 24L
  lines <- Map(
    \(margin, text) beside_margin(margin, strwrap(text, width)),
    margin,
    table$finding
  )
  unlist(lines, use.names = FALSE)
}

beside_margin <- function(margin, lines) {
  blank <- strrep(" ", nchar(margin))
  paste0(c(margin, rep(blank, length(lines) - 1L)), lines)
}

#' @rdname diagnose
#' @export
print.rlmm_diagnosis <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname diagnose
#' @param row.names,optional Not used.
#' @export
as.data.frame.rlmm_diagnosis <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  x$checks
}

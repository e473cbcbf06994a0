#' Print a fit
#'
#' Prints the model, the criterion (for an ML fit also AIC, AICc and BIC), the variances and
#' correlations of the random effects, and the fixed effects. [summary()][summary.rlmm] prints more.
#'
#' @param x A fitted model.
#' @param digits The number of significant digits.
#' @param correlation Whether to print the correlations of the fixed effects.
#' @param symbolic.cor Whether to print these as symbols.
#' @param signif.stars Whether to print significance stars.
#' @param ranef.comp The columns of the table of random effects: `"Variance"`, `"Std.Dev."`, or
#'   both.
#' @param ranef.corr Whether to print the correlations of the random effects.
#' @param ddf See [summary()][summary.rlmm].
#' @param ... Not used.
#' @return `format()`: a character vector of lines. `print()`: `x`, invisibly.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' fit
#' print(fit, ranef.comp = "Std.Dev.", digits = 3)
#' @export
print.rlmm <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname print.rlmm
#' @export
format.rlmm <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  correlation = FALSE,
  ...,
  symbolic.cor = FALSE,
  signif.stars = FALSE,
  ranef.comp = c("Variance", "Std.Dev."),
  ranef.corr = TRUE,
  ddf = NULL
) {
  warn_of_dots(...)
  ddf <- choose_ddf(x, ddf)
  check_digits(digits)
  x <- with_covariance(x)
  fixed <- fixed_effects_table(x, fixed_tests(x, ddf))
  notes <- fit_notes(x)
  c(
    format_header(model_header(x)),
    format_criterion(criterion_table(x), stopped_early(x)),
    "",
    format_random_effects(
      VarCorr.rlmm(x),
      nobs.rlmm(x),
      ngrps.rlmm(x),
      digits,
      ranef.comp,
      ranef.corr
    ),
    "",
    format_fixed_effects(fixed, digits, signif.stars),
    if (!isFALSE(correlation)) {
      correlation_lines(vcov.rlmm(x), correlation, symbolic.cor)
    },
    if (length(notes) > 0) c("", notes)
  )
}

# The heading of a print or a summary.
model_header <- function(fit) {
  list(
    methTitle = model_title(fit),
    call = fit$call,
    formula = written_formula(fit),
    family = fit$family$family,
    link = fit$family$link
  )
}

model_title <- function(fit) UseMethod("model_title")

#' @export
model_title.rlmm_lmm <- function(fit) {
  paste(
    "Linear mixed model fit by",
    if (isREML.rlmm(fit)) "REML" else "maximum likelihood"
  )
}

#' @export
model_title.rlmm_glmm <- function(fit) {
  paste0(
    "Generalized linear mixed model fit by maximum likelihood (",
    approximation(fit),
    ")"
  )
}

approximation <- function(fit) {
  nodes <- fit$glmm$nodes
  if (nodes == 1) {
    return(paste0("Laplace approximation", if (fit$glmm$fast) ", nAGQ = 0"))
  }
  paste0("adaptive quadrature, nAGQ = ", nodes, if (fit$glmm$fast) ", fast")
}

model_kind <- function(is_generalized) {
  paste0(if (is_generalized) "generalized ", "linear mixed model")
}

format_header <- function(x) {
  c(
    x$methTitle,
    if (!is.null(x$family)) sprintf(" Family: %s (%s)", x$family, x$link),
    formula_lines(x$formula),
    argument_lines(x$call)
  )
}

formula_lines <- function(formula) {
  text <- trimws(deparse(formula, width.cutoff = 500L))
  text <- paste(c("Formula:", text), collapse = " ")
  strwrap(
    text,
    width = 0.95 * getOption("width"),
    exdent = 9
  )
}

# The lines of the arguments that define the data.
argument_lines <- function(call) {
  labels <- c(
    data = "   Data",
    subset = " Subset",
    weights = "Weights",
    offset = " Offset",
    dispersion = "Dispersion"
  )
  shown <- call[intersect(names(labels), names(call))]
  text <- vapply(as.list(shown), short_deparse, "")
  if (length(text) > 0) {
    paste0(labels[names(text)], ": ", text)
  }
}

#' The criteria of a fit: all for an ML fit, and only the REML criterion for a REML fit, as the
#' others can't be compared between fixed parts
#' @noRd
criterion_table <- function(fit) {
  objective <- fit$dev$objective
  if (isREML.rlmm(fit)) {
    return(c(REML = objective))
  }
  k <- n_parameters(fit)
  n <- nobs.rlmm(fit)
  aic <- objective + 2 * k
  c(
    logLik = -objective / 2,
    `-2*log(L)` = objective,
    AIC = aic,
    AICc = aic + small_sample_term(k, n),
    BIC = objective + log(n) * k,
    df.resid = n - k
  )
}

#' Formats the criteria
#' @param stopped Whether the optimizer stopped before convergence.
#' @noRd
format_criterion <- function(table, stopped) {
  if (length(table) == 1) {
    where <- if (stopped) "where the optimizer stopped" else "at convergence"
    return(paste0("REML criterion ", where, ": ", format_decimals(table)))
  }
  labels <- names(table)
  labels[labels == "-2*log(L)"] <- "-2 logLik"
  values <- format_decimals(table)
  # Degrees of freedom are an integer.
  values["df.resid"] <- format(table[["df.resid"]])
  width <- pmax(nchar(labels), nchar(values))
  line <- \(text) paste(sprintf("%*s", width, text), collapse = "  ")
  paste0(" ", c(line(labels), line(values)))
}

format_decimals <- function(x) formatC(x, digits = 4, format = "f")

format_random_effects <- function(varcor, nobs, ngrps, digits, comp, corr) {
  check_flag(corr, "ranef.corr")
  table <- format(
    varcor,
    digits = digits,
    comp = comp,
    corr = corr
  )
  groups <- paste(names(ngrps), ngrps, sep = ", ", collapse = "; ")
  c(
    "Random effects:",
    paste0(" ", trimws(format_table(table), "right")),
    strwrap(paste0("Number of obs: ", nobs, ", groups:  ", groups), exdent = 2)
  )
}

#' The notes that a reader should see before using the results, with one or more lines for each
#' @noRd
fit_notes <- function(fit) {
  c(
    large_note(fit),
    dropped_note(fit),
    held_note(fit),
    known_sigma_note(fit),
    strata_note(fit),
    counted_note(fit),
    shape_note(fit),
    stopped_note(fit),
    other_optima_note(fit),
    separation_note(fit),
    saturation_note(fit),
    singular_note(fit),
    engine_note(fit)
  )
}

# The note about large factors, which have no rows in the table of the fixed effects.
large_note <- function(fit) {
  if (!has_large(fit)) {
    return(NULL)
  }
  notes <- lapply(fit$fixed$large$factors, factor_note, fit)
  unlist(notes)
}

factor_note <- function(own, fit) {
  has_column <- fit$fixed$large$is_column[own$at]
  note <- sprintf(
    "Fixed %s %s: %s%s%s; see `?fixed_levels`.",
    if (is_slope(own)) "slopes" else "factor",
    tick(own$variable),
    plural(sum(has_column), "coefficient"),
    range_note(level_coefficients(fit, own)),
    coding_note(own)
  )
  strwrap(note, exdent = 2)
}

# The range of coefficients, if there are any.
range_note <- function(coefficients) {
  if (all(is.na(coefficients))) {
    return("")
  }
  range <- format(range(coefficients, na.rm = TRUE), digits = 3L, trim = TRUE)
  sprintf(" from %s to %s", range[1L], range[2L])
}

# The reference of the coefficients of a factor.
coding_note <- function(own) {
  coding <- own$coding %||% core_coding
  if (!own$has_base) {
    ""
  } else if (coding$kind == "treatment") {
    sprintf(" (%s is the base)", dQuote(own$levels[coding$base], FALSE))
  } else if (coding$kind == "matrix") {
    " (by contrasts of its own)"
  } else {
    sprintf(
      " (by %s contrasts)",
      c(sum = "sum", helmert = "Helmert")[[coding$kind]]
    )
  }
}

strata_note <- function(fit) {
  if (is.null(fit$strata)) {
    return(NULL)
  }
  sigma <- fit$sigma * exp(fit$strata$log_ratio)
  sigma <- format(sigma, digits = 4L, trim = TRUE)
  shown <- paste(fit$strata$levels, sigma)
  strwrap(
    paste0(
      "Residual standard deviations by stratum: ",
      enumerate(shown, max = 12L),
      "."
    ),
    exdent = 2
  )
}

dropped_note <- function(fit) {
  dropped <- fit$fixed$dropped
  n <- length(dropped)
  if (n == 0) {
    return(NULL)
  }
  note <- sprintf(
    "Dropped %s that %s linearly on the others: %s.",
    plural(n, "column"),
    if (n == 1) "depends" else "depend",
    enumerate(tick(dropped))
  )
  strwrap(note, exdent = 2)
}

shape_note <- function(fit) {
  found <- shape_estimate(fit)
  if (is.null(found)) {
    return(NULL)
  }
  what <- family_row(fit$glmm$family)$shape$words
  estimate <- format(found[[1]], digits = 4)
  if (is.na(found[[2]])) {
    return(sprintf("%s: %s.", what, estimate))
  }
  std_error <- format(found[[2]], digits = 3)
  sprintf("%s: %s (std. error %s).", what, estimate, std_error)
}

separation_note <- function(fit) {
  if (length(fit$separated) > 0) {
    strwrap(paste(separation_lines(fit$separated), collapse = " "), exdent = 2)
  }
}

saturation_note <- function(fit) {
  if (length(fit$saturated) > 0) {
    strwrap(saturation_line(fit$saturated), exdent = 2)
  }
}

stopped_note <- function(fit) {
  verdict <- fit$optsum$certificate$verdict
  is_ambiguous <- is_final(verdict) && verdict != "optimal"
  if (stopped_early(fit) || is_ambiguous) {
    strwrap(stopped_text(fit), exdent = 2)
  }
}

other_optima_note <- function(fit) {
  if (has_other_optima(fit)) strwrap(other_optima_line(fit), exdent = 2)
}

stopped_text <- function(fit) {
  early <- "The optimizer stopped before converging:"
  reason <- stop_reason(fit$optsum)
  if (!is.null(reason)) {
    best <- "These are the best values that it found."
    return(paste0(early, " ", reason, ". ", best))
  }
  if (is.null(fit$optsum$certificate)) {
    return(paste0(early, " its return code is ", fit$optsum$status, "."))
  }
  paste(verdict_lines(certificate(fit)), collapse = " ")
}

engine_note <- function(fit) {
  se <- loglik_se(fit)
  if (!is.null(se)) {
    sprintf(
      "Computed by the iterative engine: the log-likelihood is known to %s.",
      format(se, digits = 2)
    )
  }
}

singular_note <- function(fit) {
  if (isSingular.rlmm(fit)) {
    c(format(is_singular(fit)), "See `?rlmm::is_singular`.")
  }
}

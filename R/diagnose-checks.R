# The checks of a diagnosis, each of which returns findings.

# Each check is a function of the facts that returns findings, or `NULL`.
diagnostic_checks <- list(
  Convergence = \(facts) convergence_finding(facts$fit),
  Singularity = \(facts) singularity_finding(facts$fit),
  Interpolation = \(facts) interpolation_finding(facts$fit),
  Separation = \(facts) separation_finding(facts$fit),
  Saturation = \(facts) saturation_finding(facts$fit),
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

interpolation_finding <- function(fit) {
  found <- if (!is.null(fit$frame)) interpolation(fit, fit_spec(fit))
  if (length(found$terms) > 0L) {
    finding("bad", paste(interpolation_lines(found)[1:2], collapse = " "))
  }
}

separation_finding <- function(fit) {
  if (length(fit$separated) == 0L) {
    return(NULL)
  }
  names <- enumerate(tick(fit$separated))
  finding(
    "bad",
    sprintf("No finite estimate of %s: the data are separated.", names)
  )
}

saturation_finding <- function(fit) {
  if (length(fit$saturated) > 0L) {
    finding("bad", saturation_line(fit$saturated))
  }
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
  shape <- shape_of_sample(z)
  largest <- z[which.max(abs(z))]
  is_long <- shape$kurtosis > 2 || abs(largest) > 4.5
  is_odd <- abs(shape$skewness) > 1 || is_long
  finding(
    look_if(is_odd),
    sprintf(
      "Skewness %.2f, excess kurtosis %.2f; the largest is %.1f, in row %s.",
      shape$skewness,
      shape$kurtosis,
      largest,
      in_quotes(names(largest))
    )
  )
}

# The skewness and excess kurtosis of a sample.
shape_of_sample <- function(z) {
  centred <- (z - mean(z)) / stats::sd(z)
  list(
    skewness = mean(centred^3),
    kurtosis = mean(centred^4) - 3
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
  # The correlation is marked above four standard errors under independence, if it isn't negligible.
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
  shown <- vapply(signif(p, 2), format, "")
  ifelse(p < 1e-4, "< 0.0001", paste("=", shown))
}

leverage_finding <- function(leverage, fit) {
  if (is.null(leverage)) {
    return(NULL)
  }
  # In a balanced design many leverages are equal up to rounding.
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

# The most influential level of a grouping factor.
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

#' The overdispersion of counts and proportions for families without a dispersion parameter
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
  weights <- fit_response(fit)$weights %||% 1
  has_trials(fit$glmm$family) && all(weights <= 1)
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

#' The number of zeros, with its expectation and standard deviation given the random effects
#' @noRd
zero_counts <- function(fit) {
  p <- count_probability(fit, 0)
  c(
    observed = sum(fit_response(fit)$y == 0),
    expected = sum(p),
    sd = sqrt(sum(p * (1 - p)))
  )
}

#' The probability of a count for each observation
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

#' One or several lines of the page
#' @noRd
finding <- function(mark, text) data.frame(mark = mark, finding = text)

look_if <- function(condition) ifelse(condition %in% TRUE, "look", "ok")

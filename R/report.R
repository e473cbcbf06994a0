# Warnings and messages after a fit.

report_fit <- function(fit, spec, smallest = 0) {
  report_optimum(fit, spec)
  report_separation(fit)
  report_saturation(fit)
  report_redundant(fit)
  if (!isTRUE(smallest >= singular_tolerance)) {
    report_singular(fit)
  }
}

report_optimum <- function(fit, spec) {
  # Where the objective has no minimum, the status of the optimizer is irrelevant.
  if (report_interpolation(fit, spec)) {
    return(invisible())
  }
  if (is_exact(fit, spec)) {
    return(report_exact(fit, spec))
  }
  report_convergence(fit)
  report_certificate(fit, spec)
}

# Convergence ---------------------------------------------------------------

# Warns about an optimizer that stopped early, unless the certificate shows an optimum.
report_convergence <- function(fit) {
  optsum <- fit$optsum
  reason <- stop_reason(optsum)
  if (is.null(reason)) {
    return(invisible())
  }
  if (is_final(optsum$certificate$verdict)) {
    return(report_limit(optsum, reason))
  }
  warn_rlmm(
    c(
      paste0("The optimizer stopped before converging: ", reason, "."),
      i = recent_progress(optsum$fitlog),
      i = promised_gain(optsum$certificate$predicted_decrease),
      i = stopped_hint(fit)
    ),
    "rlmm_warning_convergence",
    status = optsum$status
  )
}

promised_gain <- function(gain) {
  if (!is.null(gain) && !is.na(gain)) {
    text <- "A Newton step should still lower the objective by %s."
    sprintf(text, format(gain, digits = 2L))
  }
}

#' Gives a message about a limit that was reached at an optimum
#' @noRd
report_limit <- function(optsum, reason) {
  if (!optsum$status %in% c("MAXEVAL_REACHED", "MAXTIME_REACHED")) {
    return(invisible())
  }
  inform_rlmm(
    c(
      paste0("The optimizer stopped at a limit: ", reason, "."),
      i = "The estimates are an optimum all the same: see `certificate()`."
    ),
    "rlmm_message_limit",
    status = optsum$status
  )
}

#' Warns if the optimizer reports convergence but the certificate predicts a decrease of 1e-6 or
#' more, and gives a message about an optimum that is a limit or not unique
#' @noRd
report_certificate <- function(fit, spec) {
  verdict <- fit$optsum$certificate$verdict
  if (is.null(verdict)) {
    return(invisible())
  }
  if (verdict == "optimal") {
    return(report_other_optima(fit))
  }
  if (verdict == "imprecise") {
    return(warn_imprecise(fit))
  }
  if (is_final(verdict)) {
    return(report_ambiguous(fit, verdict))
  }
  # With a separated effect the only problem is that it has no finite estimate.
  if (is_early(fit$optsum$status) || length(fit$separated) > 0L) {
    return(invisible())
  }
  if (verdict == "edge") {
    return(warn_edge(fit))
  }
  if (is.na(fit$optsum$certificate$predicted_decrease)) {
    return(warn_unknown(fit))
  }
  warn_not_optimal(fit, spec)
}

# Gives a message if random starts led lower, and to so many optima that others may be lower still.
report_other_optima <- function(fit) {
  if (has_other_optima(fit)) {
    lines <- c(
      other_optima_line(fit),
      i = "Use fewer random effects, or compare with `allFit()` and other values of `start`."
    )
    signal(fit$control$checks$conv_singular, lines, "optima")
  }
}

# Saturated fits have a warning that says so in its own words.
has_other_optima <- function(fit) {
  found <- fit$optsum
  is_optimal <- identical(found$certificate$verdict, "optimal")
  is_optimal && led_lower(found$random_starts) && length(fit$saturated) == 0L
}

other_optima_line <- function(fit) {
  found <- searches_phrase(fit$optsum$random_starts)
  sprintf("Another optimum may be lower: %s.", found)
}

warn_edge <- function(fit) {
  warn_rlmm(
    c(
      "The estimates may not be an optimum.",
      x = edge_lines[[1L]],
      i = edge_lines[[2L]],
      i = edge_hint(fit)
    ),
    "rlmm_warning_convergence",
    status = fit$optsum$status,
    verdict = "edge"
  )
}

# What may be done about a fit at an edge.
edge_hint <- function(fit) {
  if (isTRUE(fit$glmm$nodes > 1)) {
    return(
      "Use `nAGQ = 1`, or a link whose range has no end, such as the logarithm?"
    )
  }
  if (fit$glmm$information == "observed") {
    return(
      "Use `information = \"expected\"`, or another link, such as the logarithm?"
    )
  }
  "Use a link whose range has no end, such as the logarithm?"
}

warn_imprecise <- function(fit) {
  warn_rlmm(
    c(
      "The estimates are an optimum only as far as the iterative engine tells.",
      x = paste(verdict_lines(certificate(fit)), collapse = " "),
      i = "Fit with `rlmm_control(engine = \"exact\")`, if there is the time and the memory."
    ),
    "rlmm_warning_convergence",
    status = fit$optsum$status,
    verdict = "imprecise"
  )
}

warn_not_optimal <- function(fit, spec) {
  certificate <- certificate(fit)
  verdict <- fit$optsum$certificate$verdict
  term <- suspect_term(fit, spec, certificate)
  concerns <- sprintf("It concerns %s most.", tick(term))
  warn_rlmm(
    c(
      "The estimates are not an optimum.",
      x = paste(verdict_lines(certificate), collapse = " "),
      i = if (verdict != "false_boundary") concerns,
      i = refit_hint(fit$optsum$optimizer)
    ),
    "rlmm_warning_convergence",
    status = fit$optsum$status,
    verdict = verdict,
    term = term
  )
}

# The term that the verdict is mainly about.
suspect_term <- function(fit, spec, certificate) {
  suspect <- if (certificate$verdict == "not_converged") {
    steepest_term(fit, spec)
  } else {
    which.max(certificate$terms$gain)
  }
  certificate$terms$term[suspect]
}

#' Gives a message about an optimum that is a limit or not unique
#'
#' Like singularity, this is a property of model and data and not an error.
#' @noRd
report_ambiguous <- function(fit, verdict) {
  lines <- verdict_lines(certificate(fit))
  if (verdict == "unidentified") {
    hint <- shared_effect_hint(fit) %||%
      "Hold one of the parameters with `rlmm_control(fixed = )`?"
    lines <- c(lines, hint)
  }
  lines <- c(
    lines[1L],
    with_bullets(lines[-1L])
  )
  policy <- fit$control$checks$conv_singular
  if (verdict == "rounded" && !is_reproducible(fit$optsum$certificate)) {
    policy <- if (policy == "message") "warning" else policy
  }
  signal(policy, lines, verdict)
}

shared_effect_hint <- function(fit) {
  sharing <- terms_sharing_intercept(fit)
  if (length(sharing) < 2L) {
    return(repeated_term_hint(fit))
  }
  sizes <- lengths(lapply(sharing, `[[`, "columns"))
  larger <- sharing[[which.max(sizes)]]
  if (length(larger$columns) == 1L) {
    return(NULL)
  }
  start <- "More than one term of %s has an intercept."
  paste(sprintf(start, tick(larger$group)), shared_effect_remedy(larger))
}

# The hint about a term whose effects are all in another one.
repeated_term_hint <- function(fit) {
  for (term in fit$random) {
    holds <- \(other) {
      other$group == term$group &&
        length(other$columns) > length(term$columns) &&
        all(term$columns %in% effects_and_intercept(other))
    }
    if (any(vapply(fit$random, holds, NA))) {
      text <- "Another term of %s has the effects of %s: leave that out?"
      return(sprintf(text, tick(term$group), tick(term_text(term))))
    }
  }
}

# The terms with an intercept whose grouping factor is also that of another term with an intercept.
terms_sharing_intercept <- function(fit) {
  has_intercept <- vapply(fit$random, \(t) "(Intercept)" %in% t$columns, NA)
  terms <- fit$random[has_intercept]
  groups <- vapply(terms, `[[`, "", "group")
  terms[groups %in% groups[duplicated(groups)]]
}

# The remedy for a second intercept; for a factor, removing the intercept leaves indicators of all
# levels, whose sum is the intercept again.
shared_effect_remedy <- function(term) {
  if (!is.null(term$xlevels)) {
    return(sprintf("Leave `(1 | %s)` out?", term$group))
  }
  slopes <- sub("^1 [+] ", "", sub(" [|] .*", "", term$label))
  sprintf("Write `(0 + %s | %s)`?", slopes, term$group)
}

warn_unknown <- function(fit) {
  warn_rlmm(
    c(
      "Can't tell whether the estimates are an optimum.",
      x = "The derivatives of the objective there are not finite numbers.",
      i = "Is the response, or a covariate, on a very large or very small scale?"
    ),
    "rlmm_warning_convergence",
    status = fit$optsum$status,
    verdict = fit$optsum$certificate$verdict
  )
}

refit_hint <- function(optimizer) {
  if (optimizer %in% c("newton", "bfgs")) {
    return("Compare the optimizers with `allFit()`.")
  }
  "Use the default optimizer, or lower `ftol_abs` and `ftol_rel` in `rlmm_control()`."
}

#' The term with the largest predicted decrease from Newton steps in its parameters
#' @noRd
steepest_term <- function(fit, spec) {
  gain <- theta_gain(fit, spec)
  of_term <- \(term) sum(gain[term$theta])
  which.max(vapply(fit$random, of_term, 0))
}

#' The predicted decrease for each element of theta, up to a factor
#'
#' For a generalized model only the gradient is available.
#' @noRd
theta_gain <- function(fit, spec) UseMethod("theta_gain")

#' @export
theta_gain.rlmm_lmm <- function(fit, spec) {
  found <- core_derivatives(spec, fit$theta)
  curvature <- abs(diag(found$hessian))
  found$gradient^2 / pmax(curvature, .Machine$double.eps)
}

#' @export
theta_gain.rlmm_glmm <- function(fit, spec) fit$optsum$gradient^2

stop_reason <- function(optsum) {
  switch(
    optsum$status,
    MAXEVAL_REACHED = paste0(
      "it reached `max_eval` (",
      format_count(optsum$feval),
      ")"
    ),
    MAXTIME_REACHED = "it reached `max_time`",
    FORCED_STOP = "it was interrupted",
    FAILURE = "it failed"
  )
}

# The decrease of the best objective over the last evaluations.
recent_progress <- function(fitlog, last = 10L) {
  # Where the objective isn't defined, it is `NaN`.
  fitlog <- fitlog[is.finite(fitlog[, 1L]), , drop = FALSE]
  n <- nrow(fitlog)
  if (n <= last) {
    return(NULL)
  }
  before <- min(fitlog[seq_len(n - last), 1L])
  fall <- before - min(fitlog[, 1L])
  if (fall <= 0) {
    return(paste0(
      "The objective did not fall over the last ",
      last,
      " evaluations."
    ))
  }
  paste0(
    "The objective still fell by ",
    format(fall, digits = 2L),
    " over the last ",
    last,
    " evaluations."
  )
}

stopped_hint <- function(fit) {
  what <- switch(
    fit$optsum$status,
    MAXEVAL_REACHED = "Increase `max_eval` in `rlmm_control()`, or continue",
    MAXTIME_REACHED = "Increase `max_time` in `rlmm_control()`, or continue",
    "Continue"
  )
  paste0(
    what,
    " from here with `update(fit, start = ",
    estimates_code(fit),
    ")`."
  )
}

#' The code that extracts the estimates of a fit for `start`
#' @noRd
estimates_code <- function(fit) UseMethod("estimates_code")

#' @export
estimates_code.rlmm_lmm <- function(fit) "getME(fit, \"theta\")"

#' @export
estimates_code.rlmm_glmm <- function(fit) {
  "getME(fit, c(\"theta\", \"fixef\"))"
}

# Exact fits ----------------------------------------------------------------

# Whether the residuals are zero up to rounding.
is_exact <- function(fit, spec) {
  if (fit$known_sigma) {
    return(FALSE)
  }
  found <- left_over(fit, spec)
  isTRUE(found$left <= 1e-10 * found$response)
}

#' The residual variation of the response
#' @return A list: `left` and `response`, the residual and total sums of squares or deviances (on
#'   the scale of the family's variance), and `measure`, the name of the first.
#' @noRd
left_over <- function(fit, spec) UseMethod("left_over")

#' @export
left_over.rlmm_lmm <- function(fit, spec) {
  list(
    left = fit$dev$pwrss,
    response = response_ss(spec),
    measure = "residuals' sum of squares"
  )
}

#' @export
left_over.rlmm_glmm <- function(fit, spec) {
  weights <- spec$weights %||% rep(1, length(spec$y))
  mean <- stats::weighted.mean(spec$y, weights)
  mean <- rep(mean, length(spec$y))
  list(
    left = fit$dev$deviance,
    response = sum(fit$family$dev.resids(spec$y, mean, weights)),
    measure = "deviance"
  )
}

response_ss <- function(spec) {
  if (!is.null(spec$sums)) {
    return(response_ss_of_sums(spec$sums))
  }
  y <- spec$y
  if (!is.null(spec$offset)) {
    y <- y - spec$offset
  }
  squares <- (y - sum(y) / length(y))^2
  sum(if (is.null(spec$weights)) squares else spec$weights * squares)
}

# The total sum of squares, about the mean if X has an intercept.
response_ss_of_sums <- function(sums) {
  xx <- sums$xx
  if (length(xx) == 0L || xx[1L, 1L] <= 0) {
    return(sums$yy)
  }
  total <- sum(xx[1L, ] * sums$beta0) + sums$xr[1L]
  sums$yy - total^2 / xx[1L, 1L]
}

#' Warns about an exact fit
#'
#' Variances relative to the residual variance are then unbounded, and the objective is dominated by
#' rounding errors.
#' @noRd
report_exact <- function(fit, spec) {
  found <- left_over(fit, spec)
  warn_rlmm(
    c(
      paste(
        "The model reproduces the response almost exactly;",
        "the estimated variances can't be relied on."
      ),
      x = paste0(
        "The ",
        found$measure,
        " is ",
        format(found$left / found$response, digits = 2L),
        " of the response's."
      ),
      i = "Is the response computed from the covariates, or constant within groups?"
    ),
    "rlmm_warning_exact_fit"
  )
}

# Redundant random effects --------------------------------------------------

#' Gives a message about random effects in the span of the fixed effects, whose variances are held
#' at zero
#' @noRd
report_redundant <- function(fit) {
  if (is.null(fit$redundant)) {
    return(invisible())
  }
  at <- which(lengths(fit$redundant) > 0L)
  if (length(at) == 0L) {
    return(invisible())
  }
  lines <- vapply(at, redundant_line, "", fit = fit)
  is_one <- length(at) == 1L
  head <- if (is_one) {
    "A random effect is contained in the fixed effects: its variance isn't identified"
  } else {
    "Some random effects are contained in the fixed effects: their variances aren't identified"
  }
  zero <- if (is_one) ", and is zero." else ", and are zero."
  are_zero <- all(vapply(at, has_no_redundant_variance, NA, fit = fit))
  head <- paste0(head, if (are_zero) zero else ".")
  signal(
    fit$control$checks$conv_singular,
    c(head, with_bullets(lines)),
    "redundant",
    terms = term_texts(fit)[at]
  )
}

# Whether no variance is zero because of redundancy: with a covariate very far from zero, it is the
# variance of effects at its mean that is held at zero.
has_no_redundant_variance <- function(i, fit) {
  term <- fit$random[[i]]
  lambda <- lambda_block(term, fit$theta)
  all(lambda[term$columns %in% fit$redundant[[i]], ] == 0)
}

# The line of a term, such as "`batch` is a fixed effect already: leave `(1 | batch)` out."
redundant_line <- function(i, fit) {
  term <- fit$random[[i]]
  columns <- fit$redundant[[i]]
  group <- tick(term$group)
  text <- tick(term_text(term))
  contained <- "The fixed effects contain %s of each level of %s already"
  if (length(columns) < length(term$columns)) {
    known <- sprintf(contained, enumerate(tick(columns)), group)
    return(paste0(known, ": leave that out of ", text, "."))
  }
  known <- if (columns[1L] != "(Intercept)") {
    sprintf(contained, enumerate(tick(columns)), group)
  } else if (is_fixed_factor(term$group, fit)) {
    sprintf("%s is a fixed effect already", group)
  } else {
    sprintf("The fixed effects tell the levels of %s apart already", group)
  }
  paste0(known, ": leave ", text, " out.")
}

# Whether a grouping factor is a term of the fixed effects, with its variables in any order.
is_fixed_factor <- function(group, fit) {
  parts <- function(label) {
    atoms <- strsplit(label, ":", fixed = TRUE)[[1L]]
    sort(atoms)
  }
  labels <- fixed_labels(fit)
  is_same <- \(label) identical(parts(label), parts(group))
  any(vapply(labels, is_same, NA))
}

# Singular fits -------------------------------------------------------------

report_singular <- function(fit) {
  policy <- fit$control$checks$conv_singular
  # If variances are not identified separately, a zero estimate of one of them is arbitrary.
  is_open <- identical(fit$optsum$certificate$verdict, "unidentified")
  if (policy == "ignore" || is_open || !has_singular_term(fit)) {
    return(invisible())
  }
  details <- singular_details(fit)
  if (nrow(details) == 0L) {
    return(invisible())
  }
  signal(policy, singular_message(details), "singular", details = details)
}

singular_message <- function(details) {
  lines <- c(singular_lines(details), "See `?rlmm::is_singular()`.")
  c(singular_header(nrow(details)), with_bullets(lines))
}

# Formats lines as bullets of a condition's message.
with_bullets <- function(lines) {
  stats::setNames(lines, rep("i", length(lines)))
}

# The singular terms, without those whose rank deficiency is reported as redundancy.
singular_details <- function(fit) {
  details <- is_singular(fit)
  if (!is.null(fit$redundant)) {
    is_explained <- details$size - details$rank == lengths(fit$redundant)
    details$singular <- details$singular & !is_explained
  }
  details[details$singular, ]
}

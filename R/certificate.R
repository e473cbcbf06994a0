#' Is the fit an optimum?
#'
#' Every fit has a certificate: whether its parameters minimize the objective, judged by exact
#' derivatives at the estimates and not by the convergence code of the optimizer. `certificate()`
#' returns it.
#'
#' @details
#' The verdict is one of:
#'
#' * **optimal**: neither a Newton step nor more variance of any combination of effects lowers the
#'   objective (-2 log-likelihood, or the REML criterion) by 1e-6 or more (by 1e-4 if it was
#'   computed by the iterative engine, see [rlmm_control()]). A fit may be optimal
#'   *and* singular, if the best covariance matrix of a term doesn't have full rank; the term, its
#'   rank and the direction are then shown.
#' * **not_converged**: a Newton step is predicted to lower the objective. The optimizer stopped
#'   early.
#' * **false_boundary**: the gradient in theta is zero only because the covariance of a term is
#'   singular; more variance in the given direction lowers the objective.
#' * **saddle**: the gradient is zero, but the Hessian has a negative eigenvalue.
#' * **unbounded**: the objective can't be lowered noticeably, but its minimum is a limit: the
#'   residual variance tends to zero relative to the variances of the terms named. Their variances
#'   on the scale of the response have converged; relative to the residual variance, as in theta,
#'   they have no upper bound. (In a generalized model the variances themselves tend to infinity.)
#' * **unidentified**: an optimum, but not the only one. The data don't identify the variances of
#'   the terms named separately from each other, or from the residual variance.
#' * **rounded**: an optimum within rounding error. The variances of the terms named are so large
#'   relative to the residual variance that rounding errors of the objective exceed 1e-4: points
#'   nearby can't be distinguished from it, and the order of the rows may change the estimates. This
#'   happens if the residual variance nearly vanishes, or if the effects of a covariate far from
#'   zero are modelled as independent of the intercept's, as in `(0 + x | g)` and `(x || g)`: centre
#'   the covariate. If they exceed 0.1, a warning says that the estimates are not reproducible.
#' * **imprecise**: for a fit by the iterative engine (see [rlmm_control()]), whose gradient is
#'   estimated: it is zero within its standard error, but the objective may exceed its minimum by
#'   1e-4 or more.
#' * **edge**: for a generalized model, no optimum but a point next to which the objective jumps or
#'   isn't defined. See the section Edges of the likelihood of [rglmm()].
#'
#' A certificate is local and doesn't exclude a lower optimum elsewhere. Several optima are common
#' if the data have little information about the covariances (a term has few levels for its
#' parameters, or there are few rows for each random effect), and for structures with a correlation
#' parameter and several standard deviations (`cs()`, `ar1(hom = FALSE)`). In these cases [rlmm()]
#' and [rglmm()] continue from starting values at other scales and correlations and without some
#' effects. With very little information they also search from random starts, always the same ones:
#' [rlmm()] with up to 40 rows, 400 if a term has several effects, until fewer than one start in 500
#' is expected to lead to an optimum that hasn't been found (Boender and Rinnooy Kan, 1987),
#' [rglmm()] with up to 1,000 rows until fewer than one in 100 is; or until further searches would
#' take long.
#' The printed scope then says how many searches ended at how many optima.
#' Neither searches further if every standard deviation is at least two standard errors from zero.
#' Another `start`, or [allFit()], may still find a lower optimum. A fit with a given `start`, with
#' another optimizer, or with the iterative engine (except for other correlations of structures such
#' as `cs()`) tries no further starts, and its certificate reports this.
#'
#' With `G` the derivative of the objective in the (relative) covariance matrix of a term, an
#' optimum has no negative eigenvalue of `G`, and `G` is zero if the covariance has full rank.
#' `lambda_min` is the smallest eigenvalue, with each column of the model matrix scaled by its root
#' mean square. Nearly collinear columns, such as a year and the intercept, are replaced by their
#' residuals from the columns before them in `lambda_min`, `gradient_norm` and `curvatures`, as in
#' the optimizer.
#'
#' For a generalized model the parameters are theta, the fixed effects and an estimated shape; the
#' Hessian is computed from differences of exact gradients, and the gain of more variance by
#' evaluating the objective there. As this Hessian costs as much as the fit, it is computed by
#' `certificate()`; the fit itself is judged by the quasi-Newton Hessian of the optimizer, unless
#' that is inconclusive.
#'
#' @references Boender, C. G. E. and Rinnooy Kan, A. H. G. (1987) Bayesian stopping rules for
#'   multistart global optimization methods. *Mathematical Programming* 37, 59-80.
#'   \doi{10.1007/BF02591684}
#' @param object A fitted model.
#' @return A list of class `"rlmm_certificate"`: `verdict`; `predicted_decrease` of the objective;
#'   `gradient_norm` (the largest element of the gradient in theta, scaled by the columns of Z);
#'   `curvatures` (the eigenvalues of the Hessian in theta, likewise scaled); `rounding`
#'   (the rounding error of the objective, if the verdict needed it); `hessian` (`"exact"`,
#'   `"average"` if the exact one would be too expensive, or `"differences"`); `suspects` (the terms
#'   whose variances are unbounded, unidentified or cause large rounding errors); `noise` (for the
#'   iterative engine only, see [rlmm_control()]); `status` of the optimizer; `linear` (whether the
#'   model is linear); `starts` (`"several"`, or `"one"` if no other start was tried);
#'   `random_starts` (`NULL` without any, or a list of the number of `searches` and of `optima`,
#'   the expected share of starts that lead to `undiscovered` ones, and the number of
#'   `improvements`, searches that ended below all before them); `terms` (a
#'   data frame with the columns `term`, `rank`, `size`, `lambda_min`, `gain`); and `directions`
#'   (for each term the combination of effects that belongs to `lambda_min`).
#' @seealso [is_singular()], [opt_summary()], [allFit()], and `vignette("convergence")`.
#' @examples
#' certificate(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy))
#' certificate(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
#' @export
certificate <- function(object) {
  check_fit(object, "object")
  found <- full_certificate(object)
  if (is.null(found)) {
    abort_no_certificate()
  }
  found$noise <- object$optsum$noise
  found$status <- object$optsum$status
  found$linear <- isLMM.rlmm(object)
  found$starts <- starts_searched(object)
  found$random_starts <- object$optsum$random_starts
  found$singularity <- is_singular(object)
  structure(
    with_terms(found, object$random),
    class = "rlmm_certificate"
  )
}

# Whether several starts were tried: from the default start, the optimizers of this package continue
# with others if several optima are common; NLopt's optimizers, or a given start, don't.
starts_searched <- function(fit) {
  is_own <- fit$optsum$optimizer %in% c("newton", "bfgs")
  is_default <- is.null(fit$call$start) && is_own && !is_iterative(fit)
  if (is_default) "several" else "one"
}

# The certificate with a row for each term, by its name.
with_terms <- function(found, random) {
  singular <- found$singularity
  parts <- lapply(random, certificate_part, random, found$parts)
  is_suspect <- vapply(random, is_among, NA, found$suspects)
  directions <- lapply(parts, `[[`, "direction")
  found$suspects <- singular$term[is_suspect]
  found$parts <- NULL
  found$terms <- certificate_table(singular, parts)
  found$directions <- stats::setNames(directions, singular$term)
  found
}

# Whether any parameter of a term is among these elements of theta.
is_among <- function(term, elements) any(term$theta %in% elements)

certificate_table <- function(singular, parts) {
  data.frame(
    term = singular$term,
    rank = singular$rank,
    size = singular$size,
    lambda_min = vapply(parts, `[[`, 0, "lambda_min"),
    gain = vapply(parts, `[[`, 0, "gain")
  )
}

#' The results of the core for one term of the formula
#'
#' Terms that share a core term are its parts, in the order of their columns.
#' @noRd
certificate_part <- function(term, random, parts) {
  position <- part_number(term, random)
  is_own <- \(part) part$term == term$core_term && part$part == position
  part <- Find(is_own, parts)
  list(
    lambda_min = part$lambda_min,
    gain = part$gain,
    direction = stats::setNames(part$direction[term$core_cols], term$columns)
  )
}

part_number <- function(term, random) {
  same <- Filter(\(other) other$core_term == term$core_term, random)
  first <- vapply(same, \(other) other$core_cols[1], 1)
  sum(first <= term$core_cols[1])
}

#' The certificate of a fit, from the exact Hessian if the fit has its data
#'
#' During the fit, a generalized model is judged by a quasi-Newton Hessian, as the exact one costs
#' as much as the fit.
#' @noRd
full_certificate <- function(fit) UseMethod("full_certificate")

#' @export
full_certificate.rlmm_lmm <- function(fit) fit$optsum$certificate

#' @export
full_certificate.rlmm_glmm <- function(fit) {
  found <- fit$optsum$certificate
  is_own <- identical(found$hessian %||% "quasi-newton", "quasi-newton")
  # With the iterative engine, noise exceeds what the exact Hessian would add.
  is_enough <- !is.null(found) && !is.null(fit$optsum$noise)
  if (is.null(fit$frame) || !is_own || is_enough) {
    return(found)
  }
  core_glmm_certificate(
    fit_spec(fit),
    fit$parameters,
    union(held_index(fit), redundant_index(fit))
  )$certificate
}

# The elements of theta of terms that are redundant as a whole, which the fit held at zero.
redundant_index <- function(fit) {
  is_whole <- \(term, found) length(found) == length(term$columns)
  which <- mapply(is_whole, fit$random, fit$redundant %||% list(NULL))
  unlist(lapply(fit$random[which], `[[`, "theta"))
}

abort_no_certificate <- function() {
  abort_rlmm(
    c(
      "The fit has no certificate.",
      i = "It was stopped, or has no derivatives where it ended."
    ),
    "rlmm_error_not_available"
  )
}

#' @rdname certificate
#' @param x The result of `certificate()`.
#' @param digits The number of significant digits.
#' @param ... Not used.
#' @export
format.rlmm_certificate <- function(x, digits = 3, ...) {
  warn_of_dots(...)
  facts <- certificate_facts(x, digits)
  c(
    verdict_lines(x),
    "",
    optsum_line(names(facts), unname(facts)),
    "",
    certificate_rows(x$terms, digits)
  )
}

certificate_facts <- function(x, digits) {
  decrease <- or_unknown(x$predicted_decrease, digits, " (by a Newton step)")
  c(
    `Predicted decrease` = decrease,
    `Largest gradient` = or_unknown(x$gradient_norm, digits),
    `Hessian` = curvature_phrase(x$curvatures, x$hessian, digits),
    `Scope` = scope_phrase(x$starts, x$random_starts),
    `Noise` = if (!is.null(x$noise)) noise_phrase(x$noise)
  )
}

or_unknown <- function(value, digits, remark = "") {
  if (is.na(value)) {
    return("unknown")
  }
  paste0(format(value, digits = digits), remark)
}

# The share of random starts that may lead to optima that haven't been found, from which on a
# certificate says that others may be lower.
noticeable_share <- 0.05

# Whether a lower optimum may well exist: few of the random starts led to known optima.
may_be_lower <- function(random) {
  !is.null(random) && random$undiscovered > noticeable_share
}

scope_phrase <- function(starts, random) {
  if (identical(starts, "one")) {
    return(
      "local, from one start: another optimum may be lower, see `allFit()`"
    )
  }
  if (is.null(random) || random$optima < 2L && !may_be_lower(random)) {
    return("local; lower optima are looked for where they are common")
  }
  sprintf(
    "local; %s%s",
    searches_phrase(random),
    if (may_be_lower(random)) ", and others may be lower" else ""
  )
}

# Whether random starts led below all other ones to so many optima that they may well lead lower.
led_lower <- function(random) {
  may_be_lower(random) && isTRUE(random$improvements > 0L)
}

searches_phrase <- function(random) {
  sprintf(
    "%s from random starts ended at %s",
    plural(random$searches, "search", "searches"),
    plural(random$optima, "optimum", "optima")
  )
}

noise_phrase <- function(noise) {
  sprintf(
    "%s random vectors: %s above the minimum; s.e. of log-likelihood %s",
    noise$probes,
    format(noise$excess, digits = 2),
    format(noise$loglik_se, digits = 2)
  )
}

certificate_rows <- function(table, digits) {
  columns_under_names(list(
    Term = table$term,
    Rank = paste(table$rank, "of", table$size),
    `lambda_min(G)` = format(table$lambda_min, digits = digits),
    `Possible gain` = format(table$gain, digits = digits)
  ))
}

#' @rdname certificate
#' @export
print.rlmm_certificate <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

curvature_phrase <- function(curvatures, kind, digits) {
  if (length(curvatures) == 0) {
    is_rough <- identical(kind, "quasi-newton")
    return(if (is_rough) "that of the optimizer" else "none: no parameters")
  }
  if (anyNA(curvatures)) {
    return(paste0(kind, ", not defined at all points nearby"))
  }
  range <- format(range(curvatures), digits = digits, trim = TRUE)
  sprintf(
    "%s; curvatures: %s (from %s to %s)",
    kind,
    sign_counts(curvatures),
    range[1],
    range[2]
  )
}

# The numbers of curvatures of each sign: "2 positive, 1 flat".
sign_counts <- function(curvatures) {
  limit <- 1e-7 * max(abs(curvatures))
  counts <- c(
    positive = sum(curvatures > limit),
    flat = sum(abs(curvatures) <= limit),
    negative = sum(curvatures < -limit)
  )
  counts <- counts[counts > 0]
  paste(counts, names(counts), collapse = ", ")
}

#' The verdict in words, with a summary in the first line
#' @noRd
verdict_lines <- function(x) {
  switch(
    x$verdict,
    optimal = optimum_lines(x),
    not_converged = unconverged_line(x),
    false_boundary = false_boundary_lines(x),
    saddle = paste(
      "Not an optimum: a saddle point.",
      "The gradient is zero, but the objective falls to both sides of theta."
    ),
    unbounded = unbounded_lines(x),
    imprecise = sprintf(
      paste0(
        "Optimal up to the error of the random vectors: ",
        "-2 log-likelihood may be %s above its minimum."
      ),
      format(x$noise$excess, digits = 2)
    ),
    unidentified = sprintf(
      "Optimal, but not identified: the data can't distinguish %s from %sthat of the residuals.",
      suspects_phrase(x),
      if (is_one_variance(x)) "" else "each other or from "
    ),
    rounded = rounded_lines(x),
    edge = edge_lines
  )
}

edge_lines <- c(
  "At an edge: next to these estimates the approximate likelihood jumps or isn't defined.",
  paste(
    "Linear predictors of modes or quadrature nodes reach the end of the link's range,",
    "or the observed information at a mode is nearly singular."
  )
)

unconverged_line <- function(x) {
  if (is.na(certificate_gain(x))) {
    return(
      "Can't tell: the derivatives of the objective there are not finite numbers."
    )
  }
  sprintf(
    "%s: a Newton step should still lower the objective by %s.",
    if (is_early(x$status)) "Stopped early" else "Not converged",
    format(certificate_gain(x), digits = 2)
  )
}

false_boundary_lines <- function(x) {
  worst <- which.max(x$terms$gain)
  c(
    sprintf(
      "Not an optimum: the covariance of %s is singular, but shouldn't be.",
      tick(x$terms$term[worst])
    ),
    sprintf(
      "More variance lowers the objective by about %s%s.",
      format(certificate_gain(x), digits = 2),
      way_out_phrase(x$directions[[worst]])
    )
  )
}

unbounded_lines <- function(x) {
  which <- suspects_phrase(x)
  if (!x$linear) {
    return(sprintf("Optimal in the limit: there is no bound to %s.", which))
  }
  c(
    sprintf(
      "Optimal in the limit: the residual variance tends to zero beside %s.",
      which
    ),
    paste(
      "On the scale of the response the estimates are as good as reached;",
      "relative to the residuals' they have no bound."
    )
  )
}

rounded_lines <- function(x) {
  cause <- sprintf(
    "%s %s very large beside the residual variance.",
    suspects_phrase(x),
    if (is_one_variance(x)) "is" else "are"
  )
  reproducible <- c(
    paste("Optimal up to rounding errors:", cause),
    paste(
      "The objective is known to few digits there;",
      "the order of the rows may change the estimates."
    )
  )
  not_reproducible <- c(
    paste("Not reproducible:", cause),
    sprintf(
      paste(
        "The rounding error of the objective is about %s: a better fit may be far away,",
        "and the order of the rows changes the estimates."
      ),
      format(x$rounding, digits = 1L)
    )
  )
  c(
    if (is_reproducible(x)) reproducible else not_reproducible,
    "Is a covariate far from zero, or in an unsuitable unit? Centre and rescale it."
  )
}

# Whether the rounding error of the objective is small beside a change that matters to estimates: a
# difference of 0.1 is about a third of a standard error.
is_reproducible <- function(x) !isTRUE(x$rounding > 0.1)

suspects_phrase <- function(x) {
  paste(
    if (is_one_variance(x)) "the variance of" else "the variances of",
    enumerate(tick(x$suspects))
  )
}

is_one_variance <- function(x) {
  sum(x$terms$size[x$terms$term %in% x$suspects]) == 1
}

# Whether the verdict is that no further step lowers the objective.
is_final <- function(verdict) {
  !is.null(verdict) && verdict %in% final_verdicts
}

optimum_lines <- function(x) {
  singular <- x$singularity
  if (!any(singular$singular)) {
    return(sprintf(
      "Optimal: no small change of the covariances lowers the objective by %s or more.",
      # The noise of random vectors hides smaller gains.
      if (is.null(x$noise)) "1e-6" else "1e-4"
    ))
  }
  c(
    "Optimal, and singular: the best covariances are rank-deficient.",
    paste("*", singular_lines(singular))
  )
}

# The combination of effects for which more variance lowers the objective, in words; empty for a
# single effect.
way_out_phrase <- function(direction) {
  if (length(direction) == 1) {
    return("")
  }
  paste(", along", format_combination(direction, names(direction)))
}

certificate_gain <- function(certificate) {
  if (certificate$verdict == "not_converged") {
    return(certificate$predicted_decrease)
  }
  max(certificate$terms$gain, 0)
}

is_early <- function(status) {
  status %in% c("MAXEVAL_REACHED", "MAXTIME_REACHED", "FORCED_STOP", "FAILURE")
}

#' The verdict in one line, for the optimization summary
#' @noRd
verdict_phrase <- function(certificate) {
  switch(
    certificate$verdict,
    optimal = paste0(
      "optimal (a Newton step promises ",
      format(max(certificate$predicted_decrease, 0), digits = 2),
      ")"
    ),
    not_converged = if (is.na(certificate$predicted_decrease)) {
      "unknown: the derivatives are not finite"
    } else {
      paste0(
        "not converged (a Newton step promises ",
        format(certificate$predicted_decrease, digits = 2),
        ")"
      )
    },
    false_boundary = "not an optimum: singular, but shouldn't be",
    saddle = "not an optimum: a saddle point",
    unbounded = "optimal in the limit: some variances have no bound",
    imprecise = "optimal up to the error of the random vectors",
    unidentified = "optimal, but not identified",
    rounded = if (is_reproducible(certificate)) {
      "optimal up to rounding errors"
    } else {
      "not reproducible: the objective has large rounding errors"
    },
    edge = "no optimum: the objective jumps or ends there"
  )
}

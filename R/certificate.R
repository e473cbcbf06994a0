#' Is the fit an optimum?
#'
#' Every fit carries a certificate: whether its parameters minimize the objective, judged by exact
#' derivatives there and not by how the optimizer went. `certificate()` shows it.
#'
#' @details
#' The verdict is one of:
#'
#' * **optimal**: neither a Newton step nor more variance for any combination of effects lowers the
#'   objective (-2 log-likelihood, or the REML criterion) by 1e-6 or more (by 1e-4 where it was
#'   computed by the iterative engine, see [rlmm_control()]). A fit may be optimal
#'   *and* singular, when the best covariance matrix of a term has less than full rank; the term,
#'   its rank and the direction are told.
#' * **not_converged**: a Newton step should still lower the objective by the predicted decrease.
#'   The optimizer stopped early.
#' * **false_boundary**: the gradient in theta vanishes only because the covariance of a term is
#'   singular there; more variance in the direction given lowers the objective.
#' * **saddle**: the gradient vanishes, but the objective falls on both sides in some direction.
#' * **unbounded**: nothing of interest is left to gain, but the optimum is a limit: the residual
#'   variance tends to zero beside that of the terms named. On the scale of the response the
#'   variances of these are as good as reached; relative to the residual variance, as in theta, they
#'   have no bound. (Of a generalized model: variances tend to infinity.)
#' * **unidentified**: an optimum, but not the only one. The data can't tell the variances of the
#'   terms named from each other, or from that of the residuals.
#' * **rounded**: an optimum as far as can be told. The variances of the terms named are so large
#'   beside the residual variance that rounding errors of the objective exceed 1e-4: points around
#'   it can't be told from it, and the order of the rows may change the estimates. This is so where
#'   the residual variance nearly vanishes, or where the effects of a covariate that is far from
#'   zero must be independent of the intercept's, as in `(0 + x | g)` and `(x || g)`: centre it.
#' * **imprecise**: of a fit by the iterative engine (see [rlmm_control()]), whose slopes are
#'   estimates: they are zero as far as these tell, but the objective may be above its minimum by
#'   1e-4 or more.
#'
#' A certificate is local: it can't see a lower optimum elsewhere. Several optima are common where
#' the data say little of the covariances (a term has few levels for its parameters, or there are
#' few rows for each random effect), and for structures with a correlation parameter and several
#' standard deviations (`cs()`, `ar1(hom = FALSE)`). There [rlmm()] and [rglmm()] go on from their
#' default start at other scales and correlations and without some effects. Where the data say very
#' little both also search from random starts, always the same ones: [rlmm()] up to 40 rows, 150
#' with such structures, until fewer than one start in 200 is expected to lead to an optimum that
#' hasn't been found (Boender and Rinnooy Kan, 1987), [rglmm()] up to 300 rows and one start in 50;
#' or until further searches would take long. Neither looks elsewhere where every standard deviation
#' is two standard errors from zero.
#' Another `start`, or [allFit()], may still find a lower optimum. A search from a given `start`, by
#' another optimizer, or with the iterative engine tries no other one: its certificate says so.
#'
#' With `G` the derivative of the objective in the (relative) covariance matrix of a term, an
#' optimum has `G` without negative eigenvalues. `lambda_min` is the smallest, with each column of
#' the model matrix in units of its root mean square. Where the covariance has full rank, `G` is
#' zero at an optimum. Of columns that nearly depend on each other, such as a year and the
#' intercept, the part that is independent of those before it is taken, for `lambda_min`,
#' `gradient_norm` and `curvatures`: that is where the optimizer works, too.
#'
#' For a generalized model the parameters are theta, the fixed effects and an estimated shape
#' together; the Hessian comes from differences of exact gradients, and the gain of more variance is
#' measured, by evaluating the objective there. As this Hessian costs as much as the fit,
#' `certificate()` computes it when it is called; the fit itself is judged by the one that the
#' optimizer has learnt, unless that leaves a doubt.
#'
#' @references Boender, C. G. E. and Rinnooy Kan, A. H. G. (1987) Bayesian stopping rules for
#'   multistart global optimization methods. *Mathematical Programming* 37, 59-80.
#'   \doi{10.1007/BF02591684}
#' @param object A fit.
#' @return A list of class `"rlmm_certificate"`: `verdict`, `predicted_decrease`, `gradient_norm`
#'   (largest element of the gradient in theta, each in units of its column of Z), `curvatures`
#'   (eigenvalues of the Hessian in theta, likewise), `hessian` (`"exact"`; `"average"` where the
#'   exact one would cost too much; `"differences"`), `suspects` (the terms without a bound,
#'   those that can't be identified, or those that make rounding errors large), `noise` (only of the
#'   iterative engine: see [rlmm_control()]), `status` of the optimizer, `linear` (is it a linear
#'   model?), `starts` (`"several"`, or `"one"`, where no other start was tried: one was given, or
#'   another optimizer, or the engine is the iterative one),
#'   `terms` (a data frame: `term`, `rank`, `size`, `lambda_min`, `gain`) and `directions` (for each
#'   term the combination of effects that belongs to `lambda_min`).
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
  found$status <- object$optsum$status
  found$linear <- isLMM.rlmm(object)
  found$starts <- starts_searched(object)
  found$singularity <- is_singular(object)
  structure(
    with_terms(found, object$random),
    class = "rlmm_certificate"
  )
}

# From the default start the optimizers of this package go on from others where several optima are
# common; from a given one they don't, nor do others.
starts_searched <- function(fit) {
  is_own <- fit$optsum$optimizer %in% c("newton", "bfgs")
  is_default <- is.null(fit$call$start) && is_own && !is_iterative(fit)
  if (is_default) "several" else "one"
}

# What the certificate says of each term, by its name.
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

#' What the core found about a user's term
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

#' The certificate of a fit, by the exact Hessian where the data are at hand
#'
#' A generalized model is judged by a quasi-Newton Hessian when it is fitted, as the true one costs
#' as much as the fit.
#' @noRd
full_certificate <- function(fit) UseMethod("full_certificate")

#' @export
full_certificate.rlmm_lmm <- function(fit) fit$optsum$certificate

#' @export
full_certificate.rlmm_glmm <- function(fit) {
  found <- fit$optsum$certificate
  is_own <- identical(found$hessian %||% "quasi-newton", "quasi-newton")
  # Random vectors hide what the exact Hessian would add.
  if (is.null(fit$frame) || !is_own || !is.null(found$noise)) {
    return(found)
  }
  core_glmm_certificate(
    fit_spec(fit),
    fit$parameters,
    held_index(fit)
  )$certificate
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
#' @param x What `certificate()` returned.
#' @param digits Significant digits.
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
  decrease <- format(x$predicted_decrease, digits = digits)
  c(
    `Predicted decrease` = paste(decrease, "(by a Newton step)"),
    `Largest gradient` = format(x$gradient_norm, digits = digits),
    `Hessian` = curvature_phrase(x$curvatures, x$hessian, digits),
    `Scope` = scope_phrase(x$starts),
    `Noise` = if (!is.null(x$noise)) noise_phrase(x$noise)
  )
}

scope_phrase <- function(starts) {
  if (identical(starts, "one")) {
    "local, from one start: another optimum may be lower, see `allFit()`"
  } else {
    "local; lower optima are looked for where they are common"
  }
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
  range <- format(range(curvatures), digits = digits, trim = TRUE)
  sprintf(
    "%s; curvatures: %s (from %s to %s)",
    kind,
    sign_counts(curvatures),
    range[1],
    range[2]
  )
}

# How many curvatures have each sign: "2 positive, 1 flat".
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

#' The verdict in words; the first line says it all
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
      "Optimal as far as random vectors tell: -2 log-likelihood may be %s above its minimum.",
      format(x$noise$excess, digits = 2)
    ),
    unidentified = sprintf(
      "Optimal, but not identified: the data can't tell %s from %sthat of the residuals.",
      suspects_phrase(x),
      if (is_one_variance(x)) "" else "each other or from "
    ),
    rounded = rounded_lines(x)
  )
}

unconverged_line <- function(x) {
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
  c(
    sprintf(
      "Optimal as far as rounding errors let tell: %s %s very large beside the residual variance.",
      suspects_phrase(x),
      if (is_one_variance(x)) "is" else "are"
    ),
    paste(
      "The objective is known to few digits there;",
      "the order of the rows may change the estimates."
    ),
    "Is a covariate far from zero, or in an unsuitable unit? Centre and rescale it."
  )
}

suspects_phrase <- function(x) {
  paste(
    if (is_one_variance(x)) "the variance of" else "the variances of",
    enumerate(tick(x$suspects))
  )
}

is_one_variance <- function(x) {
  sum(x$terms$size[x$terms$term %in% x$suspects]) == 1
}

# Whether a verdict says that nothing is gained by another step.
is_final <- function(verdict) {
  !is.null(verdict) && verdict %in% final_verdicts
}

optimum_lines <- function(x) {
  singular <- x$singularity
  if (!any(singular$singular)) {
    return(sprintf(
      "Optimal: no small change of the covariances lowers the objective by %s or more.",
      # What random vectors leave of doubt hides smaller gains.
      if (is.null(x$noise)) "1e-6" else "1e-4"
    ))
  }
  c(
    "Optimal, and singular: the best covariances are rank-deficient.",
    paste("*", singular_lines(singular))
  )
}

# The words for the combination of effects along which more variance helps; none for a single
# effect.
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

#' The verdict in one line, for the record of the optimization
#' @noRd
verdict_phrase <- function(certificate) {
  switch(
    certificate$verdict,
    optimal = paste0(
      "optimal (a Newton step promises ",
      format(max(certificate$predicted_decrease, 0), digits = 2),
      ")"
    ),
    not_converged = paste0(
      "not converged (a Newton step promises ",
      format(certificate$predicted_decrease, digits = 2),
      ")"
    ),
    false_boundary = "not an optimum: singular, but shouldn't be",
    saddle = "not an optimum: a saddle point",
    unbounded = "optimal in the limit: some variances have no bound",
    imprecise = "optimal as far as random vectors tell",
    unidentified = "optimal, but not identified",
    rounded = "optimal as far as rounding errors let tell"
  )
}

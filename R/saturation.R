# Saturation: random effects so large that probabilities are close to 0 or 1, where no approximation
# of the likelihood is accurate.

#' The standard deviations of terms that saturate the probabilities, named by term
#'
#' Levels whose responses are all equal give no upper bound of a standard deviation, and the Laplace
#' approximation of such a likelihood has several maxima, some of them at infinity. A term is
#' saturating if one standard deviation of its contribution to the linear predictor covers all but
#' 1e-5 of the range of probabilities: 11.5 for the links logit and cloglog, 4.3 for probit. A
#' smaller one is saturating if the fixed effects alone are as extreme in most rows (beyond 2.4 for
#' cloglog, whose probabilities approach 1 quickly): nearly all of the likelihood then comes from
#' levels whose modes the Laplace approximation can't distinguish.
#' @param eta The linear predictors of the rows.
#' @return A vector with the attribute `typical`, whether the second criterion applies.
#' @noRd
saturating_terms <- function(fit, spec, eta) {
  links <- c("logit", "probit", "cloglog", "cauchit")
  if (fit$family$family != "binomial" || !fit$family$link %in% links) {
    return(numeric())
  }
  blocks <- core_lambda(fit$random, fit$theta)
  # This bound suffices for most fits.
  bounds <- mapply(
    \(term, block) sum(abs(block) * term$scale),
    fit$random,
    blocks
  )
  suspects <- which(vapply(bounds, is_saturated, NA, fit$family))
  sd <- term_sds(fit, suspects, blocks, spec)
  sd <- sd[vapply(sd, is_saturated, NA, fit$family)]
  if (length(sd) > 0L) {
    return(sd)
  }
  distance <- typical_saturation(fit, spec, eta, max(bounds))
  if (is.null(distance)) {
    return(numeric())
  }
  far_terms(fit, spec, blocks, which(bounds > distance / 2), distance / 2)
}

# The standard deviations of terms above a bound, marked as of the second criterion.
far_terms <- function(fit, spec, blocks, suspects, bound) {
  sd <- term_sds(fit, suspects, blocks, spec)
  sd <- sd[sd > bound]
  if (length(sd) > 0L) structure(sd, typical = TRUE) else numeric()
}

term_sds <- function(fit, which, blocks, spec) {
  sd <- vapply(
    which,
    \(t) term_sd(fit$random[[t]], blocks[[t]], spec),
    0
  )
  stats::setNames(sd, vapply(fit$random[which], term_text, ""))
}

#' The absolute linear predictor of a typical level, if most of its responses carry no information
#' @param bound An upper bound of the standard deviations of all terms.
#' @noRd
typical_saturation <- function(fit, spec, eta, bound) {
  # For most fits the fitted probabilities suffice.
  if (bound < 1) {
    return(NULL)
  }
  is_sure <- spread(eta, fit$family) < 0.05
  if (share_of_rows(is_sure, spec) <= 0.5) {
    return(NULL)
  }
  typical <- eta - random_predictors(fit, spec)
  information <- (spec$weights %||% 1) * spread(typical, fit$family)
  is_uninformative <- information < 1e-5
  if (share_of_rows(is_uninformative, spec) > 0.5) {
    mean(abs(typical[is_uninformative]))
  }
}

# The variance of one trial at each linear predictor.
spread <- function(eta, family) {
  mean <- family$linkinv(eta)
  mean * (1 - mean)
}

share_of_rows <- function(is, spec) {
  if (is.null(spec$counts)) {
    mean(is)
  } else {
    sum(spec$counts[is]) / sum(spec$counts)
  }
}

# The contribution of the random effects to each row's linear predictor.
random_predictors <- function(fit, spec) {
  total <- 0
  for (t in seq_along(fit$random)) {
    term <- fit$random[[t]]
    core <- spec$terms[[term$core_term]]
    z <- column_matrix(core$z, length(core$refs))
    z <- z[, term$core_cols, drop = FALSE]
    of_rows <- fit$b[[t]][core$refs, , drop = FALSE]
    total <- total + rowSums(z * of_rows)
  }
  total
}

# Whether probabilities at linear predictors of this size, of either sign, are close to 0 or 1.
is_saturated <- function(size, family) {
  all(spread(c(-size, size), family) < 1e-5)
}

# The standard deviation of a term's contribution to the linear predictor, the root mean square over
# rows.
term_sd <- function(term, block, spec) {
  core <- spec$terms[[term$core_term]]
  z <- column_matrix(core$z, length(core$refs))
  z <- z[, term$core_cols, drop = FALSE]
  variances <- rowSums((z %*% block)^2)
  if (is.null(spec$counts)) {
    return(sqrt(mean(variances)))
  }
  sqrt(sum(spec$counts * variances) / sum(spec$counts))
}

report_saturation <- function(fit) {
  if (length(fit$saturated) == 0L) {
    return(invisible())
  }
  warn_rlmm(
    c(
      saturation_line(fit$saturated),
      x = saturation_doubt(fit),
      i = paste(
        "Are the responses of most levels alike, or the levels few for so many effects?",
        "Take fewer effects."
      ),
      i = if (can_integrate(fit)) {
        "Compare with `nAGQ = 25`, which integrates where Laplace's approximation is poor."
      },
      i = "See `vignette(\"convergence\", \"rlmm\")`."
    ),
    "rlmm_warning_saturation",
    terms = names(fit$saturated)
  )
}

# Whether quadrature is available: the model has one grouping factor and not too many effects.
can_integrate <- function(fit) {
  groups <- unique(vapply(fit$random, `[[`, "", "group"))
  effects <- sum(lengths(lapply(fit$random, `[[`, "columns")))
  !isTRUE(fit$glmm$nodes > 1) && length(groups) == 1L && effects <= 3L
}

saturation_line <- function(sd) {
  terms <- enumerate(tick(names(sd)))
  sizes <- enumerate(vapply(signif(sd, 2), format, ""))
  is_one <- length(sd) == 1L
  if (isTRUE(attr(sd, "typical"))) {
    return(sprintf(
      "Probabilities of 0 or 1: in most rows those of a typical level of %s, with %s of %s %s.",
      terms,
      if (is_one) "a standard deviation" else "standard deviations",
      sizes,
      "on the scale of the linear predictor"
    ))
  }
  sprintf(
    "Probabilities of 0 or 1: %s %s %s on the scale of the linear predictor.",
    terms,
    if (is_one) {
      "has a standard deviation of"
    } else {
      "have standard deviations of"
    },
    sizes
  )
}

saturation_doubt <- function(fit) {
  if (isTRUE(fit$glmm$nodes > 1)) {
    return("Such data give no upper limit for a standard deviation.")
  }
  if (isTRUE(attr(fit$saturated, "typical"))) {
    return(
      "Laplace's approximation is poor there: its estimates may be far off."
    )
  }
  paste(
    "Laplace's approximation is poor there, and has several maxima:",
    "another search may end at another one."
  )
}

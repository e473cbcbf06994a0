# Random effects so large that they leave probabilities of 0 and 1: no approximation to the
# likelihood is good there.

#' Standard deviations of the terms that saturate the probabilities, by the terms' texts
#'
#' Levels whose responses are all alike tell no upper limit of a standard deviation, and Laplace's
#' approximation of such a likelihood has several maxima, some of them at infinity. A term saturates
#' if one standard deviation of its part of the linear predictor leads beyond all but 1e-5 of the
#' range of probabilities: 11.5 with the links logit and cloglog, 4.3 with probit.
#' @noRd
saturating_terms <- function(fit, spec) {
  links <- c("logit", "probit", "cloglog", "cauchit")
  if (fit$family$family != "binomial" || !fit$family$link %in% links) {
    return(numeric())
  }
  blocks <- core_lambda(fit$random, fit$theta)
  # Most fits need no more than this bound.
  bounds <- mapply(
    \(term, block) sum(abs(block) * term$scale),
    fit$random,
    blocks
  )
  suspects <- which(vapply(bounds, is_saturated, NA, fit$family))
  sd <- vapply(
    suspects,
    \(t) term_sd(fit$random[[t]], blocks[[t]], spec),
    0
  )
  names(sd) <- vapply(fit$random[suspects], term_text, "")
  sd[vapply(sd, is_saturated, NA, fit$family)]
}

# Whether probabilities at linear predictors of this size are all but 0 or 1, on both sides.
is_saturated <- function(size, family) {
  mean <- family$linkinv(c(-size, size))
  all(mean * (1 - mean) < 1e-5)
}

# The standard deviation of a term's part of the linear predictor: a root mean square of the rows'.
term_sd <- function(term, block, spec) {
  core <- spec$terms[[term$core_term]]
  z <- column_matrix(core$z, length(core$refs))
  variances <- rowSums((z[, term$core_cols, drop = FALSE] %*% block)^2)
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
      x = saturation_doubt(fit$glmm),
      i = paste(
        "Are the responses of most levels alike, or the levels few for so many effects?",
        "Take fewer effects."
      )
    ),
    "rlmm_warning_saturation",
    terms = names(fit$saturated)
  )
}

saturation_line <- function(sd) {
  are <- if (length(sd) == 1L) {
    "has a standard deviation of"
  } else {
    "have standard deviations of"
  }
  sprintf(
    "Probabilities of 0 or 1: %s %s %s on the scale of the linear predictor.",
    enumerate(tick(names(sd))),
    are,
    enumerate(vapply(signif(sd, 2), format, ""))
  )
}

saturation_doubt <- function(glmm) {
  if (isTRUE(glmm$nodes > 1)) {
    return("Such data tell no upper limit of a standard deviation.")
  }
  paste(
    "Laplace's approximation is poor there, and has several maxima:",
    "another search may end at another one."
  )
}

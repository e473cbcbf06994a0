# Confidence limits from bootstrap replicates.

interval_types <- c("percentile", "basic", "normal", "shortest")

#' @rdname summary.rlmm_bootstrap
#' @export
confint.rlmm_bootstrap <- function(
  object,
  parm = NULL,
  level = 0.95,
  type = c("percentile", "basic", "normal", "shortest"),
  ...,
  signames = TRUE,
  scale = c("sdcor", "vcov")
) {
  refuse_dots(...)
  check_confidence(level)
  type <- one_of(type, interval_types, "type")
  scale <- one_of(scale, c("sdcor", "vcov"), "scale")
  drawn <- if (scale == "vcov") {
    drawn_covariances(object, parm)
  } else {
    parm <- called_here(parm, object$fit, signames)
    drawn_parameters(object, parm, signames)
  }
  limits_of_drawn(drawn, level, type)
}

limits_of_drawn <- function(drawn, level, type) {
  limits <- bootstrap_limits(drawn$values, drawn$estimate, level, type)
  dimnames(limits) <- list(names(drawn$estimate), limit_names(level))
  limits
}

#' The replicates of variances and covariances, named as in `as.data.frame(VarCorr(fit))`, and of
#' the fixed effects
#' @noRd
drawn_covariances <- function(object, parm) {
  values <- cbind(bootstrap_covariances(object), object$beta)
  at <- estimates_as_replicate(object)
  estimate <- cbind(bootstrap_covariances(at), at$beta)[1L, ]
  select_drawn(values, estimate, parm, ncol(object$beta))
}

# Converts standard deviations and correlations to variances and covariances.
bootstrap_covariances <- function(x) {
  values <- bootstrap_variances(x)
  labels <- colnames(values)
  is_sd <- startsWith(labels, "sd_") | labels == "sigma"
  out <- values
  out[, is_sd] <- values[, is_sd]^2
  for (j in which(startsWith(labels, "cor_"))) {
    out[, j] <- values[, j] * sds_of_correlation(labels[j], values)
  }
  colnames(out) <- covariance_labels(labels)
  out[is.nan(out)] <- 0
  out
}

covariance_labels <- function(labels) {
  sub("^cor_", "cov_", sub("^sd_", "var_", labels))
}

# The product of the two standard deviations of a correlation, named "cor_b.a|g".
sds_of_correlation <- function(label, values) {
  sds <- grep("^sd_", colnames(values), value = TRUE)
  sds <- sds[label_group(sds) == label_group(label)]
  effects <- label_effect(sds)
  pairs <- outer(effects, effects, paste, sep = ".")
  at <- which(pairs == label_effect(label), arr.ind = TRUE)[1L, ]
  first <- values[, sds[at[[1L]]]]
  second <- values[, sds[at[[2L]]]]
  first * second
}

# The parts of labels such as "sd_a|g" and "cor_b.a|g": the grouping factor, and the effect or pair
# of effects.
label_group <- function(label) sub("^.*[|]", "", label)

label_effect <- function(label) {
  sub("^(sd|cor)_(.*)[|][^|]*$", "\\2", label)
}

#' Limits from replicates, with a row for each column of `values`
#' @noRd
bootstrap_limits <- function(values, estimate, level, type) {
  limits <- vapply(
    seq_len(ncol(values)),
    \(j) {
      drawn <- values[!is.na(values[, j]), j]
      interval_of(drawn, estimate[[j]], level, type)
    },
    c(0, 0)
  )
  t(matrix(limits, 2L))
}

interval_of <- function(values, estimate, level, type) {
  if (length(values) < 2L) {
    return(c(NA_real_, NA_real_))
  }
  tails <- c((1 - level) / 2, (1 + level) / 2)
  quantiles <- stats::quantile(
    values,
    tails,
    names = FALSE,
    type = 6L
  )
  switch(
    type,
    percentile = quantiles,
    basic = 2 * estimate - rev(quantiles),
    normal = normal_interval(values, estimate, tails),
    shortest = shortest_interval(sort(values), level)
  )
}

# A normal interval, symmetric around the bias-corrected estimate.
normal_interval <- function(values, estimate, tails) {
  bias <- mean(values) - estimate
  estimate - bias + stats::qnorm(tails) * stats::sd(values)
}

# The shortest interval that contains the fraction `level` of the values.
shortest_interval <- function(sorted, level) {
  n <- length(sorted)
  inside <- min(ceiling(level * n), n)
  first <- seq_len(n - inside + 1L)
  length <- sorted[first + inside - 1L] - sorted[first]
  at <- which.min(length)
  c(sorted[at], sorted[at + inside - 1L])
}

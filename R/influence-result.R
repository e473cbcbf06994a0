# Constructs the result of influence(): the estimates without each case and those of all cases.

# Covariance matrices with more numbers than this are not kept.
max_vcov_numbers <- 1e7

new_influence <- function(fit, sets, found, way) {
  labels <- as.character(sets$deleted)
  vcov <- vcov.rlmm(fit)
  free <- free_beta(fit)
  vcovs <- lapply(found, \(case) padded_vcov(case$vcov, free, vcov))
  without <- estimates_without(fit, found, labels, vcovs)
  names(without) <- paste0(names(without), "[-", sets$name, "]")
  by_case <- \(values) stats::setNames(unlist(values), labels)
  take <- \(field) by_case(lapply(found, `[[`, field))
  out <- c(
    interleave(estimates_with(fit, vcov), without[1:3]),
    list(groups = sets$name, deleted = sets$deleted),
    list(
      converged = take("converged"),
      function.evals = take("evaluations")
    ),
    without[4L],
    list(theta = fit$theta),
    without[5L],
    list(
      covratio = exp(take("log_det") - log_det_of_fixed(fit)),
      hat = take("leverage"),
      size = by_case(lengths(sets$rows)),
      method = way
    )
  )
  structure(
    out,
    class = c("influence.rlmm", "influence.merMod"),
    root = if (has_far_columns(fit)) root_of_own_precision(fit)
  )
}

estimates_with <- function(fit, vcov) {
  list(
    fixed.effects = fit$beta,
    var.cov.comps = components_at(fit, fit, influence_labels(fit)),
    vcov = vcov
  )
}

# Interleaves two lists of the same length.
interleave <- function(a, b) {
  turn <- order(c(seq_along(a), seq_along(b)))
  c(a, b)[turn]
}

#' The estimates without each case, with a row for each; `vcov` is a list
#' @noRd
estimates_without <- function(fit, found, labels, vcovs) {
  rows <- \(values, names) case_rows(values, labels, names)
  coefficients <- names(fit$beta)
  components <- influence_labels(fit)
  beta_of <- \(case) with_held(case$beta, coefficients, fit$held)
  components_of <- \(case) components_at(fit, case, components)
  error_of <- \(vcov) sqrt(diag(vcov))
  is_kept <- sum(lengths(vcovs)) <= max_vcov_numbers
  list(
    fixed.effects = rows(lapply(found, beta_of), coefficients),
    var.cov.comps = rows(lapply(found, components_of), components),
    vcov = if (is_kept) vcovs,
    std.error = rows(lapply(vcovs, error_of), coefficients),
    theta = rows(lapply(found, `[[`, "theta"), theta_names(fit$random))
  )
}

case_rows <- function(values, labels, names) {
  matrix(
    unlist(values),
    length(labels),
    byrow = TRUE,
    dimnames = list(labels, names)
  )
}

#' The covariance matrix with rows and columns of zeros for held coefficients
#' @noRd
padded_vcov <- function(vcov, free, full) {
  out <- 0 * full
  out[free, free] <- vcov
  out
}

#' The residual variance, then the variances and covariances by term, named as in lme4
#' @param at A list with `theta` and `sigma`: the fit, or its estimates without a case.
#' @noRd
components_at <- function(fit, at, names) {
  if (anyNA(at$theta) || is.na(at$sigma)) {
    return(rlang::rep_named(names, NA_real_))
  }
  omegas <- lapply(lambda_blocks(fit$random, at$theta), tcrossprod)
  lower_of <- \(omega) omega[lower.tri(omega, diag = TRUE)]
  lower <- lapply(omegas, lower_of)
  scale <- effects_sigma(fit, at$sigma)^2
  values <- c(at$sigma^2, scale * unlist(lower))
  stats::setNames(values, names)
}

#' lme4's names of a term's variances and covariances
#' @noRd
term_component_labels <- function(term) {
  columns <- term$columns
  lower <- lower.tri(diag(length(columns)), diag = TRUE)
  cells <- which(lower, arr.ind = TRUE)
  row <- columns[cells[, 1]]
  column <- columns[cells[, 2]]
  covariances <- paste0("C[", row, ",", column, "]")
  ifelse(row == column, paste0("v[", row, "]"), covariances)
}

influence_labels <- function(fit) {
  own <- lapply(fit$random, term_component_labels)
  prefix <- if (length(own) > 1L) {
    paste0(component_names(fit), ":")
  } else {
    ""
  }
  c("sigma^2", unlist(Map(paste0, prefix, own), use.names = FALSE))
}

#' Variance inflation of fixed effects
#'
#' The factor by which the variance of a coefficient is larger than if its term were uncorrelated
#' with the others: from the covariance matrix of the estimates, as car's `vif()` has it (which
#' answers for our fits, too, where it and lme4 are installed). For a term of several coefficients
#' it is the generalized factor of Fox and Monette (1992), that of the volume of their confidence
#' region; its power 1 / (2 df) compares terms of different size, and is of the scale of a standard
#' error. The intercept is left out.
#'
#' @param object A fit.
#' @return A data frame with a row per term: `term`, `gvif`, `df`, and `scaled`, `gvif^(1 / (2
#'   df))`.
#' @seealso [variance_explained()], [diagnose()].
#' @examples
#' variance_inflation(rlmm(protein ~ Diet + Time + I(Time^2) + (1 | Cow), nlme::Milk))
#' @export
variance_inflation <- function(object) {
  check_fit(object, "object")
  terms <- inflated_terms(object)
  covariance <- vcov.rlmm(object)
  assign <- terms$assign
  free <- free_beta(object) & assign > 0L
  variance <- diag(covariance)[free]
  scale <- diag(1 / sqrt(variance), sum(free))
  correlation <- scale %*% covariance[free, free] %*% scale
  assign <- assign[free]
  present <- unique(assign)
  gvif <- vapply(present, generalized_inflation, 0, correlation, assign)
  df <- vapply(present, \(term) sum(assign == term), 1L)
  data.frame(
    term = terms$labels[present],
    gvif = gvif,
    df = df,
    scaled = gvif^(1 / (2 * df))
  )
}

generalized_inflation <- function(term, correlation, assign) {
  own <- assign == term
  log_det <- \(rows) {
    if (!any(rows)) {
      return(0)
    }
    as.double(determinant(correlation[rows, rows, drop = FALSE])$modulus)
  }
  exp(log_det(own) + log_det(!own) - log_det(own | !own))
}

#' The labels of the terms, and the term of each coefficient
#' @noRd
inflated_terms <- function(fit) {
  list(
    labels = fixed_labels(fit),
    assign = attr(model.matrix.rlmm(fit), "assign")
  )
}

#' Variance inflation of fixed effects
#'
#' The variance inflation factor of each term: the ratio of the variance of its coefficient to that
#' without correlations with the other terms, from the covariance matrix of the estimates, as in
#' `vif()` of package car (which accepts these fits if it and lme4 are installed). For a term with
#' several coefficients it is the generalized factor of Fox and Monette (1992), the ratio of the
#' squared volumes of confidence regions; its power 1 / (2 df) compares terms with different numbers
#' of coefficients, on the scale of standard errors. The intercept is excluded.
#'
#' @param object A fitted model.
#' @return A data frame with a row for each term and the columns `term`, `gvif`, `df`, and `scaled`,
#'   `gvif^(1 / (2 df))`.
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

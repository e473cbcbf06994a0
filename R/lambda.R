# The relative covariance factor of the user's terms: their templates, and where theta stands in them.

term_groups <- function(fit) vapply(fit$random, \(term) term$group, "")

# lme4's names of the variance components: a second term on `Subject` is "Subject.1". Only where a factor has several
# terms, the names are made syntactic.
component_names <- function(fit) {
  groups <- term_groups(fit)
  if (anyDuplicated(groups)) make.names(groups, unique = TRUE) else groups
}

#' Rows and columns, within the template of a k-column term, of the elements that theta fills, in theta's order.
#' @noRd
template_cells <- function(structure, k) {
  if (structure != "us") {
    return(cbind(row = seq_len(k), col = seq_len(k)))
  }
  which(lower.tri(diag(k), diag = TRUE), arr.ind = TRUE, useNames = FALSE)
}

term_cells <- function(term) template_cells(term$structure, length(term$columns))

lambda_templates <- function(fit, theta = fit$theta) {
  lapply(fit$random, \(term) {
    structure(lambda_block(term, theta), dimnames = list(term$columns, term$columns))
  })
}

#' Lower bounds of theta: 0 on the diagonal of the templates.
#' @noRd
theta_lower <- function(random) unlist(lapply(random, term_theta_lower), use.names = FALSE)

term_theta_lower <- function(term) {
  if (term$structure == "homdiag") {
    return(0)
  }
  cells <- term_cells(term)
  ifelse(cells[, 1] == cells[, 2], 0, -Inf)
}

n_columns <- function(fit) vapply(fit$random, \(term) length(term$columns), 1L)

n_levels <- function(fit) vapply(fit$random, \(term) length(term$levels), 1L)

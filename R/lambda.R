# The relative covariance factor of the user's terms: their templates, and where theta stands in
# them.

term_groups <- function(fit) {
  vapply(fit$random, \(term) term$group, "")
}

# lme4's names of the variance components: a second term on `Subject` is "Subject.1". Only where a
# factor has several terms, the names are made syntactic.
component_names <- function(fit) {
  groups <- term_groups(fit)
  if (anyDuplicated(groups)) make.names(groups, unique = TRUE) else groups
}

#' The element of theta that stands in each of a term's cells; `NA` where it is computed from
#' several
#' @noRd
cell_theta <- function(term, cells = term_cells(term)) {
  if (has_rho(term$structure)) {
    rep(NA_integer_, nrow(cells))
  } else {
    rep_len(term$theta, nrow(cells))
  }
}

term_cells <- function(term) {
  template_cells(term$structure, length(term$columns))
}

lambda_templates <- function(fit, theta = fit$theta) {
  named <- \(term, block) {
    structure(block, dimnames = list(term$columns, term$columns))
  }
  Map(named, fit$random, lambda_blocks(fit$random, theta))
}

#' Lower bounds of theta: 0 for standard deviations and on the diagonal of the templates
#' @noRd
theta_lower <- function(random) {
  unlist(lapply(core_structures(random), `[[`, "lower"), use.names = FALSE)
}

n_columns <- function(fit) {
  vapply(fit$random, \(term) length(term$columns), 1L)
}

n_levels <- function(fit) {
  vapply(fit$random, \(term) length(term$levels), 1L)
}

# The row of Lambda before the first of each term.
first_rows <- function(fit) {
  sizes <- n_columns(fit) * n_levels(fit)
  cumsum(sizes) - sizes
}

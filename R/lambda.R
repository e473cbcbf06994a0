# The relative covariance factor by term: the templates of Lambda and the positions of theta in
# them.

term_groups <- function(fit) {
  vapply(fit$random, \(term) term$group, "")
}

# The names of variance components in lme4: a second term of `Subject` is "Subject.1". Only if a
# factor has several terms, the names are made syntactic.
component_names <- function(fit) {
  groups <- term_groups(fit)
  if (anyDuplicated(groups)) make.names(groups, unique = TRUE) else groups
}

#' The element of theta in each cell of a term's template; `NA` for cells computed from several
#' elements
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

#' The lower bounds of theta: 0 for standard deviations and on the diagonal of the templates
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

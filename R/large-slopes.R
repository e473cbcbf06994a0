# Slopes by level: the interactions of a large factor with covariates, whose columns stand apart as
# those of its levels do.

#' The sets of terms that can stand apart with slopes: those of one factor or text
#'
#' A factor with slopes is in no other term, and each of its interactions is with a covariate of one
#' column.
#' @return A list of vectors of labels.
#' @noRd
sets_with_slopes <- function(terms, contrasts) {
  factors <- attr(terms, "factors")
  classes <- variable_classes(rownames(factors), terms)
  names <- rownames(factors)[classes %in% c("factor", "character")]
  sets <- lapply(names, \(name) colnames(factors)[factors[name, ] > 0])
  has_slopes <- vapply(sets, has_slopes_only, NA, terms)
  is_usual <- vapply(names, has_usual_contrasts, NA, contrasts)
  unname(sets[has_slopes & is_usual])
}

# Whether terms are a factor and its slopes, or slopes alone.
has_slopes_only <- function(set, terms) {
  is_alone <- attr(terms, "order")[match(set, attr(terms, "term.labels"))] == 1L
  any(!is_alone) && all(is_alone | is_slope(set, terms))
}

#' Which terms are the product of one factor or text and one covariate
#' @noRd
is_slope <- function(labels, terms) {
  vapply(labels, \(label) length(slope_covariate(label, terms)) == 1L, NA)
}

# The covariate of a term that has slopes; none of any other term.
slope_covariate <- function(label, terms) {
  variables <- term_variables(label, terms)
  classes <- variable_classes(variables, terms)
  is_covariate <- classes %in% "numeric"
  is_category <- classes %in% c("factor", "character")
  if (length(variables) == 2L && sum(is_covariate) == 1L && any(is_category)) {
    variables[is_covariate]
  }
}

# Whether slopes are differences from that of the first level, as their covariate is a term.
is_slope_coded <- function(label, terms) {
  own <- attr(terms, "factors")[, label]
  group <- setdiff(names(own)[own > 0], slope_covariate(label, terms))
  own[[group]] == 1L
}

# Whether a factor is coded by treatment contrasts, whatever its levels.
has_usual_contrasts <- function(variable, contrasts) {
  usual <- getOption("contrasts")[[1L]]
  is_given <- unquoted(variable) %in% names(contrasts)
  identical(usual, "contr.treatment") && !is_given
}

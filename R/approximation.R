# The approximation of the likelihood of a generalized model and the treatment of its dispersion:
# the element `glmm` of the spec.

dispersion_kinds <- c("profiled", "moment", "estimated")

information_kinds <- c("expected", "observed")

#' Checks the arguments of rglmm() that define the criterion
#' @param nodes `nAGQ`.
#' @return A list: `family`, `nodes`, `fast`, `dispersion`, `information`.
#' @noRd
glmm_approximation <- function(family, nodes, fast, dispersion, information) {
  check_nodes(nodes)
  check_flag(fast, "fast")
  dispersion <- one_of(dispersion, dispersion_kinds, "dispersion")
  information <- read_information(information, family)
  if (has_dispersion(family) && nodes > 1 && dispersion != "estimated") {
    abort_quadrature_dispersion(family, nodes)
  }
  list(
    family = family,
    nodes = max(nodes, 1),
    fast = fast || nodes == 0,
    dispersion = dispersion,
    information = information
  )
}

# The information; a family object may have its own default.
read_information <- function(information, family) {
  name <- core_family(family)
  known <- family_row(name)$information %||% information_kinds
  if (identical(information, information_kinds)) {
    return(family$information %||% known[1L])
  }
  information <- one_of(information, information_kinds, "information")
  if (!information %in% known) {
    abort_information(information, name, known)
  }
  information
}

#' The element `glmm` of the spec
#' @noRd
glmm_settings <- function(approximation, spec) {
  family <- approximation$family
  c(
    list(family = core_family(family), link = family$link),
    shape_settings(approximation, spec),
    approximation[c("information", "nodes", "fast")]
  )
}

shape_settings <- function(approximation, spec) {
  family <- approximation$family
  shape <- family_row(core_family(family))$shape
  if (is.null(shape)) {
    return(list(shape = 1, shape_kind = "known"))
  }
  if (!shape$dispersion) {
    return(parameter_settings(family_shape(family), shape$start, spec$y))
  }
  list(shape = 1, shape_kind = approximation$dispersion)
}

# The settings of a family's parameter, which is known, or estimated from a start that depends on
# the response.
parameter_settings <- function(known, start, y) {
  if (is.na(known)) {
    list(shape = start(y), shape_kind = "estimated")
  } else {
    list(shape = known, shape_kind = "known")
  }
}

#' The spec with an estimated shape at its start for a typical response
#' @param y A matrix with a column for each response.
#' @noRd
with_typical_shape <- function(spec, y = as.matrix(spec$y)) {
  if (!estimates_parameter(spec$glmm)) {
    return(spec)
  }
  start <- family_row(spec$glmm$family)$shape$start
  each <- apply(y, 2L, \(values) start(values[!is.na(values)]))
  spec$glmm$shape <- stats::median(each, na.rm = TRUE)
  spec
}

# The number of arguments of the objective after theta: beta, unless PIRLS finds it, and the
# logarithm of an estimated shape.
glmm_arguments <- function(spec) {
  (if (spec$glmm$fast) 0 else count_columns(spec$x)) +
    estimates_shape(spec$glmm)
}

# Errors --------------------------------------------------------------------

abort_information <- function(information, name, known) {
  abort_argument(
    paste0("`information` must be ", in_quotes(known), " for this family."),
    x = sprintf(
      "It is %s, of which no closed form is known for %s.",
      in_quotes(information),
      family_label(name)
    ),
    arg = "information",
    class = "rlmm_error_information"
  )
}

abort_quadrature_dispersion <- function(family, nodes) {
  abort_nodes(
    sprintf(
      "`nAGQ` must be 0 or 1 for this treatment of the dispersion, not %s.",
      nodes
    ),
    x = sprintf(
      "`%s` has a dispersion, and quadrature is of a density that knows its value.",
      family$family
    ),
    i = "Use `dispersion = \"estimated\"`?",
    class = "rlmm_error_dispersion"
  )
}

check_nodes <- function(nodes) {
  if (is_whole_number(nodes) && nodes >= 0 && nodes <= 100) {
    return(invisible())
  }
  abort_nodes("`nAGQ` must be a whole number from 0 to 100.", x = it_is(nodes))
}

#' Checks that the model suits quadrature
#'
#' Quadrature uses a product grid over the effects of each level.
#' @noRd
check_quadrature <- function(nodes, random) {
  if (nodes <= 1) {
    return(invisible())
  }
  found <- quadrature_problem(nodes, random)
  if (is.null(found)) {
    return(invisible())
  }
  abort_nodes(
    sprintf("`nAGQ` must be %s for this model, not %s.", found$must, nodes),
    x = found$problem,
    i = "Use `nAGQ = 1` for the Laplace approximation."
  )
}

# The reason why a model doesn't suit quadrature with so many nodes, and the allowed values of
# `nAGQ`.
quadrature_problem <- function(nodes, random) {
  groups <- unique(vapply(random, \(term) term$group, ""))
  unsuited <- unsuited_for_quadrature(groups, random)
  if (!is.null(unsuited)) {
    return(list(problem = unsuited, must = "0 or 1"))
  }
  effects <- sum(lengths(lapply(random, `[[`, "columns")))
  if (nodes^effects > 1e6) too_many_nodes(effects, groups)
}

# The reason why a model doesn't suit quadrature with any number of nodes; `NULL` if it does.
unsuited_for_quadrature <- function(groups, random) {
  if (length(groups) > 1L) {
    return(sprintf(
      "It has the grouping factors %s; quadrature needs a single one.",
      enumerate(tick(groups))
    ))
  }
  correlated <- Find(\(term) has_rho(term$structure), random)
  if (!is.null(correlated)) {
    sprintf(
      "It has the term %s; quadrature is for `us()` and `diag()`.",
      tick(correlated$label)
    )
  }
}

too_many_nodes <- function(effects, group) {
  problem <- sprintf(
    "With %s random effects per level of %s that is more than a million nodes.",
    effects,
    tick(group)
  )
  most <- max(1, floor(1e6^(1 / effects) + 1e-9))
  list(problem = problem, must = paste("at most", most))
}

abort_nodes <- function(..., class = NULL) {
  abort_rlmm(c(...), c("rlmm_error_nagq", class), arg = "nAGQ")
}

# Which approximation to the likelihood of a generalized model, and how its dispersion is treated:
# the element `glmm` of the spec.

dispersion_kinds <- c("profiled", "moment", "estimated")

information_kinds <- c("expected", "observed")

#' The arguments of rglmm() that say what is maximised, checked
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

# A family object may say which information it takes by default.
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
  kind <- approximation$dispersion
  list(
    shape = if (kind == "profiled") residual_df(spec) else 1,
    shape_kind = kind
  )
}

# The family's parameter is known, or is estimated from where the response lets it start.
parameter_settings <- function(known, start, y) {
  if (is.na(known)) {
    list(shape = start(y), shape_kind = "estimated")
  } else {
    list(shape = known, shape_kind = "known")
  }
}

#' Observations less the rank of `[X Z]`
#' @noRd
residual_df <- function(spec) {
  n <- length(spec$y)
  used <- (spec$weights %||% rep(1, n)) > 0
  x <- Matrix::Matrix(unit_columns(column_matrix(spec$x, n)), sparse = TRUE)
  z <- do.call(cbind, lapply(spec$terms, unit_z))
  counts <- spec$counts %||% rep(1, n)
  df <- sum(counts[used]) - rank_of(cbind(x, z)[used, , drop = FALSE])
  if (df > 0) df else abort_no_df()
}

# Z of a term, with covariates in the unit of their own spread.
unit_z <- function(core_term) {
  z <- unit_columns(column_matrix(core_term$z, length(core_term$refs)))
  columns <- seq_len(ncol(z))
  core_term$z <- lapply(columns, \(j) z[, j])
  sparse_z(core_term)
}

# Columns that span the same space, whatever the units and origins of covariates.
unit_columns <- function(x) {
  x <- centred(x)
  sizes <- apply(abs(x), 2L, max, 0)
  sweep(x, 2L, ifelse(sizes > 0, sizes, 1), "/")
}

#' The rank of a sparse matrix
#'
#' Pivots of the cross-product tell it, the largest first, as long as that is small: those of a
#' sparse QR decomposition depend on the order of the rows.
#' @noRd
rank_of <- function(m) {
  lengths <- sqrt(Matrix::colSums(m^2))
  m <- m[, lengths > 0, drop = FALSE]
  m <- m %*% Matrix::Diagonal(x = 1 / lengths[lengths > 0])
  if (ncol(m) > 1000L) {
    return(as.integer(Matrix::rankMatrix(m, method = "qr", warn.t = FALSE)))
  }
  products <- as.matrix(Matrix::crossprod(m))
  attr(suppressWarnings(chol(products, pivot = TRUE, tol = 1e-11)), "rank")
}

# The number of arguments of the objective behind theta: beta, unless PIRLS finds it, and the
# logarithm of an estimated shape.
glmm_arguments <- function(spec) {
  (if (spec$glmm$fast) 0 else count_columns(spec$x)) +
    estimates_shape(spec$glmm)
}

# Errors --------------------------------------------------------------------

abort_information <- function(information, name, known) {
  abort_rlmm(
    c(
      paste0("`information` must be ", in_quotes(known), " for this family."),
      x = sprintf(
        "It is %s, of which no closed form is known for %s.",
        in_quotes(information),
        family_label(name)
      )
    ),
    c("rlmm_error_information", "rlmm_error_argument"),
    arg = "information"
  )
}

abort_no_df <- function() {
  abort_rlmm(
    c(
      "The model leaves no degrees of freedom for the dispersion.",
      x = paste(
        "The fixed and random effects have as many independent columns",
        "as there are observations."
      ),
      i = "Leave out a random effect for each observation, or use `dispersion = \"estimated\"`?"
    ),
    "rlmm_error_dispersion",
    arg = "dispersion"
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
  if (is_number(nodes) && nodes >= 0 && nodes <= 100 && nodes == round(nodes)) {
    return(invisible())
  }
  abort_nodes("`nAGQ` must be a whole number from 0 to 100.", x = it_is(nodes))
}

#' Check that the model suits quadrature
#'
#' Quadrature is over the effects of one level at a time, all nodes of one with all of another.
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

# What makes the model unfit for quadrature, if anything, and how many nodes it may have.
quadrature_problem <- function(nodes, random) {
  groups <- unique(vapply(random, \(term) term$group, ""))
  unsuited <- unsuited_for_quadrature(groups, random)
  if (!is.null(unsuited)) {
    return(list(problem = unsuited, must = "0 or 1"))
  }
  effects <- sum(lengths(lapply(random, `[[`, "columns")))
  if (nodes^effects > 1e6) too_many_nodes(effects, groups)
}

# What keeps a model from quadrature with any number of nodes; `NULL` if nothing does.
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

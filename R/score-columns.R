# Derivatives in covariances by way of orthogonal columns. With Z = Q R, the effects of Q have the
# covariance R Omega R', which is linear in Omega. If a covariate is far from zero, only derivatives
# in that covariance have correct digits.

#' A fit at a point, in orthogonal columns of its unstructured terms
#' @param point The result of [parameter_point()].
#' @return A list: `fit`, `point`, and `map`, the derivative of the fit's covariances in those of
#'   the given columns, with the residual variance last; without `map` where the columns are these.
#' @noRd
in_columns_of_score <- function(object, point) {
  given <- list(fit = object, point = point)
  if (point$kind == "sqrt") {
    return(given)
  }
  object$theta <- point$theta
  near <- in_orthogonal_columns(object)
  roots <- near$basis$random
  if (all(lengths(roots) == 0L)) {
    return(given)
  }
  point$theta <- near$theta
  list(fit = near, point = point, map = covariance_map(object, roots))
}

# The derivative of the covariances of effects R b in those of b, for all terms.
covariance_map <- function(object, roots) {
  map <- diag(length(object$theta) + 1L)
  for (i in which(lengths(roots) > 0L)) {
    term <- object$random[[i]]
    map[term$theta, term$theta] <- term_covariance_map(term, roots[[i]])
  }
  map
}

term_covariance_map <- function(term, root) {
  cells <- covariance_cells(term)
  both <- function(row, col) {
    half <- root[cells[, "row"], row] * root[cells[, "col"], col]
    other <- root[cells[, "row"], col] * root[cells[, "col"], row]
    if (row == col) half else half + other
  }
  mapply(both, cells[, "row"], cells[, "col"])
}

#' The gradient, or the Hessian, in the covariances of the given columns
#' @param near The result of [in_columns_of_score()].
#' @noRd
slopes_in_given <- function(slopes, near) {
  if (is.null(near$map)) {
    return(slopes)
  }
  kept <- seq_along(slopes)
  drop(crossprod(near$map[kept, kept], slopes))
}

curvature_in_given <- function(hessian, near) {
  if (is.null(near$map)) {
    return(hessian)
  }
  kept <- seq_len(nrow(hessian))
  map <- near$map[kept, kept]
  crossprod(map, hessian %*% map)
}

#' Conditional variances of the random effects
#'
#' The conditional covariance matrices of the random effects given the data, at the estimated
#' parameters: the diagonal blocks of `sigma^2 Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda'`.
#'
#' For a generalized model W contains the working weights at the conditional modes: the variances
#' are those of the normal approximation to the conditional density.
#'
#' @param object A fitted model.
#' @param scaled Whether to multiply by the residual variance.
#' @param joint Whether to combine the terms with the same grouping factor: `(1 | g) + (0 + x | g)`
#'   then has one array with the covariances of the effects of both terms.
#' @param x The result of `condVar()`.
#' @param ... Not used.
#' @return `condVar()`: a list with a k x k x l array for each random-effects term (k effects for
#'   each of l levels) in the order of [VarCorr()][VarCorr.rlmm], or with `joint = TRUE` for each
#'   grouping factor. `as.data.frame()`: a data frame with a row for each variance (`var2` is `NA`)
#'   and covariance of each level and the columns `grpvar`, `grp`, `var1`, `var2`, `vcov` and
#'   `sdcor` (the standard deviation or the correlation), as for `as.data.frame(VarCorr(fit))`.
#' @seealso [raneftables()] for tables with a row for each level.
#' @examples
#' fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
#' condVar(fit)$Batch[1, 1, ]
#' as.data.frame(condVar(fit))
#' @export
condVar.rlmm <- function(object, scaled = TRUE, joint = FALSE, ...) {
  refuse_dots(...)
  check_flag(scaled, "scaled")
  check_flag(joint, "joint")
  scale <- if (scaled) effects_sigma(object)^2 else 1
  variances <- lapply(fit_cond_var(object), `*`, scale)
  terms <- if (joint) joined_terms(object) else object$random
  arrays <- lapply(terms, conditional_covariances, variances)
  names <- if (joint) unique(term_groups(object)) else component_names(object)
  structure(stats::setNames(arrays, names), class = "condVar.rlmm")
}

# The conditional covariance matrices of a term's random effects, with a matrix for each level.
conditional_covariances <- function(term, variances) {
  own <- term$core_cols
  out <- variances[[term$core_term]][own, own, , drop = FALSE]
  dimnames(out) <- list(term$columns, term$columns, term$levels)
  out
}

# The terms of each grouping factor combined, as in the core.
joined_terms <- function(fit) {
  groups <- term_groups(fit)
  lapply(unique(groups), \(group) {
    terms <- fit$random[groups == group]
    joined <- terms[[1L]]
    for (part in c("columns", "core_cols")) {
      joined[[part]] <- unlist(lapply(terms, `[[`, part))
    }
    joined
  })
}

#' @rdname condVar.rlmm
#' @export
as.data.frame.condVar.rlmm <- function(x, ...) {
  warn_of_dots(..., also = data_frame_arguments)
  parts <- Map(covariance_table, names(x), unclass(x))
  out <- do.call(rbind, unname(parts))
  out$grp <- factor(out$grp, unique(out$grp))
  out
}

# The variances and then the covariances of each level of one term.
covariance_table <- function(name, covariances) {
  effects <- dimnames(covariances)[[1L]]
  levels <- dimnames(covariances)[[3L]]
  cells <- variances_then_covariances(length(effects))
  first <- cells[, 1L]
  second <- cells[, 2L]
  values <- cell_values(covariances, first, second)
  standard <- as_sds_and_correlations(values, first, second)
  by_cell <- \(labels) rep(labels, each = length(levels))
  data.frame(
    grpvar = name,
    grp = rep(levels, nrow(cells)),
    var1 = by_cell(effects[first]),
    var2 = by_cell(ifelse(first == second, NA, effects[second])),
    vcov = as.vector(values),
    sdcor = as.vector(standard)
  )
}

# Elements of each level's covariance matrix, with a column for each pair of effects.
cell_values <- function(covariances, first, second) {
  cell <- \(row, column) covariances[row, column, ]
  values <- mapply(cell, first, second)
  matrix(values, dim(covariances)[3L])
}

# Converts columns of variances and covariances of the effects `first` and `second` to standard
# deviations and correlations.
as_sds_and_correlations <- function(values, first, second) {
  is_variance <- first == second
  sd <- sqrt(values[, is_variance, drop = FALSE])
  size <- sd[, first, drop = FALSE] * sd[, second, drop = FALSE]
  size[, is_variance] <- sd
  values / size
}

# The rows and columns of the variances of k effects, followed by those of their covariances.
variances_then_covariances <- function(k) {
  lower <- which(lower.tri(diag(k)), arr.ind = TRUE)
  diagonal <- cbind(seq_len(k), seq_len(k))
  rbind(diagonal, lower[, 2:1, drop = FALSE])
}

#' @export
print.condVar.rlmm <- function(x, ...) {
  print(unclass(x), ...)
  invisible(x)
}

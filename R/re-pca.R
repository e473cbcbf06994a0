#' Principal components of the random effects
#'
#' The principal components of the covariance matrix of the random effects for each grouping factor,
#' on the scale of the residual standard deviation. A component with standard deviation zero is a
#' direction in which the levels don't vary: the fit is singular.
#'
#' As in lme4, effects are not scaled, so that the components depend on the units of the covariates.
#' [is_singular()] and the message after a fit scale each effect by its column of the model matrix
#' instead.
#'
#' @param x A fitted model; for the methods of the result, the result of `rePCA()`.
#' @param corr Whether to analyse the correlation matrix.
#' @param ... Passed to the method of `prcomp` objects.
#' @return A list of class `"prcomplist"` with a `prcomp` object for each grouping factor.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' rePCA(fit)
#' summary(rePCA(fit))
#' @export
#' @rawNamespace S3method(lme4::rePCA, rlmm)
rePCA.rlmm <- function(x, corr = FALSE, ...) {
  refuse_dots(...)
  check_flag(corr, "corr")
  groups <- term_groups(x)
  templates <- lambda_templates(x)
  analyses <- lapply(stats::setNames(nm = unique(groups)), \(group) {
    principal_components(block_diagonal(templates[groups == group]), corr)
  })
  structure(analyses, class = c("rlmm_pca", "prcomplist"))
}

principal_components <- function(template, corr) {
  if (corr) {
    length_of_row <- sqrt(rowSums(template^2))
    # A row of zeros is kept, as an effect without variance has no correlations.
    template <- template / ifelse(length_of_row == 0, 1, length_of_row)
  }
  decomposition <- svd(template, nv = 0)
  structure(
    list(
      sdev = decomposition$d,
      rotation = structure(
        decomposition$u,
        dimnames = list(rownames(template), NULL)
      ),
      center = FALSE,
      scale = FALSE
    ),
    class = "prcomp"
  )
}

block_diagonal <- function(blocks) {
  sizes <- vapply(blocks, nrow, 1L)
  out <- matrix(
    0,
    sum(sizes),
    sum(sizes),
    dimnames = list(unlist(lapply(blocks, rownames)), NULL)
  )
  ends <- cumsum(sizes)
  for (i in seq_along(blocks)) {
    at <- ends[i] - sizes[i] + seq_len(sizes[i])
    out[at, at] <- blocks[[i]]
  }
  out
}

#' @rdname rePCA.rlmm
#' @param object The result of `rePCA()`.
#' @export
summary.rlmm_pca <- function(object, ...) {
  refuse_dots(...)
  structure(
    lapply(object, summary, ...),
    class = c("summary.rlmm_pca", "summary.prcomplist")
  )
}

#' @export
print.rlmm_pca <- function(x, ...) print_each(x, ...)

#' @export
print.summary.rlmm_pca <- function(x, ...) print_each(x, ...)

print_each <- function(x, ...) {
  for (group in names(x)) {
    cat("$", group, "\n", sep = "")
    print(x[[group]], ...)
    cat("\n")
  }
  invisible(x)
}

#' Principal components of the random effects
#'
#' The principal components of the random effects' covariance matrix, one analysis per grouping
#' factor, on the scale of the residual standard deviation. A component with standard deviation zero
#' is a direction in which the levels don't vary: the fit is singular.
#'
#' As in lme4 the effects are in their own units, so that the components depend on the units of the
#' covariates. [is_singular()] and the message after a fit, which must not, take each effect in
#' units of its column of the model matrix.
#'
#' @param x A fit; for the methods of the result, what `rePCA()` returned.
#' @param corr Analyse the correlation matrix instead?
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
    # A row of zeros stays: an effect without variance has no correlation to analyse.
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
#' @param object What `rePCA()` returned.
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

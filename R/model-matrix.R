#' Model matrices
#'
#' The model matrices X and Z of a fit, computed from its stored model frame, and the condition
#' number of X.
#'
#' @param object,z A fitted model.
#' @param type The matrix to return: `"fixed"` is X without dropped columns; `"random"` is Z, a
#'   sparse matrix with columns ordered by term, then level, then effect; `"randomListRaw"` is a
#'   list with the n x k matrix of the effects of each random-effects term.
#' @param exact,norm As in [kappa()] for a matrix.
#' @param ... Not used.
#' @return A matrix with the attributes `assign` and, if the model has factors, `contrasts`; for
#'   `"random"` a `dgCMatrix`; for `"randomListRaw"` a list of matrices. `kappa()` returns a number.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' head(model.matrix(fit))
#' dim(model.matrix(fit, "random"))
#' kappa(fit, exact = TRUE)
#' @importFrom stats model.matrix
#' @export
model.matrix.rlmm <- function(
  object,
  type = c("fixed", "random", "randomListRaw"),
  ...
) {
  warn_of_dots(...)
  switch(
    one_of(type, c("fixed", "random", "randomListRaw"), "type"),
    fixed = {
      abort_if_large(object, "The model matrix")
      user_fixed_matrix(object)
    },
    random = random_matrix(object),
    randomListRaw = {
      labels <- vapply(object$random, `[[`, "", "label")
      stats::setNames(
        lapply(object$random, \(term) {
          user_matrix(object, term$effects, term$contrasts)
        }),
        labels
      )
    }
  )
}

#' @rdname model.matrix.rlmm
#' @export
kappa.rlmm <- function(z, exact = FALSE, norm = NULL, ...) {
  refuse_dots(...)
  check_flag(exact, "exact")
  if (!is.null(norm)) {
    norm <- one_of(norm, c("2", "1", "O", "I"), "norm")
  }
  abort_if_large(z, "The model matrix")
  kappa(user_fixed_matrix(z), exact = exact, norm = norm)
}

user_fixed_matrix <- function(fit) {
  x <- user_matrix(
    fit,
    stats::delete.response(fit$fixed$terms),
    fit$fixed$contrasts
  )
  if (length(fit$fixed$dropped) == 0) {
    return(x)
  }
  kept <- match(fit$fixed$names, colnames(x))
  structure(
    x[, kept, drop = FALSE],
    assign = attr(x, "assign")[kept],
    contrasts = attr(x, "contrasts")
  )
}

user_matrix <- function(fit, terms, contrasts) {
  frame <- fit_frame(fit)
  attr(frame, "terms") <- terms
  stats::model.matrix.default(terms, frame, contrasts.arg = contrasts)
}

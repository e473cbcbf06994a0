# Renames the response of a fit.

#' A fit with another expression as its response, in all of its fields
#' @noRd
rename_response <- function(fit, expr) {
  fit$formula[[2]] <- expr
  fit$call$formula <- fit$formula
  fit$fixed$terms <- rename_in_terms(fit$fixed$terms, expr)
  terms <- attr(fit$frame, "terms")
  attr(fit$frame, "terms") <- rename_in_terms(terms, expr)
  names(fit$frame)[1] <- deparse_one(expr)
  fit
}

rename_in_terms <- function(terms, expr) {
  terms[[2]] <- expr
  for (part in c("variables", "predvars")) {
    if (!is.null(attr(terms, part))) {
      attr(terms, part)[[2]] <- expr
    }
  }
  name <- deparse_one(expr)
  if (length(attr(terms, "factors")) > 0) {
    rownames(attr(terms, "factors"))[1] <- name
  }
  names(attr(terms, "dataClasses"))[1] <- name
  terms
}

#' Several fits as a list
#'
#' `c()` of fits is the list of them, as for lme4's, for `sapply(c(fit1, fit2), AIC)` and the like.
#' The first must be a fit of rlmm; the others may be fits of any package, or lists of fits.
#'
#' @param ... Fits, or lists of them. Names become those of the list.
#' @return A list.
#' @examples
#' fit1 <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' fit2 <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' sapply(c(intercepts = fit1, slopes = fit2), AIC)
#' @export
c.rlmm <- function(...) {
  as_list <- \(x) if (is_list_of_fits(x)) x else list(x)
  do.call(c, lapply(list(...), as_list))
}

# Whether something is a list that may hold fits, and not a fit that is a list.
is_list_of_fits <- function(x) is.list(x) && !is.object(x)

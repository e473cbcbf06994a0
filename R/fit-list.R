#' Several fits as a list
#'
#' `c()` combines fits in a list, as for lme4's fits, for use in `sapply(c(fit1, fit2), AIC)` and
#' similar calls. The first must be a fit of rlmm; the others may be fits of any package, or lists
#' of fits.
#'
#' @param ... Fits or lists of fits. Names become those of the list.
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

# Whether an object is a plain list, and not a fit.
is_list_of_fits <- function(x) is.list(x) && !is.object(x)

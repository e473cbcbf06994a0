# rglmm_nb(): negative binomial models with their theta estimated.

#' Fit a negative binomial mixed model
#'
#' The variance of a response with mean mu is `mu + mu^2 / theta`. Theta is a parameter like the
#' others: all are estimated together, with the exact gradient, where `lme4::glmer.nb()` searches
#' for theta around repeated fits.
#'
#' By default the Laplace approximation is lme4's. With `information = "observed"` it is the model
#' of `glmmTMB(family = nbinom2)`, and of `rglmm(family = nbinom2())`, see [nbinom2()].
#'
#' Without overdispersion theta tends to infinity, and the model to the Poisson model; the fit says
#' so.
#'
#' @inheritParams rglmm
#' @param link `"log"`, `"sqrt"` or `"identity"`.
#' @param ... Further arguments of [rglmm()], such as `weights`, `offset`, `nAGQ`, `control`,
#'   `information`.
#' @return A fit as [rglmm()] returns it. `getME(fit, "glmer.nb.theta")` is theta, and
#'   `summary(fit)$shape` has its standard error; `family(fit)` is the family at this theta.
#' @examples
#' fit <- rglmm_nb(TICKS ~ YEAR + scale(HEIGHT) + (1 | BROOD), grouseticks)
#' fit
#' getME(fit, "glmer.nb.theta")
#' summary(fit)$shape
#' @export
rglmm_nb <- function(formula, data = NULL, ..., link = "log") {
  call <- match.call()
  if ("family" %in% ...names()) {
    abort_nb_family()
  }
  check_nb_link(link)
  check_nb_dots(...)
  inner <- call
  inner[[1L]] <- rglmm
  inner$link <- NULL
  inner$family <- nb_family(link = link)
  fit <- eval(inner, parent.frame())
  # With `devFunOnly` it is no fit.
  if (is.function(fit)) {
    return(fit)
  }
  fit$call <- call
  fit
}

# Names of arguments that rglmm() doesn't have either, told in the name of rglmm_nb().
check_nb_dots <- function(...) {
  known <- names(formals(rglmm))
  unknown <- Filter(nzchar, dots_names(...))
  # Names before the dots may be abbreviated.
  short <- known[seq_len(match("...", known) - 1L)]
  is_known <- unknown %in% known | !is.na(pmatch(unknown, short, NA, TRUE))
  unknown <- unknown[!is_known]
  if (length(unknown) == 0L) {
    return(invisible())
  }
  name <- unknown[1L]
  hint <- if (name %in% names(nb_arguments_elsewhere)) {
    c(i = nb_arguments_elsewhere[[name]])
  }
  expr <- as.list(substitute(list(...)))[[name]]
  hint <- hint %||%
    foreign_hint(name, expr, "rglmm") %||%
    did_you_mean(name, setdiff(known, "..."))
  abort_unknown_argument("rglmm_nb", name, hint)
}

# Arguments of `lme4::glmer.nb()` and of families, for a theta that is searched for or known.
nb_arguments_elsewhere <- local({
  together <- "Leave it out: theta is estimated together with the other parameters."
  known <- "For a known theta write `rglmm(family = MASS::negative.binomial(theta))`."
  list(
    interval = together,
    tol = together,
    nb.control = together,
    initCtrl = together,
    theta = known,
    init.theta = together
  )
})

abort_nb_family <- function() {
  abort_rlmm(
    c(
      "`rglmm_nb()` has no argument `family`: it is the negative binomial.",
      i = "For a known theta use `rglmm(family = MASS::negative.binomial(theta))`."
    ),
    c("rlmm_error_family", "rlmm_error_unknown_argument"),
    arg = "family"
  )
}

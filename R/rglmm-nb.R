# rglmm_nb(): negative binomial models with an estimated theta.

#' Fit a negative binomial mixed model
#'
#' Fits a model in which the variance of a response with mean mu is `mu + mu^2 / theta`. Theta is
#' estimated together with all other parameters by maximum likelihood, with the exact gradient;
#' `lme4::glmer.nb()` alternates between theta and the other parameters.
#'
#' By default the Laplace approximation is that of lme4. With `information = "observed"` the fit is
#' that of `glmmTMB(family = nbinom2)` and of `rglmm(family = nbinom2())`, see [nbinom2()].
#'
#' Without overdispersion, theta tends to infinity and the model tends to the Poisson model, which a
#' message reports.
#' @inheritParams rglmm
#' @param formula A two-sided formula as in lme4, such as `y ~ x + (x | g)`; see [rlmm()]. The
#'   response is a count.
#' @param link The link: `"log"`, `"sqrt"` or `"identity"`.
#' @param ... Further arguments of [rglmm()], such as `weights`, `offset`, `nAGQ`, `control` or
#'   `information`.
#' @return A fitted model as from [rglmm()]. `getME(fit, "glmer.nb.theta")` is theta,
#'   `summary(fit)$shape` includes its standard error (`NA` if the counts show no overdispersion),
#'   and `family(fit)` is the family at this theta.
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
  # With `devFunOnly` the result is a function.
  if (is.function(fit)) {
    return(fit)
  }
  given <- environment(formula)
  fit$call <- with_call_moved(call, given, environment(fit$formula))
  fit
}

# Raises errors about unknown arguments as errors of rglmm_nb() rather than rglmm().
check_nb_dots <- function(...) {
  known <- names(formals(rglmm))
  unknown <- Filter(nzchar, dots_names(...))
  # Arguments before the dots may be abbreviated.
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

# Arguments of `lme4::glmer.nb()` and of families about theta.
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

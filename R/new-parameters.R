# The parameters for prediction or simulation: the estimates, or those in `newparams`.

#' The estimates, or the parameters in `newparams`
#' @return A list: `beta`, `theta`, `sigma`, `b`, and `estimated`, whether no parameter was
#'   replaced.
#' @noRd
model_parameters <- function(fit, newparams) {
  par <- fit[c("beta", "theta", "sigma", "b")]
  par$estimated <- is.null(newparams)
  if (par$estimated) {
    return(par)
  }
  check_newparams(newparams, lengths(fit[c("beta", "theta", "sigma")]))
  par[names(newparams)] <- lapply(newparams, as.double)
  if (!is.null(newparams$theta)) {
    par$b <- effects_at(fit, par$theta)
  }
  par
}

# The random effects at another theta, with the spherical effects of the fit.
effects_at <- function(fit, theta) {
  scaled <- \(u, term) tcrossprod(u, lambda_block(term, theta))
  Map(scaled, fit$u, fit$random)
}

check_newparams <- function(newparams, expected) {
  named <- is.list(newparams) && length(names(newparams)) == length(newparams)
  if (!named || !all(names(newparams) %in% names(expected))) {
    abort_newparams(
      "It must be a list with any of the elements `beta`, `theta`, and `sigma`."
    )
  }
  for (name in names(newparams)) {
    check_newparam(newparams[[name]], name, expected[name])
  }
}

check_newparam <- function(x, name, n) {
  if (!is.numeric(x) || length(x) != n) {
    numbers <- plural(n, "number")
    abort_newparams(sprintf(
      "`%s` must hold %s, not %s.",
      name,
      numbers,
      length(x)
    ))
  }
}

abort_newparams <- function(found) {
  abort_argument("Can't use `newparams`.", x = found, arg = "newparams")
}

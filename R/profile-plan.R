# Selects how the points of a profile are fitted, by the kind of parameter.

#' The plan for fitting the other parameters with one at a given value
#' @return A list: `job`, a function of the value and of the `state` of a point nearby that returns
#'   a job for the core, and `finish`, a function of its result and the value; or `search`, a
#'   function of value and state that fits.
#' @noRd
refit_plan <- function(problem, name) {
  switch(
    problem$kinds[[name]],
    beta = beta_plan(problem, name),
    sigma = sigma_plan(problem),
    sd = sd_plan(problem, problem$pieces[[name]]),
    variance = of_root(sd_plan(problem, problem$pieces[[name]])),
    covariance = covariance_plan(problem, problem$pieces[[name]]),
    residual = of_root(sigma_plan(problem)),
    cor = cor_plan(problem, problem$pieces[[name]])
  )
}

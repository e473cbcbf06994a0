# Which kind of fit makes the points of a profile, by the kind of its parameter.

#' How the other parameters are fitted with one at a value
#' @return A list: `job`, a function of the value and of the `state` of a point
#'   nearby, what the core is to fit, and `finish`, a function of what it found
#'   and of the value; or `search`, a function of value and state that fits.
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

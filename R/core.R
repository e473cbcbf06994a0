# The one file that calls Rust. Arguments and results are those of ARCHITECTURE.md; errors come back as data
# and become conditions here.

core_fit <- function(spec, start = NULL, control = list()) {
  control$progress <- isTRUE(control$progress %||% interactive())
  est <- unwrap(rust_lmm_fit(spec, as.double(start), control))
  tolerances <- c("ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs", "max_eval", "max_time")
  est$optsum[tolerances] <- control[tolerances]
  est
}

core_estimates <- function(spec, theta) {
  unwrap(rust_lmm_estimates(spec, as.double(theta)))
}

# One theta, or a matrix with one theta per column.
core_objective <- function(spec, thetas) {
  unwrap(rust_lmm_objective(spec, as.double(thetas)))
}

core_cond_var <- function(spec, theta) {
  unwrap(rust_lmm_cond_var(spec, as.double(theta)))
}

core_leverage <- function(spec, theta) {
  unwrap(rust_lmm_leverage(spec, as.double(theta)))
}

unwrap <- function(result) {
  if (inherits(result, "rlmm_core_error")) abort_core(result)
  result
}

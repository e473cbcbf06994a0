# Theta and the other arguments of the objective: their names and numbers.

theta_per_term <- function(fit) {
  vapply(fit$random, \(term) length(term$theta), 1L)
}

named_theta <- function(fit, theta) {
  stats::setNames(theta, theta_names(fit$random))
}

#' Names of the arguments of the objective
#' @noRd
parameter_names <- function(fit) UseMethod("parameter_names")

#' @export
parameter_names.rlmm_lmm <- function(fit) theta_names(fit$random)

#' @export
parameter_names.rlmm_glmm <- function(fit) {
  c(
    theta_names(fit$random),
    if (!fit$glmm$fast) names(fit$beta),
    if (estimates_shape(fit$glmm)) {
      sprintf("log(%s)", family_row(fit$glmm$family)$shape$name)
    }
  )
}

#' lme4's names of theta: "Subject.(Intercept)", "Subject.Days.(Intercept)", "Subject.Days"
#' @noRd
theta_names <- function(random) {
  labels <- Map(
    \(term, roles) {
      paste(term$group, theta_labels(term, roles), sep = ".")
    },
    random,
    core_structures(random)
  )
  unlist(labels, use.names = FALSE)
}

# The number of arguments of the objective.
n_arguments <- function(spec) {
  random <- Filter(\(term) !is_fixed_term(term), spec$terms)
  theta <- vapply(
    random,
    \(core_term) sum(mapply(n_theta, core_term$part_kind, core_term$part_size)),
    1
  )
  sum(theta) + if (is.null(spec$glmm)) 0 else glmm_arguments(spec)
}

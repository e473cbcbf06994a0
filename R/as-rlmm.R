# From lme4's objects to fits of ours.

#' @rdname as_merMod
#' @export
as_rlmm <- function(x, ...) {
  if (inherits(x, "rlmm")) {
    return(x)
  }
  if (!inherits(x, "lmerMod") && !inherits(x, "glmerMod")) {
    abort_rlmm(
      c(
        "`x` must be a fit of lme4.",
        x = paste0("It is ", describe_type(x), ".")
      ),
      "rlmm_error_as_rlmm"
    )
  }
  need_package("lme4", "as_rlmm()")
  arguments <- rlmm_arguments(x)
  made <- if (inherits(x, "glmerMod")) {
    glmm_at(x, arguments)
  } else {
    lmm_at(x, arguments)
  }
  made$call <- rlmm_call(x)
  made
}

rlmm_arguments <- function(x) {
  frame <- stats::model.frame(x)
  extras <- list(
    weights = frame[["(weights)"]],
    offset = frame[["(offset)"]]
  )
  list(
    formula = stats::formula(x),
    data = fitted_data(x, frame),
    extras = drop_null(extras)
  )
}

# The rows of the data that were fitted, or the model frame where they can't be found.
fitted_data <- function(x, frame) {
  env <- environment(stats::formula(x))
  expr <- stats::getCall(x)$data
  data <- tryCatch(eval(expr, env), error = \(cnd) NULL)
  rows <- if (is.data.frame(data)) match(row.names(frame), row.names(data))
  if (length(rows) == 0L || anyNA(rows)) {
    return(frame)
  }
  data[rows, , drop = FALSE]
}

lmm_at <- function(x, arguments) {
  design <- model_design(
    arguments$formula,
    arguments$data,
    REML = lme4::isREML(x),
    control = quiet_control(),
    extras = lapply(arguments$extras, rlang::new_quosure, env = baseenv())
  )
  theta <- as.double(lme4::getME(x, "theta"))
  est <- core_fit(design$spec, theta, stay_at(design, theta))
  new_fit(design, at_theta(est, design$spec, theta), NULL, design$control)
}

glmm_at <- function(x, arguments) {
  likelihood <- glmer_likelihood(x)
  extras <- lapply(arguments$extras, rlang::new_quosure, env = baseenv())
  design <- model_design(
    arguments$formula,
    arguments$data,
    FALSE,
    quiet_control(),
    extras,
    approximation = likelihood
  )
  est <- estimates_of(x, design, likelihood$fast)
  new_glmm_fit(design, est, NULL, design$control)
}

# How lme4 approximates the likelihood of a generalized fit.
glmer_likelihood <- function(x) {
  is_old <- utils::packageVersion("lme4") < "2.0"
  glmm_approximation(
    read_family(stats::family(x), baseenv()),
    x@devcomp$dims[["nAGQ"]],
    fast = FALSE,
    if (is_old) "moment" else "profiled",
    "expected"
  )
}

# What the core says of the estimates of another program.
estimates_of <- function(x, design, fast) {
  theta <- as.double(lme4::getME(x, "theta"))
  beta <- as.double(lme4::fixef(x))
  start <- list(theta = theta, beta = beta)
  est <- core_glmm_fit(design$spec, start, stay_at(design, theta))
  parameters <- if (fast) theta else c(theta, beta)
  exact <- core_glmm_estimates(design$spec, parameters)
  est[names(exact)] <- exact
  est
}

# The control of a search with nothing to search.
stay_at <- function(design, theta) {
  held <- held_theta(design$control, design$random, design$spec$sigma)
  control <- core_control(design$control, 0L, design, held)
  control$held <- seq_along(theta) - 1L
  control$held_values <- theta
  control
}

at_theta <- function(est, spec, theta) {
  exact <- core_estimates(spec, theta)
  est[names(exact)] <- exact
  est
}

quiet_control <- function() rlmm_control(progress = FALSE)

rlmm_call <- function(x) {
  call <- stats::getCall(x)
  call[[1L]] <- if (inherits(x, "glmerMod")) quote(rglmm) else quote(rlmm)
  call$control <- NULL
  call
}

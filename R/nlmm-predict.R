# Predictions of nonlinear mixed models, their standard errors, and simulated responses.

#' @rdname rnlmm
#' @export
predict.rlmm_nlmm <- function(
  object,
  newdata = NULL,
  re.form = NULL,
  se.fit = FALSE,
  interval = c("none", "confidence", "prediction"),
  level = 0.95,
  ...
) {
  refuse_dots(...)
  check_flag(se.fit, "se.fit")
  interval <- one_of(interval, interval_kinds, "interval")
  check_confidence(level)
  plain <- interval == "none" && !se.fit
  if (is.null(newdata) && is.null(re.form) && plain) {
    return(fitted.rlmm_nlmm(object))
  }
  finish <- nonlinear_finisher(object, newdata)
  found <- nonlinear_predictions(object, newdata, re.form)
  if (plain) {
    return(finish(found$value))
  }
  variance <- nonlinear_error_variance(object, found)
  added <- if (interval == "prediction") {
    outside_variance(object, found, newdata)
  }
  fit <- found$value
  if (interval != "none") {
    errors <- list(variance = variance + (added %||% 0), df = Inf)
    fit <- cbind(fit = fit, normal_limits(fit, errors, level))
  }
  if (!se.fit) {
    return(finish(fit))
  }
  std_error <- with_names(sqrt(variance), names(found$value))
  list(fit = finish(fit), se.fit = finish(std_error))
}

# Predictions for the data of the fit are padded for omitted rows.
nonlinear_finisher <- function(object, newdata) {
  if (is.null(newdata)) {
    \(x) stats::napredict(object$na_action, x)
  } else {
    identity
  }
}

#' Predicted means, and the quantities for their standard errors
#' @return A list: `value`; `gradient`, of the mean in the parameters (n x s); and `rows`, the
#'   result of [prediction_rows()] for the stacked rows of all parameters.
#' @noRd
nonlinear_predictions <- function(object, newdata, re_form) {
  data <- newdata %||% object$frame
  check_newdata_frame(data)
  rows <- stacked_prediction_rows(object, data, re_form)
  eta <- drop(rows$x %*% object$beta) + random_part(rows, object$b)
  phi <- matrix(eta, nrow(data), length(object$parameters))
  check_mean_variables(object, data)
  mean <- fitted_mean_function(object, data)(phi)
  list(
    value = with_names(mean$value, row.names(data)),
    gradient = mean$gradient,
    rows = rows
  )
}

# The mean of a fit's model as a function of its parameters in the rows of the data.
fitted_mean_function <- function(object, data) {
  mean_function(object$parts, object$parameters, data)
}

stacked_prediction_rows <- function(object, data, re_form) {
  shell <- stacked_shell(object)
  use <- selected_effects(shell, re_form)
  new <- new_data(shell, stacked_new_rows(object, data))
  prediction_rows(
    shell,
    use,
    new,
    TRUE,
    left_out = TRUE
  )
}

check_newdata_frame <- function(newdata) {
  if (!is.data.frame(newdata)) {
    abort_argument(
      "`newdata` must be a data frame.",
      x = it_is(newdata),
      arg = "newdata"
    )
  }
}

# Checks that the variables of the mean are in new data.
check_mean_variables <- function(object, data) {
  used <- intersect(all.vars(object$parts$mean), names(object$frame))
  missing <- setdiff(used, names(data))
  if (length(missing) > 0L) {
    mean <- call("list", object$parts$mean)
    abort_missing_column(missing[1L], mean, list(data = data))
  }
}

#' The fit in the form of a linear model of its parameters, on stacked rows
#' @noRd
stacked_shell <- function(object) {
  shell <- linear_shell(object)
  shell$frame <- object$stacked
  shell
}

#' Stacks new data once for each parameter, with its indicators
#' @noRd
stacked_new_rows <- function(object, data) {
  n <- nrow(data)
  s <- length(object$parameters)
  at <- rep(seq_len(n), s)
  rows <- as.data.frame(data)[at, , drop = FALSE]
  row.names(rows) <- NULL
  for (k in seq_len(s)) {
    indicator <- as.double(rep(seq_len(s) == k, each = n))
    rows[[object$parameters[k]]] <- indicator
  }
  rows
}

# Standard errors -------------------------------------------------------------

#' The variances of the errors of means in the linearized model
#' @noRd
nonlinear_error_variance <- function(object, found) {
  rows <- linearized_rows(found)
  parts <- linearized_parts(object, length(rows$effects) > 0L)
  object$sigma^2 * prediction_variance(rows, parts)
}

#' The rows of the parameters, summed with the gradient of the mean as weights
#' @noRd
linearized_rows <- function(found) {
  n <- nrow(found$gradient)
  summed <- \(x) times_gradient(x, found$gradient, n)
  of_effect <- \(effect) {
    effect$z <- summed(effect$z)
    effect$refs <- effect$refs[seq_len(n)]
    effect$labels <- effect$labels[seq_len(n)]
    effect
  }
  list(
    n = n,
    x = summed(found$rows$x),
    effects = lapply(found$rows$effects, of_effect),
    left_out = lapply(found$rows$left_out, of_effect)
  )
}

#' The result of [prediction_parts()] for the linearized model at the estimates
#' @noRd
linearized_parts <- function(object, effects) {
  shell <- stacked_shell(object)
  parts <- list(
    rx = object$rx,
    free = rep(TRUE, length(object$beta)),
    lambda = lambda_blocks(object$random, object$theta)
  )
  if (!effects) {
    return(parts)
  }
  parts$within <- Map(with_unknown_cell, object$cond_var, parts$lambda)
  parts$lambdat <- sparse_lambdat(shell)
  parts$factor <- linearized_factor(object, shell, parts$lambdat)
  parts$shift <- effect_shifts(shell, parts)
  parts$first <- first_rows(shell)
  parts
}

#' The sparse factor of M'M + I, and L^-1 P M' times the linearized X
#' @noRd
linearized_factor <- function(object, shell, lambdat) {
  gradient <- weighted_gradient(object)
  n <- nrow(gradient)
  zl <- Matrix::t(lambdat %*% sparse_zt(shell))
  m <- times_gradient(zl, gradient, n)
  x <- times_gradient(fixed_matrix(shell), gradient, n)
  product <- Matrix::forceSymmetric(Matrix::crossprod(m))
  l <- factor_with_unit(product)
  list(l = l, rzx = solve_lower(l, Matrix::crossprod(m, x)))
}

weighted_gradient <- function(object) {
  gradient <- nonlinear_predictions(object, NULL, NULL)$gradient
  sqrt(object$weights %||% 1) * gradient
}

#' The variance of an observation in addition to the error of its mean: that of the residual and of
#' the effects that the prediction leaves out
#' @noRd
outside_variance <- function(object, found, newdata) {
  lambda <- list(lambda = lambda_blocks(object$random, object$theta))
  drawn <- drawn_variance(linearized_rows(found)$left_out, lambda)
  weights <- nonlinear_weights(object, newdata) %||% 1
  object$sigma^2 * drawn + residual_sd(object$sigma, weights)^2
}

nonlinear_weights <- function(object, newdata) {
  if (is.null(newdata)) {
    return(object$weights)
  }
  new_argument(object, "weights", new_data(object, newdata))
}

# Simulation ------------------------------------------------------------------

#' @rdname rnlmm
#' @export
simulate.rlmm_nlmm <- function(
  object,
  nsim = 1,
  seed = NULL,
  use.u = FALSE,
  re.form = NA,
  ...,
  newdata = NULL
) {
  refuse_dots(...)
  nsim <- check_replicates(nsim, "nsim")
  check_seed(seed)
  check_flag(use.u, "use.u")
  data <- newdata %||% object$frame
  check_newdata_frame(data)
  check_mean_variables(object, data)
  draw <- nonlinear_drawer(object, data, if (use.u) NULL else re.form)
  sd <- residual_sd(object$sigma, nonlinear_weights(object, newdata) %||% 1)
  with_seed(seed, \(start) {
    mean <- draw(nsim)
    y <- mean + sd * stats::rnorm(length(mean))
    columns <- named_simulations(y, row.names(data))
    stored <- is.null(newdata)
    structure(
      if (stored) padded_rows(columns, object) else columns,
      seed = start
    )
  })
}

named_simulations <- function(y, rows) {
  columns <- as.data.frame(y)
  names(columns) <- paste0("sim_", seq_len(ncol(y)))
  row.names(columns) <- rows
  columns
}

# Adds the rows that the fit omitted, if its `na.action` says so.
padded_rows <- function(columns, object) {
  out <- stats::napredict(object$na_action, as.matrix(columns))
  as.data.frame(out)
}

#' A function of nsim that simulates random effects and returns the means, with a column for each
#' simulation
#' @noRd
nonlinear_drawer <- function(object, data, re_form) {
  plan <- stacked_plan(object, data, re_form)
  mean <- fitted_mean_function(object, data)
  s <- length(object$parameters)
  function(nsim) {
    eta <- plan$mean + draw_effects(plan$drawn, s * nrow(data), nsim)
    value <- \(j) mean(matrix(eta[, j], ncol = s))$value
    values <- lapply(seq_len(nsim), value)
    matrix(unlist(values), nrow(data), nsim)
  }
}

stacked_plan <- function(object, data, re_form) {
  shell <- stacked_shell(object)
  hold <- selected_effects(shell, re_form)
  par <- model_parameters(shell, NULL)
  rows <- stacked_new_rows(object, data)
  simulation_plan(
    shell,
    par,
    hold,
    rows,
    TRUE
  )
}

# Fitted values, residuals, predictions, likelihood and formula of the separate fits of lmList().

#' Values of the rows of all groups, in the order of the data
#' @noRd
in_data_order <- function(object, values) {
  group <- attr(object, "group")
  out <- rep(NA_real_, length(group))
  found <- split(seq_along(group), group)
  for (name in names(object)[is_there(object)]) {
    out[found[[name]]] <- values(object[[name]])
  }
  names(out) <- attr(object, "rows")
  stats::naresid(attr(object, "na_action"), out)
}

#' @rdname lmList
#' @export
fitted.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  in_data_order(object, \(fit) fit$fitted.values)
}

#' @rdname lmList
#' @param type The type of residuals, as for [residuals.lm()] and [residuals.glm()], or of
#'   predictions.
#' @export
residuals.rlmm_lmList <- function(object, type = NULL, ...) {
  refuse_dots(...)
  in_data_order(object, \(fit) {
    if (is.null(type)) {
      stats::residuals(fit)
    } else {
      stats::residuals(fit, type = type)
    }
  })
}

#' @rdname lmList
#' @export
predict.rlmm_lmList <- function(object, newdata = NULL, type = NULL, ...) {
  refuse_dots(...)
  of_fit <- \(fit, ...) {
    if (is.null(type)) {
      stats::predict(fit, ...)
    } else {
      stats::predict(fit, ..., type = type)
    }
  }
  if (is.null(newdata)) {
    return(in_data_order(object, of_fit))
  }
  in_new_data(object, newdata, of_fit)
}

# Values from the fit of each row's group; missing if there is none.
in_new_data <- function(object, newdata, get) {
  parts <- group_formula(attr(object, "formula"))
  labels <- eval(parts$group, newdata, environment(parts$formula))
  out <- rlang::rep_named(row.names(newdata), NA_real_)
  fitted <- names(object)[is_there(object)]
  for (name in intersect(fitted, labels)) {
    rows <- which(labels == name)
    own <- newdata[rows, , drop = FALSE]
    out[rows] <- get(object[[name]], own)
  }
  out
}

#' @rdname lmList
#' @export
logLik.rlmm_lmList <- function(object, pool = attr(object, "pool"), ...) {
  refuse_dots(...)
  fits <- unclass(object)[is_there(object)]
  found <- if (!pool || inherits(fits[[1L]], "glm")) {
    lapply(log_likelihoods(fits), sum)
  } else {
    n_coefficients <- sum(vapply(fits, `[[`, 1L, "rank"))
    list(value = pooled_loglik(object, fits), npar = n_coefficients + 1L)
  }
  structure(
    found$value,
    df = found$npar,
    nobs = nobs.rlmm_lmList(object),
    class = "logLik"
  )
}

# The log-likelihood of all groups with one residual standard deviation.
pooled_loglik <- function(object, fits) {
  n <- nobs.rlmm_lmList(object)
  weights <- as.double(unlist(lapply(fits, `[[`, "weights")))
  squares <- sum(residual_parts(object)$squares, na.rm = TRUE)
  variance <- squares / n
  (sum(log(weights[weights > 0])) - n * (log(2 * pi * variance) + 1)) / 2
}

#' @rdname lmList
#' @export
formula.rlmm_lmList <- function(x, ...) {
  refuse_dots(...)
  attr(x, "formula")
}

# The rows with positive weight in the groups that have a fit, to which the likelihood refers.
#' @export
nobs.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  fits <- unclass(object)[is_there(object)]
  sum(vapply(fits, stats::nobs, 1L))
}

#' @export
update.rlmm_lmList <- function(object, formula., ..., evaluate = TRUE) {
  call <- attr(object, "call")
  if (!missing(formula.)) {
    call$formula <- changed_group_formula(attr(object, "formula"), formula.)
  }
  given <- as.list(substitute(list(...)))[-1L]
  for (name in names(given)) {
    call[[name]] <- given[[name]]
  }
  if (evaluate) eval(call, parent.frame()) else call
}

changed_group_formula <- function(old, change) {
  parts <- group_formula(old)
  change <- read_change(change)
  right <- change[[length(change)]]
  is_grouped <- call_name(right) == "|"
  group <- if (is_grouped) right[[3L]] else parts$group
  if (is_grouped) {
    change[[length(change)]] <- right[[2L]]
  }
  new <- stats::update.formula(parts$model, change)
  new[[3L]] <- call("|", new[[3L]], group)
  new
}

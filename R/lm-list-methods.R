# Estimates of each group, and their standard errors.

is_there <- function(fits) lengths(unclass(fits)) > 0L

#' Values of each fit as rows, missing where there is no fit
#' @noRd
row_per_group <- function(object, get, names) {
  rows <- lapply(unclass(object), \(fit) {
    if (is.null(fit)) rep(NA_real_, length(names)) else unname(get(fit)[names])
  })
  matrix(
    unlist(rows, use.names = FALSE),
    length(rows),
    byrow = TRUE,
    dimnames = list(names(object), names)
  )
}

group_coefficients <- function(object) {
  fits <- unclass(object)[is_there(object)]
  names <- unique(unlist(lapply(fits, \(fit) names(fit$coefficients))))
  row_per_group(object, \(fit) fit$coefficients, names)
}

#' Standard errors that a residual standard deviation of one would give
#' @noRd
unscaled_errors <- function(object, names) {
  row_per_group(object, fit_unscaled_errors, names)
}

fit_unscaled_errors <- function(fit) {
  estimated <- seq_len(fit$rank)
  unscaled <- chol2inv(fit$qr$qr[estimated, estimated, drop = FALSE])
  names <- names(fit$coefficients)[fit$qr$pivot[estimated]]
  stats::setNames(sqrt(diag(unscaled)), names)
}

#' The sum of squares and the degrees of freedom of each fit
#' @noRd
residual_parts <- function(object) {
  one <- \(fit) {
    if (is.null(fit)) {
      return(c(NA, NA))
    }
    squares <- if (inherits(fit, "glm")) {
      sum(fit$weights * fit$residuals^2)
    } else {
      sum((fit$weights %||% 1) * fit$residuals^2)
    }
    c(squares, fit$df.residual)
  }
  parts <- vapply(unclass(object), one, c(0, 0))
  list(squares = parts[1L, ], df = parts[2L, ])
}

#' The residual standard deviation and its degrees of freedom for each group, pooled or not
#' @noRd
group_scale <- function(object, pool) {
  parts <- residual_parts(object)
  n <- length(object)
  if (has_known_scale(object)) {
    return(list(sigma = rep(1, n), df = rep(Inf, n)))
  }
  if (!pool) {
    df <- parts$df
    return(list(sigma = sqrt(parts$squares / ifelse(df > 0, df, NA)), df = df))
  }
  df <- sum(parts$df, na.rm = TRUE)
  sigma <- sqrt(sum(parts$squares, na.rm = TRUE) / df)
  list(sigma = rep(sigma, n), df = rep(df, n))
}

has_known_scale <- function(object) {
  fit <- unclass(object)[is_there(object)][[1L]]
  inherits(fit, "glm") && fit$family$family %in% c("binomial", "poisson")
}

#' @rdname lmList
#' @export
coef.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  as.data.frame(group_coefficients(object), optional = TRUE)
}

#' @rdname lmList
#' @export
fixef.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  colMeans(group_coefficients(object), na.rm = TRUE)
}

#' @rdname lmList
#' @export
ranef.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  table <- group_coefficients(object)
  deviations <- sweep(table, 2, colMeans(table, na.rm = TRUE))
  as.data.frame(deviations, optional = TRUE)
}

#' @rdname lmList
#' @export
sigma.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  pool <- attr(object, "pool")
  scale <- group_scale(object, pool)
  if (pool || has_known_scale(object)) {
    scale$sigma[[1L]]
  } else {
    stats::setNames(scale$sigma, names(object))
  }
}

#' @rdname lmList
#' @export
confint.rlmm_lmList <- function(
  object,
  parm = NULL,
  level = 0.95,
  pool = attr(object, "pool"),
  ...
) {
  refuse_dots(...)
  check_confidence(level)
  check_flag(pool, "pool")
  estimates <- group_coefficients(object)
  chosen <- chosen_coefficients(parm, colnames(estimates))
  scale <- group_scale(object, pool)
  quantile <- suppressWarnings(stats::qt((1 + level) / 2, scale$df))
  errors <- scale$sigma * unscaled_errors(object, colnames(estimates))
  both <- c(estimates - quantile * errors, estimates + quantile * errors)
  dimnames <- c(dimnames(estimates), list(limit_names(level)))
  limits <- array(both, c(dim(estimates), 2L), dimnames)
  limits <- aperm(limits, c(1L, 3L, 2L))[,, chosen, drop = FALSE]
  structure(limits, class = "rlmm_lmList_confint")
}

chosen_coefficients <- function(parm, names) {
  parm <- if (is.null(parm)) names else parm
  if (is.numeric(parm)) {
    parm <- names[parm]
  }
  if (anyNA(parm) || !all(parm %in% names)) {
    abort_argument(
      "`parm` must name coefficients.",
      i = paste0("They are ", enumerate(in_quotes(names)), "."),
      arg = "parm"
    )
  }
  parm
}

#' @export
print.rlmm_lmList_confint <- function(x, ...) {
  print(unclass(x), ...)
  invisible(x)
}

# A part of the limits is an array.
#' @export
`[.rlmm_lmList_confint` <- function(x, ...) unclass(x)[...]

#' @rdname lmList
#' @export
summary.rlmm_lmList <- function(object, pool = attr(object, "pool"), ...) {
  refuse_dots(...)
  check_flag(pool, "pool")
  scale <- group_scale(object, pool)
  structure(
    list(
      call = attr(object, "call"),
      coefficients = group_tests(object, scale),
      sigma = stats::setNames(group_scale(object, FALSE)$sigma, names(object)),
      pool = pool,
      RSE = if (pool) scale$sigma[[1L]],
      df.residual = sum(residual_parts(object)$df, na.rm = TRUE),
      known = has_known_scale(object)
    ),
    class = "summary.rlmm_lmList"
  )
}

# Estimates and tests of each coefficient: an array of groups, columns and coefficients.
group_tests <- function(object, scale) {
  estimates <- group_coefficients(object)
  errors <- scale$sigma * unscaled_errors(object, colnames(estimates))
  ratio <- estimates / errors
  p <- 2 * suppressWarnings(stats::pt(-abs(ratio), scale$df))
  letter <- if (has_known_scale(object)) "z" else "t"
  tests <- sprintf(c("%s value", "Pr(>|%s|)"), letter)
  columns <- c("Estimate", "Std. Error", tests)
  table <- array(
    c(estimates, errors, ratio, p),
    c(dim(estimates), 4L),
    c(dimnames(estimates), list(columns))
  )
  aperm(table, c(1L, 3L, 2L))
}

#' @export
print.summary.rlmm_lmList <- function(x, digits = 4, ...) {
  cat("Call:", deparse_one(x$call), "", sep = "\n")
  table <- x$coefficients
  for (name in dimnames(table)[[3L]]) {
    cat(name, "\n", sep = "")
    stats::printCoefmat(
      matrix(table[,, name], nrow(table), dimnames = dimnames(table)[1:2]),
      digits = digits,
      signif.stars = FALSE,
      na.print = "NA"
    )
    cat("\n")
  }
  if (x$pool && !x$known) {
    cat(pooled_line(x$RSE, x$df.residual), "\n", sep = "")
  }
  invisible(x)
}

pooled_line <- function(sigma, df) {
  sprintf(
    "Residual standard error: %s on %s degrees of freedom, pooled.",
    format(sigma, digits = 4),
    format_count(df)
  )
}

#' @rdname lmList
#' @export
print.rlmm_lmList <- function(x, digits = 5, ...) {
  cat("Call:", deparse_one(attr(x, "call")), "", "Coefficients:", sep = "\n")
  print(coef.rlmm_lmList(x), digits = digits, ...)
  df <- residual_parts(x)$df
  if (attr(x, "pool") && !has_known_scale(x)) {
    line <- pooled_line(sigma.rlmm_lmList(x), sum(df, na.rm = TRUE))
    cat("\n", line, "\n", sep = "")
  }
  invisible(x)
}

# Estimates and standard errors of the separate fits of lmList().

is_there <- function(fits) lengths(unclass(fits)) > 0L

#' Values of each fit as rows, missing for failed fits
#' @noRd
row_per_group <- function(object, get, names) {
  rows <- lapply(unclass(object), \(fit) {
    if (is.null(fit)) {
      rep(NA_real_, length(names))
    } else {
      unname(get(fit)[names])
    }
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
  names <- lapply(fits, \(fit) names(fit$coefficients))
  names <- unique(unlist(names))
  row_per_group(object, \(fit) fit$coefficients, names)
}

#' Standard errors divided by the residual standard deviation
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
  parts <- vapply(unclass(object), fit_residual_parts, c(0, 0))
  list(
    squares = parts[1L, ],
    df = parts[2L, ]
  )
}

fit_residual_parts <- function(fit) {
  if (is.null(fit)) {
    return(c(NA, NA))
  }
  # Fits of lm() without weights have no element `weights`.
  weights <- fit$weights %||% 1
  c(sum(weights * fit$residuals^2), fit$df.residual)
}

#' The residual standard deviation and its degrees of freedom for each group, pooled or not
#' @noRd
group_scale <- function(object, pool) {
  n <- length(object)
  if (has_known_scale(object)) {
    return(list(
      sigma = rep(1, n),
      df = rep(Inf, n)
    ))
  }
  parts <- residual_parts(object)
  if (pool) {
    pooled <- \(part) rep(sum(part, na.rm = TRUE), n)
    parts <- lapply(parts, pooled)
  }
  df <- parts$df
  list(
    sigma = sqrt(parts$squares / ifelse(df > 0, df, NA)),
    df = df
  )
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
  ...,
  pool = attr(object, "pool")
) {
  refuse_dots(...)
  check_confidence(level)
  check_flag(pool, "pool")
  names <- colnames(group_coefficients(object))
  chosen <- chosen_coefficients(parm, names)
  limits <- group_limits(object, group_scale(object, pool), level)
  structure(limits[,, chosen, drop = FALSE], class = "rlmm_lmList_confint")
}

# Limits of each coefficient, an array of groups by limits by coefficients.
group_limits <- function(object, scale, level) {
  estimates <- group_coefficients(object)
  quantile <- suppressWarnings(stats::qt((1 + level) / 2, scale$df))
  errors <- scale$sigma * unscaled_errors(object, colnames(estimates))
  half <- quantile * errors
  limits <- list(estimates - half, estimates + half)
  array_of_groups(stats::setNames(limits, limit_names(level)))
}

# Stacks tables of groups by coefficients to an array of groups by tables by coefficients.
array_of_groups <- function(tables) {
  first <- tables[[1L]]
  values <- array(
    unlist(tables, use.names = FALSE),
    c(dim(first), length(tables)),
    c(dimnames(first), list(names(tables)))
  )
  aperm(values, c(1L, 3L, 2L))
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

# A subset of the limits is a plain array.
#' @export
`[.rlmm_lmList_confint` <- function(x, ...) unclass(x)[...]

#' @rdname lmList
#' @export
summary.rlmm_lmList <- function(object, pool = attr(object, "pool"), ...) {
  refuse_dots(...)
  check_flag(pool, "pool")
  scale <- group_scale(object, pool)
  sigma <- group_scale(object, FALSE)$sigma
  structure(
    list(
      call = attr(object, "call"),
      coefficients = group_tests(object, scale),
      sigma = stats::setNames(sigma, names(object)),
      pool = pool,
      RSE = if (pool) scale$sigma[[1L]],
      df.residual = pooled_df(object),
      known = has_known_scale(object)
    ),
    class = "summary.rlmm_lmList"
  )
}

pooled_df <- function(object) sum(residual_parts(object)$df, na.rm = TRUE)

# Estimates and tests of each coefficient, an array of groups by columns by coefficients.
group_tests <- function(object, scale) {
  estimates <- group_coefficients(object)
  errors <- scale$sigma * unscaled_errors(object, colnames(estimates))
  ratio <- estimates / errors
  p <- 2 * suppressWarnings(stats::pt(-abs(ratio), scale$df))
  letter <- if (has_known_scale(object)) "z" else "t"
  tests <- sprintf(c("%s value", "Pr(>|%s|)"), letter)
  columns <- c("Estimate", "Std. Error", tests)
  tables <- list(estimates, errors, ratio, p)
  array_of_groups(stats::setNames(tables, columns))
}

#' @export
print.summary.rlmm_lmList <- function(x, digits = 4, ...) {
  warn_of_dots(...)
  cat("Call:", deparse_one(x$call), "", sep = "\n")
  for (name in dimnames(x$coefficients)[[3L]]) {
    cat(name, "\n", sep = "")
    print_group_tests(x$coefficients[,, name, drop = FALSE], digits)
    cat("\n")
  }
  if (x$pool && !x$known) {
    cat(pooled_line(x$RSE, x$df.residual), "\n", sep = "")
  }
  invisible(x)
}

# The tests of one coefficient, with a row for each group.
print_group_tests <- function(table, digits) {
  stats::printCoefmat(
    matrix(table, nrow(table), dimnames = dimnames(table)[1:2]),
    digits = digits,
    signif.stars = FALSE,
    na.print = "NA"
  )
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
  if (attr(x, "pool") && !has_known_scale(x)) {
    line <- pooled_line(sigma.rlmm_lmList(x), pooled_df(x))
    cat("\n", line, "\n", sep = "")
  }
  invisible(x)
}

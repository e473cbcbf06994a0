# A least-squares fit for each group.

#' Fits group by group
#'
#' `lmList()` fits a linear, or with a `family` a generalized linear, model to the data of each
#' group, as the functions of this name in lme4 and nlme do. It takes the same formula, and hands
#' data of nlme's class `groupedData` without a formula on to nlme.
#'
#' The residual standard deviation is pooled over the groups unless `pool = FALSE`: standard errors,
#' limits and tests then have the degrees of freedom of all groups together. (lme4's `confint()`
#' takes those of each group alone, whatever `pool` is: here `confint(fits, pool = FALSE)`.) Limits
#' are those of Wald's tests, for generalized models too.
#'
#' A group whose fit fails has missing coefficients, and a warning says which.
#'
#' @param formula A formula `y ~ x | g`.
#' @param data A data frame.
#' @param family For generalized models: a family of R, as for [glm()].
#' @param subset,weights,offset,na.action As in [lm()].
#' @param pool Pool the residual standard deviation? By default wherever there is one.
#' @param object,x What `lmList()` returned.
#' @param parm Names or numbers of coefficients.
#' @param level Confidence level.
#' @param newdata Data to predict for; by default the data of the fit.
#' @param digits,order,... For printing and plotting: `order` is the number of the coefficient whose
#'   order the groups are drawn in (0: that of the levels); further arguments go to lattice.
#' @return A list of class `"rlmm_lmList"` of objects of class `"lm"` or `"glm"`, named by group. It
#'   answers `coef()` (a data frame, a row per group), `fixef()` (the means of these), `ranef()`
#'   (deviations from them), `confint()` (an array of groups, limits and coefficients), `summary()`,
#'   `sigma()` (pooled), `fitted()`, `residuals()`, `predict()`, `logLik()`, `formula()`, and
#'   `plot()`, which draws the limits of each group.
#' @seealso [plot_shrinkage()], which compares such fits with a mixed model.
#' @examples
#' fits <- lmList(Reaction ~ Days | Subject, sleepstudy)
#' fits
#' head(coef(fits))
#' sigma(fits)
#' confint(fits)[1:3, , "Days"]
#' @export
lmList <- function(
  formula,
  data,
  family = NULL,
  subset,
  weights,
  na.action,
  offset,
  pool = NULL,
  ...
) {
  refuse_dots(...)
  call <- match.call()
  if (!missing(formula) && inherits(formula, "groupedData")) {
    call[[1L]] <- getExportedValue("nlme", "lmList")
    names(call)[names(call) == "formula"] <- "object"
    return(eval(call, parent.frame()))
  }
  parts <- group_formula(if (missing(formula)) NULL else formula)
  asked <- match(c("subset", "weights", "na.action", "offset"), names(call), 0L)
  frame_call <- as.call(c(
    list(quote(stats::model.frame), parts$variables, quote(data)),
    as.list(call)[asked],
    list(drop.unused.levels = TRUE)
  ))
  # The variables of `weights` and the like are looked up in `data`, then where they were written.
  env <- rlang::new_environment(
    list(data = if (missing(data)) parent.frame() else data),
    parent.frame()
  )
  frame <- eval(frame_call, env)
  family <- if (!is.null(family)) read_glm_family(family)
  group <- as.factor(frame[[deparse_one(parts$group)]])
  fits <- group_fits(frame, group, parts, family)
  has_sigma <- is.null(family) || !family$family %in% c("binomial", "poisson")
  structure(
    fits,
    class = "rlmm_lmList",
    call = call,
    formula = parts$formula,
    model = parts$model,
    group = group,
    rows = row.names(frame),
    na_action = attr(frame, "na.action"),
    pool = pool %||% has_sigma
  )
}

#' The parts of `y ~ x | g`
#' @noRd
group_formula <- function(formula) {
  right <- if (inherits(formula, "formula") && length(formula) == 3L) {
    formula[[3L]]
  }
  if (call_name(right) != "|") {
    abort_argument(
      "`formula` must be of the form `y ~ x | g`.",
      x = if (inherits(formula, "formula")) {
        paste0("It is `", short_deparse(formula), "`.")
      } else {
        it_is(formula)
      },
      arg = "formula"
    )
  }
  env <- environment(formula)
  model <- formula
  model[[3L]] <- right[[2L]]
  variables <- formula
  variables[[3L]] <- call("+", right[[2L]], right[[3L]])
  list(
    formula = formula,
    model = stats::as.formula(model, env),
    variables = stats::as.formula(variables, env),
    group = right[[3L]]
  )
}

read_glm_family <- function(family) {
  if (is.character(family)) {
    family <- get(family, mode = "function", envir = asNamespace("stats"))
  }
  if (is.function(family)) family() else family
}

#' A fit for each group, `NULL` where it fails
#' @noRd
group_fits <- function(frame, group, parts, family) {
  terms <- stats::terms(parts$model, data = frame)
  attr(terms, "predvars") <- kept_predvars(frame, terms)
  one <- \(rows) {
    part <- frame[rows, , drop = FALSE]
    attr(part, "terms") <- terms
    tryCatch(fit_group(part, terms, family), error = identity)
  }
  found <- lapply(split(seq_len(nrow(frame)), group), one)
  failed <- vapply(found, inherits, NA, what = "error")
  if (any(failed)) {
    warn_failed_groups(found[failed])
    found[failed] <- list(NULL)
  }
  found
}

# The expressions of the variables with the knots and coefficients of all groups' data.
kept_predvars <- function(frame, terms) {
  all <- attr(attr(frame, "terms"), "predvars")
  names <- variable_names(attr(frame, "terms"))
  all[c(1L, match(variable_names(terms), names) + 1L)]
}

#' An object of class "lm" or "glm" from a model frame
#' @noRd
fit_group <- function(frame, terms, family) {
  x <- stats::model.matrix(terms, frame)
  y <- frame[[1L]]
  weights <- frame[["(weights)"]]
  offset <- stats::model.offset(frame)
  fit <- if (!is.null(family)) {
    stats::glm.fit(
      x,
      y,
      weights %||% rep(1, nrow(x)),
      offset = offset,
      family = family
    )
  } else if (is.null(weights)) {
    stats::lm.fit(x, y, offset)
  } else {
    stats::lm.wfit(x, y, weights, offset)
  }
  fit$call <- call(if (is.null(family)) "lm" else "glm", terms_formula(terms))
  fit$terms <- terms
  fit$model <- frame
  fit$xlevels <- stats::.getXlevels(terms, frame)
  fit$contrasts <- attr(x, "contrasts")
  class(fit) <- if (is.null(family)) "lm" else c("glm", "lm")
  fit
}

terms_formula <- function(terms) stats::formula(terms)

warn_failed_groups <- function(errors) {
  texts <- vapply(errors, conditionMessage, "")
  warn_rlmm(
    c(
      sprintf("The fits of %s failed.", plural(length(errors), "group")),
      x = paste0(enumerate(in_quotes(names(errors))), ": ", texts[[1L]])
    ),
    "rlmm_warning_lmlist",
    groups = names(errors)
  )
}

# What the fits say -------------------------------------------------------

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
  row_per_group(
    object,
    \(fit) {
      unscaled <- chol2inv(fit$qr$qr[
        seq_len(fit$rank),
        seq_len(fit$rank),
        drop = FALSE
      ])
      errors <- sqrt(diag(unscaled))
      estimated <- fit$qr$pivot[seq_len(fit$rank)]
      stats::setNames(errors, names(fit$coefficients)[estimated])
    },
    names
  )
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
  parm <- if (is.null(parm)) colnames(estimates) else parm
  if (is.numeric(parm)) {
    parm <- colnames(estimates)[parm]
  }
  unknown <- setdiff(parm, colnames(estimates))
  if (length(unknown) > 0L || anyNA(parm)) {
    abort_argument(
      "`parm` must name coefficients.",
      i = paste0("They are ", enumerate(in_quotes(colnames(estimates))), "."),
      arg = "parm"
    )
  }
  scale <- group_scale(object, pool)
  half <- suppressWarnings(stats::qt((1 + level) / 2, scale$df)) *
    scale$sigma *
    unscaled_errors(object, colnames(estimates))
  limits <- array(
    c(estimates - half, estimates + half),
    c(dim(estimates), 2L),
    c(dimnames(estimates), list(limit_names(level)))
  )
  limits <- aperm(limits, c(1L, 3L, 2L))[,, parm, drop = FALSE]
  structure(limits, class = "rlmm_lmList_confint")
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
  estimates <- group_coefficients(object)
  scale <- group_scale(object, pool)
  errors <- scale$sigma * unscaled_errors(object, colnames(estimates))
  ratio <- estimates / errors
  is_known <- has_known_scale(object)
  p <- 2 * suppressWarnings(stats::pt(-abs(ratio), scale$df))
  columns <- c(
    "Estimate",
    "Std. Error",
    if (is_known) c("z value", "Pr(>|z|)") else c("t value", "Pr(>|t|)")
  )
  table <- array(
    c(estimates, errors, ratio, p),
    c(dim(estimates), 4L),
    c(dimnames(estimates), list(columns))
  )
  structure(
    list(
      call = attr(object, "call"),
      coefficients = aperm(table, c(1L, 3L, 2L)),
      sigma = stats::setNames(group_scale(object, FALSE)$sigma, names(object)),
      pool = pool,
      RSE = if (pool) scale$sigma[[1L]],
      df.residual = sum(residual_parts(object)$df, na.rm = TRUE),
      known = is_known
    ),
    class = "summary.rlmm_lmList"
  )
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

# Rows --------------------------------------------------------------------

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
  parts <- group_formula(attr(object, "formula"))
  labels <- eval(parts$group, newdata, environment(parts$formula))
  out <- stats::setNames(rep(NA_real_, nrow(newdata)), row.names(newdata))
  for (name in intersect(names(object)[is_there(object)], labels)) {
    rows <- which(labels == name)
    out[rows] <- of_fit(object[[name]], newdata[rows, , drop = FALSE])
  }
  out
}

#' @rdname lmList
#' @export
logLik.rlmm_lmList <- function(object, pool = attr(object, "pool"), ...) {
  refuse_dots(...)
  fits <- unclass(object)[is_there(object)]
  n <- length(attr(object, "group"))
  ranks <- sum(vapply(fits, \(fit) fit$rank, 1L))
  if (!pool || inherits(fits[[1L]], "glm")) {
    values <- lapply(fits, stats::logLik)
    return(structure(
      sum(unlist(values)),
      df = sum(vapply(values, attr, 0, "df")),
      nobs = n,
      class = "logLik"
    ))
  }
  logs <- lapply(fits, \(fit) log(fit$weights %||% 1))
  squares <- sum(residual_parts(object)$squares, na.rm = TRUE)
  value <- (sum(unlist(logs)) - n * (log(2 * pi * squares / n) + 1)) / 2
  structure(value, df = ranks + 1L, nobs = n, class = "logLik")
}

#' @rdname lmList
#' @export
formula.rlmm_lmList <- function(x, ...) {
  refuse_dots(...)
  attr(x, "formula")
}

#' @export
nobs.rlmm_lmList <- function(object, ...) {
  refuse_dots(...)
  length(attr(object, "group"))
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

# Pictures ----------------------------------------------------------------

#' @rdname lmList
#' @export
plot.rlmm_lmList <- function(x, level = 0.95, order = 1, ...) {
  need_package("lattice", "plot(lmList())")
  plot.rlmm_lmList_confint(confint.rlmm_lmList(x, level = level), order, ...)
}

#' @rdname lmList
#' @export
plot.rlmm_lmList_confint <- function(x, order = 1, ...) {
  need_package("lattice", "plot(confint())")
  limits <- unclass(x)
  middle <- matrix((limits[, 1L, ] + limits[, 2L, ]) / 2, dim(limits)[1L])
  groups <- dimnames(limits)[[1L]]
  sorted <- if (order > 0) groups[order(middle[, order])] else groups
  data <- data.frame(
    level = factor(rep(groups, ncol(middle)), sorted),
    value = as.vector(middle),
    term = factor(
      rep(dimnames(limits)[[3L]], each = nrow(middle)),
      dimnames(limits)[[3L]]
    )
  )
  low <- as.vector(limits[, 1L, ])
  high <- as.vector(limits[, 2L, ])
  defaults <- list(
    x = level ~ value | term,
    data = data,
    low = low,
    high = high,
    panel = interval_panel,
    prepanel = interval_prepanel
  )
  layout <- level_layout(length(groups), NULL)
  do.call(lattice::dotplot, replace_named(c(defaults, layout), list(...)))
}

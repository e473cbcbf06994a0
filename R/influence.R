#' Influence of observations and groups
#'
#' `influence()` says what the estimates would be without each observation, or without each level of
#' a grouping factor. The result has the elements and the class of that of lme4, so that
#' `cooks.distance()`, `dfbeta()` and `dfbetas()` answer for it, and car draws it.
#'
#' @details
#' Three ways, from fast to exact:
#'
#' * Theta fixed (`one_step = FALSE`): fixed effects and residual variance are exactly those of the
#'   rows that are left, at the theta of all rows. They come from the hat matrix, without a fit: the
#'   2,972 students of [InstEval] take seconds.
#' * Theta by one Newton step from its estimate, with the exact gradient and Hessian of the rows
#'   that are left; the other estimates are those at this theta. This is the default for linear
#'   models as long as the number of deletions times that of rows is below 20 million.
#' * `refit = TRUE`: a new fit each time, as lme4 has it.
#'
#' For a generalized model without `refit` the deletion is one in the working linear model, as for
#' [glm()]: one step of PIRLS at fixed theta.
#'
#' Where the rows that are left don't identify the fixed effects, the result is `NA`, with a
#' warning.
#'
#' `dfbeta()` and `dfbetas()` are estimates without a case less those of all cases, as in lme4 (the
#' other way round than for [lm()]), `dfbetas()` in standard errors of the estimate without the
#' case. `cooks.distance()` is the squared change of the fixed effects in terms of their covariance
#' matrix, over their number p, and, as in lme4, times (m - p) / m for m deletions; `which =
#' "var.cov"` are changes of variances and covariances.
#'
#' @param model A fit; for the methods of the result also that.
#' @param groups `NULL` for observations; otherwise the names of one grouping factor of the model or
#'   variable of the data, or of several whose combinations are deleted; or a factor with a value
#'   for each row of the model frame.
#' @param refit Fit again each time?
#' @param one_step Take a Newton step in theta? By default wherever it is cheap; see Details.
#' @param which The estimates concerned: `"fixed"` effects, or variances and covariances.
#' @param x,row.names,optional,n For printing (`n` is the number of lines), and for
#'   `as.data.frame()`.
#' @param infl For the method of fits, what `influence()` has found; by default it is computed, for
#'   single observations.
#' @param ... For `plot()`, passed to lattice. Arguments of lme4's method that steer its refits, such
#'   as `maxfun` or `ncores`, have no effect, and a message says so; others are refused.
#' @return `influence()`: a list of class `"influence.merMod"`. With `g` standing for the name of
#'   the groups, or for `case`, the elements are `fixed.effects`, `fixed.effects[-g]` (a row for
#'   each deletion), `var.cov.comps`, `var.cov.comps[-g]`, `vcov`, `vcov[-g]` (a list; `NULL` where
#'   it would have over ten million numbers), `groups`, `deleted`, `converged`, `function.evals`;
#'   and, beyond lme4's, `std.error[-g]`, `theta`, `theta[-g]`, `covratio` (the determinant of the
#'   covariance matrix of the fixed effects, over that of all rows), `hat` (the leverage of the rows
#'   deleted), `size` (their number), and `method`.
#'
#'   `as.data.frame()`: a row for each deletion, with `deleted`, `size`, `hat`, `cooks.distance`,
#'   `covratio`, and the `dfbetas` of the fixed effects. `plot()`: Cook's distances in their order,
#'   an object of class `"trellis"`.
#' @seealso [hatvalues.rlmm()] for diagnostics of the conditional fit.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' by_subject <- influence(fit, "Subject")
#' by_subject
#' head(cooks.distance(by_subject))
#' head(dfbetas(by_subject))
#' head(as.data.frame(influence(fit)))
#' @importFrom stats influence
#' @export
influence.rlmm <- function(
  model,
  groups = NULL,
  refit = FALSE,
  one_step = NULL,
  ...
) {
  refuse_dots(..., lme4_only = lme4_influence_arguments)
  check_flag(refit, "refit")
  if (!is.null(one_step)) {
    check_flag(one_step, "one_step")
  }
  sets <- deletion_sets(model, groups)
  way <- deletion_way(model, length(sets$rows), refit, one_step)
  found <- switch(
    way,
    refit = lapply(sets$rows, refitted_case, fit = model),
    one_step = lapply(sets$rows, stepped_case, fit = model),
    fixed = fixed_cases(model, sets$rows)
  )
  found <- with_leverages(found, model, sets$rows)
  warn_of_undetermined(found, sets)
  new_influence(model, sets, found, way)
}

# What lme4's method can be told of its refits, and of the processes that they run in.
lme4_influence_arguments <- c(
  "data",
  "maxfun",
  "do.coef",
  "parallel",
  "ncpus",
  "cl",
  "ncores",
  "start"
)

deletion_way <- function(fit, n_sets, refit, one_step) {
  if (refit) {
    return("refit")
  }
  is_cheap <- as.double(n_sets) * n_rows(fit) <= 2e7
  is_able <- isLMM.rlmm(fit) && length(fit$theta) > 0L
  if (is_able && (one_step %||% is_cheap)) "one_step" else "fixed"
}

# The groups --------------------------------------------------------------

#' Which rows are deleted together
#' @return A list: `name` of the groups, `deleted` (labels), `rows` (a list of numbers).
#' @noRd
deletion_sets <- function(fit, groups) {
  frame <- fit_frame(fit)
  if (is.null(groups)) {
    labels <- row.names(frame)
    rows <- as.list(seq_along(labels))
    return(list(name = "case", deleted = labels, rows = rows))
  }
  is_named <- is.character(groups) && length(groups) < nrow(frame)
  values <- if (is_named) {
    lapply(groups, deletion_factor, fit = fit)
  } else {
    list(given_groups(groups, nrow(frame)))
  }
  several <- length(values) > 1L
  factor <- if (several) {
    interaction(values, drop = TRUE, lex.order = TRUE)
  } else {
    droplevels(values[[1L]])
  }
  levels <- levels(factor)
  list(
    name = if (is_named) paste(groups, collapse = ".") else "group",
    deleted = factor(levels, levels),
    rows = unname(split(seq_along(factor), factor))
  )
}

given_groups <- function(groups, n) {
  if (is.atomic(groups) && length(groups) == n && !anyNA(groups)) {
    return(as.factor(groups))
  }
  abort_argument(
    "`groups` must be names of grouping factors or variables, or a value for each row.",
    x = it_is(groups),
    arg = "groups"
  )
}

#' A grouping factor of the fit, or a variable of its frame or data
#' @noRd
deletion_factor <- function(name, fit) {
  factors <- grouping_factors(fit)
  frame <- fit_frame(fit)
  values <- factors[[name]] %||% frame[[name]]
  if (is.null(values)) {
    data <- nlme::getData(fit)
    values <- data[[name]][match(row.names(frame), row.names(data))]
  }
  if (!is.null(values) && !anyNA(values)) {
    return(as.factor(values))
  }
  abort_argument(
    "`groups` must name grouping factors of the model, or variables of its data.",
    x = sprintf(
      "%s %s.",
      in_quotes(name),
      if (is.null(values)) "is neither" else "has missing values"
    ),
    i = paste0(
      "The grouping factors are ",
      enumerate(tick(names(factors))),
      "."
    ),
    arg = "groups"
  )
}

# The estimates without a case --------------------------------------------

#' At fixed theta
#' @noRd
fixed_cases <- function(fit, sets) {
  n <- fit$dev$n_eff
  weighted <- working_weights(fit) != 0
  found <- deleted_estimates(fit, sets)
  Map(
    function(left, rows) {
      sigma <- left_sigma(fit, left$pwrss, n - sum(weighted[rows]))
      list(
        beta = left$beta,
        vcov = sigma$effects^2 * inverse_or_na(left$information),
        theta = fit$theta,
        sigma = sigma$residual,
        leverage = left$leverage,
        evaluations = 0L,
        converged = TRUE
      )
    },
    found,
    sets
  )
}

#' The residual standard deviation of rows that are left, and the one that multiplies Lambda
#' @noRd
left_sigma <- function(fit, pwrss, n) {
  if (isGLMM.rlmm(fit)) {
    return(list(residual = fit$sigma, effects = effects_sigma(fit)))
  }
  df <- n - if (fit$reml) n_free_beta(fit) else 0L
  sigma <- if (fit$known_sigma) fit$sigma else sqrt(pwrss / df)
  list(residual = sigma, effects = sigma)
}

inverse_or_na <- function(x) {
  if (length(x) == 0L || anyNA(x)) x else chol2inv(chol(x))
}

#' At a theta one Newton step away
#' @noRd
stepped_case <- function(fit, rows) {
  est <- newton_estimates(fit, rows)
  if (is.null(est)) {
    return(undetermined_case(fit))
  }
  list(
    beta = est$beta,
    vcov = est$sigma^2 * inverse_or_na(crossprod(est$rx)),
    theta = est$theta,
    sigma = est$sigma,
    evaluations = 1L,
    converged = TRUE
  )
}

#' Fitted again
#' @noRd
refitted_case <- function(fit, rows) {
  again <- tryCatch(
    fit_quietly(left_fit(fit, rows)),
    rlmm_error = \(cnd) NULL
  )
  if (is.null(again)) {
    return(undetermined_case(fit))
  }
  free <- free_beta(fit)
  list(
    beta = again$beta[free],
    vcov = fixed_covariance(again)[free, free, drop = FALSE],
    theta = again$theta,
    sigma = again$sigma,
    evaluations = again$optsum$feval,
    converged = !stopped_early(again)
  )
}

fit_quietly <- function(left) {
  suppressWarnings(suppressMessages(fit_again(left, start = inner_start(left))))
}

undetermined_case <- function(fit) {
  beta <- NA * fit$beta[free_beta(fit)]
  list(
    beta = beta,
    vcov = outer(beta, beta),
    theta = NA * fit$theta,
    sigma = NA_real_,
    evaluations = 0L,
    converged = FALSE
  )
}

#' Add the leverage of the rows at theta of all rows, where it isn't there yet
#' @noRd
with_leverages <- function(found, fit, sets) {
  if (length(found) == 0L || !is.null(found[[1L]]$leverage)) {
    return(found)
  }
  h <- fit_leverage(fit)
  Map(
    function(case, rows) {
      case$leverage <- sum(h[rows])
      case
    },
    found,
    sets
  )
}

warn_of_undetermined <- function(found, sets) {
  lost <- vapply(found, \(case) anyNA(case$beta), NA)
  if (!any(lost)) {
    return(invisible())
  }
  labels <- enumerate(in_quotes(as.character(sets$deleted[lost])))
  warn_rlmm(
    c(
      "The fixed effects can't all be estimated without some cases.",
      x = paste0("The cases of ", tick(sets$name), " are ", labels, ".")
    ),
    "rlmm_warning_influence"
  )
}

# The result --------------------------------------------------------------

# A list of more numbers than this isn't kept.
max_vcov_numbers <- 1e7

new_influence <- function(fit, sets, found, way) {
  suffix <- paste0("[-", sets$name, "]")
  labels <- as.character(sets$deleted)
  rows <- \(values, names) {
    matrix(
      unlist(values),
      nrow = length(labels),
      byrow = TRUE,
      dimnames = list(labels, names)
    )
  }
  take <- \(field) lapply(found, `[[`, field)
  full_vcov <- vcov.rlmm(fit)
  held <- fit$held
  betas <- lapply(take("beta"), with_held, names(fit$beta), held)
  vcovs <- lapply(take("vcov"), padded_vcov, free = free_beta(fit), full_vcov)
  component_names <- influence_labels(fit)
  components <- lapply(found, \(case) {
    components_at(fit, case$theta, case$sigma, component_names)
  })
  full_components <- components_at(
    fit,
    fit$theta,
    fit$sigma,
    component_names
  )
  errors <- rows(lapply(vcovs, \(v) sqrt(diag(v))), names(fit$beta))
  out <- list(
    fixed.effects = fit$beta,
    rows(betas, names(fit$beta)),
    var.cov.comps = full_components,
    rows(components, component_names),
    vcov = full_vcov,
    if (length(vcovs) * length(full_vcov) <= max_vcov_numbers) vcovs,
    groups = sets$name,
    deleted = sets$deleted,
    converged = stats::setNames(unlist(take("converged")), labels),
    function.evals = stats::setNames(unlist(take("evaluations")), labels),
    errors,
    theta = fit$theta,
    rows(take("theta"), theta_names(fit$random)),
    covratio = stats::setNames(covariance_ratios(vcovs, full_vcov), labels),
    hat = stats::setNames(unlist(take("leverage")), labels),
    size = stats::setNames(lengths(sets$rows), labels),
    method = way
  )
  unnamed <- which(!nzchar(names(out)))
  of <- c("fixed.effects", "var.cov.comps", "vcov", "std.error", "theta")
  names(out)[unnamed] <- paste0(of, suffix)
  structure(out, class = c("influence.rlmm", "influence.merMod"))
}

#' The covariance matrix with rows and columns of zeros for coefficients that are held
#' @noRd
padded_vcov <- function(vcov, free, full) {
  out <- 0 * full
  out[free, free] <- vcov
  out
}

covariance_ratios <- function(vcovs, full) {
  free <- diag(full) > 0
  log_det <- \(v) {
    if (anyNA(v)) {
      return(NA_real_)
    }
    as.double(determinant(v[free, free, drop = FALSE])$modulus)
  }
  whole <- log_det(full)
  exp(vapply(vcovs, log_det, 0) - whole)
}

#' The residual variance, then variances and covariances by term, under lme4's names
#' @noRd
components_at <- function(fit, theta, sigma, names) {
  if (anyNA(theta) || is.na(sigma)) {
    return(stats::setNames(rep(NA_real_, length(names)), names))
  }
  omegas <- lapply(lambda_blocks(fit$random, theta), tcrossprod)
  lower <- lapply(omegas, \(omega) omega[lower.tri(omega, diag = TRUE)])
  values <- c(sigma^2, effects_sigma(fit, sigma)^2 * unlist(lower))
  stats::setNames(values, names)
}

influence_labels <- function(fit) {
  own <- lapply(fit$random, \(term) {
    k <- length(term$columns)
    cells <- which(lower.tri(diag(k), diag = TRUE), arr.ind = TRUE)
    row <- term$columns[cells[, 1]]
    column <- term$columns[cells[, 2]]
    is_variance <- row == column
    ifelse(
      is_variance,
      paste0("v[", row, "]"),
      paste0("C[", row, ",", column, "]")
    )
  })
  prefix <- if (length(own) > 1L) paste0(component_names(fit), ":") else ""
  c("sigma^2", unlist(Map(paste0, prefix, own), use.names = FALSE))
}

# Methods of the result ---------------------------------------------------

without_case <- function(x, part) x[[paste0(part, "[-", x$groups, "]")]]

#' @rdname influence.rlmm
#' @importFrom stats dfbeta
#' @export
dfbeta.influence.rlmm <- function(model, which = c("fixed", "var.cov"), ...) {
  refuse_dots(...)
  which <- one_of(which, c("fixed", "var.cov"), "which")
  part <- c(fixed = "fixed.effects", var.cov = "var.cov.comps")[[which]]
  sweep(without_case(model, part), 2, model[[part]])
}

#' @rdname influence.rlmm
#' @importFrom stats dfbetas
#' @export
dfbetas.influence.rlmm <- function(model, ...) {
  refuse_dots(...)
  dfbeta.influence.rlmm(model) / without_case(model, "std.error")
}

#' @rdname influence.rlmm
#' @export
cooks.distance.influence.rlmm <- function(model, ...) {
  refuse_dots(...)
  free <- diag(model$vcov) > 0
  change <- dfbeta.influence.rlmm(model)[, free, drop = FALSE]
  if (!any(free)) {
    return(stats::setNames(numeric(nrow(change)), rownames(change)))
  }
  root <- chol(model$vcov[free, free, drop = FALSE])
  m <- nrow(change)
  p <- sum(free)
  # lme4 counts the deletions as if they were observations.
  share <- (m - p) / (m * p)
  distance <- share * colSums(backsolve(root, t(change), transpose = TRUE)^2)
  stats::setNames(distance, rownames(change))
}

#' @rdname influence.rlmm
#' @export
hatvalues.influence.rlmm <- function(model, ...) {
  refuse_dots(...)
  model$hat
}

#' @rdname influence.rlmm
#' @export
dfbeta.rlmm <- function(model, infl = influence.rlmm(model), ...) {
  refuse_dots(...)
  dfbeta.influence.rlmm(infl)
}

#' @rdname influence.rlmm
#' @export
dfbetas.rlmm <- function(model, infl = influence.rlmm(model), ...) {
  refuse_dots(...)
  dfbetas.influence.rlmm(infl)
}

#' @rdname influence.rlmm
#' @export
as.data.frame.influence.rlmm <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  out <- data.frame(
    deleted = x$deleted,
    size = unname(x$size),
    hat = unname(x$hat),
    cooks.distance = unname(cooks.distance.influence.rlmm(x)),
    covratio = unname(x$covratio)
  )
  out$dfbetas <- unname_rows(dfbetas.influence.rlmm(x))
  out
}

unname_rows <- function(x) {
  rownames(x) <- NULL
  x
}

influence_ways <- c(
  refit = "fitted again",
  one_step = "theta by one Newton step",
  fixed = "theta fixed"
)

#' @rdname influence.rlmm
#' @param digits Significant digits.
#' @export
format.influence.rlmm <- function(x, digits = 3, n = 10, ...) {
  warn_of_dots(...)
  table <- as.data.frame.influence.rlmm(x)
  n_cases <- nrow(table)
  order <- utils::head(order(-table$cooks.distance), n)
  table <- table[order, ]
  betas <- as.data.frame(table$dfbetas)
  names(betas) <- paste("dfbetas", names(betas))
  shown <- c(
    list(as.character(table$deleted), table$size),
    lapply(table[3:5], format, digits = digits),
    lapply(betas, format, digits = digits)
  )
  names(shown)[1:5] <- c(x$groups, "rows", "leverage", "Cook's D", "covratio")
  c(
    sprintf(
      "Influence of %s (%s)",
      plural(n_cases, if (x$groups == "case") "observation" else "group"),
      influence_ways[[x$method]]
    ),
    if (n_cases > n) sprintf("The %s largest Cook's distances:", n),
    columns_under_names(shown)
  )
}

#' @rdname influence.rlmm
#' @export
print.influence.rlmm <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname influence.rlmm
#' @export
plot.influence.rlmm <- function(x, n = 5, ...) {
  need_package("lattice", "plot(influence(fit))")
  distance <- cooks.distance.influence.rlmm(x)
  labelled <- rank(-distance, ties.method = "first") <= n
  labels <- ifelse(labelled, as.character(x$deleted), NA)
  defaults <- list(
    x = distance ~ case,
    data = data.frame(distance = distance, case = seq_along(distance)),
    xlab = if (x$groups == "case") "Observation" else x$groups,
    ylab = "Cook's distance",
    ylim = c(-0.04, 1.12) * max(distance, 1e-10, na.rm = TRUE),
    panel = index_panel(labels)
  )
  do.call(lattice::xyplot, replace_named(defaults, list(...)))
}

index_panel <- function(labels) {
  function(x, y, ...) {
    lattice::panel.grid(h = -1, v = 0)
    lattice::panel.abline(h = 0, col = plot_grey)
    many <- length(x) > 500L
    lattice::panel.segments(
      x,
      0,
      x,
      y,
      col = plot_blue,
      alpha = if (many) 0.4 else 1
    )
    if (!many) {
      lattice::panel.points(x, y, pch = 16, cex = 0.6, col = plot_blue)
    }
    draw_labels(x, y, labels)
  }
}

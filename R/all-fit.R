#' Fit a model by all optimizers
#'
#' `allFit()` refits a model with every available optimizer, or with those named, and compares the
#' results. They should agree; where they don't, the fit with the lowest objective is the best one,
#' and the [certificate()] of each fit says whether it is an optimum.
#'
#' The optimizers run in parallel threads. They start from the starting values of the fit and not
#' from its estimates, since an optimizer that starts at an optimum proves little. With
#' `start_from_mle = TRUE` they start from the estimates, as lme4 does by default.
#'
#' @param object A fitted model.
#' @param optimizers The names of optimizers, as in [rlmm_control()].
#' @param start_from_mle Whether to start from the estimates of the fit.
#' @param verbose Whether to print the name of each optimizer; they then run one after the other.
#' @param ncpus The number of threads; by default that of [rlmm_control()].
#' @param ... Passed to methods; for fits of rlmm, not used.
#' @return A list of class `"rlmm_allFit"` with a fit, or the error, for each optimizer.
#'   `as.data.frame()` has a row for each optimizer; its column `optimum` numbers the distinct
#'   optima by their objective, where fits that are optimal and within 1e-4 of each other count as
#'   one. More than one is a sign of several local optima. `summary()` has the components of lme4:
#'   `which.OK`, `msgs` (the verdict on each fit that isn't an optimum), `fixef`, `llik`, `sdcor`,
#'   `theta`, `times` (seconds) and `feval`, and in addition `status` and `verdict`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' all <- allFit(fit, optimizers = c("newton", "LN_BOBYQA", "LD_LBFGS"))
#' all
#' summary(all)$sdcor
#' @export
allFit <- function(object, ...) UseMethod("allFit")

#' @export
allFit.default <- function(object, ...) pass_to_lme4("allFit", object, ...)

#' @rdname allFit
#' @export
allFit.rlmm <- function(
  object,
  optimizers = NULL,
  start_from_mle = FALSE,
  verbose = FALSE,
  ncpus = NULL,
  ...
) {
  refuse_dots(...)
  check_all_fit(object, start_from_mle, verbose, ncpus)
  names <- chosen_optimizers(object, optimizers)
  design <- fit_design(object)
  controls <- lapply(names, control_with, fit = object, design = design)
  start <- all_fit_start(object, start_from_mle)
  make <- \(found) new_all_fit(found, names, controls, object, design)
  threads <- n_threads(list(threads = ncpus %||% object$control$threads))
  make(run_all(design$spec, start, controls, verbose, threads, make))
}

new_all_fit <- function(found, names, controls, fit, design) {
  fits <- Map(fit_or_error, found, controls, list(fit), list(design))
  structure(
    fits,
    names = names,
    fit = fit,
    class = "rlmm_allFit"
  )
}

check_all_fit <- function(fit, start_from_mle, verbose, ncpus) {
  check_flag(start_from_mle, "start_from_mle")
  check_flag(verbose, "verbose")
  check_ncpus(ncpus)
  if (!is.null(fit$strata)) {
    abort_with_strata("`allFit()`")
  }
}

chosen_optimizers <- function(fit, optimizers) {
  names <- optimizers %||% default_optimizers(fit)
  unique(vapply(names, check_optimizer, "", USE.NAMES = FALSE))
}

control_with <- function(optimizer, fit, design) {
  control <- fit$control
  control["optimizer"] <- list(optimizer)
  core_control(control, 0L, design, fit_held(fit))
}

fit_or_error <- function(est, control, fit, design) {
  if (inherits(est, "condition")) {
    return(est)
  }
  structure(fit_like(fit, design, est, control), time = est$seconds)
}

#' The starting values of allFit(): those of the fit, or its estimates
#'
#' A generalized model starts with the fast stage or from fixed effects too, as its fit did, or from
#' all of its estimates.
#' @noRd
all_fit_start <- function(fit, start_from_mle) UseMethod("all_fit_start")

#' @export
all_fit_start.rlmm_lmm <- function(fit, start_from_mle) {
  if (start_from_mle) fit$theta else fit$optsum$initial
}

#' @export
all_fit_start.rlmm_glmm <- function(fit, start_from_mle) {
  if (start_from_mle) {
    return(fit[c("theta", "beta")])
  }
  search <- fit$optsum$fast %||% fit$optsum
  parts <- list(theta = seq_along(fit$theta))
  if (is.null(fit$optsum$fast) && !fit$glmm$fast) {
    parts$beta <- length(fit$theta) + seq_along(fit$beta)
  }
  lapply(parts, \(part) search$initial[part])
}

check_ncpus <- function(ncpus) {
  if (is.null(ncpus) || (is_number(ncpus) && ncpus >= 1)) {
    return(invisible())
  }
  abort_argument(
    "`ncpus` must be `NULL` or a number of threads.",
    x = it_is(ncpus),
    arg = "ncpus"
  )
}

#' The default optimizers of allFit(), with the best-known one of several variants of a method
#' @noRd
default_optimizers <- function(fit) UseMethod("default_optimizers")

#' @export
default_optimizers.rlmm_lmm <- function(fit) {
  setdiff(distinct_optimizers(), "bfgs")
}

#' @export
default_optimizers.rlmm_glmm <- function(fit) distinct_optimizers()

distinct_optimizers <- function() {
  optimizers[!startsWith(optimizers, "LD_TNEWTON_")]
}

# The estimates, or the error, of each optimizer. With `verbose` they run one by one.
run_all <- function(spec, start, controls, verbose, threads, keep) {
  if (!verbose) {
    return(core_fit_all(spec, start, controls, threads, keep))
  }
  lapply(controls, \(control) {
    inform_rlmm(paste0(control$optimizer, "..."), "rlmm_message_all_fit")
    core_fit_all(spec, start, list(control), 1L)[[1]]
  })
}

is_fit <- function(fits) vapply(fits, inherits, NA, what = "rlmm")

#' @rdname allFit
#' @param row.names,optional Not used.
#' @export
as.data.frame.rlmm_allFit <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  warn_of_dots(..., also = data_frame_arguments)
  objective <- fit_field(x, \(fit) fit$optsum$fmin, NA_real_)
  best <- suppressWarnings(min(objective, na.rm = TRUE))
  searches <- search_fields(x)
  data.frame(
    optimizer = names(x),
    objective = objective,
    above_best = objective - best,
    optimum = distinct_optima(objective, searches$verdict),
    searches
  )
}

# Statistics of each search.
search_fields <- function(x) {
  verdict <- \(fit) fit$optsum$certificate$verdict %||% NA_character_
  data.frame(
    feval = fit_field(x, \(fit) as.integer(fit$optsum$feval), NA_integer_),
    time = fit_field(x, \(fit) attr(fit, "time") %||% NA_real_, NA_real_),
    status = fit_field(x, \(fit) fit$optsum$status, NA_character_),
    verdict = fit_field(x, verdict, NA_character_)
  )
}

# The number of the optimum of each fit, in the order of the objective: optima are distinct if they
# are more than 1e-4 apart. `NA` for fits that are not optimal.
distinct_optima <- function(objective, verdict) {
  is_optimum <- vapply(verdict, is_final, NA) & !is.na(objective)
  number <- rep(NA_integer_, length(objective))
  sorted <- order(objective)
  sorted <- sorted[is_optimum[sorted]]
  is_next <- c(TRUE, diff(objective[sorted]) > 1e-4)
  number[sorted] <- cumsum(is_next[seq_along(sorted)])
  number
}

# A value of each fit; `none` for an optimizer that failed.
fit_field <- function(fits, get, none) {
  one <- \(fit) if (inherits(fit, "rlmm")) get(fit) else none
  vapply(unclass(fits), one, none, USE.NAMES = FALSE)
}

#' @rdname allFit
#' @export
summary.rlmm_allFit <- function(object, ...) {
  refuse_dots(...)
  ok <- is_fit(object)
  fits <- unclass(object)[ok]
  table <- as.data.frame(object)[ok, ]
  searches <- lapply(table, stats::setNames, table$optimizer)
  parts <- c(
    list(which.OK = stats::setNames(ok, names(object))),
    list(msgs = lapply(fits, all_fit_message)),
    fit_estimates(fits),
    list(times = cbind(elapsed = searches$time)),
    searches[c("feval", "status", "verdict")]
  )
  structure(parts, class = "summary.rlmm_allFit")
}

# The estimates of each optimizer, in rows.
fit_estimates <- function(fits) {
  list(
    fixef = row_per_fit(fits, nlme::fixef),
    llik = stats::setNames(log_likelihoods(fits)$value, names(fits)),
    sdcor = as.data.frame(row_per_fit(fits, sdcor_values)),
    theta = row_per_fit(fits, \(fit) getME.rlmm(fit, "theta"))
  )
}

row_per_fit <- function(fits, get) {
  values <- lapply(fits, get)
  matrix(
    unlist(values, use.names = FALSE),
    length(values),
    byrow = TRUE,
    dimnames = list(names(values), names(values[[1]]))
  )
}

all_fit_message <- function(fit) {
  if (stopped_early(fit)) verdict_lines(certificate(fit))
}

# Standard deviations and correlations, with names such as "sd_Days|Subject".
sdcor_values <- function(fit) {
  table <- as.data.frame(VarCorr.rlmm(fit))
  residual <- is.na(table$var1)
  pair <- ifelse(
    is.na(table$var2),
    table$var1,
    paste(table$var2, table$var1, sep = ".")
  )
  label <- paste0(
    ifelse(is.na(table$var2), "sd_", "cor_"),
    pair,
    "|",
    table$grp
  )
  stats::setNames(table$sdcor, ifelse(residual, "sigma", label))
}

#' @rdname allFit
#' @param x The result of `allFit()`.
#' @param digits The number of significant digits.
#' @export
format.rlmm_allFit <- function(x, digits = 3, ...) {
  warn_of_dots(...)
  table <- as.data.frame(x)
  sorted <- table[order(table$above_best, table$feval), ]
  ok <- is_fit(x)
  c(
    all_fit_title(x),
    if (any(ok)) lowest_line(table$objective),
    distinct_line(table),
    "",
    all_fit_rows(sorted, digits),
    failed_lines(names(x)[!ok])
  )
}

all_fit_title <- function(x) {
  formula <- deparse_one(written_formula(attr(x, "fit")))
  paste("Fits by", plural(length(x), "optimizer"), "of", formula)
}

failed_lines <- function(failed) {
  if (length(failed) > 0) {
    c("", paste("Failed:", enumerate(failed, max = 20L)))
  }
}

lowest_line <- function(objectives) {
  lowest <- min(objectives, na.rm = TRUE)
  paste("Lowest objective:", format(lowest, digits = 12))
}

# The line about the distance between several optima.
distinct_line <- function(table) {
  optima <- tapply(table$above_best, table$optimum, min)
  if (length(optima) < 2L) {
    return(NULL)
  }
  above <- format(optima[-1L], digits = 3, trim = TRUE)
  paste0(
    length(optima),
    " distinct optima, each a local one; above the lowest: ",
    paste(above, collapse = ", ")
  )
}

all_fit_rows <- function(table, digits) {
  columns <- list(
    Optimizer = table$optimizer,
    `Above best` = format(zapsmall(table$above_best, 8), digits = digits),
    Optimum = optimum_column(table$optimum),
    Evaluations = format(table$feval),
    Seconds = format(round(table$time, 4), digits = digits),
    Status = table$status,
    Verdict = table$verdict
  )
  columns_under_names(Filter(Negate(is.null), columns))
}

# The number of the optimum that each search found, if there are several.
optimum_column <- function(optimum) {
  if (max(optimum, 0L, na.rm = TRUE) > 1L) {
    ifelse(is.na(optimum), "", optimum)
  }
}

#' @rdname allFit
#' @export
print.rlmm_allFit <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @export
format.summary.rlmm_allFit <- function(x, digits = 5, ...) {
  warn_of_dots(...)
  messages <- x$msgs[lengths(x$msgs) > 0]
  doubts <- vapply(messages, paste, "", collapse = " ")
  c(
    titled("Fixed effects:", x$fixef, digits),
    titled("Standard deviations and correlations:", x$sdcor, digits),
    titled("Log-likelihood:", x$llik, digits),
    if (length(doubts) > 0) {
      c("Not an optimum:", paste0("* ", names(doubts), ": ", doubts))
    }
  )
}

titled <- function(title, values, digits) {
  c(title, utils::capture.output(print(values, digits = digits)), "")
}

#' @export
print.summary.rlmm_allFit <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

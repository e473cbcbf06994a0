# bootMer(): the bootstrap of any statistic with lme4's interface. Responses are simulated in this
# process and refitted by R, one after the other or in other processes.

#' Bootstrap of any statistic, as in lme4
#'
#' Simulates responses, refits the model to each of them and applies a function to each fit, with
#' the interface of `lme4::bootMer()`. Fits of lme4 are passed on to lme4. For the parameters of the
#' model [bootstrap()] is much faster.
#'
#' All responses are simulated first, by R's random number generator, so that the same seed gives
#' the same results wherever the models are fitted (unless `FUN` itself draws random numbers). With
#' `type = "semiparametric"` and `use.u = TRUE`, the residuals of a linear model are resampled with
#' replacement and added to the fitted values; with weights, they are multiplied by the square root
#' of their own weight and divided by that of the row they are added to.
#'
#' A replicate for which the fit or the function fails has missing values; a warning reports their
#' number.
#'
#' @param x A fitted model.
#' @param FUN A function of a fit that returns numbers.
#' @param nsim The number of replicates.
#' @param seed A seed for [set.seed()], or `NULL`.
#' @param use.u Whether to hold the random effects at their conditional modes.
#' @param re.form The random effects to hold, as in [simulate()][simulate.rlmm]; `use.u = TRUE`
#'   holds all of them.
#' @param type `"parametric"` or `"semiparametric"`.
#' @param verbose Whether to print the statistics of each replicate.
#' @param .progress By default progress is reported as by [bootstrap()]: to package progressr if it
#'   is loaded (also from futures), otherwise on a bar of package cli in an interactive session
#'   without parallel processes. `"none"`: no progress. `"txt"`: a text bar of R.
#' @param PBargs Arguments of the text bar, for [utils::txtProgressBar()].
#' @param parallel Where the models are fitted: `"no"`, in this process; `"multicore"`, in forked
#'   processes (not on Windows); `"snow"`, on the cluster `cl`; `"future"`, as set by
#'   `future::plan()`, by package future.apply.
#' @param ncpus The number of processes.
#' @param cl A cluster made by package parallel; by default one with `ncpus` processes for this
#'   call.
#' @param ... Passed to methods. For fits of rlmm, `call.env` of lme4 has no effect, as a fit
#'   contains all that its replicates need.
#' @return A list of class `"boot"`, for `boot::boot.ci()` and similar functions: `t0` (the
#'   statistics of the fit), `t` (a row for each replicate), `R`, `data`, `seed`, `statistic`, `sim`
#'   and `call`. The attributes `bootFail` and `boot.fail.msgs` describe failures. There are methods
#'   of `confint()` and `as.data.frame()`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' repeatability <- function(m) {
#'   v <- as.data.frame(VarCorr(m))
#'   c(share = v$vcov[1] / (v$vcov[1] + sigma(m)^2))
#' }
#' b <- bootMer(fit, repeatability, nsim = 30, seed = 1)
#' b
#' confint(b)
#' @export
bootMer <- function(x, ...) UseMethod("bootMer")

#' @export
bootMer.default <- function(x, ...) {
  if (inherits(x, "merMod") && isNamespaceLoaded("lme4")) {
    return(getExportedValue("lme4", "bootMer")(x, ...))
  }
  abort_no_method("bootMer", x)
}

#' @rdname bootMer
#' @export
bootMer.rlmm <- function(
  x,
  FUN,
  nsim = 1,
  seed = NULL,
  use.u = FALSE,
  re.form = NA,
  type = c("parametric", "semiparametric"),
  verbose = FALSE,
  .progress = NULL,
  PBargs = list(),
  parallel = c("no", "multicore", "snow", "future"),
  ...,
  ncpus = getOption("boot.ncpus", 1L),
  cl = NULL
) {
  refuse_dots(..., lme4_only = "call.env")
  FUN <- statistic_function(if (!missing(FUN)) FUN)
  nsim <- check_replicates(nsim, "nsim")
  check_seed(seed)
  check_flag(use.u, "use.u")
  check_flag(verbose, "verbose")
  type <- one_of(type, c("parametric", "semiparametric"), "type")
  parallel <- one_of(
    parallel,
    c("no", "multicore", "snow", "future"),
    "parallel"
  )
  fit_frame(x)
  t0 <- statistics_of(FUN, x)
  hold <- if (use.u) NULL else re.form
  y <- boot_responses(x, nsim, seed, hold, type)
  one <- replicate_of(x, FUN, length(t0), verbose)
  progress <- boot_progress(.progress, PBargs, x$control)
  found <- apply_to_all(y, one, parallel, ncpus, cl, progress)
  new_boot(
    found,
    x,
    FUN,
    t0,
    y,
    seed,
    type,
    match.call()
  )
}

# The function that bootMer() applies to each fit, possibly given by its name.
statistic_function <- function(given) {
  if (is.function(given)) {
    return(given)
  }
  is_name <- is.character(given) && length(given) == 1L
  found <- if (is_name) get0(given, parent.frame(2L), mode = "function")
  if (!is.null(found)) {
    return(found)
  }
  abort_argument(
    "`FUN` must be a function of a fit, such as `fixef`.",
    x = if (!is.null(given)) it_is(given) else "It isn't given.",
    arg = "FUN"
  )
}

# The statistics of the fit, which must be numbers.
statistics_of <- function(FUN, fit) {
  value <- FUN(fit)
  if (is.numeric(value) && length(value) > 0L) {
    return(value)
  }
  abort_argument(
    "`FUN` must return numbers.",
    x = paste0("For the fit it returns ", describe_type(value), "."),
    arg = "FUN"
  )
}

boot_responses <- function(fit, nsim, seed, re_form, type) {
  if (type == "parametric") {
    return(stats::simulate(fit, nsim, seed, re.form = re_form))
  }
  check_semiparametric(fit, is.null(re_form))
  with_seed(seed, \(start) {
    y <- resampled_responses(fit, nsim)
    structure(as.data.frame(y), seed = start)
  })
}

#' The function that computes one replicate: its statistics, or the condition of a failure
#' @noRd
replicate_of <- function(fit, FUN, n, verbose) {
  force(fit)
  force(FUN)
  function(y) {
    value <- tryCatch(
      suppressMessages(as.double(FUN(refit(fit, y)))),
      error = identity
    )
    if (verbose) {
      show_value(value)
    }
    if (is.numeric(value) && length(value) != n) {
      text <- "FUN returned %s values, not %s"
      value <- simpleError(sprintf(text, length(value), n))
    }
    value
  }
}

# Prints the statistics of a replicate, or the reason of its failure.
show_value <- function(value) {
  text <- if (is.numeric(value)) {
    format(value, digits = 5L)
  } else {
    conditionMessage(value)
  }
  cat(paste(text, collapse = " "), "\n")
}

#' How progress is reported: the arguments of R's text bar, or whether to show another bar
#' @noRd
boot_progress <- function(progress, bar_arguments, control) {
  if (is.null(progress)) {
    return(list(show = control$progress))
  }
  progress <- one_of(progress, c("none", "txt"), ".progress")
  list(show = FALSE, bar = if (progress == "txt") bar_arguments)
}

#' Applies a function to each response, here or in other processes
#' @noRd
apply_to_all <- function(y, one, parallel, ncpus, cl, progress) {
  y <- as.list(y)
  switch(
    parallel,
    no = apply_here(y, one, progress),
    multicore = parallel::mclapply(y, one, mc.cores = ncpus),
    snow = apply_on_cluster(y, one, ncpus, cl),
    future = apply_by_futures(y, one, progress$show)
  )
}

apply_here <- function(y, one, progress) {
  if (is.null(progress$bar)) {
    report <- progress_reporter(length(y), "Replicates", progress$show)
    return(apply_with_progress(y, one, report %||% identity))
  }
  defaults <- list(max = length(y), style = 3L)
  bar <- do.call(
    utils::txtProgressBar,
    utils::modifyList(defaults, progress$bar)
  )
  on.exit(close(bar))
  apply_with_progress(y, one, \(done) utils::setTxtProgressBar(bar, done))
}

apply_with_progress <- function(y, one, report) {
  lapply(seq_along(y), \(i) {
    value <- one(y[[i]])
    report(i)
    value
  })
}

apply_on_cluster <- function(y, one, ncpus, cl) {
  if (is.null(cl)) {
    cl <- parallel::makePSOCKcluster(ncpus)
    on.exit(parallel::stopCluster(cl))
    parallel::clusterCall(cl, \(paths) .libPaths(paths), .libPaths())
  }
  parallel::parLapply(cl, y, one)
}

# Replicates in other processes report to progressr in this one.
apply_by_futures <- function(y, one, show) {
  need_package("future.apply", "bootMer(parallel = \"future\")")
  step <- progressr_step(length(y), show)
  one_reported <- if (is.null(step)) {
    one
  } else {
    \(y) {
      value <- one(y)
      step(message = "Replicates")
      value
    }
  }
  future_lapply <- getExportedValue("future.apply", "future_lapply")
  future_lapply(y, one_reported, future.seed = TRUE)
}

new_boot <- function(found, fit, FUN, t0, y, seed, type, call) {
  failed <- !vapply(found, is.numeric, NA)
  messages <- vapply(found[failed], failure_message, "")
  found[failed] <- list(rep(NA_real_, length(t0)))
  t <- matrix(
    unlist(found),
    ncol = length(t0),
    byrow = TRUE
  )
  colnames(t) <- names(t0)
  if (any(failed)) {
    warn_failed_replicates(messages, length(found))
  }
  structure(
    list(
      t0 = t0,
      t = t,
      R = length(found),
      data = fit$frame,
      seed = attr(y, "seed"),
      statistic = FUN,
      sim = "parametric",
      call = call,
      ran.gen = "simulate(fit, 1, ...)",
      mle = list(beta = fit$beta, theta = fit$theta)
    ),
    class = c("rlmm_boot", "bootMer", "boot"),
    bootFail = sum(failed),
    boot.fail.msgs = if (any(failed)) table(unname(messages)),
    boot_type = type
  )
}

failure_message <- function(found) {
  if (inherits(found, "condition")) conditionMessage(found) else "no result"
}

warn_failed_replicates <- function(messages, n) {
  counts <- sort(table(messages), decreasing = TRUE)
  warn_rlmm(
    c(
      sprintf(
        "%s of %s failed.",
        format_count(length(messages)),
        plural(n, "replicate")
      ),
      x = sprintf("The most frequent reason: %s", names(counts)[1L])
    ),
    "rlmm_warning_bootstrap"
  )
}

#' @export
format.rlmm_boot <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  warn_of_dots(...)
  check_digits(digits)
  table <- statistic_table(x)
  c(
    boot_header(x),
    "",
    utils::capture.output(print(table, digits = digits))
  )
}

boot_header <- function(x) {
  failed <- attr(x, "bootFail")
  type <- sub("^(.)", "\\U\\1", attr(x, "boot_type"), perl = TRUE)
  size <- plural(x$R, "replicate")
  notes <- if (failed > 0) paste0(": ", format_count(failed), " failed")
  paste0(type, " bootstrap by bootMer(), ", size, notes, ".")
}

statistic_table <- function(x) {
  mean <- colMeans(x$t, na.rm = TRUE)
  data.frame(
    original = as.vector(x$t0),
    bias = mean - as.vector(x$t0),
    std.error = apply(x$t, 2L, stats::sd, na.rm = TRUE),
    row.names = statistic_labels(x$t0)
  )
}

statistic_labels <- function(t0) {
  names(t0) %||% paste0("t", seq_along(t0))
}

#' @export
print.rlmm_boot <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @export
as.data.frame.rlmm_boot <- function(
  x,
  row.names = NULL,
  optional = FALSE,
  ...
) {
  as.data.frame(x$t, row.names = row.names, optional = optional, ...)
}

#' @export
confint.rlmm_boot <- function(
  object,
  parm = NULL,
  level = 0.95,
  type = c("percentile", "basic", "normal", "shortest"),
  ...
) {
  refuse_dots(...)
  check_confidence(level)
  type <- one_of(type, interval_types, "type")
  labels <- statistic_labels(object$t0)
  wanted <- match(select_parameters(parm, labels, 0L), labels)
  values <- object$t[, wanted, drop = FALSE]
  limits <- bootstrap_limits(values, object$t0[wanted], level, type)
  dimnames(limits) <- list(labels[wanted], limit_names(level))
  limits
}

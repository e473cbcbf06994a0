# The fits of tools/fuzz.R, and what is checked of each.

# Differences of a criterion that don't matter, and those that rounding explains.
negligible <- 1e-6
rounding <- 1e-9

`%||%` <- function(x, y) if (is.null(x)) y else x

# Fits ------------------------------------------------------------------------

# How many there were.
fits <- new.env()
fits$count <- 0L
# The processor's seconds of the longest one since this was last set to zero.
fits$longest <- 0

#' The control of a model, with the parameters that it holds
#' @noRd
control_of <- function(model, ...) rlmm_control(fixed = model$held, ...)

#' A fit with its conditions; `fit` is the error if it fails
#' @noRd
fit_model <- function(model, ...) {
  fits$count <- fits$count + 1L
  arguments <- utils::modifyList(
    c(model$arguments, list(control = control_of(model))),
    list(...)
  )
  fun <- if (model$kind == "linear") quote(rlmm) else quote(rglmm)
  told <- character()
  keep <- function(condition) {
    told <<- c(told, class(condition)[1L])
    tryInvokeRestart("muffleWarning")
    tryInvokeRestart("muffleMessage")
  }
  call <- as.call(c(
    list(fun, model$formula, quote(model$data)),
    Filter(Negate(is.null), arguments)
  ))
  seconds <- system.time(
    fit <- withCallingHandlers(
      tryCatch(eval(call), error = identity),
      warning = keep,
      message = keep
    ),
    gcFirst = FALSE
  )[["user.self"]]
  fits$longest <- max(fits$longest, seconds)
  list(fit = fit, told = told)
}

criterion <- function(fit) {
  if (inherits(fit, "rlmm")) -2 * as.numeric(stats::logLik(fit)) else NA_real_
}

verdict_of <- function(fit) {
  fit$optsum$certificate$verdict %||%
    tryCatch(certificate(fit)$verdict, error = \(e) "none")
}

# Conditions that say that the criterion has no minimum, or may have one that isn't looked for.
has_no_optimum <- c(
  "rlmm_warning_exact_fit",
  "rlmm_warning_interpolation",
  "rlmm_message_interpolation"
)

# Whether a fit says itself that its criterion has no single minimum, or is a rounding error.
is_ambiguous <- function(found) {
  verdict_of(found$fit) %in%
    c("unbounded", "unidentified", "rounded") ||
    length(found$fit$separated) > 0L ||
    length(found$fit$saturated) > 0L ||
    any(has_no_optimum %in% found$told)
}

# Whether a fit says itself that its criterion may be a rounding error.
is_rounded <- function(found) {
  verdict_of(found$fit) == "rounded" || "rlmm_warning_exact_fit" %in% found$told
}

# Whether a fit says itself that it isn't at an optimum.
has_warned <- function(found) "rlmm_warning_convergence" %in% found$told

# Whether a fit's certificate says that there may be a lower optimum: its searches from random
# starts ended before they found none that was new.
may_be_lower <- function(found) {
  share <- found$fit$optsum$random_starts$undiscovered
  !is.null(share) && share > 0.05
}

# Rounding error of the criterion: relative to it, and more where covariances are large beside the
# residual variance. Ten times what the core takes it for (`Geometry::rounding`), as two searches
# end in different places of a flat valley.
noise_of <- function(fit) {
  value <- abs(criterion(fit))
  scales <- vapply(
    fit$random,
    \(term) max(abs(rlmm:::lambda_block(term, fit$theta)) * term$scale, 1),
    0
  )
  negligible +
    rounding * value +
    10 * .Machine$double.eps * (1 + value) * max(scales)^2
}

# Checks: each returns a text if something is wrong ---------------------------

check_outcome <- function(model, found) {
  if (inherits(found$fit, "error") && !inherits(found$fit, "rlmm_error")) {
    return(paste("unclassed:", conditionMessage(found$fit)))
  }
  unclassed <- !grepl("^rlmm_", found$told)
  if (any(unclassed)) paste("unclassed:", found$told[unclassed][1L])
}

# The longest fit, of those that the other checks have made.
check_time <- function(model, found) {
  if (fits$longest > 20) paste("took", round(fits$longest), "s")
}

check_finite <- function(model, found) {
  numbers <- c(
    criterion(found$fit),
    fixef(found$fit),
    getME(found$fit, "theta"),
    fitted(found$fit),
    unlist(lapply(ranef(found$fit), as.matrix))
  )
  if (!all(is.finite(numbers))) "numbers that aren't finite"
}

check_dense <- function(model, found) {
  fit <- found$fit
  if (model$kind != "linear" || any(model$data$w == 0) || is_ambiguous(found)) {
    return(NULL)
  }
  spec <- rlmm:::fit_spec(fit)
  dense <- tryCatch(
    dense_estimates(spec, getME(fit, "theta"))$objective,
    error = \(e) NA
  )
  # Dense algebra has the larger rounding errors: those of the marginal covariance matrix.
  gap <- abs(dense - fit$dev$objective)
  if (isTRUE(gap > 1e-3 + 1e4 * noise_of(fit))) {
    paste("dense algebra gives", format(dense, digits = 10))
  }
}

check_optimum <- function(model, found) {
  fit <- found$fit
  n <- length(getME(fit, "theta"))
  starts <- lapply(c(1e-2, 1, 100), \(scale) {
    scale * stats::runif(n, 0.3, 3) * ifelse(getME(fit, "lower") == 0, 1, 0.01)
  })
  optimizers <- c("LN_BOBYQA", "LD_LBFGS")
  others <- c(
    lapply(optimizers, \(optimizer) {
      control <- control_of(model, optimizer = optimizer, max_eval = 3000)
      fit_model(model, control = control)
    }),
    lapply(starts, \(start) {
      fit_model(model, start = start, control = control_of(model))
    })
  )
  others <- Filter(Negate(is_rounded), others)
  values <- vapply(others, \(other) criterion(other$fit), 0)
  best <- min(values, Inf, na.rm = TRUE)
  gap <- criterion(fit) - best
  is_above <- is.finite(gap) && gap > noise_of(fit)
  if (is_above && !has_warned(found)) {
    return(paste("another one ends lower by", format(gap, digits = 3)))
  }
  # All optimizers may end at the same edge.
  is_alone <- is.finite(gap) &&
    abs(gap) < negligible &&
    verdict_of(fit) != "edge"
  if (has_warned(found) && is_alone) "a false alarm"
}

# Whether a covariate is so far from zero that it may be refused beside fixed effects of levels:
# rounding errors of these depend on which level is their base.
has_far_covariate <- function(data) {
  is_far <- \(x) abs(mean(x)) > 1e5 * stats::sd(x)
  is_far(data$x) || is_far(data$z)
}

#' Compares the criterion with that of another model of the same likelihood
#' @param shift The difference of the two by arithmetic.
#' @noRd
compare <- function(fit, other, what, shift = 0) {
  again <- fit_model(other)$fit
  if (inherits(again, "rlmm_error_origin") && has_far_covariate(other$data)) {
    return(NULL)
  }
  gap <- abs(criterion(again) - criterion(fit) - shift)
  if (!isTRUE(gap <= 1e-4 + noise_of(fit))) {
    paste0(what, ": ", format(gap, digits = 3))
  }
}

check_rows <- function(model, found) {
  other <- model
  other$data <- model$data[sample.int(nrow(model$data)), ]
  compare(found$fit, other, "rows in another order")
}

check_levels <- function(model, found) {
  # A held coefficient is another one with other names.
  if (!is.null(model$held$beta)) {
    return(NULL)
  }
  other <- model
  levels(other$data$g) <- paste0("level", rev(levels(model$data$g)))
  other$data$g <- factor(as.character(other$data$g))
  compare(found$fit, other, "other names of levels")
}

check_origin <- function(model, found) {
  if (!model$follows_origin || !is.null(model$held)) {
    return(NULL)
  }
  origin <- 10^stats::runif(1, 1, 5) * stats::sd(model$data$x)
  other <- model
  other$data$x <- model$data$x + origin
  compare(found$fit, other, paste("origin", format(origin, digits = 3)))
}

# The criterion of a response in other units differs by what the density does.
check_units <- function(model, found) {
  arguments <- model$arguments
  if (!has_units(model) || !is.null(arguments$sigma) || !is.null(model$held)) {
    return(NULL)
  }
  other <- model
  other$data$y <- 1024 * model$data$y
  if (model$kind == "linear") {
    other$data$o <- 1024 * model$data$o
  }
  df <- found$fit$dev$n_eff
  if (isTRUE(arguments$REML)) {
    df <- df - length(fixef(found$fit))
  }
  compare(found$fit, other, "units of the response", 2 * df * log(1024))
}

#' Whether the response has units that its model follows
#' @noRd
has_units <- function(model) {
  if (model$kind == "linear") {
    return(TRUE)
  }
  link <- eval(model$arguments$family)$link
  is_continuous(model) && (link == "log" || all(model$data$o == 0))
}

is_continuous <- function(model) {
  eval(model$arguments$family)$family %in%
    c("Gamma", "inverse.gaussian", "gaussian")
}

# Every row twice, and every row with the frequency two.
check_copies <- function(model, found) {
  if (any(model$data$w != 1)) {
    return(NULL)
  }
  twice <- counted <- model
  twice$data <- rbind(model$data, model$data)
  counted$data$w <- 2
  counted$arguments$weights <- quote(w)
  counted$arguments$weights_type <- "frequency"
  first <- fit_model(twice)
  if (
    !inherits(first$fit, "rlmm") || is_ambiguous(first) || has_warned(first)
  ) {
    return(NULL)
  }
  compare(first$fit, counted, "rows repeated by their frequency")
}

# Every row as two rows of half its weight, and every trial as a row.
check_split <- function(model, found) {
  if (any(model$data$w == 0)) {
    return(NULL)
  }
  if (model$kind == "linear") {
    return(check_split_linear(model, found))
  }
  if (eval(model$arguments$family)$family == "binomial") {
    check_split_trials(model, found)
  } else if (!is_continuous(model)) {
    other <- halved(model)
    other$arguments$weights <- quote(w)
    compare(found$fit, other, "rows of half the weight")
  }
}

halved <- function(model) {
  half <- transform(model$data, w = w / 2)
  model$data <- rbind(half, half)
  model
}

#' With the residual standard deviation held, two rows of half the weight have the density of one
#' and that of the difference of two observations.
#' @noRd
check_split_linear <- function(model, found) {
  sigma <- stats::sigma(found$fit)
  if (is.null(model$arguments$sigma)) {
    model$arguments$sigma <- sigma
    found <- fit_model(model)
  }
  if (
    !inherits(found$fit, "rlmm") || is_ambiguous(found) || has_warned(found)
  ) {
    return(NULL)
  }
  shift <- sum(log(8 * pi * sigma^2 / model$data$w))
  compare(found$fit, halved(model), "rows of half the weight", shift)
}

check_split_trials <- function(model, found) {
  data <- model$data
  if (is.null(model$arguments$weights)) {
    return(NULL)
  }
  successes <- round(data$y * data$w)
  rows <- rep(seq_len(nrow(data)), data$w)
  trial <- sequence(data$w)
  other <- model
  other$data <- transform(
    data[rows, ],
    y = as.numeric(trial <= successes[rows]),
    w = 1
  )
  shift <- 2 * sum(lchoose(data$w, successes))
  compare(found$fit, other, "trials as rows", shift)
}

# A refit to a simulated response is the fit to it.
check_refit <- function(model, found) {
  model$data$y <- stats::simulate(found$fit, seed = 1)[[1L]]
  if (anyNA(model$data$y)) {
    return(NULL)
  }
  new <- fit_model(model)
  if (is_ambiguous(new) || has_warned(new)) {
    return(NULL)
  }
  compare_fits(refit_quietly(found$fit, model$data$y), new$fit)
}

refit_quietly <- function(fit, y) {
  tryCatch(
    suppressWarnings(suppressMessages(refit(fit, y))),
    error = identity
  )
}

compare_fits <- function(again, fit) {
  failed <- c(inherits(again, "error"), inherits(fit, "error"))
  if (any(failed)) {
    return(if (!all(failed)) "a refit or the fit to the same response fails")
  }
  gap <- abs(criterion(again) - criterion(fit))
  if (!isTRUE(gap <= 1e-4 + noise_of(fit))) {
    paste("a refit differs from the fit by", format(gap, digits = 3))
  }
}

checks <- list(
  outcome = check_outcome,
  finite = check_finite,
  dense = check_dense,
  optimum = check_optimum,
  rows = check_rows,
  levels = check_levels,
  origin = check_origin,
  units = check_units,
  copies = check_copies,
  split = check_split,
  refit = check_refit,
  time = check_time
)

# Helpers for confidence limits: the selection of parameters, the level and the names.

lme4_names <- function(estimate) {
  numbered <- sprintf(".sig%02d", seq_along(estimate))
  ifelse(names(estimate) == "sigma", ".sigma", numbered)
}

wald_limits <- function(estimate, std_error, level, df = Inf) {
  half_width <- stats::qt((1 + level) / 2, df) * std_error
  # A held parameter is known exactly and has no degrees of freedom.
  half_width[which(std_error == 0)] <- 0
  cbind(estimate - half_width, estimate + half_width)
}

limit_names <- function(level) {
  paste(
    format(
      100 * c((1 - level) / 2, (1 + level) / 2),
      trim = TRUE,
      scientific = FALSE,
      digits = 3
    ),
    "%"
  )
}

select_parameters <- function(parm, labels, n_variance, arg = "parm") {
  is_variance <- seq_along(labels) <= n_variance
  if (is.null(parm)) {
    return(labels)
  }
  if (identical(parm, "beta_")) {
    return(labels[!is_variance])
  }
  if (identical(parm, "theta_")) {
    return(labels[is_variance])
  }
  if (!is.atomic(parm)) {
    problem <- sprintf("`%s` must hold names or numbers of parameters.", arg)
    abort_argument(problem, x = it_is(parm), arg = arg)
  }
  parm <- if (is.numeric(parm)) labels_at(parm, labels) else parm
  unknown <- setdiff(parm, labels)
  if (length(unknown) > 0) {
    abort_unknown_parameter(unknown, labels, arg)
  }
  parm
}

# Selects labels by positive or negative numbers; a number out of range is returned as it is.
labels_at <- function(numbers, labels) {
  places <- seq_along(labels)
  if (all(numbers %in% -places)) {
    return(labels[numbers])
  }
  found <- labels[match(numbers, places)]
  found[is.na(found)] <- as.character(numbers[is.na(found)])
  found
}

#' Translates names of variance parameters: `"sd_Days|Subject"` may be `".sig03"`, and vice versa
#' @noRd
called_here <- function(parm, fit, signames) {
  if (!is.character(parm)) {
    return(parm)
  }
  estimate <- variance_map(fit, "sd")$value
  own <- names(estimate)
  old <- lme4_names(estimate)
  at <- match(parm, if (signames) own else old)
  is_known <- !is.na(at) & !parm %in% names(fit$beta)
  parm[is_known] <- (if (signames) old else own)[at[is_known]]
  parm
}

abort_unknown_parameter <- function(unknown, known, arg) {
  abort_rlmm(
    c(
      sprintf("`%s` must name parameters of the model.", arg),
      x = sprintf("Can't find %s.", enumerate(in_quotes(unknown))),
      i = they_are(in_quotes(known))
    ),
    "rlmm_error_unknown_parameter",
    arg = arg
  )
}

check_confidence <- function(level) {
  if (is_number(level) && level > 0 && level < 1) {
    return(invisible(level))
  }
  abort_argument(
    "`level` must be one number between 0 and 1.",
    x = it_is(level),
    arg = "level"
  )
}

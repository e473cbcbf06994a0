# Translates lme4's control objects to those of rlmm_control().

#' The control for `rlmm()` from the user's argument
#' @noRd
as_control <- function(control) {
  force_control(control)
  if (inherits(control, "rlmm_control")) {
    return(control)
  }
  if (inherits(control, "merControl")) {
    return(translate_control(control))
  }
  if (is.list(control) && !is.object(control)) {
    return(do.call(rlmm_control, control))
  }
  abort_control(
    "`control` must be made by `rlmm_control()`.",
    it_is(control),
    if (is.character(control) && length(control) == 1L) {
      c(i = sprintf("Write `rlmm_control(optimizer = \"%s\")`?", control))
    },
    arg = "control"
  )
}

# Evaluates the argument `control`.
force_control <- function(control) {
  withCallingHandlers(control, error = abort_if_other_control)
}

# Raises an error about a control function of a package that isn't attached, instead of R's error
# that there is no such function.
abort_if_other_control <- function(cnd) {
  name <- call_name(conditionCall(cnd))
  package <- control_functions[name]
  if (is.na(package) || exists(name, mode = "function")) {
    return(invisible())
  }
  abort_control(
    "`control` can't be evaluated.",
    sprintf("`%s()` is a function of %s, which isn't attached.", name, package),
    c(i = "`rlmm_control()` has the options of this package."),
    arg = "control"
  )
}

control_functions <- c(
  lmerControl = "lme4",
  glmerControl = "lme4",
  nlmerControl = "lme4",
  glmmTMBControl = "glmmTMB",
  lmeControl = "nlme"
)

# The defaults of lmerControl(), so that only elements that the user changed are reported as
# ignored. Derivatives are always computed; not requesting them isn't reported.
lme4_defaults <- list(
  restart_edge = c("TRUE", "FALSE"),
  boundary.tol = "1e-05",
  calc.derivs = c("TRUE", "FALSE", "NULL"),
  use.last.params = "FALSE",
  sparseX = "FALSE",
  standardize.X = "FALSE",
  autoscale = "NULL"
)

#' Translates lme4's control object
#'
#' Elements without an equivalent are named in a message.
#' @noRd
translate_control <- function(control) {
  checks <- control$checkControl
  known <- is_known_check(names(checks))
  tuned <- translate_tuning(control)
  rest <- c(
    control[intersect(names(control), names(lme4_defaults))],
    checks[!known]
  )
  is_wish <- !mapply(is_lme4_default, rest, names(rest))
  inform_ignored(c(names(rest)[is_wish], tuned$ignored))
  do.call(
    rlmm_control,
    c(tuned$arguments, translate_checks(control, checks[known]))
  )
}

is_known_check <- function(names) {
  plain <- tolower(sub("^check[.]", "", names))
  gsub(".", "_", plain, fixed = TRUE) %in% names(default_checks)
}

# Policies that exempt large models only exist for the rank of Z; lme4's default for the scale of
# covariates differs from ours.
translate_checks <- function(control, checks) {
  others <- names(checks) != "check.nobs.vs.rankZ"
  checks[others] <- sub("Small$", "", checks[others])
  scale <- control$checkControl$check.scaleX
  checks$check.scaleX <- if (identical(scale, "warning")) "ignore" else scale
  singular <- control$checkConv$check.conv.singular$action
  if (!is.null(singular)) {
    checks$check.conv.singular <- singular
  }
  checks
}

inform_ignored <- function(ignored) {
  if (length(ignored) == 0L) {
    return(invisible())
  }
  inform_rlmm(
    sprintf(
      "Ignored parts of lme4's control, which have no meaning here: %s.",
      enumerate(tick(ignored), max = 20L)
    ),
    "rlmm_message_control",
    ignored = ignored
  )
}

is_lme4_default <- function(value, name) {
  paste(deparse(value), collapse = "") %in% lme4_defaults[[name]]
}

#' The optimizer of lme4's control object and its options
#' @return A list: `arguments` of [rlmm_control()], and names of `ignored` options.
#' @noRd
translate_tuning <- function(control) {
  opts <- control$optCtrl
  name <- opts$algorithm %||% control$optimizer
  opts <- opts[names(opts) != "algorithm"]
  understood <- understood_tuning(opts)
  if (!is.null(control$tolPwrss) && control$tolPwrss != 1e-7) {
    understood$pirls_tol <- control$tolPwrss
  }
  understood$optimizer <- known_wish(name)
  is_unknown <- is_optimizer_wish(name) && is.null(understood$optimizer)
  ignored <- setdiff(names(opts), names(tuning_aliases))
  is_repeated <- duplicated(names(understood))
  list(
    arguments = understood[!is_repeated],
    ignored = c(if (is_unknown) "optimizer", ignored)
  )
}

# The settings of lme4's optimizers that have an equivalent, by the names in rlmm_control().
understood_tuning <- function(opts) {
  understood <- opts[names(opts) %in% names(tuning_aliases)]
  names(understood) <- tuning_aliases[names(understood)]
  understood
}

# Whether the user requested an optimizer: lme4's default (of lmer(), or the pair of glmer())
# doesn't count, but one named in its options does.
is_optimizer_wish <- function(name) {
  !identical(name, "nloptwrap") && !identical(name, c("bobyqa", "Nelder_Mead"))
}

known_wish <- function(name) {
  is_known <- is_optimizer_wish(name) &&
    is.character(name) &&
    !is.null(optimizer_name(name[1L]))
  if (is_known) name[1L]
}

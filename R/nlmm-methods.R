# Methods for nonlinear fits: estimates, fitted values and residuals.

#' @rdname rnlmm
#' @export
fixef.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$beta
}

#' @rdname rnlmm
#' @export
ranef.rlmm_nlmm <- function(object, condVar = TRUE, ...) {
  refuse_dots(...)
  check_flag(condVar, "condVar")
  shell <- linear_shell(object)
  owner <- term_groups(shell)
  groups <- unique(owner)
  tables <- mode_tables(shell, groups, object$b)
  if (condVar) {
    variances <- lapply(object$cond_var, \(array) object$sigma^2 * array)
    tables[] <- lapply(groups, \(group) {
      own <- owner == group
      attach_variances(
        tables[[group]],
        variances[own],
        object$random[own]
      )
    })
  }
  structure(tables, class = c("ranef.rlmm", "ranef.mer"))
}

#' @rdname rnlmm
#' @export
coef.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  modes <- unclass(ranef.rlmm_nlmm(object, condVar = FALSE))
  tables <- lapply(modes, added_to_beta, beta = object$beta)
  structure(tables, class = c("coef.rlmm", "coef.mer"))
}

# The coefficients of each level: the fixed effects plus the modes with the same names.
added_to_beta <- function(modes, beta) {
  n <- nrow(modes)
  names <- list(rownames(modes), names(beta))
  fixed <- matrix(
    beta,
    n,
    length(beta),
    byrow = TRUE,
    dimnames = names
  )
  out <- as.data.frame(fixed, optional = TRUE)
  shared <- intersect(names(modes), names(out))
  out[shared] <- out[shared] + modes[shared]
  other <- setdiff(names(modes), names(out))
  out[other] <- modes[other]
  out
}

#' @rdname rnlmm
#' @export
VarCorr.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  VarCorr.rlmm(linear_shell(x))
}

#' @rdname rnlmm
#' @export
sigma.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$sigma
}

#' @rdname rnlmm
#' @export
vcov.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  names <- names(object$beta)
  out <- object$sigma^2 * inverse_of_cross(object$rx)
  dimnames(out) <- list(names, names)
  out
}

#' @rdname rnlmm
#' @export
logLik.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  structure(
    -object$dev$objective / 2,
    df = length(object$theta) + length(object$beta) + 1L,
    nobs = object$dev$n_eff,
    class = "logLik"
  )
}

#' @rdname rnlmm
#' @export
deviance.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$dev$objective
}

#' @export
nobs.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  as.integer(object$dev$n_eff)
}

#' @export
df.residual.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  nobs.rlmm_nlmm(object) - attr(logLik.rlmm_nlmm(object), "df")
}

#' @export
family.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  stats::gaussian()
}

#' @export
case.names.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  row.names(object$frame)
}

#' @export
variable.names.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  names(fixef.rlmm_nlmm(object))
}

#' @export
#' @rawNamespace S3method(lme4::ngrps, rlmm_nlmm)
ngrps.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  ngrps.rlmm(linear_shell(object))
}

#' @export
#' @rawNamespace S3method(lme4::isNLMM, rlmm_nlmm)
isNLMM.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  TRUE
}

#' @export
#' @rawNamespace S3method(lme4::isLMM, rlmm_nlmm)
isLMM.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  FALSE
}

#' @export
#' @rawNamespace S3method(lme4::isGLMM, rlmm_nlmm)
isGLMM.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  FALSE
}

#' @export
#' @rawNamespace S3method(lme4::isREML, rlmm_nlmm)
isREML.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  FALSE
}

# Data ----------------------------------------------------------------------

#' @rdname rnlmm
#' @export
formula.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  x$formula
}

#' @export
model.frame.rlmm_nlmm <- function(formula, ...) {
  warn_of_dots(...)
  formula$frame
}

#' @rdname rnlmm
#' @export
fitted.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  values <- stats::setNames(object$fitted, row.names(object$frame))
  stats::napredict(object$na_action, values)
}

#' @rdname rnlmm
#' @export
residuals.rlmm_nlmm <- function(
  object,
  type = c("response", "pearson", "scaled"),
  ...
) {
  refuse_dots(...)
  type <- one_of(type, c("response", "pearson", "scaled"), "type")
  r <- as.double(object$frame[[1L]]) - object$fitted
  if (type != "response") {
    r <- sqrt(object$weights %||% 1) * r
  }
  if (type == "scaled") {
    r <- r / object$sigma
  }
  stats::naresid(
    object$na_action,
    stats::setNames(r, row.names(object$frame))
  )
}

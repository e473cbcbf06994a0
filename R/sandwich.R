# Methods for package sandwich: see [robust].

#' @rawNamespace S3method(sandwich::estfun, rlmm)
estfun.rlmm <- function(x, ...) {
  check_linear(x, "x", robust_hint)
  if (is_meat_of_clusters(sys.function(sys.parent()))) {
    check_meat_arguments(x, parent.frame())
  }
  parts <- marginal_scores(x)
  free <- names(x$beta)[parts$free]
  out <- matrix(0, length(x$fitted), length(free))
  out[parts$kept, ] <- parts$c %*% parts$root * parts$residual / x$sigma^2
  dimnames(out) <- list(row.names(x$frame), free)
  out
}

robust_hint <- "`vcov(fit, type = \"CR1\", cluster = ~ g)` has robust standard errors."

#' @rawNamespace S3method(sandwich::bread, rlmm)
bread.rlmm <- function(x, ...) {
  check_linear(x, "x", robust_hint)
  free <- free_beta(x)
  nobs.rlmm(x) * fixed_covariance(x)[free, free, drop = FALSE]
}

# vcovCL() isn't generic: its arguments can only be checked when its function meatCL() asks for
# scores.
is_meat_of_clusters <- function(caller) {
  isNamespaceLoaded("sandwich") &&
    identical(caller, getExportedValue("sandwich", "meatCL"))
}

#' Raises an error about arguments of `vcovCL()` that would cause an R error or `NaN`
#' @param frame The frame of `sandwich::meatCL()`.
#' @noRd
check_meat_arguments <- function(fit, frame) {
  type <- frame$type
  is_hc <- \(type) toupper(type[1L]) %in% c("HC", "HC0", "HC1")
  if (!is.null(type) && !is_hc(type)) {
    abort_vcov_type("vcovCL", "\"HC0\" and \"HC1\"", type)
  }
  if (!rlang::is_formula(frame$cluster)) {
    return(invisible())
  }
  tryCatch(
    suppressWarnings(stats::expand.model.frame(fit, frame$cluster)),
    error = \(cnd) abort_cluster_formula(frame$cluster)
  )
}

abort_cluster_formula <- function(formula) {
  text <- deparse1(formula)
  abort_rlmm(
    c(
      "`vcovCL()` of sandwich can't read its `cluster` beside this model's formula.",
      x = sprintf("`cluster` is %s.", tick(text)),
      i = sprintf(
        "Take `vcov(fit, type = \"CR1\", cluster = %s)`, or a vector.",
        text
      )
    ),
    "rlmm_error_not_available"
  )
}

#' The types of `vcovHC()`, whose leverages and residuals are those of models without random effects
#'
#' sandwich would treat the scores of a mixed model as products of a residual and a row of X.
#' @noRd
#' @rawNamespace S3method(sandwich::vcovHC, rlmm)
vcovHC.rlmm <- function(x, type = "HC3", ...) {
  refuse_dots(...)
  if (!identical(type, "HC0") && !identical(type, "HC")) {
    abort_vcov_type("vcovHC", "\"HC0\"", type)
  }
  robust_by(x, "HC0", NULL)$covariance
}

abort_vcov_type <- function(fun, available, type) {
  abort_rlmm(
    c(
      sprintf(
        "`%s()` of sandwich has types for models without random effects, and of a fit %s alone.",
        fun,
        available
      ),
      x = paste0("`type` is ", enumerate(type), "."),
      i = "Take `vcov(fit, type = \"CR2\", cluster = ~ g)`."
    ),
    "rlmm_error_not_available"
  )
}

#' @rawNamespace S3method(sandwich::vcovBS, rlmm)
vcovBS.rlmm <- function(x, ...) {
  abort_refits_by_rows("vcovBS", "`cov(bootstrap(fit)$beta)`")
}

#' @rawNamespace S3method(sandwich::vcovJK, rlmm)
vcovJK.rlmm <- function(x, ...) {
  abort_refits_by_rows("vcovJK", "`vcov(fit, type = \"CR2\")`")
}

abort_refits_by_rows <- function(fun, instead) {
  abort_rlmm(
    c(
      sprintf("`%s()` of sandwich refits models without random effects.", fun),
      i = sprintf("Take %s.", instead)
    ),
    "rlmm_error_not_available"
  )
}

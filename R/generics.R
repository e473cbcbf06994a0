# Generics with the names of lme4's. Objects of other classes are passed on to lme4 if it is loaded,
# and our methods are also registered for lme4's generics (`S3method(lme4::...)` in NAMESPACE): with
# both packages attached, in either order, the functions of either package work on the fits of both.

#' Generics shared with lme4
#'
#' These functions have the names and meaning of those in lme4. For a fit of another package they
#' call the function of the same name in lme4 (if it is loaded), so that the order in which both
#' packages are attached doesn't matter.
#'
#' In lme4 `REMLcrit()` is not generic. If lme4 was attached after rlmm and R is older than 4.3, use
#' `rlmm::REMLcrit(fit)`.
#'
#' @param object,x A fitted model.
#' @param name The name of a component, see [getME.rlmm()].
#' @param ... Passed to methods.
#' @return The result of the method. `isREML()`, `isLMM()`, `isGLMM()`, `isNLMM()` and
#'   `isSingular()` return `TRUE` or `FALSE`, and `ngrps()` a named vector with the number of levels
#'   of each grouping factor.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' isREML(fit)
#' ngrps(fit)
#' @name rlmm-generics
NULL

#' @rdname rlmm-generics
#' @export
getME <- function(object, name, ...) UseMethod("getME")

#' @rdname rlmm-generics
#' @export
isREML <- function(x, ...) UseMethod("isREML")

#' @rdname rlmm-generics
#' @export
isLMM <- function(x, ...) UseMethod("isLMM")

#' @rdname rlmm-generics
#' @export
isGLMM <- function(x, ...) UseMethod("isGLMM")

#' @rdname rlmm-generics
#' @export
isNLMM <- function(x, ...) UseMethod("isNLMM")

#' @rdname rlmm-generics
#' @export
isSingular <- function(x, ...) UseMethod("isSingular")

#' @rdname rlmm-generics
#' @export
ngrps <- function(object, ...) UseMethod("ngrps")

#' @rdname rlmm-generics
#' @export
rePCA <- function(x, ...) UseMethod("rePCA")

#' @rdname rlmm-generics
#' @export
REMLcrit <- function(object, ...) UseMethod("REMLcrit")

#' @rdname rlmm-generics
#' @export
refit <- function(object, ...) UseMethod("refit")

#' @rdname rlmm-generics
#' @export
refitML <- function(x, ...) UseMethod("refitML")

#' @rdname rlmm-generics
#' @export
condVar <- function(object, ...) UseMethod("condVar")

#' @export
getME.default <- function(object, name, ...) {
  pass_to_lme4("getME", object, name, ...)
}

#' @export
isREML.default <- function(x, ...) pass_to_lme4("isREML", x, ...)

#' @export
isLMM.default <- function(x, ...) pass_to_lme4("isLMM", x, ...)

#' @export
isGLMM.default <- function(x, ...) pass_to_lme4("isGLMM", x, ...)

#' @export
isNLMM.default <- function(x, ...) pass_to_lme4("isNLMM", x, ...)

#' @export
isSingular.default <- function(x, ...) pass_to_lme4("isSingular", x, ...)

#' @export
ngrps.default <- function(object, ...) pass_to_lme4("ngrps", object, ...)

#' @export
ngrps.factor <- function(object, ...) nlevels(object)

#' @export
rePCA.default <- function(x, ...) pass_to_lme4("rePCA", x, ...)

#' @export
REMLcrit.default <- function(object, ...) pass_to_lme4("REMLcrit", object, ...)

#' @export
refit.default <- function(object, ...) pass_to_lme4("refit", object, ...)

#' @export
refitML.default <- function(x, ...) pass_to_lme4("refitML", x, ...)

#' @export
condVar.default <- function(object, ...) abort_no_method("condVar", object)

#' Calls lme4's function for an object of another class
#'
#' The function is only called if it has a method for the object: otherwise dispatch might return to
#' our default method in an infinite recursion.
#' @noRd
pass_to_lme4 <- function(generic, object, ...) {
  if (!isNamespaceLoaded("lme4") || !has_lme4_method(generic, object)) {
    abort_no_method(generic, object)
  }
  getExportedValue("lme4", generic)(object, ...)
}

has_lme4_method <- function(generic, object) {
  if (inherits(object, "merMod")) {
    return(TRUE)
  }
  find_method <- \(class) {
    utils::getS3method(
      generic,
      class,
      optional = TRUE,
      envir = asNamespace("lme4")
    )
  }
  methods <- lapply(class(object), find_method)
  !all(vapply(methods, is.null, NA))
}

abort_no_method <- function(generic, object) {
  abort_rlmm(
    c(
      paste0("`", generic, "()` needs a fitted mixed model."),
      x = paste0("It was given ", describe_type(object), "."),
      i = nonlinear_hint(object),
      i = if (isS4(object) && !isNamespaceLoaded("lme4")) {
        "If it is a fit of lme4, load that package first."
      }
    ),
    "rlmm_error_no_method"
  )
}

# Kinds of models ---------------------------------------------------------

# Without fixed effects both criteria are the same, and lme4 reports maximum likelihood.
#' @export
#' @rawNamespace S3method(lme4::isREML, rlmm)
isREML.rlmm <- function(x, ...) {
  refuse_dots(...)
  isTRUE(x$reml) && n_coefficients(x) > 0
}

#' @export
#' @rawNamespace S3method(lme4::isLMM, rlmm)
isLMM.rlmm <- function(x, ...) {
  refuse_dots(...)
  inherits(x, "rlmm_lmm")
}

#' @export
#' @rawNamespace S3method(lme4::isGLMM, rlmm)
isGLMM.rlmm <- function(x, ...) {
  refuse_dots(...)
  inherits(x, "rlmm_glmm")
}

#' @export
#' @rawNamespace S3method(lme4::isNLMM, rlmm)
isNLMM.rlmm <- function(x, ...) {
  refuse_dots(...)
  FALSE
}

#' @export
#' @rawNamespace S3method(lme4::ngrps, rlmm)
ngrps.rlmm <- function(object, ...) {
  refuse_dots(...)
  groups <- term_groups(object)
  first <- !duplicated(groups)
  count <- \(term) length(term$levels)
  stats::setNames(
    vapply(object$random[first], count, 1L),
    groups[first]
  )
}

# texreg's generic extract() is an S4 generic, whose method for our fits is made when it is loaded.

#' Makes texreg accept our fits, now or as soon as it is loaded
#' @noRd
offer_to_texreg <- function() {
  if (isNamespaceLoaded("texreg")) {
    define_extract()
  }
  setHook(packageEvent("texreg", "onLoad"), \(...) define_extract())
}

# The method and the classes are in an environment of their own, as a loaded namespace is locked.
define_extract <- function() {
  namespace <- asNamespace("texreg")
  if (!methods::isGeneric("extract", where = namespace)) {
    return(invisible())
  }
  place <- new.env(parent = namespace)
  methods::setOldClass(c("rlmm_lmm", "rlmm"), where = place)
  methods::setOldClass(c("rlmm_glmm", "rlmm"), where = place)
  methods::setMethod("extract", "rlmm", extract_as_lme4, where = place)
}

extract_as_lme4 <- function(model, ...) {
  # Converted before the call, as an error in an argument of an S4 generic has another message.
  object <- as_merMod(model)
  getExportedValue("texreg", "extract")(object, ...)
}

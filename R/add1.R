#' Terms that could be added
#'
#' Fits each model that has one more fixed effect, and compares them by AIC. (`drop1()` needs no
#' method of its own.) As of [extractAIC()][logLik.rlmm], fits by REML are compared by maximum
#' likelihood.
#'
#' @param object A fit.
#' @param scope The fixed effects to try: a formula, in which `.` stands for those of the model, or
#'   a character vector.
#' @param ... Passed on to the default method of [add1()][stats::add1]: `test = "Chisq"`, `k`,
#'   `trace`.
#' @return As of [add1()][stats::add1].
#' @examples
#' sleepstudy$odd <- sleepstudy$Days %% 2
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
#' add1(fit, ~ . + odd + I(Days^2), test = "Chisq")
#' @importFrom stats add1
#' @export
add1.rlmm <- function(object, scope, ...) {
  if (missing(scope)) {
    abort_scope()
  }
  scope <- added_effects(object, scope)
  # `NextMethod()` would hand on the scope as it was given, too.
  default <- utils::getS3method("add1", "default", envir = asNamespace("stats"))
  default(object, scope, ...)
}

# The names of the effects to add. The default method would take a random-effects term for one.
added_effects <- function(fit, scope) {
  if (rlang::is_formula(scope)) {
    scope <- added_terms(stats::formula(fit, fixed.only = TRUE), scope)
  }
  if (!is.character(scope)) {
    abort_scope()
  }
  bars <- grep("|", scope, fixed = TRUE, value = TRUE)
  if (length(bars) > 0L) {
    abort_scope_bar(bars[1L])
  }
  if (length(scope) == 0L) {
    abort_empty_scope()
  }
  scope
}

added_terms <- function(formula, scope) {
  stats::add.scope(formula, stats::update.formula(formula, scope))
}

abort_scope <- function() {
  abort_rlmm(
    c(
      "`scope` must say which fixed effects to add.",
      i = "It is a formula, such as `~ . + x`, or a character vector."
    ),
    "rlmm_error_argument",
    arg = "scope"
  )
}

abort_empty_scope <- function() {
  abort_rlmm(
    c(
      "`scope` must hold a fixed effect that the model doesn't have.",
      x = "There is none."
    ),
    "rlmm_error_argument",
    arg = "scope"
  )
}

abort_scope_bar <- function(term) {
  abort_rlmm(
    c(
      "`scope` must hold fixed effects only.",
      x = paste0("It holds the random-effects term ", tick(term), "."),
      i = "Fit the model with that term, and use `anova()`."
    ),
    "rlmm_error_argument",
    arg = "scope"
  )
}

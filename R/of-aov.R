# Generics of the stats package for fits of `aov()` and `lm()`, which have another answer for mixed
# models: each is refused by a message that names it.

#' @importFrom stats TukeyHSD
#' @export
TukeyHSD.rlmm <- function(x, which, ...) {
  abort_of_aov(
    "TukeyHSD",
    "`pairs(emmeans::emmeans(fit, ~f))` compares the levels of `f` by Tukey's method."
  )
}

#' @importFrom stats alias
#' @export
alias.rlmm <- function(object, ...) {
  abort_of_aov(
    "alias",
    "`fixef(fit, add.dropped = TRUE)` has `NA` for each column that depends on others."
  )
}

#' @importFrom stats dummy.coef
#' @export
dummy.coef.rlmm <- function(object, ...) {
  abort_of_aov("dummy.coef", means_of_levels)
}

#' @importFrom stats model.tables
#' @export
model.tables.rlmm <- function(x, ...) {
  abort_of_aov("model.tables", means_of_levels)
}

#' @importFrom stats se.contrast
#' @export
se.contrast.rlmm <- function(object, ...) {
  abort_of_aov(
    "se.contrast",
    "`contest(fit, L)` tests contrasts, with their standard errors."
  )
}

#' @importFrom stats effects
#' @export
effects.rlmm <- function(object, ...) {
  abort_of_aov(
    "effects",
    "`fixef(fit)` and `ranef(fit)` have the effects; package effects draws them."
  )
}

means_of_levels <- "`emmeans::emmeans(fit, ~f)` has the means of the levels of `f`."

abort_of_aov <- function(generic, hint) {
  abort_rlmm(
    c(
      sprintf("`%s()` has no answer for mixed models.", generic),
      x = "It is for fits of `lm()` and `aov()`.",
      i = hint
    ),
    "rlmm_error_not_available"
  )
}

# dummy(): single indicator columns of a factor, for random-effects terms.

#' Indicator columns of a factor
#'
#' In a formula, `dummy(f, "a")` is a single column that is 1 where `f` is "a" and 0 elsewhere. For
#' example, `(0 + dummy(f, "a") | g)` has random effects for the level "a" of `f` only.
#'
#' @param f A factor, or a vector that [factor()] converts to one.
#' @param levelsToKeep The levels that get a column; by default all except the first.
#' @param levels The levels of `f`; in new data those of the fit.
#' @param ... Not used.
#' @return A matrix with a row for each element of `f` and a column for each of these levels.
#' @examples
#' dummy(factor(c("a", "b", "c", "a")), "a")
#' @export
dummy <- function(
  f,
  levelsToKeep = levels[-1L],
  ...,
  levels = base::levels(as.factor(f))
) {
  refuse_dots(...)
  check_values_of_factor(f, "f")
  check_values_of_factor(levels, "levels")
  check_values_of_factor(levelsToKeep, "levelsToKeep")
  unknown <- setdiff(levelsToKeep, levels)
  if (length(unknown) > 0L) {
    abort_argument(
      "`dummy()` must be given levels of its factor.",
      x = sprintf("Not a level: %s.", enumerate(in_quotes(unknown))),
      arg = "levelsToKeep"
    )
  }
  keep <- as.character(levelsToKeep)
  out <- outer(as.character(f), keep, `==`) + 0
  dimnames(out) <- list(NULL, keep)
  structure(
    out,
    class = c("rlmm_dummy", "matrix"),
    levels_of_fit = levels
  )
}

check_values_of_factor <- function(x, arg) {
  if (!is.atomic(x)) {
    problem <- sprintf("`%s` must be a factor, or a vector.", arg)
    abort_argument(problem, x = it_is(x), arg = arg)
  }
}

#' @importFrom stats makepredictcall
#' @export
makepredictcall.rlmm_dummy <- function(var, call) {
  call <- match.call(dummy, call)
  call$levelsToKeep <- colnames(var)
  call$levels <- attr(var, "levels_of_fit")
  call
}

#' The environment in which a formula is evaluated: its own, with rlmm's `dummy()`
#' @noRd
formula_env <- function(formula) {
  env_with_dummy(environment(formula), all.names(formula))
}

# An environment with `dummy()` if it is among the names to be evaluated.
env_with_dummy <- function(env, names) {
  if (!"dummy" %in% names) {
    return(env)
  }
  env <- new.env(parent = env)
  env$dummy <- dummy
  env
}

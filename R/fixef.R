#' Fixed effects, and coefficients per group
#'
#' `fixef()` returns the estimates of the fixed effects, beta. `coef()` returns, as in lme4, the sum
#' of fixed and random effects for each level of each grouping factor.
#'
#' @param object A fit.
#' @param add.dropped Include the coefficients of columns that were dropped because they depend
#'   linearly on others, as `NA`?
#' @param ... Not used.
#' @return `fixef()`: a named vector. `coef()`: a list of data frames, one per grouping factor, one
#'   row per level.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' fixef(fit)
#' head(coef(fit)$Subject)
#' @importFrom nlme fixef
#' @export
fixef.rlmm <- function(object, add.dropped = FALSE, ...) {
  refuse_dots(...)
  check_flag(add.dropped, "add.dropped")
  dropped <- object$fixed$dropped
  if (!add.dropped || length(dropped) == 0) {
    return(object$beta)
  }
  all_names <- full_column_names(object)
  stats::setNames(object$beta[all_names], all_names)
}

#' Names of all columns of the model matrix, kept and dropped, in the formula's order.
#' @noRd
full_column_names <- function(fit) {
  if (length(fit$fixed$dropped) == 0) {
    return(fit$fixed$names)
  }
  column_names(full_fixed_columns(fit))
}

#' @rdname fixef.rlmm
#' @importFrom stats coef
#' @export
coef.rlmm <- function(object, ...) {
  refuse_dots(...)
  beta <- object$beta
  effects <- lapply(ranef(object, condVar = FALSE), name_as, names(beta))
  # As in lme4, effects of any factor that have no fixed counterpart come first.
  only_random <- setdiff(unlist(lapply(effects, names)), names(beta))
  centre <- c(stats::setNames(numeric(length(only_random)), only_random), beta)
  structure(
    lapply(effects, add_centre, centre = centre),
    class = c("coef.rlmm", "coef.mer")
  )
}

#' The columns under the names of the fixed effects that they vary: `b:a` is the same product as
#' `a:b`
#' @noRd
name_as <- function(effects, fixed) {
  own <- names(effects)
  at <- match(sorted_factors(own), sorted_factors(fixed))
  other <- !own %in% fixed & !is.na(at)
  names(effects)[other] <- fixed[at[other]]
  effects
}

# Terms that share a grouping factor may share an effect: `(1 | g) + (x | g)`.
add_centre <- function(effects, centre) {
  out <- lapply(names(centre), \(name) {
    own <- unclass(effects)[names(effects) == name]
    Reduce(`+`, own, numeric(nrow(effects)) + centre[[name]])
  })
  as_table(stats::setNames(out, names(centre)), rownames(effects))
}

#' A data frame with these columns and row names, both taken literally.
#' @noRd
as_table <- function(columns, row_names) {
  structure(columns, row.names = row_names, class = "data.frame")
}

#' @export
print.coef.rlmm <- function(x, ...) {
  print(structure(unclass(x), names = names(x)), ...)
  invisible(x)
}

# A method for package ggeffects, whose reference grids are for the population.

#' The names of the weights; in a grid of ggeffects, also sets an unknown level of each grouping
#' factor
#'
#' A grid holds the other predictors at a typical value, a grouping factor at its first level. For
#' known classes ggeffects replaces that level by zero, an unknown one, and notes that predictions
#' are for the population. The function of ggeffects that makes all grids isn't generic, but the
#' last function that it calls with the fit is this generic: the method makes the same replacement
#' in its frame.
#' @noRd
#' @rawNamespace S3method(insight::find_weights, rlmm)
find_weights.rlmm <- function(x, ...) {
  caller <- parent.frame()
  if (is_grid_of_ggeffects(caller)) {
    caller$datlist <- without_levels(caller$datlist, random_only(x))
  }
  NextMethod()
}

# Whether a frame is that of ggeffects' function for grids, unless the grid is to have all levels of
# the groups.
is_grid_of_ggeffects <- function(frame) {
  is_grid <- is.data.frame(get0("datlist", frame, inherits = FALSE))
  has_all_levels <- isTRUE(get0("include_random", frame, inherits = FALSE))
  is_grid && !has_all_levels && environmentName(topenv(frame)) == "ggeffects"
}

# The variables of grouping factors that have no fixed effect.
random_only <- function(fit) {
  groups <- lapply(fit$random, `[[`, "group_vars")
  setdiff(unlist(groups), all.vars(stats::formula(fit, fixed.only = TRUE)))
}

# Sets an unknown level of those grouping factors that a grid holds at a typical value.
without_levels <- function(grid, names) {
  for (name in intersect(names, names(attr(grid, "constant.values")))) {
    grid[[name]] <- 0
    attr(grid, "constant.values")[[name]] <- "0 (population-level)"
  }
  grid
}

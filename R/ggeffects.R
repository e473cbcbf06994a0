# Methods for package ggeffects: predictions at a grid of the predictors.

#' Predictions for ggeffects, from an lme4 object
#'
#' The grid of ggeffects has the first level of each grouping factor. For known classes ggeffects
#' replaces it by zero, an unknown level, and notes below the predictions that they are for the
#' population; it takes that from a grid in the frame that calls this method.
#' @noRd
#' @rawNamespace S3method(ggeffects::get_predictions, rlmm)
get_predictions.rlmm <- function(
  model,
  data_grid = NULL,
  terms = NULL,
  condition = NULL,
  ...
) {
  asked <- c(sub(" *\\[.*", "", terms), names(condition))
  constant <- setdiff(random_only(model), asked)
  caller <- parent.frame()
  if (is.data.frame(get0("data_grid", caller, inherits = FALSE))) {
    caller$data_grid <- without_levels(caller$data_grid, constant)
  }
  getExportedValue("ggeffects", "get_predictions")(
    as_merMod_for_fixed(model),
    data_grid = without_levels(data_grid, constant),
    terms = terms,
    condition = condition,
    ...
  )
}

# The variables of grouping factors that have no fixed effect.
random_only <- function(fit) {
  groups <- lapply(fit$random, `[[`, "group_vars")
  setdiff(unlist(groups), all.vars(stats::formula(fit, fixed.only = TRUE)))
}

without_levels <- function(grid, names) {
  for (name in intersect(names, names(grid))) {
    grid[[name]] <- 0
    attr(grid, "constant.values")[[name]] <- "0 (population-level)"
  }
  grid
}

# What package gtsummary asks of a model: its table of coefficients.

#' Tables of the fixed effects by gtsummary
#'
#' The default of gtsummary shows the standard deviations of the random effects too, as if they were
#' coefficients; for the classes of mixed models that it knows, the fixed effects alone.
#' @noRd
#' @rawNamespace S3method(gtsummary::tbl_regression, rlmm)
tbl_regression.rlmm <- function(x, tidy_fun = tidy_fixed_effects, ...) {
  gtsummary <- asNamespace("gtsummary")
  default <- utils::getS3method("tbl_regression", "default", envir = gtsummary)
  default(x, tidy_fun = tidy_fun, ...)
}

tidy_fixed_effects <- function(x, ...) {
  getExportedValue("generics", "tidy")(x, ..., effects = "fixed")
}

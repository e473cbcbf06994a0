# Methods for package gtsummary: the table of coefficients.

#' Tables of the fixed effects by gtsummary
#'
#' gtsummary's default includes the standard deviations of the random effects as if they were
#' coefficients; for known classes of mixed models it shows only the fixed effects.
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

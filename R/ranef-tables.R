#' Tables of the random effects and of their conditional standard deviations
#'
#' For each grouping factor a data frame with a row for each level: `raneftables()` has the
#' conditional modes of the random effects, `condVartables()` their conditional standard deviations
#' and correlations, including those between the terms of a factor. The names are those of
#' MixedModels.jl.
#'
#' @param object A fitted model.
#' @param uscale Whether to return the modes on the spherical scale, `u` with `b = Lambda u`.
#' @param ... Not used; any argument here is an error.
#' @return A list of data frames named by grouping factor. The first column has the name of the
#'   factor and contains its levels; then `raneftables()` has a column for each effect, and
#'   `condVartables()` a column `sd_<effect>` for each effect and `cor_<effects>` for each pair.
#' @seealso [ranef()][ranef.rlmm] and [condVar()] for the same quantities in lme4's form.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' head(raneftables(fit)$Subject)
#' head(condVartables(fit)$Subject)
#' @export
raneftables <- function(object, uscale = FALSE, ...) {
  check_fit(object, "object")
  refuse_dots(...)
  check_flag(uscale, "uscale")
  tables <- ranef.rlmm(object, condVar = FALSE, uscale = uscale)
  Map(level_table, names(tables), unclass(tables))
}

# Adds the levels as the first column, under the name of their factor.
level_table <- function(group, table) {
  columns <- c(list(rownames(table)), as.list(table))
  names(columns)[1L] <- group
  as_table(columns, seq_len(nrow(table)))
}

#' @rdname raneftables
#' @export
condVartables <- function(object) {
  check_fit(object, "object")
  variances <- condVar.rlmm(object, joint = TRUE)
  Map(spread_table, names(variances), unclass(variances))
}

spread_table <- function(group, covariances) {
  long <- covariance_table(group, covariances)
  is_sd <- is.na(long$var2)
  label <- ifelse(
    is_sd,
    paste0("sd_", long$var1),
    paste0("cor_", long$var1, ".", long$var2)
  )
  columns <- split(long$sdcor, factor(label, unique(label)))
  level_table(group, as_table(columns, dimnames(covariances)[[3L]]))
}

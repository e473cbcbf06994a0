# Our design and lme4's, of the same call.

lme4_design <- function(formula, data, ...) {
  ignore <- lme4::lmerControl(
    check.nobs.vs.nRE = "ignore",
    check.nobs.vs.nlev = "ignore",
    check.nobs.vs.rankZ = "ignore",
    check.nlev.gtr.1 = "ignore",
    check.scaleX = "ignore",
    check.rankX = "silent.drop.cols"
  )
  lme4::lFormula(formula, data, control = ignore, ...)
}

our_design <- function(formula, data, ...) {
  control <- rlmm_control(
    check_nobs_vs_nre = "ignore",
    check_nobs_vs_nlev = "ignore",
    check_nlev_gtr_1 = "ignore",
    check_rankx = "silent.drop.cols"
  )
  model_design(formula, data, control = control, ...)
}

# Z' of the whole model as lme4 lays it out: terms one after the other, within a term level by
# level.
dense_zt <- function(design) {
  n <- length(design$spec$y)
  blocks <- lapply(design$random, function(term) {
    core <- design$spec$terms[[term$core_term]]
    z <- column_matrix(core$z, n)
    z <- z[, term$core_cols, drop = FALSE]
    out <- matrix(0, ncol(z) * core$n_levels, n)
    for (j in seq_len(ncol(z))) {
      out[cbind((core$refs - 1L) * ncol(z) + j, seq_len(n))] <- z[, j]
    }
    out
  })
  do.call(rbind, blocks)
}

spec_x <- function(spec) column_matrix(spec$x, length(spec$y))

expect_design_like_lme4 <- function(
  formula,
  data,
  lme4_formula = formula,
  ...
) {
  theirs <- suppressMessages(suppressWarnings(lme4_design(
    lme4_formula,
    data,
    ...
  )))
  ours <- our_design(formula, data, ...)
  info <- deparse1(formula)
  cnms <- stats::setNames(
    lapply(ours$random, `[[`, "columns"),
    vapply(ours$random, `[[`, "", "group")
  )
  testthat::expect_identical(cnms, theirs$reTrms$cnms, info = info)
  flist <- theirs$reTrms$flist[attr(theirs$reTrms$flist, "assign")]
  testthat::expect_identical(
    lapply(ours$random, `[[`, "levels"),
    unname(lapply(flist, levels)),
    info = info
  )
  testthat::expect_equal(
    dense_zt(ours),
    unname(as.matrix(theirs$reTrms$Zt)),
    info = info
  )
  testthat::expect_identical(ours$fixed$names, colnames(theirs$X), info = info)
  testthat::expect_equal(
    unname(spec_x(ours$spec)),
    unname(as.matrix(theirs$X)),
    ignore_attr = TRUE,
    info = info
  )
  testthat::expect_identical(
    max(unlist(lapply(ours$random, `[[`, "theta"))),
    length(theirs$reTrms$theta),
    info = info
  )
  invisible(list(ours = ours, theirs = theirs))
}

# Fits of lme4 (2.1 or later) with structured covariances, for tests/testthat/test-structure.R:
# formula, criterion, REML?, and lme4's parameters. Run from the package's root.

library(lme4)
stopifnot(packageVersion("lme4") >= "2.1")

days <- transform(sleepstudy, fd = factor(Days))
formulas <- c(
  "Reaction ~ Days + cs(1 + Days | Subject)",
  "Reaction ~ Days + ar1(0 + fd | Subject)",
  "Reaction ~ Days + cs(0 + fd | Subject)",
  "Reaction ~ Days + diag(1 + Days | Subject)",
  "Reaction ~ Days + (1 | Subject) + ar1(0 + fd | Subject)"
)
fit_one <- function(formula, REML) {
  fit <- lmer(
    stats::as.formula(formula),
    days,
    REML = REML,
    control = lmerControl(
      optimizer = "bobyqa",
      optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
      calc.derivs = FALSE
    )
  )
  par <- getME(fit, "par")
  data.frame(
    lme4 = as.character(packageVersion("lme4")),
    formula = formula,
    REML = REML,
    log_lik = format(as.numeric(logLik(fit)), digits = 15),
    sigma = format(sigma(fit), digits = 10),
    par = paste(format(par, digits = 10, trim = TRUE), collapse = " "),
    names = paste(names(par), collapse = " ")
  )
}
rows <- mapply(
  fit_one,
  rep(formulas, 2),
  rep(c(TRUE, FALSE), each = length(formulas)),
  SIMPLIFY = FALSE
)
utils::write.csv(
  do.call(rbind, rows),
  "tests/reference/structures.csv",
  row.names = FALSE
)

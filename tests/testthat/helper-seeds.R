# The figures of linear models printed in the documents this package grew from, cited by their
# numbers: 000 = "Details of the parameter estimation" (an old MixedModels.jl), 001 and 002 = two
# builds of its "Model constructors" and "Extractor functions". Figures are written as printed there
# and agree to the last digit, rounded, in objectives and in whatever follows from theta where theta
# is printed in full. Estimates printed without their theta carry the error of the optimizer of
# their time: it stopped when the objective (quadratic in that error) changed by less than 1e-8. In
# 000 the tables were computed one evaluation before or after theta.
optimizer_error <- 5e-5
last_step <- 2e-7

expect_printed <- function(object, printed, within = 0) {
  printed <- gsub("+", "", printed, fixed = TRUE)
  decimals <- ifelse(
    grepl(".", printed, fixed = TRUE),
    nchar(sub(".*[.]", "", printed)),
    0
  )
  value <- as.numeric(object)
  gap <- abs(value - as.numeric(printed))
  allowed <- 0.5001 * 10^-decimals + within * abs(value)
  expect_length(value, length(printed))
  off <- which(!gap <= allowed)
  if (length(off) == 0) {
    return(succeed())
  }
  fail(sprintf(
    "%.10g isn't %s (relative error %.1e)",
    value[off],
    printed[off],
    gap[off] / abs(value[off])
  ))
}

# logLik, -2 logLik, AIC, [AICc,] BIC
expect_criteria <- function(fit, printed) {
  small_sample <- if (length(printed) == 5) AICc(fit)
  expect_printed(
    c(logLik(fit), deviance(fit), AIC(fit), small_sample, BIC(fit)),
    printed
  )
}

# Variances, standard deviations and, row by row, the correlations below the diagonal.
expect_varcorr <- function(
  fit,
  variance,
  sd,
  cor = NULL,
  within = optimizer_error
) {
  table <- as.data.frame(VarCorr(fit), order = "lower.tri")
  of_pair <- !is.na(table$var2)
  expect_printed(table$vcov[!of_pair], variance, within)
  expect_printed(table$sdcor[!of_pair], sd, within)
  if (!is.null(cor)) expect_printed(table$sdcor[of_pair], cor)
}

# Estimate, standard error, z, and p of the normal distribution.
expect_coefs <- function(fit, estimate, se, z, p, within = optimizer_error) {
  table <- coef(summary(fit))
  ratio <- unname(table[, "Estimate"] / table[, "Std. Error"])
  expect_printed(table[, "Estimate"], estimate, within)
  expect_printed(table[, "Std. Error"], se, within)
  expect_printed(ratio, z, within)
  number <- !startsWith(p, "<")
  p_value <- 2 * pnorm(-abs(ratio))
  expect_printed(p_value[number], p[number])
  expect_true(all(p_value[!number] < as.numeric(sub("<", "", p[!number]))))
}

ml <- function(formula, data, ...) {
  suppressMessages(rlmm(formula, data, REML = FALSE, ...))
}

# The fit as it is at another theta.
fit_at <- function(fit, theta) {
  spec <- fit_spec(fit)
  design <- list(
    formula = fit$formula,
    frame = fit$frame,
    fixed = fit$fixed,
    random = fit$random,
    spec = spec
  )
  estimates <- core_estimates(spec, theta)
  estimates$optsum <- fit$optsum
  new_fit(design, estimates, fit$call, fit$control)
}

# Theta of a diagonal Lambda from a printed table of standard deviations, the residual's last.
diagonal_theta <- function(sd) {
  sd <- as.numeric(sd)
  sd[-length(sd)] / sd[length(sd)]
}

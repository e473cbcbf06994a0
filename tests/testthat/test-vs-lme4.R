# The installed lme4 beside us, on a few models of each kind: whatever both packages' functions
# return. The registry's test against stored numbers covers the estimates of all models.
# `lme4_twin()` gives lme4's fit the same theta, so that what is compared doesn't depend on where
# the optimizers stopped.

skip_if_not_installed("lme4")

chosen <- c(
  "dyestuff2",
  "sleep",
  "sleep_bars",
  "machines_workers",
  "penicillin_ml",
  "pastes",
  "cbpp",
  "sleep_offset",
  "ergo_stool_sum",
  "oats_aliased",
  "pastes_paste",
  "machines_diag",
  "ozone",
  "grouse",
  "sleep_weights"
)

lme4_twin <- function(model, data, fit) {
  control <- lme4::lmerControl(
    optimizer = NULL,
    calc.derivs = FALSE,
    check.conv.singular = "ignore"
  )
  suppressMessages(suppressWarnings(
    lmm_fit(
      lme4::lmer,
      model,
      model$lme4,
      control = control,
      start = unname(fit$theta),
      data = data
    )
  ))
}

expect_close <- function(ours, theirs, label, tolerance = 1e-6) {
  expect_equal(
    unname(unlist(ours)),
    unname(unlist(theirs)),
    tolerance = tolerance,
    label = label
  )
}

expect_same_criteria <- function(fit, twin, name) {
  expect_close(logLik(fit), logLik(twin), paste(name, "logLik"), 1e-10)
  expect_identical(attr(logLik(fit), "df"), attr(logLik(twin), "df"))
  expect_close(
    c(AIC(fit), BIC(fit)),
    c(AIC(twin), BIC(twin)),
    paste(name, "AIC, BIC"),
    1e-10
  )
  expect_close(
    deviance(fit, REML = FALSE),
    deviance(twin, REML = FALSE),
    paste(name, "deviance"),
    1e-10
  )
  expect_equal(nobs(fit), nobs(twin))
  expect_equal(df.residual(fit), df.residual(twin))
  expect_equal(unname(ngrps(fit)), unname(lme4::ngrps(twin)))
}

expect_same_estimates <- function(fit, twin, name) {
  expect_identical(names(fixef(fit)), names(fixef(twin)))
  expect_close(fixef(fit), fixef(twin), paste(name, "fixef"))
  expect_close(as.matrix(vcov(fit)), as.matrix(vcov(twin)), paste(name, "vcov"))
  expect_close(sigma(fit), sigma(twin), paste(name, "sigma"))
  ours <- components(fit)
  theirs <- components(twin)
  expect_close(ours$vcov, theirs$vcov, paste(name, "VarCorr"))
  expect_equal(is.na(ours$var2), is.na(theirs$var2))
  expect_close(ranef_values(fit), ranef_values(twin), paste(name, "ranef"))
}

# Without the zero covariances within a diagonal term, for which lme4 is given several terms.
components <- function(fit) {
  subset(as.data.frame(VarCorr(fit)), is.na(var2) | vcov != 0)
}

ranef_values <- function(fit) {
  effects <- as.data.frame(ranef(fit, condVar = TRUE))
  effects[c("condval", "condsd")]
}

expect_same_cases <- function(fit, twin, name, data) {
  expect_close(fitted(fit), fitted(twin), paste(name, "fitted"))
  expect_close(residuals(fit), residuals(twin), paste(name, "residuals"))
  expect_close(
    residuals(fit, "pearson"),
    residuals(twin, "pearson"),
    paste(name, "Pearson residuals")
  )
  expect_close(hatvalues(fit), hatvalues(twin), paste(name, "hatvalues"))
  expect_close(
    cooks.distance(fit),
    cooks.distance(twin),
    paste(name, "cooks.distance")
  )
  expect_close(
    predict(fit, re.form = NA),
    predict(twin, re.form = NA),
    paste(name, "predict, no random effects")
  )
  # lme4 leaves out what `offset =` adds; we don't.
  if (!is.null(model_offset(fit))) {
    return()
  }
  rows <- data[seq(1, nrow(data), length.out = 7), ]
  expect_close(
    predict(fit, rows),
    suppressWarnings(predict(twin, rows)),
    paste(name, "predict on new data")
  )
}

model_offset <- function(fit) model.frame(fit)[["(offset)"]]

for (name in chosen) {
  test_that(paste("lme4 at the same theta:", name), {
    model <- lmm_models[[name]]
    data <- lmm_data(model)
    skip_if(is.null(data), paste("no data for", name))
    fit <- suppressMessages(lmm_fit(rlmm, model, data = data))
    twin <- lme4_twin(model, data, fit)
    expect_same_criteria(fit, twin, name)
    expect_same_estimates(fit, twin, name)
    expect_same_cases(fit, twin, name, data)
  })
}

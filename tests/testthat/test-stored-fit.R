# Fits that an earlier session saved: data-raw/stored-fits.R says how.
stored <- readRDS(test_path("fixtures", "fits-schema-2.rds"))

# The same models, fitted now.
fresh <- list(
  linear = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
  binomial = rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  ),
  slim = rlmm(
    strength ~ 1 + (1 | batch / cask),
    Pastes,
    control = rlmm_control(slim = TRUE)
  )
)

# What answers without the data, too.
accessors <- list(
  fixef = fixef,
  ranef = ranef,
  coef = coef,
  VarCorr = \(fit) as.data.frame(VarCorr(fit)),
  vcov = \(fit) as.matrix(vcov(fit)),
  sigma = sigma,
  logLik = logLik,
  AIC = AIC,
  BIC = BIC,
  deviance = \(fit) deviance(fit, REML = FALSE),
  nobs = nobs,
  ngrps = ngrps,
  formula = \(fit) deparse(formula(fit)),
  theta = \(fit) getME(fit, "theta"),
  singular = isSingular,
  summary = \(fit) coef(summary(fit)),
  text = format,
  certificate = \(fit) certificate(fit)$verdict,
  opt_summary = \(fit) opt_summary(fit)$fmin,
  confint = \(fit) confint(fit, method = "Wald")
)

# What needs the data.
of_data <- list(
  condVar = condVar,
  fitted = fitted,
  residuals = residuals,
  predict = predict,
  frame = \(fit) dim(model.frame(fit)),
  matrix = model.matrix,
  hatvalues = hatvalues,
  weights = weights,
  simulate = \(fit) simulate(fit, seed = 1),
  anova = \(fit) as.data.frame(anova(fit)),
  refit = \(fit) fixef(refit(fit)),
  update = \(fit) fixef(update(fit, . ~ 1 + .)),
  drop1 = \(fit) suppressMessages(as.data.frame(drop1(fit)))
)

# Another search ends at another point of the optimum's neighbourhood, where objectives are equal to
# 1e-8, and so estimates to about 1e-4 standard errors.
expect_same_answers <- function(name, functions) {
  for (what in names(functions)) {
    ask <- functions[[what]]
    found <- ask(stored[[name]])
    expect_equal(found, ask(fresh[[name]]), tolerance = 1e-4, info = what)
  }
}

test_that("accessors answer for a stored linear fit", {
  expect_same_answers("linear", c(accessors, of_data))
})

test_that("accessors answer for a stored generalized fit", {
  expect_same_answers("binomial", c(accessors, of_data))
})

test_that("accessors answer for a stored fit without its data", {
  suppressWarnings(expect_same_answers("slim", accessors))
  new <- Pastes[1:3, ]
  expect_equal(
    predict(stored$slim, new),
    predict(fresh$slim, new),
    tolerance = 1e-6
  )
})

test_that("fields of a fit change with the number of their schema", {
  expect_identical(stored$linear$schema, fresh$linear$schema)
  for (name in names(stored)) {
    # A field that is empty reads `NULL`, whether a fit has it or not.
    is_empty <- vapply(unclass(stored[[name]]), is.null, NA)
    missing <- setdiff(names(stored[[name]])[!is_empty], names(fresh[[name]]))
    expect_identical(missing, character(), info = name)
  }
})

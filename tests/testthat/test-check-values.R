test_that("choices may be abbreviated; others are refused", {
  allowed <- c("response", "pearson")
  expect_identical(one_of(allowed, allowed, "type"), "response")
  expect_identical(one_of("pear", allowed, "type"), "pearson")
  for (bad in list("x", 3, NA, c("pearson", "response"), NULL)) {
    expect_error(
      one_of(bad, allowed, "type"),
      '`type` must be "response" or "pearson"',
      class = "rlmm_error_argument"
    )
  }
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(predict(fit, type = "terms"), class = "rlmm_error_argument")
  expect_error(
    predict(fit, sleepstudy, type = NA),
    class = "rlmm_error_argument"
  )
  expect_error(summary(fit, ddf = "other"), class = "rlmm_error_argument")
  expect_error(
    as.data.frame(VarCorr(fit), order = "other"),
    class = "rlmm_error_argument"
  )
})

test_that("arguments of accessors of the wrong type are refused by name", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  wrong <- alist(
    full = vcov(fit, full = NA),
    correlation = vcov(fit, correlation = 2),
    sigm = vcov(fit, sigm = "1"),
    sigma = VarCorr(fit, sigma = -1),
    REML = logLik(fit, REML = "no"),
    REML = deviance(fit, REML = NA),
    digits = print(fit, digits = 0),
    digits = print(summary(fit), digits = "a"),
    digits = print(VarCorr(fit), digits = NA),
    condVar = ranef(fit, condVar = "a"),
    drop = ranef(fit, drop = 3),
    add.dropped = fixef(fit, add.dropped = "a"),
    scaled = residuals(fit, scaled = "a"),
    allow.new.levels = predict(fit, allow.new.levels = "a"),
    se.fit = predict(fit, se.fit = "a"),
    random.only = predict(fit, random.only = NA),
    seed = simulate(fit, seed = "a"),
    use.u = simulate(fit, use.u = "a"),
    fixed.only = formula(fit, fixed.only = "a"),
    random.only = terms(fit, random.only = NA),
    fixed.only = model.frame(fit, fixed.only = 3),
    fullHatMatrix = hatvalues(fit, fullHatMatrix = "a"),
    tol = isSingular(fit, tol = "a"),
    k = AIC(fit, k = "a"),
    k = drop1(fit, k = NA),
    k = extractAIC(fit, k = NULL),
    level = contest(fit, c(0, 1), level = 95),
    confint = contest(fit, c(0, 1), confint = "a"),
    correlation = summary(fit, correlation = "a"),
    conf.int = summary(fit, conf.int = NA),
    show.resids = print(summary(fit), show.resids = NA)
  )
  for (i in seq_along(wrong)) {
    error <- expect_error(eval(wrong[[i]]), class = "rlmm_error_argument")
    expect_identical(error$arg, names(wrong)[i])
  }
})

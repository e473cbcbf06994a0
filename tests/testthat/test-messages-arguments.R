# Arguments and their values as other programs write them, and slips in them.

test_that("families by the names of links, of other programs, of other packages", {
  local_plain()
  fit <- function(family) {
    rglmm(incidence ~ period + (1 | herd), cbpp, family = family)
  }
  expect_snapshot({
    show_conditions(fit("logit"))
    show_conditions(fit("sqrt"))
    show_conditions(fit("beta"))
    show_conditions(fit("bernoulli"))
    show_conditions(fit("negbin"))
    show_conditions(fit("poison"))
    show_conditions(fit(5))
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      family = beta
    ))
  })
})

test_that("arguments of other programs are answered in the form they have here", {
  local_plain()
  fit <- function(...) rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, ...)
  binary <- function(...) {
    rglmm(incidence ~ period + (1 | herd), cbpp, poisson, ...)
  }
  expect_snapshot({
    show_conditions(binary(ziformula = ~1))
    show_conditions(binary(dispformula = ~1))
    show_conditions(binary(REML = FALSE))
    show_conditions(binary(method = "ML"))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, random = ~ 1 | Subject))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, random = ~Days))
    show_conditions(rlmm(Reaction = Days + (1 | Subject), sleepstudy))
    show_conditions(rlmm(Reaction ~ Days + 1 | Subject, sleepstudy))
    show_conditions(rlmm(Reaction ~ Days | Subject, sleepstudy))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, groups = "Subject"))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, groups = Subject))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, re_formula = "~Days"))
    show_conditions(fit(relmat = list(Subject = diag(18))))
    show_conditions(fit(covstruct = "ar1"))
    show_conditions(fit(method = "ML"))
    show_conditions(fit(method = "REML"))
    show_conditions(fit(reml = FALSE))
    show_conditions(fit(optCtrl = list(maxfun = 100)))
    show_conditions(fit(maxfun = 100))
    show_conditions(fit(optimizer = "bobyqa"))
    show_conditions(fit(control = rlmm_control(optCtrl = list(maxfun = 100))))
    show_conditions(fit(control = rlmm_control(maxfun = 100)))
    show_conditions(fit(control = rlmm_control(maxit = 100)))
    show_conditions(fit(weights = "Days"))
    show_conditions(fit(weights = ~Days))
    show_conditions(fit(offset = ~ log(Days + 1)))
    show_conditions(fit(subset = ~ Days > 1))
  })
})

test_that("subset = TRUE takes all rows", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, subset = TRUE)
  expect_equal(nobs(fit), 180)
  expect_error(
    rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, subset = FALSE),
    class = "rlmm_error_no_rows"
  )
})

test_that("a link without quotes, and numbers with a decimal comma", {
  local_plain()
  data <- transform(sleepstudy, dose = sub(".", ",", Days / 2, fixed = TRUE))
  expect_snapshot({
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      family = logit
    ))
    show_conditions(rlmm(Reaction ~ dose + (1 | Subject), data))
  })
})

test_that("`weight` is short for `weights`, as for lme4", {
  w <- rep(1:2, 90)
  short <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weight = w)
  expect_equal(
    logLik(short),
    logLik(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weights = w))
  )
})

test_that("data before the formula", {
  formula <- Reaction ~ Days + (1 | Subject)
  expect_snapshot(writeLines(error_lines(rlmm(sleepstudy, formula))))
  piped <- rlmm(formula = formula, sleepstudy)
  expect_equal(fixef(piped), fixef(rlmm(formula, sleepstudy)))
})

test_that("arguments of rlmm_control() that were given to the fit", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(
      Reaction ~ Days + (1 | Subject),
      sleepstudy,
      slim = TRUE
    ))
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      poisson,
      max_eval = 50
    ))
  })
})

test_that("values in other capitals, initials, and logical forms of re.form", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(confint(fit, method = "wald"))
    show_conditions(summary(fit, ddf = "KR"))
    show_conditions(predict(fit, re.form = FALSE))
    show_conditions(anova(fit, test = "F"))
  })
})

test_that("data by their name in quotes", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ Days + (1 | Subject), "sleepstudy"))
  })
})

test_that("values and arguments of nlme's methods, and types by their place", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(fitted(fit, level = 0))
    show_conditions(residuals(fit, level = 0))
    show_conditions(residuals(fit, type = "normalized"))
    show_conditions(vcov(fit, "CR2"))
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      family = "multinomial"
    ))
  })
})

test_that("values that are nearly right, and names that update() can't find", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(residuals(fit, type = "pearsn"))
    show_conditions(predict(fit, interval = "confidnce"))
    show_conditions(drop1(fit, test = "LRT"))
    show_conditions(update(fit, weights = Dayz))
    show_conditions(update(fit, subset = Dayz > 1))
  })
})

test_that("what other programs write is answered in the form that it has here", {
  data <- transform(sleepstudy, grade = 1 + Days %% 4, f = factor(Days))
  fit <- function(formula, ...) rlmm(formula, data, ...)
  expect_hint <- function(expr, hint) {
    text <- paste(error_lines(expr), collapse = "\n")
    expect_match(text, hint, fixed = TRUE)
  }
  random <- Reaction ~ Days + (1 | Subject)
  expect_hint(fit(random, zi = ~1), "glmmTMB")
  expect_hint(fit(random, map = list()), "rlmm_control(fixed = )")
  expect_hint(fit(random, cov_type = "robust"), "vcov(fit, type = \"CR2\")")
  expect_hint(fit(random, cluster = Subject), "vcov(fit, type = \"CR2\")")
  expect_hint(fit(random, trials = n), "cbind(successes, failures)")
  expect_hint(rlmm_control(max_iter = 10), "`max_eval`")
  expect_hint(rlmm_control(calc.derivs = FALSE), "certificate()")
  expect_hint(fit(random, doFit = FALSE), "preview()")
  expect_hint(fit(random, covariance = "unstructured"), "around a random")
  expect_hint(fit(random, ddfm = "kr"), "summary(fit, ddf = )")
  expect_hint(fit(random, vce = "robust"), "vcov(fit, type = \"CR2\")")
  expect_hint(fit(random, exposure = Days), "offset = log(exposure)")
  expect_hint(fit(random, subject = Subject), "(1 | group)")
  expect_hint(fit(random, intpoints = 7), "rglmm(nAGQ = 9)")
  expect_hint(fit(random, cores = 4), "rlmm_control(threads = )")
  expect_hint(fit(random, stanvars = 1), "brms")
  expect_hint(fit(random, missing = "drop"), "na.action = na.omit")
  # As in lm(), an empty list of contrasts is none.
  expect_equal(fixef(fit(random, contrasts = list())), fixef(fit(random)))
  expect_hint(fit(random, seed = 1), "Leave it out")
  expect_hint(
    fit(random, control = "bobyqa"),
    "rlmm_control(optimizer = \"bobyqa\")"
  )
  expect_hint(fit(Reaction ~ Days + random(Subject)), "`(1 | Subject)`")
  expect_hint(fit(Reaction ~ Days + Error(Subject)), "`(1 | Subject)`")
  expect_hint(fit(Reaction ~ Days + (Subject | 1)), "`(1 | Subject)`")
  expect_hint(fit(Reaction ~ 0 + Intercept + (1 | Subject)), "written `1`")
  expect_hint(fit(Reaction ~ i.f + (1 | Subject)), "`factor(f)`")
  expect_hint(fit(Surv(Reaction, f) ~ 1 + (1 | Subject)), "coxme")
  expect_hint(fit(Reaction | weights(Days) ~ 1 + (1 | Subject)), "weights = w")
  expect_hint(
    fit(Reaction ~ f + (1 | Subject), contrasts = list(f = "EffectsCoding")),
    "contr.sum"
  )
  expect_hint(rglmm(grade ~ 1 + (1 | Subject), data, binomial), "clmm()")
  expect_hint(rglmm(f ~ 1 + (1 | Subject), data, poisson), "as.numeric")
})

test_that("words of MixedModels.jl, brms and lme4's control", {
  model <- \(...) rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, ...)
  expect_error(model(wts = Days), "called `weights`")
  expect_error(model(fast = TRUE), "leave `fast` out")
  expect_error(
    rlmm(Reaction ~ Days + (Days | ID1 | Subject), sleepstudy),
    "label it is `[(]Days | Subject[)]`"
  )
  expect_error(
    rlmm_control(check.conv.grad = "ignore"),
    "certificate",
    class = "rlmm_error_control"
  )
})

test_that("functions of other packages around the formula and for the control are named", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(bf(Reaction ~ Days + (1 | Subject)), sleepstudy))
    show_conditions(rglmm(
      bf(Days ~ 1 + (1 | Subject)),
      sleepstudy,
      family = poisson
    ))
    show_conditions(rlmm(
      Reaction ~ Days + (1 | Subject),
      sleepstudy,
      control = glmmTMBControl()
    ))
  })
  # An error within a control that exists is raised as it is.
  expect_error(
    rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = stop("own")),
    "own"
  )
})

test_that("functions of fits say what they were given instead", {
  local_plain()
  expect_snapshot({
    show_conditions(fixed_levels(sleepstudy$Subject))
    show_conditions(simulate_power(lm(Reaction ~ Days, sleepstudy)))
    show_conditions(dummy(Reaction ~ Days))
  })
})

test_that("a coefficient's name isn't taken for a type of covariance matrix", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  told <- tryCatch(vcov(fit, "Days"), error = conditionMessage)
  expect_match(told, "`correlation` must be")
  expect_no_match(told, "Write `type")
})

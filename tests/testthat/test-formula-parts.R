test_that("formulas and terms are lme4's", {
  for_each_twin(function(ours, theirs, data, name) {
    expect_equal(
      formula(ours, fixed.only = TRUE),
      formula(theirs, fixed.only = TRUE),
      ignore_attr = TRUE,
      info = name
    )
    expect_equal(
      attr(terms(ours), "term.labels"),
      attr(terms(theirs), "term.labels"),
      info = name
    )
    expect_equal(
      attr(terms(ours), "predvars"),
      attr(terms(theirs), "predvars"),
      info = name
    )
    expect_setequal(
      all.vars(terms(ours, random.only = TRUE)),
      all.vars(terms(theirs, random.only = TRUE))
    )
    all <- terms(ours, fixed.only = FALSE)
    lme4_all <- terms(theirs, fixed.only = FALSE)
    same <- c("variables", "factors", "term.labels", "offset", "dataClasses")
    predvars <- c("predvars", "predvars.fixed", "predvars.random")
    for (part in c(same, predvars, "varnames.fixed")) {
      expect_equal(
        attr(all, part),
        attr(lme4_all, part),
        ignore_attr = "names",
        info = paste(name, part)
      )
    }
  })
})

test_that("formula() is what was written, or parts of it", {
  fit <- twin("pastes")$ours
  expect_equal(
    formula(fit),
    strength ~ 1 + (1 | batch / cask),
    ignore_attr = TRUE
  )
  expect_equal(
    formula(fit, random.only = TRUE),
    strength ~ (1 | cask:batch) + (1 | batch),
    ignore_attr = TRUE
  )
  expect_equal(
    formula(twin("sleep")$ours, random.only = TRUE),
    Reaction ~ (Days | Subject),
    ignore_attr = TRUE
  )
  expect_error(
    formula(fit, fixed.only = TRUE, random.only = TRUE),
    class = "rlmm_error_argument"
  )
  expect_identical(
    environment(formula(fit, random.only = TRUE)),
    environment(formula(fit))
  )
})

test_that("a dot is spelled out", {
  fit <- rlmm(Reaction ~ . - Subject + (1 | Subject), sleepstudy)
  expect_false("." %in% all.vars(formula(fit)))
  expect_false("." %in% all.vars(formula(fit, fixed.only = TRUE)))
  again <- rlmm(formula(fit), sleepstudy)
  expect_equal(fixef(again), fixef(fit), tolerance = 1e-6)
})

test_that("structures around a bar are kept", {
  fit <- rlmm(Reaction ~ Days + zerocorr(1 + Days | Subject), sleepstudy)
  expect_equal(
    rlmm(
      update(
        formula(fit, fixed.only = TRUE),
        . ~ . + zerocorr(1 + Days | Subject)
      ),
      sleepstudy
    )$theta,
    fit$theta
  )
  expect_match(
    deparse1(formula(fit, random.only = TRUE)),
    "(1 + Days | Subject)",
    fixed = TRUE
  )
})

test_that("terms of all variables name each once", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  all <- terms(fit, fixed.only = FALSE)
  expect_identical(deparse1(formula(all)), "Reaction ~ Days + Subject")
  expect_identical(attr(all, "term.labels"), c("Days", "Subject"))
  none <- rlmm(Reaction ~ 0 + offset(Days) + (1 | Subject), sleepstudy)
  expect_identical(
    deparse1(formula(terms(none, fixed.only = FALSE))),
    "Reaction ~ 0 + Subject + offset(Days)"
  )
})

test_that("terms of all variables keep the grouping factors' interactions", {
  data <- transform(Pastes, x = seq_along(strength), f = factor(cask))
  fit <- rlmm(
    strength ~ poly(x, 2) + (1 + fulldummy(f) | batch / cask),
    data,
    control = rlmm_control(
      check_nobs_vs_nre = "ignore",
      check_nobs_vs_nlev = "ignore",
      check_conv_singular = "ignore"
    )
  )
  expect_identical(
    attr(terms(fit, fixed.only = FALSE), "term.labels"),
    c("poly(x, 2)", "f", "batch", "batch:cask")
  )
})

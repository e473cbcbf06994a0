# Formulas as other programs write them, and slips in formulas.

test_that("slips in a formula", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ Reaction + (1 | Subject), sleepstudy))
    show_conditions(rlmm(Reaction ~ Days + (Reaction | Subject), sleepstudy))
    show_conditions(rlmm(
      log(Reaction) ~ Days:log(Reaction) + (1 | Subject),
      sleepstudy
    ))
    show_conditions(rlmm(
      Reaction ~ Days + (1 | Subject) + (1 + Days | Subject),
      sleepstudy
    ))
    show_conditions(rlmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp
    ))
  })
  # A change score beside its baseline is a model.
  wide <- transform(sleepstudy, before = Reaction - Days)
  expect_no_error(rlmm(
    I(Reaction - before) ~ before + (1 | Subject),
    transform(wide, Reaction = Reaction + cos(seq_len(180)))
  ))
})

test_that("two intercepts of one factor: the fit is that of one", {
  expect_message(
    fit <- rlmm(
      Reaction ~ Days + (1 | Subject) + (Days | Subject),
      sleepstudy
    ),
    "Subject"
  )
  # lme4: logLik(lmer(Reaction ~ Days + (Days | Subject), sleepstudy))
  expect_equal(as.numeric(logLik(fit)), -871.8141, tolerance = 1e-7)
})

test_that("a forgotten `data` and letters in another order are pointed to", {
  expect_error(
    rlmm(Reaction ~ Dyas + (1 | Subject), sleepstudy),
    "Did you mean `Days`?",
    fixed = TRUE
  )
  expect_error(
    rlmm(Reaction ~ Days + (Days | Subject)),
    "Is the argument `data` missing?",
    fixed = TRUE
  )
})

test_that("functions of other programs' formulas", {
  local_plain()
  fit <- function(formula) rlmm(formula, sleepstudy)
  expect_snapshot({
    show_conditions(fit(Reaction ~ s(Days) + (1 | Subject)))
    show_conditions(fit(Reaction ~ Days + (1 | gr(Subject))))
    show_conditions(fit(Reaction | trials(10) ~ Days + (1 | Subject)))
    show_conditions(fit(mvbind(Reaction, Days) ~ 1 + (1 | Subject)))
  })
  # A function of the user's that has such a name is the user's.
  s <- function(x) x / 2
  expect_equal(
    fixef(rlmm(Reaction ~ s(Days) + (1 | Subject), sleepstudy))[[2]],
    2 * fixef(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy))[[2]]
  )
})

test_that("a function of formulas that calls itself without an end", {
  # R's own poly() does so for a matrix in I().
  endless <- function(x) endless(x)
  d <- transform(sleepstudy, wrapped = I(matrix(Days)))
  variable <- "rlmm_error_variable"
  expect_error(
    rlmm(Reaction ~ poly(wrapped, 2) + (1 | Subject), d),
    "The column `wrapped` is a matrix",
    class = variable
  )
  expect_error(
    rlmm(Reaction ~ Days + (endless(Days) | Subject), d),
    "A function calls itself without an end",
    class = variable
  )
})

test_that("formulas in pieces, quoted, and by the marks of tidy evaluation", {
  local_plain()
  name <- "Days"
  fit <- function(formula, data = sleepstudy) rlmm(formula, data)
  quoted <- quote(Reaction ~ Days + (1 | Subject))
  plain <- fit(Reaction ~ Days + (1 | Subject))
  expect_equal(fixef(fit(quoted)), fixef(plain))
  expect_equal(
    fixef(fit(bquote(Reaction ~ .(as.name(name)) + (1 | Subject)))),
    fixef(plain)
  )
  expect_snapshot({
    show_conditions(fit(c("Reaction ~ Days", "+ (1 | Subject)")))
    show_conditions(fit(expression(Reaction ~ Days + (1 | Subject))))
    show_conditions(fit(Reaction ~ name + (1 | Subject)))
    show_conditions(fit(Reaction ~ .data[[name]] + (1 | Subject)))
    show_conditions(fit(Reaction ~ !!name + (1 | Subject)))
    show_conditions(fit(Reaction ~ Days + (1 | "Subject")))
  })
})

test_that("what can't change a formula is told", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(update(fit, 1))
    show_conditions(update(fit, NULL))
  })
  many <- rlmm_many(cbind(Reaction, Days) ~ 1 + (1 | Subject), sleepstudy)
  each <- lmList(Reaction ~ Days | Subject, sleepstudy)
  for (fits in list(many, each)) {
    expect_error(update(fits, TRUE), class = "rlmm_error_argument")
  }
})

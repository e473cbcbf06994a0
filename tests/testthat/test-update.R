test_that("update changes the call as stats::update does", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  call <- update(fit, . ~ . - Days, REML = FALSE, evaluate = FALSE)
  expect_equal(call$formula, Reaction ~ (Days | Subject), ignore_attr = TRUE)
  expect_false(call$REML)
  smaller <- update(fit, . ~ . - (Days | Subject) + (1 | Subject))
  expect_equal(
    smaller$dev$objective,
    rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)$dev$objective,
    tolerance = 1e-9
  )
  expect_equal(
    update(fit, REML = FALSE)$call,
    quote(rlmm(
      formula = Reaction ~ Days + (Days | Subject),
      data = sleepstudy,
      REML = FALSE
    ))
  )
  expect_null(update(update(fit, subset = Days > 1), subset = NULL)$call$subset)
  expect_equal(nobs(update(fit, subset = Days > 1)), 144)
  expect_equal(nobs(update(fit, data = sleepstudy[1:100, ])), 100)
  expect_equal(
    fixef(update(fit, log(.) ~ .)),
    fixef(rlmm(log(Reaction) ~ Days + (Days | Subject), sleepstudy))
  )
})

test_that("a dot in the formula is spelled out", {
  fit <- rlmm(Reaction ~ . - Subject + (1 | Subject), sleepstudy)
  expect_named(
    fixef(update(fit, . ~ . + I(Days^2))),
    c("(Intercept)", "Days", "I(Days^2)")
  )
})

test_that("what the call names is found where the model was made", {
  make <- function() {
    local_data <- sleepstudy[sleepstudy$Days > 0, ]
    local_data$Reaction <- local_data$Reaction / 100
    w <- local_data$Days
    rlmm(
      Reaction ~ Days + (1 | Subject),
      local_data,
      weights = w,
      subset = Days > 1
    )
  }
  fit <- make()
  data <- subset(sleepstudy, Days > 1)
  data$Reaction <- data$Reaction / 100
  direct <- rlmm(Reaction ~ 1 + (1 | Subject), data, weights = Days)
  expect_equal(
    update(fit, . ~ . - Days)$dev$objective,
    direct$dev$objective,
    tolerance = 1e-8
  )
  # New arguments are the caller's.
  w <- rep(2, 162)
  direct <- rlmm(Reaction ~ Days + (1 | Subject), data, weights = rep(2, 144))
  expect_equal(
    update(fit, weights = w)$dev$objective,
    direct$dev$objective,
    tolerance = 1e-8
  )
})

test_that("when the data are gone the stored frame takes their place", {
  formula <- Reaction ~ Days + (Days | Subject)
  make <- function() {
    local_data <- sleepstudy
    local_data$Days[3] <- NA
    local_data$w <- 1 + local_data$Days
    rlmm(
      formula,
      local_data,
      weights = w,
      subset = Days != 9,
      na.action = na.exclude
    )
  }
  fit <- make()
  data <- subset(sleepstudy, Days != 9)[-3, ]
  direct <- rlmm(Reaction ~ 1 + (1 | Subject), data, weights = 1 + Days)
  smaller <- update(fit, . ~ . - Days - (Days | Subject) + (1 | Subject))
  expect_equal(smaller$dev$objective, direct$dev$objective, tolerance = 1e-8)
  expect_length(residuals(smaller), 162)
  expect_equal(
    update(fit, REML = FALSE)$dev$objective,
    refitML(fit)$dev$objective,
    tolerance = 1e-8
  )
  expect_equal(update(fit, sigma = 20)$sigma, 20)
  expect_error(update(fit, . ~ . + missing_one), class = "rlmm_error_variable")
  expect_snapshot(writeLines(error_lines(update(fit, . ~ . + missing_one))))
})

test_that("transformed variables don't stand in the way of a change that doesn't concern them", {
  formula <- log(Reaction) ~ poly(Days, 2) + (1 | Subject)
  make <- function() {
    local_data <- sleepstudy
    rlmm(formula, local_data)
  }
  fit <- make()
  expect_equal(
    update(fit, REML = FALSE)$dev$objective,
    refitML(fit)$dev$objective,
    tolerance = 1e-8
  )
})

test_that("without data the variables come from the formula's environment", {
  make <- function() {
    y <- sleepstudy$Reaction
    x <- sleepstudy$Days
    g <- as.character(sleepstudy$Subject)
    rlmm(y ~ x + (1 | g))
  }
  fit <- make()
  expect_named(fixef(update(fit, . ~ . - x)), "(Intercept)")
})

test_that("of two data frames of the same name the one that was fitted is meant", {
  formula <- Reaction ~ Days + (1 | Subject)
  table <- sleepstudy
  make <- function(table) {
    fit <- rlmm(formula, table)
    update(fit, . ~ . - Days)
  }
  expect_equal(nobs(make(sleepstudy[1:100, ])), 100)
})

test_that("a variable that the data don't hold is named, though the data exist", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(
    update(fit, . ~ . + missing_one),
    "Can't find `missing_one`",
    class = "rlmm_error_variable"
  )
})

test_that("what has become of the data doesn't matter to a change that needs no other variable", {
  fits <- list()
  for (d in split(sleepstudy, sleepstudy$Days %% 2)) {
    fits[[length(fits) + 1]] <- rlmm(Reaction ~ Days + (1 | Subject), d)
  }
  # lm's figures of the first half are none of the second's: `d` is the second half now.
  smaller <- lapply(fits, update, . ~ . - Days)
  expect_equal(nobs(smaller[[1]]), 90)
  expect_equal(
    logLik(smaller[[1]]),
    logLik(rlmm(
      Reaction ~ 1 + (1 | Subject),
      sleepstudy[sleepstudy$Days %% 2 == 0, ]
    ))
  )
  # A transformed variable is taken as it was fitted.
  make <- function() {
    gone <- transform(sleepstudy, x = Days + 1)
    rlmm(log(Reaction) ~ x + poly(x, 2) + (1 | cut(x, 4)), gone)
  }
  fit <- suppressMessages(make())
  direct <- suppressMessages(rlmm(
    log(Reaction) ~ poly(x, 2) + (1 | cut(x, 4)),
    transform(sleepstudy, x = Days + 1)
  ))
  smaller <- suppressMessages(update(fit, . ~ . - x))
  expect_equal(logLik(smaller), logLik(direct), tolerance = 1e-8)
  new <- data.frame(x = c(2, 5))
  expect_equal(predict(smaller, new), predict(direct, new), tolerance = 1e-6)
})

test_that("data that aren't what was fitted are told where they are needed", {
  withr::local_options(cli.unicode = FALSE)
  d <- transform(sleepstudy, extra = sin(seq_len(180)))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), d)
  expect_silent(update(fit, . ~ . + extra))
  d$Reaction[7] <- 1
  expect_silent(update(fit, . ~ . - Days))
  expect_snapshot(writeLines(condition_lines(update(fit, . ~ . + extra))))
  changed <- suppressWarnings(update(fit, . ~ . + extra))
  expect_equal(
    logLik(changed),
    logLik(rlmm(Reaction ~ Days + extra + (1 | Subject), d))
  )
  expect_snapshot(writeLines(condition_lines(update(fit))))
  same <- suppressMessages(update(fit))
  expect_equal(logLik(same), logLik(fit))
})

test_that("arguments go with the part of the formula that they belong to", {
  d <- transform(sleepstudy, half = factor(Days > 4))
  fit <- rlmm(
    Reaction ~ Days + half + (Days | Subject),
    d,
    contrasts = list(half = "contr.sum"),
    start = c(1, 0, 1)
  )
  smaller <- update(fit, . ~ . - half - (Days | Subject) + (1 | Subject))
  direct <- rlmm(Reaction ~ Days + (1 | Subject), d)
  expect_equal(logLik(smaller), logLik(direct), tolerance = 1e-9)
  expect_null(smaller$call$contrasts)
  expect_null(smaller$call$start)
  kept <- update(fit, . ~ . - Days)
  expect_equal(kept$call$contrasts, quote(list(half = "contr.sum")))
  expect_named(fixef(kept), c("(Intercept)", "half1"))
})

test_that("a term goes however it is written, and a removal of nothing is told", {
  withr::local_options(cli.unicode = FALSE)
  objective <- \(formula) rlmm(formula, sleepstudy)$dev$objective
  fit <- rlmm(Reaction ~ Days + (Days || Subject), sleepstudy)
  expect_equal(
    update(fit, . ~ . - (0 + Days | Subject))$dev$objective,
    objective(Reaction ~ Days + (1 | Subject)),
    tolerance = 1e-8
  )
  both <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(
    update(both, . ~ . - (1 + Days | Subject) + (1 | Subject))$dev$objective,
    objective(Reaction ~ Days + (1 | Subject)),
    tolerance = 1e-8
  )
  nested <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  expect_equal(
    update(nested, . ~ . - (1 | batch))$dev$objective,
    rlmm(strength ~ 1 + (1 | cask:batch), Pastes)$dev$objective,
    tolerance = 1e-8
  )
  expect_snapshot({
    writeLines(condition_lines(update(both, . ~ . - (0 + Days | Subject))))
    writeLines(condition_lines(update(both, . ~ . - Dyas)))
  })
  expect_no_warning(update(both, . ~ . - Days))
})

test_that("control = NULL is the default control", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    control = rlmm_control(optimizer = "LN_BOBYQA")
  )
  expect_null(update(fit, control = NULL)$control$optimizer)
})

test_that("update() can ask for the objective only", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  criterion <- update(fit, REML = FALSE, devFunOnly = TRUE)
  expect_equal(
    criterion(fit$theta),
    -2 * as.numeric(logLik(fit, REML = FALSE)),
    tolerance = 1e-10
  )
})

test_that("a changed fit's frame tells the rows that were left out, as the fit does", {
  data <- sleepstudy
  data$Days[c(3, 50)] <- NA
  fit <- rlmm(Reaction ~ Days + (1 | Subject), data)
  smaller <- update(fit, . ~ . - Days)
  omitted <- structure(c(`3` = 3L, `50` = 50L), class = "omit")
  expect_identical(na.action(smaller), omitted)
  expect_identical(attr(model.frame(smaller), "na.action"), omitted)
  skip_if_not_installed("lme4")
  formula <- ~ (1 | Subject)
  expect_equal(
    predict(as_merMod(smaller), re.form = formula),
    predict(smaller, re.form = formula)
  )
})

test_that("arguments that can't be evaluated, or aren't there, are named", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(
    update(fit, wieghts = Days),
    "Did you mean `weights`?",
    class = "rlmm_error_unknown_argument",
    fixed = TRUE
  )
  expect_error(update(fit, control = no_such), class = "rlmm_error_variable")
  expect_error(
    rlmm(sleepstudy$Reaction ~ 1 + (1 | sleepstudy$Subject), weights = no_such),
    class = "rlmm_error_variable"
  )
  binary <- rglmm(incidence ~ period + (1 | herd), cbpp, poisson)
  expect_error(
    update(binary, nAGG = no_such),
    class = "rlmm_error_unknown_argument"
  )
})

test_that("arguments may be written in short, as in the fitting function", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  short <- update(fit, weight = Days + 1)
  whole <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weights = Days + 1)
  expect_equal(logLik(short), logLik(whole))
  expect_named(short$call, c("", "formula", "data", "weights"))
})

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

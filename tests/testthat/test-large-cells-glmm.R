# Separated cells of a category within the levels of a large factor, against the model with dummy
# columns.

celled_data <- function(n = 900) {
  set.seed(8)
  d <- data.frame(
    firm = factor(sample(22, n, TRUE)),
    worker = factor(sample(30, n, TRUE)),
    sex = sample(c("f", "m"), n, TRUE),
    kind = factor(sample(letters[1:3], n, TRUE)),
    late = sample(c(TRUE, FALSE), n, TRUE),
    x = rnorm(n, 5)
  )
  eta <- 0.5 + rnorm(30, sd = 0.4)[d$worker] + rnorm(22, sd = 0.3)[d$firm]
  d$count <- rpois(n, exp(eta))
  d$died <- rbinom(n, 3, plogis(eta - 0.5))
  d$spent <- rgamma(n, 2, rate = 2 / exp(eta))
  d
}

# The fits by both codings, and the warning of each.
fits_and_warnings <- function(formula, data, family) {
  one <- function(limit) {
    rlang::local_options(rlmm.large_factor = limit)
    warning <- NULL
    fit <- withCallingHandlers(
      suppressMessages(rglmm(formula, data, family)),
      warning = \(cnd) {
        warning <<- c(warning, conditionMessage(cnd))
        invokeRestart("muffleWarning")
      }
    )
    list(fit = fit, warning = warning)
  }
  found <- list(dummies = one(Inf), levels = one(20))
  expect_false(is.null(found$levels$fit$fixed$large))
  found
}

# That both are the same fit, as far as anything is known: coefficients that tend to infinity stop
# somewhere on their way, and a difference of two such ones means nothing.
expect_same_cells <- function(formula, data, family, unknown = character()) {
  found <- fits_and_warnings(with_worker(formula), data, family)
  a <- found$dummies$fit
  b <- found$levels$fit
  expect_equal(as.numeric(logLik(b)), as.numeric(logLik(a)), tolerance = 1e-8)
  expect_equal(b$theta, a$theta, tolerance = 1e-4)
  expect_equal(fitted(b), fitted(a), tolerance = 1e-4)
  known <- setdiff(names(fixef(a)), c(a$separated, unknown))
  expect_equal(fixef(b, TRUE)[known], fixef(a)[known], tolerance = 1e-3)
  expect_setequal(b$separated, a$separated)
  expect_length(found$levels$warning, length(found$dummies$warning))
  expect_lte(b$optsum$feval, a$optsum$feval + 5L)
  # The steps to the modes, which were without end in the coordinates of the columns.
  expect_lt(b$optsum$pirls_iterations, 500)
}

with_cell <- function(data, column, cell, value = 0) {
  data[[column]][cell] <- value
  data
}

test_that("cells of zeros within a level leave the fit of the others", {
  d <- celled_data()
  third <- d$firm == "3"
  women <- with_cell(d, "count", third & d$sex == "f")
  one_kind <- with_cell(women, "count", d$firm == "7" & d$kind == "a")
  expect_same_cells(count ~ firm * sex, women, poisson)
  men <- with_cell(d, "count", third & d$sex == "m")
  expect_same_cells(count ~ firm * sex, men, poisson)
  expect_same_cells(count ~ firm * kind, one_kind, poisson)
  expect_same_cells(count ~ firm * (kind + x), one_kind, poisson)
  expect_same_cells(count ~ firm * (sex + kind), one_kind, poisson)
  cell <- third & d$sex == "f" & d$kind == "b"
  expect_same_cells(
    count ~ firm * sex * kind,
    with_cell(d, "count", cell),
    poisson
  )
  expect_same_cells(count ~ 0 + firm + firm:sex, women, poisson)
  empty <- subset(women, !(firm == "4" & kind == "b"))
  expect_same_cells(count ~ firm * kind, empty, poisson)
})

test_that("levels compared with a separated one tend to infinity, too", {
  d <- celled_data()
  base <- with_cell(d, "count", d$firm == "1" & d$sex == "f")
  expect_same_cells(count ~ firm * sex, base, poisson)
  whole <- with_cell(d, "count", d$firm == "3")
  expect_same_cells(count ~ firm * sex, whole, poisson, "firm3:sexm")
})

test_that("cells of failures and of successes, by each link", {
  d <- celled_data()
  formula <- cbind(died, 3 - died) ~ firm * sex
  for (sex in c("f", "m")) {
    cell <- d$firm == "3" & d$sex == sex
    for (died in c(0, 3)) {
      data <- with_cell(d, "died", cell, died)
      expect_same_cells(formula, data, binomial)
      expect_same_cells(formula, data, binomial("probit"))
    }
  }
  cell <- d$firm == "3" & d$sex == "f"
  expect_same_cells(formula, with_cell(d, "died", cell), binomial("cloglog"))
})

test_that("cells whose likelihood approaches its limit slowly are named", {
  d <- celled_data()
  cell <- d$firm == "3" & d$sex == "f"
  found <- fits_and_warnings(
    cbind(died, 3 - died) ~ firm * sex + (1 | worker),
    with_cell(d, "died", cell),
    binomial("cauchit")
  )
  a <- found$dummies$fit
  b <- found$levels$fit
  expect_setequal(b$separated, a$separated)
  # Each stops where it does, at a loss of a thousandth.
  expect_equal(as.numeric(logLik(b)), as.numeric(logLik(a)), tolerance = 1e-5)
  expect_equal(b$theta, a$theta, tolerance = 1e-4)
})

test_that("products of two categories by a large factor", {
  d <- celled_data(500)
  found <- fits_and_warnings(
    count ~ firm * kind * late + (1 | worker),
    d,
    poisson
  )
  a <- found$dummies$fit
  b <- found$levels$fit
  expect_equal(as.numeric(logLik(b)), as.numeric(logLik(a)), tolerance = 1e-8)
  expect_equal(fitted(b), fitted(a), tolerance = 1e-4)
  expect_gt(length(a$separated), 0)
  expect_setequal(b$separated, a$separated)
})

test_that("a gamma model has no separated cells", {
  d <- celled_data()
  expect_same_cells(spent ~ firm * (kind + x), d, Gamma("log"))
})

test_that("levels have standard errors where the random effects are zero", {
  d <- celled_data()
  d$count <- rep_len(c(1, 0, 2, 1, 3), nrow(d))
  fits <- by_both_codings(
    rglmm(count ~ firm * x + (1 | worker), d, poisson),
    d
  )
  expect_true(isSingular(fits$levels))
  own <- fits$levels$fixed$large
  errors <- stats::setNames(fixed_levels(fits$levels)$std.error, own$names)
  errors <- errors[own$is_column]
  expected <- coef(summary(fits$dummies))[names(errors), "Std. Error"]
  expect_equal(errors, expected, tolerance = 2e-3)
})

# Large factors by other contrasts than treatment contrasts, beside dummy columns of them.

full_contrasts <- function() {
  set.seed(3)
  own <- matrix(rnorm(60 * 59), 60)
  list(
    sum = "contr.sum",
    helmert = contr.helmert,
    last = "contr.SAS",
    other = contr.treatment(60, base = 7),
    matrix = contr.sum(60),
    own = own
  )
}

# That the tests of terms are those of dummy columns.
expect_same_tests <- function(fits, rows, ...) {
  expecting_same(fits)(\(fit) as.matrix(anova(fit, ...))[rows, 1:5])
}

test_that("a factor by any full contrasts has the coefficients of dummy columns", {
  d <- made_data()
  for (coding in full_contrasts()) {
    by <- list(firm = coding)
    fits <- by_both_codings(
      rlmm(y ~ x + firm + sex + (1 | worker), d, contrasts = by, weights = w),
      d
    )
    both <- expecting_same(fits)
    own <- rownames(vcov(fits$levels))
    both(logLik, 1e-9)
    both(\(fit) logLik(fit, REML = FALSE), 1e-9)
    both(\(fit) as.function(fit)(0.5), 1e-9)
    both(fixef)
    expect_identical(
      names(fixef(fits$levels)),
      names(fixef(fits$dummies))
    )
    both(\(fit) vcov(fit)[own, own])
    both(\(fit) coef(summary(fit))[own, ], 1e-3)
    both(\(fit) predict(fit, d[1:9, ], se.fit = TRUE))
    both(\(fit) predict(fit, d[1:9, ], re.form = NA, se.fit = TRUE))
  }
})

test_that("the coefficients are those of lm() where random effects are zero", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  zero <- rlmm_control(fixed = list(theta = c("worker.(Intercept)" = 0)))
  for (coding in full_contrasts()) {
    by <- list(firm = coding)
    fit <- suppressMessages(
      rlmm(y ~ x + firm + (1 | worker), d, contrasts = by, control = zero)
    )
    expect_false(is.null(fit$fixed$large))
    flat <- lm(y ~ x + firm, d, contrasts = by)
    expect_equal(fixef(fit), coef(flat), tolerance = 1e-7)
    expect_equal(
      vcov(fit),
      vcov(flat)[1:2, 1:2],
      tolerance = 1e-6,
      ignore_attr = TRUE
    )
  }
})

test_that("the option of contrasts is heeded: one factor, two, and slopes", {
  d <- made_data()
  d$plant <- factor(sample(35, nrow(d), TRUE))
  rlang::local_options(contrasts = c("contr.sum", "contr.poly"))
  formulas <- list(
    y ~ x + sex + firm + (1 | worker),
    y ~ x + firm + plant + sex + (1 | worker),
    y ~ x * firm + sex + (1 | worker),
    y ~ 0 + firm + sex + (1 | worker)
  )
  for (formula in formulas) {
    fits <- by_both_codings(rlmm(formula, d), d)
    both <- expecting_same(fits)
    own <- rownames(vcov(fits$levels))
    both(logLik, 1e-9)
    both(fixef)
    both(\(fit) vcov(fit)[own, own, drop = FALSE])
    both(\(fit) coef(summary(fit))[own, ], 1e-3)
    both(\(fit) confint(fit, own, method = "Wald"))
    both(\(fit) simulate(fit, 1, seed = 1))
    both(\(fit) fixef(refit(fit, rev(d$y))))
    both(\(fit) logLik(update(fit, . ~ . - sex)), 1e-9)
    expect_same_tests(fits, "sex")
  }
})

test_that("slopes by sum contrasts have the tests of dummy columns", {
  d <- made_data()
  rlang::local_options(contrasts = c("contr.sum", "contr.poly"))
  fits <- by_both_codings(rlmm(y ~ x * firm + sex + (1 | worker), d), d)
  for (type in c("II", "III")) {
    expect_same_tests(fits, c("x", "sex"), type = type)
  }
  errors <- fixed_levels(fits$levels)$std.error
  of_dummies <- coef(summary(fits$dummies))
  names <- paste0(rep(c("firm", "x:firm"), each = 59), 1:59)
  expect_equal(
    errors[-c(60, 120)],
    of_dummies[names, "Std. Error"],
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  sums <- \(fit) {
    table <- as.data.frame(coef(fit, se = TRUE))
    table[table$term %in% c("(Intercept)", "x"), "std.error"]
  }
  expecting_same(fits)(sums)
})

test_that("marginal means don't depend on the contrasts", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  rlang::local_options(contrasts = c("contr.sum", "contr.poly"))
  fits <- by_both_codings(rlmm(y ~ x + firm + sex + (1 | worker), d), d)
  both <- expecting_same(fits, 1e-4)
  both(\(fit) as.data.frame(emmeans::emmeans(fit, ~sex)))
  both(\(fit) as.data.frame(emmeans::emmeans(fit, ~firm)))
})

test_that("a generalized model has its contrasts", {
  d <- made_data()
  set.seed(5)
  eta <- 0.2 * (d$x - 50) + rnorm(60, sd = 0.5)[d$firm]
  d$z <- rbinom(nrow(d), 3, plogis(eta + rnorm(100, sd = 0.5)[d$worker]))
  d$x <- d$x - 50
  rlang::local_options(contrasts = c("contr.sum", "contr.poly"))
  fits <- by_both_codings(
    rglmm(cbind(z, 3 - z) ~ x + firm + sex + (1 | worker), d, binomial),
    d
  )
  expect_same_generalized(fits, of_vcov = 1e-4)
  both <- expecting_same(fits, 1e-3)
  both(\(fit) vcov(fit, use.hessian = FALSE)[1:2, 1:2])
  both(\(fit) predict(fit, d[1:9, ], se.fit = TRUE))
})

test_that("the iterative engine has contrasts too", {
  d <- made_data(2000)
  rlang::local_options(
    rlmm.large_factor = 20,
    contrasts = c("contr.sum", "contr.poly")
  )
  exact <- rlmm(y ~ x + firm + (1 | worker) + (1 | year), d)
  fit <- update(exact, control = rlmm_control(engine = "iterative"))
  expect_identical(fit$engine, "iterative")
  expect_equal(fixef(fit), fixef(exact), tolerance = 1e-4)
  expect_equal(vcov(fit), vcov(exact), tolerance = 1e-3)
})

test_that("the intercept of contrasts has Wald limits beside profiles", {
  d <- made_data()
  rlang::local_options(
    rlmm.large_factor = 20,
    contrasts = c("contr.sum", "contr.poly")
  )
  fit <- rlmm(y ~ firm + sex + (1 | worker), d)
  expect_message(
    limits <- confint(fit, c("(Intercept)", "sex1"), method = "profile"),
    class = "rlmm_message_wald"
  )
  expect_equal(
    limits["(Intercept)", ],
    suppressMessages(confint(refitML(fit), "(Intercept)", method = "Wald"))[1, ]
  )
  expect_message(
    b <- bootstrap(fit, 20, seed = 1),
    "no replicates of `(Intercept)`",
    class = "rlmm_message_bootstrap",
    fixed = TRUE
  )
  expect_identical(colnames(b$beta), "sex1")
  expect_identical(nrow(confint(b)), 3L)
  refused <- list(
    \() profile(fit, "(Intercept)"),
    \() refit(fit, cbind(a = d$y, b = rev(d$y))),
    \() {
      held <- list(beta = c("(Intercept)" = 1))
      rlmm(formula(fit), d, control = rlmm_control(fixed = held))
    }
  )
  for (one in refused) {
    expect_error(
      one(),
      "depend on the contrasts of `firm`",
      class = "rlmm_error_large_factor"
    )
  }
})

test_that("contrasts that can't be carried are columns of X", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  is_apart <- function(formula, coding) {
    fit <- suppressMessages(rlmm(formula, d, contrasts = list(firm = coding)))
    !is.null(fit$fixed$large)
  }
  expect_true(is_apart(y ~ firm + (1 | worker), "contr.sum"))
  # Levels that depend on other columns, and contrasts that don't span them.
  expect_false(is_apart(y ~ size + firm + (1 | worker), "contr.sum"))
  expect_false(is_apart(y ~ firm + (1 | worker), contr.sum(60)[, 1:20]))
  expect_false(is_apart(y ~ firm + (1 | worker), cbind(1, contr.sum(60)[, -1])))
})

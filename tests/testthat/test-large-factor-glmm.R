# A fixed factor whose levels are no columns of X in generalized models, against the model with its
# dummy columns, and against lme4.

counted_data <- function(n = 1200, firms = 25, workers = 50) {
  set.seed(21)
  d <- data.frame(
    firm = factor(sample(firms, n, TRUE)),
    worker = factor(sample(workers, n, TRUE)),
    x = rnorm(n),
    size = sample(1:4, n, TRUE),
    hours = rnorm(n) / 4
  )
  eta <- 0.3 +
    0.5 * d$x +
    rnorm(firms, sd = 0.6)[d$firm] +
    rnorm(workers, sd = 0.8)[d$worker]
  d$died <- rbinom(n, d$size, plogis(eta))
  d$count <- rpois(n, exp(eta + d$hours))
  d$spent <- rgamma(n, 2, rate = 2 / exp(eta))
  d
}

test_that("a generalized fit with levels is that with dummy columns", {
  d <- counted_data()
  same <- \(call) expect_same_generalized(call)
  same(by_both_codings(
    rglmm(
      cbind(died, size - died) ~ x + firm + (1 | worker),
      d,
      binomial
    ),
    d
  ))
  same(by_both_codings(
    rglmm(
      count ~ firm + (1 | worker),
      d,
      poisson,
      offset = hours,
      nAGQ = 0
    ),
    d
  ))
  same(by_both_codings(
    rglmm(count ~ 0 + firm + x + (x | worker), d, poisson),
    d
  ))
  same(by_both_codings(
    rglmm(
      died / size ~ x + firm + (1 | worker) + (1 | size),
      d,
      binomial("probit"),
      weights = size,
      information = "observed"
    ),
    d
  ))
})

test_that("dispersions are those of dummy columns", {
  d <- counted_data()
  for (kind in c("profiled", "estimated")) {
    expect_same_generalized(by_both_codings(
      rglmm(
        spent ~ x + firm + (1 | worker),
        d,
        Gamma("log"),
        dispersion = kind
      ),
      d
    ))
  }
  expect_same_generalized(by_both_codings(
    rglmm(count ~ x + firm + (1 | worker), d, nbinom2()),
    d
  ))
})

test_that("lme4 finds the same generalized fit", {
  skip_if_not_installed("lme4")
  d <- counted_data()
  rlang::local_options(rlmm.large_factor = 20)
  formula <- cbind(died, size - died) ~ x + firm + (1 | worker)
  theirs <- lme4::glmer(
    formula,
    d,
    binomial,
    control = lme4::glmerControl(
      optimizer = "bobyqa",
      optCtrl = list(maxfun = 1e5)
    )
  )
  ours <- rglmm(formula, d, binomial)
  expect_equal(
    as.numeric(logLik(ours)),
    as.numeric(logLik(theirs)),
    tolerance = 1e-6
  )
  expect_equal(fixef(ours), lme4::fixef(theirs), tolerance = 1e-3)
  errors <- sqrt(diag(as.matrix(vcov(theirs))))
  # Theirs take into account that theta is estimated.
  expect_equal(
    fixed_levels(ours)$std.error[-1L],
    unname(errors[-(1:2)]),
    tolerance = 0.02
  )
})

test_that("methods of a generalized fit agree with those of dummy columns", {
  d <- counted_data()
  fits <- by_both_codings(
    rglmm(count ~ x + firm + (1 | worker), d, poisson),
    d
  )
  a <- fits$dummies
  b <- fits$levels
  own <- c("(Intercept)", "x")
  expect_equal(
    coef(summary(b)),
    coef(summary(a))[own, ],
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
  expect_equal(hatvalues(b), hatvalues(a), tolerance = 1e-4)
  new <- d[1:5, ]
  for (effects in list(NULL, NA)) {
    expect_equal(
      predict(b, new, re.form = effects, se.fit = TRUE),
      predict(a, new, re.form = effects, se.fit = TRUE),
      tolerance = 1e-4
    )
  }
  expect_equal(
    ranef(b, condVar = TRUE),
    ranef(a, condVar = TRUE),
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
  expect_identical(simulate(b, seed = 1), simulate(a, seed = 1))
  y <- simulate(b, seed = 1)[[1L]]
  expect_equal(
    as.numeric(logLik(refit(b, y))),
    as.numeric(logLik(refit(a, y))),
    tolerance = 1e-8
  )
  tests <- anova(b)
  expect_identical(rownames(tests), c("x", "firm"))
  expect_identical(tests$Df, anova(a)$Df)
  expect_equal(tests$Chisq, anova(a)$Chisq, tolerance = 0.01)
  expect_snapshot(print(tests))
})

test_that("the mean over the levels has the covariance of the coefficients", {
  skip_if_not_installed("emmeans")
  d <- counted_data()
  fits <- by_both_codings(
    rglmm(count ~ x + firm + (1 | worker), d, poisson),
    d
  )
  tables <- lapply(fits, \(fit) {
    as.data.frame(emmeans::emmeans(fit, ~x, at = list(x = 0:1)))
  })
  expect_equal(
    tables$levels,
    tables$dummies,
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
})

test_that("standard errors of levels take into account that theta is estimated", {
  d <- counted_data()
  errors <- \(fits) {
    expect_equal_errors(fits$levels, coef(summary(fits$dummies)), 0.01)
  }
  errors(by_both_codings(rglmm(count ~ x + firm + (1 | worker), d, poisson), d))
  formula <- spent ~ x + firm + (1 | worker)
  for (kind in c("profiled", "estimated")) {
    fits <- by_both_codings(
      rglmm(formula, d, Gamma("log"), dispersion = kind),
      d
    )
    errors(fits)
    expecting_same(fits, 0.01)(\(fit) {
      predict(fit, d[1:9, ], re.form = NA, se.fit = TRUE)$se.fit
    })
  }
})

test_that("levels beside effects without variance have standard errors", {
  d <- counted_data()
  control <- rlmm_control(fixed = list(theta = c("worker.(Intercept)" = 0)))
  fits <- by_both_codings(
    rglmm(count ~ x + firm + (1 | worker), d, poisson, control = control),
    d
  )
  flat <- coef(summary(glm(count ~ x + firm, poisson, d)))
  expect_equal_errors(fits$levels, flat, 1e-4)
  expecting_same(fits)(\(fit) {
    predict(fit, d[1:9, ], re.form = NA, interval = "confidence")
  })
})

test_that("levels without a finite coefficient are named", {
  d <- counted_data()
  d$died[d$firm == "3"] <- 0L
  d$died[d$firm == "4"] <- d$size[d$firm == "4"]
  rlang::local_options(rlmm.large_factor = 20)
  formula <- cbind(died, size - died) ~ x + firm + (1 | worker)
  expect_warning(
    fit <- rglmm(formula, d, binomial),
    class = "rlmm_warning_separation"
  )
  expect_identical(fit$separated, c("firm3", "firm4"))
  expect_match(
    format(diagnose(fit)),
    "`firm3` and `firm4`",
    all = FALSE
  )
  # The others are those of the firms that are left.
  left <- droplevels(d[!d$firm %in% 3:4, ])
  rest <- rglmm(formula, left, binomial)
  expect_equal(fixef(fit)[names(fixef(rest))], fixef(rest), tolerance = 1e-3)
  expect_equal(vcov(fit), vcov(rest), tolerance = 1e-3)
})

test_that("a factor that costs more than a second takes no columns", {
  set.seed(23)
  n <- 6000L
  d <- data.frame(
    firm = factor(sample(150, n, TRUE)),
    worker = factor(sample(300, n, TRUE))
  )
  d$count <- rpois(n, exp(rnorm(300, sd = 0.5)[d$worker]))
  fit <- rglmm(count ~ firm + (1 | worker), d, poisson)
  expect_identical(length(fit$fixed$large$levels), 150L)
  linear <- rlmm(count ~ firm + (1 | worker), d)
  expect_null(linear$fixed$large)
})

test_that("quadrature and dispersions by moment have columns", {
  d <- counted_data()
  rlang::local_options(rlmm.large_factor = 20)
  formula <- count ~ x + firm + (1 | worker)
  expect_message(
    by_nodes <- rglmm(formula, d, poisson, nAGQ = 3),
    "Each of the 25 levels of `firm` has a column",
    class = "rlmm_message_columns"
  )
  expect_null(by_nodes$fixed$large)
  by_moment <- suppressMessages(rglmm(
    spent ~ x + firm + (1 | worker),
    d,
    Gamma("log"),
    dispersion = "moment"
  ))
  expect_null(by_moment$fixed$large)
  by_gradients <- suppressMessages(rglmm(
    formula,
    d,
    poisson,
    control = rlmm_control(engine = "iterative")
  ))
  expect_null(by_gradients$fixed$large)
  expect_identical(
    preview(formula, d, family = poisson)$fixed$apart,
    c(firm = 25L)
  )
})

test_that("a preview says that a generalized model with a large factor isn't iterative", {
  set.seed(22)
  n <- 20000L
  d <- data.frame(
    y = rpois(n, 1),
    firm = factor(sample(3100, n, TRUE)),
    worker = sample(5000, n, TRUE)
  )
  rlang::local_options(rlmm.large_factor = 20)
  formula <- y ~ firm + (1 | worker)
  expect_identical(preview(formula, d)$engine, "iterative")
  expect_identical(preview(formula, d, family = poisson)$engine, "exact")
})

test_that("a term of few levels keeps its variance beside as many other columns", {
  d <- made_data()
  d$kind <- factor(sample(3, nrow(d), TRUE))
  of_kind <- c(-0.4, 0, 0.4)[d$kind]
  mean <- 1 + as.vector(scale(d$y)) / 3 + of_kind
  d$count <- withr::with_seed(3, rpois(nrow(d), exp(mean)))
  formula <- count ~ x + w + firm + (1 | worker) + (1 | kind)
  fit_from <- function(limit) {
    rlang::local_options(rlmm.large_factor = limit)
    suppressMessages(rglmm(formula, d, poisson))
  }
  fit <- fit_from(20)
  expect_null(fit$redundant)
  expect_length(fit$fixed$large$levels, 60L)
  expect_equal(
    as.numeric(logLik(fit)),
    as.numeric(logLik(fit_from(Inf))),
    tolerance = 1e-9
  )
})

test_that("levels on which the log-determinant depends much end where dummy columns do", {
  set.seed(3)
  n <- 100L
  d <- data.frame(
    firm = factor(sample(6, n, TRUE)),
    g = factor(sample(20, n, TRUE)),
    x = rnorm(n),
    sex = sample(c("f", "m"), n, TRUE)
  )
  eta <- 0.3 + 0.4 * d$x + rnorm(6, sd = 0.5)[d$firm] + rnorm(20)[d$g]
  d$spent <- rgamma(n, 2, rate = 2 / exp(eta))
  d$died <- rbinom(n, 1, plogis(eta))
  fit_both <- function(formula, family) {
    by_limit <- \(limit) {
      rlang::local_options(rlmm.large_factor = limit)
      suppressMessages(rglmm(formula, d, family))
    }
    list(dummies = by_limit(Inf), levels = by_limit(3))
  }
  same <- function(formula, family) {
    fits <- fit_both(formula, family)
    expect_false(is.null(fits$levels$fixed$large))
    expect_same_generalized(fits)
  }
  for (link in c("log", "inverse")) {
    same(spent ~ firm + x + (x | g), Gamma(link))
  }
  same(spent ~ firm * x * sex + (1 | g), Gamma("log"))
  same(spent ~ firm * sex + (1 | g), inverse.gaussian("log"))
  same(died ~ firm + x + (1 | g), binomial("cauchit"))
})

# Most firms are separated, as the rows of a firm are few for two coefficients; where the first one
# is, the coefficients that the others are differences from diverge.
test_that("separated levels are followed far from zero", {
  for (seed in c(4, 7, 12)) {
    set.seed(seed)
    d <- data.frame(
      firm = gl(25, 6),
      worker = factor(sample(10, 150, TRUE)),
      x = rnorm(150)
    )
    firms <- rnorm(25)
    eta <- firms[d$firm] + 0.5 * d$x + rnorm(10, sd = 0.7)[d$worker]
    d$died <- rbinom(150, 1, plogis(eta))
    fits <- suppressWarnings(by_both_codings(
      rglmm(died ~ firm * x + (1 | worker), d, binomial),
      d
    ))
    expect_equal(
      as.numeric(logLik(fits$levels)),
      as.numeric(logLik(fits$dummies)),
      tolerance = 1e-5
    )
  }
})

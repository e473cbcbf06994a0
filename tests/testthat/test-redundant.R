# A random factor that is a fixed effect already, or coarser than one: the restricted likelihood is
# flat in its variance, and the model without it has the same criterion and coefficients.

told <- function(expr) {
  found <- NULL
  fit <- withCallingHandlers(expr, rlmm_message = function(m) {
    if (inherits(m, "rlmm_message_redundant")) {
      found <<- conditionMessage(m)
    }
    tryInvokeRestart("muffleMessage")
  })
  list(fit = fit, text = found)
}

expect_as_reduced <- function(full, reduced, text, zero = 1L) {
  found <- told(full)
  criterion <- -2 * as.numeric(logLik(found$fit))
  restricted <- !inherits(reduced, "rlmm") || isREML(reduced)
  expect_equal(
    criterion,
    -2 * as.numeric(logLik(reduced, REML = restricted)),
    tolerance = 1e-9
  )
  own <- if (inherits(reduced, "rlmm")) fixef(reduced) else coef(reduced)
  expect_equal(fixef(found$fit), own[!is.na(own)], tolerance = 1e-6)
  expect_lt(found$fit$optsum$feval, 200)
  expect_identical(certificate(found$fit)$verdict, "optimal")
  expect_match(found$text, text, fixed = TRUE)
}

test_that("a grouping factor that is a fixed effect already", {
  skip_if_not_installed("lme4")
  pastes <- lme4::Pastes
  expect_as_reduced(
    rlmm(strength ~ batch + (1 | batch / cask), pastes),
    rlmm(strength ~ batch + (1 | batch:cask), pastes),
    "`batch` is a fixed effect already: leave `(1 | batch)` out."
  )
  expect_as_reduced(
    rlmm(diameter ~ plate + (1 | plate) + (1 | sample), lme4::Penicillin),
    rlmm(diameter ~ plate + (1 | sample), lme4::Penicillin),
    "`plate` is a fixed effect already"
  )
  # lm()'s restricted likelihood is the one of lmer()
  expect_as_reduced(
    rlmm(strength ~ batch * cask + (1 | batch), pastes),
    lm(strength ~ batch * cask, pastes),
    "leave `(1 | batch)` out"
  )
})

test_that("the criteria are those of lmer() without the redundant term", {
  skip_if_not_installed("lme4")
  fit <- told(rlmm(strength ~ batch + (1 | batch / cask), lme4::Pastes))$fit
  expect_equal(-2 * as.numeric(logLik(fit)), 205.449, tolerance = 1e-5)
  fit <- told(rlmm(
    diameter ~ plate + (1 | plate) + (1 | sample),
    lme4::Penicillin
  ))$fit
  expect_equal(-2 * as.numeric(logLik(fit)), 268.503, tolerance = 1e-5)
})

test_that("a grouping factor that is coarser than a fixed effect", {
  skip_if_not_installed("lme4")
  expect_as_reduced(
    rlmm(strength ~ sample + (1 | batch), lme4::Pastes),
    lm(strength ~ sample, lme4::Pastes),
    "The fixed effects tell the levels of `batch` apart already"
  )
  set.seed(1)
  data <- data.frame(id = gl(240, 4))
  data$g <- factor((as.integer(data$id) - 1) %/% 20)
  data$y <- rnorm(240)[data$id] + rnorm(960)
  expect_as_reduced(
    rlmm(y ~ id + (1 | g), data),
    lm(y ~ id, data),
    "leave `(1 | g)` out"
  )
})

test_that("slopes, weights, and directions that are no column", {
  set.seed(2)
  data <- expand.grid(trt = gl(3, 1), plot = gl(5, 1), r = 1:4)
  data$y <- rnorm(60) + rnorm(15)[interaction(data$trt, data$plot)]
  data$x <- rnorm(60)
  data$w <- runif(60)
  expect_as_reduced(
    rlmm(y ~ trt * x + (x | trt) + (1 | plot), data, weights = w),
    rlmm(y ~ trt * x + (1 | plot), data, weights = w),
    "leave `(x | trt)` out"
  )
  expect_as_reduced(
    rlmm(y ~ trt + trt:I(x - 3) + (x | trt) + (1 | plot), data),
    rlmm(y ~ trt + trt:I(x - 3) + (1 | plot), data),
    "leave `(x | trt)` out"
  )
  expect_as_reduced(
    rlmm(y ~ trt:x + (x | trt), data),
    rlmm(y ~ trt:x + (1 | trt), data),
    "The fixed effects contain `x` of each level of `trt` already"
  )
  expect_as_reduced(
    rlmm(y ~ trt + (1 | trt / plot), data, REML = FALSE),
    rlmm(y ~ trt + (1 | trt:plot), data, REML = FALSE),
    "leave `(1 | trt)` out"
  )
})

test_that("none of many simulated models runs away", {
  worst <- 0
  for (seed in 1:100) {
    set.seed(seed)
    n <- sample(c(30, 80, 200), 1)
    data <- data.frame(
      a = factor(sample(letters[1:4], n, TRUE)),
      b = factor(sample(1:6, n, TRUE)),
      x = rnorm(n)
    )
    data$y <- rnorm(4)[data$a] + rnorm(6)[data$b] + rnorm(n)
    full <- told(rlmm(y ~ a + x + (1 | a) + (1 | b), data))$fit
    reduced <- told(rlmm(y ~ a + x + (1 | b), data))$fit
    expect_identical(certificate(full)$verdict, "optimal")
    worst <- max(worst, abs(logLik(full) - logLik(reduced)))
  }
  expect_lt(worst, 1e-6)
})

test_that("a grouping factor that is a fixed effect of a generalized model", {
  set.seed(12)
  data <- data.frame(g = gl(6, 20), id = gl(30, 4), x = rnorm(120))
  eta <- rnorm(30)[data$id] + rnorm(6)[data$g]
  data$k <- rpois(120, exp(eta / 2))
  data$b <- rbinom(120, 1, plogis(eta))
  data$u <- rgamma(120, 4, 4 / exp(eta / 2))
  cases <- list(
    list(k ~ g + x, poisson),
    list(b ~ g + x, binomial("probit")),
    list(u ~ g + x, Gamma("log"))
  )
  for (case in cases) {
    random <- \(term) update(case[[1L]], paste(". ~ . +", term))
    found <- told(rglmm(random("(1 | g / id)"), data, case[[2L]]))
    reduced <- suppressMessages(rglmm(
      random("(1 | g:id)"),
      data,
      case[[2L]]
    ))
    expect_equal(logLik(found$fit)[1L], logLik(reduced)[1L], tolerance = 1e-7)
    expect_equal(fixef(found$fit), fixef(reduced), tolerance = 1e-4)
    expect_match(
      found$text,
      "`g` is a fixed effect already: leave `(1 | g)` out.",
      fixed = TRUE
    )
  }
  # Without other random effects it is the generalized linear model.
  alone <- told(rglmm(k ~ g * x + (x | g), data, poisson))
  reduced <- glm(k ~ g * x, poisson, data)
  expect_equal(logLik(alone$fit)[1L], logLik(reduced)[1L], tolerance = 1e-8)
  expect_equal(fixef(alone$fit), coef(reduced), tolerance = 1e-5)
  expect_match(alone$text, "leave `(x | g)` out", fixed = TRUE)
})

test_that("tests of the fixed effects are those of the model without the redundant effects", {
  set.seed(9)
  data <- data.frame(id = gl(15, 8), n = rep(1:8, 15), h = gl(6, 1, 120))
  b <- rnorm(15, sd = 0.5)
  level <- rnorm(15)
  data$y <- 10 + (2 + b[data$id]) * data$n + level[data$id] + rnorm(120)
  whole <- list(
    y ~ n + h + (1 | id) + (1 | h),
    y ~ n + h + (n | id) + (1 | h),
    y ~ n + id + (n | id),
    y ~ n + id + (n || id)
  )
  reduced <- list(
    y ~ n + h + (1 | id),
    y ~ n + h + (n | id),
    y ~ n + id + (0 + n | id),
    y ~ n + id + (0 + n | id)
  )
  for (i in seq_along(whole)) {
    fit <- suppressMessages(rlmm(whole[[i]], data))
    other <- rlmm(reduced[[i]], data)
    for (ddf in c("Kenward-Roger", "Satterthwaite")) {
      found <- as.matrix(anova(fit, ddf = ddf))
      expected <- as.matrix(anova(other, ddf = ddf))
      expect_equal(found, expected, tolerance = 1e-6)
      expect_equal(
        coef(summary(fit, ddf = ddf)),
        coef(summary(other, ddf = ddf)),
        tolerance = 1e-6
      )
    }
  }
})

# Beside the levels as fixed effects slopes of x are slopes of x less any constant: P Z is the same.
test_that("slopes of a covariate far from zero aren't what the levels explain", {
  set.seed(1)
  data <- data.frame(g = gl(12, 4), c = rnorm(48))
  data$y <- rnorm(12)[data$g] * data$c + rnorm(48, sd = 0.1)
  centred <- rlmm(y ~ g + (0 + c | g), data)
  for (origin in c(1e3, 4e4)) {
    data$x <- data$c + origin
    expect_no_message(
      fit <- rlmm(y ~ g + (0 + x | g), data),
      class = "rlmm_message_redundant"
    )
    expect_equal(logLik(fit)[1L], logLik(centred)[1L], tolerance = 1e-3)
  }
})

# Far from zero a covariate is computed about its mean, where other effects than those at zero are
# without a variance; the coefficients of the levels depend on which.
test_that("slopes beside their levels are those without the intercept, wherever zero is", {
  set.seed(4)
  data <- data.frame(g = gl(6, 15), c = rnorm(90), z = rnorm(90))
  data$y <- rnorm(6)[data$g] * data$c + rnorm(90)
  for (origin in c(20, 300)) {
    data$x <- data$c + origin
    expect_as_reduced(
      rlmm(y ~ g + x + (x | g), data),
      rlmm(y ~ g + x + (0 + x | g), data),
      "and is zero."
    )
    expect_as_reduced(
      rlmm(y ~ g * z + x + (z + x | g), data),
      rlmm(y ~ g * z + x + (0 + x | g), data),
      "and is zero."
    )
  }
})

# Sums of products don't know a share of 1e-12 of a column, rows do.
test_that("slopes of a covariate too far from zero beside their levels are an error", {
  set.seed(1)
  data <- data.frame(g = gl(12, 5), c = rnorm(60), w = runif(60, 0.5, 2))
  data$y <- rnorm(12)[data$g] * data$c + rnorm(60, sd = 0.1)
  data$n <- rpois(60, exp(rnorm(12)[data$g] * data$c / 2))
  for (origin in c(1e6, 1e8, 1e9)) {
    data$x <- data$c + origin
    expect_too_far <- function(fit) {
      cnd <- expect_error(suppressMessages(fit), class = "rlmm_error_origin")
      expect_match(conditionMessage(cnd), "which are fixed effects")
      expect_match(conditionMessage(cnd), "standard deviation of `x`")
    }
    expect_too_far(rlmm(y ~ g + (0 + x | g), data))
    expect_too_far(rlmm(y ~ g + (0 + x | g), data, REML = FALSE))
    expect_too_far(rlmm(y ~ 0 + g + c + (0 + x | g), data, weights = w))
    expect_too_far(rlmm(y ~ g + (x || g), data))
    expect_too_far(rlmm(rlmm_sums(y ~ g + (0 + x | g), data)))
    expect_too_far(rglmm(n ~ g + (0 + x | g), data, poisson()))
  }
})

test_that("slopes far from zero that are fixed effects already are redundant", {
  set.seed(2)
  data <- data.frame(g = gl(12, 5), c = rnorm(60))
  data$y <- rnorm(12)[data$g] * data$c + rnorm(60)
  reduced <- lm(y ~ g * c, data)
  for (origin in c(0, 1e6, 1e8)) {
    data$x <- data$c + origin
    found <- told(rlmm(y ~ g * x + (0 + x | g), data))
    expect_match(found$text, "and is zero", fixed = TRUE)
    expect_equal(sigma(found$fit), sigma(reduced), tolerance = 1e-6)
    expect_identical(certificate(found$fit)$verdict, "optimal")
  }
})

# The slopes of x are fixed effects. Its restricted likelihood is that of intercepts alone.
test_that("slopes that are fixed effects are redundant beside intercepts, wherever zero is", {
  set.seed(3)
  data <- data.frame(k = gl(8, 12), c = rnorm(96))
  data$y <- rnorm(8)[data$k] + rnorm(8)[data$k] * data$c + rnorm(96)
  for (origin in c(0, 30, 100)) {
    data$x <- data$c + origin
    expect_as_reduced(
      rlmm(y ~ k:x + (x | k), data),
      rlmm(y ~ k:x + (1 | k), data),
      "The fixed effects contain `x` of each level of `k` already"
    )
  }
  expect_match(
    told(rlmm(y ~ k:x + (0 + x | k), data))$text,
    "contain `x` of each level of `k` already: leave `(0 + x | k)` out.",
    fixed = TRUE
  )
  # Nearly in the column space of X: sums of products take the rest for rounding errors.
  data$n <- rpois(96, exp(data$y / 3))
  for (origin in c(1e6, 1e7)) {
    data$x <- data$c + origin
    for (formula in c(y ~ k:x + (x | k), y ~ k:x + (1 | k))) {
      cnd <- expect_error(
        suppressMessages(rlmm(formula, data)),
        class = "rlmm_error_origin"
      )
      expect_match(conditionMessage(cnd), "A covariate of the fixed effects")
    }
  }
})

test_that("a redundant structure has the same verdict in a separated model", {
  set.seed(5)
  data <- data.frame(g = gl(6, 24), f = gl(3, 1, 144), id = gl(36, 4))
  eta <- rnorm(6)[data$g] + rnorm(36, sd = 0.6)[data$id]
  data$b <- rbinom(144, 1, plogis(eta)) * (data$g != "6")
  for (structure in c("diag", "cs", "ar1", "toep")) {
    random <- sprintf("%s(0 + f | g)", structure)
    formula <- reformulate(c("g * f", random, "(1 | id)"), "b")
    expect_warning(
      found <- told(rglmm(formula, data, binomial("probit"))),
      class = "rlmm_warning_separation"
    )
    expect_match(found$text, paste0("leave `", random, "` out"), fixed = TRUE)
    expect_identical(certificate(found$fit)$verdict, "optimal")
  }
})

test_that("degrees of freedom don't depend on a redundant slope", {
  set.seed(3)
  data <- data.frame(k = gl(8, 12), c = rnorm(96))
  data$y <- rnorm(8)[data$k] + rnorm(8)[data$k] * data$c + rnorm(96)
  for (origin in c(0, 5, 30)) {
    data$x <- data$c + origin
    whole <- suppressMessages(rlmm(y ~ k:x + (x | k), data))
    reduced <- rlmm(y ~ k:x + (1 | k), data)
    for (ddf in c("Satterthwaite", "Kenward-Roger")) {
      expect_equal(
        coef(summary(whole, ddf = ddf)),
        coef(summary(reduced, ddf = ddf)),
        tolerance = 1e-4
      )
    }
  }
})

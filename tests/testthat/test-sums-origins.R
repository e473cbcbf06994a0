# Sums of responses and covariates that are far from zero.

test_that("a fit with a response far from zero keeps its digits", {
  d <- transform(sleepstudy, far = Reaction + 1e7, late = Days + 1e6)
  formula <- far ~ late + (Days | Subject)
  sums <- rlmm_sums(formula, d)
  expect_equal(
    deviance(rlmm(sums)),
    deviance(rlmm(Reaction ~ Days + (Days | Subject), d)),
    tolerance = 1e-9
  )
})

# Days since a far origin, which spread by a part in 50,000 of their mean.
far_rows <- function(mean = 1e4) {
  set.seed(11)
  n <- 1200
  rows <- data.frame(
    id = factor(sample(60, n, TRUE)),
    site = factor(sample(9, n, TRUE)),
    near = runif(n, -0.2, 0.2),
    x = rnorm(n)
  )
  rows$day <- mean + rows$near
  rows$y <- rnorm(60)[rows$id] +
    (1 + rnorm(60, sd = 4)[rows$id]) * rows$near +
    rnorm(9, sd = 0.5)[rows$site] +
    0.2 * rows$x +
    rnorm(n)
  rows
}

expect_fit_of_rows <- function(found, fit, tolerance = 1e-7) {
  expect_lt(abs(REMLcrit(found) - REMLcrit(fit)), 1e-6)
  expect_equal(sigma(found), sigma(fit), tolerance = tolerance)
  expect_equal(fixef(found)[-1L], fixef(fit)[-1L], tolerance = 1e-5)
  expect_equal(
    as.numeric(predict(found, far_rows())),
    as.numeric(fitted(fit)),
    tolerance = tolerance
  )
}

test_that("sums keep the digits of a covariate far from zero", {
  rows <- far_rows()
  formula <- y ~ day + x + (day | id) + (1 | site)
  fit <- rlmm(formula, rows)
  near <- rlmm(y ~ near + x + (near | id) + (1 | site), rows)
  sums <- rlmm_sums(formula, rows)
  found <- rlmm(sums)
  expect_fit_of_rows(found, fit)
  # The origin of a covariate is nobody's business.
  expect_lt(abs(REMLcrit(found) - REMLcrit(near)), 1e-6)
  parts <- lapply(list(1:500, 501:1200), \(own) {
    rlmm_sums(formula, rows[own, ])
  })
  expect_fit_of_rows(rlmm(do.call(c, parts)), fit)
  expect_fit_of_rows(rlmm(do.call(c, rev(parts))), fit)
  expect_equal(
    summary(found)$coefficients,
    summary(fit)$coefficients,
    tolerance = 1e-5
  )
  expect_equal(
    attr(VarCorr(found)$id, "correlation"),
    attr(VarCorr(fit)$id, "correlation"),
    tolerance = 1e-6
  )
  expect_equal(
    predict(found, rows[1:5, ], se.fit = TRUE)$se.fit,
    predict(fit, rows[1:5, ], se.fit = TRUE)$se.fit,
    tolerance = 1e-5
  )
})

# An interaction with a covariate far from zero is nearly a multiple of the other variable. Rows
# show the difference, products only some digits of it.
test_that("columns aren't dropped because sums have too few digits", {
  set.seed(11)
  data <- data.frame(g = gl(8, 15), f = gl(3, 1, 120), c = rnorm(120))
  data$y <- rnorm(8)[data$g] + rnorm(3)[data$f] * data$c + rnorm(120)
  formula <- y ~ x * f + (1 | g)
  centred <- rlmm(y ~ c * f + (1 | g), data)
  data$x <- data$c + 1e3
  near <- rlmm(rlmm_sums(formula, data))
  expect_equal(logLik(near)[1L], logLik(centred)[1L], tolerance = 1e-6)
  for (origin in c(1e5, 1e7)) {
    data$x <- data$c + origin
    for (form in list(formula, y ~ g * x + (1 | f))) {
      cnd <- expect_error(
        suppressMessages(rlmm(rlmm_sums(form, data))),
        class = "rlmm_error_origin"
      )
      expect_match(conditionMessage(cnd), "Centre the covariate")
    }
    expect_message(
      fit <- rlmm(rlmm_sums(y ~ x + f + I(2 * x) + (1 | g), data)),
      class = "rlmm_message_rankx"
    )
    expect_named(fixef(fit), c("(Intercept)", "x", "f2", "f3"))
  }
})

test_that("sums about an origin are those of the columns themselves", {
  rows <- far_rows(50)
  formula <- y ~ day + x + (day + x | id) + (1 | site) + (0 + x | site)
  sums <- rlmm_sums(formula, rows)$sums
  expect_false(is.null(sums$summed))
  given <- sums_of_columns(sums, NULL)
  expect_null(given$summed)
  z <- cbind(1, rows$day, rows$x)
  of_id <- \(level, other = z) {
    own <- rows$id == level
    crossprod(z[own, ], other[own, ])
  }
  levels <- rlmm_sums(formula, rows)$levels
  for (level in c(1, 30)) {
    expect_equal(
      given$terms[[1L]]$zz[,, level],
      of_id(levels$id[level]),
      tolerance = 1e-12
    )
  }
  pair <- given$pairs[[1L]]
  own <- rows$id == levels$id[pair$a[7L]] & rows$site == levels$site[pair$b[7L]]
  expect_equal(
    matrix(pair$zz[,, 7L], 3),
    crossprod(z[own, , drop = FALSE], z[own, c(1, 3), drop = FALSE]),
    tolerance = 1e-12
  )
  expect_equal(
    sums_of_columns(given, sums$summed)$terms[[1L]],
    sums$terms[[1L]],
    tolerance = 1e-8
  )
})

test_that("models with fewer effects of a covariate far from zero", {
  rows <- far_rows(100)
  found <- rlmm(rlmm_sums(y ~ day + x + (day | id) + (1 | site), rows))
  for (formula in list(
    y ~ day + x + (1 | id) + (1 | site),
    y ~ day + x + (0 + day | id) + (1 | site),
    y ~ day + (day | id)
  )) {
    smaller <- update(found, formula)
    expect_lt(abs(REMLcrit(smaller) - REMLcrit(rlmm(formula, rows))), 1e-6)
  }
  fit <- rlmm(y ~ day + x + (day | id) + (1 | site), rows)
  expect_equal(
    as.data.frame(ranova(found)),
    as.data.frame(ranova(fit)),
    tolerance = 1e-6
  )
  expect_equal(
    confint(found, "theta_"),
    confint(fit, "theta_"),
    tolerance = 1e-4
  )
})

test_that("a constant column that isn't where it was taken for is dropped", {
  n <- 600
  off <- 1 - 0.4567
  xx <- n * rbind(c(1, off), c(off, off^2))
  # As large a rounding error as sums of so many rows have.
  xx[2, 2] <- xx[2, 2] * (1 + 1e-15)
  sums <- list(xx = xx)
  names <- c("(Intercept)", "x")
  expect_identical(independent_sums(sums, names, "ignore"), 1L)
})

# Quantities that don't depend on the origin of a covariate, compared with those of the centred one.

rats <- transform(
  as.data.frame(nlme::BodyWeight),
  Rat = factor(Rat, ordered = FALSE),
  Time = as.numeric(Time) - mean(as.numeric(Time)),
  count = round(weight / 5)
)

moved <- function(origin) transform(rats, Time = Time + origin * sd(rats$Time))

fit_rats <- function(origin, generalized) {
  data <- moved(origin)
  if (generalized) {
    formula <- count ~ Diet + Time + (Time | Rat)
    return(suppressMessages(rglmm(formula, data, family = poisson)))
  }
  rlmm(weight ~ Diet + Time + (Time | Rat), data)
}

expect_same_influence <- function(far, near, ...) {
  far <- influence(far, ...)
  near <- influence(near, ...)
  expect_equal(dfbeta(far)[, "Time"], dfbeta(near)[, "Time"], tolerance = 1e-4)
  expect_equal(
    dfbetas(far)[, "Time"],
    dfbetas(near)[, "Time"],
    tolerance = 1e-4
  )
  expect_equal(cooks.distance(far), cooks.distance(near), tolerance = 1e-3)
  expect_equal(far$covratio, near$covratio, tolerance = 1e-4)
  expect_equal(hatvalues(far), hatvalues(near), tolerance = 1e-4)
}

test_that("influence doesn't depend on the origin of a covariate", {
  near <- fit_rats(0, FALSE)
  for (origin in c(1e3, 1e6, 1e9)) {
    far <- fit_rats(origin, FALSE)
    for (one_step in c(TRUE, FALSE)) {
      expect_same_influence(far, near, one_step = one_step)
      expect_same_influence(far, near, "Rat", one_step = one_step)
    }
  }
})

test_that("nor does it with held coefficients and for generalized models", {
  hold <- function(origin) {
    rlmm(
      weight ~ Diet + Time + (Time | Rat),
      moved(origin),
      control = rlmm_control(fixed = list(beta = c(Diet2 = 200)))
    )
  }
  expect_same_influence(hold(1e9), hold(0), "Rat", one_step = FALSE)
  near <- fit_rats(0, TRUE)
  for (origin in c(1e3, 1e8)) {
    expect_same_influence(fit_rats(origin, TRUE), near, "Rat")
  }
})

test_that("variances without a group are those of the original columns", {
  change <- function(origin) {
    infl <- influence(fit_rats(origin, FALSE), "Rat")
    expect_equal(
      infl$`theta[-Rat]`[1L, ],
      infl$theta,
      tolerance = 0.5,
      ignore_attr = TRUE
    )
    dfbeta(infl, which = "var.cov")[, "v[Time]"]
  }
  expect_equal(change(1e6), change(0), tolerance = 1e-4)
})

test_that("cases without which a coefficient isn't identified are told far from zero", {
  data <- transform(moved(1e6), own = as.numeric(Rat == "3"))
  fit <- rlmm(weight ~ Time + own + (Time | Rat), data)
  for (one_step in c(TRUE, FALSE)) {
    expect_warning(
      infl <- influence(fit, "Rat", one_step = one_step),
      class = "rlmm_warning_influence"
    )
    lost <- is.na(cooks.distance(infl))
    expect_equal(names(which(lost)), "3")
  }
})

test_that("the conditional AIC doesn't depend on the origin", {
  df <- cAIC(fit_rats(0, FALSE))$df
  for (origin in c(1e3, 1e5, 1e9)) {
    expect_equal(cAIC(fit_rats(origin, FALSE))$df, df, tolerance = 1e-5)
  }
})

test_that("nor does the whole hat matrix, or cross-validation", {
  for (generalized in c(FALSE, TRUE)) {
    near <- fit_rats(0, generalized)
    far <- fit_rats(1e9, generalized)
    expect_equal(
      hatvalues(far, fullHatMatrix = TRUE),
      hatvalues(near, fullHatMatrix = TRUE),
      tolerance = 1e-4
    )
  }
  near <- leave_group_out(fit_rats(20, FALSE))
  far <- leave_group_out(fit_rats(1e9, FALSE))
  expect_equal(far$table$elpd, near$table$elpd, tolerance = 1e-4)
})

test_that("nor do the means of emmeans for generalized models", {
  skip_if_not_installed("emmeans")
  means <- function(origin) {
    at <- list(Time = origin * sd(rats$Time) + 3)
    as.data.frame(emmeans::emmeans(fit_rats(origin, TRUE), ~Diet, at = at))
  }
  expect_equal(means(1e8), means(0), tolerance = 1e-4)
})

test_that("nor do robust standard errors of generalized models", {
  errors <- function(origin) {
    data <- transform(moved(origin), half = Diet == "1")
    fit <- rglmm(count ~ half * Time + (1 | Rat), data, family = poisson)
    sqrt(diag(vcov(fit, type = "CR0")))[c("Time", "halfTRUE:Time")]
  }
  near <- suppressMessages(errors(0))
  for (origin in c(1e4, 1e8)) {
    far <- suppressMessages(errors(origin))
    expect_equal(far, near, tolerance = 1e-3)
  }
})

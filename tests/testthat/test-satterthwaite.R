satterthwaite_models <- list(
  list(Reaction ~ Days + (Days | Subject), "sleepstudy"),
  list(Reaction ~ Days + (1 | Subject), "sleepstudy"),
  list(Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), "sleepstudy"),
  list(diameter ~ 1 + (1 | plate) + (1 | sample), "Penicillin"),
  list(strength ~ 1 + (1 | batch / cask), "Pastes"),
  list(Yield ~ 1 + (1 | Batch), "Dyestuff"),
  list(Yield ~ 1 + (1 | Batch), "Dyestuff2"),
  list(Reaction ~ factor(Days) + (1 | Subject), "sleepstudy")
)
satterthwaite_nlme <- list(
  list(score ~ Machine + (1 | Worker / Machine), "Machines"),
  list(score ~ Machine + (0 + Machine | Worker), "Machines"),
  list(distance ~ age * Sex + (age | Subject), "Orthodont"),
  list(distance ~ age * Sex + (1 | Subject), "Orthodont")
)

test_that("the degrees of freedom are lmerTest's", {
  skip_if_not_installed("lmerTest")
  for (model in c(satterthwaite_models, satterthwaite_nlme)) {
    package <- if (model[[2]] %in% c("Machines", "Orthodont")) {
      "nlme"
    } else {
      "rlmm"
    }
    data <- as.data.frame(getExportedValue(package, model[[2]]))
    for (reml in c(TRUE, FALSE)) {
      table <- coef(summary(
        suppressMessages(rlmm(model[[1]], data, REML = reml)),
        ddf = "satterthwaite"
      ))
      theirs <- suppressWarnings(suppressMessages(lmerTest::lmer(
        model[[1]],
        data,
        REML = reml
      )))
      expected <- coef(summary(theirs))
      expect_identical(colnames(table), colnames(expected))
      expect_equal(
        table[, "df"],
        expected[, "df"],
        tolerance = 1e-3,
        info = deparse(model[[1]])
      )
    }
  }
})

test_that("balanced data have the classical degrees of freedom", {
  # The mean of a balanced one-way layout has as many as there are groups, less one; the slope
  # likewise.
  expect_equal(
    satterthwaite_df(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)),
    5,
    tolerance = 1e-5
  )
  expect_equal(
    satterthwaite_df(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)),
    c(17, 17),
    tolerance = 1e-4
  )
})

test_that("limits and p-values follow from them", {
  found <- summary(
    rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
    ddf = "satterthwaite"
  )
  table <- coef(found, conf.int = TRUE)
  expect_equal(
    table[, 4],
    table[, "Estimate"] +
      stats::qt(0.975, table[, "df"]) * table[, "Std. Error"],
    ignore_attr = TRUE
  )
  expect_equal(
    table[, "Pr(>|t|)"],
    2 * stats::pt(-abs(table[, "t value"]), table[, "df"])
  )
  expect_output(print(found), "Pr(>|t|)", fixed = TRUE)
})

test_that("terms at the boundary are taken as known", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_equal(satterthwaite_df(fit), 29, tolerance = 1e-5)
})

test_that("slopes that vary keep their degrees of freedom beside an intercept that does not", {
  # Where all groups have the mean zero the slope is tested by the 20 slopes of the groups.
  for (seed in 1:3) {
    set.seed(seed)
    data <- data.frame(g = gl(20, 8), x = rep(1:8 - 4.5, 20))
    y <- data$x + 0.5 * rnorm(20)[data$g] * data$x + rnorm(160)
    data$y <- y - ave(y, data$g)
    fit <- suppressMessages(rlmm(y ~ x + (x | g), data))
    expect_identical(getME(fit, "theta")[[1L]], 0)
    slopes <- vapply(split(data, data$g), \(d) coef(lm(y ~ x, d))[[2L]], 0)
    expected <- c(mean(slopes), sd(slopes) / sqrt(20), 19)
    found <- unname(coef(summary(fit, ddf = "Satterthwaite"))["x", 1:3])
    expect_equal(found, expected, tolerance = 1e-5)
  }
})

test_that("weights count as in lmerTest", {
  skip_if_not_installed("lmerTest")
  sleepstudy$w <- rep(c(0.5, 1, 2), 60)
  ours <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, weights = w)
  theirs <- lmerTest::lmer(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    weights = w
  )
  expect_equal(
    coef(summary(ours))[, "df"],
    coef(summary(theirs))[, "df"],
    tolerance = 1e-3
  )
})

# Satterthwaite's formula by finite differences of the objective and of the covariance matrix, the
# parameters at an edge held.
differenced_df <- function(fit, held = integer()) {
  spec <- fit_spec(fit)
  free <- setdiff(seq_along(fit$theta), held)
  k <- length(free)
  at <- \(x) replace(fit$theta, free, x[seq_len(k)])
  objective <- \(x) {
    spec$sigma <- x[k + 1]
    core_objective(spec, at(x))
  }
  variances <- \(x) x[k + 1]^2 * diag(chol2inv(core_estimates(spec, at(x))$rx))
  x <- c(fit$theta[free], fit$sigma)
  step <- 1e-3 * pmax(abs(x), 0.1)
  hessian <- stats::optimHess(x, objective, control = list(ndeps = step))
  gradient <- vapply(
    seq_along(x),
    \(i) {
      shift <- replace(0 * x, i, step[i] / 10)
      (variances(x + shift) - variances(x - shift)) / (2 * sum(shift))
    },
    fit$beta
  )
  gradient <- matrix(gradient, ncol = length(x))
  2 * variances(x)^2 / rowSums((gradient %*% (2 * solve(hessian))) * gradient)
}

test_that("structures have the degrees of freedom that follow from their parameters", {
  sleepstudy$day <- factor(sleepstudy$Days)
  formulas <- list(
    Reaction ~ Days + cs(Days | Subject),
    Reaction ~ Days + diag(Days | Subject, hom = TRUE),
    Reaction ~ Days + ar1(0 + day | Subject),
    Reaction ~ Days + (1 | Subject) + cs(0 + I(Days > 4) | Subject, hom = TRUE)
  )
  control <- rlmm_control(check_nobs_vs_nre = "ignore")
  for (formula in formulas) {
    for (reml in c(TRUE, FALSE)) {
      fit <- suppressMessages(rlmm(
        formula,
        sleepstudy,
        REML = reml,
        control = control
      ))
      held <- boundary_theta(fit)
      expect_equal(
        satterthwaite_df(fit),
        differenced_df(fit, held),
        tolerance = 1e-3,
        ignore_attr = TRUE,
        info = deparse1(formula)
      )
    }
  }
})

test_that("what is held counts as known", {
  all <- rlmm_control(
    fixed = list(theta = c("Subject.(Intercept)" = 1), sigma = 30)
  )
  expect_identical(
    satterthwaite_df(rlmm(
      Reaction ~ Days + (1 | Subject),
      sleepstudy,
      control = all
    )),
    c(Inf, Inf)
  )
  one <- rlmm_control(fixed = list(theta = c(Subject.Days = 0.2)))
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, control = one)
  expect_equal(
    satterthwaite_df(fit),
    differenced_df(fit, 3),
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
})

test_that("of many crossed effects the average information is as good", {
  skip_on_cran()
  data <- InstEval[InstEval$s %in% levels(InstEval$s)[1:600], ]
  fit <- rlmm(y ~ service + (1 | s) + (1 | d), droplevels(data))
  spec <- fit_spec(fit)
  exact <- core_with_sigma(spec, fit$theta, fit$sigma, exact = TRUE)$hessian
  average <- core_with_sigma(spec, fit$theta, fit$sigma)
  expect_identical(average$curvature, "average")
  expect_equal(
    sqrt(diag(solve(average$hessian))),
    sqrt(diag(solve(exact))),
    tolerance = 0.05
  )
})

# The figures of generalized models in the documents that helper-seeds.R names. Standard errors
# there come from R_X.

verbal <- r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)

bernoulli <- function(formula, data, ...) {
  suppressMessages(rglmm(formula, data, binomial, ...))
}

# The first two and the last two.
range_ends <- function(x) c(utils::head(x, 2), utils::tail(x, 2))

expect_glmm_coefs <- function(fit, estimate, se, z, p, within = 0) {
  errors <- sqrt(diag(vcov(fit, use.hessian = FALSE)))
  ratio <- unname(fixef(fit) / errors)
  expect_printed(fixef(fit), estimate, within)
  expect_printed(errors, se, within)
  expect_printed(ratio, z, within)
  number <- !startsWith(p, "<")
  p_value <- 2 * pnorm(-abs(ratio))
  expect_printed(p_value[number], p[number], within)
  expect_true(all(p_value[!number] < as.numeric(sub("<", "", p[!number]))))
}

# What the fast fit's objective is at theta.
test_that("000: both standard deviations at one", {
  skip_on_cran()
  spec <- fit_spec(bernoulli(verbal, VerbAgg, nAGQ = 0))
  at <- core_glmm_estimates(spec, c(1, 1))
  expect_printed(at$objective, "8201.84855906062")
  expect_printed(
    at$beta,
    c("0.218535", "0.0514385", "0.290225", "-0.979124", "-1.95402", "-0.979493")
  )
  errors <- sqrt(diag(chol2inv(at$rx)))
  expect_printed(
    errors,
    c("0.491968", "0.0130432", "0.148818", "0.504402", "0.505235", "0.412168")
  )
  expect_printed(
    at$beta / errors,
    c("0.444206", "3.94371", "1.9502", "-1.94116", "-3.86754", "-2.37644")
  )
  modes <- lapply(at$b, \(b) range_ends(as.vector(b)))
  expect_printed(
    modes[[1]],
    c("-0.600772", "-1.93227", "-0.144554", "-0.575224")
  )
  expect_printed(
    modes[[2]],
    c("-0.186364", "0.180552", "0.282092", "-0.221974")
  )
})

test_that("000: the fast fit", {
  skip_on_cran()
  fit <- bernoulli(verbal, VerbAgg, nAGQ = 0)
  expect_printed(-2 * logLik(fit), "8151.583340")
  expect_varcorr(
    fit,
    c("1.79443144", "0.24684282"),
    c("1.3395639", "0.4968328")
  )
  expect_glmm_coefs(
    fit,
    c("0.208273", "0.0543791", "0.304089", "-1.0165", "-2.0218", "-1.01344"),
    c("0.405425", "0.0167533", "0.191223", "0.257531", "0.259235", "0.210888"),
    c("0.513715", "3.24587", "1.59023", "-3.94708", "-7.79912", "-4.80559"),
    c("0.6075", "0.0012", "0.1118", "<1e-4", "<1e-14", "<1e-5"),
    optimizer_error
  )
})

test_that("000: the full fit, which ended 1.2e-4 above the optimum", {
  skip_on_cran()
  fit <- bernoulli(verbal, VerbAgg)
  above <- 8151.399838282872 - -2 * as.numeric(logLik(fit))
  expect_true(above > 0 && above < 2e-4)
  at_theirs <- core_glmm_objective(
    fit_spec(fit),
    c(
      1.33968,
      0.495376,
      0.197687,
      0.0574436,
      0.320874,
      -1.05879,
      -2.10547,
      -1.0532
    )
  )
  expect_printed(at_theirs, "8151.39984", 1e-9)
  expect_printed(-2 * logLik(fit), "8151.400", 1e-7)
})

test_that("001, 002: with the covariate mode", {
  skip_on_cran()
  formula <- r2 ~ 1 +
    Anger +
    Gender +
    btype +
    situ +
    mode +
    (1 | id) +
    (1 | item)
  # There "do" is the base level of mode.
  data <- transform(VerbAgg, mode = factor(mode, c("do", "want")))
  fit <- bernoulli(formula, data)
  criteria <- c(logLik(fit), -2 * logLik(fit), AIC(fit), AICc(fit), BIC(fit))
  expect_printed(
    criteria,
    c("-4067.9164", "8135.8329", "8153.8329", "8153.8566", "8216.2370")
  )
  # Ours is not above either of them.
  expect_lt(-2 * as.numeric(logLik(fit)), 8135.832858348763)
  expect_lt(8135.832862564683 + 2 * as.numeric(logLik(fit)), 1e-5)
  # Estimates of 001 (002 differs from it in the fourth digit).
  expect_varcorr(fit, c("1.793488", "0.117149"), c("1.339212", "0.342271"))
  errors <- sqrt(diag(vcov(fit, use.hessian = FALSE)))
  printed <- c(
    "0.38522188",
    "0.01675278",
    "0.19120720",
    "0.18415858",
    "0.18651728",
    "0.15119425",
    "0.15100718"
  )
  expect_printed(errors, printed, optimizer_error)
  expect_printed(
    fixef(fit)[-1],
    c("0.0573961", "0.320783", "-1.05988", "-2.10389", "-1.05438", "0.706981"),
    5e-4
  )
  fast <- bernoulli(formula, data, nAGQ = 0)
  expect_printed(
    2 * as.numeric(logLik(fit)) - 2 * as.numeric(logLik(fast)),
    "0.3380"
  )
})

test_that("001, 002: contraception, default and fast, with and without nine nodes", {
  formula <- use ~ 1 + age + I(age^2) + livch + urban + (1 | district)
  deviance <- function(...) {
    -2 * as.numeric(logLik(bernoulli(formula, Contraception, ...)))
  }
  expect_printed(
    c(deviance(), deviance(nAGQ = 0), deviance(nAGQ = 9)),
    c("2372.73", "2372.78", "2372.46")
  )
  spec <- fit_spec(bernoulli(formula, Contraception, nAGQ = 0))
  spec$glmm$nodes <- 9
  expect_printed(
    core_glmm_fit(spec, control = list(ftol_abs = 1e-8))$objective,
    "2372.51"
  )
})

# Slopes by the levels of a large factor in generalized models, against the model with their dummy
# columns, and lme4.

sloped_counts <- function(n = 1500) {
  set.seed(43)
  firm <- sample(25, n, TRUE)
  d <- data.frame(
    firm = factor(firm),
    worker = factor(sample(60, n, TRUE)),
    x = rnorm(n, 3),
    z = rnorm(n),
    sex = sample(c("f", "m"), n, TRUE)
  )
  eta <- 0.2 + 0.03 * (firm - 12) * (d$x - 3) + rnorm(60, sd = 0.5)[d$worker]
  d$count <- rpois(n, exp(eta))
  d$died <- rbinom(n, 3, plogis(eta))
  d$spent <- rgamma(n, 2, rate = 2 / exp(eta))
  d
}

test_that("a generalized fit with slopes by level is that with dummy columns", {
  d <- sloped_counts()
  same <- \(call) expect_same_generalized(call, of_vcov = 2e-3)
  same(by_both_codings(
    rglmm(count ~ firm * x + sex + (1 | worker), d, poisson),
    d
  ))
  same(by_both_codings(
    rglmm(cbind(died, 3 - died) ~ firm:z + sex + (z | worker), d, binomial),
    d
  ))
  # Weighted sums of a covariate with positive and negative values say nothing of separation.
  same(by_both_codings(
    rglmm(count ~ firm * (x + z) + (1 | worker), d, poisson),
    d
  ))
  same(by_both_codings(
    rglmm(spent ~ x + firm:x + (1 | worker), d, Gamma("log")),
    d
  ))
  same(by_both_codings(
    rglmm(count ~ 0 + firm + firm:z + (1 | worker), d, poisson, nAGQ = 0),
    d
  ))
})

test_that("lme4 finds the same slopes by level of a generalized model", {
  skip_if_not_installed("lme4")
  d <- droplevels(subset(sloped_counts(), as.integer(firm) <= 12))
  rlang::local_options(rlmm.large_factor = 10)
  formula <- count ~ firm * z + (1 | worker)
  control <- lme4::glmerControl(
    "bobyqa",
    tolPwrss = 1e-10,
    optCtrl = list(maxfun = 1e5)
  )
  theirs <- lme4::glmer(formula, d, poisson, control = control)
  ours <- rglmm(formula, d, poisson)
  expect_equal(
    as.numeric(logLik(ours)),
    as.numeric(logLik(theirs)),
    tolerance = 1e-7
  )
  expect_equal(fixef(ours), lme4::fixef(theirs), tolerance = 1e-3)
})

test_that("a slope is dropped in a generalized model as in glm()", {
  d <- sloped_counts()
  d$x[d$firm %in% c("7", "25")] <- 4
  for (formula in c(count ~ firm * x, count ~ x + firm:x, count ~ firm:x)) {
    fits <- by_both_codings(rglmm(with_worker(formula), d, poisson), d)
    expect_same_generalized(fits, of_vcov = 2e-3)
    expect_identical(
      is.na(fixef(fits$levels, TRUE)),
      is.na(coef(glm(formula, poisson, d)))
    )
  }
})

test_that("methods of a generalized fit with slopes agree with those of dummy columns", {
  d <- sloped_counts()
  fits <- by_both_codings(
    rglmm(count ~ firm * x + sex + (1 | worker), d, poisson),
    d
  )
  expect_same <- expecting_same(fits, 1e-3)
  new <- d[c(3, 20, 401), ]
  expect_same(\(fit) predict(fit, new, se.fit = TRUE))
  expect_same(\(fit) predict(fit, new, interval = "confidence"))
  expect_same(\(fit) predict(fit, new, interval = "confidence", re.form = NA))
  expect_same(\(fit) {
    predict(fit, new, interval = "prediction", type = "response")
  })
  expect_same(\(fit) as.data.frame(ranef(fit)))
  expect_same(hatvalues)
  expect_same(\(fit) simulate(fit, 2, seed = 1))
  expect_same(\(fit) fixef(refit(fit, rev(d$count))))
  expect_same(\(fit) fixef(update(fit, . ~ . - firm:x)))
  expect_same(\(fit) confint(fit, "sexm", quiet = TRUE))
  expect_same(\(fit) drop1(fit)$AIC)
  expect_same(\(fit) anova(fit)$Chisq, 0.01)
  expect_same(\(fit) anova(fit, type = "II")$Chisq, 0.01)
  expect_identical(rownames(anova(fits$levels)), rownames(anova(fits$dummies)))
  skip_if_not_installed("emmeans")
  expect_same(\(fit) as.data.frame(emmeans::emmeans(fit, ~sex)), 0.01)
  expect_same(\(fit) as.data.frame(emmeans::emtrends(fit, ~sex, "x")), 0.01)
})

test_that("slopes without a finite coefficient are named", {
  d <- sloped_counts()
  d$died[d$firm == "3"] <- 3 * (d$x > 3)[d$firm == "3"]
  rlang::local_options(rlmm.large_factor = 20)
  expect_warning(
    fit <- rglmm(cbind(died, 3 - died) ~ firm * x + (1 | worker), d, binomial),
    class = "rlmm_warning_separation"
  )
  expect_identical(fit$separated, c("firm3", "firm3:x"))
  rest <- rglmm(
    cbind(died, 3 - died) ~ firm * x + (1 | worker),
    droplevels(d[d$firm != "3", ]),
    binomial
  )
  # The workers' effects are those of the other firms.
  expect_equal(
    VarCorr(fit)$worker[1L],
    VarCorr(rest)$worker[1L],
    tolerance = 0.2
  )
})

test_that("separated levels leave finite standard errors to the others", {
  d <- sloped_counts()
  d$count[d$firm %in% c("3", "8")] <- 0
  fits <- suppressWarnings(by_both_codings(
    rglmm(count ~ firm * z + (1 | worker), d, poisson),
    d
  ))
  errors <- fixed_levels(fits$levels)$std.error
  names(errors) <- fits$levels$fixed$large$names
  right <- sqrt(diag(vcov(fits$dummies)))
  is_known <- !grepl("firm(3|8)(:|$)", names(errors)) & !is.na(errors)
  expect_gt(sum(is_known), 40)
  known <- names(errors)[is_known]
  expect_equal(errors[known], right[known], tolerance = 1e-3)
  expect_true(all(errors[!is_known] > 100, na.rm = TRUE))
  rows <- d[!d$firm %in% c("3", "8"), ][1:4, ]
  expect_equal(
    predict(fits$levels, rows, se.fit = TRUE),
    predict(fits$dummies, rows, se.fit = TRUE),
    tolerance = 1e-3
  )
})

test_that("dropped columns are told once where a large factor is given up", {
  d <- sloped_counts()
  d$double <- 2 * d$z
  # The levels of the firms contain the effects of their towns.
  d$town <- factor(as.integer(d$firm) %% 4)
  rlang::local_options(rlmm.large_factor = 20)
  told <- 0
  withCallingHandlers(
    fit <- rglmm(
      count ~ firm + sex + z + double + (1 | town) + (1 | worker),
      d,
      poisson
    ),
    rlmm_message_rankx = \(cnd) told <<- told + 1,
    message = \(cnd) rlang::cnd_muffle(cnd)
  )
  expect_null(fit$fixed$large)
  expect_identical(told, 1)
})

checked <- function(formula, data, ..., sigma = NULL) {
  model_design(formula, data, control = rlmm_control(...), sigma = sigma)
}

test_that("each check of the model follows its policy", {
  data <- frame_data()
  cases <- list(
    nobs_vs_nlev = y ~ x + (1 | id),
    nobs_vs_nre = y ~ (x + z | id),
    nlev_gtr_1 = y ~ x + (1 | one),
    nlev_gtreq_5 = y ~ x + (1 | a),
    scalex = y ~ I(1e5 * x) + z + (1 | c),
    nobs_vs_rankz = y ~ (x | id)
  )
  quiet <- list(
    check_nobs_vs_nlev = "ignore",
    check_nobs_vs_nre = "ignore",
    check_nlev_gtr_1 = "ignore"
  )
  for (check in names(cases)) {
    control <- function(policy) {
      do.call(
        rlmm_control,
        modifyList(
          quiet,
          rlang::set_names(list(policy), paste0("check_", check))
        )
      )
    }
    run <- function(policy) {
      model_design(cases[[check]], data, control = control(policy))
    }
    expect_error(run("stop"), class = paste0("rlmm_error_", check))
    expect_warning(run("warning"), class = paste0("rlmm_warning_", check))
    expect_message(run("message"), class = paste0("rlmm_message_", check))
    expect_silent(run("ignore"))
  }
})

test_that("the defaults are lme4's", {
  data <- frame_data()
  expect_error(
    checked(y ~ x + (1 | id), data),
    class = "rlmm_error_nobs_vs_nlev"
  )
  expect_error(
    checked(y ~ x + (f + x + c | un:b:a), data),
    class = "rlmm_error_nobs_vs_nre"
  )
  expect_error(
    checked(y ~ x + (1 | one), data),
    class = "rlmm_error_nlev_gtr_1"
  )
  expect_error(checked(one ~ x + (1 | a), data), class = "rlmm_error_response")
  data$flat <- 3
  expect_error(
    checked(flat ~ x + (1 | a), data),
    class = "rlmm_error_response_not_const"
  )
  expect_silent(checked(
    flat ~ x + (1 | a),
    data,
    check_response_not_const = "ignore"
  ))
  expect_silent(checked(y ~ x + (1 | a), data))
})

test_that("one observation per level is enough when sigma is known, or when asked for", {
  data <- frame_data()
  expect_silent(checked(y ~ x + (1 | id), data, sigma = 1))
  expect_silent(checked(y ~ x + (1 | id), data, check_nobs_vs_nlev = "ignore"))
})

test_that("a saturated fixed part is refused", {
  data <- frame_data()[1:4, ]
  data$a <- c(1, 1, 2, 2)
  expect_error(
    checked(y ~ x * z + (1 | a), data),
    class = "rlmm_error_too_few_observations"
  )
})

test_that("start is checked against the model", {
  random <- our_design(y ~ (x | a), frame_data())$random
  expect_identical(check_start(list(theta = 1:3), random), c(1, 2, 3))
  expect_identical(check_start(c(1, 0, 1), random), c(1, 0, 1))
  expect_null(check_start(NULL, random))
  for (bad in list(
    1,
    "a",
    c(1, NA, 1),
    list(beta = 1),
    list(theta = 1, beta = 2),
    c(1, Inf, 1)
  )) {
    expect_error(check_start(bad, random), class = "rlmm_error_start")
  }
})

test_that("choices may be abbreviated; others are refused", {
  allowed <- c("response", "pearson")
  expect_identical(one_of(allowed, allowed, "type"), "response")
  expect_identical(one_of("pear", allowed, "type"), "pearson")
  for (bad in list("x", 3, NA, c("pearson", "response"), NULL)) {
    expect_error(
      one_of(bad, allowed, "type"),
      '`type` must be "response" or "pearson"',
      class = "rlmm_error_argument"
    )
  }
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(predict(fit, type = "terms"), class = "rlmm_error_argument")
  expect_error(
    predict(fit, sleepstudy, type = NA),
    class = "rlmm_error_argument"
  )
  expect_error(summary(fit, ddf = "other"), class = "rlmm_error_argument")
  expect_error(
    as.data.frame(VarCorr(fit), order = "other"),
    class = "rlmm_error_argument"
  )
})

test_that("arguments of accessors of the wrong type are refused by name", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  wrong <- alist(
    full = vcov(fit, full = NA),
    correlation = vcov(fit, correlation = 2),
    sigm = vcov(fit, sigm = "1"),
    sigma = VarCorr(fit, sigma = -1),
    REML = logLik(fit, REML = "no"),
    REML = deviance(fit, REML = NA),
    digits = print(fit, digits = 0),
    digits = print(summary(fit), digits = "a"),
    digits = print(VarCorr(fit), digits = NA),
    condVar = ranef(fit, condVar = "a"),
    drop = ranef(fit, drop = 3),
    add.dropped = fixef(fit, add.dropped = "a"),
    scaled = residuals(fit, scaled = "a"),
    allow.new.levels = predict(fit, allow.new.levels = "a"),
    se.fit = predict(fit, se.fit = "a"),
    random.only = predict(fit, random.only = NA),
    seed = simulate(fit, seed = "a"),
    use.u = simulate(fit, use.u = "a"),
    fixed.only = formula(fit, fixed.only = "a"),
    random.only = terms(fit, random.only = NA),
    fixed.only = model.frame(fit, fixed.only = 3),
    fullHatMatrix = hatvalues(fit, fullHatMatrix = "a"),
    tol = isSingular(fit, tol = "a")
  )
  for (i in seq_along(wrong)) {
    error <- expect_error(eval(wrong[[i]]), class = "rlmm_error_argument")
    expect_identical(error$arg, names(wrong)[i])
  }
})

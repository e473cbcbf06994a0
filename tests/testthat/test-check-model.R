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

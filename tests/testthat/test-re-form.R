test_that("re.form names terms, or columns of terms", {
  pair <- twin("sleep")
  new <- data.frame(Days = c(0, 3.5), Subject = c("309", "335"))
  forms <- list(
    ~0,
    NA,
    NULL,
    ~ (1 | Subject),
    ~ (0 + Days | Subject),
    ~ (Days | Subject),
    ~ (1 + Days | Subject),
    ~ (Days || Subject),
    ~ (1 | Subject) + (0 + Days | Subject)
  )
  for (form in forms) {
    expect_equal(
      predict(pair$ours, new, re.form = form),
      predict(pair$theirs, new, re.form = form),
      tolerance = 1e-7,
      info = deparse1(form)
    )
  }
  pair <- twin("penicillin")
  new <- Penicillin[c(1, 50, 144), ]
  for (form in list(
    ~ (1 | plate),
    ~ (1 | sample),
    ~ (1 | sample) + (1 | plate)
  )) {
    expect_equal(
      predict(pair$ours, new, re.form = form),
      predict(pair$theirs, new, re.form = form),
      tolerance = 1e-7
    )
  }
  pair <- twin("pastes")
  expect_equal(
    predict(pair$ours, re.form = ~ (1 | batch)),
    predict(pair$theirs, re.form = ~ (1 | batch)),
    tolerance = 1e-7
  )
  expect_equal(
    predict(pair$ours, re.form = ~ (1 | batch / cask)),
    fitted(pair$ours)
  )
  expect_equal(
    predict(pair$ours, re.form = ~ (1 | batch:cask)),
    predict(pair$ours, re.form = ~ (1 | cask:batch))
  )
})

test_that("re.form that isn't of the model is refused", {
  fit <- twin("sleep")$ours
  for (form in list(
    ~ (1 | plate),
    ~ (Reaction | Subject),
    ~ (I(Days^2) | Subject),
    ~Days,
    "Subject",
    TRUE
  )) {
    expect_error(
      predict(fit, sleepstudy, re.form = form),
      class = "rlmm_error_re_form"
    )
  }
  expect_snapshot(writeLines(error_lines(predict(
    fit,
    sleepstudy,
    re.form = ~ (1 | plate)
  ))))
  expect_snapshot(writeLines(error_lines(predict(
    fit,
    sleepstudy,
    re.form = "Subject"
  ))))
})

test_that("old spellings of re.form are understood", {
  fit <- twin("sleep")$ours
  expect_warning(
    old <- predict(fit, ReForm = NA),
    class = "rlmm_warning_deprecated"
  )
  expect_equal(old, predict(fit, re.form = NA))
})

test_that("every term of `re.form` is used, or refused", {
  fit <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  expect_equal(
    predict(fit, re.form = ~ (1 | plate) + (~ 1 | sample)),
    predict(fit)
  )
  expect_equal(
    predict(fit, re.form = ~ 0 + (1 | plate)),
    predict(fit, re.form = ~ (1 | plate))
  )
  expect_error(
    predict(fit, re.form = ~ (1 | plate) + sample),
    "`sample`",
    class = "rlmm_error_re_form"
  )
  expect_error(
    simulate(fit, re.form = ~ (1 | plate) + diameter),
    "`diameter`",
    class = "rlmm_error_re_form"
  )
})

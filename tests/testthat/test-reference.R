# Every model of the registry against the numbers that data-raw/reference.R took from lme4.

skip_if_not_installed("jsonlite")
references <- lmm_references()

expect_reference <- function(name) {
  reference <- references[[name]]
  data <- lmm_data(lmm_models[[name]])
  skip_if(is.null(data), paste("no data for", name))
  fit <- suppressMessages(lmm_fit(rlmm, lmm_models[[name]], data = data))

  objective <- core_objective(
    fit_spec(fit),
    do.call(cbind, lapply(reference$theta, as.numeric))
  )
  expect_lt(
    max(abs(objective / reference$objective - 1)),
    1e-9,
    label = paste(name, "objective: relative error")
  )
  expect_best(fit, reference$optimum, name, 1e-3)
}

test_that("the registry and its references know the same models", {
  expect_setequal(names(references), names(lmm_models))
  expect_gte(length(lmm_models), 60)
})

for (name in names(small_lmm_models())) {
  test_that(paste("objective at fixed theta and optimum:", name), {
    expect_reference(name)
  })
}

for (name in setdiff(names(lmm_models), names(small_lmm_models()))) {
  test_that(paste("large model:", name), {
    skip_on_cran()
    expect_reference(name)
  })
}

data_set <- function(name, package) {
  env <- new.env()
  utils::data(list = name, package = package, envir = env)
  env[[name]]
}

test_that("each data set is the one of lme4 or mlmRev, value for value", {
  lme4_sets <- c(
    "sleepstudy",
    "Dyestuff",
    "Dyestuff2",
    "Penicillin",
    "Pastes",
    "InstEval",
    "VerbAgg",
    "cbpp",
    "grouseticks"
  )
  skip_if_not_installed("lme4")
  for (name in lme4_sets) {
    expect_identical(
      data_set(name, "rlmm"),
      data_set(name, "lme4"),
      label = name
    )
  }
  skip_if_not_installed("mlmRev")
  expect_identical(
    data_set("Contraception", "rlmm"),
    data_set("Contraception", "mlmRev")
  )
})

test_that("the data sets have the size their help pages state", {
  rows <- c(
    sleepstudy = 180,
    Dyestuff = 30,
    Dyestuff2 = 30,
    Penicillin = 144,
    Pastes = 60,
    InstEval = 73421,
    VerbAgg = 7584,
    cbpp = 56,
    grouseticks = 403,
    Contraception = 1934
  )
  for (name in names(rows)) {
    expect_equal(nrow(data_set(name, "rlmm")), rows[[name]], label = name)
  }
})

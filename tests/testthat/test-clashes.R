# Names that rlmm exports and that other packages export, too. What a name of ours masks, or is
# masked by, depends on which package is attached last: a name is shared only where either function
# answers for both packages' objects, or where it is the same function.

shared_names <- list(
  # The same generics, re-exported, and nlme's function that ours hands its data on to.
  nlme = c("VarCorr", "fixef", "ranef", "lmList"),
  # lme4's generics under lme4's names: either package's function takes either package's fits.
  # REMLcrit(), allFit() and bootMer() hand on; dummy() is the same column; lmList() has the same
  # formula.
  lme4 = c(
    "REMLcrit",
    "VarCorr",
    "allFit",
    "bootMer",
    "dummy",
    "fixef",
    "getME",
    "isGLMM",
    "isLMM",
    "isNLMM",
    "isREML",
    "isSingular",
    "lmList",
    "logProf",
    "ngrps",
    "ranef",
    "rePCA",
    "refit",
    "refitML",
    "varianceProf"
  ),
  # lmerTest's functions, which our methods are registered for, or which hand on.
  lmerTest = c("contest", "contest1D", "contestMD", "ranova"),
  # Another generic of the name, which our method is registered for.
  generics = "refit",
  marginaleffects = "refit",
  # A deprecated function of data frames, from which ours, of fits, has nothing to take over.
  broom = "bootstrap",
  # A function of anything with a logLik().
  MuMIn = "AICc",
  # nlme's and lme4's generics; a family of the same meaning; diagnose(), which hands on.
  glmmTMB = c(
    "VarCorr",
    "diagnose",
    "fixef",
    "getME",
    "nbinom1",
    "nbinom2",
    "ranef",
    "refit"
  )
)

other_packages <- c(
  "stats",
  "utils",
  "methods",
  "graphics",
  "grDevices",
  "tools",
  "splines",
  "parallel",
  "Matrix",
  "MASS",
  "lattice",
  "ggplot2",
  "dplyr",
  "emmeans",
  "insight",
  "performance",
  "parameters",
  "bayestestR",
  "effectsize",
  "datawizard",
  "modelbased",
  "see",
  "report",
  "broom",
  "broom.mixed",
  "DHARMa",
  "car",
  "multcomp",
  "sandwich",
  "clubSandwich",
  "ggeffects",
  "effects",
  "pbkrtest",
  "future",
  "progressr",
  "texreg",
  "sjPlot",
  "lmtest",
  "mitml",
  "mice",
  "mgcv",
  "merTools",
  "simr",
  "doBy",
  "reformulas",
  "data.table"
)

# What a package exports, without loading it; nothing where it isn't installed.
exported_names <- function(package) {
  file <- system.file("Meta", "nsInfo.rds", package = package)
  if (nzchar(file)) readRDS(file)$exports else character()
}

test_that("names of ours that other packages export are those that may be shared", {
  ours <- getNamespaceExports("rlmm")
  for (package in c(names(shared_names), other_packages)) {
    shared <- intersect(ours, exported_names(package))
    unforeseen <- setdiff(shared, shared_names[[package]])
    expect_identical(unforeseen, character(), info = package)
  }
  expect_identical(
    intersect(ours, ls(baseenv(), all.names = TRUE)),
    character()
  )
})

test_that("the same generic is the same function", {
  for (name in c("VarCorr", "fixef", "ranef")) {
    ours <- getExportedValue("rlmm", name)
    expect_identical(ours, getExportedValue("nlme", name))
  }
})

test_that("refit() of generics refits", {
  skip_if_not_installed("generics")
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  again <- getExportedValue("generics", "refit")(fit)
  expect_equal(fixef(again), fixef(fit))
})

test_that("functions of lme4 take our fits, ours lme4's", {
  skip_if_not_installed("lme4")
  formula <- Reaction ~ Days + (1 | Subject)
  ours <- rlmm(formula, sleepstudy)
  theirs <- lme4::lmer(formula, sleepstudy)
  for (name in c("getME", "isLMM", "isREML", "ngrps", "refitML")) {
    arguments <- if (name == "getME") list("theta")
    from_rlmm <- getExportedValue("rlmm", name)
    from_lme4 <- getExportedValue("lme4", name)
    for (fit in list(ours, theirs)) {
      same <- \(f) {
        value <- do.call(f, c(list(fit), arguments))
        if (name == "refitML") nlme::fixef(value) else value
      }
      expect_equal(same(from_rlmm), same(from_lme4), info = name)
    }
  }
  groups <- lme4::lmList(Reaction ~ Days | Subject, sleepstudy)
  expect_equal(
    nlme::fixef(groups),
    nlme::fixef(lmList(Reaction ~ Days | Subject, sleepstudy))
  )
})

# Answers of every order of attaching, with namespaces loaded in the given order.
answers_of_orders <- function(loaded) {
  result <- withr::local_tempfile()
  script <- test_path("fixtures", "attach-orders.R")
  paths <- paste(.libPaths(), collapse = .Platform$path.sep)
  withr::local_envvar(R_LIBS = paths, R_TESTS = "")
  run <- c("--vanilla", shQuote(script), shQuote(result), loaded)
  status <- system2(file.path(R.home("bin"), "Rscript"), run)
  expect_identical(status, 0L)
  readRDS(result)
}

expect_same_answers <- function(found, reference) {
  for (order in names(found)) {
    for (call in names(reference)) {
      expect_equal(
        found[[order]][[call]],
        reference[[call]],
        tolerance = 1e-6,
        info = paste0(call, ", attached: ", order)
      )
    }
  }
}

test_that("fits of four packages answer in every order of attaching", {
  skip_on_cran()
  skip_if_not_installed("lme4")
  skip_if_not_installed("lmerTest")
  loaded <- c("rlmm", "nlme", "lmerTest", "lme4")
  found <- answers_of_orders(loaded)
  expect_length(found, 24L)
  reference <- found[["rlmm, lme4, lmerTest, nlme"]]
  # No call ends with an error.
  is_error <- vapply(reference, is.character, NA)
  expect_identical(names(reference)[is_error], character())
  expect_same_answers(found, reference)
  expect_same_answers(answers_of_orders(rev(loaded)), reference)
  # Our answers are those of lme4 of its own fit, but for what the tables have more.
  same <- grep(
    "^rlmm (fixef|ranef|coef|vcov|sigma|logLik|getME|is)",
    names(reference)
  )
  for (call in names(reference)[same]) {
    expect_equal(
      reference[[call]],
      reference[[sub("^rlmm", "lme4", call)]],
      tolerance = 1e-3,
      info = call
    )
  }
})

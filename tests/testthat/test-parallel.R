# Fits in the processes that users spread their work over, after threads have run in this one.

model <- Reaction ~ Days + (Days | Subject)

expected_fixef <- fixef(rlmm(model, sleepstudy))

# Threads of the core in this process, before it is forked.
run_threads <- function() {
  fit <- rlmm(model, sleepstudy, control = rlmm_control(threads = 2))
  bootstrap(fit, 20, seed = 1)
}

fit_and_draw <- function(seed) {
  fit <- rlmm(model, sleepstudy)
  drawn <- bootstrap(fit, 10, seed = seed)
  list(fixef = fixef(fit), drawn = as.data.frame(drawn))
}

test_that("forked processes fit and draw as this one does", {
  skip_on_os("windows")
  skip_on_cran()
  run_threads()
  found <- parallel::mclapply(1:3, fit_and_draw, mc.cores = 2L)
  expect_equal(found, lapply(1:3, fit_and_draw))
})

test_that("processes of a cluster fit, and take fits", {
  skip_on_cran()
  paths <- paste(.libPaths(), collapse = .Platform$path.sep)
  withr::local_envvar(R_LIBS = paths, R_TESTS = "")
  cluster <- parallel::makeCluster(2L)
  withr::defer(parallel::stopCluster(cluster))
  rows <- sleepstudy
  fits <- parallel::clusterMap(
    cluster,
    \(formula, rows) getExportedValue("rlmm", "rlmm")(formula, rows),
    list(model, model),
    list(rows, rows)
  )
  expect_equal(lapply(fits, fixef), list(expected_fixef, expected_fixef))
  predict_there <- \(fit) {
    loadNamespace("rlmm")
    stats::predict(fit, data.frame(Days = 1, Subject = "308"))
  }
  found <- parallel::clusterCall(cluster, predict_there, fits[[1L]])
  expect_equal(found[[1L]], predict_there(fits[[1L]]))
})

test_that("futures fit, in sessions and in forks", {
  skip_on_cran()
  skip_if_not_installed("future")
  of_future <- \(name) getExportedValue("future", name)
  paths <- paste(.libPaths(), collapse = .Platform$path.sep)
  withr::local_envvar(R_LIBS = paths, R_TESTS = "")
  old <- of_future("plan")("list")
  withr::defer(of_future("plan")(old))
  run_threads()
  for (strategy in c("multisession", "multicore")) {
    of_future("plan")(strategy, workers = 2L)
    task <- of_future("future")(
      fixef(rlmm(model, sleepstudy)),
      packages = "rlmm",
      globals = list(model = model)
    )
    expect_equal(of_future("value")(task), expected_fixef, info = strategy)
  }
})

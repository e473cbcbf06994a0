# One fit in several threads: its dense matrices, above a size.

crossed_data <- function() {
  set.seed(5)
  n <- 3000
  d <- data.frame(
    x = rnorm(n),
    g = sample(400, n, TRUE),
    h = sample(300, n, TRUE)
  )
  d$y <- d$x + rnorm(400)[d$g] + rnorm(300)[d$h] + rnorm(n)
  d
}

test_that("a fit is the same, bit for bit, for any number of threads", {
  d <- crossed_data()
  fit <- function(threads) {
    control <- rlmm_control(engine = "exact", threads = threads)
    fit <- rlmm(y ~ x + (1 | g) + (x | h), d, control = control)
    fit[c("theta", "beta", "sigma", "b", "dev")]
  }
  one <- fit(1)
  expect_identical(fit(2), one)
  expect_identical(fit(3), one)
})

# Few levels with many rows each, so that there are pieces for several threads.
large_crossed_data <- function() {
  set.seed(6)
  n <- 2e5
  d <- data.frame(
    x = rnorm(n),
    g = sample(1e4, n, TRUE),
    h = sample(500, n, TRUE)
  )
  d$eta <- d$x + rnorm(1e4)[d$g] + rnorm(500)[d$h] + rnorm(500)[d$h] * d$x
  d
}

test_that("conjugate gradients are the same, bit for bit, in several threads", {
  skip_on_cran()
  d <- large_crossed_data()
  d$y <- d$eta + rnorm(nrow(d))
  fit <- function(threads, engine = "iterative") {
    control <- rlmm_control(engine = engine, threads = threads)
    rlmm(y ~ x + (1 | g) + (x | h), d, REML = FALSE, control = control)
  }
  parts <- \(fit) fit[c("theta", "beta", "sigma", "b", "dev")]
  one <- fit(1)
  expect_identical(parts(fit(2)), parts(one))
  expect_identical(parts(fit(3)), parts(one))
  exact <- fit(2, "exact")
  expect_equal(one$theta, exact$theta, tolerance = 1e-4)
  difference <- as.numeric(logLik(one)) - as.numeric(logLik(exact))
  expect_lt(abs(difference), 3 * attr(logLik(one), "se") + 1e-4)
})

test_that("a generalized fit by conjugate gradients is, too", {
  skip_on_cran()
  d <- large_crossed_data()
  d$y <- rbinom(nrow(d), 1, plogis(d$eta))
  fit <- function(threads) {
    control <- rlmm_control(engine = "iterative", threads = threads)
    fit <- rglmm(
      y ~ x + (1 | g) + (1 | h),
      d,
      family = binomial,
      control = control
    )
    fit[c("theta", "beta", "b", "dev")]
  }
  one <- fit(1)
  expect_identical(fit(2), one)
  expect_identical(fit(3), one)
})

test_that("the number of threads comes from the control, the option or the environment", {
  chosen <- function(control = list()) n_threads(control)
  withr::local_options(rlmm.threads = NULL)
  withr::local_envvar(RLMM_THREADS = NA, `_R_CHECK_LIMIT_CORES_` = NA)
  expect_identical(chosen(), 0L)
  withr::local_envvar(`_R_CHECK_LIMIT_CORES_` = "TRUE")
  expect_identical(chosen(), 2L)
  withr::local_envvar(RLMM_THREADS = "3")
  expect_identical(chosen(), 3L)
  withr::local_options(rlmm.threads = 4)
  expect_identical(chosen(), 4L)
  expect_identical(chosen(rlmm_control(threads = 5)), 5L)
  expect_identical(chosen(rlmm_control(threads = Inf)), 0L)
})

test_that("a number in the environment that is none is no limit", {
  withr::local_options(rlmm.threads = NULL)
  for (given in c("many", "-1")) {
    withr::local_envvar(RLMM_THREADS = given)
    expect_identical(n_threads(list()), 0L)
  }
})

test_that("an option that is no number of threads is refused", {
  for (given in list("2", -2, 1.5, c(1, 2), NA)) {
    withr::local_options(rlmm.threads = given)
    expect_error(
      rlmm(Yield ~ 1 + (1 | Batch), Dyestuff),
      "rlmm.threads",
      class = "rlmm_error_argument"
    )
  }
})

test_that("processes that fork fit in threads, before and after", {
  skip_on_os("windows")
  skip_on_cran()
  d <- crossed_data()
  control <- rlmm_control(engine = "exact", threads = 2)
  fit <- function(i) {
    rlmm(y ~ x + (1 | g) + (1 | h), d, control = control)$theta
  }
  before <- fit(1)
  forked <- parallel::mclapply(1:2, fit, mc.cores = 2)
  expect_identical(forked, list(before, before))
  expect_identical(fit(1), before)
})

test_that("workers take one thread, unless they are told how many", {
  skip_on_cran()
  withr::local_options(rlmm.threads = NULL)
  paths <- paste(.libPaths(), collapse = .Platform$path.sep)
  withr::local_envvar(RLMM_THREADS = NA, R_LIBS = paths, R_TESTS = "")
  chosen <- \(control = list()) asNamespace("rlmm")$n_threads(control)
  cluster <- parallel::makeCluster(1L)
  withr::defer(parallel::stopCluster(cluster))
  in_worker <- \(...) parallel::clusterCall(cluster, chosen, ...)[[1L]]
  expect_identical(in_worker(), 1L)
  expect_identical(in_worker(list(threads = 3)), 3L)
  parallel::clusterCall(cluster, \() options(rlmm.threads = 4))
  expect_identical(in_worker(), 4L)
  skip_on_os("windows")
  forked <- parallel::mclapply(1:2, \(i) chosen(), mc.cores = 2L)
  expect_identical(forked, list(1L, 1L))
  expect_false(is_worker())
})

test_that("daemons of mirai are known by what they are started with", {
  commands <- c(
    "mirai::daemon(\"abstract://x\",dispatcher=FALSE,rs=c(1L,2L))",
    "mirai:::.daemon(\"abstract://x\")"
  )
  expect_true(all(grepl(worker_functions, commands)))
})

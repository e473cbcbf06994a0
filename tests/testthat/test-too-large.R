test_that("a model that doesn't fit in memory names its crossed terms", {
  fit <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  refuse <- function(free) {
    fields <- list(kind = "too_large", message = "", gib = 3.21, free = free)
    error <- structure(fields, class = "rlmm_core_error")
    with_terms_named(abort_core(error), fit$random)
  }
  expect_snapshot({
    writeLines(error_lines(refuse(1.5)))
    writeLines(error_lines(refuse(NULL)))
  })
})

test_that("a refusal under memory_limit speaks of the limit, not of the machine", {
  set.seed(7)
  d <- data.frame(
    g = factor(c(1:600, 1:600)),
    h = factor(sample(500, 1200, TRUE))
  )
  d$y <- rnorm(1200)
  d$z <- rbinom(1200, 1, 0.5)
  control <- rlmm_control(engine = "exact", memory_limit = 1e-6)
  said <- "`memory_limit` allows 1e-06 GiB."
  expect_error(
    rlmm(y ~ 1 + (1 | g) + (1 | h), d, control = control),
    said,
    fixed = TRUE,
    class = "rlmm_error_too_large"
  )
  expect_error(
    rglmm(z ~ 1 + (1 | g) + (1 | h), d, binomial, control = control),
    said,
    fixed = TRUE,
    class = "rlmm_error_too_large"
  )
})

test_that("what doesn't fit in memory is refused by name, and R lives", {
  skip_on_os(c("windows", "mac", "solaris"))
  skip_if(!nzchar(Sys.which("bash")))
  script <- withr::local_tempfile(fileext = ".R")
  writeLines(
    c(
      "library(rlmm)",
      "set.seed(3)",
      "n <- 60000",
      "d <- data.frame(x = rnorm(n), g = c(1:9500, sample(9500, n - 9500, TRUE)))",
      "d$h <- rev(c(1:9000, sample(9000, n - 9000, TRUE)))",
      "d$y <- rnorm(n)",
      "fit_by <- function(e) {",
      "  rlmm(y ~ x + (1 | g) + (1 | h), d, control = rlmm_control(engine = e))",
      "}",
      "cnd <- tryCatch(fit_by('exact'), error = identity)",
      "cat(class(cnd)[1], conditionMessage(cnd), sep = '\\n')",
      "fit <- rlmm(y ~ x + (1 | g), d)",
      "cat('alive', nobs(fit), '\\n')",
      "cat('auto:', fit_by('auto')$engine, '\\n')"
    ),
    script
  )
  run <- sprintf(
    "ulimit -v 1200000; %s --vanilla %s 2>&1",
    shQuote(file.path(R.home("bin"), "Rscript")),
    shQuote(script)
  )
  withr::local_envvar(R_LIBS = paste(.libPaths(), collapse = ":"))
  lines <- system2("bash", c("-c", shQuote(run)), stdout = TRUE)
  expect_match(lines, "rlmm_error_too_large", all = FALSE)
  expect_match(lines, "`(1 | h)` with 9,000 levels", fixed = TRUE, all = FALSE)
  # Two arrays of 9000 x 9000 doubles.
  expect_match(lines, "needs 1.2 GiB", fixed = TRUE, all = FALSE)
  expect_match(lines, "without `engine = \"exact\"`", fixed = TRUE, all = FALSE)
  expect_match(lines, "alive 60000", all = FALSE)
  expect_match(lines, "auto: iterative", all = FALSE)
})

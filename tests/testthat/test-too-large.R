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

test_that("cross-products that don't fit are refused before they are summed up", {
  set.seed(8)
  n <- 4000
  d <- data.frame(g = sample(40, n, TRUE), h = sample(30, n, TRUE))
  d$part <- (d$h + 4) %/% 5
  d$z <- matrix(rnorm(20 * n), n)
  d$y <- rnorm(n)
  crossed <- model_design(y ~ 1 + (z | g) + (z | h), d)
  nested <- model_design(y ~ 1 + (z | h) + (z | part), d)
  # Numbers of levels and of their 21 effects, an intercept, and pairs of levels.
  bytes <- \(levels, pairs) {
    8 * sum(levels) * 21 * (4 * 21 + 6) + 16 * 21^2 * pairs
  }
  all_pairs <- bytes_of_products(crossed$spec, max_pairs)
  expect_equal(all_pairs, bytes(c(40, 30), 40 * 30))
  occurring <- bytes_of_products(nested$spec, count_pairs)
  expect_equal(occurring, bytes(c(30, 6), 30))
  check <- \(design, free) {
    check_products_fit(design$spec, design$random, free, unasked = 0)
  }
  expect_no_error(check(nested, occurring))
  expect_no_error(check(crossed, all_pairs))
  error <- expect_error(
    check(crossed, occurring),
    class = "rlmm_error_too_large"
  )
  n_pairs <- nrow(unique(d[c("g", "h")]))
  expect_equal(error$gib * 2^30, bytes(c(40, 30), n_pairs))
  expect_equal(error$free * 2^30, occurring)
  said <- "`(z | g)` has 40 levels with 21 effects each and `(z | h)` has 30"
  expect_match(conditionMessage(error), said, fixed = TRUE)
})

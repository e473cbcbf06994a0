# Results that can't fit in any memory are refused before the first number is computed: an
# allocation that fails in the core would end R.

refused <- function(expr) {
  error <- expect_error(expr, class = "rlmm_error_too_large")
  # Any replicate takes more than a hundred bytes.
  expect_gt(error$gib, 1e9 * 100 / 2^30)
}

test_that("a bootstrap, a simulation or a test of 1e9 replicates is refused", {
  skip_on_cran()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  counts <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  few <- bootstrap(fit, 3, seed = 1)
  refused(bootstrap(fit, 1e9))
  refused(bootstrap(counts, 1e9))
  refused(bootstrap(fit, 1e9, type = "semiparametric", use.u = TRUE))
  refused(update(few, n = 1e9))
  refused(confint(fit, method = "boot", nsim = 1e9))
  refused(bootMer(fit, fixef, nsim = 1e9))
  refused(bootMer(
    fit,
    fixef,
    nsim = 1e9,
    use.u = TRUE,
    type = "semiparametric"
  ))
  refused(simulate(fit, 1e9))
  refused(simulate(fit, 1e9, use.u = TRUE))
  refused(simulate(counts, 1e9))
  refused(simulate_power(fit, nsim = 1e9))
  refused(ranova(fit, method = "RLRT", nsim = 1e9))
})

test_that("nonlinear models refuse as many replicates, too", {
  skip_on_cran()
  fit <- rnlmm(
    circumference ~ top / (1 + exp((mid - age) / scale)) ~ (top | Tree),
    Orange,
    start = c(top = 200, mid = 700, scale = 350)
  )
  refused(simulate(fit, 1e9))
  refused(bootstrap(fit, 1e9))
})

test_that("the refusal names sizes and the number that fits", {
  expect_snapshot(
    writeLines(error_lines(check_replicates_fit(1e9, 2000, free = 2^33)))
  )
  expect_no_error(check_replicates_fit(1e6, 2000, free = 2^33))
})

test_that("a replicate takes at most what is expected of it", {
  # What R itself keeps of a simulation: the responses as doubles.
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  kept <- as.double(utils::object.size(simulate(fit, 50, seed = 1)[1:50]))
  expect_gt(50 * bytes_of_draws(180, 18), kept - 20000)
})

test_that("a hat matrix that doesn't fit in the memory is refused", {
  expect_snapshot(
    writeLines(error_lines(check_hat_matrix_fits(300000, 150002, free = 2^34)))
  )
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  h <- hatvalues(fit, fullHatMatrix = TRUE)
  expect_equal(unname(Matrix::diag(h)), unname(hatvalues(fit)))
})

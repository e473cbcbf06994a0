test_that("lme4's bootMer() gives the same", {
  skip_if_not_installed("lme4")
  fit <- sleep_fit()
  twin <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
  ours <- bootMer(fit, fixef, nsim = 5, seed = 1)
  theirs <- lme4::bootMer(twin, lme4::fixef, nsim = 5, seed = 1)
  expect_equal(unname(ours$t), unname(theirs$t), tolerance = 1e-4)
  expect_equal(ours$t0, theirs$t0, tolerance = 1e-5)
  expect_true(all(
    names(ours) %in% c(names(theirs), "data", "seed", "mle", "ran.gen")
  ))
  ours <- bootMer(fit, fixef, 5, seed = 1, use.u = TRUE, type = "semi")
  theirs <- lme4::bootMer(
    twin,
    lme4::fixef,
    5,
    seed = 1,
    use.u = TRUE,
    type = "semiparametric"
  )
  expect_equal(unname(ours$t), unname(theirs$t), tolerance = 1e-4)
  # Either function takes either fit.
  reverse <- lme4::bootMer(fit, fixef, nsim = 2, seed = 1)
  expect_equal(reverse$t, bootMer(fit, fixef, nsim = 2, seed = 1)$t)
  expect_s3_class(bootMer(twin, lme4::fixef, nsim = 2, seed = 1), "boot")
})

test_that("other processes give the same", {
  fit <- sleep_fit()
  here <- bootMer(fit, sigma, nsim = 4, seed = 1)
  skip_on_os("windows")
  forked <- bootMer(
    fit,
    sigma,
    nsim = 4,
    seed = 1,
    parallel = "multicore",
    ncpus = 2
  )
  expect_identical(forked$t, here$t)
  bar <- utils::capture.output(
    shown <- bootMer(
      fit,
      sigma,
      nsim = 4,
      seed = 1,
      .progress = "txt",
      verbose = TRUE
    )
  )
  expect_identical(shown$t, here$t)
  expect_match(bar, "100%", all = FALSE)
  skip_on_cran()
  skip_if_not("rlmm" %in% rownames(utils::installed.packages()))
  there <- bootMer(fit, sigma, nsim = 4, seed = 1, parallel = "snow", ncpus = 2)
  expect_identical(there$t, here$t)
})

test_that("the result is one of package boot", {
  skip_if_not_installed("boot")
  b <- bootMer(sleep_fit(), \(m) c(s = sigma(m), fixef(m)), nsim = 60, seed = 1)
  expect_s3_class(b, "boot")
  limits <- getExportedValue("boot", "boot.ci")(b, type = "norm", index = 2)
  expect_equal(
    unname(confint(b, "(Intercept)", type = "normal")[1, ]),
    limits$normal[2:3],
    tolerance = 1e-10
  )
  expect_identical(dim(as.data.frame(b)), c(60L, 3L))
  expect_identical(rownames(confint(b)), c("s", "(Intercept)", "Days"))
})

test_that("resampled residuals keep their weights", {
  data <- transform(sleepstudy, w = rep(c(0.25, 4), 90))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), data, weights = w)
  y <- boot_responses(fit, 2, 1, NULL, "semiparametric")
  scaled <- sqrt(data$w) * (sleepstudy$Reaction - fitted(fit))
  drawn <- sqrt(data$w) * (y$sim_1 - fitted(fit))
  nearest <- vapply(drawn, \(d) min(abs(d - scaled)), 0)
  expect_lt(max(nearest), 1e-9)
})

test_that("failures are counted and wrong arguments refused", {
  fit <- sleep_fit()
  unlucky <- function(m) {
    if (sigma(m) > 27) stop("no luck") else sigma(m)
  }
  expect_warning(
    b <- bootMer(fit, unlucky, nsim = 10, seed = 1),
    class = "rlmm_warning_bootstrap"
  )
  expect_identical(sum(is.na(b$t)), attr(b, "bootFail"))
  expect_true(all(is.finite(confint(b))))
  slim <- sleep_fit(control = rlmm_control(slim = TRUE))
  ticks <- rglmm(TICKS ~ 1 + (1 | BROOD), grouseticks, family = poisson)
  expect_snapshot({
    writeLines(format(b, digits = 3))
    writeLines(condition_lines(bootMer(fit, unlucky, nsim = 10, seed = 1)))
    writeLines(error_lines(bootMer(slim, fixef)))
    writeLines(error_lines(bootMer(fit, \(m) "a")))
    writeLines(error_lines(bootMer(fit, fixef, nsim = -1)))
    writeLines(error_lines(bootMer(fit, fixef, parallel = "mpi")))
    writeLines(error_lines(bootMer(fit, fixef, type = "semi")))
    writeLines(error_lines(bootMer(ticks, fixef, type = "semi", use.u = TRUE)))
    writeLines(error_lines(bootMer(sleepstudy, fixef)))
  })
})

test_that("confint() by bootstrap", {
  fit <- sleep_fit()
  b <- bootstrap(fit, n = 50, seed = 1)
  expect_identical(
    confint(fit, method = "boot", nsim = 50, seed = 1),
    confint(b)
  )
  expect_identical(
    confint(
      fit,
      "Days",
      method = "boot",
      nsim = 50,
      seed = 1,
      boot.type = "norm"
    ),
    confint(b, "Days", type = "normal")
  )
  own <- confint(fit, method = "boot", nsim = 20, seed = 1, FUN = \(m) {
    c(s = sigma(m))
  })
  expect_identical(dimnames(own), list("s", c("2.5 %", "97.5 %")))
  expect_snapshot(
    writeLines(error_lines(confint(fit, method = "boot", boot.type = "bca")))
  )
})

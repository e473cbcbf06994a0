test_that("L and RZX factor the penalized cross-products", {
  for_each_pair(
    function(fit, lme4) {
      q <- getME(fit, "q")
      ours <- as.matrix(Matrix::solve(getME(fit, "L"), diag(q), system = "A"))
      theirs <- as.matrix(Matrix::solve(
        lme4::getME(lme4, "L"),
        diag(q),
        system = "A"
      ))
      expect_equal(ours, theirs, tolerance = 1e-6, ignore_attr = TRUE)
      expect_values(
        crossprod(getME(fit, "RZX")),
        crossprod(lme4::getME(lme4, "RZX"))
      )
    },
    c("sleep", "penicillin", "cbpp", "sleep_no_fixed")
  )
})

test_that("Z has the columns of each term, level by level, and stores no zeros", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  z <- getME(fit, "Z")
  expect_identical(dim(z), c(180L, 36L))
  expect_identical(colnames(z)[1:3], c("308", "308", "309"))
  expect_true(all(z@x != 0))
  expect_equal(as.vector(z[1:10, 2]), 0:9)
  expect_identical(
    names(getME(fit, "Ztlist")),
    c("Subject.(Intercept)", "Subject.Days")
  )
})

test_that("a factor that rounding errors make impossible is told of", {
  fit <- twin("penicillin")$ours
  fit$theta[] <- 1e10
  expect_error(
    getME(fit, "L"),
    "too large rounding errors",
    class = "rlmm_error_rounding"
  )
})

test_that("rePCA() is lme4's", {
  for_each_pair(function(fit, lme4) {
    ours <- rePCA(fit)
    theirs <- lme4::rePCA(lme4)
    expect_named(ours, names(theirs))
    expect_s3_class(ours, "prcomplist")
    for (group in names(theirs)) {
      expect_equal(ours[[group]]$sdev, theirs[[group]]$sdev, tolerance = 1e-5)
      rebuild <- function(pca) pca$rotation %*% (pca$sdev^2 * t(pca$rotation))
      expect_equal(
        rebuild(ours[[group]]),
        rebuild(theirs[[group]]),
        tolerance = 1e-5,
        ignore_attr = TRUE
      )
    }
  })
})

test_that("of the correlations", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  rho <- attr(VarCorr(fit)$Subject, "correlation")[2, 1]
  expect_equal(rePCA(fit, corr = TRUE)$Subject$sdev^2, 1 + c(rho, -rho))
})

test_that("components and their summary print", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_output(print(rePCA(fit)), "[$]Subject\nStandard deviations")
  expect_output(print(summary(rePCA(fit))), "Cumulative Proportion")
})

test_that("rows of the rotation are named by the effects", {
  analysis <- rePCA(rlmm(Reaction ~ 1 + (Days | Subject), sleepstudy))$Subject
  expect_identical(rownames(analysis$rotation), c("(Intercept)", "Days"))
  split <- rePCA(rlmm(Reaction ~ Days + (Days || Subject), sleepstudy))$Subject
  expect_identical(rownames(split$rotation), c("(Intercept)", "Days"))
})

generics <- c(
  "getME",
  "isREML",
  "isLMM",
  "isGLMM",
  "isNLMM",
  "isSingular",
  "ngrps",
  "rePCA",
  "REMLcrit",
  "refit",
  "refitML"
)

test_that("fits of lme4 are handed on to lme4", {
  skip_if_not_installed("lme4")
  twin <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(getME(twin, "theta"), lme4::getME(twin, "theta"))
  expect_identical(getME(twin, c("n", "p")), lme4::getME(twin, c("n", "p")))
  expect_true(isREML(twin))
  expect_true(isLMM(twin))
  expect_false(isGLMM(twin))
  expect_false(isNLMM(twin))
  expect_false(isSingular(twin))
  expect_true(isSingular(twin, tol = 10))
  expect_identical(ngrps(twin), lme4::ngrps(twin))
  expect_s3_class(rePCA(twin), "prcomplist")
  expect_equal(REMLcrit(twin), lme4::REMLcrit(twin))
  expect_equal(
    lme4::fixef(refit(twin, sleepstudy$Reaction)),
    lme4::fixef(twin),
    tolerance = 1e-4
  )
  expect_false(isREML(refitML(twin)))
})

test_that("lme4's generics take our fits", {
  skip_if_not_installed("lme4")
  skip_if_not("rlmm" %in% loadedNamespaces(), "the package is only sourced")
  loadNamespace("lme4")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(lme4::getME(fit, "theta"), getME(fit, "theta"))
  expect_true(lme4::isREML(fit))
  expect_true(lme4::isLMM(fit))
  expect_false(lme4::isGLMM(fit))
  expect_false(lme4::isNLMM(fit))
  expect_false(lme4::isSingular(fit))
  expect_identical(lme4::ngrps(fit), ngrps(fit))
  expect_equal(lme4::rePCA(fit), rePCA(fit))
  expect_identical(lme4::fixef(fit), fixef(fit))
  if (getRversion() >= "4.3.0") {
    expect_equal(lme4::REMLcrit(fit), REMLcrit(fit))
  }
  expect_equal(lme4::refitML(fit)$theta, refitML(fit)$theta)
  expect_equal(
    lme4::refit(fit, sleepstudy$Reaction)$theta,
    fit$theta,
    tolerance = 1e-5
  )
})

test_that("fits have no slots to speak of", {
  skip_if(getRversion() < "4.3.0")
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_error(fit@theta, class = "rlmm_error_unknown_part")
})

test_that("other objects are refused", {
  strange <- structure(list(), class = "strange")
  for (name in setdiff(generics, "getME")) {
    expect_error(get(name)(strange), regexp = "strange", label = name)
  }
  expect_error(getME(strange, "X"), regexp = "strange")
  expect_identical(ngrps(factor(1:3)), 3L)
})

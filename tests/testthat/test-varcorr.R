test_that("VarCorr() is lme4's", {
  for_each_pair(function(fit, lme4) {
    ours <- VarCorr(fit)
    theirs <- lme4::VarCorr(lme4)
    expect_s3_class(ours, "VarCorr.merMod")
    expect_named(ours, names(theirs))
    expect_equal(attr(ours, "sc"), attr(theirs, "sc"), tolerance = 1e-6)
    expect_identical(attr(ours, "useSc"), attr(theirs, "useSc"))
    for (i in seq_along(theirs)) {
      expect_equal(unclass(ours[[i]]), unclass(theirs[[i]]), tolerance = 1e-6)
    }
    for (order in c("cov.last", "lower.tri")) {
      expect_equal(as.data.frame(ours, order = order), as.data.frame(theirs, order = order), tolerance = 1e-6)
    }
    expect_equal(VarCorr(fit, sigma = 2)[[1]], lme4::VarCorr(lme4, sigma = 2)[[1]], ignore_attr = TRUE)
  })
})

test_that("diagonal terms have zero covariances", {
  fit <- rlmm(Reaction ~ Days + zerocorr(1 + Days | Subject), sleepstudy)
  table <- as.data.frame(VarCorr(fit))
  expect_identical(table$var2, c(NA, NA, "Days", NA))
  expect_identical(table$vcov[3], 0)
  expect_identical(table$sdcor[3], 0)
})

test_that("the correlation with an effect of variance zero is NaN", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  fit$theta[] <- c(0, 0, 0.2)
  correlation <- attr(VarCorr(fit)$Subject, "correlation")
  expect_equal(unname(correlation), matrix(c(1, NaN, NaN, 1), 2))
  expect_match(format(VarCorr(fit))[2, "Corr"], "NaN")
})

test_that("a single effect of variance zero has correlation 1 with itself", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  fit$theta[] <- 0
  expect_equal(as.vector(attr(VarCorr(fit)$Batch, "correlation")), 1)
})

test_that("components print as a table", {
  fit <- rlmm(Reaction ~ 1 + Days + (1 + Days | Subject), sleepstudy, REML = FALSE)
  two <- rlmm(Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject), sleepstudy, REML = FALSE)
  expect_snapshot({
    VarCorr(fit)
    print(VarCorr(fit), comp = "Std.Dev.", digits = 3)
    print(VarCorr(fit), comp = "Var", corr = FALSE)
    VarCorr(two)
  })
  expect_snapshot(writeLines(error_lines(print(VarCorr(fit), comp = "sd"))))
})

test_that("numbers of very different size are written without exponents", {
  expect_identical(format_column(c(612.1234, 1.23456e-06), digits = 4), c("612.1", "1.235e-06"))
  expect_identical(format_column(c(612.1234, 35.07), digits = 4), c("612.12", " 35.07"))
})

# Extracted from test-varcorr.R:6

# setup ------------------------------------------------------------------------
library(testthat)
test_env <- simulate_test_env(package = "rlmm", path = "..")
attach(test_env, warn.conflicts = FALSE)

# test -------------------------------------------------------------------------
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

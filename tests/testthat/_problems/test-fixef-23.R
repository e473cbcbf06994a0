# Extracted from test-fixef.R:23

# setup ------------------------------------------------------------------------
library(testthat)
test_env <- simulate_test_env(package = "rlmm", path = "..")
attach(test_env, warn.conflicts = FALSE)

# test -------------------------------------------------------------------------
fit <- rlmm(Reaction ~ 1 + (Days | Subject), sleepstudy)
expect_named(coef(fit)$Subject, c("Days", "(Intercept)"))
expect_equal(coef(fit)$Subject$Days, ranef(fit)$Subject$Days)
fit <- suppressMessages(rlmm(score ~ 1 + (0 + Machine | Worker) + (1 | Machine:Worker), nlme::Machines))
expect_named(coef(fit)[["Machine:Worker"]], c("MachineA", "MachineB", "MachineC", "(Intercept)"))

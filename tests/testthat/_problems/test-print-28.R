# Extracted from test-print.R:28

# setup ------------------------------------------------------------------------
library(testthat)
test_env <- simulate_test_env(package = "rlmm", path = "..")
attach(test_env, warn.conflicts = FALSE)

# test -------------------------------------------------------------------------
dropped <- suppressMessages(rlmm(Reaction ~ Days + I(2 * Days) + (1 | Subject), sleepstudy))
singular <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
known <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, sigma = 50)
stopped <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
stopped$optsum$status <- "MAXEVAL_REACHED"
stopped$optsum$feval <- 20L
expect_snapshot({
    dropped
    singular
    known
    stopped
  })

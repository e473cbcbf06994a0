# Generalized models against lme4: what both must answer alike.

glmm_data <- function(seed = 1, n = 240, levels = 24) {
  set.seed(seed)
  d <- data.frame(
    x = rnorm(n),
    g = gl(levels, n / levels, labels = paste0("g", seq_len(levels))),
    w = rpois(n, 4) + 1
  )
  d$f <- gl(3, 1, n, labels = c("a", "b", "c"))
  d$eta <- 0.3 + 0.4 * d$x + 0.2 * (d$f == "b") + rnorm(levels, sd = 0.5)[d$g]
  d
}

# Tolerances: lme4 stops early (its own answers differ in the fourth digit between optimizers), so
# that the parameters agree less than the objective, which must not be higher than lme4's.
expect_like_glmer <- function(
  ours,
  theirs,
  tolerance = 2e-3,
  constant = 0,
  extra_df = 0
) {
  near <- function(a, b, tol = tolerance) {
    expect_equal(unclass(a), unclass(b), tolerance = tol, ignore_attr = TRUE)
  }
  log_lik <- as.numeric(logLik(theirs)) + constant
  expect_gt(as.numeric(logLik(ours)), log_lik - 1e-3)
  near(as.numeric(logLik(ours)), log_lik, 1e-5)
  expect_equal(attr(logLik(ours), "df"), attr(logLik(theirs), "df") - extra_df)
  expect_equal(nobs(ours), nobs(theirs))
  near(fixef(ours), lme4::fixef(theirs))
  near(
    vcov(ours, use.hessian = FALSE),
    as.matrix(suppressWarnings(vcov(theirs, use.hessian = FALSE)))
  )
  near(sigma(ours), sigma(theirs))
  near(
    as.data.frame(VarCorr(ours))$sdcor,
    as.data.frame(lme4::VarCorr(theirs))$sdcor
  )
  near(lapply(ranef(ours), as.matrix), lapply(lme4::ranef(theirs), as.matrix))
  near(
    as.data.frame(ranef(ours))$condsd,
    as.data.frame(lme4::ranef(theirs, condVar = TRUE))$condsd
  )
  near(deviance(ours), deviance(theirs))
  expect_equal(fitted(ours), fitted(theirs), tolerance = tolerance)
  expect_equal(residuals(ours), residuals(theirs), tolerance = tolerance)
  for (type in c("deviance", "pearson", "working", "response")) {
    expect_equal(
      residuals(ours, type = type),
      residuals(theirs, type = type),
      tolerance = tolerance,
      info = type
    )
  }
  for (type in c("link", "response")) {
    expect_equal(
      predict(ours, type = type),
      predict(theirs, type = type),
      tolerance = tolerance
    )
    expect_equal(
      predict(ours, type = type, re.form = NA),
      predict(theirs, type = type, re.form = NA),
      tolerance = tolerance
    )
  }
  near(weights(ours), weights(theirs))
  near(
    weights(ours, type = "working"),
    weights(theirs, type = "working"),
    2 * tolerance
  )
  near(getME(ours, "RX"), lme4::getME(theirs, "RX"))
  near(getME(ours, "y"), lme4::getME(theirs, "y"))
  near(getME(ours, "u"), lme4::getME(theirs, "u"), 2 * tolerance)
}

# A fit by glmer() that is evaluated where lme4 finds the variables of its arguments; warnings of
# lme4's convergence aren't what is tested.
glmer <- function(...) {
  call <- substitute(lme4::glmer(...))
  suppressMessages(suppressWarnings(eval(call, parent.frame())))
}

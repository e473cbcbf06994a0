# A fit against the best point that lme4 found: `beta` is how far fixed effects may be from its, in
# standard errors.
expect_best <- function(fit, best, name, beta) {
  expect_lte(
    fit$dev$objective - best$objective,
    1e-6,
    label = paste(name, "objective above lme4's best")
  )
  expect_lt(
    max(0, abs(fixef(fit) - unlist(best$beta)) / unlist(best$se)),
    beta,
    label = paste(name, "beta")
  )
  expect_equal(
    sigma(fit),
    best$sigma,
    tolerance = 1e-3,
    label = paste(name, "sigma")
  )
}

# Marginal means beside a large factor, against those with its dummy columns.

test_that("marginal means of other variables are averaged over the levels", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  tables <- \(fit, ...) {
    grid <- suppressMessages(emmeans::emmeans(fit, ~sex, ...))
    list(as.data.frame(grid), as.data.frame(pairs(grid)))
  }
  same <- \(fits, ...) {
    expect_equal(
      tables(fits$levels, ...),
      tables(fits$dummies, ...),
      tolerance = 1e-4,
      ignore_attr = TRUE
    )
  }
  same(by_both_codings(rlmm(y ~ x * sex + firm + (1 | worker), d), d))
  same(by_both_codings(
    rlmm(y ~ sex + firm + (1 | worker) + (1 | year), d, weights = w),
    d
  ))
  fits <- by_both_codings(
    rlmm(y ~ 0 + firm + sex + (x | worker), d, REML = FALSE),
    d
  )
  same(fits)
  same(fits, lmer.df = "asymptotic")
  trends <- lapply(
    by_both_codings(rlmm(y ~ x * sex + firm + (1 | worker), d), d),
    emmeans::emtrends,
    ~sex,
    "x"
  )
  expect_equal(
    as.data.frame(trends$levels),
    as.data.frame(trends$dummies),
    tolerance = 1e-4,
    ignore_attr = TRUE
  )
  # A level that isn't there, a column that depends on the levels: no mean of all.
  fit <- by_both_codings(
    rlmm(y ~ town + sex + firm + (1 | worker), d),
    d
  )$levels
  expect_error(
    emmeans::emmeans(fit, ~sex),
    class = "rlmm_error_large_factor"
  )
})

test_that("marginal means of the levels are those of dummy columns", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  tables <- \(fit) {
    means <- suppressMessages(emmeans::emmeans(fit, ~firm))
    by <- suppressMessages(emmeans::emmeans(fit, "firm", by = "sex"))
    differences <- emmeans::contrast(means, "trt.vs.ctrl1")
    lapply(list(means, by, differences), as.data.frame)
  }
  same <- \(fits) {
    expect_equal(
      tables(fits$levels),
      tables(fits$dummies),
      tolerance = 1e-4,
      ignore_attr = TRUE
    )
  }
  same(by_both_codings(rlmm(y ~ x * sex + firm + (1 | worker), d), d))
  same(by_both_codings(
    rlmm(y ~ 0 + firm + sex + (x | worker), d, weights = w, REML = FALSE),
    d
  ))
  d$count <- rpois(nrow(d), exp(d$y / 20))
  counts <- by_both_codings(
    rglmm(count ~ sex + firm + (1 | worker), d, poisson),
    d
  )
  found <- tables(counts$levels)
  expect_equal(
    found,
    tables(counts$dummies),
    tolerance = 0.01,
    ignore_attr = TRUE
  )
  fit <- by_both_codings(rlmm(y ~ sex + firm + (1 | worker), d), d)$levels
  fit$fixed$large$levels <- as.character(1:3000)
  expect_error(
    emmeans::emmeans(fit, ~firm),
    "of `firm` need a covariance matrix of all of its 3,000 levels, which takes"
  )
})

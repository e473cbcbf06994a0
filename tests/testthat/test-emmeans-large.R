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

test_that("an offset of the formula has its mean in the means", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  d$exposure <- 5 + d$w
  means <- function(fit, specs, ...) {
    as.data.frame(emmeans::emmeans(fit, specs, ...))[1:5, c("emmean", "SE")]
  }
  fits <- by_both_codings(
    rlmm(y ~ firm + x + sex + offset(exposure) + (1 | worker), d),
    d
  )
  for (specs in list(~sex, ~firm)) {
    expect_equal(
      means(fits$levels, specs),
      means(fits$dummies, specs),
      tolerance = 1e-6
    )
  }
  rlang::local_options(rlmm.large_factor = 20)
  sums <- rlmm_sums(y ~ firm + x + sex + offset(exposure) + (1 | worker), d)
  found <- means(rlmm(sums), ~sex, data = d)
  expect_equal(found, means(fits$dummies, ~sex), tolerance = 1e-6)
  sums <- rlmm_sums(y ~ firm + x + sex + (1 | worker), d, offset = exposure)
  found <- means(rlmm(sums), ~sex, data = d)
  expect_equal(found, means(fits$dummies, ~sex), tolerance = 1e-6)
})

test_that("the levels of a large factor have a mean where no other coefficient is", {
  skip_if_not_installed("emmeans")
  d <- made_data()
  d$n <- rpois(nrow(d), 3)
  mean_of <- \(fit) {
    as.data.frame(emmeans::emmeans(fit, ~1))[, c("emmean", "SE")]
  }
  fits <- by_both_codings(rlmm(y ~ 0 + firm + (1 | worker), d), d)
  expect_equal(mean_of(fits$levels), mean_of(fits$dummies), tolerance = 1e-6)
  fits <- by_both_codings(rlmm(y ~ 0 + firm:x + (1 | worker), d), d)
  slope_of <- \(fit) as.data.frame(emmeans::emtrends(fit, ~1, "x"))[, 2:3]
  expect_equal(slope_of(fits$levels), slope_of(fits$dummies), tolerance = 1e-6)
  fits <- by_both_codings(rglmm(n ~ 0 + firm + (1 | worker), d, poisson()), d)
  expect_equal(mean_of(fits$levels), mean_of(fits$dummies), tolerance = 1e-4)
})

# sleepstudy with the day as a factor of ten levels, as printed in 001 and 002. Each subject is seen once a day,
# so the variance within a cell and that of its residual can be told apart only through the assumption that all
# residuals have the same variance: the objective is flat along a ridge. Where the two documents stopped at
# different heights, the objective must be at or below the lower of them.

days <- transform(sleepstudy, days = factor(Days))

# The design is balanced, so these are differences of cell means whatever the covariance parameters are.
day_means <- c(
  "256.652", "7.84395", "8.71009", "26.3402", "31.9976", "51.8667", "55.5265", "62.0988", "79.9777", "94.1994"
)

expect_penalties <- function(fit, printed) {
  printed <- as.numeric(printed)
  penalties <- c(AIC(fit), AICc(fit), BIC(fit)) - deviance(fit)
  expect_equal(penalties, printed[3:5] - printed[2], tolerance = 1e-6)
}

test_that("unstructured, 55 parameters: at or below both printed optima", {
  fit <- ml(Reaction ~ 1 + days + (1 + days | Subject), days)
  expect_printed(fixef(fit), day_means)
  expect_penalties(fit, c("-805.3994", "1610.7987", "1742.7987", "1821.0642", "1953.5339"))
  expect_lte(deviance(fit), 1611.9897)
  skip_without_newton()
  expect_lte(deviance(fit), 1610.7987)
})

test_that("intercept apart from the days, 46 parameters: at or below both printed optima", {
  # (1 | subj) + (days | subj) of the documents: their second term has no intercept when the first has one.
  indicators <- paste0("dummy(days, '", 1:9, "')", collapse = " + ")
  formula <- reformulate(c("days", "(1 | Subject)", sprintf("(0 + %s | Subject)", indicators)), "Reaction")
  fit <- ml(formula, days)
  expect_printed(fixef(fit), day_means)
  expect_penalties(fit, c("-827.7749", "1655.5498", "1769.5498", "1823.7465", "1951.5483"))
  expect_identical(lengths(getME(fit, "cnms"), use.names = FALSE), c(1L, 9L))
  expect_lte(deviance(fit), 1655.5498)
  skip_without_newton()
  expect_lte(deviance(fit), 1631.7993)
})

test_that("fulldummy, 66 parameters: at or below both printed optima", {
  fit <- ml(Reaction ~ 1 + days + (1 + fulldummy(days) | Subject), days)
  expect_printed(fixef(fit), day_means)
  expect_penalties(fit, c("-805.3991", "1610.7982", "1764.7982", "1882.5630", "2010.6559"))
  expect_length(getME(fit, "theta"), 66)
  skip_without_newton()
  expect_lte(deviance(fit), 1610.7982 + 1e-4)
})

zerocorr_sd <- c(
  "30.9595", "0.0000", "0.0000", "0.0000", "0.0000", "22.7951", "41.2808", "24.6736", "35.6794", "41.8791", "20.8535"
)
zerocorr_variance <- c(
  "958.4877", "0.0000", "0.0000", "0.0000", "0.0000", "519.6167", "1704.1051", "608.7869", "1273.0228",
  "1753.8569", "434.8673"
)

test_that("zerocorr: independent effects of each day, in one term and in two", {
  formulas <- list(
    Reaction ~ 1 + days + zerocorr(1 + days | Subject),
    Reaction ~ 1 + days + (1 | Subject) + zerocorr(
      0 + dummy(days, "1") + dummy(days, "2") + dummy(days, "3") + dummy(days, "4") + dummy(days, "5") +
        dummy(days, "6") + dummy(days, "7") + dummy(days, "8") + dummy(days, "9") | Subject
    )
  )
  for (formula in formulas) {
    fit <- ml(formula, days)
    expect_criteria(fit, c("-882.9138", "1765.8276", "1807.8276", "1813.6757", "1874.8797"))
    expect_varcorr(fit, zerocorr_variance, zerocorr_sd)
    expect_coefs(
      fit, day_means,
      c(
        "8.79822", "6.95116", "6.95116", "6.95116", "6.95116", "8.78557", "11.9579", "9.06312", "10.9106", "12.0729"
      ),
      c("29.17", "1.13", "1.25", "3.79", "4.60", "5.90", "4.64", "6.85", "7.33", "7.80"),
      c("<1e-99", "0.2591", "0.2102", "0.0002", "<1e-05", "<1e-08", "<1e-05", "<1e-11", "<1e-12", "<1e-14")
    )
    expect_true(isSingular(fit))
  }
})

test_that("zerocorr with fulldummy: an independent effect for each of the ten days", {
  fit <- ml(Reaction ~ 1 + days + zerocorr(1 + fulldummy(days) | Subject), days)
  expect_criteria(fit, c("-878.9843", "1757.9686", "1801.9686", "1808.4145", "1872.2137"))
  expect_coefs(
    fit, day_means,
    c(
      "10.7804", "9.11387", "8.68869", "7.95052", "8.10366", "10.0217", "12.6429", "10.6622", "12.0075", "13.2609"
    ),
    c("23.81", "0.86", "1.00", "3.31", "3.95", "5.18", "4.39", "5.82", "6.66", "7.10"),
    c("<1e-99", "0.3894", "0.3161", "0.0009", "<1e-04", "<1e-06", "<1e-04", "<1e-08", "<1e-10", "<1e-11")
  )
  expect_varcorr(
    fit,
    c(
      "1135.22369", "775.53471", "357.33070", "221.08627", "0.00000", "44.25126", "670.03272", "1739.38985",
      "908.48034", "1457.44632", "2027.51717", "181.13013"
    ),
    c(
      "33.69308", "27.84842", "18.90319", "14.86897", "0.00000", "6.65216", "25.88499", "41.70599", "30.14101",
      "38.17652", "45.02796", "13.45846"
    )
  )
})

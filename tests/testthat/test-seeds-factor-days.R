# sleepstudy with the day as a factor of ten levels, as printed in 001 and 002. Each subject is seen
# once a day, so the variance within a cell and that of its residual can be told apart only through
# the assumption that all residuals have the same variance: the objective is flat along a ridge.
# Where the two documents stopped at different heights, the objective must be at or below the lower
# of them.

days <- transform(sleepstudy, days = factor(Days))

# The design is balanced, so these are differences of cell means whatever the covariance parameters
# are.
day_means <- c(
  "256.652",
  "7.84395",
  "8.71009",
  "26.3402",
  "31.9976",
  "51.8667",
  "55.5265",
  "62.0988",
  "79.9777",
  "94.1994"
)

expect_penalties <- function(fit, printed) {
  printed <- as.numeric(printed)
  penalties <- c(AIC(fit), AICc(fit), BIC(fit)) - deviance(fit)
  expect_equal(penalties, printed[3:5] - printed[2], tolerance = 1e-6)
}

# Every subject has every day, so the standard errors follow from the printed standard deviations,
# whatever the correlations are: of these only two digits are printed.
expect_standard_errors <- function(fit, sd, se) {
  theta <- numeric(length(getME(fit, "theta")))
  theta[getME(fit, "lower") == 0] <- diagonal_theta(sd)
  printed <- coef(summary(fit_at(fit, theta)))
  # Standard deviations are relative to the printed one of the residuals.
  scale <- as.numeric(sd[length(sd)]) / sigma(fit_at(fit, theta))
  expect_printed(scale * printed[, "Std. Error"], se, within = 1e-5)
}

# (1 | subj) + (days | subj) of the documents: the second term has no intercept when the first has
# one.
two_terms <- function(second) {
  indicators <- paste0("dummy(days, '", 1:9, "')", collapse = " + ")
  reformulate(
    c("days", "(1 | Subject)", sprintf(second, indicators)),
    "Reaction"
  )
}

# 180 observations, 180 and more random effects: refused unless asked for.
any_size <- rlmm_control(check_nobs_vs_nre = "ignore")

test_that("unstructured, 55 parameters: at or below both printed optima", {
  fit <- ml(
    Reaction ~ 1 + days + (1 + days | Subject),
    days,
    control = any_size
  )
  expect_printed(fixef(fit), day_means, within = optimizer_error)
  expect_penalties(
    fit,
    c("-805.3994", "1610.7987", "1742.7987", "1821.0642", "1953.5339")
  )
  expect_standard_errors(
    fit,
    c(
      "30.89758",
      "22.32370",
      "30.26992",
      "35.62257",
      "38.56292",
      "47.98127",
      "62.06272",
      "42.52519",
      "56.21376",
      "55.55215",
      "4.33488"
    ),
    c(
      "7.35396",
      "5.45654",
      "7.27954",
      "8.51975",
      "9.2035",
      "11.4012",
      "14.6995",
      "10.1269",
      "13.3283",
      "13.1733"
    )
  )
  expect_standard_errors(
    fit,
    c(
      "30.82912",
      "22.20058",
      "30.17130",
      "35.54032",
      "38.46903",
      "47.88779",
      "62.04949",
      "42.43113",
      "56.09455",
      "55.44074",
      "4.57774"
    ),
    c(
      "7.34616",
      "5.45067",
      "7.27331",
      "8.51478",
      "9.19474",
      "11.3899",
      "14.7046",
      "10.1169",
      "13.3094",
      "13.1563"
    )
  )
  # A free mean for each day and a free covariance matrix between them: the maximum has a closed
  # form.
  subjects <- matrix(sleepstudy$Reaction, nrow = 18, byrow = TRUE)
  covariance <- crossprod(scale(subjects, scale = FALSE)) / 18
  closed_form <- 180 *
    log(2 * pi) +
    18 * as.numeric(determinant(covariance)$modulus) +
    180
  expect_equal(closed_form, 1610.798227633, tolerance = 1e-12)
  expect_lte(abs(deviance(fit) - closed_form), 1e-6)
})

test_that("intercept apart from the days, 46 parameters: at or below both printed optima", {
  fit <- ml(two_terms("(0 + %s | Subject)"), days)
  expect_printed(fixef(fit), day_means, within = optimizer_error)
  expect_penalties(
    fit,
    c("-827.7749", "1655.5498", "1769.5498", "1823.7465", "1951.5483")
  )
  expect_identical(lengths(getME(fit, "cnms"), use.names = FALSE), c(1L, 9L))
  expect_standard_errors(
    fit,
    c(
      "28.1012",
      "0.0000",
      "18.9150",
      "26.1672",
      "30.8162",
      "41.8479",
      "57.9435",
      "39.2323",
      "52.2990",
      "52.6038",
      "11.6192"
    ),
    c(
      "7.16738",
      "3.87307",
      "5.90569",
      "7.28291",
      "8.23155",
      "10.5968",
      "14.196",
      "10.0255",
      "12.9211",
      "12.9897"
    )
  )
  expect_standard_errors(
    fit,
    c(
      "30.26124",
      "21.21735",
      "29.06886",
      "34.74931",
      "37.78074",
      "47.32583",
      "61.50927",
      "41.97644",
      "55.66825",
      "55.25798",
      "5.97226"
    ),
    c(
      "7.27022",
      "5.38264",
      "7.13495",
      "8.42895",
      "9.12481",
      "11.3311",
      "14.6339",
      "10.0922",
      "13.2713",
      "13.1757"
    )
  )
  # 001 prints 1655.5498, a saddle of the objective.
  expect_lte(deviance(fit), 1631.7993 + 5e-5)
})

test_that("fulldummy, 66 parameters: at or below both printed optima", {
  fit <- ml(
    Reaction ~ 1 + days + (1 + fulldummy(days) | Subject),
    days,
    control = any_size
  )
  expect_printed(fixef(fit), day_means, within = optimizer_error)
  expect_penalties(
    fit,
    c("-805.3991", "1610.7982", "1764.7982", "1882.5630", "2010.6559")
  )
  expect_length(getME(fit, "theta"), 66)
  expect_lte(deviance(fit), 1610.7982 + 5e-5)
})

# With a diagonal Lambda the printed standard deviations give theta, and theta everything else. 001
# and 002 stopped in different places.
expect_table <- function(fit, sd, variance, se, z, p) {
  printed <- fit_at(fit, diagonal_theta(sd))
  expect_printed(deviance(printed), sprintf("%.4f", deviance(fit)))
  expect_varcorr(printed, variance, sd, within = 1e-5)
  expect_coefs(printed, day_means, se, z, p, within = 1e-5)
}

test_that("zerocorr: independent effects of each day, in one term and in two", {
  formulas <- list(
    Reaction ~ 1 + days + zerocorr(1 + days | Subject),
    two_terms("zerocorr(0 + %s | Subject)")
  )
  for (formula in formulas) {
    fit <- ml(formula, days, control = any_size)
    expect_criteria(
      fit,
      c("-882.9138", "1765.8276", "1807.8276", "1813.6757", "1874.8797")
    )
    expect_true(isSingular(fit))
    expect_identical(
      round(as.data.frame(VarCorr(fit))$sdcor[2:5], 3),
      numeric(4)
    )
    expect_table(
      fit,
      sd = c(
        "30.9595",
        "0.0000",
        "0.0000",
        "0.0000",
        "0.0000",
        "22.7951",
        "41.2808",
        "24.6736",
        "35.6794",
        "41.8791",
        "20.8535"
      ),
      variance = c(
        "958.4877",
        "0.0000",
        "0.0000",
        "0.0000",
        "0.0000",
        "519.6167",
        "1704.1051",
        "608.7869",
        "1273.0228",
        "1753.8569",
        "434.8673"
      ),
      se = c(
        "8.79822",
        "6.95116",
        "6.95116",
        "6.95116",
        "6.95116",
        "8.78557",
        "11.9579",
        "9.06312",
        "10.9106",
        "12.0729"
      ),
      z = c(
        "29.17",
        "1.13",
        "1.25",
        "3.79",
        "4.60",
        "5.90",
        "4.64",
        "6.85",
        "7.33",
        "7.80"
      ),
      p = c(
        "<1e-99",
        "0.2591",
        "0.2102",
        "0.0002",
        "<1e-05",
        "<1e-08",
        "<1e-05",
        "<1e-11",
        "<1e-12",
        "<1e-14"
      )
    )
    expect_table(
      fit,
      sd = c(
        "30.9601",
        "0.0000",
        "0.0000",
        "0.0000",
        "0.0000",
        "22.7948",
        "41.2792",
        "24.6730",
        "35.6796",
        "41.8794",
        "20.8536"
      ),
      variance = c(
        "958.5297",
        "0.0000",
        "0.0000",
        "0.0000",
        "0.0000",
        "519.6024",
        "1703.9712",
        "608.7564",
        "1273.0349",
        "1753.8800",
        "434.8706"
      ),
      se = c(
        "8.79836",
        "6.95118",
        "6.95118",
        "6.95118",
        "6.95118",
        "8.78554",
        "11.9576",
        "9.06304",
        "10.9107",
        "12.073"
      ),
      z = c(
        "29.17",
        "1.13",
        "1.25",
        "3.79",
        "4.60",
        "5.90",
        "4.64",
        "6.85",
        "7.33",
        "7.80"
      ),
      p = c(
        "<1e-99",
        "0.2591",
        "0.2102",
        "0.0002",
        "<1e-05",
        "<1e-08",
        "<1e-05",
        "<1e-11",
        "<1e-12",
        "<1e-14"
      )
    )
  }
})

test_that("zerocorr with fulldummy: an independent effect for each of the ten days", {
  fit <- ml(
    Reaction ~ 1 + days + zerocorr(1 + fulldummy(days) | Subject),
    days,
    control = any_size
  )
  expect_criteria(
    fit,
    c("-878.9843", "1757.9686", "1801.9686", "1808.4145", "1872.2137")
  )
  z <- c(
    "23.81",
    "0.86",
    "1.00",
    "3.31",
    "3.95",
    "5.18",
    "4.39",
    "5.82",
    "6.66",
    "7.10"
  )
  expect_table(
    fit,
    sd = c(
      "33.69308",
      "27.84842",
      "18.90319",
      "14.86897",
      "0.00000",
      "6.65216",
      "25.88499",
      "41.70599",
      "30.14101",
      "38.17652",
      "45.02796",
      "13.45846"
    ),
    variance = c(
      "1135.22369",
      "775.53471",
      "357.33070",
      "221.08627",
      "0.00000",
      "44.25126",
      "670.03272",
      "1739.38985",
      "908.48034",
      "1457.44632",
      "2027.51717",
      "181.13013"
    ),
    se = c(
      "10.7804",
      "9.11387",
      "8.68869",
      "7.95052",
      "8.10366",
      "10.0217",
      "12.6429",
      "10.6622",
      "12.0075",
      "13.2609"
    ),
    z,
    p = c(
      "<1e-99",
      "0.3894",
      "0.3161",
      "0.0009",
      "<1e-04",
      "<1e-06",
      "<1e-04",
      "<1e-08",
      "<1e-10",
      "<1e-11"
    )
  )
  expect_table(
    fit,
    sd = c(
      "33.69299",
      "27.88044",
      "18.94860",
      "14.91841",
      "1.20904",
      "6.76758",
      "25.91617",
      "41.72863",
      "30.16752",
      "38.19845",
      "45.04740",
      "13.39972"
    ),
    variance = c(
      "1135.21785",
      "777.31917",
      "359.04932",
      "222.55893",
      "1.46177",
      "45.80020",
      "671.64764",
      "1741.27833",
      "910.07914",
      "1459.12167",
      "2029.26857",
      "179.55251"
    ),
    se = c(
      "10.7809",
      "9.11493",
      "8.68902",
      "7.95084",
      "8.10427",
      "10.0224",
      "12.6441",
      "10.6628",
      "12.0082",
      "13.2617"
    ),
    z,
    p = c(
      "<1e-99",
      "0.3895",
      "0.3161",
      "0.0009",
      "<1e-04",
      "<1e-06",
      "<1e-04",
      "<1e-08",
      "<1e-10",
      "<1e-11"
    )
  )
})

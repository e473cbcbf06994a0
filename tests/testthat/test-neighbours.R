# Generalized models whose likelihood is nearly flat on the way to a singular covariance, which is
# the best: no search may end above a singular covariance that is known.

flat_data <- function(file) {
  data <- read.csv(test_path("optima", file))
  factors <- intersect(c("f", "g", "h"), names(data))
  data[factors] <- lapply(data[factors], factor)
  data
}

# A fit against the criterion at given parameters.
expect_not_above <- function(fit, parameters) {
  criterion <- update(fit, devFunOnly = TRUE)
  expect_lt(fit$dev$objective, criterion(parameters) + 1e-8)
  expect_equal(certificate(fit)$verdict, "optimal")
}

test_that("a correlation goes to its limit, however little that gains", {
  fit <- suppressMessages(rglmm(
    y ~ g + (0 + x | g) + cs(f + x | h, hom = TRUE),
    flat_data("glmm-59201252.csv"),
    gaussian("inverse"),
    nAGQ = 0
  ))
  expect_not_above(fit, c(0, 2.567191225e-08, 1))
})

test_that("standard deviations go to zero", {
  fit <- suppressMessages(rglmm(
    y ~ x + (z + x || g),
    flat_data("glmm-65500903.csv"),
    Gamma("log")
  ))
  # The slopes of z alone.
  expect_not_above(
    fit,
    c(0, 2.088885109e-05, 0, 1.195832266e+05, -2.753620392e-01)
  )
})

test_that("a covariance goes to a lower rank", {
  fit <- suppressMessages(rglmm(
    y ~ 1 + (x * z | g),
    flat_data("glmm-59200923.csv"),
    nbinom1("log"),
    nAGQ = 0
  ))
  # Effects that are multiples of the intercept, and the shape.
  multiples <- c(2.54786194, 18.574391, -0.0403463407, -0.29727969)
  expect_not_above(fit, c(multiples, rep(0, 6), 0.8051927940793))
})

# A covariance of two effects is the same for both structures. At Lambda = [0 0; 0 s] no slope
# shows that the first effect varies too.
test_that("an intercept without variance isn't the end if slopes could be its multiples", {
  set.seed(5)
  data <- data.frame(g = gl(8, 15), h = gl(15, 1, 120), x = rnorm(120))
  slopes <- rnorm(120) + rnorm(8)[data$g] * data$x
  data$y <- exp((slopes + rnorm(8)[data$g]) / 4)
  fit <- \(formula) suppressMessages(rglmm(formula, data, Gamma("log")))
  unstructured <- fit(y ~ g + (x | g))
  expect_equal(
    as.numeric(logLik(unstructured)),
    as.numeric(logLik(fit(y ~ g + cs(x | g)))),
    tolerance = 1e-9
  )
})

herds <- rglmm(
  cbind(incidence, size - incidence) ~ period + (1 | herd),
  cbpp,
  family = binomial
)

test_that("the covariance matrix is glmmTMB's", {
  # glmmTMB 1.1.14, vcovHC() of the same model, by the Laplace approximation.
  expected <- c(
    0.0819331282,
    -0.0958953224,
    -0.07049922073,
    -0.05739526133,
    0.2064015488,
    0.17356527117,
    0.0562423784,
    0.26338897593,
    0.00819734374,
    0.13091158702
  )
  found <- vcov(herds, type = "CR0")
  expect_equal(found[lower.tri(found, TRUE)], expected, tolerance = 1e-4)
  expect_equal(vcov(herds, type = "CR1"), found * 15 / 14)
  expect_equal(vcov(herds, type = "CR1S"), found * 15 / 14 * 55 / 52)
})

test_that("scores of groups are those of the likelihood integrated over their effect", {
  fit <- update(herds, nAGQ = 40)
  groups <- independent_groups(fit)
  x <- fixed_matrix(fit)
  loglik <- function(rows, parameters) {
    eta <- drop(x[rows, , drop = FALSE] %*% parameters[-1])
    density <- \(u) {
      p <- plogis(outer(parameters[1] * u, eta, `+`))
      of_row <- vapply(
        seq_along(rows),
        \(j) dbinom(cbpp$incidence[rows[j]], cbpp$size[rows[j]], p[, j], TRUE),
        u
      )
      exp(rowSums(of_row)) * dnorm(u)
    }
    log(integrate(density, -8, 8, rel.tol = 1e-10)$value)
  }
  expected <- t(vapply(
    split(seq_along(groups), groups),
    \(rows) {
      vapply(
        seq_along(fit$parameters),
        \(j) {
          step <- replace(0 * fit$parameters, j, 1e-4)
          up <- loglik(rows, fit$parameters + step)
          (up - loglik(rows, fit$parameters - step)) / 2e-4
        },
        0
      )
    },
    0 * fit$parameters
  ))
  expect_equal(
    group_scores(fit, groups),
    expected,
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  expect_equal(colSums(group_scores(fit, groups)), numeric(5), tolerance = 1e-3)
})

test_that("tests take the robust standard errors", {
  table <- coef(summary(herds, vcov = "CR1"))
  expect_equal(table[, 2], sqrt(diag(vcov(herds, type = "CR1"))))
  expect_equal(colnames(table)[3], "z value")
  found <- anova(herds, vcov = "CR1")
  robust <- vcov(herds, type = "CR1")[-1, -1]
  expect_equal(
    found$Chisq,
    drop(fixef(herds)[-1] %*% solve(robust, fixef(herds)[-1]))
  )
})

test_that("what generalized models don't have is told", {
  fast <- update(herds, nAGQ = 0)
  expect_snapshot({
    writeLines(error_lines(vcov(herds, type = "CR2")))
    writeLines(error_lines(vcov(herds, type = "CR1", cluster = ~period)))
    writeLines(error_lines(vcov(fast, type = "CR1")))
  })
})

test_that("fewer clusters than coefficients have no joint test", {
  cbpp$part <- factor(as.integer(cbpp$herd) %% 3)
  parts <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  found <- anova(parts, vcov = "CR1", cluster = ~part)
  expect_identical(found$Df, 3L)
  expect_true(is.na(found$Chisq))
})

test_that("without information about the parameters the error says so", {
  set.seed(2)
  data <- data.frame(x = c(-5:-1, 1:5), g = rep(letters[1:5], 2))
  data$y <- as.integer(data$x > 0)
  fit <- suppressWarnings(suppressMessages(
    rglmm(y ~ x + (x | g), data, family = binomial)
  ))
  expect_error(vcov(fit, type = "CR0"), class = "rlmm_error_not_available")
})

# Far from zero the correlation of `cs()` is near a limit. The truth is the fit with the covariate
# near zero.
test_that("second derivatives stay within the range of correlations", {
  set.seed(3)
  data <- data.frame(g = factor(sample(15, 300, TRUE)))
  data$x <- round(runif(300, 0, 30))
  slopes <- 0.02 + rnorm(15, sd = 0.03)[data$g]
  data$k <- rpois(300, exp(0.2 + rnorm(15, sd = 0.6)[data$g] + slopes * data$x))
  fit_at <- function(origin) {
    data$x <- data$x + origin
    rglmm(k ~ x + cs(1 + x | g), data, poisson())
  }
  slope <- \(covariance) sqrt(covariance["x", "x"])
  near <- fit_at(0)
  far <- fit_at(100)
  robust <- \(fit) slope(vcov(fit, type = "CR0"))
  expect_equal(robust(far), robust(near), tolerance = 1e-3)
  model_based <- \(fit) slope(solve(-hessian(fit)))
  expect_equal(model_based(far), model_based(near), tolerance = 1e-3)
  expect_error(hessian(fit_at(1e4)), class = "rlmm_error_origin")
})

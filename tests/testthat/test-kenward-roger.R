# Kenward and Roger's formulas by dense algebra, with matrices of n rows and the covariances
# themselves as parameters.

#' Derivatives of Sigma: for each term those of its covariances, last that of the residual variance
dense_slopes <- function(fit, weights) {
  zs <- lapply(term_designs(fit), \(design) {
    column_indicators(design$z, design$refs)
  })
  of_term <- \(z) {
    k <- length(z)
    cells <- which(lower.tri(diag(k), diag = TRUE), arr.ind = TRUE)
    lapply(seq_len(nrow(cells)), \(i) {
      product <- tcrossprod(z[[cells[i, 1]]], z[[cells[i, 2]]])
      if (cells[i, 1] == cells[i, 2]) product else product + t(product)
    })
  }
  c(do.call(c, lapply(zs, of_term)), list(diag(1 / weights)))
}

# A matrix with a column for each level, for each column of z.
column_indicators <- function(z, refs) {
  lapply(seq_len(ncol(z)), \(j) {
    z[, j] * outer(refs, seq_len(max(refs)), `==`)
  })
}

dense_sigma <- function(fit, weights) {
  zl <- as.matrix(random_matrix(fit) %*% lambda_matrix(fit))
  fit$sigma^2 * (tcrossprod(zl) + diag(1 / weights))
}

dense_kenward_roger <- function(fit, slopes = NULL) {
  weights <- working_weights(fit)
  slopes <- if (is.null(slopes)) dense_slopes(fit, weights) else slopes
  x <- fixed_matrix(fit)
  inverse <- solve(dense_sigma(fit, weights))
  phi <- solve(t(x) %*% inverse %*% x)
  projection <- inverse - inverse %*% x %*% phi %*% t(x) %*% inverse
  through <- lapply(slopes, \(slope) projection %*% slope)
  information <- outer(
    seq_along(slopes),
    seq_along(slopes),
    Vectorize(
      \(r, s) sum(through[[r]] * t(through[[s]]))
    )
  )
  w <- 2 * solve(information)
  bend <- 0 * phi
  for (r in seq_along(slopes)) {
    for (s in seq_along(slopes)) {
      half <- inverse %*% x
      q <- t(half) %*% slopes[[r]] %*% projection %*% slopes[[s]] %*% half
      bend <- bend + w[r, s] * q
    }
  }
  list(
    covariance = phi + 2 * phi %*% bend %*% phi,
    phi = phi,
    w = w,
    slopes = lapply(slopes, \(slope) {
      -t(inverse %*% x) %*% slope %*% inverse %*% x
    })
  )
}

# The joint test by the formulas of Halekoh and Hojsgaard (2014), section 4.
dense_test <- function(found, L, beta) {
  q <- nrow(L)
  theta <- t(L) %*% solve(L %*% found$phi %*% t(L)) %*% L
  parts <- lapply(found$slopes, \(p) theta %*% found$phi %*% p %*% found$phi)
  n <- seq_along(parts)
  a1 <- sum(
    found$w *
      outer(
        n,
        n,
        Vectorize(
          \(i, j) sum(diag(parts[[i]])) * sum(diag(parts[[j]]))
        )
      )
  )
  a2 <- sum(
    found$w *
      outer(
        n,
        n,
        Vectorize(
          \(i, j) sum(diag(parts[[i]] %*% parts[[j]]))
        )
      )
  )
  b <- (a1 + 6 * a2) / (2 * q)
  g <- ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
  below <- 3 * q + 2 * (1 - g)
  mean <- 1 / (1 - a2 / q)
  variance <- 2 /
    q *
    (1 + g / below * b) /
    ((1 - (q - g) / below * b)^2 * (1 - (q + 2 - g) / below * b))
  rho <- variance / (2 * mean^2)
  m <- 4 + (q + 2) / (q * rho - 1)
  scale <- m / (mean * (m - 2))
  estimate <- L %*% beta
  f <- t(estimate) %*% solve(L %*% found$covariance %*% t(L)) %*% estimate / q
  c(DenDF = m, f = scale * f)
}

expect_dense <- function(fit, slopes = NULL) {
  info <- deparse1(formula(fit))
  expected <- dense_kenward_roger(fit, slopes)
  expect_equal(
    vcov(fit, type = "Kenward-Roger"),
    expected$covariance,
    tolerance = 1e-7,
    ignore_attr = TRUE,
    info = info
  )
  p <- length(fit$beta)
  L <- diag(p)[-1, , drop = FALSE]
  found <- contest(fit, L, ddf = "Kenward-Roger")
  expect_equal(
    c(found$DenDF, found[["F value"]]),
    dense_test(expected, L, fit$beta),
    tolerance = 1e-6,
    ignore_attr = TRUE,
    info = info
  )
  df <- coef(summary(fit, ddf = "Kenward-Roger"))[, "df"]
  each <- vapply(
    seq_len(p),
    \(i) dense_test(expected, diag(p)[i, , drop = FALSE], fit$beta)[["DenDF"]],
    0
  )
  expect_equal(df, each, tolerance = 1e-6, ignore_attr = TRUE, info = info)
}

crossed_data <- function(n = 120, seed = 1) {
  set.seed(seed)
  data <- data.frame(
    g = factor(sample(letters[1:8], n, TRUE)),
    h = factor(sample(LETTERS[1:6], n, TRUE)),
    x = rnorm(n),
    f = factor(sample(c("a", "b", "c"), n, TRUE)),
    w = runif(n, 0.5, 2)
  )
  effects <- matrix(rnorm(16), 8)
  data$y <- effects[data$g, 1] +
    effects[data$g, 2] * data$x +
    rnorm(6)[data$h] +
    rnorm(n) / sqrt(data$w)
  data
}

test_that("the covariance matrix and tests are those of dense algebra", {
  data <- crossed_data()
  formulas <- list(
    y ~ x + (1 | g),
    y ~ x * f + (x | g),
    y ~ x + f + (1 | g) + (1 | h),
    y ~ x + f + (x | g) + (1 | h),
    y ~ x + f + (1 | g) + (x | h),
    y ~ x + (1 | g) + (1 | g:h),
    y ~ x + (1 | g) + (1 | h) + (1 | f)
  )
  for (formula in formulas) {
    expect_dense(suppressMessages(rlmm(formula, data, weights = w)))
  }
})

test_that("a singular fit has the variances that are zero among the estimated", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  # lmerTest 3.2-1 with pbkrtest 0.5.5 has 5 as well.
  expect_equal(coef(summary(fit, ddf = "Kenward-Roger"))[, "df"], 5)
  data <- crossed_data()
  data$y <- data$x + rep(c(-1, 1), 60)
  fit <- suppressMessages(rlmm(y ~ x + f + (1 | g) + (x | h), data))
  expect_true(isSingular(fit))
  expect_dense(fit)
})

test_that("the tests are pbkrtest's", {
  skip_if_not_installed("lme4")
  data <- lme4::cake[-c(3, 7, 20:30, 100:109), ]
  fit <- rlmm(angle ~ recipe * temperature + (1 | recipe:replicate), data)
  found <- anova(fit, ddf = "Kenward-Roger")
  # lmerTest 3.2-1 with pbkrtest 0.5.5; their optimum has about six digits.
  expect_equal(
    found$DenDF,
    c(39.87862158, 189.64759766, 189.64112368),
    tolerance = 1e-6
  )
  expect_equal(
    found[["F value"]],
    c(0.5451983592, 17.8074932253, 1.0661067437),
    tolerance = 1e-6
  )
  expect_equal(
    found[["Sum Sq"]],
    c(20.47109928, 1671.58806915, 200.15077519),
    tolerance = 1e-6
  )
  second <- anova(fit, type = 2, ddf = "kenward-roger")
  expect_equal(second$DenDF[1], 39.87408218, tolerance = 1e-6)
  expect_snapshot(writeLines(attr(second, "heading")))
})

test_that("at the same estimates the tests are pbkrtest's to many digits", {
  skip_if_not_installed("lme4")
  skip_if_not_installed("pbkrtest")
  data <- crossed_data()
  formulas <- list(
    y ~ x * f + (x | g),
    y ~ x + f + (x | g) + (1 | h),
    y ~ x + (1 | g) + (1 | g:h)
  )
  for (formula in formulas) {
    fit <- suppressMessages(rlmm(formula, data))
    theirs <- as_merMod(fit)
    expect_equal(
      vcov(fit, type = "Kenward-Roger"),
      as.matrix(getExportedValue("pbkrtest", "vcovAdj")(theirs)),
      tolerance = 1e-7,
      ignore_attr = TRUE
    )
    p <- length(fit$beta)
    L <- diag(p)[-1, , drop = FALSE]
    found <- contest(fit, L, ddf = "Kenward-Roger")
    expected <- getExportedValue("pbkrtest", "KRmodcomp")(theirs, L)$stats
    expect_equal(found$DenDF, expected$ddf, tolerance = 1e-6)
    expect_equal(found[["F value"]], expected$Fstat, tolerance = 1e-6)
  }
})

test_that("a covariate far from zero costs no digits", {
  near <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  sleepstudy$year <- sleepstudy$Days + 2000
  far <- rlmm(Reaction ~ year + (year | Subject), sleepstudy)
  df <- coef(summary(far, ddf = "Kenward-Roger"))["year", c("df", "t value")]
  expect_equal(
    df,
    coef(summary(near, ddf = "Kenward-Roger"))["Days", c("df", "t value")],
    tolerance = 1e-5
  )
})

differenced_slopes <- function(fit) {
  weights <- working_weights(fit)
  sigma_at <- \(shift, step) {
    fit$theta <- fit$theta + shift * step
    dense_sigma(fit, weights)
  }
  step <- 1e-4
  slopes <- lapply(seq_along(fit$theta), \(i) {
    shift <- replace(0 * fit$theta, i, 1)
    (sigma_at(shift, step) - sigma_at(shift, -step)) / (2 * step)
  })
  c(slopes, list(dense_sigma(fit, weights)))
}

test_that("structures have as many directions as parameters", {
  machines <- as.data.frame(nlme::Machines)
  # One variance and one correlation are the same model as two nested variances.
  one <- rlmm(score ~ Machine + cs(0 + Machine | Worker, hom = TRUE), machines)
  two <- rlmm(score ~ Machine + (1 | Worker / Machine), machines)
  expect_equal(
    coef(summary(one, ddf = "Kenward-Roger")),
    coef(summary(two, ddf = "Kenward-Roger")),
    tolerance = 1e-5
  )
  # Sigma's derivatives by differences.
  sleepstudy$day <- factor(sleepstudy$Days)
  sleepstudy <- sleepstudy[-c(3, 25, 80:84), ]
  control <- rlmm_control(check_nobs_vs_nre = "ignore")
  for (formula in list(
    Reaction ~ Days + ar1(0 + day | Subject),
    Reaction ~ Days + cs(Days | Subject)
  )) {
    fit <- suppressMessages(rlmm(formula, sleepstudy, control = control))
    expect_dense(fit, differenced_slopes(fit))
  }
})

test_that("a slope of balanced data has no loss where sigma is known", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, sigma = 30)
  expect_identical(coef(summary(fit, ddf = "Kenward-Roger"))["Days", "df"], Inf)
})

test_that("what is held counts as known", {
  data <- crossed_data()
  formula <- y ~ x + f + (1 | g) + (1 | h)
  fit_with <- \(fixed) {
    suppressMessages(rlmm(formula, data, control = rlmm_control(fixed = fixed)))
  }
  all <- fit_with(list(
    theta = c(`g.(Intercept)` = 1, `h.(Intercept)` = 1),
    sigma = 1
  ))
  table <- coef(summary(all, ddf = "Kenward-Roger"))
  expect_identical(unname(table[, "df"]), rep(Inf, 4))
  expect_equal(vcov(all, type = "Kenward-Roger"), vcov(all), tolerance = 1e-12)

  relative <- fit_with(list(theta = c(`g.(Intercept)` = 1)))
  slopes <- dense_slopes(relative, rep(1, 120))
  # The held term changes with sigma.
  expect_dense(relative, list(slopes[[1]] + slopes[[3]], slopes[[2]]))

  absolute <- fit_with(list(cov = list(g = 2)))
  expect_dense(absolute, dense_slopes(absolute, rep(1, 120))[2:3])

  beta <- fit_with(list(beta = c(x = 0.5)))
  expect_equal(vcov(beta, type = "Kenward-Roger")["x", ], 0 * beta$beta)
  expect_true(is.na(coef(summary(beta, ddf = "Kenward-Roger"))["x", "df"]))
})

test_that("fits that the method isn't for are told", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  expect_snapshot({
    writeLines(error_lines(summary(fit, ddf = "Kenward-Roger")))
    writeLines(error_lines(check_trailing_size(1e5, list(list(group = "g")))))
    writeLines(error_lines(vcov(fit, type = "sandwich")))
  })
  ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  expect_error(
    summary(ticks, ddf = "Kenward-Roger"),
    class = "rlmm_error_not_available"
  )
})

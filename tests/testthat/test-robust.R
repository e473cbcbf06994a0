cake_fit <- function() {
  skip_if_not_installed("lme4")
  data <- lme4::cake[-c(3, 7, 20:30, 100:109), ]
  data$pan <- interaction(data$recipe, data$replicate)
  rlmm(angle ~ recipe * temp + (1 | pan), data)
}

test_that("standard errors, degrees of freedom and joint tests are clubSandwich's", {
  fit <- cake_fit()
  # clubSandwich 0.7.0: vcovCR(), coef_test() and Wald_test(test = "HTZ") of the interaction.
  errors <- list(
    CR0 = c(
      6.91071888749,
      8.96300350232,
      8.56598452548,
      0.0339452903,
      0.04290909039,
      0.04257708433
    ),
    CR1 = c(
      6.99250538979,
      9.06907824193,
      8.66736065212,
      0.03434702369,
      0.04341690796,
      0.04308097269
    ),
    CR1S = c(
      7.06466937968,
      9.1626728599,
      8.75680946791,
      0.03470149153,
      0.04386497873,
      0.04352557654
    ),
    CR2 = c(
      7.16450279407,
      9.29508860628,
      8.8836239946,
      0.03522169085,
      0.04455300403,
      0.04418034096
    )
  )
  plain <- c(
    13.37527437,
    25.66473759,
    26.37316141,
    13.05407885,
    25.09980464,
    26.05169325
  )
  reduced <- c(
    13.35390422,
    25.60736003,
    26.35193749,
    13.03693367,
    25.04442045,
    26.03413597
  )
  joint <- list(
    CR0 = c(0.02716124641, 27.58879081992),
    CR1 = c(0.02652958952, 27.58879081992),
    CR1S = c(0.02599037022, 27.58879081992),
    CR2 = c(0.02521883525, 27.54915069256)
  )
  for (type in names(errors)) {
    table <- coef(summary(fit, vcov = type))
    expect_equal(
      table[, "Std. Error"],
      errors[[type]],
      tolerance = 1e-6,
      ignore_attr = TRUE
    )
    df <- if (type == "CR2") reduced else plain
    expect_equal(table[, "df"], df, tolerance = 1e-6, ignore_attr = TRUE)
    found <- contest(fit, diag(6)[5:6, ], vcov = type)
    expect_equal(
      c(found[["F value"]], found$DenDF),
      joint[[type]],
      tolerance = 1e-5
    )
  }
})

# CR2 and its degrees of freedom by dense algebra, from their definitions, whatever the clusters.
dense_cr2 <- function(fit, cluster, contrast, weights = working_weights(fit)) {
  x <- fixed_matrix(fit)
  zl <- as.matrix(random_matrix(fit) %*% lambda_matrix(fit))
  sigma <- fit$sigma^2 * (tcrossprod(zl) + diag(1 / weights))
  inverse <- solve(sigma)
  m <- solve(t(x) %*% inverse %*% x)
  n <- nrow(x)
  hat <- x %*% m %*% t(x) %*% inverse
  e <- drop((diag(n) - hat) %*% fit$frame[[1]])
  spread <- (diag(n) - hat) %*% sigma %*% t(diag(n) - hat)
  rows <- split(seq_len(n), cluster)
  power <- \(a, b) {
    parts <- eigen(a, symmetric = TRUE)
    parts$vectors %*% (parts$values^b * t(parts$vectors))
  }
  # For each cluster the row vectors whose product with the residuals is its score.
  scores <- lapply(rows, \(at) {
    d <- chol(sigma[at, at, drop = FALSE])
    b <- d %*% spread[at, at, drop = FALSE] %*% t(d)
    a <- t(d) %*% power(b, -1 / 2) %*% d
    out <- matrix(0, ncol(x), n)
    out[, at] <- m %*% t((inverse %*% x)[at, , drop = FALSE]) %*% a
    out
  })
  covariance <- Reduce(`+`, lapply(scores, \(s) tcrossprod(s %*% e)))
  lines <- t(vapply(scores, \(s) drop(contrast %*% s), numeric(n)))
  p <- lines %*% spread %*% t(lines)
  list(covariance = covariance, df = sum(diag(p))^2 / sum(p^2))
}

small_crossed <- function() {
  set.seed(5)
  data <- expand.grid(g = factor(1:7), h = factor(1:6), k = 1:2)[
    -c(1:9, 40:44),
  ]
  data$x <- rnorm(nrow(data))
  data$w <- runif(nrow(data), 0.5, 2)
  data$y <- rnorm(7)[data$g] + rnorm(6)[data$h] + rnorm(nrow(data))
  data
}

test_that("crossed clusters are those of dense algebra", {
  data <- small_crossed()
  fits <- list(
    rlmm(y ~ x + (1 | g) + (1 | h), data),
    rlmm(y ~ x + (1 | g) + (1 | h), data, weights = w)
  )
  for (fit in fits) {
    for (cluster in list(
      data$g,
      data$h,
      interaction(data$g, data$h, drop = TRUE)
    )) {
      expected <- dense_cr2(fit, cluster, c(0, 1))
      expect_equal(
        vcov(fit, type = "CR2", cluster = cluster),
        expected$covariance,
        tolerance = 1e-8,
        ignore_attr = TRUE
      )
      found <- contest(fit, c(0, 1), FALSE, vcov = "CR2", cluster = cluster)
      expect_equal(found$df, expected$df, tolerance = 1e-8)
    }
  }
})

test_that("weights and several terms count within nested clusters", {
  data <- small_crossed()
  data$inner <- interaction(data$g, data$h, drop = TRUE)
  fit <- suppressMessages(rlmm(
    y ~ x + (x | g) + (1 | inner),
    data,
    weights = w
  ))
  expected <- dense_cr2(fit, data$g, c(0, 1))
  found <- coef(summary(fit, vcov = "CR2"))
  expect_equal(found[2, 2], sqrt(expected$covariance[2, 2]), tolerance = 1e-8)
  expect_equal(found[2, "df"], expected$df, tolerance = 1e-8)
})

test_that("if the model is true CR2 has no bias", {
  # As quadratic forms in the residuals: with their products replaced by the expected ones.
  data <- small_crossed()
  fit <- suppressMessages(rlmm(y ~ x + (x | g), data))
  parts <- marginal_scores(fit)
  way <- one_way(parts, data$g, "CR2")
  moments <- score_moments(parts, way, diag(2))
  expect_equal(
    expected_covariance(moments, 2),
    vcov(fit) / sigma(fit)^2,
    tolerance = 1e-9,
    ignore_attr = TRUE
  )
})

test_that("several clusterings are added up, and their intersection taken off", {
  data <- small_crossed()
  fit <- rlmm(y ~ x + (1 | g) + (1 | h), data)
  one <- \(cluster, type = "CR1") vcov(fit, type = type, cluster = cluster)
  expect_equal(
    one(~ g + h),
    one(~g) + one(~h) - one(~ g:h),
    tolerance = 1e-12
  )
  # The default with crossed factors.
  expect_equal(vcov(fit, type = "CR1"), one(~ g + h))
  table <- coef(summary(fit, vcov = "CR1", cluster = ~ g + h))
  expect_equal(unname(table[, "df"]), c(5, 5))
  data$half <- rep(1:2, length.out = nrow(data))
  fit <- rlmm(y ~ x + (1 | g) + (1 | h), data)
  three <- one(~g) +
    one(~h) +
    one(~half) -
    one(~ g:h) -
    one(~ g:half) -
    one(~ h:half) +
    one(~ g:h:half)
  found <- suppressWarnings(one(~ g + h + half))
  expect_equal(found, three, tolerance = 1e-12)
})

test_that("a negative variance is told", {
  covariance <- diag(c(1, -1))
  rownames(covariance) <- c("(Intercept)", "x")
  expect_snapshot(writeLines(condition_lines(warn_if_negative(covariance))))
})

test_that("rows of weight zero have no part in it", {
  sleepstudy$w <- rep(c(0, rep(1, 9)), 18)
  all <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weights = w)
  some <- rlmm(Reaction ~ Days + (1 | Subject), subset(sleepstudy, w > 0))
  for (type in robust_types) {
    expect_equal(
      vcov(all, type = type),
      vcov(some, type = type),
      tolerance = 1e-6
    )
  }
})

test_that("an offset and held coefficients are taken off the response", {
  fit <- rlmm(Reaction ~ Days + offset(10 * Days) + (1 | Subject), sleepstudy)
  plain <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_equal(
    vcov(fit, type = "CR2"),
    vcov(plain, type = "CR2"),
    tolerance = 1e-7
  )
  control <- rlmm_control(fixed = list(beta = c(Days = 10)))
  held <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = control)
  off <- rlmm(Reaction ~ 1 + offset(10 * Days) + (1 | Subject), sleepstudy)
  robust <- vcov(held, type = "CR2")
  expect_equal(robust[1, 1], c(vcov(off, type = "CR2")), tolerance = 1e-7)
  expect_equal(unname(robust[2, ]), c(0, 0))
})

test_that("tests and limits take the robust standard errors", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  robust <- vcov(fit, type = "CR2")
  expect_equal(vcov(summary(fit, vcov = "CR2")), robust)
  limits <- confint(fit, vcov = "CR2", level = 0.9)
  expect_equal(
    limits["Days", ],
    fixef(fit)[["Days"]] + qt(c(0.05, 0.95), 17) * sqrt(robust[2, 2]),
    tolerance = 1e-7,
    ignore_attr = TRUE
  )
  expect_equal(rownames(confint(fit, "Days", vcov = "CR2")), "Days")
  # A matrix or a function, with normal tests unless they are asked for.
  given <- coef(summary(fit, vcov = robust))
  expect_equal(given[, 2], sqrt(diag(robust)))
  expect_equal(colnames(given)[3], "z value")
  by_function <- summary(
    fit,
    vcov = \(fit) vcov(fit, type = "CR2"),
    ddf = "residual"
  )
  expect_equal(coef(by_function)[, "df"], c(178, 178), ignore_attr = TRUE)
  table <- anova(fit, vcov = "CR2")
  expect_equal(table[["F value"]], fixef(fit)[["Days"]]^2 / robust[2, 2])
  expect_snapshot({
    writeLines(tail(format(summary(fit, vcov = "CR2")), 1))
    writeLines(tail(format(summary(fit, vcov = "HC0")), 1))
    writeLines(attr(table, "heading"))
  })
})

test_that("too few clusters have no test of many coefficients", {
  few <- subset(sleepstudy, Subject %in% levels(Subject)[1:4])
  fit <- rlmm(Reaction ~ factor(Days) + (1 | Subject), few)
  found <- contest(fit, diag(10)[2:9, ], vcov = "CR1")
  expect_true(is.na(found$DenDF))
  expect_true(is.na(found[["Pr(>F)"]]))
})

test_that("a model without fixed effects has none", {
  sleepstudy$centred <- sleepstudy$Reaction - 300
  fit <- rlmm(centred ~ 0 + (1 | Subject), sleepstudy)
  expect_identical(dim(vcov(fit, type = "CR2")), c(0L, 0L))
  expect_identical(dim(vcov(fit, type = "Kenward-Roger")), c(0L, 0L))
  expect_identical(nrow(coef(summary(fit, vcov = "CR2"))), 0L)
  expect_no_warning(anova(fit))
})

test_that("what can't be is told", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    writeLines(error_lines(vcov(fit, type = "CR3")))
    writeLines(error_lines(summary(fit, vcov = diag(3))))
    writeLines(error_lines(summary(fit, vcov = list())))
    writeLines(error_lines(summary(fit, vcov = "CR2", ddf = "Kenward-Roger")))
    writeLines(error_lines(summary(fit, cluster = ~Subject)))
    writeLines(error_lines(check_cluster_size(4000, c(1, 2))))
  })
})

test_that("clusters may cut through the levels of a term with slopes", {
  data <- sleepstudy[-c(2, 15, 16, 40, 77:80), ]
  fit <- rlmm(Reaction ~ Days + (Days | Subject), data)
  for (cluster in list(data$Days, data$Days > 4, seq_len(nrow(data)) %% 7)) {
    expected <- dense_cr2(fit, cluster, c(0, 1))
    expect_equal(
      vcov(fit, type = "CR2", cluster = cluster),
      expected$covariance,
      tolerance = 1e-7,
      ignore_attr = TRUE
    )
    table <- contest1D(fit, c(0, 1), vcov = "CR2", cluster = cluster)
    expect_equal(table$df, expected$df, tolerance = 1e-6)
  }
})

test_that("VarCorr() is lme4's", {
  for_each_pair(function(fit, lme4) {
    ours <- VarCorr(fit)
    theirs <- lme4::VarCorr(lme4)
    expect_s3_class(ours, "VarCorr.merMod")
    expect_named(ours, names(theirs))
    expect_equal(attr(ours, "sc"), attr(theirs, "sc"), tolerance = 1e-6)
    expect_identical(attr(ours, "useSc"), attr(theirs, "useSc"))
    for (i in seq_along(theirs)) {
      expect_equal(unclass(ours[[i]]), unclass(theirs[[i]]), tolerance = 1e-6)
    }
    for (order in c("cov.last", "lower.tri")) {
      expect_equal(
        as.data.frame(ours, order = order),
        as.data.frame(theirs, order = order),
        tolerance = 1e-6
      )
    }
    expect_equal(
      VarCorr(fit, sigma = 2)[[1]],
      lme4::VarCorr(lme4, sigma = 2)[[1]],
      ignore_attr = TRUE
    )
  })
})

test_that("diagonal terms have zero covariances", {
  fit <- rlmm(Reaction ~ Days + zerocorr(1 + Days | Subject), sleepstudy)
  table <- as.data.frame(VarCorr(fit))
  expect_identical(table$var2, c(NA, NA, "Days", NA))
  expect_identical(table$vcov[3], 0)
  expect_identical(table$sdcor[3], 0)
})

test_that("the correlation with an effect of variance zero is NaN", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  fit$theta[] <- c(0, 0, 0.2)
  correlation <- attr(VarCorr(fit)$Subject, "correlation")
  expect_equal(unname(correlation), matrix(c(1, NaN, NaN, 1), 2))
  expect_match(format(VarCorr(fit))[2, "Corr"], "NaN")
})

test_that("a single effect of variance zero has correlation 1 with itself", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  fit$theta[] <- 0
  expect_equal(as.vector(attr(VarCorr(fit)$Batch, "correlation")), 1)
})

test_that("components print as a table", {
  fit <- rlmm(
    Reaction ~ 1 + Days + (1 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  two <- rlmm(
    Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  expect_snapshot({
    VarCorr(fit)
    print(VarCorr(fit), comp = "Std.Dev.", digits = 3)
    print(VarCorr(fit), comp = "Var", corr = FALSE)
    VarCorr(two)
  })
  expect_snapshot(writeLines(error_lines(print(VarCorr(fit), comp = "sd"))))
})

test_that("numbers of very different size are written without exponents", {
  expect_identical(
    format_column(c(612.1234, 1.23456e-06), digits = 4),
    c("612.1", "1.235e-06")
  )
  expect_identical(
    format_column(c(612.1234, 35.07), digits = 4),
    c("612.12", " 35.07")
  )
})

# Standard errors by finite differences of the dense REML criterion in the parameters of Omega and
# sigma^2.
dense_errors <- function(fit, omega, par) {
  y <- getME(fit, "y")
  x <- getME(fit, "X")
  z <- as.matrix(getME(fit, "Z"))
  levels <- ngrps(fit)[[1]]
  criterion <- function(par) {
    n <- length(par)
    v <- z %*%
      kronecker(diag(levels), omega(par[-n])) %*%
      t(z) +
      par[[n]] * diag(length(y))
    inverse <- chol2inv(root <- chol(v))
    information <- crossprod(x, inverse %*% x)
    r <- y - x %*% solve(information, crossprod(x, inverse %*% y))
    2 *
      sum(log(diag(root))) +
      determinant(information)$modulus[[1]] +
      sum(r * (inverse %*% r))
  }
  step <- 2e-3 * abs(par)
  at <- \(f, i, j, a, b) {
    f(par + a * replace(0 * par, i, step[i]) + b * replace(0 * par, j, step[j]))
  }
  second <- \(i, j) {
    corners <- at(criterion, i, j, 1, 1) -
      at(criterion, i, j, 1, -1) -
      at(criterion, i, j, -1, 1) +
      at(criterion, i, j, -1, -1)
    corners / (4 * step[i] * step[j])
  }
  index <- seq_along(par)
  covariance <- 2 * solve(outer(index, index, Vectorize(second)))
  error <- function(f) {
    slopes <- vapply(
      index,
      \(i) as.vector(at(f, i, i, 0.5, 0) - at(f, i, i, -0.5, 0)) / step[i],
      c(f(par))
    )
    matrix(
      sqrt(pmax(0, rowSums((slopes %*% covariance) * slopes))),
      nrow(f(par))
    )
  }
  n <- length(par)
  correlation <- \(par) {
    omega <- omega(par[-n])
    s <- sqrt(diag(omega))
    out <- omega / outer(s, s)
    diag(out) <- s
    out
  }
  cells <- lower.tri(omega(par[-n]), diag = TRUE)
  sigma2 <- sqrt(covariance[n, n])
  list(
    vcov = c(error(\(par) omega(par[-n]))[cells], sigma2),
    sdcor = c(error(correlation)[cells], sigma2 / (2 * sqrt(par[[n]])))
  )
}

test_that("standard errors are those of finite differences of the dense criterion", {
  expect_errors <- function(fit, omega, par) {
    table <- as.data.frame(VarCorr(fit, std.error = TRUE), order = "lower.tri")
    expect_named(
      table,
      c(
        "grp",
        "var1",
        "var2",
        "vcov",
        "sdcor",
        "std.error.vcov",
        "std.error.sdcor"
      )
    )
    expected <- dense_errors(fit, omega, c(par, sigma(fit)^2))
    expect_equal(table$std.error.vcov, expected$vcov, tolerance = 1e-3)
    expect_equal(table$std.error.sdcor, expected$sdcor, tolerance = 1e-3)
    table
  }
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  cells <- lower.tri(diag(2), diag = TRUE)
  us <- \(par) matrix(par[c(1, 2, 2, 3)], 2)
  expect_errors(fit, us, VarCorr(fit)$Subject[cells])

  distance <- abs(outer(1:4, 1:4, `-`))
  days <- transform(subset(sleepstudy, Days < 4), day = factor(Days))
  fit <- rlmm(Reaction ~ Days + ar1(0 + day | Subject), days)
  table <- expect_errors(
    fit,
    \(par) par[1] * par[2]^distance,
    c(VarCorr(fit)$Subject[1], fit$theta[2])
  )
  expect_length(unique(table$std.error.sdcor[table$var1 %in% "day0"]), 4)

  fit <- rlmm(score ~ Machine + cs(0 + Machine | Worker), nlme::Machines)
  expect_errors(
    fit,
    \(par) {
      par[4]^(distance[1:3, 1:3] > 0) * outer(sqrt(par[1:3]), sqrt(par[1:3]))
    },
    c(diag(VarCorr(fit)$Worker), attr(VarCorr(fit)$Worker, "correlation")[2])
  )
})

test_that("standard errors are NA where there are none, and 0 of what is held", {
  errors <- \(fit) {
    as.data.frame(VarCorr(fit, std.error = TRUE))[c(
      "std.error.vcov",
      "std.error.sdcor"
    )]
  }
  singular <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_identical(is.na(errors(singular)$std.error.sdcor), c(TRUE, FALSE))
  expect_equal(
    errors(singular)$std.error.vcov[2],
    sigma(singular)^2 * sqrt(2 / 29),
    tolerance = 1e-6
  )
  apart <- rlmm(Reaction ~ Days + diag(Days | Subject), sleepstudy)
  expect_identical(
    is.na(errors(apart)$std.error.vcov),
    c(FALSE, FALSE, TRUE, FALSE)
  )
  one <- rlmm(
    score ~ Machine + diag(0 + Machine | Worker, hom = TRUE),
    nlme::Machines
  )
  expect_identical(
    errors(one)$std.error.sdcor[1:3],
    rep(sqrt(variance_vcov(one)[1, 1]), 3)
  )
  known <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, sigma = 50)
  expect_identical(
    errors(known)[2, ],
    data.frame(std.error.vcov = 0, std.error.sdcor = 0, row.names = 2L)
  )
  control <- rlmm_control(fixed = list(cov = list(Subject = diag(c(600, 36)))))
  held <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = control
  )
  expect_identical(errors(held)$std.error.sdcor[1:3], c(0, 0, 0))
  expect_gt(errors(held)$std.error.sdcor[4], 0)
})

test_that("standard errors are printed, and asked for where they can be had", {
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject) + ar1(0 + f | Block),
    transform(
      sleepstudy,
      f = factor(Days %% 3),
      Block = gl(9, 20)
    ),
    control = rlmm_control(
      fixed = list(theta = c("Block.*" = 0.5, "Block.rho" = 0.5))
    )
  )
  expect_snapshot({
    print(VarCorr(fit, std.error = TRUE), digits = 3)
    print(VarCorr(fit, std.error = TRUE), comp = "Std.Dev.", digits = 3)
  })
  expect_snapshot(writeLines(error_lines(VarCorr(
    fit,
    sigma = 2,
    std.error = TRUE
  ))))
  expect_snapshot(writeLines(error_lines(as.data.frame(
    VarCorr(fit),
    std.error = TRUE
  ))))
  expect_error(VarCorr(fit, std.error = NA), class = "rlmm_error_argument")
  fast <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial(),
    nAGQ = 0
  )
  expect_error(
    VarCorr(fast, std.error = TRUE),
    class = "rlmm_error_not_available"
  )
})

test_that("standard errors of a generalized model are printed, without a residual", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  components <- VarCorr(fit, std.error = TRUE)
  table <- format(components)
  expect_identical(table[, "Groups"], "herd", ignore_attr = TRUE)
  # glmmTMB 1.1.14: the standard error of log(sd), 0.278, times sd.
  expect_equal(
    as.data.frame(components)$std.error.sdcor,
    0.6422 * 0.278,
    tolerance = 5e-3
  )
  expect_equal(nrow(as.data.frame(components)), 1)
})

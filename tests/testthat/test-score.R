# Central differences of fourth order.
num_gradient <- function(f, x, step = 3e-4 * pmax(abs(x), 0.05)) {
  vapply(
    seq_along(x),
    function(i) {
      at <- function(m) f(replace(x, i, x[i] + m * step[i]))
      (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step[i])
    },
    numeric(length(f(x)))
  )
}

score_days <- function() {
  transform(
    sleepstudy,
    days = factor(Days),
    third = factor(pmin(Days %/% 3, 2))
  )
}

score_fits <- function(reml) {
  list(
    us = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = reml),
    diag = rlmm(Reaction ~ Days + (Days || Subject), sleepstudy, REML = reml),
    homdiag = rlmm(
      Reaction ~ Days + diag(1 + Days | Subject, hom = TRUE),
      sleepstudy,
      REML = reml
    ),
    crossed = rlmm(
      diameter ~ 1 + (1 | plate) + (1 | sample),
      Penicillin,
      REML = reml
    ),
    known = rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      REML = reml,
      sigma = 25
    ),
    cs = rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy, REML = reml),
    ar1 = rlmm(
      Reaction ~ Days + ar1(0 + days | Subject),
      score_days(),
      REML = reml
    ),
    mixed = rlmm(
      Reaction ~ Days +
        cs(0 + third | Subject, hom = TRUE) +
        (0 + Days | Subject),
      score_days(),
      REML = reml
    ),
    hetar1 = rlmm(
      Reaction ~ Days + ar1(0 + third | Subject, hom = FALSE),
      score_days(),
      REML = reml
    )
  )
}

# The log-likelihood as a function of the covariances, from the objective at a known sigma.
loglik_user <- function(fit) {
  spec <- fit_spec(fit)
  function(at) {
    sigma <- if (fit$known_sigma) fit$sigma else sqrt(at[length(at)])
    spec$sigma <- sigma
    -core_objective(spec, factor_covariances(fit, at, sigma)) / 2
  }
}

loglik_profile <- function(fit) {
  spec <- fit_spec(fit)
  function(at) -core_objective(spec, factor_covariances(fit, at, 1)) / 2
}

loglik_sqrt <- function(fit) {
  spec <- fit_spec(fit)
  function(at) -core_objective(spec, at) / 2
}

test_that("score and Hessian are derivatives of the log-likelihood, also off the optimum", {
  logliks <- list(
    user = loglik_user,
    profile = loglik_profile,
    sqrt = loglik_sqrt
  )
  for (reml in c(TRUE, FALSE)) {
    for (fit in score_fits(reml)) {
      for (kind in names(logliks)) {
        f <- logliks[[kind]](fit)
        best <- variance_parameters(fit, kind)
        for (at in list(
          best,
          best * seq(0.9, 0.7, length.out = length(best))
        )) {
          score <- score(fit, at, kind)
          expect_named(score, names(best))
          expected <- num_gradient(f, unname(at))
          scale <- max(abs(expected * at), 1)
          expect_lt(max(abs((score - expected) * at)) / scale, 1e-6)
          hessian <- hessian(fit, at, kind)
          expect_identical(dimnames(hessian), list(names(best), names(best)))
          expected <- num_gradient(
            function(x) unname(score(fit, x, kind)),
            unname(at)
          )
          expect_lt(
            max(abs((hessian - expected) * outer(at, at))) /
              max(abs(expected * outer(at, at))),
            1e-6
          )
        }
      }
      expect_equal(
        score(fit),
        score(fit, variance_parameters(fit)),
        tolerance = 1e-6
      )
    }
  }
})

test_that("the score is zero at the optimum", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  for (kind in c("user", "profile", "sqrt")) {
    expect_lt(
      max(abs(score(fit, NULL, kind) * variance_parameters(fit, kind))),
      1e-3
    )
  }
})

test_that("profiling sigma is Schur's complement of the joint Hessian", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  joint <- joint_derivatives(fit_spec(fit), fit$theta, fit$sigma, FALSE)$hessian
  profiled <- joint[1:3, 1:3] - tcrossprod(joint[1:3, 4]) / joint[4, 4]
  expect_equal(
    unname(-2 * hessian(fit, parameterization = "sqrt")),
    profiled,
    tolerance = 1e-7
  )
})

test_that("at a singular covariance the score leaves the cone, and the Hessian is in theta only", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_lt(score(fit)[[1]], 0)
  expect_equal(score(fit)[["sigma2"]], 0, tolerance = 1e-6)
  expect_error(hessian(fit), class = "rlmm_error_singular")
  expect_lt(hessian(fit, parameterization = "sqrt")[1, 1], 0)
})

test_that("values that can't be are refused", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_error(score(fit, 1:3), class = "rlmm_error_argument")
  expect_error(
    score(fit, c(-1, 2)),
    "positive definite",
    class = "rlmm_error_argument"
  )
  expect_error(score(fit, c(1, -2)), class = "rlmm_error_argument")
  expect_error(hessian(fit, c(1, NA)), class = "rlmm_error_argument")
  expect_error(score(lm(Yield ~ 1, Dyestuff)), class = "rlmm_error_argument")
})

# MixedLM's score_full(), score_sqrt() (both with calc_fe), hessian() and get_scale() of Python's
# statsmodels 0.15.0, at the fixed effects of get_fe_params().
statsmodels_figures <- list(
  list(
    formula = Reaction ~ Days + (Days | Subject),
    reml = TRUE,
    scale = 660.031728943678,
    at = c(0.9, 0.02, 0.05),
    profile = c(0.11333268949, -0.618410969624, 6.323260343201),
    sqrt = c(0.201996411325, -0.320064092577, 2.815251725874),
    hessian = c(
      -5.279991676060,
      -5.324205749755,
      10.03370697722,
      -243.0537974838,
      -110.0953657270,
      -2241.737176764
    )
  ),
  list(
    formula = Reaction ~ Days + (Days | Subject),
    reml = FALSE,
    scale = 652.698043066526,
    at = c(0.9, 0.02, 0.05),
    profile = c(-0.215258450496, -0.992233140881, -0.219073560837),
    sqrt = c(-0.4293423048, -0.950551960891, -0.097536268754),
    hessian = c(
      -5.070313403814,
      -5.084843325865,
      10.22963327124,
      -234.8319578505,
      -105.3340987119,
      -2158.798100364
    )
  ),
  list(
    formula = Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    reml = TRUE,
    at = c(0.9, 0.05),
    profile = c(0.296221301256, 10.075844158633),
    sqrt = c(0.562040402057, 4.50605449388),
    hessian = c(-5.807273446408, 4.760246609203, -2458.797739928346)
  ),
  list(
    formula = Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    reml = FALSE,
    at = c(0.9, 0.05),
    profile = c(-0.038215535767, 3.417276216161),
    sqrt = c(-0.072508881017, 1.528252383446),
    hessian = c(-5.59047947734, 5.031180072463, -2373.05598647785)
  )
)

test_that("score and Hessian are those of statsmodels", {
  for (figures in statsmodels_figures) {
    fit <- rlmm(figures$formula, sleepstudy, REML = figures$reml)
    expect_equal(
      unname(score(fit, figures$at, "profile")),
      figures$profile,
      tolerance = 1e-9
    )
    hessian <- hessian(fit, figures$at, "profile")
    expect_equal(
      hessian[lower.tri(hessian, diag = TRUE)],
      figures$hessian,
      tolerance = 1e-9
    )
    omega <- matrix(
      figures$at[
        if (length(figures$at) == 3) c(1, 2, 2, 3) else c(1, NA, NA, 2)
      ],
      2
    )
    root <- if (anyNA(omega)) sqrt(figures$at) else t(chol(omega))[c(1, 2, 4)]
    expect_equal(
      unname(score(fit, root, "sqrt")),
      figures$sqrt,
      tolerance = 1e-9
    )
    # At the best scale that of the scale at fixed relative covariances is zero: at fixed
    # covariances what is left is that these become smaller in its units.
    if (is.null(figures$scale)) {
      next
    }
    user <- score(fit, figures$scale * c(figures$at, 1), "user") * figures$scale
    expect_equal(
      unname(user),
      c(figures$profile, -sum(figures$profile * figures$at)),
      tolerance = 1e-9
    )
  }
})

# With an origin o the variance of the intercepts is v - 2 o c + o^2 w, and their covariance with
# the slopes c - o w.
test_that("score and Hessian follow the origin of a covariate", {
  set.seed(3)
  data <- data.frame(k = gl(20, 10), x = round(rnorm(200), 3))
  data$y <- rnorm(20)[data$k] + rnorm(20)[data$k] * data$x + rnorm(200)
  near <- hessian(rlmm(y ~ x + (x | k), data))
  for (origin in c(10, 1e3, 1e5, 1e7)) {
    map <- diag(4)
    map[1, 2:3] <- c(2 * origin, origin^2)
    map[2, 3] <- origin
    expected <- crossprod(map, near %*% map)
    far <- transform(data, x = x + origin)
    fit <- rlmm(y ~ x + (x | k), far)
    expect_equal(
      unname(hessian(fit) / expected),
      matrix(1, 4, 4),
      tolerance = 1e-3
    )
    expect_lt(max(abs(score(fit) / sqrt(-diag(hessian(fit))))), 1e-6)
    if (origin > 1e3) {
      next
    }
    order <- c(1, 3, 2, 4)
    other <- rlmm(y ~ x + cs(x | k), far)
    found <- hessian(other)[order, order] / expected
    expect_equal(unname(found), matrix(1, 4, 4), tolerance = 1e-3)
  }
})

# A covariate 1e4 and 1e6 standard deviations from zero. The right values are differences of the
# dense likelihood in arithmetic of 70 digits (Python's decimal).
far_figures <- list(
  list(
    origin = 1e4,
    formula = y ~ x + (x | k),
    at = c(10774.9618947, -1.07749467327, 0.000109228200616),
    score = c(2.0475021e-07, 0.0020475025, -1.6906716e-05),
    hessian = c(
      c(-13.36460816, -133646.2988, -1336465184),
      c(4843.69025, 48404539.83, -2513528745)
    )
  ),
  list(
    origin = 1e6,
    formula = y ~ x + (x | k),
    at = c(1077494.69387, -1.07749467882, 1.0922835223e-06),
    score = c(3.2009697e-05, 32.009697, -1.1539294),
    hessian = c(
      c(-13.36470561, -13364705.83, -1.336470605e13),
      c(484168.1959, 4.841649597e11, -2.513501722e13)
    )
  ),
  list(
    origin = 1e4,
    formula = y ~ x + cs(x | k),
    at = c(10774.962, 1.0774947, -0.99999999486182),
    score = c(0.0014253848, -14.253924, -5573.8695),
    hessian = c(
      c(-13.36462464, 133646.95, -1336476582),
      c(51148647.33, -5.138507618e11, -2.839667655e17)
    )
  )
)

test_that("derivatives in theta are right far from zero", {
  set.seed(3)
  data <- data.frame(k = gl(20, 10), x = round(rnorm(200), 3))
  data$y <- rnorm(20)[data$k] + rnorm(20)[data$k] * data$x + rnorm(200)
  for (figures in far_figures) {
    far <- transform(data, x = x + figures$origin)
    fit <- rlmm(figures$formula, far, REML = FALSE)
    found <- hessian(fit, figures$at, "sqrt")
    upper <- found[upper.tri(found, diag = TRUE)]
    expect_lt(max(abs(upper / figures$hessian - 1)), 1e-7)
    # In standard errors.
    units <- sqrt(-diag(found))
    score <- score(fit, figures$at, "sqrt")
    expect_lt(max(abs(score - figures$score) / units), 1e-6)
  }
})

test_that("derivatives in theta are by way of orthogonal columns as directly", {
  set.seed(5)
  data <- data.frame(k = gl(20, 10), h = gl(8, 1, 200), x = rnorm(200))
  slopes <- rnorm(20)[data$k] + 0.6 * rnorm(8)[data$h]
  data$y <- rnorm(20)[data$k] + slopes * data$x + rnorm(200)
  data$x <- data$x + 20
  for (term in c("(x | h)", "cs(x | h)", "(1 | h)")) {
    formula <- as.formula(paste("y ~ x + (x | k) +", term))
    for (sigma in list(NULL, 1)) {
      fit <- suppressMessages(rlmm(formula, data, sigma = sigma))
      theta <- fit$theta * (1 - 5e-5 * seq_along(fit$theta))
      direct <- core_derivatives(fitted_spec(fit), theta, exact = TRUE)
      found <- hessian(fit, theta, "sqrt")
      units <- sqrt(abs(diag(found)))
      expect_lt(
        max(abs(found + direct$hessian / 2) / outer(units, units)),
        1e-5
      )
      score <- score(fit, theta, "sqrt")
      expect_lt(max(abs(score + direct$gradient / 2) / units), 1e-5)
    }
  }
})

test_that("second derivatives of too few digits are refused", {
  set.seed(3)
  data <- data.frame(k = gl(20, 10), x = rnorm(200))
  data$y <- rnorm(20)[data$k] + rnorm(20)[data$k] * data$x + rnorm(200)
  data$none <- rnorm(200) + rnorm(20)[data$k] / 2
  data$x <- data$x + 1e6
  fit <- rlmm(y ~ x + cs(x | k), data)
  for (kind in c("user", "profile")) {
    expect_error(
      hessian(fit, parameterization = kind),
      class = "rlmm_error_origin"
    )
  }
  expect_lt(max(diag(hessian(fit, parameterization = "sqrt"))), 0)
  singular <- suppressMessages(rlmm(none ~ x + (x | k), data))
  expect_identical(singular$theta[3], 0)
  expect_error(
    hessian(singular, parameterization = "sqrt"),
    "Centre it",
    class = "rlmm_error_origin"
  )
})

test_that("at a perfect correlation of covariates near zero, nobody is told to centre them", {
  set.seed(5)
  data <- data.frame(g = factor(sample(20, 300, TRUE)), x = rnorm(300))
  b <- rnorm(20)[data$g]
  data$y <- rpois(300, exp(0.3 + 0.5 * b + (0.2 + 0.4 * b) * data$x))
  fit <- suppressMessages(rglmm(y ~ x + cs(1 + x | g), data, poisson))
  expect_equal(fit$theta[3L], 1)
  found <- expect_error(hessian(fit), class = "rlmm_error_origin")
  expect_match(conditionMessage(found), "fewer random effects")
  expect_no_match(conditionMessage(found), "[Cc]entre")
})

# The right values are those from rows, which have orthogonal columns.
test_that("derivatives from sums are right far from zero, or refused", {
  set.seed(3)
  data <- data.frame(k = gl(20, 10), x = rnorm(200))
  data$y <- rnorm(20)[data$k] + rnorm(20)[data$k] * data$x + rnorm(200)
  formula <- y ~ x + (x | k)
  for (origin in c(100, 1e3, 1e4)) {
    far <- transform(data, x = x + origin)
    rows <- rlmm(formula, far)
    sums <- rlmm(rlmm_sums(formula, far))
    for (kind in c("user", "profile", "sqrt")) {
      at <- if (kind == "sqrt") rows$theta
      right <- hessian(rows, at, kind)
      is_right <- kind == "profile" ||
        origin == 100 ||
        (kind == "sqrt" && origin == 1e3)
      if (is_right) {
        found <- hessian(sums, at, kind)
        expect_equal(found / right, 0 * right + 1, tolerance = 1e-3)
      } else {
        expect_error(hessian(sums, at, kind), class = "rlmm_error_origin")
      }
    }
  }
  expect_error(score(sums), "Centre it", class = "rlmm_error_origin")
  units <- sqrt(-diag(hessian(sums, parameterization = "profile")))
  expect_lt(max(abs(score(sums, parameterization = "profile")) / units), 1e-4)
})

lme4_limits <- function(formula, data, ...) {
  skip_if_not_installed("lme4")
  fit <- if (...length()) {
    lme4::glmer(formula, data, ...)
  } else {
    lme4::lmer(formula, data)
  }
  suppressWarnings(suppressMessages(stats::confint(fit, quiet = TRUE)))
}

test_that("limits by profile are lme4's", {
  for (formula in list(
    Reaction ~ Days + (Days | Subject),
    Reaction ~ Days + (Days || Subject)
  )) {
    theirs <- lme4_limits(formula, sleepstudy)
    # lme4 2 has the correlations behind the standard deviations.
    by_size <- \(limits) unname(limits[order(limits[, 1]), ])
    expect_equal(
      by_size(confint(rlmm(formula, sleepstudy))),
      by_size(theirs),
      tolerance = 1e-4
    )
  }
  crossed <- diameter ~ 1 + (1 | plate) + (1 | sample)
  expect_equal(
    confint(rlmm(crossed, Penicillin)),
    lme4_limits(crossed, Penicillin),
    tolerance = 1e-4
  )
  counts <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  expect_equal(
    confint(rglmm(counts, cbpp, binomial)),
    lme4_limits(counts, cbpp, binomial),
    tolerance = 2e-4
  )
})

test_that("the deviance of the model held at a limit is as far up as it should be", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  limits <- confint(fit)
  rise <- function(...) {
    held <- rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      REML = FALSE,
      ...
    )
    deviance(held) - deviance(fit)
  }
  wanted <- qchisq(0.95, 1)
  for (limit in limits[".sigma", ]) {
    expect_equal(rise(sigma = limit), wanted, tolerance = 1e-4)
  }
  for (limit in limits["Days", ]) {
    control <- rlmm_control(fixed = list(beta = c(Days = limit)))
    expect_equal(rise(control = control), wanted, tolerance = 1e-4)
  }
})

test_that("a correlation's limit solves its equation", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  limit <- confint(fit, ".sig02")[2]
  # By brute force: theta with this correlation, searched without derivatives.
  deviance_at <- as.function(fit)
  at <- function(x) {
    deviance_at(c(exp(x[1]), exp(x[2]) * c(limit, sqrt(1 - limit^2))))
  }
  least <- optim(log(c(0.9, 0.2)), at, control = list(reltol = 1e-14))$value
  expect_equal(least - deviance(fit), qchisq(0.95, 1), tolerance = 1e-3)
})

test_that("a variance estimated as zero has a lower limit of zero", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  limits <- confint(fit)
  expect_identical(limits[".sig01", 1], 0)
  expect_equal(
    limits,
    lme4_limits(Yield ~ 1 + (1 | Batch), Dyestuff2),
    tolerance = 2e-4
  )
})

test_that("covariance structures are profiled", {
  data <- transform(sleepstudy, half = factor(Days > 4))
  fit <- rlmm(Reaction ~ half + cs(0 + half | Subject), data, REML = FALSE)
  free <- rlmm(Reaction ~ half + (0 + half | Subject), data, REML = FALSE)
  # With two effects compound symmetry is no restriction.
  cs <- confint(fit)
  us <- confint(free)
  expect_equal(unname(cs[c(1, 2), ]), unname(us[c(1, 3), ]), tolerance = 1e-3)
  expect_equal(unname(cs[3, ]), unname(us[2, ]), tolerance = 1e-3)
})

test_that("a profile has lme4's columns, and transforms", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  pr <- profile(fit)
  expect_named(
    as.data.frame(pr),
    c(".zeta", ".sig01", ".sigma", "(Intercept)", ".par")
  )
  at <- pr[pr$.zeta == 0 & pr$.par == ".sig01", ]
  expect_equal(at$.sig01, sqrt(VarCorr(fit)$Batch[1]))
  expect_equal(
    unname(confint(varianceProf(pr))[1, 2]),
    unname(confint(pr)[1, 2]^2),
    tolerance = 1e-4
  )
  expect_equal(
    unname(confint(logProf(pr))[2, ]),
    unname(log(confint(pr)[2, ])),
    tolerance = 1e-5
  )
  expect_equal(levels(profile(fit, which = "beta_")$.par), "(Intercept)")
  expect_named(
    profile(fit, signames = FALSE, which = 1),
    c(".zeta", "sd_(Intercept)|Batch", "sigma", "(Intercept)", ".par")
  )
  variances <- confint(profile(fit, prof.scale = "varcov"))
  expect_equal(
    unname(variances),
    unname(confint(varianceProf(pr))),
    tolerance = 1e-3
  )
  # lme4's names are those of standard deviations.
  expect_identical(rownames(variances), rownames(confint(pr)))
})

test_that("what is held has its value as both limits", {
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(fixed = list(beta = c(Days = 10)))
  )
  expect_identical(unname(confint(fit, "Days")[1, ]), c(10, 10))
  expect_lt(confint(fit, "(Intercept)")[1], fixef(fit)[[1]])
})

test_that("fits that can't be profiled have Wald limits, and say so", {
  slim <- rlmm(
    Yield ~ 1 + (1 | Batch),
    Dyestuff,
    control = rlmm_control(slim = TRUE)
  )
  expect_message(limits <- confint(slim), class = "rlmm_message_wald")
  expect_identical(limits, confint(slim, method = "Wald"))
  fast <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial,
    nAGQ = 0
  )
  expect_snapshot({
    writeLines(error_lines(profile(slim)))
    writeLines(error_lines(profile(fast)))
    writeLines(error_lines(profile(fast, whch = 1)))
    writeLines(error_lines(logProf(3)))
    writeLines(error_lines(confint(fast, method = "boost")))
  })
})

test_that("profiles are drawn", {
  skip_if_not_installed("lattice")
  pr <- profile(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE))
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  print(plot(pr))
  print(plot(pr, absVal = TRUE))
  print(lattice::densityplot(pr))
  grDevices::dev.off()
  expect_gt(file.size(file), 1000)
  density <- profile_densities(pr)
  one <- density[density$parameter == "(Intercept)", ]
  area <- sum(
    diff(one$value) * (head(one$density, -1) + tail(one$density, -1)) / 2
  )
  expect_equal(area, 1, tolerance = 0.01)
})

test_that("what steers lme4's optimizer has no effect, and is told", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  expect_message(
    told <- profile(fit, which = "beta_", optimizer = "Nelder_Mead"),
    "without effect here: `optimizer`",
    class = "rlmm_message_without_effect"
  )
  expect_equal(told, profile(fit, which = "beta_"))
  expect_error(
    profile(fit, optimiser = "bobyqa"),
    class = "rlmm_error_unknown_argument"
  )
})

test_that("limits of a model with a dispersion are where the likelihood says", {
  fit <- rglmm(
    TICKS + 1 ~ YEAR + (1 | LOCATION),
    grouseticks,
    family = Gamma("log")
  )
  limits <- confint(fit, ".sig01")
  # The deviance where the standard deviation is held.
  deviance_at <- function(sd) {
    held <- list(theta = c("LOCATION.(Intercept)" = sd))
    -2 * as.numeric(logLik(update(fit, control = rlmm_control(fixed = held))))
  }
  excess <- vapply(limits, deviance_at, 0) + 2 * as.numeric(logLik(fit))
  expect_equal(excess, rep(qchisq(0.95, 1), 2), tolerance = 1e-3)
  made <- profile(fit, ".sig01")
  centre <- made[made$.zeta == 0, ".sig01"]
  expect_equal(centre, attr(VarCorr(fit)$LOCATION, "stddev")[[1]])
})

test_that("limits of a variance that is well known are where they should be", {
  set.seed(2)
  data <- data.frame(g = rep(1:400, each = 5))
  data$y <- rnorm(400)[data$g] + rnorm(2000)
  fit <- rlmm(y ~ 1 + (1 | g), data, REML = FALSE)
  for (limit in confint(fit, ".sig01")) {
    control <- rlmm_control(fixed = list(cov = list("1 | g" = limit^2)))
    held <- rlmm(y ~ 1 + (1 | g), data, REML = FALSE, control = control)
    rise <- deviance(held) - deviance(fit)
    expect_equal(rise, qchisq(0.95, 1), tolerance = 1e-4)
  }
})

test_that("correlations by distance are profiled, near the edge of their range too", {
  data <- sleepstudy[sleepstudy$Days %in% 0:4, ]
  data$day <- factor(data$Days)
  formula <- Reaction ~ Days + toep(0 + day | Subject, hom = TRUE)
  fit <- suppressMessages(rlmm(formula, data, REML = FALSE))
  limits <- confint(fit, "theta_", signames = FALSE)
  expect_false(anyNA(limits))
  # The restricted model by dense algebra: all other parameters are looked for anew.
  name <- rownames(limits)[3L]
  days <- data$Days
  subject <- as.integer(data$Subject)
  same <- outer(subject, subject, `==`)
  lag <- abs(outer(days, days, `-`))
  x <- cbind(1, days)
  deviance_at <- \(par, rho2) {
    correlation <- c(1, tanh(par[1]), rho2, tanh(par[2:3]))
    own <- eigen(toeplitz(correlation), TRUE, only.values = TRUE)$values
    if (min(own) < -1e-6) {
      return(1e6)
    }
    v <- exp(2 * par[4]) * same * matrix(correlation[lag + 1], nrow(lag))
    root <- chol(v + exp(2 * par[5]) * diag(nrow(v)))
    whole <- backsolve(root, cbind(x, data$Reaction), transpose = TRUE)
    rest <- qr.resid(qr(whole[, 1:2]), whole[, 3])
    2 * sum(log(diag(root))) + sum(rest^2) + nrow(v) * log(2 * pi)
  }
  rows <- profile(fit, which = rownames(limits)[3L], signames = FALSE)
  rows <- rows[rows[[4L]] > 0.8, ]
  for (i in 2:4) {
    at <- as.numeric(rows[i, 2:7])
    par <- c(atanh(at[c(2, 4, 5)]), log(at[c(1, 6)]))
    search <- \(par) {
      optim(par, deviance_at, rho2 = at[3], control = list(maxit = 600))
    }
    found <- search(search(par)$par)
    rise <- found$value - deviance(fit)
    expect_equal(rise, rows$.zeta[i]^2, tolerance = 1e-3)
  }
})

test_that("a residual variance that tends to zero has a lower limit of zero", {
  data <- sleepstudy[sleepstudy$Days %in% 0:2, ]
  data$day <- factor(data$Days)
  fit <- suppressMessages(rlmm(Reaction ~ Days + ar1(0 + day | Subject), data))
  limits <- suppressMessages(confint(fit, ".sigma"))
  expect_identical(limits[[1]], 0)
  expect_gt(limits[[2]], 0)
})

test_that("either name of a parameter will do, and wrong arguments are told", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_identical(
    unname(confint(fit, "sd_Days|Subject")),
    unname(confint(fit, ".sig03"))
  )
  expect_identical(
    unname(confint(fit, ".sig03", method = "Wald", signames = FALSE)),
    unname(confint(fit, "sd_Days|Subject", method = "Wald"))
  )
  control <- rlmm_control(fixed = list(beta = c(Days = 10)))
  held <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = control
  )
  expect_snapshot({
    writeLines(error_lines(profile(fit, which = "Dais")))
    writeLines(error_lines(profile(held, which = "Days")))
    writeLines(error_lines(profile(fit, alphamax = 2)))
    writeLines(error_lines(profile(fit, delta.cutoff = -1)))
    writeLines(error_lines(profile(fit, maxpts = 0)))
    writeLines(error_lines(confint(fit, 99)))
  })
})

test_that("that a fit is singular is told once", {
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_no_message(confint(fit))
})

test_that("the number of threads makes no difference", {
  fits <- list(
    rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
    rglmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp,
      binomial
    )
  )
  for (fit in fits) {
    alone <- withr::with_options(list(rlmm.threads = 1), confint(fit))
    expect_identical(
      withr::with_options(list(rlmm.threads = 3), confint(fit)),
      alone
    )
  }
})

test_that("fits side by side are those of one after the other, and failures are told", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  spec <- fit_spec(fit)
  control <- core_control(fit$control, 0L, list(spec = spec), fit_held(fit))
  wrong <- replace(spec, "y", list(c(NA, spec$y[-1])))
  job <- \(spec, start) list(spec = spec, start = start, control = control)
  found <- core_fit_each(
    list(job(spec, 0.5), job(wrong, 1), job(spec, 3)),
    TRUE
  )
  alone <- core_fit(spec, 0.5, control)
  for (name in c("objective", "theta", "sigma", "beta")) {
    expect_identical(found[[1]][[name]], alone[[name]], info = name)
  }
  expect_s3_class(found[[2]], "rlmm_error_non_finite")
  expect_equal(found[[3]]$theta, alone$theta, tolerance = 1e-6)
  expect_identical(core_fit_each(list(), TRUE), list())
})

test_that("negative binomial profiles fit theta again, as glmmTMB's do", {
  # confint(method = "profile") of glmmTMB 1.1.14, which interpolates between few points.
  quadratic <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, nbinom2())
  expected <- rbind(
    c(1.031083887, 1.475485708),
    c(-0.06627895419, 0.8749052237),
    c(0.72486928699, 1.9639385852),
    c(-1.58805593034, -0.2485973598)
  )
  expect_equal(unname(confint(quadratic)), expected, tolerance = 1e-3)
  linear <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, nbinom1())
  expected <- c(0.6249153769, 1.7211443916)
  found <- confint(linear, "YEAR96")
  expect_equal(as.vector(found), expected, tolerance = 1e-3)
})

test_that("a correlation keeps its sign along its profile", {
  d <- withr::with_seed(3, {
    d <- data.frame(g = gl(20, 12), x = rnorm(240))
    root <- chol(matrix(c(0.4, 0.2, 0.2, 0.3), 2))
    b <- matrix(rnorm(40), 20) %*% root
    at <- d$g
    d$y <- 0.5 + 0.3 * d$x + b[at, 1] + b[at, 2] * d$x + rnorm(240)
    d
  })
  fit <- rlmm(y ~ x + (x | g), d, REML = FALSE)
  found <- as.data.frame(profile(fit, which = ".sig02"))
  # At -1 the best model has no slopes.
  smaller <- rlmm(y ~ x + (1 | g), d, REML = FALSE)
  lowest <- found[which.min(found$.sig02), ]
  expect_equal(lowest$.sig02, -1)
  expect_equal(
    lowest$.zeta^2,
    deviance(smaller) - deviance(fit),
    tolerance = 1e-6
  )
  # Compound symmetry of two effects is no restriction, and has the correlation as a parameter.
  other <- rlmm(y ~ x + cs(x | g), d, REML = FALSE)
  expect_equal(
    unname(confint(profile(fit, ".sig02"))),
    unname(confint(profile(other, ".sig03"))),
    tolerance = 1e-5
  )
})

test_that("variances and covariances are profiled on their own scale", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  found <- profile(fit, which = "theta_", prof.scale = "varcov")
  limits <- confint(found)
  expect_identical(rownames(limits), c(".sig01", ".sig02", ".sig03", ".sigma"))
  squares <- confint(profile(fit, which = c(".sig01", ".sig03", ".sigma")))^2
  expect_equal(unname(limits[c(1, 2, 4), ]), unname(squares), tolerance = 1e-4)
  # The deviance where the covariance is held at a limit, by a dense likelihood.
  y <- matrix(sleepstudy$Reaction, 10)
  z <- cbind(1, 0:9)
  deviance_at <- function(par, covariance) {
    s <- matrix(c(exp(par[1]), covariance, covariance, exp(par[2])), 2)
    if (det(s) <= 0) {
      return(1e6)
    }
    v <- z %*% s %*% t(z) + exp(par[3]) * diag(10)
    r <- y -
      drop(
        z %*%
          solve(crossprod(z, solve(v, z)), crossprod(z, solve(v, rowMeans(y))))
      )
    log_det <- as.numeric(determinant(v)$modulus)
    18 * (10 * log(2 * pi) + log_det) + sum(r * solve(v, r))
  }
  for (limit in limits[3, ]) {
    start <- log(c(900, 50, 650))
    best <- optim(start, deviance_at, covariance = limit, method = "BFGS")
    expect_equal(best$value - deviance(fit), qchisq(0.95, 1), tolerance = 2e-3)
  }
  own_names <- confint(fit, prof.scale = "varcov", signames = FALSE)
  expect_identical(
    rownames(own_names)[1:4],
    c(
      "var_(Intercept)|Subject",
      "var_Days|Subject",
      "cov_Days.(Intercept)|Subject",
      "sigma"
    )
  )
  expect_equal(unname(own_names[1:4, ]), unname(limits), tolerance = 1e-3)
})

test_that("variances of generalized models, and of structures, are profiled, too", {
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  found <- confint(profile(herds, ".sig01", prof.scale = "varcov"))
  expect_equal(found, confint(herds, ".sig01")^2, tolerance = 1e-3)
  fit <- rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy, REML = FALSE)
  found <- profile(fit, "theta_", prof.scale = "varcov", signames = FALSE)
  expect_identical(
    levels(found$.par),
    c(
      "var_(Intercept)|Subject",
      "var_Days|Subject",
      "cor_Days.(Intercept)|Subject",
      "sigma"
    )
  )
})

test_that("a correlation is never worse than a model without one of its effects", {
  teeth <- as.data.frame(nlme::Orthodont)[-c(2, 9, 50), ]
  by <- \(formula) rlmm(formula, teeth, REML = FALSE)
  fit <- by(distance ~ age * Sex + (age | Subject))
  # Without variance of an effect its correlation can be anything.
  smaller <- list(
    by(distance ~ age * Sex + (1 | Subject)),
    by(distance ~ age * Sex + (0 + age | Subject))
  )
  most <- min(vapply(smaller, deviance, 0)) - deviance(fit)
  made <- profile(fit, which = ".sig02")
  made <- made[order(made$.sig02), ]
  expect_true(all(diff(made$.zeta) > -1e-6))
  expect_lte(max(made$.zeta^2), most + 1e-6)
  expect_equal(made$.zeta[1]^2, most, tolerance = 1e-5)
})

test_that("points of a coefficient are fits of the rows without its column", {
  data <- sleepstudy
  data$day <- data$Days + 2e5
  data$w <- 0.5 + (seq_len(180) %% 7) / 7
  fit <- rlmm(
    Reaction ~ day + I(Days^2) + (1 | Subject),
    data,
    weights = w,
    REML = FALSE
  )
  points <- as.data.frame(profile(fit, which = "day"))
  for (i in c(1L, 6L, nrow(points))) {
    data$held <- points$day[[i]] * data$day
    rows <- rlmm(
      Reaction ~ I(Days^2) + (1 | Subject),
      data,
      weights = w,
      offset = held,
      REML = FALSE
    )
    excess <- 2 * c(logLik(fit) - logLik(rows))
    expect_equal(points$.zeta[[i]]^2, excess, tolerance = 1e-6)
  }
})

# The standard deviation of intercepts at a distance d tends to d times that of the slopes, which
# depends on no origin, and their correlation to -1.
test_that("standard deviations and correlations have right limits far from zero", {
  limits_at <- function(distance) {
    data <- transform(sleepstudy, x = (Days - 4.5) + distance)
    fit <- rlmm(Reaction ~ x + (x | Subject), data, REML = FALSE)
    expect_no_warning(confint(fit, "theta_", method = "profile"))
  }
  near <- limits_at(0)
  for (distance in c(1e4, 1e5, 1e6)) {
    far <- limits_at(distance)
    expect_equal(far[3, ], near[3, ], tolerance = 1e-5)
    expect_equal(far[1, ] / distance, near[3, ], tolerance = 1e-3)
    expect_equal(far[4, ], near[4, ], tolerance = 1e-5)
    expect_true(all(abs(far[2, ] + 1) < 1e3 / distance^2 + 1e-12))
  }
})

test_that("correlations beside a covariate far from zero have the limits of a centred one", {
  set.seed(1)
  data <- data.frame(g = gl(20, 8), x = rnorm(160), z = rnorm(160))
  b <- matrix(rnorm(60, sd = 0.7), 20)
  lines <- rowSums(b[data$g, ] * cbind(1, data$x, data$z))
  data$y <- lines + rnorm(160)
  limits_at <- function(distance) {
    fit <- rlmm(y ~ 1 + (x + z | g), transform(data, x = x + distance))
    confint(fit, c("cor_z.x|g", "sd_z|g"), method = "profile", signames = FALSE)
  }
  expect_equal(limits_at(1e5), limits_at(0), tolerance = 1e-4)
})

test_that("covariances have right limits far from zero", {
  set.seed(1)
  data <- data.frame(g = gl(15, 8), x = rnorm(120), z = rnorm(120))
  b <- cbind(rnorm(15), rnorm(15, sd = 0.7), rnorm(15, sd = 0.5))
  lines <- 1 + data$x + rowSums(b[data$g, ] * cbind(1, data$x, data$z))
  data$y <- lines + rnorm(120, sd = 0.5)
  data$n <- rpois(120, exp(0.4 * lines))
  limits <- function(fit, which) {
    made <- profile(fit, which, prof.scale = "varcov", signames = FALSE)
    confint(expect_no_warning(made))
  }
  cells <- c("var_x|g", "cov_x.(Intercept)|g")
  # Where the mean m of x is large, the intercepts are -m times the slopes.
  for (m in c(1e4, 1e6)) {
    far <- transform(data, x = x + m)
    one <- limits(rlmm(y ~ x + (x | g), far), cells)
    expect_equal(
      one[2, ] / m,
      -rev(one[1, ]),
      tolerance = 1e-3,
      ignore_attr = TRUE
    )
    two <- limits(rlmm(y ~ x + (x + z | g), far, REML = FALSE), cells)
    expect_equal(
      two[2, ] / m,
      -rev(two[1, ]),
      tolerance = 1e-3,
      ignore_attr = TRUE
    )
    counts <- limits(rglmm(n ~ x + (x | g), far, poisson), cells)
    expect_equal(
      counts[2, ] / m,
      -rev(counts[1, ]),
      tolerance = 5e-3,
      ignore_attr = TRUE
    )
  }
  # The variance of a slope is that of the centred covariate.
  near <- rlmm(y ~ x + (x | g), data)
  expect_equal(one[1, ], limits(near, cells[1])[1, ], tolerance = 1e-5)
})

test_that("limits of covariances of a covariate far from zero say that they may be wrong", {
  data <- transform(sleepstudy, far = Days + 1e4)
  fit <- rlmm(Reaction ~ far + cs(far | Subject), data)
  expect_warning(
    confint(fit, ".sig01", method = "profile"),
    "mean of `far` is 3,500 of its standard deviations from zero",
    class = "rlmm_warning_profile"
  )
  expect_warning(profile(fit, ".sig02"), class = "rlmm_warning_profile")
  expect_silent(confint(fit, "far", method = "profile"))
  near <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_silent(profile(near, ".sig01"))
  # Sums have no orthogonal effects to search in.
  sums <- rlmm_sums(
    Reaction ~ Days + (Days | Subject),
    transform(sleepstudy, Days = Days + 6e4)
  )
  expect_warning(
    profile(rlmm(sums), ".sig01"),
    class = "rlmm_warning_profile"
  )
})

# Profiles of such sums took minutes, and their limits were wrong.
test_that("far from zero the covariances of sums have no profile", {
  sums <- rlmm_sums(
    Reaction ~ Days + (Days | Subject),
    transform(sleepstudy, Days = Days + 1e6)
  )
  fit <- rlmm(sums)
  refused <- list(
    quote(profile(fit, ".sig01")),
    quote(confint(fit, "theta_", method = "profile"))
  )
  for (call in refused) {
    expect_error(eval(call), "Centre it", class = "rlmm_error_origin")
  }
  centred <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(
    unname(confint(fit, "Days", method = "profile")),
    unname(confint(centred, "Days", method = "profile")),
    tolerance = 1e-5
  )
})

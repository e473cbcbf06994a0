# Many responses against fits of one each, and against lme4.

sleep_responses <- function(n = 6) {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  y <- as.matrix(simulate(fit, 6, seed = 1))
  y[3, 2] <- NA
  y[7:9, 4] <- NA
  y[, seq_len(n), drop = FALSE]
}

many_sleep <- function(...) {
  Y <- sleep_responses()
  rlmm_many(Y ~ Days + (Days | Subject), sleepstudy, ...)
}

one_by_one <- function(Y, ...) {
  lapply(seq_len(ncol(Y)), \(i) {
    data <- transform(sleepstudy, y = Y[, i])
    suppressMessages(rlmm(y ~ Days + (Days | Subject), data, ...))
  })
}

test_that("the table is that of a loop", {
  for (reml in c(TRUE, FALSE)) {
    many <- many_sleep(REML = reml)
    fits <- one_by_one(sleep_responses(), REML = reml)
    table <- as.data.frame(many)
    for (i in 1:6) {
      own <- table[table$response == paste0("sim_", i), ]
      expected <- coef(summary(fits[[i]]))
      expect_equal(own$term, rownames(expected))
      expect_equal(
        unname(as.matrix(own[3:7])),
        unname(expected),
        tolerance = 1e-6
      )
    }
    found <- as.data.frame(many, what = "fit")
    expect_equal(found$nobs, c(180, 179, 180, 177, 180, 180))
    expect_equal(found$logLik, vapply(fits, logLik, 0), tolerance = 1e-9)
    variances <- lapply(fits, \(fit) variance_estimates(fit)$estimate)
    expect_equal(
      unname(as.matrix(found[3:6])),
      unname(do.call(rbind, variances)),
      tolerance = 1e-5
    )
    expect_true(all(found$verdict == "optimal"))
  }
})

test_that("lme4 and lmerTest find the same", {
  skip_if_not_installed("lmerTest")
  many <- many_sleep()
  data <- transform(sleepstudy, y = sleep_responses()[, 4])
  theirs <- lmerTest::lmer(y ~ Days + (Days | Subject), data)
  expected <- stats::coef(summary(theirs))
  own <- as.data.frame(many)[7:8, 3:7]
  expect_equal(unname(as.matrix(own)), unname(expected), tolerance = 1e-3)
  expect_equal(many$sigma[[4]], stats::sigma(theirs), tolerance = 1e-4)
})

test_that("a singular response has the degrees of freedom of its fit", {
  set.seed(2)
  Y <- matrix(stats::rnorm(180 * 12), 180)
  many <- rlmm_many(Y ~ Days + (Days | Subject), sleepstudy)
  fits <- one_by_one(Y)
  expect_true(any(vapply(fits, isSingular, NA)))
  for (i in seq_along(fits)) {
    expected <- coef(summary(fits[[i]]))[, "df"]
    expect_equal(many$df[i, ], expected, tolerance = 1e-4)
  }
})

test_that("structures and covariates far from zero", {
  Y <- sleep_responses(2)
  data <- transform(sleepstudy, year = Days + 2000)
  many <- rlmm_many(Y ~ year + (year | Subject), data)
  near <- rlmm_many(Y ~ Days + (Days | Subject), sleepstudy)
  expect_equal(unname(many$df[, 2]), unname(near$df[, 2]), tolerance = 1e-5)
  expect_equal(many$objective, near$objective, tolerance = 1e-7)
  many <- rlmm_many(Y ~ Days + ar1(0 + factor(Days) | Subject), sleepstudy)
  data$y <- Y[, 1]
  one <- rlmm(y ~ Days + ar1(0 + factor(Days) | Subject), data)
  expect_equal(many$beta[1, ], fixef(one), tolerance = 1e-5)
  expect_equal(
    many$df[1, ],
    coef(summary(one))[, "df"],
    tolerance = 1e-3
  )
})

test_that("one response is a whole fit", {
  many <- many_sleep()
  fits <- one_by_one(sleep_responses())
  one <- many[["sim_4"]]
  expect_s3_class(one, "rlmm_lmm")
  expect_equal(fixef(one), fixef(fits[[4]]), tolerance = 1e-8)
  expect_equal(unname(fitted(one)), unname(fitted(fits[[4]])), tolerance = 1e-6)
  expect_identical(formula(one)[[2]], quote(sim_4))
  expect_equal(nobs(one), 177)
  expect_identical(length(many), 6L)
  expect_identical(names(many), paste0("sim_", 1:6))
  residuals <- residuals(many, which = c("sim_1", "sim_4"))
  expect_identical(dim(residuals), c(180L, 2L))
  expect_identical(which(is.na(residuals[, 2])), 7:9)
  expect_equal(
    unname(residuals[-(7:9), 2]),
    unname(residuals(fits[[4]])),
    tolerance = 1e-6
  )
  expect_equal(
    unname(fitted(many, 1)[, 1]),
    unname(fitted(fits[[1]])),
    tolerance = 1e-6
  )
})

test_that("responses come as a matrix, columns, or from a reader", {
  Y <- sleep_responses()
  many <- many_sleep()
  parts <- c("beta", "std_error", "df", "theta", "sigma", "objective")
  kept <- \(x) unclass(x)[parts]
  frame <- rlmm_many(as.data.frame(Y) ~ Days + (Days | Subject), sleepstudy)
  expect_equal(kept(frame), kept(many))
  data <- sleepstudy
  data$Y <- Y
  inside <- rlmm_many(Y ~ Days + (Days | Subject), data)
  expect_equal(kept(inside), kept(many))
  reader <- function(i) if (i <= 3) Y[, 2 * i - 1:0]
  chunks <- rlmm_many(reader ~ Days + (Days | Subject), sleepstudy)
  expect_equal(kept(chunks), kept(many))
  expect_equal(residuals(chunks, 5), residuals(many, 5))
  expect_identical(rownames(chunks$beta), colnames(Y))
  Days <- sleepstudy$Days
  Subject <- sleepstudy$Subject
  alone <- rlmm_many(Y ~ Days + (Days | Subject))
  expect_equal(kept(alone), kept(many))
})

test_that("rows without a covariate are left out for all, weights and offset taken", {
  Y <- sleep_responses()
  data <- transform(sleepstudy, w = rep(c(1, 2), 90), o = Days)
  data$Days[5] <- NA
  many <- rlmm_many(
    Y ~ Days + (1 | Subject),
    data,
    weights = w,
    offset = o
  )
  data$y <- Y[, 4]
  one <- rlmm(y ~ Days + (1 | Subject), data, weights = w, offset = o)
  expect_equal(many$nobs[[4]], 176)
  expect_equal(many$beta[4, ], fixef(one), tolerance = 1e-7)
  expect_equal(many$objective[[4]], one$optsum$fmin, tolerance = 1e-9)
})

test_that("the number of threads makes no difference", {
  withr::local_options(rlmm.threads = 1)
  one <- many_sleep()
  withr::local_options(rlmm.threads = 3)
  expect_identical(unclass(many_sleep())$beta, one$beta)
})

test_that("failures are told, and the others go on", {
  Y <- sleep_responses(4)
  Y[, 2] <- sleepstudy$Days
  Y[-(1:2), 3] <- NA
  many <- rlmm_many(Y ~ Days + (Days | Subject), sleepstudy)
  expect_identical(unname(is.na(many$error)), c(TRUE, FALSE, FALSE, TRUE))
  expect_true(all(is.na(many$beta[2:3, ])))
  expect_equal(many$beta[1, ], many_sleep()$beta[1, ])
  expect_true(all(is.na(residuals(many, 2))))
  expect_snapshot({
    print(many)
    writeLines(error_lines(many[["sim_2"]]))
    writeLines(error_lines(many[["sim_9"]]))
    writeLines(error_lines(many[[9]]))
    writeLines(error_lines(as.data.frame(many, term = "days")))
    writeLines(error_lines(as.data.frame(many, adjust = "fdrx")))
    writeLines(error_lines(residuals(many, "x")))
  })
})

test_that("wrong responses are refused", {
  Y <- sleep_responses()
  infinite <- replace(Y, 5, Inf)
  text <- data.frame(a = Y[, 1], b = "x")
  half <- cbind(grouseticks$TICKS, 0.5)
  counts <- matrix(-1, 403, 2, dimnames = list(NULL, c("a", "b")))
  expect_snapshot({
    writeLines(error_lines(rlmm_many(
      Y[1:9, ] ~ Days + (1 | Subject),
      sleepstudy
    )))
    writeLines(error_lines(rlmm_many(
      infinite ~ Days + (1 | Subject),
      sleepstudy
    )))
    writeLines(error_lines(rlmm_many(text ~ Days + (1 | Subject), sleepstudy)))
    writeLines(error_lines(rlmm_many(Z ~ Days + (1 | Subject), sleepstudy)))
    writeLines(error_lines(rlmm_many(~ Days + (1 | Subject), sleepstudy)))
    writeLines(error_lines(rlmm_many(Y ~ Days, sleepstudy)))
    writeLines(error_lines(rlmm_many(Y ~ Y + (1 | Subject), sleepstudy)))
    writeLines(error_lines(
      rlmm_many(Y[, 0] ~ Days + (1 | Subject), sleepstudy)
    ))
    writeLines(condition_lines(
      rglmm_many(half ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
    ))
    writeLines(error_lines(rlmm_many(Y ~ days + (1 | Subject), sleepstudy)))
    writeLines(error_lines(
      rglmm_many(counts ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
    ))
    writeLines(error_lines(rglmm_many(
      counts ~ YEAR + (1 | BROOD),
      grouseticks
    )))
  })
})

test_that("counts: the table is that of a loop", {
  fit <- rglmm(
    TICKS ~ YEAR + offset(HEIGHT / 500) + (1 | BROOD),
    grouseticks,
    family = poisson
  )
  Y <- as.matrix(simulate(fit, 3, seed = 1))
  Y[5, 3] <- NA
  many <- rglmm_many(
    Y ~ YEAR + offset(HEIGHT / 500) + (1 | BROOD),
    grouseticks,
    family = poisson
  )
  for (i in 1:3) {
    data <- transform(grouseticks, y = Y[, i])
    one <- rglmm(
      y ~ YEAR + offset(HEIGHT / 500) + (1 | BROOD),
      data,
      family = poisson
    )
    own <- as.data.frame(many)[3 * i - 2:0, 3:6]
    expect_equal(
      unname(as.matrix(own)),
      unname(coef(summary(one))),
      tolerance = 1e-4
    )
    expect_equal(many$objective[[i]], one$optsum$fmin, tolerance = 1e-8)
  }
  expect_equal(fixef(many[[3]]), fixef(one), tolerance = 1e-4)
  skip_if_not_installed("lme4")
  data <- transform(grouseticks, y = Y[, 2])
  theirs <- lme4::glmer(
    y ~ YEAR + offset(HEIGHT / 500) + (1 | BROOD),
    data,
    family = poisson
  )
  expect_equal(many$beta[2, ], lme4::fixef(theirs), tolerance = 1e-3)
})

test_that("each response has a theta of its own", {
  set.seed(3)
  effects <- stats::rnorm(nlevels(grouseticks$BROOD))[grouseticks$BROOD]
  Y <- vapply(
    c(0.5, 3),
    \(theta) stats::rnbinom(403, theta, mu = exp(1 + effects)),
    double(403)
  )
  many <- rglmm_many(Y ~ 1 + (1 | BROOD), grouseticks, family = "nbinom2")
  for (i in 1:2) {
    d <- transform(grouseticks, y = Y[, i])
    one <- rglmm(y ~ 1 + (1 | BROOD), d, family = nbinom2())
    expect_equal(many$shape[[i]], family(one)$theta, tolerance = 1e-3)
    expect_equal(many$objective[[i]], one$optsum$fmin, tolerance = 1e-7)
  }
  expect_named(
    as.data.frame(many, what = "fit"),
    c(
      "response",
      "nobs",
      "sd_(Intercept)|BROOD",
      "shape",
      "logLik",
      "verdict",
      "error"
    )
  )
})

test_that("z tests, on request", {
  many <- many_sleep(ddf = "asymptotic")
  table <- as.data.frame(many)
  expect_false("df" %in% names(table))
  expect_equal(table$p.value, 2 * stats::pnorm(-abs(table$statistic)))
  expect_identical(many$beta, many_sleep()$beta)
})

test_that("p-values are adjusted within each fixed effect", {
  table <- as.data.frame(many_sleep(), term = "Days", adjust = "BH")
  expect_equal(table$p.adjusted, stats::p.adjust(table$p.value, "BH"))
})

test_that("refit() takes several responses", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  y <- simulate(fit, 3, seed = 1)
  many <- refit(fit, y)
  expect_s3_class(many, "rlmm_many")
  for (i in 1:3) {
    expect_equal(many$beta[i, ], fixef(refit(fit, y[[i]])), tolerance = 1e-7)
  }
  expect_equal(refit(fit, as.matrix(y))$theta, many$theta)
  gaps <- transform(sleepstudy, Days = replace(Days, 4, NA))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), gaps)
  long <- refit(fit, y)
  short <- refit(fit, y[-4, ])
  expect_equal(long$beta, short$beta)
  expect_equal(long$beta[2, ], fixef(refit(fit, y[[2]])), tolerance = 1e-7)
  cbpp_fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  y <- simulate(cbpp_fit, 2, seed = 1)
  many <- refit(cbpp_fit, y)
  one <- refit(cbpp_fit, y[[2]])
  expect_equal(many$beta[2, ], fixef(one), tolerance = 1e-4)
  y[[2]] <- y[[2]] + 1
  expect_error(refit(cbpp_fit, y), class = "rlmm_error_argument")
})

test_that("weights of each response are those of a loop", {
  set.seed(9)
  Y <- as.matrix(simulate(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy), 4))
  Y[5, 2] <- NA
  W <- matrix(runif(720, 0.5, 2), 180)
  many <- rlmm_many(Y ~ Days + (1 | Subject), sleepstudy, weights = W)
  for (i in 1:4) {
    data <- data.frame(sleepstudy, y = Y[, i], w = W[, i])
    fit <- rlmm(y ~ Days + (1 | Subject), data, weights = w)
    expect_equal(many$beta[i, ], fixef(fit), tolerance = 1e-7)
    expect_equal(many$sigma[[i]], sigma(fit), tolerance = 1e-6)
    expect_equal(many$df[i, ], coef(summary(fit))[, "df"], tolerance = 1e-4)
    expect_equal(weights(many[[i]]), weights(fit), ignore_attr = TRUE)
    expect_equal(
      residuals(many, i)[!is.na(Y[, i]), 1],
      residuals(fit),
      tolerance = 1e-6,
      ignore_attr = TRUE
    )
  }
  expect_snapshot({
    writeLines(error_lines(
      rlmm_many(Y ~ Days + (1 | Subject), sleepstudy, weights = W[, 1:3])
    ))
    writeLines(error_lines(
      rlmm_many(Y ~ Days + (1 | Subject), sleepstudy, weights = -W)
    ))
    writeLines(error_lines(
      rlmm_many(Y ~ Days + (1 | Subject), sleepstudy, ddff = 1)
    ))
  })
})

test_that("responses without values or with too few fail alone, also the first ones", {
  y <- matrix(sin(seq_len(240)^2), 60)
  y[, 1] <- NA
  y[-(1:2), 2] <- NA
  data <- data.frame(g = gl(15, 4), x = cos(seq_len(60)))
  found <- rlmm_many(y ~ x + (1 | g), data)
  expect_identical(
    unname(found$error[1]),
    "All its values are missing."
  )
  expect_match(found$error[[2]], "more observations")
  expect_identical(unname(is.na(found$error)), c(FALSE, FALSE, TRUE, TRUE))
  one <- rlmm(y[, 3] ~ x + (1 | g), data)
  expect_equal(found$beta[3, ], fixef(one), tolerance = 1e-6)
  counts <- cbind(NA_real_, seq_len(60) %% 4)
  generalized <- rglmm_many(counts ~ x + (1 | g), data, family = poisson)
  expect_identical(unname(is.na(generalized$beta[, 1])), c(TRUE, FALSE))
  expect_identical(
    unname(rglmm_many(counts ~ x + (1 | g), data, family = nbinom2())$error[1]),
    "All its values are missing."
  )
})

test_that("NaN among responses counts as missing, and is told of", {
  Y <- sleep_responses()
  missing <- rlmm_many(Y ~ Days + (Days | Subject), sleepstudy)
  Y[7:9, 4] <- c(NaN, NA, NaN)
  expect_message(
    many <- rlmm_many(Y ~ Days + (Days | Subject), sleepstudy),
    "2 values in `sim_4`",
    class = "rlmm_message_nan"
  )
  expect_equal(many$beta, missing$beta)
  expect_equal(many$nobs, missing$nobs)
})

test_that("the iterative engine is refused", {
  iterative <- rlmm_control(engine = "iterative")
  Y <- sleep_responses(2)
  expect_error(
    rlmm_many(Y ~ Days + (1 | Subject), sleepstudy, control = iterative),
    "one response at a time",
    class = "rlmm_error_argument"
  )
  counts <- cbind(seq_len(180) %% 4, seq_len(180) %% 3)
  expect_error(
    rglmm_many(
      counts ~ Days + (1 | Subject),
      sleepstudy,
      family = poisson,
      control = list(engine = "iterative")
    ),
    "`rglmm\\(\\)` has both",
    class = "rlmm_error_argument"
  )
})

test_that("far covariates in interactions have the estimates of single fits", {
  data <- transform(
    sleepstudy,
    g = factor(as.integer(Subject) %% 3),
    count = round(Reaction / 20),
    time = Days - 4.5
  )
  data$other <- rev(data$Reaction)
  data$others <- rev(data$count)
  fits <- function(origin) {
    data$time <- data$time + origin
    list(
      rlmm_many(
        cbind(Reaction, other) ~ g * time + (time | Subject),
        data
      ),
      suppressMessages(rglmm_many(
        cbind(count, others) ~ g * time + (1 | Subject),
        data,
        family = poisson
      ))
    )
  }
  slopes <- c("time", "g1:time", "g2:time")
  table_of <- function(many) {
    table <- as.data.frame(many)
    table <- table[table$term %in% slopes, ]
    numbers <- intersect(c("estimate", "std.error", "df"), names(table))
    as.matrix(table[numbers])
  }
  near <- lapply(fits(0), table_of)
  for (origin in c(3e4, 1e6, 1e8)) {
    far <- lapply(fits(origin), table_of)
    expect_equal(far, near, tolerance = 1e-3, ignore_attr = TRUE)
  }
})

test_that("so have the replicates of the bootstrap", {
  data <- transform(
    sleepstudy,
    g = factor(as.integer(Subject) %% 3),
    time = Days + 1e9
  )
  fit <- rlmm(Reaction ~ g * time + (time | Subject), data)
  found <- bootstrap(fit, 3, seed = 1)
  expect_true(all(is.na(found$error)))
  responses <- simulate(found)
  for (i in 1:3) {
    again <- refit(fit, responses[[i]])
    expect_equal(
      found$beta[i, c("time", "g1:time")],
      fixef(again)[c("time", "g1:time")],
      tolerance = 1e-4
    )
    expect_equal(found$objective[[i]], again$dev$objective, tolerance = 1e-7)
  }
})

test_that("responses of every family are fitted, as by single fits", {
  data <- transform(grouseticks, other = TICKS %% 7)
  known <- list(binomial(), poisson(), gaussian("log"), Gamma("log"))
  known <- c(known, list(inverse.gaussian("log"), nbinom1(), nbinom2()))
  for (family in known) {
    least <- if (family$family == "binomial") 0 else 1
    data$a <- data$TICKS + least
    data$b <- data$other + least
    if (family$family == "binomial") {
      data[c("a", "b")] <- lapply(data[c("a", "b")], \(y) as.double(y > 2))
    }
    many <- suppressMessages(rglmm_many(
      cbind(a, b) ~ YEAR + (1 | BROOD),
      data,
      family = family
    ))
    one <- suppressMessages(rglmm(b ~ YEAR + (1 | BROOD), data, family))
    expect_equal(fixef(many)["b", ], fixef(one), tolerance = 1e-4)
    expect_equal(
      as.numeric(logLik(many))[2],
      as.numeric(logLik(one)),
      tolerance = 1e-7
    )
  }
})

test_that("responses that the model reproduces are counted", {
  data <- transform(grouseticks, a = TICKS + 1, b = HEIGHT / 100)
  many <- rlmm_many(cbind(a, b) ~ YEAR + (1 | BROOD), data)
  expect_equal(many$verdict[["b"]], "rounded")
  expect_match(format(many), "; 1 up to rounding errors only", all = FALSE)
})

test_that("responses with correlated slopes of a covariate far from zero", {
  set.seed(4)
  data <- data.frame(g = factor(rep(1:30, each = 12)), c = rnorm(360))
  slope <- rnorm(30, sd = 0.6)[data$g]
  level <- rnorm(30, sd = 0.8)[data$g]
  data$y <- 3 + level + (0.5 + slope) * data$c + rnorm(360)
  data$z <- data$y + rnorm(360)
  centred <- rlmm_many(cbind(y, z) ~ c + (c | g), data)
  for (origin in c(1e3, 1e5)) {
    data$x <- origin + data$c
    many <- rlmm_many(cbind(y, z) ~ x + cs(x | g), data)
    expect_equal(logLik(many), logLik(centred), tolerance = 1e-7)
    expect_equal(many$beta[, 2L], centred$beta[, 2L], tolerance = 1e-5)
    fit <- rlmm(y ~ x + cs(x | g), data)
    boot <- bootstrap(fit, 2, seed = 1)
    plan <- bootstrap_plan(fit, 1:2, 1, FALSE)
    drawn <- core_draws(fit_spec(fit), plan)
    for (i in 1:2) {
      data$d <- drawn[, i]
      by_nlme <- nlme::lme(d ~ c, data, ~ c | g)
      slope <- nlme::fixef(by_nlme)[["c"]]
      expect_equal(unname(boot$beta[i, "x"]), slope, tolerance = 1e-4)
    }
  }
})

test_that("counts with correlated slopes of a covariate far from zero", {
  set.seed(4)
  data <- data.frame(g = factor(rep(1:20, each = 8)), c = rnorm(160))
  slope <- rnorm(20, sd = 0.4)[data$g]
  level <- rnorm(20, sd = 0.5)[data$g]
  eta <- 0.6 + level + (0.3 + slope) * data$c
  data$y <- rpois(160, exp(eta))
  data$z <- rpois(160, exp(eta))
  centred <- rglmm_many(cbind(y, z) ~ c + (c | g), data, poisson)
  for (origin in c(1e3, 1e5)) {
    data$x <- origin + data$c
    many <- rglmm_many(cbind(y, z) ~ x + cs(x | g), data, poisson)
    expect_equal(logLik(many), logLik(centred), tolerance = 1e-6)
    expect_equal(many$beta[, 2L], centred$beta[, 2L], tolerance = 1e-3)
    fit <- suppressMessages(rglmm(y ~ x + cs(x | g), data, poisson))
    boot <- bootstrap(fit, 2, seed = 1)
    drawn <- core_draws(fit_spec(fit), bootstrap_plan(fit, 1:2, 1, FALSE))
    for (i in 1:2) {
      data$d <- drawn[, i]
      right <- rglmm(d ~ c + (c | g), data, poisson)
      expect_equal(boot$beta[[i, "x"]], right$beta[["c"]], tolerance = 1e-3)
    }
  }
})

test_that("overdispersed counts with correlated slopes of a covariate far from zero", {
  set.seed(4)
  data <- data.frame(g = factor(rep(1:20, each = 8)), c = rnorm(160))
  slope <- rnorm(20, sd = 0.4)[data$g]
  level <- rnorm(20, sd = 0.5)[data$g]
  mean <- exp(1.6 + level + (0.3 + slope) * data$c)
  data$y <- rnbinom(160, mu = mean, size = 4)
  data$z <- rnbinom(160, mu = mean, size = 1)
  data$x <- 1e5 + data$c
  centred <- rglmm_many(cbind(y, z) ~ c + (c | g), data, nbinom2)
  many <- rglmm_many(cbind(y, z) ~ x + cs(x | g), data, nbinom2)
  expect_equal(logLik(many), logLik(centred), tolerance = 1e-6)
  expect_equal(many$beta[, 2L], centred$beta[, 2L], tolerance = 1e-3)
})

test_that("each response has a name of its own", {
  data <- transform(sleepstudy, twice = 2 * Reaction)
  left <- list(
    quote(cbind(Reaction, sqrt(Reaction))),
    quote(cbind(Reaction, Reaction = twice)),
    quote(cbind(log(Reaction), twice)),
    quote(unname(as.matrix(data[c("Reaction", "twice")])))
  )
  names_of <- function(responses) {
    model <- eval(bquote(.(responses) ~ Days + (1 | Subject)))
    names(rlmm_many(model, data))
  }
  expect_identical(
    lapply(left, names_of),
    list(
      c("Reaction", "y2"),
      c("Reaction", "Reaction.1"),
      c("y1", "twice"),
      c("y1", "y2")
    )
  )
})

test_that("fits that have not converged have no p-values", {
  set.seed(1)
  data <- sleepstudy
  data$y <- matrix(rnorm(180 * 3), 180)
  formula <- y ~ Days + (Days | Subject)
  few <- rlmm_many(formula, data, control = rlmm_control(max_eval = 3))
  expect_setequal(few$verdict, "not_converged")
  expect_true(all(is.na(as.data.frame(few)$p.value)))
  expect_false(anyNA(as.data.frame(rlmm_many(formula, data))$p.value))
})

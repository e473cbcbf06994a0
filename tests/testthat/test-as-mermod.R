skip_if_not_installed("lme4")

fits <- function() {
  all <- list(
    slopes = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
    apart = rlmm(Reaction ~ Days + (Days || Subject), sleepstudy, REML = FALSE),
    weighted = rlmm(
      log(Reaction) ~ poly(Days, 2) + (1 | Subject),
      sleepstudy,
      weights = Days + 1,
      offset = Days / 100
    ),
    nested = rlmm(strength ~ 1 + (1 | batch / cask), Pastes),
    binomial = rglmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp,
      binomial
    ),
    # lme4 1 leaves constants out of the log-likelihood by quadrature.
    quadrature = if (packageVersion("lme4") >= "2.0") {
      rglmm(
        cbind(incidence, size - incidence) ~ period + (1 | herd),
        cbpp,
        binomial,
        nAGQ = 9
      )
    },
    poisson = rglmm(
      TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX),
      grouseticks,
      poisson
    ),
    offset = rglmm(
      TICKS ~ YEAR + (1 | BROOD),
      grouseticks,
      poisson,
      offset = cHEIGHT / 100
    ),
    fast = rglmm(
      r2 ~ Anger + (Anger | item) + (1 | id),
      VerbAgg,
      binomial,
      fast = TRUE
    )
  )
  all[lengths(all) > 0L]
}

test_that("lme4's accessors answer as ours", {
  for (fit in fits()) {
    theirs <- as_merMod(fit)
    expect_true(lme4::isLMM(theirs) || lme4::isGLMM(theirs))
    expect_equal(lme4::fixef(theirs), fixef(fit), tolerance = 1e-8)
    expect_equal(
      as.numeric(logLik(theirs)),
      as.numeric(logLik(fit)),
      tolerance = 1e-8
    )
    expect_identical(attr(logLik(theirs), "df"), attr(logLik(fit), "df"))
    expect_equal(
      as.data.frame(lme4::VarCorr(theirs))$sdcor,
      as.data.frame(VarCorr(fit))$sdcor,
      tolerance = 1e-8
    )
    expect_equal(
      as.matrix(vcov(theirs)),
      vcov(fit),
      tolerance = 1e-7,
      ignore_attr = TRUE
    )
    expect_equal(
      lapply(lme4::ranef(theirs, condVar = FALSE), as.matrix),
      lapply(unclass(ranef(fit, condVar = FALSE)), as.matrix),
      tolerance = 1e-8,
      ignore_attr = TRUE
    )
    expect_equal(fitted(theirs), fitted(fit), tolerance = 1e-8)
    expect_equal(
      attr(lme4::ranef(theirs)[[1L]], "postVar"),
      attr(ranef(fit)[[1L]], "postVar"),
      tolerance = 1e-8
    )
    if (isGLMM(fit)) {
      expect_equal(
        as.vector(weights(theirs, "working")),
        weights(fit, "working"),
        tolerance = 1e-8
      )
    }
  }
})

test_that("there and back is the same fit", {
  for (fit in fits()) {
    back <- as_rlmm(as_merMod(fit))
    expect_s3_class(back, class(fit), exact = TRUE)
    expect_equal(fixef(back), fixef(fit), tolerance = 1e-8)
    expect_equal(getME(back, "theta"), getME(fit, "theta"), tolerance = 1e-8)
    expect_equal(logLik(back), logLik(fit), tolerance = 1e-8)
  }
})

test_that("lme4's own fits become ours", {
  theirs <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
  ours <- as_rlmm(theirs)
  expect_equal(fixef(ours), lme4::fixef(theirs), tolerance = 1e-8)
  expect_equal(
    as.numeric(logLik(ours)),
    as.numeric(logLik(theirs)),
    tolerance = 1e-10
  )
  expect_equal(
    predict(ours, sleepstudy[1:5, ]),
    predict(theirs, sleepstudy[1:5, ]),
    tolerance = 1e-8
  )
})

test_that("what the object holds is what lme4's own fit holds", {
  gaps <- transform(sleepstudy, dose = Days + sin(seq_along(Days)))
  gaps$Reaction[c(3, 20)] <- NA
  # The scale is that of all rows, also of those without a response.
  formula <- Reaction ~ scale(dose) + (Days | Subject)
  ours <- as_merMod(rlmm(formula, gaps, na.action = na.exclude))
  theirs <- lme4::lmer(formula, gaps, na.action = na.exclude)
  expect_equal(lme4::getME(ours, "X"), lme4::getME(theirs, "X"))
  expect_equal(residuals(ours), residuals(theirs), tolerance = 1e-3)
  expect_length(residuals(ours), 180L)
  expect_equal(
    ours@optinfo$derivs$Hessian,
    theirs@optinfo$derivs$Hessian,
    tolerance = 1e-3
  )
  counts <- TICKS ~ YEAR + offset(cHEIGHT / 100) + (1 | BROOD)
  ours <- as_merMod(rglmm(counts, grouseticks, poisson))
  theirs <- lme4::glmer(counts, grouseticks, poisson)
  expect_equal(
    lme4::getME(ours, "offset"),
    lme4::getME(theirs, "offset"),
    tolerance = 1e-12
  )
  new <- simulate(theirs, 1, seed = 1)[[1L]]
  expect_equal(
    lme4::fixef(lme4::refit(ours, new)),
    lme4::fixef(lme4::refit(theirs, new)),
    tolerance = 1e-3
  )
})

test_that("lme4 profiles the object as its own", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  theirs <- lme4::lmer(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  limits <- function(object) {
    suppressMessages(confint(object, method = "profile"))
  }
  expect_equal(limits(as_merMod(fit)), limits(theirs), tolerance = 1e-3)
})

test_that("a negative binomial fit is lme4's of glmer.nb()", {
  skip_if_not_installed("MASS")
  formula <- TICKS ~ YEAR + cHEIGHT + (1 | BROOD)
  fit <- rglmm_nb(formula, data = grouseticks)
  converted <- as_merMod(fit)
  theirs <- suppressWarnings(lme4::glmer.nb(formula, data = grouseticks))
  theta <- "glmer.nb.theta"
  expect_equal(
    lme4::getME(converted, theta),
    getME(fit, theta),
    tolerance = 1e-10
  )
  expect_equal(
    lme4::getME(converted, theta),
    lme4::getME(theirs, theta),
    tolerance = 1e-3
  )
  expect_equal(lme4::fixef(converted), lme4::fixef(theirs), tolerance = 1e-4)
  expect_equal(vcov(converted), vcov(theirs), tolerance = 1e-3)
  expect_equal(
    as.matrix(vcov(converted)),
    vcov(fit),
    tolerance = 1e-7,
    ignore_attr = TRUE
  )
  expect_equal(logLik(converted), logLik(theirs), tolerance = 1e-6)
  # The call is one that update() can carry out, also for the link and the model nbinom2().
  reduced <- suppressWarnings(update(converted, . ~ . - cHEIGHT))
  expect_equal(lme4::getME(reduced, theta), getME(fit, theta), tolerance = 1e-6)
  by_link <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, nbinom2("sqrt"))
  expect_identical(family(as_merMod(by_link))$link, "sqrt")
})

test_that("a fit whose data are out of reach is converted by its frame", {
  fit <- local({
    hidden <- sleepstudy
    rlmm(Reaction ~ Days + (Days | Subject), hidden)
  })
  environment(fit$formula) <- globalenv()
  expect_equal(lme4::fixef(as_merMod(fit)), fixef(fit), tolerance = 1e-8)
})

test_that("a fit through dots, whose data no one finds, is converted too", {
  through <- function(fitter, ...) fitter(...)
  formula <- TICKS ~ poly(cHEIGHT, 2) + offset(log(HEIGHT)) + (1 | BROOD)
  arguments <- list(formula, grouseticks, family = poisson)
  fit <- do.call(through, c(rglmm, arguments))
  theirs <- do.call(through, c(lme4::glmer, arguments))
  converted <- as_merMod(fit)
  expect_identical(
    deparse(formula(converted)),
    deparse(formula(theirs))
  )
  expect_identical(names(model.frame(converted)), names(model.frame(theirs)))
  for (of in list(lme4::fixef, fitted, \(x) lme4::getME(x, "offset"))) {
    expect_equal(of(converted), of(theirs), tolerance = 1e-3)
  }
  new <- grouseticks[1:5, ]
  expect_equal(
    predict(converted, new),
    predict(theirs, new),
    tolerance = 1e-3
  )
})

test_that("without its structure a fit has the same fixed effects and predictions", {
  counts <- transform(grouseticks, year = as.numeric(YEAR))
  fits <- list(
    rlmm(Reaction ~ Days + cs(Days | Subject), sleepstudy),
    rlmm(
      distance ~ age * Sex + (1 | Subject),
      nlme::Orthodont,
      dispersion = ~Sex
    ),
    rlmm(distance ~ age + ar1(0 + factor(age) | Subject), nlme::Orthodont),
    rglmm(TICKS ~ cHEIGHT + cs(0 + YEAR | LOCATION), counts, poisson)
  )
  for (fit in fits) {
    expect_error(as_merMod(fit), class = "rlmm_error_as_mermod")
    made <- as_merMod_for_fixed(fit)
    expect_equal(lme4::fixef(made), fixef(fit), tolerance = 1e-8)
    expect_equal(
      as.matrix(vcov(made)),
      vcov(fit),
      tolerance = 1e-6,
      ignore_attr = TRUE
    )
    expect_equal(fitted(made), fitted(fit), tolerance = 1e-6)
    expect_equal(
      as.numeric(logLik(made)),
      as.numeric(logLik(fit)),
      tolerance = 1e-8
    )
  }
  held <- rlmm_control(fixed = list(beta = c(Days = 10)))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = held)
  expect_error(as_merMod_for_fixed(fit), class = "rlmm_error_as_mermod")
})

test_that("checks that the user has turned off are off for lme4", {
  off <- rlmm_control(check_nobs_vs_nre = "ignore")
  formula <- Reaction ~ Days + (factor(Days) | Subject)
  fit <- suppressMessages(rlmm(formula, sleepstudy, control = off))
  converted <- as_merMod(fit)
  expect_equal(lme4::fixef(converted), fixef(fit), tolerance = 1e-8)
})

test_that("what lme4 has no counterpart of is told", {
  slim <- rlmm_control(slim = TRUE)
  expect_error(
    as_merMod(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, control = slim)),
    class = "rlmm_error_slim"
  )
  expect_snapshot({
    writeLines(error_lines(as_merMod(rlmm(
      Reaction ~ Days + cs(Days | Subject),
      sleepstudy
    ))))
    writeLines(error_lines(as_merMod(rlmm(
      Yield ~ 1 + (1 | Batch),
      Dyestuff,
      sigma = 50
    ))))
    writeLines(error_lines(as_merMod(3)))
    writeLines(error_lines(as_rlmm(lm(dist ~ speed, cars))))
  })
})

test_that("names that aren't syntactic stand in double bars of lme4's object", {
  skip_if_not_installed("lme4")
  data <- transform(sleepstudy, `the subject` = Subject, check.names = FALSE)
  data$`the days` <- data$Days
  forms <- c(
    Reaction ~ Days + (Days || `the subject`),
    Reaction ~ `the days` + (`the days` || Subject)
  )
  for (form in forms) {
    fit <- rlmm(form, data)
    theirs <- as_merMod(fit)
    expect_equal(c(logLik(theirs)), c(logLik(fit)), tolerance = 1e-10)
    expect_equal(
      unname(as.data.frame(lme4::VarCorr(theirs))$vcov),
      as.data.frame(VarCorr(fit))$vcov,
      tolerance = 1e-8
    )
  }
})

test_that("what the user chose not to check isn't checked again for lme4's object", {
  skip_if_not_installed("lme4")
  control <- rlmm_control(check_nobs_vs_nlev = "ignore")
  form <- Reaction ~ Days + (1 | Subject) + (1 | Subject:Days)
  fit <- suppressMessages(rlmm(form, sleepstudy, control = control))
  theirs <- as_merMod(fit)
  expect_equal(c(logLik(theirs)), c(logLik(fit)), tolerance = 1e-8)
})

test_that("independent effects of a factor are none of lme4's", {
  skip_if_not_installed("lme4")
  data <- transform(sleepstudy, late = factor(Days > 4))
  fit <- suppressMessages(rlmm(Reaction ~ late + diag(late | Subject), data))
  expect_error(as_merMod(fit), class = "rlmm_error_as_mermod")
  expect_match(
    error_lines(as_merMod(fit)),
    "which `||` of lme4 correlates",
    fixed = TRUE,
    all = FALSE
  )
})

test_that("an offset after the random effects, or of a changed fit, is an offset", {
  data <- transform(sleepstudy, z = Days^2 / 10, f = gl(2, 1, 180))
  fit <- rlmm(Reaction ~ f + (Days | Subject) + offset(z), data)
  smaller <- update(
    rlmm(Reaction ~ Days * f + offset(z) + (Days | Subject), data),
    . ~ . - Days
  )
  for (one in list(fit, smaller)) {
    theirs <- as_merMod(one)
    expect_equal(lme4::getME(theirs, "offset"), data$z, ignore_attr = TRUE)
    expect_equal(fitted(theirs), fitted(one), tolerance = 1e-7)
    expect_equal(model.offset(model.frame(theirs)), data$z)
    expect_equal(predict(theirs, data), predict(one, data), tolerance = 1e-7)
  }
})

test_that("data that changed since the fit aren't those of lme4's object", {
  data <- transform(sleepstudy, f = gl(2, 90, labels = c("a", "b")))
  fit <- rlmm(Reaction ~ log(Days + 1) + f + (Days | Subject), data)
  beta <- fixef(fit)
  expect_equal(lme4::fixef(as_merMod(fit)), beta, tolerance = 1e-8)
  data$Days <- data$Days^2
  expect_equal(
    lme4::fixef(as_merMod(fit)),
    beta,
    tolerance = 1e-8,
    ignore_attr = TRUE
  )
  data$Days <- sqrt(data$Days)
  levels(data$f) <- c("b", "a")
  theirs <- as_merMod(fit)
  expect_equal(lme4::fixef(theirs), beta, tolerance = 1e-8, ignore_attr = TRUE)
})

gaps_of_lme4 <- function() {
  data <- transform(
    sleepstudy,
    dose = Days + sin(seq_along(Days)),
    f = gl(3, 1, 180, labels = c("lo", "mid", "hi")),
    w = rep(1:4, 45),
    number = as.integer(Subject)
  )
  data$Reaction[c(3, 20)] <- NA
  data
}

expect_same_model <- function(theirs) {
  ours <- as_rlmm(theirs)
  same <- function(f, ...) {
    expect_equal(f(ours), f(theirs), tolerance = 1e-6, ignore_attr = TRUE)
  }
  expect_equal(fixef(ours), lme4::fixef(theirs), tolerance = 1e-6)
  same(logLik)
  same(fitted)
  same(\(fit) as.vector(na.omit(weights(fit))))
  same(nobs)
}

test_that("contrasts, scales and missing rows of lme4's fits are kept", {
  gaps <- gaps_of_lme4()
  expect_same_model(lme4::lmer(
    Reaction ~ f * Days + (1 | Subject),
    gaps,
    contrasts = list(f = "contr.sum")
  ))
  expect_same_model(lme4::lmer(
    Reaction ~ scale(dose) + (1 | number),
    gaps,
    subset = f != "mid",
    weights = w,
    na.action = na.exclude
  ))
  in_function <- function(rows) {
    lme4::lmer(
      Reaction ~ dose + (1 | Subject),
      rows[1:120, ],
      offset = w / 10
    )
  }
  expect_same_model(in_function(gaps))
})

test_that("data that changed since lme4's fit aren't those of ours", {
  data <- sleepstudy
  theirs <- lme4::lmer(Reaction ~ log(Days + 1) + (Days | Subject), data)
  data$Days <- rev(data$Days)
  ours <- as_rlmm(theirs)
  expect_equal(
    unname(fixef(ours)),
    unname(lme4::fixef(theirs)),
    tolerance = 1e-6
  )
  expect_equal(fitted(ours), fitted(theirs), tolerance = 1e-6)
})

test_that("a model of lme4's that can't be made again is told", {
  data <- transform(sleepstudy, late = factor(Days > 4))
  fit <- function() lme4::lmer(Reaction ~ late + (late | Subject), data)
  theirs <- withr::with_options(
    list(contrasts = c("contr.sum", "contr.poly")),
    fit()
  )
  expect_warning(as_rlmm(theirs), class = "rlmm_warning_as_rlmm")
  expect_no_warning(as_rlmm(fit()))
})

test_that("an offset that is an argument has its part in predictions of lme4's object", {
  ticks <- transform(grouseticks, area = 1 + cHEIGHT^2 / 1e4)
  ticks$TICKS[5] <- NA
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), ticks, poisson, offset = log(area))
  theirs <- as_merMod(fit)
  in_formula <- lme4::glmer(
    TICKS ~ YEAR + offset(log(area)) + (1 | BROOD),
    ticks,
    poisson
  )
  new <- transform(ticks[1:8, ], area = 2 * area)
  expect_equal(predict(theirs, new), predict(in_formula, new), tolerance = 1e-3)
  expect_equal(predict(theirs, new), predict(fit, new), tolerance = 1e-6)
  expect_equal(logLik(as_rlmm(theirs)), logLik(fit), tolerance = 1e-8)
  linear <- rlmm(
    Reaction ~ scale(Days) + offset(Days) + (1 | Subject),
    sleepstudy,
    offset = Days^2,
    subset = Days > 1
  )
  theirs <- as_merMod(linear)
  expect_equal(fitted(theirs), fitted(linear), tolerance = 1e-8)
  expect_equal(
    predict(theirs, sleepstudy),
    predict(linear, sleepstudy),
    tolerance = 1e-8
  )
  # Not a column of the data.
  z <- seq_along(sleepstudy$Days) / 10
  outside <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, offset = z)
  expect_equal(fitted(as_merMod(outside)), fitted(outside), tolerance = 1e-8)
})

test_that("other packages predict with an offset that is an argument", {
  skip_if_not_installed("marginaleffects")
  ticks <- transform(grouseticks, area = 1 + cHEIGHT^2 / 1e4)
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), ticks, poisson, offset = log(area))
  average <- getExportedValue("marginaleffects", "avg_predictions")
  expect_equal(
    suppressWarnings(average(fit))$estimate,
    mean(fitted(fit)),
    tolerance = 1e-6
  )
})

test_that("a dispersion that lme4 doesn't find is told", {
  skip_if_not_installed("lme4", "2.0")
  fit <- rglmm(weight ~ Time + (1 | Chick), ChickWeight, Gamma("log"))
  object <- as_merMod(fit)
  expect_equal(sigma(object), sigma(fit), tolerance = 1e-6)
  expect_no_error(check_same_dispersion(fit, object))
  object@devcomp$cmp[["sigmaML"]] <- 1
  expect_error(
    check_same_dispersion(fit, object),
    class = "rlmm_error_as_mermod"
  )
})

test_that("a dispersion that lme4 has otherwise is told, not taken for the fit's", {
  gamma <- \(dispersion) {
    rglmm(
      weight ~ Time + (1 | Chick),
      ChickWeight,
      Gamma("log"),
      dispersion = dispersion
    )
  }
  if (packageVersion("lme4") >= "2.0") {
    # lme4 2 finds the dispersion by steps of its own.
    fit <- gamma("profiled")
    expect_equal(fitted(as_merMod(fit)), fitted(fit), tolerance = 1e-7)
    return(invisible())
  }
  expect_error(as_merMod(gamma("profiled")), class = "rlmm_error_as_mermod")
  fit <- gamma("moment")
  expect_equal(fitted(as_merMod(fit)), fitted(fit), tolerance = 1e-8)
})

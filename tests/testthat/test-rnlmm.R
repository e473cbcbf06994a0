# nlmer() of lme4 2.1-0, and nlme::nlme(), whose approximation is another but near.

orange <- function(...) {
  rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
    Orange,
    start = c(Asym = 200, xmid = 725, scal = 350),
    ...
  )
}

test_that("the Orange example is nlmer's", {
  fit <- orange()
  expect_equal(
    fixef(fit),
    c(Asym = 192.0527919, xmid = 727.9044733, scal = 348.0721340),
    tolerance = 1e-4
  )
  expect_equal(as.numeric(logLik(fit)), -131.5718774, tolerance = 1e-6)
  expect_equal(attr(logLik(fit), "df"), 5L)
  expect_equal(sigma(fit), 7.843009036, tolerance = 1e-4)
  expect_equal(
    attr(VarCorr(fit)$Tree, "stddev")[[1]],
    31.646324,
    tolerance = 1e-4
  )
  expect_equal(
    sqrt(diag(vcov(fit))),
    c(Asym = 15.58385, xmid = 34.43847, scal = 26.30812),
    tolerance = 1e-4
  )
  expect_equal(
    ranef(fit)$Tree[c("3", "1", "5", "2", "4"), 1],
    c(-37.193332021, -29.562015729, -5.197027584, 31.727977229, 40.224662018),
    tolerance = 1e-4
  )
  expect_equal(
    unname(fitted(fit)[1:3]),
    c(24.01051403, 53.89013623, 73.80811571),
    tolerance = 1e-4
  )
})

test_that("the fast approximation is nlmer's, too", {
  fit <- orange(nAGQ = 0)
  expect_equal(as.numeric(logLik(fit)), -131.5844355, tolerance = 1e-6)
  expect_equal(
    unname(fixef(fit)),
    c(191.0589870, 722.6098571, 344.2008087),
    tolerance = 1e-4
  )
})

test_that("theophylline with two effects is nlmer's", {
  skip_on_cran()
  start <- c(lKe = -2.5, lKa = 0.5, lCl = -3)
  fit <- rnlmm(
    conc ~ SSfol(Dose, Time, lKe, lKa, lCl) ~ (lKa + lCl | Subject),
    Theoph,
    start = start
  )
  # nlmer's search ends 1e-4 lower by our criterion, for which these are the digits it has.
  expect_equal(as.numeric(logLik(fit)), -176.9914576, tolerance = 1e-6)
  expect_equal(
    unname(fixef(fit)),
    c(-2.4653579593, 0.4820088814, -3.2301969357),
    tolerance = 1e-4
  )
  expect_equal(sigma(fit), 0.7078080312, tolerance = 1e-4)
  expect_equal(
    unname(attr(VarCorr(fit)$Subject, "stddev")),
    c(0.65637267, 0.16739786),
    tolerance = 1e-3
  )
})

test_that("the objective is the Laplace approximation", {
  fit <- orange()
  # By dense algebra at the estimates: the modes, and the determinant.
  n <- nrow(Orange)
  mean <- with(
    Orange,
    SSlogis(
      age,
      fixef(fit)[["Asym"]] + ranef(fit)$Tree[as.character(Tree), 1],
      rep(fixef(fit)[["xmid"]], n),
      rep(fixef(fit)[["scal"]], n)
    )
  )
  slope <- mean /
    (fixef(fit)[["Asym"]] + ranef(fit)$Tree[as.character(Orange$Tree), 1])
  expect_equal(as.numeric(mean), unname(fitted(fit)))
  m <- as.numeric(slope) *
    fit$theta *
    outer(as.character(Orange$Tree), levels(Orange$Tree), `==`)
  u <- drop(fit$u[[1]][levels(Orange$Tree), ])
  residual <- Orange$circumference - as.numeric(mean)
  expect_equal(
    drop(crossprod(m, residual)),
    unname(u),
    tolerance = 1e-6,
    ignore_attr = TRUE
  )
  pwrss <- sum(residual^2) + sum(u^2)
  log_det <- determinant(crossprod(m) + diag(5))$modulus
  expect_equal(
    deviance(fit),
    as.numeric(log_det) + n * (1 + log(2 * pi * pwrss / n))
  )
})

test_that("a mean without gradient, and no start, give the same", {
  fit <- orange()
  plain <- rnlmm(
    circumference ~ Asym / (1 + exp((xmid - age) / scal)) ~ Asym | Tree,
    Orange,
    start = list(Asym = 200, xmid = 725, scal = 350)
  )
  expect_equal(fixef(plain), fixef(fit), tolerance = 1e-5)
  expect_equal(logLik(plain), logLik(fit), tolerance = 1e-7)
  self <- rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
    Orange
  )
  expect_equal(fixef(self), fixef(fit), tolerance = 1e-5)
  own <- deriv(
    ~ Asym / (1 + exp((xmid - age) / scal)),
    c("Asym", "xmid", "scal"),
    function(age, Asym, xmid, scal) NULL
  )
  with_own <- rnlmm(
    circumference ~ own(age, Asym, xmid, scal) ~ (Asym | Tree),
    Orange,
    start = c(Asym = 200, xmid = 725, scal = 350)
  )
  expect_equal(fixef(with_own), fixef(fit), tolerance = 1e-5)
})

test_that("rows and arguments are checked as in a linear model", {
  data <- transform(as.data.frame(Orange), w = rep(0:4, 7))
  fit_to <- function(...) {
    rnlmm(circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree, ...)
  }
  expect_error(fit_to(data, weights = w - 2), class = "rlmm_error_weights")
  expect_error(fit_to(data, weights = 1:3), class = "rlmm_error_weights")
  expect_error(fit_to(data, na.action = "foo"), class = "rlmm_error_argument")
  lacking <- transform(data, circumference = replace(circumference, 3, NA))
  expect_error(
    fit_to(lacking, na.action = na.fail),
    class = "rlmm_error_missing"
  )
  expect_error(
    fit_to(lacking, na.action = na.pass),
    class = "rlmm_error_missing"
  )
  data$circumference[3] <- Inf
  start <- c(Asym = 200, xmid = 725, scal = 350)
  expect_error(fit_to(data, start), class = "rlmm_error_non_finite")
  expect_snapshot({
    writeLines(error_lines(fit_to(data)))
    data$age <- as.character(data$age)
    writeLines(error_lines(fit_to(data[-3, ], start)))
  })
})

test_that("a mean that is linear gives rlmm()'s fit", {
  linear <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  fit <- rnlmm(
    Reaction ~ a + b * Days ~ (a + b | Subject),
    sleepstudy,
    start = c(a = 200, b = 5)
  )
  expect_equal(unname(fixef(fit)), unname(fixef(linear)), tolerance = 1e-5)
  expect_equal(
    logLik(fit),
    logLik(linear),
    tolerance = 1e-7,
    ignore_attr = TRUE
  )
  expect_equal(unname(vcov(fit)), unname(vcov(linear)), tolerance = 1e-3)
  expect_equal(
    unname(as.matrix(ranef(fit)$Subject)),
    unname(as.matrix(ranef(linear)$Subject)),
    tolerance = 1e-3
  )
  expect_equal(
    attr(ranef(fit)$Subject, "postVar"),
    attr(ranef(linear)$Subject, "postVar"),
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
})

test_that("weights, crossed factors and covariates of parameters are linear models', too", {
  data <- transform(Penicillin, w = 1 + as.integer(sample) %% 3)
  linear <- rlmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    data,
    weights = w,
    REML = FALSE
  )
  fit <- rnlmm(
    diameter ~ 0 * as.integer(sample) + a ~ (a | plate) + (a | sample),
    data,
    start = c(a = 22),
    weights = w
  )
  expect_equal(unname(fixef(fit)), unname(fixef(linear)), tolerance = 1e-5)
  expect_equal(deviance(fit), deviance(linear, REML = FALSE), tolerance = 1e-7)

  milk <- as.data.frame(nlme::Milk)
  milk$barley <- as.numeric(milk$Diet == "barley")
  linear <- rlmm(protein ~ barley + Time + (1 | Cow), milk, REML = FALSE)
  fit <- rnlmm(
    protein ~ a + b * Time ~ a + a:barley + b + (a | Cow),
    milk,
    start = c(a = 3, b = 0)
  )
  expect_equal(
    unname(fixef(fit)[c("a", "a:barley", "b")]),
    unname(fixef(linear)),
    tolerance = 1e-4
  )
})

test_that("many levels are solved by sparse factors", {
  fit <- orange()
  problem <- nonlinear_problem(
    fit$parts,
    nonlinear_design(fit$parts, fixef(fit), Orange, list())
  )
  z <- scaled_z(problem, fit$theta)
  at <- squares_at(problem, z, fit$beta, numeric(5))
  dense <- linearized(problem, z, at, FALSE)
  sparse <- linearized(problem, Matrix::Matrix(z, sparse = TRUE), at, FALSE)
  expect_equal(sparse$k$log_det, dense$k$log_det)
  expect_equal(sparse$k$solve(1:5), as.matrix(dense$k$solve(1:5)))
})

test_that("predictions are the mean at the parameters", {
  fit <- orange()
  new <- data.frame(age = c(500, 1000, 800), Tree = c("3", "1", "new"))
  phi <- fixef(fit)[["Asym"]] + c(ranef(fit)$Tree[c("3", "1"), 1], 0)
  expected <- phi /
    (1 + exp((fixef(fit)[["xmid"]] - new$age) / fixef(fit)[["scal"]]))
  expect_equal(unname(predict(fit, new)), expected)
  population <- predict(fit, new["age"], re.form = NA)
  curve <- SSlogis(new$age, fixef(fit)[[1]], fixef(fit)[[2]], fixef(fit)[[3]])
  expect_equal(unname(population), as.numeric(curve))
  expect_equal(predict(fit), fitted(fit))
})

test_that("the accessors answer, and a fit prints", {
  fit <- orange()
  expect_true(isNLMM(fit))
  expect_false(isLMM(fit))
  expect_equal(nobs(fit), 35L)
  expect_equal(ngrps(fit), c(Tree = 5L))
  expect_equal(AIC(fit), 273.1438, tolerance = 1e-5)
  expect_equal(BIC(fit), 280.9205, tolerance = 1e-5)
  expect_equal(
    fitted(fit) + residuals(fit),
    Orange$circumference,
    ignore_attr = TRUE
  )
  expect_equal(
    coef(fit)$Tree["3", "Asym"],
    fixef(fit)[[1]] + ranef(fit)$Tree["3", 1]
  )
  expect_equal(
    confint(fit)["xmid", ],
    727.9 + c(-1, 1) * 1.96 * 34.44,
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
  smaller <- update(fit, subset = Tree != "3")
  expect_equal(nobs(smaller), 28L)
  expect_snapshot(print(fit, digits = 3))
  expect_output(print(summary(fit)), "Scaled residuals")
  skip_if_not_installed("lattice")
  expect_s3_class(plot(fit), "trellis")
  expect_s3_class(plot(ranef(fit)), "rlmm_plots")
})

test_that("wrong formulas and starts are told", {
  expect_snapshot({
    writeLines(error_lines(rnlmm(circumference ~ age, Orange)))
    writeLines(error_lines(rnlmm(
      circumference ~ a * age ~ (1 | Tree),
      Orange,
      start = c(a = 1)
    )))
    writeLines(error_lines(rnlmm(circumference ~ a * age ~ (a | Tree), Orange)))
    writeLines(error_lines(rnlmm(
      circumference ~ a / 0 * age ~ (a | Tree),
      Orange,
      start = c(a = 1)
    )))
    writeLines(error_lines(orange(nAGQ = 5)))
  })
})

test_that("predictions, limits and profiles of a linear mean are the linear model's", {
  nonlinear <- rnlmm(
    Reaction ~ a + b * Days ~ (a + b | Subject),
    sleepstudy,
    start = c(a = 250, b = 10)
  )
  linear <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  new <- data.frame(Days = c(2, 12, 5), Subject = c("308", "350", "new"))
  errors <- \(fit, ...) predict(fit, new, se.fit = TRUE, ...)$se.fit
  expect_equal(
    errors(nonlinear),
    errors(linear, allow.new.levels = TRUE),
    tolerance = 1e-4
  )
  expect_equal(
    errors(nonlinear, re.form = NA),
    errors(linear, re.form = NA),
    tolerance = 1e-4
  )
  for (form in list(NULL, NA)) {
    expect_equal(
      predict(nonlinear, new, form, interval = "prediction"),
      predict(
        linear,
        new,
        re.form = form,
        interval = "prediction",
        allow.new.levels = TRUE,
        ddf = "asymptotic",
        theta_uncertainty = FALSE
      ),
      tolerance = 1e-4
    )
  }
  names <- c(".sig01", ".sig02", "a")
  found <- confint(nonlinear, names, method = "profile")
  theirs <- confint(linear, c(".sig01", ".sig02", "(Intercept)"))
  expect_equal(unname(found), unname(theirs), tolerance = 1e-3)
  expect_equal(
    simulate(nonlinear, 2, seed = 1),
    simulate(linear, 2, seed = 1),
    tolerance = 1e-3,
    ignore_attr = TRUE
  )
})

test_that("a profile is the likelihood of fits with the parameter at its value", {
  fit <- orange()
  limits <- confint(fit, "xmid", method = "profile")
  for (limit in limits) {
    # The same model with this value in its formula.
    held <- rnlmm(
      circumference ~ SSlogis(age, Asym, limit, scal) ~ Asym | Tree,
      Orange,
      start = c(Asym = 192, scal = 348)
    )
    expect_equal(
      2 * as.numeric(logLik(fit) - logLik(held)),
      qchisq(0.95, 1),
      tolerance = 2e-3
    )
  }
  expect_s3_class(profile(fit, ".sigma"), "profile.rlmm")
  expect_error(
    profile(orange(nAGQ = 0)),
    class = "rlmm_error_profile"
  )
})

test_that("errors of nonlinear predictions are those of the linearized model", {
  fit <- orange()
  Asym <- coef(fit)$Tree[as.character(Orange$Tree), "Asym"]
  xmid <- rep(fixef(fit)[["xmid"]], 35)
  scal <- rep(fixef(fit)[["scal"]], 35)
  mean <- SSlogis(Orange$age, Asym, xmid, scal)
  slopes <- attr(mean, "gradient")
  z <- slopes[, "Asym"] *
    outer(as.character(Orange$Tree), levels(Orange$Tree), `==`)
  v <- sigma(fit)^2 * diag(35) + VarCorr(fit)$Tree[1, 1] * tcrossprod(z)
  precision <- solve(t(slopes) %*% solve(v, slopes))
  cross <- VarCorr(fit)$Tree[1, 1] * t(z) %*% solve(v)
  # Errors of x' beta + z' b in the linear model with these columns.
  prior <- VarCorr(fit)$Tree[1, 1] * diag(5)
  given <- prior - cross %*% z * VarCorr(fit)$Tree[1, 1]
  s <- slopes - z %*% cross %*% slopes
  variance <- rowSums((s %*% precision) * s) + rowSums((z %*% given) * z)
  found <- predict(fit, se.fit = TRUE)
  expect_equal(unname(found$se.fit), sqrt(variance), tolerance = 1e-5)
  expect_equal(unname(found$fit), as.double(mean), tolerance = 1e-6)
})

test_that("what predictions and starts lack is named", {
  fit <- orange()
  expect_snapshot({
    writeLines(error_lines(predict(fit, data.frame(Tree = "3"))))
    writeLines(error_lines(predict(fit, data.frame(age = 100))))
    writeLines(error_lines(predict(fit, 1:3)))
    writeLines(error_lines(simulate(fit, 0)))
    writeLines(error_lines(confint(fit, "xmd")))
    writeLines(error_lines(rnlmm(
      circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
      Orange,
      start = c(Asym = 200, xmid = 725)
    )))
  })
})

test_that("another response is fitted as by rnlmm()", {
  fit <- orange()
  again <- refit(fit)
  expect_equal(fixef(again), fixef(fit), tolerance = 1e-6)
  data <- Orange
  data$circumference <- simulate(fit, seed = 2)$sim_1
  data$w <- seq(0.5, 2, length.out = nrow(data))
  new <- update(fit, data = data, weights = w)
  found <- refit(fit, data$circumference, newweights = data$w)
  expect_equal(logLik(found), logLik(new), tolerance = 1e-8)
  expect_equal(fixef(found), fixef(new), tolerance = 1e-5)
  expect_equal(sigma(found), sigma(new), tolerance = 1e-5)
  expect_identical(refitML(fit), fit)
})

test_that("nonlinear fits are compared by likelihood-ratio tests", {
  fit <- orange()
  two <- rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym + xmid | Tree),
    Orange
  )
  table <- anova(two, fit)
  expect_identical(row.names(table), c("fit", "two"))
  chisq <- 2 * as.numeric(logLik(two) - logLik(fit))
  expect_equal(table$Chisq[2L], chisq)
  expect_equal(table[["Pr(>Chisq)"]][2L], pchisq(chisq, 2, lower.tail = FALSE))
  other <- rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ (scal | Tree),
    Orange
  )
  expect_message(anova(other, two), class = "rlmm_message_not_nested")
  expect_snapshot({
    error_lines(anova(fit))
    error_lines(anova(fit, 3))
  })
  expect_error(
    anova(fit, update(fit, data = Orange[-1L, ])),
    class = "rlmm_error_not_comparable"
  )
})

test_that("replicates of a nonlinear fit are fits of simulated responses", {
  fit <- orange()
  b <- bootstrap(fit, n = 3, seed = 1)
  y <- simulate(b, which = 2)
  expect_equal(fixef(refit(fit, y)), b$beta[2L, ])
  expect_equal(update(bootstrap(fit, n = 2, seed = 1), n = 3), b)
  expect_identical(
    rownames(confint(b)),
    c(".sig01", ".sigma", "Asym", "xmid", "scal")
  )
  held <- bootstrap(fit, n = 1, seed = 1, use.u = TRUE)
  expect_gt(cor(simulate(held)[[1L]], fitted(fit)), 0.95)
  set.seed(1)
  statistics <- bootMer(fit, fixef, nsim = 2, seed = 3)
  y <- simulate(fit, 2, seed = 3)
  expect_equal(statistics$t[1L, ], fixef(refit(fit, y[1L])))
  expect_s3_class(statistics, "boot")
})

test_that("replicates that can't be fitted are counted", {
  # A fit keeps copies of the objects that it names, but environments aren't copied.
  calls <- rlang::new_environment(list(left = Inf))
  logistic <- function(x, Asym, xmid, scal) {
    calls$left <- calls$left - 1
    if (calls$left < 0) {
      stop("no mean")
    }
    Asym / (1 + exp((xmid - x) / scal))
  }
  fit <- rnlmm(
    circumference ~ logistic(age, Asym, xmid, scal) ~ Asym | Tree,
    Orange,
    start = c(Asym = 200, xmid = 725, scal = 350)
  )
  # Enough for the draws, each of one mean and its differences, but not for a fit.
  calls$left <- 30
  b <- bootstrap(fit, n = 2, seed = 1)
  expect_identical(b$error, rep("no mean", 2L))
  expect_true(all(is.na(b$beta)))
  expect_output(print(b), "2 failed")
})

test_that("what is for other fits refers to what nonlinear fits have", {
  formula <- circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree
  fit <- rnlmm(formula, Orange)
  for (of_others in list(certificate, isSingular, getME, cAIC, allFit)) {
    expect_error(of_others(fit), "?rnlmm", fixed = TRUE, class = "rlmm_error")
  }
})

test_that("update() finds the data of a fit that was made in a function", {
  made <- function(rows) {
    trees <- Orange[rows, ]
    begin <- c(Asym = 200, xmid = 725, scal = 350)
    model <- circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree
    rnlmm(model, trees, start = begin)
  }
  fit <- made(1:35)
  wanted <- rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym + xmid | Tree),
    Orange
  )
  both <- update(fit, . ~ . ~ (Asym + xmid | Tree))
  expect_equal(logLik(both), logLik(wanted), tolerance = 1e-6)
  two_parts <- update(
    fit,
    . ~ . + (xmid | Tree) - (Asym | Tree) + (Asym | Tree)
  )
  expect_identical(
    formula(two_parts),
    circumference ~
      SSlogis(age, Asym, xmid, scal) ~
      (xmid | Tree) + (Asym | Tree),
    ignore_attr = TRUE
  )
  half <- update(fit, . / 2 ~ . ~ .)
  expect_equal(
    fixef(half)[["Asym"]],
    fixef(fit)[["Asym"]] / 2,
    tolerance = 1e-4
  )
  expect_identical(both$call$data, quote(trees))
  expect_equal(logLik(update(fit, nAG = 0)), logLik(update(fit, nAGQ = 0)))
  # An object of the caller with the name of the data may hold other data.
  trees <- Orange[Orange$Tree != "3", ]
  expect_no_warning(other <- update(fit, nAGQ = 0))
  expect_identical(nobs(other), 35L)
  kept <- environment(formula(fit))
  rm(trees, begin, envir = kept)
  expect_warning(
    other <- update(fit, nAGQ = 0),
    class = "rlmm_warning_changed_data"
  )
  expect_identical(nobs(other), 28L)
  rm(trees)
  expect_equal(logLik(update(fit, nAGQ = 1)), logLik(fit), tolerance = 1e-8)
  expect_error(
    update(fit, . ~ . ~ Asym | Plot),
    "The frame stored in the fit doesn't hold `Plot`",
    class = "rlmm_error_variable"
  )
})

test_that("update() keeps the weights and rows of a fit whose data are gone", {
  model <- circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree
  made <- function(trees, old) {
    w <- trees$age / 1000
    rnlmm(model, trees, weights = w, subset = age > old)
  }
  fit <- made(Orange, 200)
  expect_equal(logLik(update(fit, max_eval = 3000L)), logLik(fit))
  plain <- rnlmm(model, subset(Orange, age > 200))
  expect_equal(logLik(update(fit, weights = NULL)), logLik(plain))
  expect_error(update(fit, subset = age > 100), class = "rlmm_error_variable")
})

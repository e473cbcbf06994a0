# In a balanced design with random slopes the t test of the slope is exact, and its power that of a
# noncentral t distribution with one degree of freedom less than there are groups.
exact_power <- function(fit, slope, n) {
  variances <- as.data.frame(VarCorr(fit))$vcov
  days <- 0:9
  squares <- sum((days - mean(days))^2)
  se <- sqrt((variances[2] + sigma(fit)^2 / squares) / n)
  limit <- qt(0.975, n - 1)
  pt(-limit, n - 1, slope / se) +
    pt(limit, n - 1, slope / se, lower.tail = FALSE)
}

test_that("power of a balanced design is that of the noncentral t distribution", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- simulate_power(
    fit,
    "Days",
    nsim = 2000,
    newparams = list(beta = c(Days = 4)),
    extend = list(Subject = c(9, 18, 30)),
    seed = 1
  )
  expect_s3_class(found, "rlmm_power")
  expect_named(
    found,
    c("test", "Subject", "nobs", "nsim", "rejected", "power", "lwr", "upr")
  )
  expect_equal(found$Subject, c(9, 18, 30))
  expect_equal(found$nobs, c(90, 180, 300))
  exact <- vapply(found$Subject, exact_power, 1, fit = fit, slope = 4)
  expect_lt(max(abs(found$power - exact)), 0.035)
  limits <- binom.test(found$rejected[2], 2000)$conf.int
  expect_equal(c(found$lwr[2], found$upr[2]), as.vector(limits))
  expect_equal(dim(attr(found, "p_values")), c(2000L, 3L))
})

test_that("the level of tests without an effect is alpha", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  none <- list(beta = c(Days = 0))
  found <- simulate_power(fit, nsim = 2000, newparams = none, seed = 2)
  expect_identical(found$test, "Days")
  expect_lt(abs(found$power - 0.05), 0.016)
})

test_that("each test is that of a fit to the simulated response", {
  fit <- rlmm(
    Reaction ~ Days + factor(Days > 4) + (1 | Subject),
    sleepstudy
  )
  names <- names(fixef(fit))[-1]
  found <- simulate_power(fit, c("Days", "factor(Days > 4)"), 3, seed = 3)
  p_values <- attr(found, "p_values")
  draws <- simulate(fit, 3, seed = 3)
  for (i in 1:3) {
    one <- refit(fit, draws[[i]])
    table <- coef(summary(one))
    expect_equal(unname(p_values[i, ]), unname(table[names, "Pr(>|t|)"]))
  }
  kenward <- simulate_power(fit, "Days", 3, seed = 3, ddf = "kenward-roger")
  one <- contest(refit(fit, draws[[2]]), c(0, 1, 0), ddf = "Kenward-Roger")
  expect_equal(
    attr(kenward, "p_values")[2, 1],
    one[["Pr(>F)"]],
    ignore_attr = TRUE
  )
  ratio <- simulate_power(fit, . ~ . - Days, 3, seed = 3)
  full <- refitML(refit(fit, draws[[1]]))
  expect_equal(
    attr(ratio, "p_values")[1, 1],
    anova(update(full, . ~ . - Days), full)[2, "Pr(>Chisq)"],
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
  wald <- \(fit) 2 * pnorm(-abs(fixef(fit)[["Days"]]) / sqrt(vcov(fit)[2, 2]))
  own <- simulate_power(fit, wald, 3, seed = 3)
  normal <- simulate_power(fit, "Days", 3, seed = 3, ddf = "asymptotic")
  expect_equal(
    attr(own, "p_values"),
    attr(normal, "p_values"),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
})

test_that("generalized models, and terms of several coefficients", {
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  found <- simulate_power(fit, c("YEAR", "YEAR97"), 2, seed = 1)
  one <- refit(fit, simulate(fit, 2, seed = 1)$sim_2)
  L <- rbind(c(0, 1, 0), c(0, 0, 1))
  expect_equal(
    attr(found, "p_values")[2, 1],
    contest(one, L)[["Pr(>F)"]],
    ignore_attr = TRUE
  )
  expect_equal(
    attr(found, "p_values")[2, 2],
    coef(summary(one))["YEAR97", "Pr(>|z|)"],
    ignore_attr = TRUE
  )
})

test_that("copied levels bring their nested levels, rows are repeated", {
  fit <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  longer <- extended_fit(fit, "batch", 15)
  expect_equal(ngrps(longer), c(`cask:batch` = 45L, batch = 15L))
  expect_equal(nrow(model.frame(longer)), 90)
  shorter <- extended_fit(fit, "batch", 4)
  expect_equal(ngrps(shorter), c(`cask:batch` = 12L, batch = 4L))
  repeated <- extended_fit(fit, "rows", 120)
  expect_equal(ngrps(repeated), ngrps(fit))
  expect_equal(nobs(refit(repeated, rnorm(120))), 120)
  crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  expect_equal(
    ngrps(extended_fit(crossed, "plate", 30)),
    c(plate = 30L, sample = 6L)
  )
})

test_that("a planned study has power too", {
  plan <- expand.grid(time = 0:3, id = factor(1:20))
  parameters <- list(
    beta = c(time = 0.3, `(Intercept)` = 1),
    theta = 0.5,
    sigma = 1
  )
  found <- simulate_power(
    ~ time + (1 | id),
    "time",
    nsim = 1000,
    newdata = plan,
    newparams = parameters,
    seed = 1
  )
  # Within groups: the variance of the slope is sigma^2 over the sum of squares.
  se <- sqrt(1 / (20 * 5))
  limit <- qt(0.975, 59)
  exact <- pt(limit, 59, 0.3 / se, lower.tail = FALSE)
  expect_lt(abs(found$power - exact), 0.04)
  counts <- simulate_power(
    ~ time + (1 | id),
    nsim = 5,
    newdata = plan,
    newparams = list(beta = c(1, 0.2), theta = 0.5),
    family = poisson,
    seed = 1
  )
  expect_equal(counts$nsim, 5)
})

test_that("power is printed, drawn, and bad input refused", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- simulate_power(
    fit,
    nsim = 20,
    extend = c(Subject = 10, Subject = 20),
    seed = 1,
    ddf = "asymptotic"
  )
  expect_output(print(found), "Power at alpha = 0.05, with exact 95% limits")
  if (requireNamespace("lattice", quietly = TRUE)) {
    expect_s3_class(plot(found), "trellis")
  }
  expect_snapshot({
    writeLines(error_lines(simulate_power(fit, "days")))
    writeLines(error_lines(simulate_power(fit, extend = list(Subjct = 20))))
    writeLines(error_lines(simulate_power(fit, extend = list(Subject = 1))))
    writeLines(error_lines(simulate_power(fit, extend = 20)))
    writeLines(error_lines(simulate_power(fit, alpha = 5)))
    writeLines(error_lines(
      simulate_power(fit, newparams = list(beta = c(days = 5)))
    ))
    writeLines(error_lines(simulate_power(fit, . ~ . + I(Days^2))))
    writeLines(error_lines(plot(simulate_power(fit, nsim = 1))))
  })
})

test_that("generalized models are fitted together, as they are one by one", {
  set.seed(1)
  d <- data.frame(x = rnorm(200), g = gl(20, 10))
  u <- rnorm(20, 0, 0.6)[d$g]
  d$time <- rgamma(200, 3, 3 / exp(1 + 0.3 * d$x + u))
  d$answer <- factor(ifelse(rbinom(200, 1, plogis(u)) == 1, "yes", "no"))
  fits <- list(
    rglmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp,
      binomial
    ),
    rglmm(time ~ x + (1 | g), d, Gamma("log")),
    rglmm(answer ~ x + (1 | g), d, binomial),
    rglmm_nb(TICKS ~ YEAR + (1 | BROOD), grouseticks)
  )
  for (fit in fits) {
    found <- simulate_power(fit, nsim = 2, seed = 1)
    draws <- simulate(fit, 2, seed = 1)
    one <- refit(fit, draws[[2]])
    table <- coef(summary(one))
    p <- 2 * pnorm(-abs(table[found$test, 3]))
    expect_equal(
      attr(found, "p_values")[2, ],
      p,
      tolerance = 1e-5,
      ignore_attr = TRUE
    )
    smaller <- paste(". ~ . -", attr(terms(fit), "term.labels")[1])
    ratio <- simulate_power(fit, as.formula(smaller), nsim = 2, seed = 1)
    without <- update(one, as.formula(smaller))
    expect_equal(
      attr(ratio, "p_values")[[2]],
      anova(without, one)[2, "Pr(>Chisq)"],
      tolerance = 1e-5
    )
  }
})

test_that("designs of other sizes keep the proportions of treatments", {
  fit <- rlmm(distance ~ age * Sex + (1 | Subject), nlme::Orthodont)
  boys <- \(fit, along, n) {
    frame <- model.frame(extended_fit(fit, along, n))
    of_subject <- unique(frame[c("Subject", "Sex")])
    mean(of_subject$Sex == "Male")
  }
  # 16 of 27 subjects are boys, in one block.
  expect_equal(boys(fit, "Subject", 10), 0.6)
  expect_equal(boys(fit, "Subject", 40), 24 / 40)
  shorter <- model.frame(extended_fit(fit, "rows", 54))
  expect_equal(as.vector(table(shorter$Subject)), rep(2L, 27))
  expect_warning(
    found <- simulate_power(fit, "Sex", 3, extend = list(rows = 27), seed = 1),
    class = "rlmm_warning_power"
  )
  expect_identical(found$power, NA_real_)
})

test_that("a diagnosis says what was found", {
  sleep <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  singular <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_snapshot({
    diagnose(sleep)
    diagnose(singular)
  })
})

test_that("overdispersion is Pearson's statistic over its degrees of freedom", {
  skip_if_not_installed("lme4")
  fit <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  theirs <- lme4::glmer(TICKS ~ YEAR + (1 | BROOD), grouseticks, poisson)
  statistic <- sum(residuals(theirs, "pearson")^2)
  df <- df.residual(theirs)
  expect_equal(
    overdispersion(fit),
    c(ratio = statistic / df, p = pchisq(statistic, df, lower.tail = FALSE)),
    tolerance = 1e-3
  )
  checks <- as.data.frame(diagnose(fit))
  expect_equal(checks$mark[checks$check == "Overdispersion"], "look")
})

test_that("zeros are counted and expected by the distribution", {
  poisson <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  p <- dpois(0, fitted(poisson))
  expect_equal(
    zero_counts(poisson),
    c(
      observed = sum(grouseticks$TICKS == 0),
      expected = sum(p),
      sd = sqrt(sum(p * (1 - p)))
    )
  )
  nb <- rglmm_nb(TICKS ~ YEAR + (1 | BROOD), grouseticks)
  p <- dnbinom(0, size = family(nb)$theta, mu = fitted(nb))
  expect_equal(zero_counts(nb)[["expected"]], sum(p))
})

test_that("trouble is marked", {
  few <- rlmm(
    Reaction ~ Days + (1 | half),
    within(sleepstudy, {
      half <- as.integer(Subject) %% 3
    })
  )
  checks <- as.data.frame(diagnose(few))
  expect_equal(checks$mark[checks$check == "Levels"], "look")

  tangled <- rlmm(
    Reaction ~ Days + I(Days^2) + (1 | Subject),
    transform(sleepstudy, Days = Days + 20)
  )
  checks <- as.data.frame(diagnose(tangled))
  expect_equal(checks$mark[checks$check == "Collinearity"], "look")

  early <- suppressWarnings(rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(optimizer = "LN_BOBYQA", max_eval = 8)
  ))
  checks <- as.data.frame(diagnose(early))
  expect_equal(checks$mark[checks$check == "Convergence"], "bad")
})

test_that("every kind of model has a diagnosis and pictures", {
  skip_if_not_installed("lattice")
  fits <- list(
    rlmm(Reaction ~ 0 + (1 | Subject), sleepstudy),
    rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin),
    rglmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp,
      family = binomial
    ),
    rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = nbinom1()),
    rglmm(Reaction ~ Days + (1 | Subject), sleepstudy, family = Gamma("log"))
  )
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (fit in fits) {
    found <- diagnose(fit)
    expect_s3_class(found, "rlmm_diagnosis")
    expect_false(anyNA(found$checks$finding))
    pictures <- plot(found)
    expect_s3_class(pictures, "rlmm_page")
    expect_no_error(print(pictures))
  }
})

test_that("what has no diagnosis is told", {
  expect_snapshot(writeLines(error_lines(diagnose(lm(dist ~ speed, cars)))))
  slim <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(slim = TRUE)
  )
  expect_error(diagnose(slim), class = "rlmm_error_slim")
})

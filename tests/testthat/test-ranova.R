machines <- as.data.frame(nlme::Machines)
sleepstudy$x <- sin(1:180)

test_that("the table is lmerTest's", {
  skip_if_not_installed("lmerTest")
  skip_if(packageVersion("lmerTest") < "3.1")
  models <- list(
    list(Reaction ~ Days + (Days | Subject), sleepstudy),
    list(Reaction ~ Days + (Days || Subject), sleepstudy),
    list(Reaction ~ Days + (Days + x | Subject), sleepstudy),
    list(Reaction ~ Days + (0 + Days | Subject), sleepstudy),
    list(Reaction ~ Days + (0 + Days + x | Subject), sleepstudy),
    list(Reaction ~ Days + (Days * x | Subject), sleepstudy),
    list(score ~ Machine + (Machine | Worker), machines),
    list(score ~ Machine + (0 + Machine | Worker), machines),
    list(score ~ Machine + (1 | Worker / Machine), machines)
  )
  for (model in models) {
    for (reduce in c(TRUE, FALSE)) {
      found <- suppressMessages(
        ranova(rlmm(model[[1]], model[[2]]), reduce.terms = reduce)
      )
      theirs <- suppressWarnings(suppressMessages(
        lmerTest::ranova(
          lmerTest::lmer(model[[1]], model[[2]]),
          reduce.terms = reduce
        )
      ))
      info <- deparse1(model[[1]])
      shared <- setdiff(names(theirs), "Pr(>Chisq)")
      expect_equal(
        as.list(found)[shared],
        as.list(theirs)[shared],
        tolerance = 1e-4,
        info = info
      )
      expect_equal(
        found[["Pr(>Chisq)"]],
        theirs[["Pr(>Chisq)"]],
        tolerance = 1e-2,
        info = info
      )
      expect_identical(row.names(found), row.names(theirs), info = info)
    }
  }
})

test_that("a single effect has the boundary's mixture", {
  found <- ranova(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy))
  x <- found$LRT[2]
  upper <- \(df) pchisq(x, df, lower.tail = FALSE)
  expect_equal(found[["Pr(>mixture)"]][2], (upper(1) + upper(2)) / 2)
  one <- ranova(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff))
  expect_equal(one[["Pr(>mixture)"]][2], one[["Pr(>Chisq)"]][2] / 2)
  zero <- ranova(suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2)))
  expect_equal(zero[["Pr(>mixture)"]][2], 1)
  # Three effects less.
  several <- ranova(rlmm(score ~ Machine + (Machine | Worker), machines))
  expect_true(is.na(several[["Pr(>mixture)"]][2]))
})

test_that("structures are reduced to themselves, and to an intercept in the end", {
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + diag(Days + x | Subject),
    sleepstudy
  ))
  expect_identical(
    row.names(ranova(fit)),
    c(
      "<none>",
      "Days in diag(Days + x | Subject)",
      "x in diag(Days + x | Subject)"
    )
  )
  less <- suppressMessages(rlmm(
    Reaction ~ Days + diag(Days | Subject),
    sleepstudy
  ))
  expect_equal(
    ranova(fit)$logLik[3],
    as.numeric(logLik(less)),
    tolerance = 1e-8
  )
  cs <- rlmm(score ~ Machine + cs(0 + Machine | Worker), machines)
  one <- rlmm(score ~ Machine + (1 | Worker), machines)
  expect_equal(ranova(cs)$logLik[2], as.numeric(logLik(one)), tolerance = 1e-8)
})

test_that("without random effects the model is that of lm() and glm()", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, REML = FALSE)
  found <- ranova(fit)
  plain <- lm(Reaction ~ Days, sleepstudy)
  expect_equal(found$logLik[2], as.numeric(logLik(plain)), tolerance = 1e-10)
  expect_equal(found$npar[2], 3)
  herds <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  plain <- glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp)
  expect_equal(
    ranova(herds)$logLik[2],
    as.numeric(logLik(plain)),
    tolerance = 1e-8
  )
})

test_that("the exact test of a balanced one-way layout is the F test", {
  # Its restricted likelihood ratio is a function of F, and of ML's as well.
  p <- anova(lm(Yield ~ Batch, Dyestuff))[["Pr(>F)"]][1]
  for (reml in c(TRUE, FALSE)) {
    fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = reml)
    found <- ranova(fit, method = "RLRT", nsim = 40000, seed = 1)
    # Three standard errors of the simulation.
    error <- 3 * sqrt(p * (1 - p) / 40000)
    expect_lt(abs(found[["Pr(>RLRT)"]][2] - p), error)
  }
  # It is zero where F is below one.
  values <- exact_tests(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff), 10000)
  expect_lt(abs(mean(values == 0) - pf(1, 5, 24)), 0.02)
})

test_that("the exact distribution is that of fits to responses without the effect", {
  set.seed(1)
  sleepstudy$w <- runif(180, 0.5, 2)
  some <- sleepstudy[sample(180, 100), ]
  for (reml in c(TRUE, FALSE)) {
    fit <- suppressMessages(
      rlmm(
        Reaction ~ Days + (0 + Days | Subject),
        some,
        weights = w,
        REML = reml
      )
    )
    exact <- exact_tests(fit, 4000)
    fitted <- bootstrap_tests(fit, without_effects(fit), 4000)
    probs <- c(0.7, 0.9, 0.95)
    at <- quantile(exact, probs)
    # Three standard errors of a difference of two proportions.
    error <- 3 * sqrt(2 * probs * (1 - probs) / 4000)
    expect_true(all(abs(ecdf(fitted)(at) - probs) < error))
  }
})

test_that("a bootstrap stands in where there is more than one variance", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- ranova(fit, method = "RLRT", nsim = 99, seed = 1)
  expect_equal(found[["Pr(>RLRT)"]], c(NA, 0.01))
  expect_identical(found, ranova(fit, method = "RLRT", nsim = 99, seed = 1))
  expect_snapshot(print(ranova(fit), digits = 4))
})

test_that("other arguments and fits are refused", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    writeLines(error_lines(ranova(fit, method = "PB")))
    writeLines(error_lines(ranova(fit, nsim = 0)))
    writeLines(error_lines(ranova(fit, reduce = 1)))
    writeLines(error_lines(ranova(lm(dist ~ speed, cars))))
    writeLines(condition_lines(drop_failed(c(1, NA, 2))))
  })
})

test_that("names of variables may have blanks", {
  data <- sleepstudy
  names(data)[2:3] <- c("my days", "the subject")
  blank <- rlmm(Reaction ~ `my days` + (`my days` | `the subject`), data)
  plain <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(ranova(blank)$LRT, ranova(plain)$LRT)
  expect_equal(
    ranova(blank, reduce.terms = FALSE)$LRT,
    ranova(plain, reduce.terms = FALSE)$LRT
  )
  found <- backward(blank)
  expect_identical(formula(found$model), formula(blank))
  expect_equal(
    vcov(blank, type = "CR2", cluster = "the subject"),
    vcov(plain, type = "CR2"),
    ignore_attr = TRUE
  )
  expect_equal(
    vcov(blank, type = "CR2", cluster = ~`the subject`),
    vcov(plain, type = "CR2"),
    ignore_attr = TRUE
  )
  heading <- summary(blank, vcov = "CR2", cluster = ~`the subject`)
  expect_match(tail(format(heading), 1), "of `the subject`.", fixed = TRUE)
})

test_that("p-values are RLRsim's", {
  skip_if_not_installed("lme4")
  skip_if_not_installed("RLRsim")
  set.seed(3)
  data <- data.frame(g = factor(sample(8, 60, TRUE)), x = rnorm(60))
  data$y <- data$x + rnorm(8, 0, 0.3)[data$g] + rnorm(60)
  fit <- rlmm(y ~ x + (1 | g), data)
  found <- ranova(fit, method = "RLRT", nsim = 20000, seed = 1)
  theirs <- lme4::lmer(y ~ x + (1 | g), data)
  exact <- suppressMessages(getExportedValue("RLRsim", "exactRLRT")(
    theirs,
    nsim = 20000,
    seed = 1
  ))
  expect_equal(found$LRT[2], exact$statistic[[1]], tolerance = 1e-5)
  p <- exact$p.value[[1]]
  # Two simulated shares: five standard errors of their difference.
  expect_equal(
    found[["Pr(>RLRT)"]][2],
    p,
    tolerance = 5 * sqrt(2 * p * (1 - p) / 20000) / p
  )
})

test_that("rows stand in the order of the formula, as in lmerTest", {
  fit <- rlmm(
    Reaction ~ Days + (0 + Days | Subject) + (1 | Subject),
    sleepstudy
  )
  rows <- c("<none>", "Days in (0 + Days | Subject)", "(1 | Subject)")
  expect_identical(rownames(ranova(fit)), rows)
  # The fit has the term with more levels first.
  crossed <- rlmm(diameter ~ 1 + (1 | sample) + (1 | plate), Penicillin)
  rows <- c("<none>", "(1 | sample)", "(1 | plate)")
  expect_identical(rownames(ranova(crossed)), rows)
})

test_that("a model that isn't smaller may be the better one", {
  data <- transform(sleepstudy, v = sin(seq_len(180)))
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + (0 + v | Subject),
    data,
    REML = FALSE
  ))
  other <- rlmm(Reaction ~ Days + (1 | Subject), data, REML = FALSE)
  found <- ranova(fit)
  expect_identical(found$Df[2], 0)
  expect_equal(found$LRT[2], as.numeric(2 * (logLik(fit) - logLik(other))))
  expect_lt(found$LRT[2], 0)
})

test_that("arguments of the simulation are said to have no effect without it", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_message(
    table <- ranova(fit, nsim = 100, seed = 1),
    "`nsim` and `seed`",
    class = "rlmm_message_without_effect"
  )
  expect_equal(table, ranova(fit))
})

# Rows of which many are equal: responses of several kinds, two grouping factors.
alike_rows <- function() {
  set.seed(4)
  n <- 1500
  rows <- data.frame(
    dose = sample(0:2, n, TRUE),
    arm = sample(c("old", "new"), n, TRUE),
    site = sample(letters[1:9], n, TRUE),
    `o'clock` = sample(5L, n, TRUE),
    check.names = FALSE
  )
  effects <- rnorm(9, sd = 0.8)[match(rows$site, letters)] +
    rnorm(5, sd = 0.4)[rows[["o'clock"]]]
  eta <- 0.3 * rows$dose - 0.4 * (rows$arm == "old") + effects
  rows$won <- as.integer(runif(n) < stats::plogis(eta))
  rows$seen <- rpois(n, exp(eta))
  rows$trials <- sample(2:3, n, TRUE)
  rows$wins <- rbinom(n, rows$trials, stats::plogis(eta))
  rows$time <- round(exp(eta) * rgamma(n, 4), 0) + 1
  rows$w <- sample(c(1, 2), n, TRUE)
  rows
}

alike_formula <- won ~ dose + arm + (1 | site) + (1 | `o'clock`)

local_table <- function(rows, env = parent.frame()) {
  for (package in c("DBI", "RSQLite", "dplyr", "dbplyr")) {
    skip_if_not_installed(package)
  }
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  withr::defer(DBI::dbDisconnect(con), envir = env)
  DBI::dbWriteTable(con, "a \"table\"; of rows", rows)
  dplyr::tbl(con, DBI::Id(table = "a \"table\"; of rows"))
}

expect_fit_of_all <- function(found, fit) {
  expect_lt(nrow(model.frame(found)), nrow(model.frame(fit)))
  expect_equal(
    as.numeric(logLik(found)),
    as.numeric(logLik(fit)),
    tolerance = 1e-9
  )
  expect_equal(fixef(found), fixef(fit), tolerance = 1e-5)
  expect_equal(vcov(found), vcov(fit), tolerance = 1e-4)
  expect_equal(sigma(found), sigma(fit), tolerance = 1e-5)
  expect_equal(
    as.data.frame(VarCorr(found)),
    as.data.frame(VarCorr(fit)),
    tolerance = 1e-4
  )
  expect_equal(
    ranef(found, condVar = FALSE),
    ranef(fit, condVar = FALSE),
    tolerance = 1e-4
  )
  expect_equal(nobs(found), nobs(fit))
  expect_equal(df.residual(found), df.residual(fit))
  expect_equal(BIC(found), BIC(fit), tolerance = 1e-9)
}

test_that("a generalized model of a table is that of its rows", {
  rows <- alike_rows()
  table <- local_table(rows)
  models <- list(
    list(alike_formula, family = binomial),
    list(alike_formula, family = binomial("probit")),
    list(
      cbind(wins, trials - wins) ~ arm + factor(dose) + (1 | site),
      family = binomial
    ),
    list(
      wins / trials ~ arm + (1 | site),
      family = binomial,
      weights = quote(trials)
    ),
    list(seen ~ dose * arm + (dose | site), family = poisson),
    list(
      seen ~ arm + offset(log(w)) + (1 | site),
      family = poisson,
      weights = quote(w)
    ),
    list(seen ~ arm + (1 | site), family = nbinom2),
    list(time ~ arm + (1 | site), family = Gamma("log")),
    list(
      time ~ arm + (1 | site),
      family = Gamma("log"),
      weights = quote(w),
      dispersion = "estimated"
    ),
    list(won ~ arm + (1 | site), family = binomial, nAGQ = 5)
  )
  for (model in models) {
    fit <- \(data) {
      call <- as.call(c(quote(rglmm), model, list(data = quote(data))))
      suppressMessages(eval(call))
    }
    expect_fit_of_all(fit(table), fit(rows))
  }
})

test_that("lme4 finds the same from all rows", {
  skip_if_not_installed("lme4")
  rows <- alike_rows()
  table <- local_table(rows)
  found <- rglmm(alike_formula, table, binomial)
  fit <- lme4::glmer(alike_formula, rows, binomial)
  expect_equal(
    as.numeric(logLik(found)),
    as.numeric(logLik(fit)),
    tolerance = 1e-6
  )
  expect_equal(fixef(found), lme4::fixef(fit), tolerance = 1e-3)
  expect_equal(BIC(found), BIC(fit), tolerance = 1e-6)
})

test_that("chunks are counted too, without rows that miss a value", {
  rows <- alike_rows()
  rows$dose[c(3, 900)] <- NA
  rows$unused <- NA
  at <- new.env()
  chunks <- function(reset) {
    at$first <- if (reset) -399 else at$first + 400
    own <- seq_len(nrow(rows))
    own <- own[own >= at$first & own < at$first + 400]
    if (!reset && length(own) > 0) rows[own, ]
  }
  found <- rglmm(alike_formula, chunks, binomial)
  expect_fit_of_all(found, rglmm(alike_formula, rows, binomial))
  expect_equal(nobs(found), 1498)
  expect_error(
    rglmm(alike_formula, \(reset) NULL, binomial),
    class = "rlmm_error_no_rows"
  )
  at$left <- TRUE
  incomplete <- function(reset) {
    if (!reset && at$left) {
      at$left <- FALSE
      rows[3, ]
    }
  }
  expect_error(
    rglmm(alike_formula, incomplete, binomial),
    class = "rlmm_error_no_rows"
  )
})

test_that("weights that count rows multiply", {
  rows <- alike_rows()
  table <- local_table(rows)
  fit <- \(data) {
    rglmm(
      seen ~ arm + (1 | site),
      data,
      poisson,
      weights = w,
      weights_type = "f"
    )
  }
  expect_fit_of_all(fit(table), fit(rows))
})

test_that("what is said of rows is that of all rows", {
  rows <- alike_rows()
  table <- local_table(rows)
  formula <- seen ~ dose + (1 | site)
  found <- rglmm(formula, table, poisson)
  fit <- rglmm(formula, rows, poisson)
  counts <- model.frame(found)[["(counts)"]]
  expect_equal(sum(counts), 1500)
  expect_equal(
    sum(counts * hatvalues(found)),
    sum(hatvalues(fit)),
    tolerance = 1e-6
  )
  pearson <- residuals(found, "pearson")
  expect_equal(
    sum(counts * pearson^2),
    sum(residuals(fit, "pearson")^2),
    tolerance = 1e-6
  )
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-6)
  expect_equal(dim(simulate(found, 2, seed = 1)), c(1500L, 2L))
  expect_equal(
    variance_explained(found)$r2_marginal,
    variance_explained(fit)$r2_marginal,
    tolerance = 1e-5
  )
  expect_equal(
    vcov(found, type = "CR1"),
    vcov(fit, type = "CR1"),
    tolerance = 1e-4
  )
  expect_equal(
    as.numeric(cAIC(found)$caic),
    as.numeric(cAIC(fit)$caic),
    tolerance = 1e-6
  )
  line <- \(fit) subset(diagnose(fit)$checks, check == "Overdispersion")$finding
  expect_equal(line(found), line(fit))
  expect_equal(
    sum(group_loglik(found)),
    sum(group_loglik(fit)),
    tolerance = 1e-6
  )
  again <- refit(found, with(rows[order(rows$seen), ], seen))
  expect_equal(nobs(again), 1500)
})

test_that("a changed model has the counted rows, or goes back to the table", {
  rows <- alike_rows()
  table <- local_table(rows)
  formula <- seen ~ dose + arm + (1 | site)
  found <- rglmm(formula, table, poisson)
  fit <- rglmm(formula, rows, poisson)
  expect_equal(
    logLik(update(found, . ~ . - arm)),
    logLik(update(fit, . ~ . - arm))
  )
  expect_equal(
    logLik(update(found, . ~ . + log(w))),
    logLik(update(fit, . ~ . + log(w)))
  )
  expect_equal(drop1(found)$AIC, drop1(fit)$AIC, tolerance = 1e-8)
  smaller <- update(found, . ~ . - dose)
  expect_equal(
    anova(found, smaller)$Chisq,
    anova(fit, update(fit, . ~ . - dose))$Chisq,
    tolerance = 1e-6
  )
  expect_equal(
    confint(found, method = "profile", parm = "beta_"),
    confint(fit, method = "profile", parm = "beta_"),
    tolerance = 1e-4
  )
  new <- rows[1:5, ]
  expect_equal(
    predict(found, new, type = "response"),
    predict(fit, new, type = "response"),
    tolerance = 1e-5
  )
})

test_that("models with other distinct rows are compared as those of all rows", {
  rows <- alike_rows()
  table <- local_table(rows)
  smaller <- update(alike_formula, . ~ . - dose)
  expect_silent(
    found <- anova(
      rglmm(smaller, table, family = binomial),
      rglmm(alike_formula, table, family = binomial)
    )
  )
  expected <- anova(
    rglmm(smaller, rows, family = binomial),
    rglmm(alike_formula, rows, family = binomial)
  )
  expect_equal(found$Chisq, expected$Chisq, tolerance = 1e-6)
  expect_equal(found$Df, expected$Df)
})

test_that("the number of distinct rows is told, and what can't be counted", {
  rows <- alike_rows()
  rows$x <- rows$dose + seq_len(nrow(rows)) / 1e4
  table <- local_table(rows)
  little <- rlmm_control(memory_limit = 1e-5)
  fit <- \(...) writeLines(error_lines(rglmm(..., family = poisson)))
  expect_snapshot({
    print(rglmm(seen ~ dose + arm + (1 | site), table, poisson))
    fit(seen ~ x + (1 | site), table, control = little)
    fit(seen ~ cumsum(dose) + (1 | site), table)
    fit(seen ~ dos + (1 | site), table)
    fit(seen ~ dose + (1 | site), dplyr::filter(table, dose > 5))
    fit(seen ~ dose + (1 | site), table, subset = dose > 0)
    fit(arm ~ dose + (1 | site), table)
  })
})

test_that("bases are those of all rows", {
  rows <- alike_rows()
  table <- local_table(rows)
  formula <- seen ~ poly(dose, 2) +
    scale(w) +
    I(trials - mean(trials)) +
    (1 | site)
  found <- rglmm(formula, table, poisson)
  fit <- rglmm(formula, rows, poisson)
  expect_fit_of_all(found, fit)
  expect_equal(
    predict(found, rows[1:9, ]),
    predict(fit, rows[1:9, ]),
    tolerance = 1e-5
  )
  expect_equal(
    fixef(update(found, . ~ . - scale(w) + arm)),
    fixef(update(fit, . ~ . - scale(w) + arm)),
    tolerance = 1e-4
  )
})

test_that("residuals of rows that a fit of distinct rows doesn't hold", {
  rows <- alike_rows()
  table <- local_table(rows)
  pairs <- list(
    list(
      rglmm(cbind(wins, trials - wins) ~ dose + (1 | site), rows, binomial),
      rglmm(cbind(wins, trials - wins) ~ dose + (1 | site), table, binomial)
    ),
    list(
      rglmm(seen ~ arm + offset(log(trials)) + (1 | site), rows, poisson),
      rglmm(seen ~ arm + offset(log(trials)) + (1 | site), table, poisson)
    ),
    list(
      rglmm(time ~ dose + (1 | site), rows, Gamma("log"), weights = w),
      rglmm(time ~ dose + (1 | site), table, Gamma("log"), weights = w)
    )
  )
  for (pair in pairs) {
    for (type in c("response", "pearson", "deviance", "working", "quantile")) {
      seed <- if (type == "quantile") 3
      expected <- residuals(pair[[1L]], type, seed = seed)
      found <- residuals(pair[[2L]], type, seed = seed, newdata = table)
      expect_equal(unname(found), unname(expected), tolerance = 1e-5)
      expect_equal(
        residuals(pair[[1L]], type, seed = seed, newdata = rows),
        expected
      )
    }
  }
})

test_that("rows with missing values have no residuals", {
  rows <- alike_rows()
  table <- local_table(rows)
  fit <- rglmm(seen ~ arm + (1 | site), rows, poisson)
  rows$seen[2] <- NA
  rows$site[3] <- NA
  rows$arm[1500] <- NA
  found <- residuals(fit, newdata = rows)
  expect_identical(which(is.na(found)), c(`2` = 2L, `3` = 3L, `1500` = 1500L))
  expect_equal(found[-c(2, 3, 1500)], residuals(fit)[-c(2, 3, 1500)])
  expect_equal(residuals(fit, newdata = local_table(rows)), found)
  other <- alike_rows()[1:4, ]
  other$site[2] <- "elsewhere"
  expect_error(
    residuals(fit, newdata = other),
    class = "rlmm_error_new_levels"
  )
  mean <- predict(fit, other, re.form = NA, type = "response")[2]
  expect_equal(
    residuals(fit, "response", newdata = other, allow.new.levels = TRUE)[2],
    other$seen[2] - mean
  )
})

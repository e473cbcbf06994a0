# Methods of fits with a large factor, against those of the fit with its dummy columns.

test_that("methods agree with those of dummy columns", {
  d <- made_data()
  fits <- by_both_codings(rlmm(y ~ x + firm + sex + (1 | worker), d), d)
  expect_same <- expecting_same(fits)
  expect_same(\(fit) predict(fit, d[1:9, ]))
  expect_same(\(fit) predict(fit, d[1:9, ], re.form = NA))
  expect_same(residuals)
  expect_same(hatvalues)
  expect_same(cooks.distance)
  expect_same(rstandard)
  expect_same(\(fit) simulate(fit, 2, seed = 1))
  expect_same(\(fit) as.data.frame(ranef(fit, condVar = TRUE)))
  expect_same(\(fit) logLik(fit, REML = FALSE))
  expect_same(REMLcrit)
  expect_same(\(fit) logLik(refitML(fit)))
  expect_same(\(fit) fixef(refit(fit, d$y + d$x)))
  expect_same(\(fit) fixef(update(fit, . ~ . - sex)))
  expect_same(\(fit) as.data.frame(VarCorr(fit)))
  expect_same(\(fit) ranova(fit)$LRT)
  expect_same(\(fit) confint(fit, c(".sig01", "x"), quiet = TRUE))
  expect_same(\(fit) confint(fit, c("x", "sexm"), method = "Wald"))
  expect_same(\(fit) bootMer(fit, fixef, 2, seed = 3)$t)
  expect_same(\(fit) coef(fit)$worker[, c("x", "sexm")])
  expect_same(\(fit) anova(fit)$`F value`)
  expect_same(\(fit) drop1(fit)$AIC)
  expect_same(\(fit) as.function(fit)(0.4))
  tables <- lapply(fits, anova)
  expect_identical(rownames(tables$levels), rownames(tables$dummies))
  expect_equal(tables$levels$NumDF, tables$dummies$NumDF)
})

test_that("new data are read as the fit's were", {
  d <- made_data()
  fits <- by_both_codings(rlmm(y ~ x + factor(firm) + (1 | worker), d), d)
  new <- data.frame(firm = c("3", NA, "12"), x = 1:3, worker = "5")
  expect_equal(
    predict(fits$levels, new),
    predict(fits$dummies, new),
    tolerance = 1e-6
  )
  expect_error(
    predict(fits$levels, data.frame(firm = "x", x = 1, worker = "5")),
    class = "rlmm_error_unknown_level"
  )
  slim <- rlang::with_options(
    rlmm.large_factor = 20,
    rlmm(y ~ x + firm + (1 | worker), d, control = rlmm_control(slim = TRUE))
  )
  expect_equal(
    predict(slim, d[1:5, ]),
    predict(fits$dummies, d[1:5, ]),
    tolerance = 1e-6
  )
})

test_that("what needs the dummy columns says so", {
  d <- made_data()
  rlang::local_options(rlmm.large_factor = 20)
  fit <- rlmm(y ~ x + firm + (1 | worker), d)
  for (refused in list(
    model.matrix,
    influence,
    \(fit) getME(fit, "X"),
    \(fit) predict(fit, d[1:3, ], re.form = NA, cov.fit = TRUE),
    \(fit) vcov(fit, full = TRUE),
    \(fit) vcov(fit, complete = TRUE),
    \(fit) vcov(fit, type = "CR2"),
    \(fit) anova(fit, type = "I"),
    \(fit) anova(fit, ddf = "none"),
    \(fit) summary(fit, ddf = "Kenward-Roger")
  )) {
    expect_error(refused(fit), class = "rlmm_error_large_factor")
  }
  expect_snapshot({
    writeLines(error_lines(model.matrix(fit)))
    writeLines(error_lines(summary(fit, ddf = "Kenward-Roger")))
    writeLines(error_lines(vcov(fit, type = "CR2")))
    writeLines(error_lines(fixed_levels(rlmm(y ~ x + (1 | worker), d))))
    writeLines(error_lines(fixed_levels(d)))
    print(fit, digits = 3)
    print(anova(fit), digits = 3)
  })
  expect_s3_class(diagnose(fit), "rlmm_diagnosis")
  expect_equal(dim(vcov(fit)), c(2L, 2L))
})

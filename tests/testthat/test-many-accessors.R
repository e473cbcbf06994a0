many_fits <- function(...) {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  Y <- as.matrix(simulate(fit, 4, seed = 1))
  Y[, 3] <- NA
  rlmm_many(Y ~ Days + (1 | Subject), sleepstudy, ...)
}

test_that("accessors have a row or an element for each response", {
  many <- many_fits()
  fits <- as.list(many)
  expect_null(fits$sim_3)
  fits <- fits[-3]
  expect_equal(t(sapply(fits, fixef)), fixef(many)[-3, ], tolerance = 1e-6)
  expect_identical(coef(many), fixef(many))
  expect_equal(sapply(fits, sigma), sigma(many)[-3], tolerance = 1e-6)
  expect_equal(sapply(fits, AIC), AIC(many)[-3], ignore_attr = TRUE)
  expect_equal(sapply(fits, BIC), BIC(many)[-3], ignore_attr = TRUE)
  expect_equal(nobs(many)[["sim_3"]], 0)
  expect_true(is.na(logLik(many)[3]))
  expect_s3_class(many[4:3][["sim_4"]], "rlmm_lmm")
})

test_that("some of the responses are kept with all that belongs to them", {
  weights <- matrix(stats::runif(180 * 4, 0.5, 2), 180)
  many <- many_fits(weights = weights)
  kept <- many[c("sim_4", "sim_1")]
  expect_identical(names(kept), c("sim_4", "sim_1"))
  expect_equal(fixef(kept), fixef(many)[c(4, 1), ])
  expect_equal(logLik(kept[["sim_4"]]), logLik(many[["sim_4"]]))
  expect_identical(many[], many)
  by_list <- rlmm_many(
    as.data.frame(many$responses) ~ Days + (1 | Subject),
    sleepstudy,
    weights = weights
  )
  expect_equal(fixef(by_list[2:1]), fixef(many)[2:1, ])
  expect_equal(logLik(by_list[2:1][[1]]), logLik(many[[2]]))
})

test_that("responses are chosen by signs and logical values, also none", {
  many <- many_fits()
  expect_identical(names(many[-2]), c("sim_1", "sim_3", "sim_4"))
  expect_identical(many[c(TRUE, FALSE, FALSE, TRUE)], many[c(1, 4)])
  expect_error(many[c(1, -2)], class = "rlmm_error_argument")
  expect_error(many[c(TRUE, NA, TRUE, TRUE)], class = "rlmm_error_argument")
  none <- expect_no_warning(format(many[integer()]))
  expect_match(none[1L], "^0 linear mixed models")
})

test_that("a response without the rows of a group is fitted without that group", {
  Y <- cbind(whole = sleepstudy$Reaction, part = sleepstudy$Reaction)
  Y[sleepstudy$Subject == "310", "part"] <- NA
  found <- rlmm_many(Y ~ Days + (Days | Subject), sleepstudy)[["part"]]
  rows <- subset(sleepstudy, Subject != "310")
  right <- rlmm(Reaction ~ Days + (Days | Subject), rows)
  expect_equal(ngrps(found), ngrps(right))
  expect_equal(
    as.data.frame(ranef(found)),
    as.data.frame(ranef(right)),
    tolerance = 1e-4
  )
  expect_equal(coef(summary(found)), coef(summary(right)), tolerance = 1e-5)
})

test_that("all responses are fitted again by update()", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  Y <- as.matrix(simulate(fit, 2, seed = 1))
  many <- rlmm_many(Y ~ Days + (1 | Subject), sleepstudy)
  smaller <- update(many, . ~ . - Days)
  expect_equal(smaller$beta, rlmm_many(Y ~ 1 + (1 | Subject), sleepstudy)$beta)
})

test_that("update() finds what only the function knew in which the fits were made", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  Y <- as.matrix(simulate(fit, 2, seed = 1))
  # A name that is a function elsewhere.
  made <- \(responses) {
    df <- sleepstudy
    twos <- rep(2, 180)
    rlmm_many(responses ~ Days + (1 | Subject), df, weights = twos)
  }
  many <- made(Y)
  smaller <- update(many, . ~ . - Days)
  right <- rlmm_many(Y ~ 1 + (1 | Subject), sleepstudy, weights = rep(2, 180))
  expect_equal(smaller$beta, right$beta)
  expect_equal(smaller$sigma, right$sigma)
  expect_true(is.call(update(many, REML = FALSE, evaluate = FALSE)))
})

test_that("what is of one fit says so", {
  withr::local_options(cli.unicode = FALSE)
  many <- many_fits()
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(ranef(many))
    show(many[7])
  })
  calls <- list(VarCorr, vcov, confint, predict, simulate, anova, plot)
  of_frames <- list(terms, model.frame, model.matrix, drop1, add1)
  refits <- list(profile, influence, simulate_power)
  for (call in c(calls, of_frames, refits)) {
    expect_error(call(many), class = "rlmm_error_of_one")
  }
  each <- vapply(names(many)[1:2], \(name) AICc(many[[name]]), 0)
  expect_equal(AICc(many)[1:2], each)
  read <- \(chunk) if (chunk == 1L) many$responses[, 1:2]
  chunks <- rlmm_many(read ~ Days + (1 | Subject), sleepstudy)
  expect_error(chunks[1], class = "rlmm_error_argument")
})

test_that("sums of a linear model are answered where they stand by mistake", {
  withr::local_options(cli.unicode = FALSE)
  sums <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy)
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(rlmm(Reaction ~ Days + (Days | Subject), sums))
    show(rglmm(sums, family = poisson))
  })
})

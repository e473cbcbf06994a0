# What 000, 001 and 002 print for the classic data sets; see helper-seeds.R.

test_that("data sets are described as in 001", {
  columns <- c("Mean", "Min.", "Median", "Max.")
  expect_printed(
    summary(Dyestuff$Yield)[columns],
    c("1527.5", "1440", "1530.0", "1635")
  )
  expect_printed(
    summary(Pastes$strength)[columns],
    c("60.0533", "54.2", "59.3", "66.0")
  )
  expect_identical(lengths(list(Dyestuff, Pastes[1:3])), c(2L, 3L))
})

test_that("Dyestuff, ML: summary and extractors (000, 001)", {
  fm1 <- ml(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_criteria(fm1, c("-163.66353", "327.32706", "333.32706", "337.53065"))
  expect_criteria(
    fm1,
    c("-163.6635", "327.3271", "333.3271", "334.2501", "337.5307")
  )
  expect_varcorr(fm1, c("1388.3332", "2451.2501"), c("37.2603", "49.5101"))
  at_printed <- fit_at(fm1, 0.7525806757718846)
  expect_varcorr(
    at_printed,
    c("1388.3334", "2451.2500"),
    c("37.260347", "49.510100"),
    within = last_step
  )
  expect_coefs(fm1, "1527.5", "17.6946", "86.326", "<1e-99")
  expect_printed(nobs(fm1), "30")
  expect_equal(ngrps(fm1), c(Batch = 6L))
  expect_equal(as.numeric(logLik(fm1)), -163.6635299405715, tolerance = 1e-12)
  expect_equal(AIC(fm1), 333.327059881143, tolerance = 1e-12)
  expect_equal(BIC(fm1), 337.5306520261295, tolerance = 1e-12)
  expect_equal(deviance(fm1), 327.327059881143, tolerance = 1e-12)
  expect_equal(attr(logLik(fm1), "df"), 3)
  expect_identical(names(fixef(fm1)), "(Intercept)")
  expect_equal(unname(fixef(fm1)), 1527.4999999999989, tolerance = 1e-13)
  expect_equal(
    unname(getME(fm1, "beta")),
    1527.4999999999989,
    tolerance = 1e-13
  )
})

test_that("Dyestuff, ML: theta, Lambda and Z (000)", {
  fm1 <- ml(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_equal(
    unname(getME(fm1, "theta")),
    0.7525806757718846,
    tolerance = optimizer_error
  )
  lambda <- as.matrix(getME(fm1, "Lambda"))
  expect_equal(
    unname(lambda),
    diag(0.7525806757718846, 6),
    tolerance = optimizer_error
  )
  expect_equal(
    unname(as.matrix(getME(fm1, "Z"))),
    kronecker(diag(6), matrix(1, 5, 1))
  )
  expect_identical(levels(getME(fm1, "flist")[[1]]), LETTERS[1:6])
})

test_that("Dyestuff, ML: random effects, conditional variances, leverage (001, 002)", {
  fm1 <- ml(Yield ~ 1 + (1 | Batch), Dyestuff)
  b <- ranef(fm1)$Batch
  table <- c(
    "-16.6282",
    "0.369516",
    "26.9747",
    "-21.8014",
    "53.5798",
    "-42.4943"
  )
  expect_printed(b[["(Intercept)"]], table, within = optimizer_error)
  expect_identical(rownames(b), LETTERS[1:6])
  printed <- c(
    -16.628221011733647,
    0.36951602248392174,
    53.57982326003439,
    -42.49434258554296
  )
  expect_equal(b[c(1, 2, 5, 6), 1], printed, tolerance = optimizer_error)
  expect_equal(
    unname(getME(fm1, "b")[c(1, 2, 5, 6)]),
    printed,
    tolerance = optimizer_error
  )
  post_var <- attr(ranef(fm1, condVar = TRUE)$Batch, "postVar")
  expect_identical(dim(post_var), c(1L, 1L, 6L))
  expect_equal(
    as.vector(post_var),
    rep(362.3104675622471, 6),
    tolerance = optimizer_error
  )
  expect_equal(
    as.vector(condVar(fm1)[[1]]),
    rep(362.3104675622471, 6),
    tolerance = optimizer_error
  )
  leverage <- unname(hatvalues(fm1))
  expect_equal(
    leverage,
    rep(0.15650534082766315, 30),
    tolerance = optimizer_error
  )
  expect_equal(sum(leverage), 4.695160224829895, tolerance = optimizer_error)
  expect_equal(
    unname(unlist(getME(fm1, c("n", "p", "q", "n_rtrms")))),
    c(30, 1, 6, 1)
  )
})

test_that("Dyestuff, ML: getME() answers to the names of the properties (001)", {
  fm1 <- ml(Yield ~ 1 + (1 | Batch), Dyestuff)
  properties <- c(
    "formula",
    "reterms",
    "Xymat",
    "feterm",
    "sqrtwts",
    "parmap",
    "dims",
    "A_blocks",
    "L_blocks",
    "optsum",
    "theta",
    "beta",
    "betas",
    "lambda",
    "stderror",
    "sigma",
    "sigmas",
    "sigmarhos",
    "b",
    "u",
    "lowerbd",
    "X",
    "y",
    "corr",
    "vcov",
    "PCA",
    "rePCA",
    "objective",
    "pvalues"
  )
  parts <- getME(fm1, properties)
  expect_identical(names(parts), properties)
  expect_equal(parts$objective, 327.327059881143, tolerance = 1e-12)
  expect_equal(unname(parts$lowerbd), 0)
  expect_equal(unname(parts$dims), c(30, 1, 6, 1))
})

test_that("Dyestuff, REML (001)", {
  fm1 <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = TRUE)
  expect_equal(REMLcrit(fm1), 319.65427684225943, tolerance = 1e-12)
  expect_varcorr(fm1, c("1764.0537", "2451.2492"), c("42.0006", "49.5101"))
  expect_coefs(fm1, "1527.5", "19.3834", "78.80", "<1e-99")
})

test_that("Dyestuff2, ML: a singular fit (001)", {
  fm3 <- ml(Yield ~ 1 + (1 | Batch), Dyestuff2)
  expect_criteria(
    fm3,
    c("-81.4365", "162.8730", "168.8730", "169.7961", "173.0766")
  )
  expect_varcorr(fm3, c("0.00000", "13.34610"), c("0.00000", "3.65323"))
  expect_coefs(fm3, "5.6656", "0.666986", "8.49", "<1e-16")
  expect_equal(sum(hatvalues(fm3)), 0.9999999999999998, tolerance = 1e-8)
  expect_true(isSingular(fm3))
})

test_that("sleepstudy, ML: summary (000, 001, 002)", {
  fm2 <- ml(Reaction ~ 1 + Days + (1 + Days | Subject), sleepstudy)
  expect_criteria(
    fm2,
    c("-875.96967", "1751.93934", "1763.93934", "1783.09709")
  )
  expect_criteria(
    fm2,
    c("-875.9697", "1751.9393", "1763.9393", "1764.4249", "1783.0971")
  )
  expect_varcorr(
    fm2,
    c("565.51066", "32.68212", "654.94145"),
    c("23.78047", "5.71683", "25.59182"),
    "+0.08"
  )
  expect_coefs(
    fm2,
    c("251.405", "10.4673"),
    c("6.63226", "1.50224"),
    c("37.9064", "6.96781"),
    c("<1e-99", "<1e-11")
  )
  expect_printed(nobs(fm2), "180")
  expect_equal(ngrps(fm2), c(Subject = 18L))
})

test_that("sleepstudy, ML: theta, Lambda and Z (000)", {
  fm2 <- ml(Reaction ~ 1 + Days + (1 + Days | Subject), sleepstudy)
  theta <- c(0.9292213140364632, 0.018168394459481596, 0.22264486740050538)
  expect_equal(unname(getME(fm2, "theta")), theta, tolerance = optimizer_error)
  lambda <- kronecker(diag(18), matrix(c(theta[1:2], 0, theta[3]), 2))
  expect_equal(
    unname(as.matrix(getME(fm2, "Lambda"))),
    lambda,
    tolerance = optimizer_error
  )
  expect_equal(
    unname(as.matrix(getME(fm2, "Z"))),
    kronecker(diag(18), cbind(1, 0:9))
  )
  expect_identical(
    levels(getME(fm2, "flist")[[1]])[c(1:3, 18)],
    c("308", "309", "310", "372")
  )

  at_printed <- fit_at(fm2, theta)
  expect_varcorr(
    at_printed,
    c("565.510660", "32.682124", "654.941449"),
    c("23.7804680", "5.7168281", "25.5918239"),
    "0.08",
    within = last_step
  )
  expect_coefs(
    at_printed,
    c("251.405", "10.4673"),
    c("6.63226", "1.50224"),
    c("37.9064", "6.96781"),
    c("<1e-99", "<1e-11"),
    within = last_step
  )
})

test_that("sleepstudy, ML: extractors (001, 002)", {
  fm2 <- ml(Reaction ~ 1 + Days + (1 + Days | Subject), sleepstudy)
  covariance <- as.vector(as.matrix(vcov(fm2)))
  # The covariance is a difference of larger numbers.
  expect_printed(
    covariance[c(1, 4)],
    c("43.9868", "2.25671"),
    within = optimizer_error
  )
  expect_printed(covariance[2:3], c("-1.37039", "-1.37039"), within = 1e-4)
  se <- unname(coef(summary(fm2))[, "Std. Error"])
  expect_equal(
    se,
    c(6.632257724308144, 1.5022355036397133),
    tolerance = optimizer_error
  )
  expect_equal(sigma(fm2)^2, 654.9414500374786, tolerance = optimizer_error)
  expect_equal(sigma(fm2), 25.591823890404502, tolerance = optimizer_error)
  expect_equal(
    sum(hatvalues(fm2)),
    28.611526266274847,
    tolerance = optimizer_error
  )
  expect_equal(
    unname(unlist(getME(fm2, c("n", "p", "q", "n_rtrms")))),
    c(180, 2, 36, 1)
  )
})

test_that("sleepstudy without the correlation, in four spellings (000, 001)", {
  formulas <- list(
    Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject),
    Reaction ~ 1 + Days + zerocorr(1 + Days | Subject),
    Reaction ~ 1 + Days + (1 + Days || Subject),
    Reaction ~ 1 + Days + diag(1 + Days | Subject)
  )
  theta <- c(0.9458180716002255, 0.2269271485512249)
  for (formula in formulas) {
    fm3 <- ml(formula, sleepstudy)
    expect_criteria(
      fm3,
      c("-876.00163", "1752.00326", "1762.00326", "1777.96804")
    )
    expect_criteria(
      fm3,
      c("-876.0016", "1752.0033", "1762.0033", "1762.3481", "1777.9680")
    )
    expect_equal(
      unname(getME(fm3, "theta")),
      theta,
      tolerance = optimizer_error
    )
    lambda <- as.matrix(getME(fm3, "Lambda"))
    expect_equal(
      sort(diag(lambda)),
      rep(sort(theta), each = 18),
      tolerance = optimizer_error
    )
    expect_equal(sum(lambda != 0), 36)
    # One factor, one term inside.
    expect_length(fit_spec(fm3)$terms, 1)

    at_printed <- fit_at(fm3, theta)
    variance <- c("584.258977", "33.632805", "653.115782")
    expect_varcorr(
      at_printed,
      variance,
      c("24.17145", "5.79938", "25.55613"),
      within = last_step
    )
    expect_coefs(
      at_printed,
      c("251.405", "10.4673"),
      c("6.70771", "1.51931"),
      c("37.48", "6.88951"),
      c("<1e-99", "<1e-11"),
      within = last_step
    )
  }
})

test_that("Penicillin, ML: terms are sorted by their number of levels (000, 001)", {
  fm4 <- ml(diameter ~ 1 + (1 | sample) + (1 | plate), Penicillin)
  theta <- c(1.5375772433917159, 3.219751343843134)
  expect_criteria(fm4, c("-166.09417", "332.18835", "340.18835", "352.06760"))
  expect_criteria(
    fm4,
    c("-166.0942", "332.1883", "340.1883", "340.4761", "352.0676")
  )
  expect_varcorr(
    fm4,
    c("0.714979", "3.135193", "0.302426"),
    c("0.845565", "1.770648", "0.549933")
  )
  expect_coefs(fm4, "22.9722", "0.744596", "30.8519", "<1e-99")
  expect_printed(nobs(fm4), "144")
  expect_equal(ngrps(fm4), c(plate = 24L, sample = 6L))
  expect_equal(unname(getME(fm4, "theta")), theta, tolerance = optimizer_error)
  expect_identical(
    lapply(getME(fm4, "flist"), levels),
    list(plate = letters[1:24], sample = LETTERS[1:6])
  )
  expect_equal(
    sum(hatvalues(fm4)),
    27.46531792078765,
    tolerance = optimizer_error
  )

  at_printed <- fit_at(fm4, theta)
  variance <- c("0.71497949", "3.13519360", "0.30242640")
  expect_varcorr(
    at_printed,
    variance,
    c("0.8455646", "1.7706478", "0.5499331"),
    within = last_step
  )
})

test_that("Penicillin, REML (001, 002)", {
  fm4 <- rlmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    Penicillin,
    REML = TRUE
  )
  expect_equal(REMLcrit(fm4), 330.8605889912561, tolerance = 1e-11)
  expect_varcorr(
    fm4,
    c("0.716908", "3.730907", "0.302416"),
    c("0.846704", "1.931555", "0.549923")
  )
  expect_coefs(fm4, "22.9722", "0.808572", "28.41", "<1e-99")
  expect_equal(
    sum(hatvalues(fm4)),
    27.472361698411703,
    tolerance = optimizer_error
  )
})

test_that("Pastes, ML: nesting spelled out or implied by the labels (001)", {
  formulas <- list(
    strength ~ 1 + (1 | batch / cask),
    strength ~ 1 + (1 | batch) + (1 | batch & cask),
    strength ~ 1 + (1 | sample) + (1 | batch)
  )
  for (formula in formulas) {
    fm4 <- ml(formula, Pastes)
    expect_criteria(
      fm4,
      c("-123.9972", "247.9945", "255.9945", "256.7217", "264.3718")
    )
    expect_varcorr(
      fm4,
      c("8.433617", "1.199180", "0.678002"),
      c("2.904069", "1.095071", "0.823409")
    )
    expect_coefs(fm4, "60.0533", "0.642136", "93.52", "<1e-99")
    expect_printed(nobs(fm4), "60")
    expect_equal(unname(ngrps(fm4)), c(30L, 10L))
  }
})

test_that("InstEval, ML: all 28 coefficients (001)", {
  insteval <- transform(
    InstEval,
    dept = factor(dept, levels = sort(as.integer(levels(dept))))
  )
  fm5 <- ml(y ~ 1 + service * dept + (1 | s) + (1 | d), insteval)
  expect_criteria(
    fm5,
    c(
      "-118792.7767",
      "237585.5534",
      "237647.5534",
      "237647.5804",
      "237932.8763"
    )
  )
  expect_varcorr(
    fm5,
    c("0.105418", "0.258416", "1.384728"),
    c("0.324681", "0.508347", "1.176745")
  )
  expect_printed(nobs(fm5), "73421")
  expect_equal(ngrps(fm5), c(s = 2972L, d = 1128L))
  expect_coefs(
    fm5,
    estimate = c(
      "3.27628",
      "0.0116044",
      "-0.0411091",
      "0.00967413",
      "0.105017",
      "0.0828643",
      "-0.01194",
      "0.0992679",
      "0.0575337",
      "-0.00263181",
      "-0.223423",
      "0.0129816",
      "0.00503825",
      "0.0050827",
      "-0.0466719",
      "-0.144352",
      "0.0174078",
      "-0.0381262",
      "0.0596632",
      "-0.254044",
      "-0.151634",
      "0.0508942",
      "-0.259448",
      "0.25907",
      "-0.276577",
      "-0.0418489",
      "-0.256742",
      "0.24042"
    ),
    se = c(
      "0.0793647",
      "0.0699321",
      "0.120331",
      "0.108411",
      "0.0944964",
      "0.11148",
      "0.0978342",
      "0.110598",
      "0.127935",
      "0.107085",
      "0.099838",
      "0.110639",
      "0.0944243",
      "0.109041",
      "0.101942",
      "0.0929527",
      "0.0927237",
      "0.0810901",
      "0.123952",
      "0.080781",
      "0.11157",
      "0.112189",
      "0.0899448",
      "0.111369",
      "0.0819621",
      "0.0792928",
      "0.0931016",
      "0.0982071"
    ),
    z = c(
      "41.28",
      "0.17",
      "-0.34",
      "0.09",
      "1.11",
      "0.74",
      "-0.12",
      "0.90",
      "0.45",
      "-0.02",
      "-2.24",
      "0.12",
      "0.05",
      "0.05",
      "-0.46",
      "-1.55",
      "0.19",
      "-0.47",
      "0.48",
      "-3.14",
      "-1.36",
      "0.45",
      "-2.88",
      "2.33",
      "-3.37",
      "-0.53",
      "-2.76",
      "2.45"
    ),
    p = c(
      "<1e-99",
      "0.8682",
      "0.7326",
      "0.9289",
      "0.2664",
      "0.4573",
      "0.9029",
      "0.3694",
      "0.6529",
      "0.9804",
      "0.0252",
      "0.9066",
      "0.9574",
      "0.9628",
      "0.6471",
      "0.1204",
      "0.8511",
      "0.6382",
      "0.6303",
      "0.0017",
      "0.1741",
      "0.6501",
      "0.0039",
      "0.0200",
      "0.0007",
      "0.5977",
      "0.0058",
      "0.0144"
    )
  )
})

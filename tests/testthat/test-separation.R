test_that("separated data give a finite answer and a warning that names the effect", {
  d <- glmm_data()
  d$z <- as.numeric(d$x > 1)
  set.seed(2)
  d$y <- rbinom(nrow(d), 1, plogis(d$eta))
  d$y[d$z == 1] <- 1
  quiet <- rlmm_control(check_conv_singular = "ignore")
  for (link in c("logit", "probit", "cloglog")) {
    expect_warning(
      fit <- rglmm(y ~ z + (1 | g), d, binomial(link), control = quiet),
      "`z` tends",
      class = "rlmm_warning_separation"
    )
    expect_true(all(is.finite(fixef(fit))))
    expect_match(paste(format(fit), collapse = " "), "separated")
  }
  d$count <- ifelse(d$z == 1, 0, 2)
  warning <- expect_warning(
    rglmm(count ~ x + z + (1 | g), d, poisson, control = quiet),
    class = "rlmm_warning_separation"
  )
  expect_equal(warning$effects, "z")
})

test_that("levels of a grouping factor whose responses are alike do no harm", {
  d <- glmm_data()
  set.seed(2)
  d$y <- rbinom(nrow(d), 1, plogis(d$eta))
  d$y[d$g == "g1"] <- 0
  d$y[d$g == "g2"] <- 1
  expect_silent(fit <- rglmm(y ~ x + (1 | g), d, binomial))
  expect_true(all(is.finite(ranef(fit)$g[[1]])))
})

test_that("a separated reference level leaves the fit of the other levels", {
  d <- glmm_data()
  set.seed(3)
  d$k <- factor(rep_len(c("a", "b", "c"), nrow(d)))
  d$y <- rbinom(nrow(d), 1, plogis(d$eta))
  quiet <- rlmm_control(check_conv_singular = "ignore")
  for (link in c("logit", "probit", "cloglog")) {
    for (value in 0:1) {
      d$y[d$k == "a"] <- value
      for (nodes in 0:1) {
        expect_warning(
          fit <- rglmm(
            y ~ k + (1 | g),
            d,
            binomial(link),
            control = quiet,
            nAGQ = nodes
          ),
          "`\\(Intercept\\)`",
          class = "rlmm_warning_separation"
        )
        others <- rglmm(
          y ~ k + (1 | g),
          droplevels(d[d$k != "a", ]),
          binomial(link),
          control = quiet,
          nAGQ = nodes
        )
        expect_equal(fit$dev$objective, others$dev$objective, tolerance = 1e-6)
        expect_equal(fit$theta, others$theta, tolerance = 1e-2)
      }
    }
  }
})

test_that("every link warns of separated data", {
  set.seed(1)
  d <- data.frame(g = gl(20, 10), x = rnorm(200), f = gl(4, 1, 200))
  d$by_x <- as.integer(d$x > 0)
  d$by_f <- ifelse(d$f == 4, 1L, rbinom(200, 1, 0.5))
  for (link in c("logit", "probit", "cloglog", "cauchit")) {
    expect_warning(
      suppressMessages(rglmm(by_x ~ x + (1 | g), d, binomial(link))),
      class = "rlmm_warning_separation"
    )
    found <- expect_warning(
      suppressMessages(rglmm(by_f ~ f + (1 | g), d, binomial(link))),
      class = "rlmm_warning_separation"
    )
    expect_equal(found$effects, "f4")
  }
})

test_that("a covariate far from zero is no separation, whether or not it has an effect", {
  set.seed(4)
  d <- data.frame(g = gl(20, 20), z = rnorm(400), e = rnorm(20)[gl(20, 20)])
  d$year <- 2000 + 5 * d$z
  d$time <- 1.7e9 + 1e6 * d$z
  d$y <- rpois(400, exp(0.3 + 0.5 * d$z + 0.4 * d$e))
  d$far <- 1e6 + d$z
  # Each pair of rows has one response and opposite covariates: nearly no effect at all.
  d$pair <- 1e6 + rep(c(-1, 1), 200) * rep(runif(200), each = 2) + 0.001 * d$z
  d$even <- rep(d$y[c(TRUE, FALSE)], each = 2)
  for (formula in list(
    y ~ year + (1 | g),
    y ~ time + (1 | g),
    y ~ far + (1 | g),
    even ~ pair + (1 | g)
  )) {
    expect_no_warning(fit <- rglmm(formula, d, family = poisson))
    expect_length(fit$separated, 0)
  }
})

test_that("a product with a covariate far from zero is no separation", {
  set.seed(5)
  d <- data.frame(g = gl(20, 20), z = rnorm(400), dose = runif(400, 1, 3))
  d$y <- rpois(400, exp(0.3 * d$dose + 0.2 * d$z * d$dose))
  centred <- rglmm(y ~ dose + dose:z + (1 | g), d, poisson)
  for (origin in c(1e4, 1e7, 1e9)) {
    d$far <- d$z + origin
    expect_no_warning(fit <- rglmm(y ~ dose + dose:far + (1 | g), d, poisson))
    expect_equal(
      fixef(fit)[["dose:far"]],
      fixef(centred)[["dose:z"]],
      tolerance = 1e-4
    )
  }
  # A dose without an event is separated wherever the covariate is.
  d$y[d$dose > 2] <- 0L
  d$high <- as.integer(d$dose > 2)
  expect_warning(
    fit <- rglmm(y ~ high + dose:far + (1 | g), d, poisson),
    class = "rlmm_warning_separation"
  )
  expect_identical(fit$separated, "high")
})

test_that("modes are found where those of zero have means of one beside failures", {
  d <- data.frame(
    x = c(
      54.732,
      56.236,
      53.85,
      57.124,
      55.541,
      56.933,
      56.525,
      55.664,
      55.408,
      55.707,
      52.821,
      56.312,
      56.072,
      55.404,
      55.679,
      55.296,
      55.624,
      55.835,
      56.334,
      54.834
    ),
    z = c(
      0.531,
      -0.968,
      0.021,
      -2.217,
      -0.816,
      0.807,
      -1.439,
      -0.778,
      -0.014,
      0.209,
      1.242,
      0.854,
      0.144,
      -1.744,
      1.091,
      -1.2,
      -1.066,
      0.162,
      0.412,
      -1.126
    ),
    y = c(1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1),
    g = factor(c(
      2,
      8,
      15,
      12,
      6,
      5,
      15,
      11,
      13,
      15,
      4,
      12,
      3,
      3,
      10,
      12,
      3,
      3,
      5,
      3
    )),
    h = factor(c(1, 6, 2, 2, 6, 6, 5, 1, 1, 3, 5, 4, 4, 1, 2, 1, 3, 4, 2, 5))
  )
  fit <- suppressWarnings(
    rglmm(y ~ x + z + (1 | g) + (1 | h), d, binomial("cloglog"))
  )
  modes <- lapply(ranef(fit), \(effects) effects[["(Intercept)"]])
  expect_true(all(is.finite(unlist(modes))))
  # Scores of the responses, with the derivatives of the penalty.
  rate <- exp(predict(fit, type = "link"))
  score <- ifelse(d$y == 1, rate / expm1(rate), -rate)
  for (group in c("g", "h")) {
    variance <- as.numeric(VarCorr(fit)[[group]])
    expect_equal(
      as.vector(rowsum(score, d[[group]])),
      modes[[group]] / variance,
      tolerance = 1e-6,
      ignore_attr = TRUE
    )
  }
})

test_that("nearly as many fixed effects as separated responses take few steps", {
  letter <- function(text) strsplit(text, "")[[1L]]
  d <- data.frame(
    y = as.numeric(letter(
      "010010010011011111010001010001011100011110001110100100000001"
    )),
    f = factor(letter(
      "bbccbbcbcacbcbbcaaacbbcbaacaabbabcccaabcbbbcaaacacccbcbccccc"
    )),
    g = letter("554545445552444222241222454525252444522442224422152145422554"),
    h = factor(c(1, seq_len(59)))
  )
  formula <- y ~ f + h + ar1(0 + f | g, hom = FALSE) + (1 | h) + (1 | f:g)
  expect_warning(
    fit <- suppressMessages(rglmm(formula, d, binomial("probit"))),
    class = "rlmm_warning_separation"
  )
  # Two responses, 0 and 1, have one probability, and all others one of zero or one.
  expect_equal(-2 * as.numeric(logLik(fit)), 4 * log(2), tolerance = 1e-8)
  expect_lt(fit$optsum$pirls_iterations, 1e5)
})

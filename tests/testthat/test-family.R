count <- function(...) rglmm(incidence ~ period + (1 | herd), cbpp, ...)

test_that("a family may be an object, a function or a name", {
  fits <- list(
    count(family = poisson),
    count(family = poisson()),
    count(family = "poisson"),
    count(family = poisson("log"))
  )
  for (fit in fits) {
    expect_equal(family(fit)$family, "poisson")
    expect_equal(fit$dev$objective, fits[[1]]$dev$objective)
  }
  expect_true(isGLMM(fits[[1]]))
  expect_false(isLMM(fits[[1]]))
  expect_false(isREML(fits[[1]]))
})

test_that("theta of the negative binomial is read from the family", {
  skip_if_not_installed("MASS")
  expect_equal(family_theta(MASS::negative.binomial(2.5)), 2.5)
  expect_equal(core_family(MASS::negative.binomial(2.5)), "negative.binomial")
})

test_that("families that can't be fitted are refused with the reason", {
  expect_error(count(), "rlmm", class = "rlmm_error_family")
  expect_error(
    count(family = gaussian),
    "Use `rlmm\\(\\)`",
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = quasipoisson),
    "no likelihood",
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = "quasibinomial"),
    "binomial",
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = "possion"),
    "Did you mean `poisson`",
    class = "rlmm_error_family"
  )
  expect_error(count(family = 3), "It is 3", class = "rlmm_error_family")
  expect_error(count(family = mean), class = "rlmm_error_family")
  expect_error(
    count(family = no_such_family),
    "no_such_family",
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = binomial("no such link")),
    "no such link",
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = list("poisson")),
    "nbinom2",
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = binomial(power(0.3))),
    class = "rlmm_error_family"
  )
  expect_error(
    count(family = poisson(power(0.3))),
    "mu\\^0.3",
    class = "rlmm_error_family"
  )
})

# Linear predictors up to where R's families cut off what is representable: beyond the precision of
# doubles for the mean.
extreme_eta <- list(
  logit = c(-29, -12, -3, -0.1, 0, 2, 8, 14),
  probit = c(-8, -4, -1, 0, 0.5, 3, 5),
  cloglog = c(-35, -8, -1, 0, 0.8, 2, 3),
  cauchit = c(-1e7, -40, -1, 0, 0.3, 30, 1e5),
  log = c(-30, -8, -1, 0.5, 12, 30),
  sqrt = c(1e-6, 0.01, 1, 30, 1e5),
  identity = c(1e-8, 0.02, 1, 40, 1e8),
  inverse = c(1e-7, 0.02, 1, 40, 1e7),
  `1/mu^2` = c(1e-8, 0.02, 1, 40, 1e8)
)

extreme_families <- function() {
  families <- list(
    binomial(),
    binomial("probit"),
    binomial("cloglog"),
    binomial("cauchit"),
    poisson(),
    poisson("sqrt"),
    poisson("identity"),
    Gamma(),
    Gamma("log"),
    Gamma("identity"),
    inverse.gaussian(),
    inverse.gaussian("log"),
    inverse.gaussian("inverse"),
    inverse.gaussian("identity"),
    gaussian("log"),
    gaussian("inverse")
  )
  if (!requireNamespace("MASS", quietly = TRUE)) {
    return(families)
  }
  c(
    families,
    lapply(c("log", "sqrt", "identity"), \(link) {
      eval(bquote(MASS::negative.binomial(2.5, link = .(link))))
    })
  )
}

test_that("means, weights and deviances are those of R's families over extreme linear predictors", {
  for (family in extreme_families()) {
    eta <- rep(extreme_eta[[family$link]], each = 4)
    is_binomial <- family$family == "binomial"
    y <- rep(
      if (is_binomial) c(0, 1, 3, 6) / 6 else c(1, 2, 3, 7),
      length.out = length(eta)
    )
    w <- rep(if (is_binomial) 6 else 1, length(eta))
    groups <- data.frame(count = 1:4, g = gl(4, 1, length(y)))
    spec <- fit_spec(suppressMessages(rglmm(
      count ~ 1 + (1 | g),
      groups,
      poisson
    )))
    spec[c("y", "weights", "offset")] <- list(y, w, eta)
    shape <- if (core_family(family) == "negative.binomial") 2.5 else 1
    spec$glmm[c("family", "link", "shape")] <- list(
      core_family(family),
      family$link,
      shape
    )
    at <- core_glmm_estimates(spec, c(0, 0))
    label <- paste(family$family, family$link)
    mu <- family$linkinv(eta)
    expect_equal(at$eta, eta, label = label)
    expect_lt(max(abs(at$fitted / mu - 1)), 1e-12, label = paste(label, "mean"))
    # R's 1 - mu has lost digits where mu is near one.
    lost <- if (is_binomial) 10 * .Machine$double.eps / (1 - mu) else 0
    weights <- w * family$mu.eta(eta)^2 / family$variance(mu)
    expect_lt(
      max(abs(at$working_weights / weights - 1) - lost),
      1e-11,
      label = paste(label, "weight")
    )
    deviance <- sum(family$dev.resids(y, mu, w))
    expect_lt(
      abs(at$deviance / deviance - 1),
      1e-7,
      label = paste(label, "deviance")
    )
  }
})
